"""Problems under limits of the grid: what plans draw in their time, and what out of it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from csms.planning.boxes import Boxes
from csms.planning.lowered import under_grid_limits
from models.tables.energy import Circuit as CircuitRow
from models.tables.grid_limits import GridLimit
from models.tables.stations import Evse as EvseRow
from scheduler.check import check
from scheduler.plan import Plan
from scheduler.problem import Circuit, Problem, Site
from scheduler.rolling import plan_with_level
from tests.builders.problems import START, evse, problem, site, vehicle

STEPS = 32
NAMES = ("A-1/1", "A-1/2", "A-2/1")
CIRCUITS = {"A-main": None, "A-left": "A-main"}
OF_EVSE = {"A-1/1": "A-left", "A-1/2": "A-left", "A-2/1": None}


def boxes(held_w: dict[str, float]) -> Boxes:
    return Boxes({}, held_w, frozenset(), {}, {})


def limit(circuit_id: str | None, limit_w: float, first: float, last: float) -> GridLimit:
    step = timedelta(minutes=15)
    return GridLimit(
        id="g",
        site_id="A",
        circuit_id=circuit_id,
        limit_w=limit_w,
        start=START + first * step,
        end=START + last * step,
    )


def limited(*limits: GridLimit, alone_w: float = 0.0, box: Boxes | None = None) -> Problem:
    base = site(
        steps=STEPS,
        import_limit_w=30_000.0,
        circuits=(Circuit("A-main", None, 20_000.0), Circuit("A-left", "A-main", 7_000.0)),
        evses=tuple(evse(name, circuit=OF_EVSE[name], max_power_w=3_700.0) for name in NAMES),
        # Cheapest while most of the limits hold: what they keep down is missed.
        import_price_per_kwh=tuple(0.05 if 2 <= step < 8 else 0.1 for step in range(STEPS)),
    )
    given = problem(
        steps=STEPS,
        vehicles=tuple(
            vehicle(f"car-{n}", evse=name, soc_wh=2000.0) for n, name in enumerate(NAMES)
        ),
        sites=(base,),
        terminal_value_per_kwh=0.5,
    )
    lowered = under_grid_limits(
        base,
        limits,
        given.grid,
        box or boxes({}),
        circuits=[
            CircuitRow(site_id="A", id=name, parent=parent, limit_w=1.0, unmanaged_load_w=500.0)
            for name, parent in CIRCUITS.items()
        ],
        evses=[
            EvseRow(station=name[:3], evse_id=int(name[-1]), circuit_id=OF_EVSE[name])
            for name in NAMES
        ],
        alone_w=np.full(STEPS, alone_w),
    )
    return problem(
        steps=STEPS,
        vehicles=given.vehicles,
        sites=(lowered,),
        terminal_value_per_kwh=given.terminal_value_per_kwh,
    )


def planned(given: Problem) -> Plan:
    plan = plan_with_level(given, incumbent=None, monotonic=time.monotonic).plan
    assert check(given, plan) == ()
    return plan


def drawn_w(plan: Plan, *names: str) -> list[float]:
    found = [0.0] * STEPS
    for entry in plan.charging:
        if entry.evse in names:
            for step in range(entry.from_step, entry.to_step):
                found[step] += entry.power_w
    return found


def test_a_circuit_is_lowered_in_its_time_and_no_other() -> None:
    plan = planned(limited(limit("A-left", 3_500.0, 2.5, 8.0)))
    left_w = drawn_w(plan, "A-1/1", "A-1/2")
    assert max(left_w[2:8]) == pytest.approx(3_000.0, abs=1.0)  # 500 W are what nobody controls
    assert max(left_w[:2]) == pytest.approx(7_000.0, abs=1.0)
    assert max(left_w[8:]) > 3_000.0
    assert drawn_w(plan, "A-2/1")[2] == pytest.approx(3_700.0, abs=1.0)
    limiting = [e for e in plan.charging if e.evse != "A-2/1" and 2 <= e.from_step < 8]
    assert limiting
    assert any("LIMIT" in each.reasons for each in limiting)


def test_a_site_is_lowered_by_what_building_and_sun_leave() -> None:
    plan = planned(limited(limit(None, 6_000.0, 0.0, 4.0), alone_w=1_000.0))
    all_w = drawn_w(plan, *NAMES)
    assert max(all_w[:4]) == pytest.approx(5_000.0, abs=1.0)
    assert max(all_w[4:]) > 5_000.0


def test_limits_one_above_the_other_are_both_kept_and_take_nothing_twice() -> None:
    given = limited(limit("A-left", 3_500.0, 0.0, 4.0), limit("A-main", 3_500.0, 2.0, 6.0))
    plan = planned(given)
    left_w = drawn_w(plan, "A-1/1", "A-1/2")
    for step in range(6):
        assert left_w[step] <= 3_000.0 + 1.0
    assert max(left_w[:6]) == pytest.approx(3_000.0, abs=1.0)
    whole = limited(limit("A-left", 3_500.0, 0.0, 4.0), limit(None, 6_700.0, 0.0, 4.0))
    assert max(drawn_w(planned(whole), *NAMES)[:4]) == pytest.approx(6_700.0, abs=1.0)


def test_what_can_not_be_moved_is_taken_off_first() -> None:
    box = boxes({"A-1/2": 2_000.0})
    plan = planned(limited(limit("A-left", 4_500.0, 0.0, 4.0), box=box))
    assert max(drawn_w(plan, "A-1/1", "A-1/2")[:4]) == pytest.approx(2_000.0, abs=1.0)


def test_no_room_is_no_power_and_a_limit_on_a_circuit_that_is_gone_is_none() -> None:
    plan = planned(limited(limit("A-left", 0.0, 0.0, 4.0)))
    assert max(drawn_w(plan, "A-1/1", "A-1/2")[:4]) == 0.0
    given = limited(limit("A-gone", 0.0, 0.0, 4.0))
    assert isinstance(given.sites[0], Site)
    assert all(circuit.load_w == () for circuit in given.sites[0].circuits)


def test_times_before_the_plan_and_beyond_it_are_cut_off() -> None:
    def over(start: datetime, hours: float) -> Any:
        row = limit("A-left", 3_500.0, 0.0, 1.0)
        row.start, row.end = start, start + timedelta(hours=hours)
        return row

    plan = planned(limited(over(START - timedelta(hours=5), 100.0)))
    assert max(drawn_w(plan, "A-1/1", "A-1/2")) <= 3_001.0
