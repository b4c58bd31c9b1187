"""What large plans are spared: sites are charged, parked and assigned anew only where it counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scheduler import apart, assign, improve, rolling
from scheduler.apart import Memory, handed_as, solve
from scheduler.check import check
from scheduler.incumbent import incumbent_for
from scheduler.options import OFFLINE, PlanOptions
from scheduler.parking import Parking, Stay, stays_of
from scheduler.plan import write_plan
from scheduler.rolling import make_plan, plan_with_level
from scheduler.solver import LinearProgram, SolveLimits
from scheduler.view import View
from tests.builders.figures import ev_energy_cost
from tests.builders.problems import booking, confluence_like, evse, problem, random_problem, site
from tests.unit.scheduler_planning.test_site_by_site import blocks_of


class Counted:
    """Counts the calls of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.calls = function, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Calls it."""
        self.calls += 1
        return self._function(*given, **named)


def unknown(*_: Any) -> None:
    """Tells nothing."""


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Counted:
    found = Counted(getattr(module, name))
    monkeypatch.setattr(module, name, found)
    return found


def test_a_block_that_was_solved_before_is_not_solved_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apart, "_BLOCK", 1)
    solver = counted(monkeypatch, apart, "_solve")
    memory, program = Memory(), blocks_of([3, 7, 4]).build()
    first = solve(program, limits=SolveLimits(), memory=memory, apart=True)
    assert solver.calls == 3
    again = solve(program, limits=SolveLimits(), memory=memory, apart=True)
    assert solver.calls == 3
    assert again.x == pytest.approx(first.x)
    dearer = replace(program, cost=np.where(np.arange(len(program.cost)) == 0, 9.0, program.cost))
    changed = solve(dearer, limits=SolveLimits(), memory=memory, apart=True)
    assert solver.calls == 4
    fresh = solve(dearer, limits=SolveLimits(), apart=True)
    assert changed.objective == pytest.approx(fresh.objective)


def test_a_block_that_the_answer_with_wider_bounds_fits_is_not_solved_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apart, "_BLOCK", 1)
    program = blocks_of([3, 7, 4]).build()
    looser = solve(program, limits=SolveLimits(), apart=True)
    at = int(np.argmax(looser.x > program.lower + 0.01))
    upper = program.upper.copy()
    upper[at] = (looser.x[at] + program.lower[at]) / 2
    tighter = replace(program, upper=upper)
    fresh = solve(tighter, limits=SolveLimits(), apart=True)
    solver = counted(monkeypatch, apart, "_solve")
    found = solve(tighter, limits=SolveLimits(), apart=True, looser=looser)
    assert solver.calls == 1
    assert found.objective == pytest.approx(fresh.objective)


def test_one_round_of_exchanges_is_left_out_of_large_plans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = confluence_like(0, cars=10, sites=3, steps=48)
    priced = counted(monkeypatch, improve, "exchanges")
    monkeypatch.setattr("scheduler.search.exchanges", priced)
    make_plan(case, monotonic=time.monotonic)
    assert priced.calls == 1
    monkeypatch.setattr(rolling, "LARGE", 10)
    make_plan(case, monotonic=time.monotonic)
    assert priced.calls == 1


def test_only_the_newest_blocks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_REMEMBERED", 2)
    solver = counted(monkeypatch, apart, "_solve")
    memory = Memory()
    blocks: list[LinearProgram] = [blocks_of([size]).build() for size in (3, 4, 5)]
    for block in (*blocks, blocks[2], blocks[0]):
        memory.solve(block, SolveLimits())
    assert solver.calls == 4


def test_cars_that_drive_the_same_hand_over_the_same() -> None:
    def stays(second: int) -> list[Stay]:
        return [
            Stay(0, 0, 0, 4, -1, 5),
            Stay(0, 1, 6, 9, 5, -1),
            Stay(1, 0, 0, 4, -1, second),
            Stay(1, 1, 8, 9, second, -1),
            Stay(2, 0, 0, 9, -1, -1),
        ]

    ends = np.array([3.0, 2.0, 7.0, 1.0, 0.0])
    assert handed_as(stays(6), ends, stays(6)) == {0: 3.0, 2: 7.0}
    assert handed_as(stays(6), ends, stays(7)) == {0: 3.0}


@pytest.mark.parametrize("seed", range(4))
def test_plans_bettered_site_by_site_are_as_good(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    case = confluence_like(seed, cars=16, sites=4, steps=96)
    whole = make_plan(case, monotonic=time.monotonic)
    monkeypatch.setattr(apart, "MIDDLING", 0)
    found = plan_with_level(case, monotonic=time.monotonic)
    assert found.level == "solver"
    assert not check(case, found.plan)
    assert len(found.plan.assignments) == len(whole.assignments)
    assert found.plan.cost <= whole.cost + 0.01 * ev_energy_cost(case, whole)


@pytest.mark.parametrize("seed", range(30))
def test_odd_plans_bettered_site_by_site_pass_the_referee(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(apart, "MIDDLING", 0)
    case = random_problem(seed)
    made = plan_with_level(case, options=PlanOptions(), monotonic=time.monotonic)
    assert made.level == "solver"
    assert not check(case, made.plan)


def test_evses_dealt_again_are_dealt_as_if_for_the_first_time() -> None:
    view = View(confluence_like(3, cars=8, sites=2, steps=96))
    chains = tuple((trip.index,) for trip in view.trips[:8])
    stays, other = stays_of(view, chains), stays_of(view, ((), *chains[1:]))
    key, parking = stays[0].key, Parking(view)
    asked: list[tuple[list[Stay], Mapping[Any, float], Mapping[Any, int]]] = [
        (stays, {}, {}),
        (stays, {}, {}),
        (stays, {key: 500.0}, {}),
        (other, {}, {}),
        (stays, {}, {stays[1].key: -1}),
        (stays, {}, {}),
    ]
    for some, urgency, wishes in asked:
        assert parking.park(some, urgency, wishes) == Parking(view).park(some, urgency, wishes)


def test_evses_are_alike_if_they_give_every_car_the_same() -> None:
    place = site(
        evses=(evse("A-1"), evse("A-2", max_power_w=22_000.0), evse("A-3"), evse("A-4")),
    )
    closed = replace(place.evses[3], unavailable=((0, 2),))
    place = replace(place, evses=(*place.evses[:3], closed))
    view = View(problem(sites=(place,), bookings=(booking(),)))
    assert view.places[0].alike == ((0, 2), (1,), (3,))


def test_a_very_large_flow_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_problem(14)
    flow = counted(monkeypatch, assign, "least_cost_flow")
    make_plan(case, monotonic=time.monotonic)
    assert flow.calls > 1
    flow.calls = 0
    monkeypatch.setattr(assign, "_MANY_ARCS", 0)
    made = make_plan(case, monotonic=time.monotonic)
    assert flow.calls == 1
    assert not check(case, made)


def test_after_an_event_what_was_left_out_before_is_not_assigned_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = confluence_like(0)
    before = make_plan(case, monotonic=time.monotonic)
    assert before.unserved
    fresh = counted(monkeypatch, rolling, "assign")
    left = {each.booking for each in before.unserved}
    first = next(each for each in case.bookings if each.id not in left)
    changed = replace(case, bookings=tuple(each for each in case.bookings if each != first))
    kept = incumbent_for(changed, former=(case.start, before), promised={})
    on_event = PlanOptions(exchange_rounds=0)
    after = make_plan(changed, incumbent=kept, options=on_event, monotonic=time.monotonic)
    assert fresh.calls == 0
    assert len(after.assignments) >= len(before.assignments) - 1
    assert not check(changed, after)
    make_plan(changed, incumbent=kept, monotonic=time.monotonic)
    assert fresh.calls == 1
    promised = {each.booking: case.vehicles[0].id for each in before.unserved}
    asked = incumbent_for(changed, former=(case.start, before), promised=promised)
    make_plan(changed, incumbent=asked, options=on_event, monotonic=time.monotonic)
    assert fresh.calls == 2, "what is promised is tried"


def test_round_trips_that_save_most_are_offered_first(monkeypatch: pytest.MonkeyPatch) -> None:
    case = confluence_like(2)
    monkeypatch.setattr(improve, "_MOST_ROUNDS", 0)
    none = make_plan(case, options=OFFLINE, monotonic=time.monotonic)
    monkeypatch.setattr(improve, "_MOST_ROUNDS", 500)
    some = make_plan(case, options=OFFLINE, monotonic=time.monotonic)
    assert some.cost <= none.cost


@pytest.mark.parametrize("seed", [5, 17])
def test_trips_are_left_out_that_cost_most(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    case = confluence_like(seed)
    found = make_plan(case, options=OFFLINE, monotonic=time.monotonic)
    monkeypatch.setattr(rolling, "pooled", unknown)
    blind = make_plan(case, options=OFFLINE, monotonic=time.monotonic)
    assert len(found.unserved) == len(blind.unserved)
    assert found.cost < blind.cost - 0.01 * ev_energy_cost(case, blind)
    assert not check(case, found)


def test_the_same_large_plan_comes_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MIDDLING", 0)
    case = confluence_like(1, cars=12, sites=3, steps=96)
    one, other = (
        write_plan(replace(make_plan(case, monotonic=time.monotonic), solve_seconds=0.0))
        for _ in range(2)
    )
    assert one == other
