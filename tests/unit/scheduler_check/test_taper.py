"""A battery that takes less the fuller it is: read, planned, judged."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from models.errors import BadInput
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Charging, Plan, Stay
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan
from tests.builders.plans import plan_of
from tests.builders.problems import booking, evse, problem, site, vehicle

TAPER = ((8000.0, 20_000.0), (16_000.0, 4000.0))
"""From 20 kW at half full down to 4 kW: 2 W less for each Wh."""


def fast_car(**changes: object) -> Problem:
    """One car with a taper at a fast charger, and a price that falls towards the end."""
    prices = tuple(0.3 - 0.01 * step for step in range(16))
    fast = evse("A-1", max_power_w=50_000.0, current_type="DC")
    place = site(import_limit_w=50_000.0, import_price_per_kwh=prices, evses=(fast,))
    car = replace(vehicle(max_dc_power_w=45_000.0, charge_efficiency=1.0, taper=TAPER), **changes)
    return problem(
        sites=(place,), vehicles=(car,), bookings=(), terminal_value_per_kwh=0.4, step_minutes=15
    )


def charged(case: Problem, power_w: float) -> Plan:
    entry = Charging("car-1", "A-1", 8, 9, power_w)
    return plan_of(case, stays=[Stay("car-1", "A", "A-1", 0, 16)], charging=[entry])


@pytest.mark.parametrize(
    ("taper", "pointer"),
    [
        (((8000.0, -1.0), (16_000.0, -2.0)), "/vehicles/0/taper/0/1"),
        (((float("inf"), 1.0),), "/vehicles/0/taper/0/0"),
        (((8000.0, 5000.0), (8000.0, 4000.0)), "/vehicles/0/taper/1/0"),
        (((8000.0, 5000.0), (16_000.0, 6000.0)), "/vehicles/0/taper/1/1"),
        (((0.0, 9000.0), (8000.0, 5000.0), (16_000.0, 4000.0)), "/vehicles/0/taper/2/1"),
        (((8000.0, 5000.0), (15_000.0, 4000.0)), "/vehicles/0/taper/1/0"),
    ],
)
def test_a_taper_that_rises_flattens_or_ends_early_is_refused(
    taper: tuple[tuple[float, float], ...], pointer: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check_problem(fast_car(taper=taper))
    assert pointer in [error.field for error in caught.value.errors]


def test_a_taper_survives_writing_and_reading() -> None:
    case = fast_car()
    assert read_problem(write_problem(case)) == case


def test_a_step_may_take_what_the_battery_takes_at_its_end() -> None:
    # From 8000 Wh, 13,333 W for a quarter of an hour lead to 11,333 Wh, where it takes 13,333 W.
    assert check(fast_car(), charged(fast_car(), 40_000 / 3)) == ()
    broken = check(fast_car(), charged(fast_car(), 40_000 / 3 + 10))
    assert [(one.rule, one.subject, one.step) for one in broken] == [("charging-taper", "car-1", 8)]


def test_below_the_first_point_the_battery_takes_no_more_than_there() -> None:
    case = fast_car(soc_wh=2000.0)
    assert check(case, charged(case, 20_000.0)) == ()
    assert [one.rule for one in check(case, charged(case, 20_010.0))] == ["charging-taper"]


@pytest.mark.parametrize("solvers", [OFFLINE.solvers, ()])
def test_a_plan_charges_along_the_taper(solvers: tuple[str, ...]) -> None:
    trip = booking(start_step=4, end_step=6, distance_km=80.0)
    case = replace(fast_car(), bookings=(trip,))
    plan = make_plan(case, options=PlanOptions(solvers=solvers), monotonic=time.monotonic)
    assert check(case, plan) == ()
    assert [one.booking for one in plan.assignments] == ["b-1"]
    before = [entry.power_w for entry in plan.charging if entry.from_step < 4]
    assert max(before) <= 40_000 / 3 + 1


@pytest.mark.parametrize("solvers", [OFFLINE.solvers, ()])
def test_a_trip_for_which_the_taper_leaves_no_time_is_refused(solvers: tuple[str, ...]) -> None:
    # At 13 kW for one step it holds 11,333 Wh; the trip wants 12,800 Wh.
    trip = booking(start_step=1, end_step=6, distance_km=80.0)
    case = replace(fast_car(), bookings=(trip,))
    plan = make_plan(case, options=PlanOptions(solvers=solvers), monotonic=time.monotonic)
    assert check(case, plan) == ()
    assert [one.booking for one in plan.unserved] == ["b-1"]


def test_a_plan_that_knows_of_no_taper_is_caught() -> None:
    case = fast_car()
    blind = make_plan(fast_car(taper=()), options=OFFLINE, monotonic=time.monotonic)
    assert [one.rule for one in check(case, blind)] == ["charging-taper"]
