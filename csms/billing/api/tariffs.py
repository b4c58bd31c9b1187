"""REST: `/tariffs`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import Field, Strict, WithJsonSchema, model_validator
from starlette.responses import Response

from csms.billing.actions import change_tariff, create_tariff, delete_tariff
from csms.billing.queries import TariffShown, tariff_resource
from csms.billing.rules.prices import TellCost
from csms.web.documents import Currency, Document, Instant, KeptDocument, Money, Name, patched
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.openapi import patch_of
from csms.web.paging import KeptQuery, filtered, kept_page
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.commands.costs import Weekday
from models.tables.billing import Tariff

router = api_router("billing", prefix="/tariffs")

TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""`HH:MM` where the site is."""
Price = Annotated[Money, Field(ge=0)]
Interval = Annotated[
    timedelta,
    Strict(strict=False),
    Field(ge=timedelta(minutes=1), le=timedelta(days=1)),
    WithJsonSchema({"type": "string", "format": "duration"}),
]


class NewElement(Document):
    """Other prices at some times; null leaves a price to the next element, then to the tariff."""

    energy_price_per_kwh: Price | None = None
    charging_price_per_hour: Price | None = None
    idle_price_per_hour: Price | None = None
    start_time: TimeOfDay | None = None
    """Later than `end_time`: over midnight."""
    end_time: TimeOfDay | None = None
    days: list[Weekday] = Field(default_factory=list[Weekday], max_length=7)
    """Empty: every day."""

    @model_validator(mode="after")
    def _has_length(self) -> NewElement:
        if self.start_time is not None and self.start_time == self.end_time:
            raise ValueError("start_time and end_time differ")
        return self


class NewTariff(KeptDocument):
    """What charging costs, in the terms of OCPI."""

    name: Name
    currency: Currency
    energy_price_per_kwh: Price = Decimal(0)
    charging_price_per_hour: Price = Decimal(0)
    """While energy flows."""
    idle_price_per_hour: Price = Decimal(0)
    """While none does."""
    fixed_fee: Price = Decimal(0)
    """Once for each transaction."""
    min_cost: Price | None = None
    max_cost: Price | None = None
    valid_from: Instant | None = None
    """Null: always has been. Counts when a transaction begins."""
    valid_until: Instant | None = None
    elements: list[NewElement] = Field(default_factory=list[NewElement], max_length=50)
    """The first that holds, and has a price, gives it."""
    tell_cost: TellCost = "never"
    """Whether 2.x stations are told by themselves what their transactions cost: `end` the total,
    `running` also how it grows."""
    cost_step_wh: Annotated[float, Field(ge=1, le=1e9)] = 1000.0
    """They are told anew after so much energy,"""
    cost_interval: Interval = timedelta(minutes=10)
    """or after so much time, whichever comes first."""

    @model_validator(mode="after")
    def _in_order(self) -> NewTariff:
        low, high = self.min_cost, self.max_cost
        if low is not None and high is not None and low > high:
            raise ValueError("min_cost is at most max_cost")
        begins, ends = self.valid_from, self.valid_until
        if begins is not None and ends is not None and ends <= begins:
            raise ValueError("valid_until is after valid_from")
        return self

    def columns(self) -> dict[str, Any]:
        """Returns the columns of its row."""
        values = self.model_dump(exclude={"id", "cost_interval", "elements"})
        elements = [each.model_dump(mode="json") for each in self.elements]
        seconds = int(self.cost_interval.total_seconds())
        return values | {"elements": elements, "cost_interval_s": seconds}


class TariffQuery(KeptQuery):
    """Filters of the list of tariffs."""

    name: str | None = None
    currency: str | None = None


@router.post("", status_code=201, response_model=TariffShown, dependencies=[may("operate")])
async def post_tariff(work: Work, body: NewTariff) -> Response:
    """Create a tariff; sites and stations have it by their `tariff_id`."""
    row = await create_tariff(work, body.id, body.columns())
    return reply(
        tariff_resource(row),
        status=201,
        version=row.version,
        location=f"{BASE}/tariffs/{row.id}",
    )


@router.get("", response_model=Page[TariffShown], dependencies=[may("read")])
async def list_tariffs(
    session: Reading, caller: CallerNow, query: Annotated[TariffQuery, Query()]
) -> Response:
    """List tariffs."""
    statement = sa.select(Tariff).where(Tariff.tenant_id == caller.tenant)
    statement = filtered(statement, query, Tariff.name, Tariff.currency)
    rows, cursor = await kept_page(session, statement, query, Tariff, Tariff.name)
    return reply_page([tariff_resource(row) for row in rows], cursor)


@router.get("/{tariff_id}", response_model=TariffShown, dependencies=[may("read")])
async def get_tariff(session: Reading, caller: CallerNow, tariff_id: str) -> Response:
    """Show a tariff."""
    row = await find_row(session, Tariff, tariff_id, caller.tenant)
    return reply(tariff_resource(row), version=row.version)


@router.patch(
    "/{tariff_id}",
    response_model=TariffShown,
    dependencies=[may("operate")],
    openapi_extra=patch_of("NewTariff"),
)
async def patch_tariff(
    request: Request, work: Work, tariff_id: str, body: dict[str, Any]
) -> Response:
    """Change a tariff; transactions that have begun keep the one that they began with."""
    row = await find_for_change(work, Tariff, tariff_id)
    check_if_match(request, row.version)
    document = patched(NewTariff, tariff_resource(row), body)
    change_tariff(work, row, document.columns())
    return reply(tariff_resource(row), version=row.version)


@router.delete("/{tariff_id}", status_code=204, dependencies=[may("operate")])
async def remove_tariff(request: Request, work: Work, tariff_id: str) -> Response:
    """Delete a tariff that no site or station has."""
    row = await find_for_change(work, Tariff, tariff_id)
    check_if_match(request, row.version)
    await delete_tariff(work, row)
    return no_content()
