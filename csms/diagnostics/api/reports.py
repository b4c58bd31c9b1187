"""REST: reports of a station's settings, whole or by criteria (OCPP 2.x).

What they tell stands in `/stations/{identity}/variables`, as all that a station tells of them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from csms.inquiries.api import InquiryShown, inquire
from csms.stations.asking import ASKED
from csms.web.documents import Document
from csms.web.route import api_router, may
from csms.web.work import Once
from models.commands.reports import (
    ReadBaseReport,
    ReadReport,
    ReportBase,
    ReportCriterion,
    ReportPlace,
)

router = api_router("diagnostics", prefix="/stations")


class NewBaseReport(Document):
    """One of the reports that every station has."""

    base: ReportBase
    """`full`: all that there is; `configuration`: what can be set; `summary`: what tells how it
    does."""


class NewReportPlace(Document):
    """A component, and which variable of it."""

    component: Annotated[str, Field(min_length=1, max_length=50)]
    component_instance: Annotated[str, Field(max_length=50)] | None = None
    evse_id: Annotated[int, Field(ge=0, le=100_000)] | None = None
    connector_id: Annotated[int, Field(ge=0, le=100_000)] | None = None
    variable: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    """Null: all of them."""
    instance: Annotated[str, Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _is_a_place(self) -> NewReportPlace:
        if self.connector_id is not None and self.evse_id is None:
            raise ValueError("a connector belongs to an EVSE: evse_id is missing")
        if self.instance is not None and self.variable is None:
            raise ValueError("an instance belongs to a variable")
        return self


class NewReport(Document):
    """What a report is to tell: what fits all that is given."""

    criteria: list[ReportCriterion] = Field(default_factory=list[ReportCriterion], max_length=4)
    """Components of which any of these is true."""
    variables: list[NewReportPlace] = Field(default_factory=list[NewReportPlace], max_length=100)
    """Any of these."""

    @model_validator(mode="after")
    def _asks_something(self) -> NewReport:
        if not self.criteria and not self.variables:
            raise ValueError("criteria or variables are needed; base-report tells all")
        if len(set(self.criteria)) != len(self.criteria):
            raise ValueError("each criterion is named once")
        return self


@router.post(
    "/{identity}/variables/base-report",
    status_code=201,
    response_model=InquiryShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def base_report(request: Request, _: Once, identity: str, body: NewBaseReport) -> Response:
    """Have a station report its settings; the list of variables follows, part by part."""
    return await inquire(
        request,
        identity,
        "variables",
        lambda number: ReadBaseReport(request_id=number, base=body.base),
        asked=body.model_dump(),
        whole=False,
    )


@router.post(
    "/{identity}/variables/report",
    status_code=201,
    response_model=InquiryShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def custom_report(request: Request, _: Once, identity: str, body: NewReport) -> Response:
    """Have a station report what fits; the list of variables follows, part by part."""
    places = tuple(ReportPlace(**each.model_dump()) for each in body.variables)
    return await inquire(
        request,
        identity,
        "variables",
        lambda number: ReadReport(request_id=number, criteria=tuple(body.criteria), places=places),
        asked=body.model_dump(exclude_none=True),
        whole=False,
    )
