"""REST: `/shared-plants/{plant_id}/quarters`: what of a plant was used by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime
from starlette.responses import Response

from csms.charging.sunshine import QUARTER, dealt_energy, drawn_between, metered_between
from csms.energy.dealing import BY_NEED, dealing_at
from csms.web.documents import Document, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.problem import bad_field
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.work import Reading
from models.tables.energy import SharedPlant
from models.timeline import floor_to_step

router = api_router("energy", prefix="/shared-plants")

LONGEST = timedelta(days=1)


class QuartersQuery(Document):
    """A period, widened to whole quarters of an hour."""

    since: Instant
    until: Instant
    """A day later at most."""


class QuarterShown(Shown):
    """What a site got of a plant in a quarter of an hour."""

    start: AwareDatetime
    site_id: str
    key: str
    """How the plant was dealt then."""
    sun_wh: float
    """What it was dealt."""
    need_wh: float
    """What its building and its cars drew."""
    used_wh: float
    """What they used of it."""
    sold_wh: float
    """What they left, which was sold."""


class QuartersShown(Shown):
    """By time, then by the order of the plant's shares."""

    items: list[QuarterShown]


@router.get("/{plant_id}/quarters", response_model=QuartersShown, dependencies=[may("read")])
async def list_quarters(
    session: Reading, caller: CallerNow, plant_id: str, query: Annotated[QuartersQuery, Query()]
) -> Response:
    """Show what of a plant was used by whom, and what was sold, by quarters of an hour."""
    row = await find_row(session, SharedPlant, plant_id, caller.tenant)
    if not query.since < query.until <= query.since + LONGEST:
        raise bad_field("/until", "is after since, by a day at most")
    items: list[dict[str, Any]] = []
    quarter = floor_to_step(query.since, 15)
    while quarter < query.until:
        dealing = dealing_at(row, quarter)
        group = dealing.site_ids
        end = quarter + QUARTER
        metered = await metered_between(session, quarter, end, set(group))
        drawn = await drawn_between(session, quarter, end, set(group))
        by_need = dealing.key == BY_NEED
        items += [
            {
                "start": quarter,
                "site_id": each.site_id,
                "key": dealing.key,
                "sun_wh": round(each.sun_wh, 3),
                "need_wh": round(each.need_wh, 3),
                "used_wh": round(each.used_wh, 3),
                "sold_wh": round(each.sold_wh, 3),
            }
            for each in dealt_energy(group, metered, drawn, by_need=by_need)
        ]
        quarter = end
    return reply({"items": items})
