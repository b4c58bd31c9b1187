"""Faults: what goes wrong in a town or in its service, when, and for how long, drawn from the seed.

Each fault has its own stream of chance, so that turning one on moves nothing else. A fault is not
a quirk: it happens, and it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from models.errors import BadInput
from simulators.chance import stream
from simulators.people import Wish
from simulators.sun import Front

FAULTS: dict[str, str] = {
    "late-return": "one in ten returns 15 to 60 minutes late",
    "dead-station": "once a day a station has no power for three to eight hours",
    "lost-connection": "three times a day a station can't be heard for half an hour to five hours",
    "forgotten-plug": "one in twelve forgets to plug in, for one to four hours",
    "empty-return": "one in sixteen uses 30 to 60 % more energy than the distance tells",
    "forecast-error": "a bank of clouds for three to five hours of a day that was to be clear",
    "killed-solver": "one in twenty plans loses its solver while it is made",
}

LATE_SHARE = 0.10
FORGOTTEN_SHARE = 1 / 12
EMPTY_SHARE = 1 / 16
LOST_A_DAY = 3
KILLED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Outage:
    """A station without power, or without a connection, for a while."""

    kind: Literal["dead-station", "lost-connection"]
    identity: str
    start: datetime
    end: datetime


def check_faults(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names, sorted and each once.

    Raises:
        BadInput: if one is not known.
    """
    wanted = set(names)
    for name in sorted(wanted):
        if name not in FAULTS:
            raise BadInput(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
    return tuple(sorted(wanted))


def outages(
    names: Sequence[str], identities: Sequence[str], start: datetime, days: int, seed: int
) -> tuple[Outage, ...]:
    """Returns when which station is dead or alone; never two of one kind at a station at once."""
    found: list[Outage] = []
    if not identities:
        return ()
    if "dead-station" in names:
        rng = stream(seed, "dead-station")
        for day in range(days):
            identity = identities[int(rng.integers(0, len(identities)))]
            begins = start + timedelta(days=day, minutes=int(rng.integers(6 * 60, 15 * 60)))
            lasts = timedelta(minutes=int(rng.integers(180, 480)))
            found.append(Outage("dead-station", identity, begins, begins + lasts))
    if "lost-connection" in names:
        rng = stream(seed, "lost-connection")
        for day in range(days):
            chosen = rng.choice(len(identities), min(LOST_A_DAY, len(identities)), replace=False)
            for index in chosen:
                begins = start + timedelta(days=day, minutes=int(rng.integers(60, 18 * 60)))
                lasts = timedelta(minutes=int(rng.integers(30, 300)))
                identity = identities[int(index)]
                found.append(Outage("lost-connection", identity, begins, begins + lasts))
    return tuple(sorted(found, key=lambda outage: (outage.start, outage.identity)))


def fronts(names: Sequence[str], start: datetime, days: int, seed: int) -> tuple[Front, ...]:
    """Returns the banks of clouds that nobody foresaw: one every other day, from the first."""
    if "forecast-error" not in names:
        return ()
    rng = stream(seed, "forecast-error")
    found: list[Front] = []
    for day in range(0, days, 2):
        begins = start + timedelta(days=day, minutes=int(rng.integers(10 * 60, 13 * 60)))
        lasts = timedelta(minutes=int(rng.integers(180, 300)))
        found.append(Front(begins, begins + lasts, 0.95))
    return tuple(found)


def solver_deaths(names: Sequence[str], seed: int) -> Callable[[], bool] | None:
    """Returns what says, plan by plan, whether its solver dies; None: it never does."""
    if "killed-solver" not in names:
        return None
    rng = stream(seed, "killed-solver")
    return lambda: bool(rng.random() < KILLED_SHARE)


def afflicted(names: Sequence[str], wishes: Sequence[Wish], seed: int) -> list[Wish]:
    """Returns the wishes with the habits that the faults give them."""
    late, forgotten, empty = (
        stream(seed, name) for name in ("late-return", "forgotten-plug", "empty-return")
    )
    found: list[Wish] = []
    for wish in wishes:
        habits = wish.habits
        is_late, late_minutes = late.random() < LATE_SHARE, int(late.integers(15, 61))
        forgets, forgotten_minutes = (
            forgotten.random() < FORGOTTEN_SHARE,
            int(forgotten.integers(60, 241)),
        )
        is_empty, more = empty.random() < EMPTY_SHARE, float(empty.uniform(1.3, 1.6))
        if "late-return" in names and is_late:
            habits = replace(habits, returns_after_minutes=late_minutes)
        if "forgotten-plug" in names and forgets:
            habits = replace(habits, plugs_in_after_minutes=forgotten_minutes)
        if "empty-return" in names and is_empty:
            habits = replace(habits, consumption_factor=round(more, 4))
        found.append(replace(wish, habits=habits))
    return found
