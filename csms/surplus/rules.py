"""Pure decisions of the loop between plans: who follows the sun, how far, and how often.

A plan is right for the forecast. What the meters show beside it is shared out here: sun that was
not foreseen goes to cars that may take more, sun that stays away is taken from those with time to
spare. Circuits come first: what is measured above one is lowered at once, whatever was changed
lately.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from csms.grid_limits.rules import SLACK_W, TOLERANCE_W, shares
from csms.grid_limits.rules import Outlet as Giving
from csms.planning.rules import GRID_CUT, Period, is_cut

Why = Literal["more sun", "less sun", "circuit"]
FOLLOW_SUN = "FOLLOW_SUN"
"""The reason of a limit by which a car follows the sun; no plan wants it."""
CIRCUIT_OVER = "CIRCUIT"
"""The reason of a limit that was lowered because a circuit was measured above its own."""
LEAST_CHANGE_W = 500.0
"""Smaller changes are within what buildings do by themselves from minute to minute."""
LEAST_CHANGE_PART = 0.1
"""Of the limit in force; for large chargers 500 W are noise. The greater of both counts."""
DWELL = timedelta(seconds=60)
"""A car needs up to 5 s, its meter up to a minute, before the effect of a change is seen."""
SWITCH_DWELL = timedelta(minutes=5)
"""Contactors wear, and some cars give up when they are switched on and off."""
SWITCHES_PER_HOUR = 4
"""More often no car is let on and off by the sun."""
SPARE_H = 2.0
"""A car that can't stand idle for so long before its trip keeps what its plan gives it."""
TAKES_PART = 0.8
"""A car that draws less of its limit than this is nearly full: more would not flow."""


@dataclass(frozen=True, slots=True)
class Follower:
    """An EVSE whose car charges by plan, called `IDENTITY/EVSE`."""

    name: str
    limit_w: float
    """In force in the box."""
    drawn_w: float
    """Measured; what may flow where that is not known."""
    least_w: float
    """With less nothing flows."""
    floor_w: float
    """What it keeps however little sun there is."""
    planned_w: float
    """What the plan gives it now."""
    most_w: float
    """What it may get: no more than EVSE and car can do, nor than the plan gives until the end."""
    on: Mapping[str, float]
    """The circuits that it hangs on, each with the part of its power that may flow there."""
    spare_h: float
    """The time that its car can stand idle before its trip; infinite: it has none."""
    changed_at: datetime | None
    """When its station was last sent another limit."""
    switched_at: datetime | None
    """When it was last let on or off."""
    switches: int = 0
    """How often the sun has let it on or off in the last hour."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a circuit, or a phase of it, bears, in W."""

    limit_w: float
    kept_w: float
    """What is to be kept free there for all but the followers."""
    others_w: float
    """What is measured there beside the followers."""


def relieved(
    followers: Sequence[Follower], circuits: Mapping[str, Circuit]
) -> tuple[dict[str, float], list[str]]:
    """Returns the limits to lower at once, in W, and the circuits measured above their own."""
    limits = {each.name: each.limit_w for each in followers}
    over: list[str] = []
    for name, circuit in sorted(circuits.items()):
        mine = [each for each in followers if each.on.get(name)]
        drawn_w = circuit.others_w + sum(each.drawn_w * each.on[name] for each in mine)
        if drawn_w <= circuit.limit_w + TOLERANCE_W:
            continue
        over.append(name)
        giving = [_giving(each, limits[each.name], each.on[name]) for each in mine]
        parts = {each.name: each.on[name] for each in mine}
        given_w = sum(each.limit_w * each.on[name] for each in mine)
        # Boxes may let a little more flow than they are told; so much less they are told.
        excess = max(1.0, (drawn_w - circuit.others_w) / given_w) if given_w > 0 else 1.0
        for other, on_it_w in shares((circuit.limit_w - circuit.others_w) / excess, giving).items():
            limits[other] = min(limits[other], on_it_w / parts[other])
    lowered = {
        each.name: limits[each.name]
        for each in followers
        if limits[each.name] < each.limit_w - SLACK_W
    }
    return lowered, over


def followed(
    spare_w: float,
    followers: Sequence[Follower],
    circuits: Mapping[str, Circuit],
    now: datetime,
) -> dict[str, float]:
    """Returns the limits to change, in W, so that cars take the sun that is there.

    Args:
        spare_w: sun that goes to the grid and was not to; below 0 so much is bought that was not
            to be.
        followers: the cars that charge by plan.
        circuits: by name, each that a follower hangs on.
        now: the present.
    """
    limits = {each.name: each.limit_w for each in followers}
    free = [each for each in followers if _is_past(each.changed_at, DWELL, now)]
    left_w = spare_w
    if spare_w > 0:
        order = sorted(free, key=lambda each: (each.spare_h, each.name))
    else:
        # What was given beyond the plan is taken first, and from whom has the most time.
        order = sorted(
            free, key=lambda each: (each.limit_w <= each.planned_w, -each.spare_h, each.name)
        )
    for each in order:
        wanted_w = each.limit_w
        if spare_w > 0 and _takes_more(each):
            room_w = _room_w(each, circuits, followers, limits)
            wanted_w += max(0.0, min(left_w, room_w, each.most_w - each.limit_w))
        elif spare_w < 0:
            wanted_w = max(min(each.floor_w, each.limit_w), each.limit_w + left_w)
        wanted_w = _possible_w(each, wanted_w, now)
        step_w = wanted_w - each.limit_w
        if step_w * spare_w > 0 and abs(step_w) >= _least_change_w(each):
            limits[each.name] = wanted_w
            left_w -= step_w
        if left_w * spare_w <= 0:
            break
    return {each.name: limits[each.name] for each in free if limits[each.name] != each.limit_w}


def corrected(
    in_box: Sequence[Period], power_w: float, reason: str, now: datetime, until: datetime
) -> tuple[Period, ...]:
    """Returns what a box is to hold: `power_w` until `until`, then what it holds now.

    Args:
        in_box: what it holds.
        power_w: what may flow.
        reason: why.
        now: the present.
        until: when the plan's own step ends; after it the box goes by the plan even if we are gone.
    """
    reasons = (reason, GRID_CUT) if is_cut(in_box, now) else (reason,)
    found = [Period(now, round(power_w, 1), reasons)]
    running = [each for each in in_box if each.from_at <= until]
    if running:
        found.append(Period(until, running[-1].limit_w, running[-1].reasons))
    return (*found, *(each for each in in_box if each.from_at > until))


def _takes_more(each: Follower) -> bool:
    return each.limit_w <= 0 or each.drawn_w >= TAKES_PART * each.limit_w


def _least_change_w(each: Follower) -> float:
    return max(LEAST_CHANGE_W, LEAST_CHANGE_PART * each.limit_w)


def _possible_w(each: Follower, wanted_w: float, now: datetime) -> float:
    """Returns what can flow: nothing, or at least what the EVSE can give; switched seldom."""
    may_switch = _is_past(each.switched_at, SWITCH_DWELL, now) and each.switches < SWITCHES_PER_HOUR
    if each.limit_w <= 0:
        enough = wanted_w >= max(each.least_w, LEAST_CHANGE_W)
        return wanted_w if enough and may_switch else 0.0
    # One that gives as little as one likes must not be let off by that either.
    least_w = min(each.limit_w, max(each.least_w, LEAST_CHANGE_W))
    if wanted_w >= least_w:
        return wanted_w
    return 0.0 if may_switch and each.floor_w <= 0 else least_w


def _room_w(
    each: Follower,
    circuits: Mapping[str, Circuit],
    followers: Sequence[Follower],
    limits: Mapping[str, float],
) -> float:
    """Returns how much more may flow before a circuit could be above its limit."""
    rooms_w = [float("inf")]
    for name, part in each.on.items():
        if part > 0:
            given_w = sum(limits[other.name] * other.on.get(name, 0.0) for other in followers)
            circuit = circuits[name]
            rooms_w.append((circuit.limit_w - circuit.kept_w - given_w) / part)
    return min(rooms_w)


def _is_past(at: datetime | None, dwell: timedelta, now: datetime) -> bool:
    return at is None or now - at >= dwell


def _giving(each: Follower, limit_w: float, part: float) -> Giving:
    return Giving(
        name=each.name,
        most_w=limit_w * part,
        least_w=each.least_w * part,
        circuits=frozenset(each.on),
        spare_h=each.spare_h,
        drawn_w=each.drawn_w * part,
        read_at=None,
    )
