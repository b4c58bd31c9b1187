"""REST: `/shared-plants/{plant_id}/quarters`: what of a plant was used by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime
from starlette.responses import Response

from csms.charging.sunshine import QUARTER, dealt_energy, drawn_by_span, metered_by_span
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
    edges = [floor_to_step(query.since, 15)]
    while edges[-1] < query.until:
        edges.append(edges[-1] + QUARTER)
    dealings = [dealing_at(row, quarter) for quarter in edges[:-1]]
    sites = {site_id for dealing in dealings for site_id in dealing.site_ids}
    metered = await metered_by_span(session, edges, sites)
    drawn = await drawn_by_span(session, edges, sites)
    items: list[dict[str, Any]] = []
    for number, dealing in enumerate(dealings):
        by_need = dealing.key == BY_NEED
        items += [
            {
                "start": edges[number],
                "site_id": each.site_id,
                "key": dealing.key,
                "sun_wh": round(each.sun_wh, 3),
                "need_wh": round(each.need_wh, 3),
                "used_wh": round(each.used_wh, 3),
                "sold_wh": round(each.sold_wh, 3),
            }
            for each in dealt_energy(
                dealing.site_ids, metered[number], drawn[number], by_need=by_need
            )
        ]
    return reply({"items": items})
