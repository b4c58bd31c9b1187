"""What is paid for the largest import: read, planned, judged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from models.errors import BadInput
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Charging, Plan, Stay
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan
from tests.builders.plans import plan_of
from tests.builders.problems import booking, evse, problem, site, vehicle

STEPS = 16


def house(**changes: Any) -> Problem:
    """A car that wants 5 kWh from the grid by step 12, when a kWh is cheapest in step 0."""
    prices = (0.1,) + (0.3,) * (STEPS - 1)
    spots = (evse("A-1", max_power_w=22_000.0, min_power_w=0.0),)
    place = {"import_price_per_kwh": prices, "evses": spots} | changes
    car = vehicle(evse="A-1", soc_wh=1600.0, max_ac_power_w=22_000.0, charge_efficiency=1.0)
    trip = booking(start_step=12, end_step=14, distance_km=5000 / 140)
    return problem(sites=(site(**place),), vehicles=(car,), bookings=(trip,))


def planned(case: Problem, options: PlanOptions = OFFLINE) -> Plan:
    plan = make_plan(case, options=options, monotonic=time.monotonic)
    assert check(case, plan) == ()
    assert [one.booking for one in plan.assignments] == ["b-1"]
    return plan


def peak_w(plan: Plan) -> float:
    return max(plan.sites[0].grid_w)


def cost_of(case: Problem, power_w: float) -> list[str]:
    """What the referee says of a plan that charges in one step and counts no peak."""
    idle = replace(case, bookings=())
    free = replace(idle, sites=(replace(idle.sites[0], peak_price_per_kw=0.0),))
    entry = Charging("car-1", "A-1", 4, 5, power_w)
    plan = plan_of(free, stays=[Stay("car-1", "A", "A-1", 0, STEPS)], charging=[entry])
    return [one.rule for one in check(idle, plan)]


@pytest.mark.parametrize("field", ["peak_price_per_kw", "peak_so_far_w"])
def test_a_peak_that_can_not_be_is_refused(field: str) -> None:
    for value in (-1.0, float("nan"), float("inf")):
        with pytest.raises(BadInput) as caught:
            check_problem(house(**{field: value}))
        assert caught.value.errors[0].field == f"/sites/0/{field}"


def test_peaks_survive_writing_and_reading() -> None:
    case = house(peak_price_per_kw=4.5, peak_so_far_w=2500.0)
    assert read_problem(write_problem(case)) == case


def test_a_plan_must_count_the_peak_beyond_that_so_far() -> None:
    case = house(peak_price_per_kw=2.0, peak_so_far_w=3000.0)
    assert cost_of(case, 3000.0) == []
    assert cost_of(case, 3100.0) == ["cost"]


def test_a_plan_pays_for_a_peak_only_where_that_pays() -> None:
    # In one step 5 kWh are 20 kW and save 1.00 of 1.50; spread over 12 steps they are 1.67 kW.
    assert peak_w(planned(house())) == pytest.approx(20_000.0, abs=1.0)
    assert peak_w(planned(house(peak_price_per_kw=0.04))) == pytest.approx(20_000.0, abs=1.0)
    spread = planned(house(peak_price_per_kw=10.0))
    assert peak_w(spread) == pytest.approx(5000 * 4 / 12, abs=1.0)
    assert spread.cost == pytest.approx(10.0 * 5 / 3 + 0.3 * 5 * 11 / 12 + 0.1 * 5 / 12, rel=1e-4)
    assert spread.status == "optimal"


def test_what_was_reached_before_is_free() -> None:
    plan = planned(house(peak_price_per_kw=10.0, peak_so_far_w=5000.0))
    assert peak_w(plan) == pytest.approx(5000.0, abs=1.0)
    assert plan.cost == pytest.approx(plan.kpis.energy_cost)


def test_the_reason_says_so_and_must_be_true() -> None:
    case = house(peak_price_per_kw=10.0)
    plan = planned(case)
    assert all("PEAK" in entry.reasons for entry in plan.charging)
    free = house()
    said = [replace(one, reasons=("PEAK",)) for one in planned(free).charging]
    lying = replace(planned(free), charging=tuple(said))
    assert {one.rule for one in check(free, lying)} == {"charging-reason"}


def test_the_building_counts_and_the_site_battery_helps() -> None:
    load_w = (8000.0,) * 4 + (1000.0,) * 12
    case = house(peak_price_per_kw=10.0, load_power_w=load_w)
    plan = planned(case)
    assert peak_w(plan) == pytest.approx(8000.0, abs=1.0)
    assert plan.status == "optimal"


def test_sun_keeps_the_peak_down_where_buying_is_paid_for() -> None:
    prices = (-0.1,) * STEPS
    sun_w = (4000.0,) * STEPS
    place = {"import_price_per_kwh": prices, "export_price_per_kwh": prices, "pv_power_w": sun_w}
    load_w = (6000.0,) * STEPS
    dear = planned(house(**place, load_power_w=load_w, peak_price_per_kw=10.0))
    assert peak_w(dear) == pytest.approx(2000 + 5000 * 4 / 12, abs=1.0)
    cheap = planned(house(**place, load_power_w=load_w, peak_price_per_kw=0.01))
    assert peak_w(cheap) > 6000.0


def test_a_plan_without_a_solver_counts_the_peak_too() -> None:
    case = house(peak_price_per_kw=10.0)
    plan = planned(case, PlanOptions(solvers=()))
    assert plan.cost - plan.kpis.energy_cost == pytest.approx(10 * peak_w(plan) / 1000)
