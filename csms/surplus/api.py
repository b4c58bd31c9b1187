"""REST: what the loop between plans did last at a site, and why."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from pydantic import AwareDatetime
from starlette.responses import Response

from csms.surplus.queries import correction_resource, corrections_of
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.work import Reading
from models.tables.energy import Site

router = api_router("plans")


class CorrectionShown(Shown):
    """The last limit by which an EVSE was led away from its plan."""

    station: str
    evse_id: int
    at: AwareDatetime
    until: AwareDatetime
    """When the plan's own limit holds again, unless a plan has come before."""
    active: bool
    """Whether that is still to come."""
    why: Literal["more sun", "less sun", "circuit"]
    circuit: str | None
    """What was metered above its limit, `/L1` and so on for a phase; empty: the connection to the
    grid. Null: the sun was why."""
    planned_w: float | None
    """What the plan gave; null: a circuit was why, and it was not asked."""
    before_w: float
    limit_w: float
    """What it was led to."""
    spare_w: float | None
    """Sun that went to the grid and was not to; below 0 so much was bought. Null: a circuit was
    why."""
    limit_id: str
    """In `/limits`, where it says whether it was obeyed."""
    corrections: int
    """How many there have been at this EVSE."""
    switched_in_hour: int
    """How often the sun has let its car on or off in the hour up to this one."""


class SurplusShown(Shown):
    """What the loop between plans does at a site."""

    site_id: str
    follow_surplus: bool
    corrections: list[CorrectionShown]
    """The last one of each EVSE that has had one."""


@router.get("/sites/{site_id}/surplus", response_model=SurplusShown, dependencies=[may("read")])
async def show_surplus(
    request: Request, session: Reading, caller: CallerNow, site_id: str
) -> Response:
    """Show what was measured between plans and led cars elsewhere, the last time at each EVSE."""
    site = await find_row(session, Site, site_id, caller.tenant)
    now = services_of(request).clock.now()
    return reply(
        {
            "site_id": site.id,
            "follow_surplus": site.follow_surplus,
            "corrections": [
                {**correction_resource(row), "active": row.until > now}
                for row in await corrections_of(session, site_id)
            ],
        }
    )
