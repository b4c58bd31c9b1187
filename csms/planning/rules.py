"""Pure decisions of planning: what a plan means for an EVSE, and whether a station keeps to it.

A limit is a list of `Period`s: from an instant on, so much power and no more, until the next one
begins. A pause is a limit of 0, never a stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from models.timeline import StepGrid, format_rfc3339, parse_rfc3339
from scheduler.overrides import Override, most_w
from scheduler.plan import Charging, Plan

SENT_AHEAD = timedelta(hours=4)
"""How much of a plan a station holds: what it follows when we are away."""
RENEW_BEFORE = timedelta(hours=1)
"""A schedule that runs out sooner than this is sent again."""
MATTERS_WITHIN = timedelta(minutes=30)
"""A change further ahead than this waits for a later plan."""
DEAD_BAND_W = 50.0
"""A limit that moves by no more than this is not sent again."""
_LOOK_EVERY = timedelta(minutes=5)
TOLERANCE_RATIO = 0.05
TOLERANCE_W = 100.0
"""Meters and contactors are not exact: a limit is broken beyond both tolerances."""
REACTION_TIME = timedelta(seconds=60)
"""How long a station may take to follow a limit, unless its model says otherwise."""
TRIAL = "CHECK"
"""The reason of a limit that a check of a station tries: no plan wants it."""
GRID_CUT = "GRID_LIMIT"
"""The reason of a limit by which the grid has cut: no plan wants it."""
SAMPLES_TO_CONDEMN = 2
"""One sample may straddle the change; two in a row may not."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `from_at` on, at most `limit_w` (grid side), for `reasons`."""

    from_at: datetime
    limit_w: float
    reasons: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Returns the period as it is stored."""
        return {
            "from_at": format_rfc3339(self.from_at),
            "limit_w": self.limit_w,
            "reasons": list(self.reasons),
        }


def read_periods(documents: Iterable[Mapping[str, Any]]) -> tuple[Period, ...]:
    """Returns the periods that `Period.document` wrote."""
    return tuple(
        Period(parse_rfc3339(each["from_at"]), float(each["limit_w"]), tuple(each["reasons"]))
        for each in documents
    )


def wanted_periods(
    charging: Sequence[Charging],
    grid: StepGrid,
    now: datetime,
    overrides: Sequence[Override] = (),
) -> tuple[Period, ...]:
    """Returns what the plan's `charging` of one car on one EVSE means, from `now` on.

    Neighbouring steps of equal power become one period; between entries the limit is 0, which is
    for an override where one allows no power.
    """
    first = max(0, grid.floor(now))
    last = min(grid.steps, grid.ceil(now + SENT_AHEAD))
    power_w = dict.fromkeys(range(first, last), 0.0)
    reasons: dict[int, tuple[str, ...]] = {}
    for entry in charging:
        for step in range(max(first, entry.from_step), min(last, entry.to_step)):
            power_w[step] = round(entry.power_w, 1)
            reasons[step] = entry.reasons
    periods: list[Period] = []
    held = most_w(overrides, last) <= 0
    for step, limit_w in power_w.items():
        if not periods or periods[-1].limit_w != limit_w:
            start = now if step == first else grid.instant(step)
            rest = ("OVERRIDE",) if held[step] else ("KEEP",)
            periods.append(Period(start, limit_w, reasons.get(step, rest)))
    return tuple(periods)


def extra_cost(plan: Plan, without: Plan) -> Decimal | None:
    """Returns how much dearer `plan` is than one `without` an override.

    None where they don't serve the same bookings: such costs can't be compared. The best plan with
    an override is never the cheaper one; where a search has found it so, it costs nothing.
    """
    if {each.booking for each in plan.unserved} != {each.booking for each in without.unserved}:
        return None
    return Decimal(str(round(max(0.0, plan.cost - without.cost), 4)))


def is_trial(periods: Iterable[Period]) -> bool:
    """Returns whether a limit is one that a check tries."""
    return any(TRIAL in each.reasons for each in periods)


def is_cut(periods: Iterable[Period], now: datetime) -> bool:
    """Returns whether a limit holds now what the grid has cut."""
    running = [each for each in periods if each.from_at <= now]
    return bool(running) and GRID_CUT in running[-1].reasons


def bears_trial(
    in_box: Sequence[Period], valid_to: datetime | None, wanted: Sequence[Period], now: datetime
) -> bool:
    """Returns whether a box holds a check's limit that may go on: the plan wants no less."""
    if valid_to is None or valid_to <= now or not is_trial(in_box):
        return False
    tried_w, wish_w = limit_at(in_box, now), limit_at(wanted, now)
    return tried_w is not None and wish_w is not None and tried_w <= wish_w


def limit_at(periods: Sequence[Period], instant: datetime) -> float | None:
    """Returns the limit in force at `instant`, in W, or None before the first period."""
    limit_w = None
    for period in periods:
        if period.from_at <= instant:
            limit_w = period.limit_w
    return limit_w


def must_send(
    in_box: Sequence[Period],
    valid_to: datetime | None,
    wanted: Sequence[Period],
    now: datetime,
) -> bool:
    """Returns whether `wanted` must go to a station that holds `in_box` until `valid_to`."""
    if not in_box or valid_to is None or valid_to - now < RENEW_BEFORE:
        return True
    instants = {now}
    for period in (*in_box, *wanted):
        if now < period.from_at < now + MATTERS_WITHIN:
            instants.add(period.from_at)
    for instant in instants:
        held_w, wish_w = limit_at(in_box, instant), limit_at(wanted, instant)
        if held_w is None or wish_w is None:
            return True
        if (held_w == 0) != (wish_w == 0) or abs(held_w - wish_w) > DEAD_BAND_W:
            return True
    return False


def holds(wanted: Sequence[Period], told: Sequence[tuple[int, float]], now: datetime) -> bool:
    """Returns whether a station will allow what it was sent, as far as it matters now.

    Args:
        wanted: what it was sent.
        told: what it says it will allow: from so many seconds after `now` on, so many W.
        now: when it said so.
    """
    steps = int(MATTERS_WITHIN / _LOOK_EVERY)
    for number in range(steps):
        # Between the minutes, so that a second here or there at a change makes no difference.
        after = number * _LOOK_EVERY + _LOOK_EVERY / 2
        wish_w = limit_at(wanted, now + after)
        if wish_w is None:
            continue
        has_w = [limit_w for start_s, limit_w in told if start_s <= after.total_seconds()]
        if not has_w or abs(has_w[-1] - wish_w) > wish_w * TOLERANCE_RATIO + TOLERANCE_W:
            return False
    return True


def breaks_limit(
    periods: Sequence[Period], accepted_at: datetime, measured_at: datetime, power_w: float
) -> bool:
    """Returns whether `power_w` at `measured_at` is more than any limit that may still apply.

    Within the reaction time after a change the former limit counts too.
    """
    if measured_at < accepted_at + REACTION_TIME:
        return False
    applicable = [
        limit_w
        for instant in (measured_at - REACTION_TIME, measured_at)
        if (limit_w := limit_at(periods, instant)) is not None
    ]
    applicable += [
        each.limit_w
        for each in periods
        if measured_at - REACTION_TIME < each.from_at <= measured_at
    ]
    if not applicable:
        return False
    return power_w > max(applicable) * (1 + TOLERANCE_RATIO) + TOLERANCE_W
