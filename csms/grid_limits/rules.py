"""Pure decisions about limits of the grid: who gives way, how far, and whether they are kept.

The rule is simple, because it has to be at hand at once: all that draws gives way in proportion,
cars with little time to spare before their trip last; what would be less than an EVSE can give is
a pause. A plan then does it better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from csms.planning.rules import GRID_CUT, Period, limit_at

URGENT_H = 1.0
"""With less time to spare a car goes before all that have more."""
SLACK_W = 1.0
TOLERANCE_W = 100.0
"""Meters are not exact."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """An EVSE where a transaction is open, called `IDENTITY/EVSE`."""

    name: str
    most_w: float
    """What may flow there as things stand; where nothing holds it, what does."""
    least_w: float
    """With less nothing flows."""
    circuits: frozenset[str]
    """Those that it hangs on."""
    spare_h: float
    """The time that its car can stand idle before its trip; infinite: it has none."""
    drawn_w: float
    """What is taken to flow there now."""
    read_at: datetime | None
    """When a meter has last told that; None: it has not, or long ago."""
    unable: str | None = None
    """Why it can't be lowered."""


def shares(room_w: float, outlets: Sequence[Outlet]) -> dict[str, float]:
    """Returns what each outlet may draw, in W, so that all together draw no more than `room_w`.

    No one gets more than it has. Each first gets the least that it can do, those with the least
    time to spare first; then the urgent ones get all they can; the rest is shared in proportion.
    """
    order = sorted(outlets, key=lambda each: (each.spare_h, each.drawn_w <= 0, each.name))
    given: dict[str, float] = {each.name: 0.0 for each in outlets}
    left_w = max(0.0, room_w)
    for each in order:
        if each.least_w <= min(left_w, each.most_w):
            given[each.name] = each.least_w
            left_w -= each.least_w
    on = [each for each in order if given[each.name] > 0 or each.least_w == 0]
    for each in on:
        if each.spare_h < URGENT_H:
            more_w = min(left_w, each.most_w - given[each.name])
            given[each.name] += more_w
            left_w -= more_w
    wanting_w = sum(each.most_w - given[each.name] for each in on)
    part = min(1.0, left_w / wanting_w) if wanting_w > 0 else 0.0
    return {
        each.name: given[each.name] + part * (each.most_w - given[each.name]) if each in on else 0.0
        for each in outlets
    }


def cut_periods(
    in_box: Sequence[Period], cut_w: float, now: datetime, end: datetime
) -> tuple[Period, ...]:
    """Returns what a box is to hold: no more than `cut_w` until `end`, then what it holds now.

    Args:
        in_box: what it holds, or nothing.
        cut_w: what may flow at most.
        now: the present.
        end: when the limit of the grid ends.
    """
    starts = [now, *(each.from_at for each in in_box if now < each.from_at < end)]
    found: list[Period] = []
    for at in starts:
        held_w = limit_at(in_box, at)
        limit_w = round(cut_w if held_w is None else min(cut_w, held_w), 1)
        if not found or found[-1].limit_w != limit_w:
            found.append(Period(at, limit_w, (GRID_CUT,)))
    after = [each for each in in_box if each.from_at <= end]
    if after:
        found.append(Period(end, after[-1].limit_w, after[-1].reasons))
        found += [each for each in in_box if each.from_at > end]
    return tuple(found)
