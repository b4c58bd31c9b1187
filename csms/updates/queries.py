"""Updates and campaigns as they are shown, and stations as a campaign sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.stations.rules import component_name, variable_name
from csms.updates.rules.campaigns import Campaign as CampaignState
from csms.updates.rules.campaigns import Member, Result, View, Window
from csms.updates.rules.firmware import (
    OPEN,
    CommandTold,
    UpdateState,
    unfit,
    without_credentials,
)
from models.facts import VariableState
from models.states import CAMPAIGN_STATION, COMMAND_SETTLED
from models.tables.charging import Transaction
from models.tables.ledger import Command
from models.tables.stations import Station, StationVariable
from models.tables.updates import Campaign, CampaignStation, FirmwareNotice, FirmwareUpdate

ATTEMPTS = 3
"""How often a setting is written to a station that does not answer; to write twice does no harm."""
_WRITTEN = {"accepted": None, "scheduled": "it takes effect once the station restarts"}


class FirmwareChange(msgspec.Struct, frozen=True, kw_only=True, tag="firmware"):
    """The firmware that stations are to install."""

    location: str
    retrieve_at: datetime | None = None
    """None: at once."""
    install_at: datetime | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    signing_certificate: str | None = None
    signature: str | None = None
    firmware_version: str | None = None
    """What it is: stations that have it already are left out."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and its new value."""

    name: str
    value: str
    component: str | None = None
    component_instance: str | None = None
    instance: str | None = None
    evse_id: int | None = None


class ConfigurationChange(msgspec.Struct, frozen=True, kw_only=True, tag="configuration"):
    """The settings that stations are to have."""

    variables: tuple[Setting, ...]


Change = FirmwareChange | ConfigurationChange


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which stations; all that is given must be so."""

    identities: tuple[str, ...] | None = None
    site_id: str | None = None
    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None


def change_of(row: Campaign) -> Change:
    """Returns what a campaign does."""
    return msgspec.convert(row.change, Change)


def update_state(row: FirmwareUpdate) -> UpdateState:
    """Returns an update as the rules take it."""
    return UpdateState(**{name: getattr(row, name) for name in UpdateState.__struct_fields__})


def campaign_state(row: Campaign) -> CampaignState:
    """Returns a campaign as the rules take it."""
    values: dict[str, Any] = {name: getattr(row, name) for name in CampaignState.__struct_fields__}
    values["window"] = row.window and msgspec.convert(row.window, Window)
    return CampaignState(**values)


def member_state(row: CampaignStation) -> Member:
    """Returns a station of a campaign as the rules take it."""
    return Member(**{name: getattr(row, name) for name in Member.__struct_fields__})


def update_resource(row: FirmwareUpdate, notices: Sequence[FirmwareNotice]) -> dict[str, Any]:
    """Returns an update as the REST door and the events show it."""
    return {
        "id": row.id,
        "station": row.station,
        "campaign_id": row.campaign_id,
        "request_id": row.request_id,
        "location": without_credentials(row.location),
        "retrieve_at": row.retrieve_at,
        "install_at": row.install_at,
        "retries": row.retries,
        "retry_interval": _duration(row.retry_interval_s),
        "signed": row.signed,
        "state": row.state,
        "status": row.status,
        "why": row.why,
        "firmware_before": row.firmware_before,
        "firmware_after": row.firmware_after,
        "history": [{"status": each.status, "received_at": each.received_at} for each in notices],
        "created_at": row.created_at,
        "ended_at": row.ended_at,
        "updated_at": row.updated_at,
    }


def notice_resource(row: FirmwareNotice) -> dict[str, Any]:
    """Returns what a station has told of its firmware."""
    return {
        "id": str(row.id),
        "station": row.station,
        "status": row.status,
        "request_id": row.request_id,
        "update_id": row.update_id,
        "received_at": row.received_at,
    }


def campaign_resource(row: Campaign, counts: Mapping[str, int]) -> dict[str, Any]:
    """Returns a campaign as the REST door and the events show it.

    Args:
        row: the campaign.
        counts: how many of its stations are in which state.
    """
    change = dict(row.change)
    change.pop("type")
    if "location" in change:
        change["location"] = without_credentials(change["location"])
        change["retry_interval"] = _duration(change.pop("retry_interval_s"))
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "change": change,
        "stations": row.selection,
        "state": row.state,
        "why": row.why,
        "progress": {
            "total": sum(counts.values()),
            **{state: counts.get(state, 0) for state in CAMPAIGN_STATION},
        },
        "wave": row.wave,
        "wave_size": row.wave_size,
        "wave_pause": _duration(row.wave_pause_s),
        "next_wave_at": row.next_wave_at,
        "window": row.window,
        "max_failures": row.max_failures,
        "while_charging": row.while_charging,
        "ends_at": row.ends_at,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
        "updated_at": row.updated_at,
    }


def member_resource(row: CampaignStation, update: FirmwareUpdate | None) -> dict[str, Any]:
    """Returns what became of a station in a campaign."""
    return {
        "station": row.station,
        "wave": row.wave,
        "state": row.state,
        "why": row.why,
        "status": update and update.status,
        "firmware_before": row.firmware_before,
        "firmware_after": update and update.firmware_after,
        "update_id": row.update_id,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _duration(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


async def show_update(session: AsyncSession, row: FirmwareUpdate) -> dict[str, Any]:
    """Returns one update as it is shown."""
    return (await show_updates(session, [row]))[0]


async def show_updates(
    session: AsyncSession, rows: Sequence[FirmwareUpdate]
) -> list[dict[str, Any]]:
    """Returns updates as they are shown, with all that stations have told of them."""
    query = sa.select(FirmwareNotice).where(FirmwareNotice.update_id.in_([r.id for r in rows]))
    notices: dict[str | None, list[FirmwareNotice]] = {}
    for each in await session.scalars(query.order_by(FirmwareNotice.id)):
        notices.setdefault(each.update_id, []).append(each)
    return [update_resource(row, notices.get(row.id, ())) for row in rows]


async def show_campaigns(session: AsyncSession, rows: Sequence[Campaign]) -> list[dict[str, Any]]:
    """Returns campaigns as they are shown."""
    query = (
        sa.select(CampaignStation.campaign_id, CampaignStation.state, sa.func.count())
        .where(CampaignStation.campaign_id.in_([row.id for row in rows]))
        .group_by(CampaignStation.campaign_id, CampaignStation.state)
    )
    counts: dict[str, dict[str, int]] = {}
    for campaign_id, state, number in await session.execute(query):
        counts.setdefault(campaign_id, {})[state] = number
    return [campaign_resource(row, counts.get(row.id, {})) for row in rows]


async def show_campaign(session: AsyncSession, row: Campaign) -> dict[str, Any]:
    """Returns one campaign as it is shown."""
    return (await show_campaigns(session, [row]))[0]


async def show_members(
    session: AsyncSession, rows: Sequence[CampaignStation]
) -> list[dict[str, Any]]:
    """Returns stations of campaigns as they are shown."""
    ids = [row.update_id for row in rows if row.update_id is not None]
    found = await session.scalars(sa.select(FirmwareUpdate).where(FirmwareUpdate.id.in_(ids)))
    updates = {each.id: each for each in found}
    return [member_resource(row, updates.get(row.update_id or "")) for row in rows]


async def members_of(session: AsyncSession, campaign_id: str) -> list[CampaignStation]:
    """Returns the stations of a campaign in the order of their turns."""
    query = sa.select(CampaignStation).where(CampaignStation.campaign_id == campaign_id)
    return list(await session.scalars(query.order_by(CampaignStation.position)))


async def chosen_stations(
    session: AsyncSession, selection: Selection, tenant: str
) -> list[Station]:
    """Returns the accepted stations that a selection means, in order of their identities."""
    query = sa.select(Station).where(Station.tenant_id == tenant, Station.approval == "accepted")
    if selection.identities is not None:
        query = query.where(Station.identity.in_(selection.identities))
    for column in (Station.site_id, Station.vendor, Station.model, Station.firmware_version):
        wanted = getattr(selection, column.key)
        if wanted is not None:
            query = query.where(column == wanted)
    return list(await session.scalars(query.order_by(Station.identity)))


async def updates_of(session: AsyncSession, identity: str) -> list[FirmwareUpdate]:
    """Returns the updates of a station, the newest first, for change."""
    query = sa.select(FirmwareUpdate).where(FirmwareUpdate.station == identity)
    query = query.order_by(FirmwareUpdate.request_id.desc()).with_for_update()
    return list(await session.scalars(query))


async def views_of(
    session: AsyncSession,
    stations: Sequence[Station],
    change: Change,
    *,
    campaign_id: str | None = None,
) -> dict[str, View]:
    """Returns stations as they are for a campaign, without what became of its own doings.

    Args:
        session: to read with.
        stations: those that matter.
        change: what it does.
        campaign_id: its own updates don't keep it from going on.
    """
    identities = [each.identity for each in stations]
    charging = set(
        await session.scalars(
            sa.select(Transaction.station).where(
                Transaction.station.in_(identities), Transaction.stopped_at.is_(None)
            )
        )
    )
    busy = await _busy(session, campaign_id)
    values = await _values(session, identities) if _is_settings(change) else {}
    return {
        each.identity: View(
            online=each.online,
            charging=each.identity in charging,
            busy=each.identity in busy,
            needless=_needless(each, change, values.get(each.identity, {})),
        )
        for each in stations
    }


def update_result(row: FirmwareUpdate | None) -> Result | None:
    """Returns how far a station is by its update."""
    if row is None:
        return None
    if row.state in OPEN:
        return Result(state="running", why=row.why)
    if row.state == "installed":
        return Result(state="done")
    return Result(state="unsent" if row.state == "unsent" else "failed", why=row.why)


async def fate_of(session: AsyncSession, command_id: str) -> CommandTold | None:
    """Returns what became of a command; None while that is not known."""
    row = await session.get(Command, command_id)
    if row is None or row.state not in COMMAND_SETTLED:
        return None
    return CommandTold(
        state=row.state, outcome=row.outcome, error_code=row.error_code, detail=row.detail
    )


def write_result(row: Command | None, *, is_last: bool, attempts: int) -> Result | None:
    """Returns how far a station is by the command that writes a setting.

    Args:
        row: the command.
        is_last: whether there are no more settings to be written.
        attempts: how often the station has left us without an answer before.
    """
    if row is None:
        return None
    if row.state == "answered":
        outcome = row.outcome or "unknown"
        if outcome in _WRITTEN:
            return Result(state="done" if is_last else "running", why=_WRITTEN[outcome])
        return Result(state="failed", why=row.detail or f"the station says {outcome}")
    if row.state == "unknown":
        again = attempts + 1 < ATTEMPTS
        return Result(state="unsent" if again else "failed", why="the station does not answer")
    if row.state in {"failed", "expired"}:
        never_sent = row.state == "expired" or row.error_code == "Expired"
        why = "the station went before it could be told" if never_sent else row.detail
        return Result(state="unsent" if never_sent else "failed", why=why or row.error_code)
    return Result(state="running")


async def _busy(session: AsyncSession, campaign_id: str | None) -> set[str]:
    """Returns all stations at which something else is under way: always few."""
    updates = sa.select(FirmwareUpdate.station).where(FirmwareUpdate.state.in_(OPEN))
    others = sa.select(CampaignStation.station).where(CampaignStation.state == "running")
    if campaign_id is not None:
        others = others.where(CampaignStation.campaign_id != campaign_id)
    return set(await session.scalars(sa.union(updates, others)))


async def _values(
    session: AsyncSession, identities: Sequence[str]
) -> dict[str, dict[tuple[str, str], str | None]]:
    query = sa.select(StationVariable).where(
        StationVariable.station.in_(identities), StationVariable.attribute == "Actual"
    )
    found: dict[str, dict[tuple[str, str], str | None]] = {}
    for each in await session.scalars(query):
        found.setdefault(each.station, {})[each.component, each.variable] = each.value
    return found


def _is_settings(change: Change) -> bool:
    return isinstance(change, ConfigurationChange)


def _needless(
    station: Station, change: Change, values: Mapping[tuple[str, str], str | None]
) -> str | None:
    """Returns why there is nothing to do at a station, or nothing that could be done."""
    version = station.ocpp_version
    if isinstance(change, FirmwareChange):
        if change.firmware_version and change.firmware_version == station.firmware_version:
            return f"it has {change.firmware_version} already"
        return unfit(version, install_at=change.install_at, signed=change.signature is not None)
    if version not in {None, "ocpp1.6"}:
        without = [each.name for each in change.variables if each.component is None]
        if without:
            return f"OCPP 2.x needs the component of {', '.join(without)}"
    if all(values.get(_place(each, version), "") == each.value for each in change.variables):
        return "its settings are so already"
    return None


def _place(setting: Setting, version: str | None) -> tuple[str, str]:
    """Returns where the value of a setting is kept."""
    if version == "ocpp1.6":
        return "", setting.name
    variable = VariableState(
        name=setting.name,
        component=setting.component,
        component_instance=setting.component_instance,
        instance=setting.instance,
        evse_id=setting.evse_id,
    )
    return component_name(variable), variable_name(variable)


def missing(found: Iterable[Station], wanted: Iterable[str]) -> list[str]:
    """Returns the identities that were asked for and are not there, in order."""
    known = {each.identity for each in found}
    return [identity for identity in wanted if identity not in known]


def publication_resource(publication: Any) -> dict[str, Any]:
    """Returns firmware that a controller offers; it takes rows and the rules' structs alike."""
    seconds = publication.retry_interval_s
    return {
        "id": publication.id,
        "station": publication.station,
        "request_id": publication.request_id,
        "location": without_credentials(publication.location),
        "checksum": publication.checksum,
        "retries": publication.retries,
        "retry_interval": None if seconds is None else timedelta(seconds=seconds),
        "state": publication.state,
        "status": publication.status,
        "why": publication.why,
        "locations": [without_credentials(each) for each in publication.locations],
        "history": publication.history,
        "created_at": publication.created_at,
        "ended_at": publication.ended_at,
        "updated_at": publication.updated_at,
    }
