"""Charging profiles in the box: what is stored, and what it allows at an instant.

Rules as in OCPP 1.6 section 3.13 and OCPP 2.0.1 use cases K01 to K10: within one purpose the
highest stack level that is valid now wins; a transaction's own profile comes before the default
for transactions; the station's maximum and external constraints cap the rest. Amperes become
watts at 230 V per phase. What a box makes of the result is in `simulators.station`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

VOLTAGE_V = 230.0
WEEK_DAYS = 7


class Purpose(StrEnum):
    """What a profile is for, in the words of OCPP 2.x."""

    STATION = "ChargingStationMaxProfile"
    EXTERNAL = "ChargingStationExternalConstraints"
    DEFAULT = "TxDefaultProfile"
    TRANSACTION = "TxProfile"
    PRIORITY = "PriorityCharging"
    """2.1: goes before both others where a transaction has priority."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of a schedule, from its start to that of the next."""

    start_s: float
    limit_w: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One stored charging profile, for one EVSE or (0) the station."""

    id: int
    evse_id: int
    purpose: Purpose
    stack_level: int
    kind: str
    """`Absolute`, `Recurring` or `Relative`."""
    periods: tuple[Period, ...]
    received_at: datetime
    start_at: datetime | None = None
    duration_s: float | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    recurrency: str | None = None
    """`Daily` or `Weekly`."""
    transaction_id: str | None = None
    serial: int = 0
    """Counts the limits that a world has seen; which one a station disobeyed is told by it."""
    refused: bool = False
    """The station will not take it."""
    ignored: bool = False
    """The station takes it and does nothing about it."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is allowed at an instant, by which limit, and until when it can't change by itself."""

    limit_w: float
    serial: int
    until: datetime | None


UNLIMITED = Allowance(math.inf, 0, None)


def replaces(new: Profile, old: Profile) -> bool:
    """Returns whether storing `new` removes `old`: same id, or same place, purpose and level."""
    if new.id == old.id:
        return True
    return (
        new.evse_id == old.evse_id
        and new.purpose == old.purpose
        and new.stack_level == old.stack_level
        and new.transaction_id == old.transaction_id
    )


def _origin(profile: Profile, at: datetime, tx_start: datetime | None) -> datetime:
    """Returns when the schedule that is running at `at` began."""
    if profile.kind == "Relative" or profile.start_at is None:
        if profile.kind == "Relative" and tx_start is not None:
            return tx_start
        return profile.received_at
    if profile.kind != "Recurring":
        return profile.start_at
    every = timedelta(days=WEEK_DAYS if profile.recurrency == "Weekly" else 1)
    return profile.start_at + ((at - profile.start_at) // every) * every


def allows(profile: Profile, at: datetime, tx_start: datetime | None) -> Allowance | None:
    """Returns what one profile allows at `at`, or None if it says nothing then."""
    if profile.valid_to is not None and at >= profile.valid_to:
        return None
    if profile.valid_from is not None and at < profile.valid_from:
        return None
    origin = _origin(profile, at, tx_start)
    past_s = (at - origin).total_seconds()
    if past_s < 0 or (profile.duration_s is not None and past_s >= profile.duration_s):
        return None
    current: Period | None = None
    next_s = profile.duration_s
    for period in profile.periods:
        if period.start_s > past_s:
            next_s = period.start_s if next_s is None else min(next_s, period.start_s)
            break
        current = period
    if current is None:
        return None
    until = None if next_s is None else origin + timedelta(seconds=next_s)
    if profile.valid_to is not None:
        until = profile.valid_to if until is None else min(until, profile.valid_to)
    return Allowance(current.limit_w, profile.serial, until)


def _starts_later(profile: Profile, at: datetime, tx_start: datetime | None) -> datetime | None:
    """Returns when a profile that says nothing at `at` will begin to speak, if it is known."""
    begins = _origin(profile, at, tx_start)
    if profile.periods:
        begins += timedelta(seconds=profile.periods[0].start_s)
    if profile.valid_from is not None:
        begins = max(begins, profile.valid_from)
    if profile.kind == "Recurring" and begins <= at:
        begins += timedelta(days=WEEK_DAYS if profile.recurrency == "Weekly" else 1)
    return begins if begins > at else None


def _best(
    profiles: Iterable[Profile], at: datetime, tx_start: datetime | None
) -> tuple[Allowance | None, datetime | None]:
    """Returns the allowance of the highest level that speaks, and when a silent one may."""
    winner: tuple[int, Allowance] | None = None
    later: datetime | None = None
    for profile in profiles:
        allowance = allows(profile, at, tx_start)
        if allowance is None:
            begins = _starts_later(profile, at, tx_start)
            if begins is not None and (later is None or begins < later):
                later = begins
        elif winner is None or profile.stack_level > winner[0]:
            winner = (profile.stack_level, allowance)
    return (None if winner is None else winner[1]), later


def _sooner(first: datetime | None, second: datetime | None) -> datetime | None:
    if first is None or second is None:
        return first or second
    return min(first, second)


def allowance_of_evse(
    profiles: tuple[Profile, ...],
    evse_id: int,
    at: datetime,
    *,
    transaction_names: tuple[str, ...],
    tx_start: datetime | None,
) -> Allowance:
    """Returns what the profiles allow one EVSE, but for the caps on the whole station.

    `transaction_names` are the ids of the running transaction, none if there is none. A default
    for the EVSE itself and one for all EVSEs (0) compete by stack level, as one purpose.
    """
    own = [
        profile
        for profile in profiles
        if profile.purpose is Purpose.TRANSACTION
        and profile.evse_id == evse_id
        and transaction_names
        and (profile.transaction_id is None or profile.transaction_id in transaction_names)
    ]
    chosen, later = _best(own, at, tx_start)
    if chosen is None:
        defaults = [
            profile
            for profile in profiles
            if profile.purpose is Purpose.DEFAULT and profile.evse_id in (0, evse_id)
        ]
        chosen, begins = _best(defaults, at, tx_start)
        later = _sooner(later, begins)
    caps = [
        profile
        for profile in profiles
        if profile.evse_id == evse_id and profile.purpose in (Purpose.STATION, Purpose.EXTERNAL)
    ]
    cap, begins = _best(caps, at, tx_start)
    allowance = chosen or UNLIMITED
    if cap is not None and cap.limit_w < allowance.limit_w:
        allowance = Allowance(cap.limit_w, cap.serial, _sooner(cap.until, allowance.until))
    until = _sooner(_sooner(allowance.until, later), begins)
    return Allowance(allowance.limit_w, allowance.serial, until)


def allowance_of_station(profiles: tuple[Profile, ...], at: datetime) -> Allowance:
    """Returns what the profiles allow the station as a whole."""
    least, until = UNLIMITED, None
    for purpose in (Purpose.STATION, Purpose.EXTERNAL):
        group = [p for p in profiles if p.purpose is purpose and p.evse_id == 0]
        allowance, later = _best(group, at, None)
        until = _sooner(until, later)
        if allowance is not None:
            until = _sooner(until, allowance.until)
            if allowance.limit_w < least.limit_w:
                least = allowance
    return Allowance(least.limit_w, least.serial, until)
