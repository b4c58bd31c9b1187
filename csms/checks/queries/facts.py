"""The page of facts of a station: what it has told, what was seen, what a check has shown.

Nothing is guessed: what is not known is null. Each fact says where it is from, and of when it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Generic, Literal, TypeVar

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.checks.queries.checks import told_settings
from csms.checks.rules.settings import Told, limits_on, units
from csms.checks.rules.steps import Verdict, read_step
from csms.web.documents import Shown
from models.quirks import CATALOGUE
from models.tables.charging import ChargingLimit, Reading, Transaction
from models.tables.checks import StationCheck
from models.tables.ledger import Command
from models.tables.stations import Evse, Station

COUNTED_FOR = timedelta(days=90)
"""How far back limits are counted."""
_READINGS = 100
_FLOWS_A = 0.5
_COLUMNS = ("energy_wh", "power_w", "current_a", "voltage_v", "soc_pct")
_WATCHED_PURPOSES = ("transaction", "default", "station")
Source = Literal["told", "observed", "checked", "record"]
T = TypeVar("T")


class Fact(Shown, Generic[T]):
    """Something that is known of a station."""

    value: T
    source: Source
    """`told` by its settings, `observed` in what it does, `checked` by a check, on our `record`."""
    at: AwareDatetime
    """Of when it is."""


class PurposeFact(Shown):
    """How limits of one purpose were taken."""

    accepted: int
    rejected: int
    unknown: int
    """Met with silence."""
    source: Source
    at: AwareDatetime
    """Of the newest of them."""


class LimitsFact(Shown):
    """What became of the limits that a station was sent."""

    since: AwareDatetime
    accepted: int
    rejected: int
    unknown: int
    obeyed: int
    """Metering has shown that they were kept."""
    disobeyed: int
    source: Source
    at: AwareDatetime
    """Of the newest of them."""


class MannerFact(Shown):
    """A quirk on the station's record."""

    quirk: str
    does: str
    """What the station does."""
    how: str
    """What we do about it."""


class EvseFact(Shown):
    """What is known of an EVSE."""

    evse_id: int
    current_type: Fact[str]
    phases: Fact[int]
    phases_used: Fact[int] | None
    """On how many phases current has flowed in its last transaction."""
    max_power_w: Fact[float] | None
    min_power_w: Fact[float] | None
    """Least power at which it charges; null: not known, and 6 A on its phases are reckoned with."""


class CheckFact(Shown):
    """The last check that came to a verdict."""

    id: str
    verdict: Verdict
    limit: str | None
    """How a limit was taken."""
    ended_at: AwareDatetime


class CapabilitiesShown(Shown):
    """What is known of a station."""

    station: str
    limits_enabled: Fact[bool] | None
    limit_units: Fact[list[Literal["W", "A"]]] | None
    stack_level_max: Fact[int] | None
    schedule_periods_max: Fact[int] | None
    profiles_max: Fact[int] | None
    switches_phases: Fact[bool] | None
    """Whether it can switch between one phase and three while a car charges."""
    purposes: dict[Literal["transaction", "default", "station"], PurposeFact | None]
    limits: LimitsFact | None
    """Null: none was sent in the last 90 days."""
    reaction_s: Fact[float] | None
    """How long after its answer a limit is kept."""
    meter_every_s: Fact[float] | None
    aligned_meter_every_s: Fact[float] | None
    """By the clock; 0: it does not."""
    measurands: Fact[list[str]] | None
    metered: Fact[list[str]] | None
    """What the values of its last transaction had."""
    metered_every_s: Fact[float] | None
    """How long it was between them, at the median."""
    manner: list[MannerFact]
    """How it is spoken to and understood."""
    strict: bool
    """If so, no quirk counts."""
    evses: list[EvseFact]
    last_check: CheckFact | None


async def show_capabilities(session: AsyncSession, row: Station, now: datetime) -> dict[str, Any]:
    """Returns what is known of a station at `now`."""
    told = await told_settings(session, row.identity, is_16=row.ocpp_version == "ocpp1.6")
    evses = await _evses(session, row.identity)
    metered = {each.evse_id: await _last_readings(session, each) for each in evses}
    checks = await _checks(session, row.identity)
    return {
        "station": row.identity,
        **_told(told),
        **await _limits(session, row.identity, now),
        "reaction_s": _reaction(checks),
        **_metering(told, metered),
        "manner": [
            {"quirk": each, "does": CATALOGUE[each].does, "how": CATALOGUE[each].how}
            for each in row.quirks
            if each in CATALOGUE
        ],
        "strict": row.strict,
        "evses": [_evse(each, metered[each.evse_id], row.updated_at) for each in evses],
        "last_check": _last_check(checks),
    }


def _fact(value: Any, source: Source, at: datetime | None) -> dict[str, Any] | None:
    return None if value is None or at is None else {"value": value, "source": source, "at": at}


def _told(told: Mapping[str, Told]) -> dict[str, Any]:
    """Returns what a station has told of how it takes limits."""

    def number(name: str) -> dict[str, Any] | None:
        known = told.get(name)
        value = None if known is None else known.number()
        return known and _fact(None if value is None else int(value), "told", known.reported_at)

    def switch(name: str) -> dict[str, Any] | None:
        known = told.get(name)
        return known and _fact(known.switch(), "told", known.reported_at)

    on = told.get("limits_enabled") or told.get("features")
    unit = told.get("limit_units")
    # Of a list, 2.x tells how many there are as its value, and how many there may be as its limit.
    profiles = told.get("profiles_max")
    most = profiles and (profiles.max_limit or profiles.number())
    return {
        "limits_enabled": on and _fact(limits_on(told), "told", on.reported_at),
        "limit_units": unit and _fact(units(unit), "told", unit.reported_at),
        "stack_level_max": number("stack_level_max"),
        "schedule_periods_max": number("schedule_periods_max"),
        "profiles_max": profiles and _fact(most and int(most), "told", profiles.reported_at),
        "switches_phases": switch("switches_phases"),
    }


async def _limits(session: AsyncSession, identity: str, now: datetime) -> dict[str, Any]:
    """Returns what became of the limits that a station was sent."""
    since = now - COUNTED_FOR
    mine = sa.and_(ChargingLimit.station == identity, ChargingLimit.created_at >= since)
    answers = (
        sa.select(
            ChargingLimit.purpose,
            Command.state,
            Command.outcome,
            sa.func.count().label("number"),
            sa.func.max(ChargingLimit.created_at).label("last_at"),
        )
        .join(Command, Command.id == ChargingLimit.command_id)
        .where(mine)
        .group_by(ChargingLimit.purpose, Command.state, Command.outcome)
    )
    counted: dict[str, Counter[str]] = {each: Counter() for each in _WATCHED_PURPOSES}
    last_at: dict[str, datetime] = {}
    for row in await session.execute(answers):
        meaning = _meaning(row.state, row.outcome)
        if meaning is not None and row.purpose in counted:
            counted[row.purpose][meaning] += row.number
            last_at[row.purpose] = max(row.last_at, last_at.get(row.purpose, row.last_at))
    kept = sa.select(
        sa.func.count(ChargingLimit.obeyed_at).label("obeyed"),
        sa.func.count(sa.case((ChargingLimit.state == "disobeyed", 1))).label("disobeyed"),
    ).where(mine)
    seen = (await session.execute(kept)).one()
    words = ("accepted", "rejected", "unknown")
    return {
        "purposes": {
            purpose: {
                **{word: counts[word] for word in words},
                "source": "observed",
                "at": last_at[purpose],
            }
            if purpose in last_at
            else None
            for purpose, counts in counted.items()
        },
        "limits": {
            "since": since,
            **{word: sum(counts[word] for counts in counted.values()) for word in words},
            "obeyed": seen.obeyed,
            "disobeyed": seen.disobeyed,
            "source": "observed",
            "at": max(last_at.values()),
        }
        if last_at
        else None,
    }


def _meaning(state: str, outcome: str | None) -> str | None:
    """Returns what became of a limit's command; None while that is open, or where it never left."""
    if state == "answered":
        return "accepted" if outcome == "accepted" else "rejected"
    return {"failed": "rejected", "unknown": "unknown"}.get(state)


async def _evses(session: AsyncSession, identity: str) -> list[Evse]:
    query = sa.select(Evse).where(Evse.station == identity, Evse.evse_id > 0)
    return list(await session.scalars(query.order_by(Evse.evse_id)))


async def _last_readings(session: AsyncSession, evse: Evse) -> Sequence[Reading]:
    """Returns the last readings of the last transaction on an EVSE, oldest first."""
    last = (
        sa.select(Transaction.ocpp_transaction_id)
        .where(Transaction.station == evse.station, Transaction.evse_id == evse.evse_id)
        .order_by(Transaction.started_at.desc())
        .limit(1)
    )
    ocpp_id = await session.scalar(last)
    if ocpp_id is None:
        return ()
    query = (
        sa.select(Reading)
        .where(
            Reading.station == evse.station,
            Reading.evse_id == evse.evse_id,
            Reading.ocpp_transaction_id == ocpp_id,
        )
        .order_by(Reading.measured_at.desc())
        .limit(_READINGS)
    )
    return list(await session.scalars(query))[::-1]


def _metering(
    told: Mapping[str, Told], readings: Mapping[int, Sequence[Reading]]
) -> dict[str, Any]:
    """Returns what a station meters and how often, as it says and as it does."""

    def number(name: str) -> dict[str, Any] | None:
        known = told.get(name)
        return known and _fact(known.number(), "told", known.reported_at)

    names = told.get("measurands")
    every = max(readings.values(), key=len, default=())
    last_at = max((each.received_at for rows in readings.values() for each in rows), default=None)
    found = sorted({name for rows in readings.values() for each in rows for name in _names(each)})
    return {
        "meter_every_s": number("meter_every_s"),
        "aligned_meter_every_s": number("aligned_meter_every_s"),
        "measurands": names and _fact(list(names.names()), "told", names.reported_at),
        "metered": _fact(found or None, "observed", last_at),
        "metered_every_s": _fact(_pace_s(every), "observed", last_at),
    }


def _names(reading: Reading) -> list[str]:
    """Returns what a reading has: our names, and those of OCPP for the rest."""
    ours = [name for name in _COLUMNS if getattr(reading, name) is not None]
    return [*ours, *(reading.other or {})]


def _pace_s(readings: Sequence[Reading]) -> float | None:
    """Returns how many seconds lie between the samples that come by themselves."""
    times = sorted({each.measured_at for each in readings if each.context == "Sample.Periodic"})
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return round(median(gaps), 1) if gaps else None


def _evse(row: Evse, readings: Sequence[Reading], record_at: datetime) -> dict[str, Any]:
    used, at = 0, None
    for each in readings:
        flows = sum(1 for current_a in each.current_a or () if (current_a or 0) > _FLOWS_A)
        if flows >= max(1, used):
            used, at = flows, each.received_at
    return {
        "evse_id": row.evse_id,
        "current_type": _fact(row.current_type, "record", record_at),
        "phases": _fact(row.phases, "record", record_at),
        "phases_used": _fact(used or None, "observed", at),
        "max_power_w": _fact(row.max_power_w, "record", record_at),
        "min_power_w": _fact(row.min_power_w, "record", record_at),
    }


async def _checks(session: AsyncSession, identity: str) -> list[StationCheck]:
    """Returns the last checks that came to a verdict, newest first."""
    query = (
        sa.select(StationCheck)
        .where(StationCheck.station == identity, StationCheck.state == "done")
        .order_by(StationCheck.created_at.desc())
        .limit(20)
    )
    return list(await session.scalars(query))


def _reaction(checks: Sequence[StationCheck]) -> dict[str, Any] | None:
    seen = next((each for each in checks if each.reaction_s is not None), None)
    return None if seen is None else _fact(seen.reaction_s, "checked", seen.ended_at)


def _last_check(checks: Sequence[StationCheck]) -> dict[str, Any] | None:
    if not checks:
        return None
    last = checks[0]
    steps = [read_step(each) for each in last.steps]
    limit = next((each.text for each in steps if each.step == "limit"), None)
    return {
        "id": last.id,
        "verdict": last.verdict,
        "limit": limit,
        "ended_at": last.ended_at,
    }
