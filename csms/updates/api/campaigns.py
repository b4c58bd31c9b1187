"""REST: `/campaigns`: previewed, begun, held, broken off, and reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import sqlalchemy as sa
from fastapi import Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from csms.updates.actions import (
    CampaignWish,
    create_campaign,
    move_campaign,
    preview_campaign,
    verdicts,
)
from csms.updates.api.documents import (
    CampaignShown,
    CampaignStationShown,
    NewAbort,
    NewCampaign,
    PreviewShown,
    ReportShown,
    ends_at_of,
)
from csms.updates.queries import (
    Selection,
    members_of,
    show_campaign,
    show_campaigns,
    show_members,
)
from csms.updates.rules.campaigns import Window
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.problem import bad_field
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.states import CampaignState, CampaignStationState
from models.tables.updates import Campaign, CampaignStation
from models.timeline import format_rfc3339

router = api_router("updates", prefix="/campaigns")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that a spreadsheet would take for a formula."""


class CampaignQuery(ListQuery):
    """Filters of the list of campaigns; the newest comes first unless `sort` says otherwise."""

    state: CampaignState | None = None
    kind: Literal["firmware", "configuration"] | None = None


class MemberQuery(ListQuery):
    """Filters of the stations of a campaign, in the order of their turns."""

    state: CampaignStationState | None = None


class ReportQuery(BaseModel):
    """The form of a report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["json", "csv"] = "json"


@router.post("", status_code=201, response_model=CampaignShown, dependencies=[may("operate")])
async def post_campaign(work: Work, body: NewCampaign) -> Response:
    """Begin a campaign; its first wave follows at once, or when it may."""
    row = await create_campaign(work, _wish(body, work.now))
    shown = await show_campaign(work.session, row)
    path = f"{BASE}/campaigns/{row.id}"
    return reply(shown, status=201, version=row.version, location=path)


@router.post("/preview", response_model=PreviewShown, dependencies=[may("operate")])
async def preview(
    request: Request, session: Reading, caller: CallerNow, body: NewCampaign
) -> Response:
    """Show which stations a campaign would have, and which not, and why; begins nothing."""
    wish = _wish(body, services_of(request).clock.now())
    found = await preview_campaign(session, caller.tenant, wish)
    stations = verdicts(wish, found)
    counts = [each["verdict"] for each in stations]
    return reply(
        {
            "ready": counts.count("ready"),
            "waits": counts.count("waits"),
            "left_out": counts.count("left-out"),
            "wave_size": found.wave_size,
            "max_failures": found.max_failures,
            "stations": stations,
        }
    )


@router.get("", response_model=Page[CampaignShown], dependencies=[may("read")])
async def list_campaigns(
    session: Reading, caller: CallerNow, query: Annotated[CampaignQuery, Query()]
) -> Response:
    """List campaigns with their progress."""
    statement = sa.select(Campaign).where(Campaign.tenant_id == caller.tenant)
    statement = filtered(statement, query, Campaign.state, Campaign.kind)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"created_at": Campaign.created_at, "updated_at": Campaign.updated_at},
        key=(Campaign.id,),
        updated=(Campaign.updated_at,),
        default="-created_at",
    )
    return reply_page(await show_campaigns(session, rows), cursor)


@router.get("/{campaign_id}", response_model=CampaignShown, dependencies=[may("read")])
async def get_campaign(session: Reading, caller: CallerNow, campaign_id: str) -> Response:
    """Show a campaign with its progress."""
    row = await find_row(session, Campaign, campaign_id, caller.tenant)
    return reply(await show_campaign(session, row), version=row.version)


@router.get(
    "/{campaign_id}/stations",
    response_model=Page[CampaignStationShown],
    dependencies=[may("read")],
)
async def list_campaign_stations(
    session: Reading, caller: CallerNow, campaign_id: str, query: Annotated[MemberQuery, Query()]
) -> Response:
    """List what became of each station of a campaign."""
    row = await find_row(session, Campaign, campaign_id, caller.tenant)
    statement = sa.select(CampaignStation).where(CampaignStation.campaign_id == row.id)
    statement = filtered(statement, query, CampaignStation.state)
    if query.updated_since is not None:
        raise bad_field("/updated_since", "stations of a campaign are listed whole")
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"position": CampaignStation.position, "station": CampaignStation.station},
        key=(CampaignStation.station,),
        updated=(),
    )
    return reply_page(await show_members(session, rows), cursor)


@router.post("/{campaign_id}/pause", response_model=CampaignShown, dependencies=[may("operate")])
async def pause_campaign(work: Work, campaign_id: str) -> Response:
    """Let no more stations begin; those that have begun go on."""
    return await _moved(work, campaign_id, "paused")


@router.post("/{campaign_id}/resume", response_model=CampaignShown, dependencies=[may("operate")])
async def resume_campaign(work: Work, campaign_id: str) -> Response:
    """Let a campaign that was paused go on."""
    return await _moved(work, campaign_id, "running")


@router.post("/{campaign_id}/abort", response_model=CampaignShown, dependencies=[may("operate")])
async def abort_campaign(work: Work, campaign_id: str) -> Response:
    """Break a campaign off for good; stations that have begun go on."""
    return await _moved(work, campaign_id, "aborted")


@router.get(
    "/{campaign_id}/report",
    response_model=ReportShown,
    dependencies=[may("read")],
    responses={200: {"content": {"text/csv": {}}}},
)
async def report_campaign(
    session: Reading, caller: CallerNow, campaign_id: str, query: Annotated[ReportQuery, Query()]
) -> Response:
    """Report a campaign with the result of each station, as JSON or (`format=csv`) as a table."""
    row = await find_row(session, Campaign, campaign_id, caller.tenant)
    stations = await show_members(session, await members_of(session, row.id))
    if query.format == "json":
        return reply({"campaign": await show_campaign(session, row), "stations": stations})
    name = f'attachment; filename="campaign-{row.id}.csv"'
    return Response(_table(stations), media_type="text/csv", headers={"Content-Disposition": name})


async def _moved(work: Work, campaign_id: str, state: CampaignState) -> Response:
    row = await find_for_change(work, Campaign, campaign_id)
    await move_campaign(work, row, state)
    return reply(await show_campaign(work.session, row), version=row.version)


def _wish(body: NewCampaign, now: datetime) -> CampaignWish:
    ends_at = ends_at_of(body, now)
    if ends_at <= now:
        raise bad_field("/ends_at", "lies in the past")
    change = body.firmware or body.configuration
    assert change is not None  # its form says so
    chosen = body.stations.model_dump()
    if chosen["identities"] is not None:
        chosen["identities"] = tuple(chosen["identities"])
    limit = body.abort_above or NewAbort.model_construct(failures=None, share=None)
    window = body.window
    return CampaignWish(
        name=body.name,
        change=change.change(),
        selection=Selection(**chosen),
        wave_count=body.waves.size,
        wave_share=body.waves.share,
        wave_pause_s=round(body.waves.pause.total_seconds()),
        max_failures=limit.failures,
        max_failure_share=limit.share,
        window=window and Window(**window.model_dump()),
        while_charging=body.while_charging,
        starts_at=body.starts_at,
        ends_at=ends_at,
    )


def _table(stations: Sequence[Mapping[str, Any]]) -> str:
    """Returns the results of stations as CSV (RFC 4180)."""
    text = io.StringIO()
    names = list(CampaignStationShown.model_fields)
    writer = csv.writer(text)
    writer.writerow(names)
    for each in stations:
        writer.writerow([_cell(each[name]) for name in names])
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    shown = format_rfc3339(value) if isinstance(value, datetime) else str(cast("Any", value))
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
