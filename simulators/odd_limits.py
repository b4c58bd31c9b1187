"""Odd limits: what a station with quirks of smart charging makes of a profile that comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.profiles import VOLTAGE_V, Period, Profile, Purpose

LEAST_A = 6.0
MOST_PERIODS = 3


@dataclass(frozen=True, slots=True)
class Incoming:
    """A profile as read, with what reading it has lost."""

    profile: Profile
    schedule: Mapping[str, Any]
    phases: int
    """Of the station."""

    @property
    def unit(self) -> str:
        """`W` or `A`."""
        return str(self.schedule["charging_rate_unit"])

    @property
    def periods(self) -> list[dict[str, Any]]:
        """As they came."""
        return self.schedule["charging_schedule_period"]


def _not_whole(told: Incoming) -> bool:
    return told.unit != "A" or any(float(p["limit"]) % 1 != 0 for p in told.periods)


def _too_low(told: Incoming) -> bool:
    least_w = LEAST_A * VOLTAGE_V * told.phases
    return any(0 < period.limit_w < least_w for period in told.profile.periods)


REFUSED: dict[str, Callable[[Incoming], bool]] = {
    "a-only": lambda told: told.unit != "A",
    "w-only": lambda told: told.unit != "W",
    "integer-amps": _not_whole,
    "numberphases-required": lambda told: any("number_phases" not in p for p in told.periods),
    "conn0-rejected": lambda told: told.profile.evse_id == 0,
    "no-maxprofile": lambda told: told.profile.purpose is Purpose.STATION,
    "relative-only": lambda told: told.profile.kind == "Absolute",
    "stack0-only": lambda told: told.profile.stack_level > 0,
    "maxperiods-3": lambda told: len(told.periods) > MOST_PERIODS,
    "below-6a": _too_low,
    "ems-disabled": lambda _told: True,
}
"""By quirk: whether the station answers Rejected."""


def taken(
    profile: Profile, schedule: Mapping[str, Any], quirks: frozenset[str], phases: int
) -> Profile:
    """Returns the profile as the station understands it, marked where it refuses or ignores it.

    Args:
        profile: as read.
        schedule: the schedule that it was read from, in the package's words.
        quirks: of the station.
        phases: of the station.
    """
    told = Incoming(profile, schedule, phases)
    if any(name in quirks and refuses(told) for name, refuses in REFUSED.items()):
        return replace(profile, refused=True)
    if "maxprofile-noop" in quirks and profile.purpose is Purpose.STATION:
        return replace(profile, ignored=True)
    if "total-vs-phase" in quirks and told.unit == "W":
        each = tuple(Period(p.start_s, p.limit_w * phases) for p in profile.periods)
        return replace(profile, periods=each)
    return profile
