"""Phases and loads on circuits: read, planned, judged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from models.errors import BadInput
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Charging, Plan, Stay
from scheduler.problem import Circuit, Phase, Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan
from tests.builders.plans import plan_of
from tests.builders.problems import booking, evse, problem, site, vehicle

THREE: tuple[Phase, ...] = ("L1", "L2", "L3")
STEPS = 16


def house(*, phases: tuple[Phase, ...] = THREE, cars: int = 1, **changes: Any) -> Problem:
    """Cars of one phase, each at an EVSE of 11 kW on a circuit; `changes` are of the site."""
    row = {"circuits": (Circuit("row", None, 40_000.0),)} | changes
    spots = tuple(
        evse(f"A-{n}", circuit="row", max_power_w=11_000.0, min_power_w=4140.0, phases=phases)
        for n in range(cars)
    )
    return problem(
        sites=(site(evses=spots, **row),),
        vehicles=tuple(
            vehicle(f"car-{n}", max_ac_power_w=11_000.0, ac_phases=1, evse=f"A-{n}")
            for n in range(cars)
        ),
        bookings=(),
        terminal_value_per_kwh=0.4,
    )


def phased(*limits_w: float, **changes: Any) -> tuple[Circuit, ...]:
    return (replace(Circuit("row", None, 40_000.0), phase_limits_w=limits_w, **changes),)


def charged(case: Problem, *powers_w: float, step: int = 8) -> Plan:
    entries = [Charging(f"car-{n}", f"A-{n}", step, step + 1, w) for n, w in enumerate(powers_w)]
    stays = [Stay(car.id, "A", car.evse, 0, STEPS) for car in case.vehicles]
    return plan_of(case, stays=stays, charging=entries)


def broken(case: Problem, plan: Plan) -> list[str]:
    check_problem(case)
    return [one.rule for one in check(case, plan)]


def planned(case: Problem, solvers: tuple[str, ...]) -> Plan:
    plan = make_plan(case, options=PlanOptions(solvers=solvers), monotonic=time.monotonic)
    assert check(case, plan) == ()
    return plan


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"phases": ()}, "/sites/0/evses/0/phases"),
        ({"phases": ("L1", "L1")}, "/sites/0/evses/0/phases"),
        ({"circuits": phased(1.0, -1.0, 1.0)}, "/sites/0/circuits/0/phase_limits_w/1"),
        ({"phase_limits_w": (1.0, 1.0, float("inf"))}, "/sites/0/phase_limits_w/2"),
        ({"circuits": phased(1.0, 1.0, 1.0, load_w=((0.0,) * 7,))}, "/sites/0/circuits/0/load_w/0"),
        (
            {"circuits": phased(1.0, 1.0, 1.0, load_w=((float("nan"),) * STEPS,))},
            "/sites/0/circuits/0/load_w/0/0",
        ),
        (
            {"circuits": phased(1.0, 1.0, 1.0, load_w=((0.0,) * STEPS,) * 2)},
            "/sites/0/circuits/0/load_w",
        ),
    ],
)
def test_phases_that_can_not_be_are_refused(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_problem(house(**({"circuits": phased(9e3, 9e3, 9e3)} | changes)))
    assert pointer in [error.field for error in caught.value.errors]


def test_a_car_charges_on_one_to_three_phases() -> None:
    case = house()
    car = replace(case.vehicles[0], ac_phases=4)
    with pytest.raises(BadInput) as caught:
        check_problem(replace(case, vehicles=(car,)))
    assert caught.value.errors[0].field == "/vehicles/0/ac_phases"


def test_phases_survive_writing_and_reading() -> None:
    loads = ((100.0,) * STEPS,) * 3
    case = house(circuits=phased(1e4, 1e4, 9e3, load_w=loads), phase_limits_w=(8e3, 8e3, 8e3))
    assert read_problem(write_problem(case)) == case


def test_a_car_of_one_phase_gets_a_third_of_an_evse_of_three() -> None:
    case = house()
    assert broken(case, charged(case, 11_000 / 3)) == []
    assert broken(case, charged(case, 11_000 / 3 + 2)) == ["charging-power"]
    # And charges with a third of its least.
    assert broken(case, charged(case, 1380.0, step=0)) == []
    assert broken(case, charged(case, 1370.0, step=0)) == ["charging-minimum"]


def test_a_car_of_one_phase_loads_the_first_of_its_evse() -> None:
    for first, others in (("L1", (9e3, 1e3, 1e3)), ("L2", (1e3, 9e3, 1e3))):
        turned: tuple[Phase, ...] = THREE if first == "L1" else ("L2", "L3", "L1")
        case = house(phases=turned, circuits=phased(*others))
        assert broken(case, charged(case, 3000.0)) == []
        other = house(phases=turned, circuits=phased(*others[::-1]))
        if first == "L1":
            assert broken(other, charged(other, 3000.0)) == ["circuit-phase"]


def test_a_car_of_three_phases_and_a_dc_car_load_all_alike() -> None:
    case = house(circuits=phased(2000.0, 2000.0, 2000.0))
    three = replace(case, vehicles=(replace(case.vehicles[0], ac_phases=3),))
    assert broken(three, charged(three, 6000.0)) == []
    assert broken(three, charged(three, 6006.0)) == ["circuit-phase"] * 3
    fast = replace(case.sites[0].evses[0], current_type="DC", min_power_w=0.0)
    direct = replace(
        case,
        sites=(replace(case.sites[0], evses=(fast,)),),
        vehicles=(replace(case.vehicles[0], max_dc_power_w=50_000.0),),
    )
    assert broken(direct, charged(direct, 6000.0)) == []
    assert broken(direct, charged(direct, 6006.0)) == ["circuit-phase"] * 3


def test_cars_on_one_phase_add_up_and_others_do_not() -> None:
    case = house(cars=2, circuits=phased(5000.0, 5000.0, 5000.0))
    assert broken(case, charged(case, 2500.0, 2500.0)) == []
    assert broken(case, charged(case, 2500.0, 2503.0)) == ["circuit-phase"]
    first, second = case.sites[0].evses
    turned = (first, replace(second, phases=("L2", "L3", "L1")))
    apart = replace(case, sites=(replace(case.sites[0], evses=turned),))
    assert broken(apart, charged(apart, 3600.0, 3600.0)) == []


def test_a_load_on_a_circuit_takes_from_it_and_from_those_above() -> None:
    own = Circuit("row", "main", 40_000.0, load_w=((3000.0,) * STEPS,))
    case = house(circuits=(Circuit("main", None, 6000.0), own))
    assert broken(case, charged(case, 3000.0)) == []
    assert broken(case, charged(case, 3002.0)) == ["circuit-limit"]
    # On a phase one series counts a third, three each its own.
    for load_w, room_w in ((((3000.0,) * STEPS,), 3000.0), (((3500.0,) * STEPS,) * 3, 500.0)):
        one = house(circuits=phased(4000.0, 4000.0, 4000.0, load_w=load_w))
        assert broken(one, charged(one, room_w)) == []
        assert broken(one, charged(one, room_w + 2)) == ["circuit-phase"]


def test_where_a_load_is_beyond_the_limit_cars_add_nothing() -> None:
    own = Circuit("row", None, 2000.0, load_w=((3000.0,) * STEPS,))
    case = house(circuits=(own,))
    assert broken(case, charged(case)) == []
    assert broken(case, charged(case, 2.0)) == ["circuit-limit"]
    assert planned(case, OFFLINE.solvers).charging == ()


def test_each_phase_of_the_import_carries_a_third_of_the_building_less_sun() -> None:
    case = house(
        load_power_w=(6000.0,) * STEPS, pv_power_w=(3000.0,) * STEPS, phase_limits_w=(4e3, 4e3, 4e3)
    )
    assert broken(case, charged(case, 3000.0)) == []
    assert broken(case, charged(case, 3002.0)) == ["import-phase"]
    over = house(load_power_w=(15_000.0,) * STEPS, phase_limits_w=(4e3, 4e3, 4e3))
    assert broken(over, charged(over)) == []
    assert broken(over, charged(over, 2.0)) == ["import-phase", "overload"]


@pytest.mark.parametrize("solvers", [OFFLINE.solvers, ()])
@pytest.mark.parametrize(
    "changes",
    [
        {"circuits": phased(4000.0, 9000.0, 9000.0)},
        {"phase_limits_w": (4000.0, 9000.0, 9000.0)},
    ],
)
def test_a_plan_keeps_each_phase(solvers: tuple[str, ...], changes: dict[str, Any]) -> None:
    trips = tuple(
        booking(f"b-{n}", vehicle=f"car-{n}", start_step=12, end_step=14, distance_km=80.0)
        for n in range(2)
    )
    case = replace(house(cars=2, **changes), bookings=trips)
    plan = planned(case, solvers)
    assert len(plan.assignments) == 2
    assert max(max(power.grid_w) for power in plan.sites) <= 4001


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"circuits": phased(4000.0, 9000.0, 9000.0)}, "circuit-phase"),
        ({"phase_limits_w": (4000.0, 9000.0, 9000.0)}, "import-phase"),
        ({"circuits": (Circuit("row", None, 6e3, load_w=((3e3,) * STEPS,)),)}, "circuit-limit"),
    ],
)
def test_a_plan_that_knows_of_no_phase_is_caught(changes: dict[str, Any], rule: str) -> None:
    blind = make_plan(house(cars=2), options=OFFLINE, monotonic=time.monotonic)
    assert [one.rule for one in check(house(cars=2, **changes), blind)] == [rule]
