"""Checks as they are shown, and what their steps look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.checks.rules.judging import Sample
from csms.checks.rules.settings import SETTINGS, Told
from csms.checks.rules.steps import (
    Figure,
    Severity,
    StepName,
    StepState,
    Verdict,
    read_finding,
    read_step,
)
from csms.checks.rules.verdict import Page
from csms.web.documents import Shown
from models.states import StationCheckState
from models.tables.charging import ChargingLimit, Reading, Transaction
from models.tables.checks import StationCheck
from models.tables.stations import Connector, Evse, Station, StationVariable

_CLOCKS_OFF_BY = timedelta(days=1)
"""How far a station's clock may be from ours, zones included, for its samples to be found."""
_SAMPLES = 50
_MAY_BE_IN_BOX = ("sent", "accepted", "obeyed", "disobeyed", "unknown")
_ON_ITS_WAY = ("queued", "sent")
_TAKEN = ("accepted", "obeyed", "disobeyed", "unknown")


class StepShown(Shown):
    """One step of a check."""

    step: StepName
    state: StepState
    text: str
    asked: list[str]
    """What the station was asked or told."""
    answered: list[str]
    """What it said, one for each."""
    figures: dict[str, Figure]
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class FindingShown(Shown):
    """Something that somebody should know or change."""

    code: str
    severity: Severity
    text: str
    change: str | None
    quirk: str | None
    """The quirk for the station's record that it calls for."""


class CheckShown(Shown):
    """A check of a station."""

    id: str
    station: str
    evse_id: int
    limit_w: float | None
    """As it was asked for; null: the check chooses one."""
    apply: bool
    state: StationCheckState
    verdict: Verdict | None
    why: str | None
    """Why it has no verdict."""
    steps: list[StepShown]
    """Those that are done, in their order."""
    findings: list[FindingShown]
    reaction_s: float | None
    """How long after its answer the station was seen to keep the limit."""
    applied: list[str]
    """Quirks that were put on the station's record."""
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


_SHOWN = tuple(name for name in CheckShown.model_fields)


def check_resource(row: StationCheck) -> dict[str, Any]:
    """Returns a check as the REST door and the events show it."""
    return {name: getattr(row, name) for name in _SHOWN}


def check_page(row: StationCheck) -> Page:
    """Returns what the report of a check is made from."""
    return Page(
        station=row.station,
        evse_id=row.evse_id,
        state=row.state,
        verdict=check_resource(row)["verdict"],
        why=row.why,
        steps=[read_step(each) for each in row.steps],
        findings=[read_finding(each) for each in row.findings],
        applied=row.applied,
        reaction_s=row.reaction_s,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


async def running_check(session: AsyncSession, identity: str) -> StationCheck | None:
    """Returns the check of a station that is under way."""
    query = sa.select(StationCheck).where(
        StationCheck.station == identity, StationCheck.state == "running"
    )
    return await session.scalar(query)


async def told_settings(session: AsyncSession, identity: str, *, is_16: bool) -> dict[str, Told]:
    """Returns the settings that matter, by our names, as far as a station has told them."""
    query = sa.select(StationVariable).where(
        StationVariable.station == identity, StationVariable.attribute == "Actual"
    )
    rows = {(row.component, row.variable): row for row in await session.scalars(query)}
    # Which letters are large is not the same in all boxes.
    lower = {(each.lower(), name.lower()): row for (each, name), row in rows.items()}
    found: dict[str, Told] = {}
    for name, setting in SETTINGS.items():
        component, variable = setting.key(is_16=is_16)
        row = lower.get((component.lower(), variable.lower())) if variable else None
        if row is not None and row.value is not None:
            most = (row.characteristics or {}).get("max_limit")
            found[name] = Told(row.value, most, row.reported_at)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """An EVSE with what hangs there."""

    station: Station
    evse: Evse
    outlets: int
    """How many EVSEs the station has."""
    connectors: Sequence[Connector]
    transaction: Transaction | None
    """The open one."""
    plan: ChargingLimit | None
    """The limit of a plan that its box may hold for it."""
    safe: ChargingLimit | None
    """The last safe limit that was sent to the station."""


async def look_at_place(
    session: AsyncSession, identity: str, evse_id: int, now: datetime
) -> Place | None:
    """Returns an EVSE as it is now; None where there is none."""
    station = await session.get(Station, identity)
    evse = await session.get(Evse, (identity, evse_id))
    if station is None or evse is None:
        return None
    here = (Connector.station == identity, Connector.evse_id == evse_id)
    open_one = sa.select(Transaction).where(
        Transaction.station == identity,
        Transaction.evse_id == evse_id,
        Transaction.stopped_at.is_(None),
    )
    transaction = await session.scalar(open_one.order_by(Transaction.started_at.desc()).limit(1))
    limits = sa.select(ChargingLimit).where(ChargingLimit.station == identity)
    newest = (ChargingLimit.created_at.desc(), ChargingLimit.id.desc())
    safe = limits.where(ChargingLimit.purpose == "default").order_by(*newest).limit(1)
    plan = None
    if transaction is not None:
        mine = limits.where(
            ChargingLimit.evse_id == evse_id,
            ChargingLimit.ocpp_transaction_id == transaction.ocpp_transaction_id,
            ChargingLimit.plan_id.is_not(None),  # a trial that was broken off is none of a plan's
            ChargingLimit.state.in_(_MAY_BE_IN_BOX),
            ChargingLimit.valid_to > now,
        )
        plan = await session.scalar(mine.order_by(*newest).limit(1))
    outlets = sa.select(sa.func.count()).where(Evse.station == identity, Evse.evse_id > 0)
    return Place(
        station=station,
        evse=evse,
        outlets=await session.scalar(outlets) or 0,
        connectors=list(await session.scalars(sa.select(Connector).where(*here))),
        transaction=transaction,
        plan=plan,
        safe=await session.scalar(safe),
    )


async def samples_since(
    session: AsyncSession, identity: str, evse_id: int, ocpp_id: str | None, since: datetime
) -> tuple[Sample, ...]:
    """Returns what the meter of an EVSE has shown after an instant of ours, in order of receipt.

    Args:
        session: to read with.
        identity: of the station.
        evse_id: the EVSE.
        ocpp_id: its transaction; None: there is none.
        since: samples of before are left out.
    """
    query = (
        sa.select(Reading)
        .where(
            Reading.station == identity,
            Reading.evse_id == evse_id,
            Reading.ocpp_transaction_id.in_({"", ocpp_id or ""}),
            Reading.measured_at > since - _CLOCKS_OFF_BY,
            Reading.received_at > since,
        )
        .order_by(Reading.received_at.desc(), Reading.measured_at.desc())
        .limit(_SAMPLES)
    )
    rows = list(await session.scalars(query))
    return tuple(
        Sample(
            measured_at=row.measured_at,
            received_at=row.received_at,
            energy_wh=row.energy_wh,
            power_w=row.power_w,
            suspect=tuple(row.suspect or ()),
        )
        for row in reversed(rows)
    )


async def was_replaced(session: AsyncSession, limit: ChargingLimit, *, soon: bool = False) -> bool:
    """Returns whether somebody else has limited an EVSE after this limit, or its car has gone.

    Args:
        session: to read with.
        limit: its row.
        soon: whether what is on its way counts too.
    """
    states = (*_TAKEN, *_ON_ITS_WAY) if soon else _TAKEN
    state = await session.scalar(sa.select(ChargingLimit.state).where(ChargingLimit.id == limit.id))
    later = sa.select(ChargingLimit.id).where(
        ChargingLimit.station == limit.station,
        ChargingLimit.evse_id == limit.evse_id,
        ChargingLimit.created_at > limit.created_at,
        ChargingLimit.state.in_(states),
    )
    return state == "superseded" or await session.scalar(later.limit(1)) is not None
