"""Limits from elsewhere, of an energy manager or the grid, as a plan keeps to them.

The station keeps to them whatever we say; a plan that did not know would promise what never flows.
A limit on a whole station is a circuit of its own, below the one that its EVSEs share. As long as a
limit leaves too little for any car, its EVSEs give nothing; what it leaves in the coming quarter of
an hour is taken to last, because a plan is made anew each quarter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from csms.planning.boxes import Boxes, Span, evse_name
from csms.planning.queries import Rows
from models.facts.held_limits import HeldSchedule
from models.tables.held_limits import OutsideLimit
from models.tables.stations import Evse
from models.timeline import StepGrid
from scheduler.problem import Circuit

LEAST_W = 1380.0
"""6 A on one phase: with less no car charges (IEC 61851-1)."""
AHEAD = timedelta(minutes=15)
_LONG_S = 10 * 366 * 86_400
"""Ten years: for ever, as far as a plan is concerned."""
_NO_LIMIT_W = float("inf")
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outside:
    """What others leave to a plan."""

    circuits: Mapping[str, Circuit]
    """Of each station that is limited as a whole."""
    allowed_w: Mapping[str, float]
    """What an EVSE (`IDENTITY/EVSE`) may give, in W, where it is limited by itself."""
    closed: Mapping[str, tuple[Span, ...]]
    """Steps in which an EVSE gives nothing."""

    def circuit_of(self, evse: Evse, own: str | None) -> str | None:
        """Returns the circuit that an EVSE shares in.

        Args:
            evse: which.
            own: its circuit but for others' limits.
        """
        mine = self.circuits.get(evse.station)
        return mine.id if mine is not None and mine.parent == own else own


def look_outside(rows: Rows, grid: StepGrid, now: datetime, boxes: Boxes) -> Outside:
    """Returns what others leave to a plan that is made at `now`."""
    circuits: dict[str, Circuit] = {}
    allowed_w: dict[str, float] = {}
    closed: dict[str, tuple[Span, ...]] = {}
    if not rows.outside:
        return Outside(circuits, allowed_w, closed)
    evses: dict[str, list[Evse]] = defaultdict(list)
    for evse in rows.evses:
        evses[evse.station].append(evse)
    for limit in rows.outside:
        all_of_it = evses[limit.station]
        mine = [evse for evse in all_of_it if limit.evse_id in {0, evse.evse_id}]
        if not mine or limit.local_generation:
            # What a roof gives comes on top of what the grid does: it takes nothing away (2.1).
            continue
        by_step, power_w = _lowest(limit, grid, now)
        spans = _spans([power_w < LEAST_W for power_w in by_step])
        for evse in mine if spans else ():
            closed[evse_name(evse)] = (*closed.get(evse_name(evse), ()), *spans)
        if power_w == _NO_LIMIT_W or power_w < LEAST_W:
            continue
        shared = {boxes.circuit_of(evse) for evse in all_of_it}
        if limit.evse_id == 0 and len(shared) == 1:
            held_w = sum(boxes.held_w.get(evse_name(evse), 0.0) for evse in all_of_it)
            former = circuits.get(limit.station)
            left_w = max(0.0, power_w - held_w)
            left_w = left_w if former is None else min(left_w, former.limit_w)
            name = f"{limit.station} (limit from elsewhere)"
            circuits[limit.station] = Circuit(name, next(iter(shared)), left_w)
            continue
        for evse in mine:
            name = evse_name(evse)
            share_w = power_w / len(mine)
            allowed_w[name] = min(allowed_w.get(name, share_w), share_w)
    return Outside(circuits, allowed_w, {name: merged(each) for name, each in closed.items()})


def _lowest(limit: OutsideLimit, grid: StepGrid, now: datetime) -> tuple[list[float], float]:
    """Returns the least that a limit allows, in W; infinite where it says nothing.

    Its schedules are read once and their periods walked once: a station may tell thousands, and
    all else waits meanwhile.

    Returns:
        The least of each step, and of the time just `AHEAD`.
    """
    by_step, soon_w = [_NO_LIMIT_W] * grid.steps, _NO_LIMIT_W
    for schedule in msgspec.convert(limit.schedules, list[HeldSchedule]):
        for begin, end, power_w in _pieces(schedule, limit.told_at, grid.end):
            if end > now and begin < now + AHEAD:
                soon_w = min(soon_w, power_w)
            if end > grid.start and begin < grid.end:
                first, last = max(0, grid.floor(begin)), min(grid.steps, grid.ceil(end))
                for step in range(first, last):
                    by_step[step] = min(by_step[step], power_w)
    return by_step, soon_w


def _pieces(
    schedule: HeldSchedule, told_at: datetime, before: datetime
) -> Iterator[tuple[datetime, datetime, float]]:
    """Yields from when until when a schedule allows how much, in W; none overlaps another.

    One that begins no earlier than `before` has nothing to say.
    """
    start = schedule.start_at or told_at
    if start >= before:
        return  # and some are so far off that nothing can be added to them
    over = _FOR_EVER if schedule.duration_s is None else start + _span(schedule.duration_s)
    periods = sorted(schedule.periods, key=lambda period: period.start_s)
    edges = [start + _span(period.start_s) for period in periods]
    for period, begin, end in zip(periods, edges, [*edges[1:], over], strict=True):
        until = min(end, over)
        if period.limit_w is not None and begin < until:
            yield begin, until, max(0.0, period.limit_w)


def _span(seconds: int) -> timedelta:
    """Returns a time that a station has told, kept within what can be reckoned with."""
    return timedelta(seconds=min(max(0, seconds), _LONG_S))


def _spans(closed: Sequence[bool]) -> tuple[Span, ...]:
    """Returns the windows of steps that are true."""
    spans: list[Span] = []
    for step, is_closed in enumerate(closed):
        if not is_closed:
            continue
        if spans and spans[-1][1] == step:
            spans[-1] = (spans[-1][0], step + 1)
        else:
            spans.append((step, step + 1))
    return tuple(spans)


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Returns windows in order, those that touch as one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and found[-1][1] >= begin:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return tuple(found)
