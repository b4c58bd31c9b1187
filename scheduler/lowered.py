"""Charging that is lower for a while than usual, as admission counts on it.

The grid may allow a site, or some of its EVSEs, less for some hours. Charging by the gap table
(`scheduler.reach`) is a power times a length, so that what is lost is said as time: an hour at a
quarter of the power is three quarters of an hour lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Windows = tuple[tuple[float, float, float, float], ...]
"""Of each: number of the place, begin and end in seconds since 1970, and the share that is lost."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """From `start` to `end` cars at a place charge with a share of what they can."""

    place: str
    """A site, or what `CarState.place` names."""
    start: datetime
    end: datetime
    share: float
    """Of the charging power, 0 to 1."""


def without_overlaps(found: Iterable[Lowered]) -> tuple[Lowered, ...]:
    """Returns the same as pieces that do not overlap at a place: the lowest share counts."""
    by_place: dict[str, list[Lowered]] = {}
    for each in found:
        by_place.setdefault(each.place, []).append(each)
    pieces: list[Lowered] = []
    for place, those in by_place.items():
        turns = sorted({turn for each in those for turn in (each.start, each.end)})
        for begin, end in pairwise(turns):
            shares = [each.share for each in those if each.start <= begin and end <= each.end]
            if shares and min(shares) < 1:
                pieces.append(Lowered(place, begin, end, max(0.0, min(shares))))
    return tuple(pieces)


def lost_s(lowered: Sequence[Lowered], place: str, from_s: float, until_s: float) -> float:
    """Returns how much charging time a car loses at a place in `[from_s, until_s)`.

    Times are seconds since 1970, as in the table.
    """
    total_s = 0.0
    for each in lowered:
        if each.place == place:
            both_s = min(until_s, each.end.timestamp()) - max(from_s, each.start.timestamp())
            total_s += max(0.0, both_s) * (1 - each.share)
    return total_s


def windows_of(lowered: Sequence[Lowered], number: Callable[[str], int]) -> Windows:
    """Returns the same in the numbers of a table."""
    return tuple(
        (number(each.place), each.start.timestamp(), each.end.timestamp(), 1 - each.share)
        for each in lowered
    )


def all_lost_s(windows: Windows, places: Floats, from_s: Floats, until_s: Floats | float) -> Floats:
    """Returns `lost_s` for all gaps at once."""
    total_s: Floats = np.zeros(places.shape)
    for place, begin_s, end_s, lost in windows:
        both_s = np.minimum(until_s, end_s) - np.maximum(from_s, begin_s)
        total_s += np.where(places == place, np.maximum(0.0, both_s) * lost, 0.0)
    return total_s


def all_later_s(windows: Windows, places: Floats, from_s: Floats, until_s: Floats) -> Floats:
    """Returns when what would be charged by `until_s` is charged, for all gaps at once.

    As if all that is lost until a limit ends was lost before: rather late than too soon.
    """
    later_s = until_s
    for place, begin_s, end_s, lost in sorted(windows, key=lambda each: each[1]):
        more_s = np.maximum(0.0, end_s - np.maximum(from_s, begin_s)) * lost
        hit = (places == place) & (later_s > begin_s)
        later_s = np.where(hit, later_s + more_s, later_s)
    return later_s
