"""Overrides of a car's charging: read, planned by programs and without, judged, told."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from models.errors import BadInput
from scheduler.charge import charge
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.overrides import Override
from scheduler.parking import stays_of
from scheduler.plan import Charging, Plan
from scheduler.problem import Circuit, Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan, plan_with_level
from scheduler.solver import SolveLimits
from scheduler.view import View
from tests.builders.plans import plan_of
from tests.builders.problems import booking, evse, problem, site, vehicle

STEPS = 16
CHEAP_LATE = (0.4,) * 12 + (0.1,) * 4
NOW = Override(0, STEPS, "charge_now")
NO_SOLVER = PlanOptions(solvers=())


def house(*overrides: Override, trips: tuple[Any, ...] = (), **changes: Any) -> Problem:
    """One car at a site whose electricity is cheap in the last hour only."""
    car = vehicle(evse="A-1", overrides=overrides, **changes)
    place = site(import_price_per_kwh=CHEAP_LATE, export_price_per_kwh=(0.05,) * STEPS)
    return problem(sites=(place,), vehicles=(car,), bookings=trips, terminal_value_per_kwh=0.2)


def planned(case: Problem, options: PlanOptions = OFFLINE, level: str = "solver") -> Plan:
    check_problem(case)
    made = plan_with_level(case, options=options, monotonic=time.monotonic)
    assert (check(case, made.plan), made.level) == ((), level)
    return made.plan


def powers(plan: Plan, car: str = "car-1") -> list[float]:
    found = [0.0] * STEPS
    for entry in plan.charging:
        for step in range(entry.from_step, entry.to_step):
            found[step] += entry.power_w if entry.vehicle == car else 0.0
    return found


def test_charging_now_waits_for_no_better_price_and_ends_when_the_car_is_full() -> None:
    assert powers(planned(house()))[:12] == [0.0] * 12
    plan = planned(house(NOW))
    lacks_wh = (16_000.0 - 8000.0) / 0.9
    whole = int(lacks_wh / (3700.0 / 4))
    assert powers(plan)[:whole] == pytest.approx([3700.0] * whole)
    assert sum(powers(plan)) / 4 == pytest.approx(lacks_wh)
    assert powers(plan)[whole + 1 :] == [0.0] * (STEPS - whole - 1)
    # What charging at once is worth is no part of the cost.
    assert plan.cost == pytest.approx(0.4 * lacks_wh / 1000 - 0.2 * 16.0)
    assert {entry.reasons[0] for entry in plan.charging} == {"OVERRIDE"}


def test_charging_now_ends_with_its_window() -> None:
    plan = planned(house(Override(2, 4, "charge_now")))
    assert powers(plan)[:12] == pytest.approx([0.0, 0.0, 3700.0, 3700.0] + [0.0] * 8)
    assert sum(powers(plan)[12:]) > 0


@pytest.mark.parametrize("options", [OFFLINE, NO_SOLVER])
def test_a_held_car_neither_charges_nor_gives(options: PlanOptions) -> None:
    trip = booking(start_step=14, end_step=16, distance_km=60.0)
    case = house(Override(0, 10, "hold"), trips=(trip,))
    case = replace(
        case,
        vehicles=(replace(case.vehicles[0], max_discharge_w=3000.0),),
        sites=(replace(case.sites[0], evses=(evse("A-1", bidirectional=True),)),),
    )
    plan = planned(case, options, "solver" if options is OFFLINE else "laxity")
    assert powers(plan)[:10] == [0.0] * 10
    # The plan works around it: the trip has its energy all the same.
    assert [each.booking for each in plan.assignments] == ["b-1"]


@pytest.mark.parametrize("options", [OFFLINE, NO_SOLVER])
def test_a_car_charges_with_so_much_at_most(options: PlanOptions) -> None:
    trip = booking(start_step=14, end_step=16, distance_km=60.0)
    case = house(Override(0, STEPS, "at_most", 2000.0), trips=(trip,))
    plan = planned(case, options, "solver" if options is OFFLINE else "laxity")
    assert [each.booking for each in plan.assignments] == ["b-1"]
    assert max(powers(plan)) == pytest.approx(2000.0)


def test_below_what_the_evse_can_do_nothing_flows_in_the_first_hour() -> None:
    case = house(Override(0, STEPS, "at_most", 1000.0))
    assert powers(planned(case))[:4] == [0.0] * 4


def test_a_held_car_is_not_counted_on_for_a_trip_that_another_can_make() -> None:
    trip = booking(start_step=10, end_step=14, distance_km=70.0)
    held = vehicle("car-1", evse="A-1", overrides=(Override(0, STEPS, "hold"),))
    other = vehicle("car-2", evse="A-2")
    case = problem(vehicles=(held, other), bookings=(trip,))
    assert [each.vehicle for each in planned(case).assignments] == ["car-2"]


def two_on_one_circuit(trip_km: float) -> Problem:
    """Two cars on a circuit that feeds one; the second has to drive soon."""
    wires = (Circuit("main", None, 3700.0),)
    spots = (evse("A-1", circuit="main"), evse("A-2", circuit="main"))
    cars = (
        vehicle("car-1", evse="A-1", soc_wh=3000.0, overrides=(NOW,)),
        vehicle("car-2", evse="A-2", soc_wh=3000.0),
    )
    trip = booking(start_step=4, end_step=8, distance_km=trip_km, vehicle="car-2")
    return problem(sites=(site(circuits=wires, evses=spots),), vehicles=cars, bookings=(trip,))


@pytest.mark.parametrize("options", [OFFLINE, NO_SOLVER])
def test_trips_of_others_come_before_a_car_that_charges_now(options: PlanOptions) -> None:
    case = two_on_one_circuit(28.0)
    plan = planned(case, options, "solver" if options is OFFLINE else "laxity")
    assert [each.vehicle for each in plan.assignments] == ["car-2"]
    mine = powers(plan)
    drawn = [a + b for a, b in zip(mine, powers(plan, "car-2"), strict=True)]
    # What the trip leaves of the circuit goes to who charges now.
    assert sum(drawn[:4]) >= 4 * 3700.0 - 3700.0
    assert mine[4:8] == pytest.approx([3700.0] * 4)


def test_without_a_solver_a_car_charges_now_too() -> None:
    mine = powers(planned(house(Override(2, 6, "charge_now")), NO_SOLVER, "laxity"))
    assert mine[:8] == pytest.approx([0.0, 0.0] + [3700.0] * 4 + [0.0] * 2)


def test_a_former_plan_s_powers_give_way_to_overrides() -> None:
    former = replace(
        plan_of(house()), charging=(Charging("car-1", "A-1", 0, STEPS, 2000.0),), assignments=()
    )
    case = house(Override(0, 4, "hold"), Override(4, 6, "charge_now"))
    made = plan_with_level(case, incumbent=former, options=NO_SOLVER, monotonic=time.monotonic)
    assert (check(case, made.plan), made.level) == ((), "former")
    assert powers(made.plan)[:8] == pytest.approx([0.0] * 4 + [3700.0] * 2 + [2000.0] * 2)


def test_what_a_car_drives_off_is_no_gain_of_an_override() -> None:
    """A car that charges now is not sent on trips only to be charged again."""
    trip = booking(start_step=10, end_step=11, distance_km=20.0)
    now = vehicle("car-1", evse="A-1", soc_wh=16_000.0, overrides=(NOW,))
    other = vehicle("car-2", evse="A-2", soc_wh=16_000.0, charge_efficiency=1.0)
    view = View(problem(vehicles=(now, other), bookings=(trip,)))
    objectives: list[float] = []
    for chains in (((0,), ()), ((), (0,))):
        stays = [replace(stay, post=view.cars[stay.car].post) for stay in stays_of(view, chains)]
        solved = charge(view, stays, OFFLINE, SolveLimits())
        assert solved is not None
        objectives.append(solved.objective)
    assert objectives[0] >= objectives[1]


@pytest.mark.parametrize(
    ("override", "entry", "rule"),
    [
        (Override(2, 4, "hold"), (0, 3, 3700.0), "override-hold"),
        (Override(2, 4, "hold"), (3, 4, -1000.0), "override-hold"),
        (Override(2, 4, "at_most", 2000.0), (0, 8, 2100.0), "override-at-most"),
        (Override(2, 4, "at_most", 2000.0), (2, 4, 2000.5), None),
        (Override(2, 4, "at_most", 2000.0), (4, 8, 3700.0), None),
        (Override(2, 4, "hold"), (0, 2, 3700.0), None),
    ],
)
def test_the_referee_finds_what_an_override_forbids(
    override: Override, entry: tuple[int, int, float], rule: str | None
) -> None:
    case = house(override, max_discharge_w=3000.0)
    spots = (evse("A-1", bidirectional=True),)
    case = replace(case, sites=(replace(case.sites[0], evses=spots),))
    stay = make_plan(case, options=OFFLINE, monotonic=time.monotonic).stays
    plan = plan_of(case, stays=list(stay), charging=[Charging("car-1", "A-1", *entry)])
    found = [(one.rule, one.subject, one.step) for one in check(case, plan)]
    first = max(override.from_step, entry[0])
    assert found == ([] if rule is None else [(rule, "car-1", first)])


@pytest.mark.parametrize(("entry", "told"), [((2, 5, 3700.0), 0), ((4, 6, 3700.0), 1)])
def test_the_reason_of_an_override_needs_one(entry: tuple[int, int, float], told: int) -> None:
    case = house(Override(2, 4, "charge_now"))
    stay = make_plan(case, options=OFFLINE, monotonic=time.monotonic).stays
    charging = Charging("car-1", "A-1", *entry, ("OVERRIDE",))
    plan = plan_of(case, stays=list(stay), charging=[charging])
    assert [one.rule for one in check(case, plan)] == ["charging-reason"] * told


@pytest.mark.parametrize(
    ("overrides", "pointer"),
    [
        ([Override(4, 4, "hold")], "/0/to_step"),
        ([Override(-1, 4, "hold")], "/0/to_step"),
        ([Override(0, 4, "at_most")], "/0/power_w"),
        ([Override(0, 4, "at_most", -1.0)], "/0/power_w"),
        ([Override(0, 4, "at_most", float("nan"))], "/0/power_w"),
        ([Override(0, 4, "hold", 5.0)], "/0/power_w"),
        ([Override(0, 4, "hold"), Override(3, 9, "charge_now")], "/1/from_step"),
    ],
)
def test_overrides_that_can_not_be_are_refused(overrides: list[Override], pointer: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_problem(house(*overrides))
    assert [one.field for one in caught.value.errors] == [f"/vehicles/0/overrides{pointer}"]


def test_overrides_survive_writing_and_reading_and_may_be_left_out() -> None:
    case = house(Override(0, 4, "at_most", 2000.0), Override(4, 99, "charge_now"))
    assert read_problem(write_problem(case)) == case
    text = write_problem(house()).replace(b',"overrides":[]', b"")
    assert read_problem(text) == house()
    unknown = write_problem(house(NOW)).replace(b"charge_now", b"faster")
    with pytest.raises(BadInput) as caught:
        read_problem(unknown)
    assert [one.field for one in caught.value.errors] == ["/vehicles/0/overrides/0/kind"]
