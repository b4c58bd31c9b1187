"""Asking stations for updates, and making, holding and breaking off campaigns.

A station has one update under way at most: those who ask for one take turns, station by station,
and the database has a unique index beside it. The station's row is not locked for it, because what
stations report is written there by batches of many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.ledger.work import UnitOfWork
from csms.updates.queries import (
    Change,
    FirmwareChange,
    Selection,
    chosen_stations,
    missing,
    show_campaign,
    show_update,
    views_of,
)
from csms.updates.rules.campaigns import (
    View,
    Window,
    failures_allowed,
    number_of,
    verdict,
)
from csms.updates.rules.firmware import OPEN, UpdateState, unfit
from csms.web.problem import bad_field
from models.commands.publishing import PublishFirmware
from models.commands.upkeep import UpdateFirmware
from models.errors import Conflict
from models.states import CAMPAIGN, CampaignState, allowed
from models.tables.stations import Station
from models.tables.updates import (
    Campaign,
    CampaignStation,
    FirmwarePublication,
    FirmwareUpdate,
)

ORDER_EXPIRES_S = 60.0
"""Life time for which a station that has just been there is waited for."""
AHEAD_MAX = timedelta(days=30)
"""A station takes no other update before this one is over."""
STATIONS_MAX = 20_000


class CampaignWish(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as somebody wants it."""

    name: str
    change: Change
    selection: Selection
    wave_count: int | None
    wave_share: float | None
    wave_pause_s: int
    max_failures: int | None
    max_failure_share: float | None
    window: Window | None
    while_charging: bool
    starts_at: datetime | None
    ends_at: datetime


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """Which stations a campaign would have, and in what waves."""

    stations: list[Station]
    views: dict[str, View]
    wave_size: int
    max_failures: int | None


async def request_update(
    work: UnitOfWork,
    station: Station,
    change: FirmwareChange,
    *,
    origin: str = "api",
    campaign_id: str | None = None,
) -> FirmwareUpdate:
    """Asks a station to install firmware.

    Args:
        work: the unit of work.
        station: its row.
        change: what it is to install.
        origin: of the command: `api` or `rule`.
        campaign_id: the campaign that it is part of.

    Raises:
        BadInput: for what its OCPP version can't say.
        Conflict: `station-offline`; `update-running` while another one is under way.
    """
    identity, signed = station.identity, change.signature is not None
    await take_station(work, identity)
    why = unfit(station.ocpp_version, install_at=change.install_at, signed=signed)
    if why is not None:
        raise bad_field("/install_at", why)
    for name, at in (("retrieve_at", change.retrieve_at), ("install_at", change.install_at)):
        if at is not None and at > work.now + AHEAD_MAX:
            raise bad_field(f"/{name}", f"lies more than {AHEAD_MAX.days} days ahead")
    if not station.online:
        raise Conflict(f"the station {identity} is not connected", code="station-offline")
    mine = FirmwareUpdate.station == identity
    query = sa.select(FirmwareUpdate.id).where(mine, FirmwareUpdate.state.in_(OPEN))
    if (other := await work.session.scalar(query)) is not None:
        detail = f"the firmware update {other} of {identity} is not over"
        raise Conflict(detail, code="update-running")
    last = await work.session.scalar(sa.select(sa.func.max(FirmwareUpdate.request_id)).where(mine))
    retrieve_at = max(change.retrieve_at or work.now, work.now)
    install_at = change.install_at if change.install_at and change.install_at > work.now else None
    order = UpdateFirmware(
        request_id=(last or 0) + 1,
        location=change.location,
        retrieve_at=retrieve_at,
        install_at=install_at,
        retries=change.retries,
        retry_interval_s=change.retry_interval_s,
        signing_certificate=change.signing_certificate,
        signature=change.signature,
    )
    row = FirmwareUpdate(
        id=work.ids.new(),
        tenant_id=work.tenant,
        station=identity,
        campaign_id=campaign_id,
        request_id=order.request_id,
        command_id=work.order(order, station=identity, origin=origin, expires_in_s=ORDER_EXPIRES_S),
        location=change.location,
        retrieve_at=retrieve_at,
        install_at=install_at,
        retries=change.retries,
        retry_interval_s=change.retry_interval_s,
        signed=signed,
        state="requested",
        firmware_before=station.firmware_version,
        created_at=work.now,
        heard_at=work.now,
        updated_at=work.now,
        version=1,
    )
    work.session.add(row)
    await work.session.flush()
    await announce_update(work, "firmware_update.requested", station, row)
    return row


async def order_publication(
    work: UnitOfWork,
    station: str,
    *,
    location: str,
    checksum: str,
    retries: int | None,
    retry_interval_s: int | None,
) -> FirmwarePublication:
    """Asks a local controller to offer firmware to the stations behind it.

    Args:
        work: the unit of work.
        station: the controller's identity.
        location: where it fetches the firmware.
        checksum: MD5, 32 hexadecimal digits.
        retries: how often it tries again to fetch it.
        retry_interval_s: how long it waits before.
    """
    await work.take_turn(f"publications of {station}")
    mine = FirmwarePublication.station == station
    query = sa.select(sa.func.max(FirmwarePublication.request_id)).where(mine)
    order = PublishFirmware(
        request_id=(await work.session.scalar(query) or 0) + 1,
        location=location,
        checksum=checksum,
        retries=retries,
        retry_interval_s=retry_interval_s,
    )
    row = FirmwarePublication(
        id=work.ids.new(),
        tenant_id=work.tenant,
        station=station,
        request_id=order.request_id,
        command_id=work.order(order, station=station, origin="api", expires_in_s=ORDER_EXPIRES_S),
        location=location,
        checksum=checksum,
        retries=retries,
        retry_interval_s=retry_interval_s,
        state="requested",
        locations=[],
        history=[],
        created_at=work.now,
        updated_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    return row


async def take_station(work: UnitOfWork, identity: str) -> None:
    """Waits for the turn to see to the updates of a station."""
    await work.take_turn(f"updates of {identity}")


async def keep_update(
    work: UnitOfWork, station: Station, row: FirmwareUpdate, after: UpdateState
) -> None:
    """Writes down what is known of an update, and says so."""
    over = row.ended_at is None and after.ended_at is not None
    for name in ("state", "status", "why", "firmware_after", "heard_at", "ended_at"):
        setattr(row, name, getattr(after, name))
    row.version += 1
    row.updated_at = work.now
    await work.session.flush()
    event = "firmware_update.ended" if over else "firmware_update.changed"
    await announce_update(work, event, station, row)


async def announce_update(
    work: UnitOfWork, event: str, station: Station, row: FirmwareUpdate
) -> None:
    """Says what became true of an update."""
    shown = await show_update(work.session, row)
    work.emit(event, subject=f"firmware_update/{row.id}", resource=shown, site_id=station.site_id)


async def preview_campaign(session: AsyncSession, tenant: str, wish: CampaignWish) -> Preview:
    """Returns what a campaign would come to now.

    Raises:
        BadInput: naming the field, for stations that are not there, none at all or too many.
    """
    selection = wish.selection
    stations = await chosen_stations(session, selection, tenant)
    if selection.identities is not None and _only_named(selection):
        for identity in missing(stations, selection.identities):
            place = selection.identities.index(identity)
            raise bad_field(f"/stations/identities/{place}", f"there is no station {identity}")
    if not stations:
        raise bad_field("/stations", "no station is so")
    if len(stations) > STATIONS_MAX:
        raise bad_field("/stations", f"a campaign has at most {STATIONS_MAX} stations")
    views = await views_of(session, stations, wish.change)
    some = [each for each in stations if views[each.identity].needless is None]
    return Preview(
        stations=stations,
        views=views,
        wave_size=number_of(wish.wave_count, wish.wave_share, len(some)),
        max_failures=failures_allowed(wish.max_failures, wish.max_failure_share, len(some)),
    )


async def create_campaign(work: UnitOfWork, wish: CampaignWish) -> Campaign:
    """Begins a campaign; its first wave follows at once, or when it may.

    Raises:
        BadInput: as `preview_campaign`.
    """
    preview = await preview_campaign(work.session, work.tenant, wish)
    row = Campaign(
        id=work.ids.new(),
        tenant_id=work.tenant,
        name=wish.name,
        kind="firmware" if isinstance(wish.change, FirmwareChange) else "configuration",
        change=msgspec.to_builtins(wish.change),
        selection=msgspec.to_builtins(wish.selection),
        state="running",
        wave=0,
        wave_size=preview.wave_size,
        wave_pause_s=wish.wave_pause_s,
        next_wave_at=max(wish.starts_at or work.now, work.now),
        window=wish.window and msgspec.to_builtins(wish.window),
        max_failures=preview.max_failures,
        while_charging=wish.while_charging,
        ends_at=wish.ends_at,
        created_at=work.now,
        updated_at=work.now,
        version=1,
    )
    work.session.add(row)
    await work.session.flush()
    for position, station in enumerate(preview.stations):
        why = preview.views[station.identity].needless
        work.session.add(
            CampaignStation(
                campaign_id=row.id,
                station=station.identity,
                position=position,
                state="waiting" if why is None else "skipped",
                why=why,
                firmware_before=station.firmware_version,
                ended_at=None if why is None else work.now,
                written=0,
                attempts=0,
            )
        )
    await work.session.flush()
    await announce_campaign(work, "campaign.created", row)
    return row


async def move_campaign(work: UnitOfWork, row: Campaign, state: CampaignState) -> None:
    """Holds a campaign, lets it go on, or breaks it off; what has begun goes on in any case.

    Raises:
        Conflict: `campaign-over`, if that can't be done any more.
    """
    if row.state == state:
        return
    if not allowed(CAMPAIGN, row.state, state) or row.ended_at is not None:
        raise Conflict(f"the campaign is {row.state} already", code="campaign-over")
    row.state = state
    row.why = f"by {work.actor}" if state == "aborted" else None
    touch(work, row)
    events = {"paused": "campaign.paused", "running": "campaign.resumed"}
    await announce_campaign(work, events.get(state, "campaign.aborted"), row)


def touch(work: UnitOfWork, row: Campaign) -> None:
    """Moves the version of a campaign on."""
    row.version += 1
    row.updated_at = work.now


async def announce_campaign(work: UnitOfWork, event: str, row: Campaign) -> None:
    """Says what became true of a campaign."""
    await work.session.flush()
    shown = await show_campaign(work.session, row)
    work.emit(event, subject=f"campaign/{row.id}", resource=shown)


def verdicts(wish: CampaignWish, preview: Preview) -> Sequence[Mapping[str, Any]]:
    """Returns of each chosen station whether it could begin now, and why not."""
    shown: list[Mapping[str, Any]] = []
    for station in preview.stations:
        view = preview.views[station.identity]
        ready, why = verdict(view, while_charging=wish.while_charging)
        shown.append(
            {
                "station": station.identity,
                "verdict": ready,
                "why": why,
                "online": station.online,
                "ocpp_version": station.ocpp_version,
                "firmware_version": station.firmware_version,
            }
        )
    return shown


def _only_named(selection: Selection) -> bool:
    """Returns whether stations are chosen by their names alone."""
    others = (selection.site_id, selection.vendor, selection.model, selection.firmware_version)
    return all(each is None for each in others)
