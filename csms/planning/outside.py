"""Limits from elsewhere, of an energy manager or the grid, as a plan keeps to them.

The station keeps to them whatever we say; a plan that did not know would promise what never flows.
A limit on a whole station is a circuit of its own, below the one that its EVSEs share. As long as a
limit leaves too little for any car, its EVSEs give nothing; what it leaves in the coming quarter of
an hour is taken to last, because a plan is made anew each quarter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

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
        spans = _spans([power_w < LEAST_W for power_w in _by_step(limit, grid)])
        for evse in mine if spans else ():
            closed[evse_name(evse)] = (*closed.get(evse_name(evse), ()), *spans)
        power_w = _lowest(limit, now, now + AHEAD)
        if power_w is None or power_w < LEAST_W or not mine:
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
    return Outside(circuits, allowed_w, {name: _merged(each) for name, each in closed.items()})


def _by_step(limit: OutsideLimit, grid: StepGrid) -> list[float]:
    """Returns the least that a limit allows in each step, in W; infinite where it says nothing."""
    instants = [grid.instant(step) for step in range(grid.steps + 1)]
    return [
        float("inf") if (power_w := _lowest(limit, begin, end)) is None else power_w
        for begin, end in pairwise(instants)
    ]


def _lowest(limit: OutsideLimit, begin: datetime, end: datetime) -> float | None:
    """Returns the least that a limit allows between two instants, in W; None: it says nothing."""
    found: list[float] = []
    for schedule in msgspec.convert(limit.schedules, list[HeldSchedule]):
        start = schedule.start_at or limit.told_at
        if start >= end:
            continue
        over = _FOR_EVER if schedule.duration_s is None else start + _span(schedule.duration_s)
        edges = [start + _span(period.start_s) for period in schedule.periods]
        for period, from_at, until in zip(schedule.periods, edges, [*edges[1:], over], strict=True):
            if period.limit_w is not None and from_at < end and min(until, over) > begin:
                found.append(max(0.0, period.limit_w))
    return min(found, default=None)


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


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Returns windows in order, those that touch as one."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and merged[-1][1] >= begin:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)
