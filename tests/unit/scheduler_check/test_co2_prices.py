"""CO2 as a price: read, planned, judged."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from models.errors import BadInput
from scheduler.check import check
from scheduler.options import OFFLINE
from scheduler.plan import Charging, Plan, Stay
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan
from tests.builders.plans import plan_of
from tests.builders.problems import booking, evse, problem, site, vehicle

STEPS = 16
DIRTY, CLEAN = 400.0, 50.0


def house(**changes: object) -> Problem:
    """A car that wants 5 kWh by step 12; energy is cheapest in step 0, and clean in step 6."""
    grams = [DIRTY] * STEPS
    grams[6] = CLEAN
    place = {
        "import_price_per_kwh": (0.25,) + (0.3,) * (STEPS - 1),
        "import_co2_g_per_kwh": tuple(grams),
        "evses": (evse("A-1", max_power_w=22_000.0, min_power_w=0.0),),
    } | changes
    car = vehicle(evse="A-1", soc_wh=1600.0, max_ac_power_w=22_000.0, charge_efficiency=1.0)
    trip = booking(start_step=12, end_step=14, distance_km=5000 / 140)
    return problem(sites=(site(**place),), vehicles=(car,), bookings=(trip,))


def planned(case: Problem) -> Plan:
    plan = make_plan(case, options=OFFLINE, monotonic=time.monotonic)
    assert check(case, plan) == ()
    return plan


def steps_of(plan: Plan) -> list[int]:
    return [step for each in plan.charging for step in range(each.from_step, each.to_step)]


def test_a_car_waits_for_clean_energy_where_co2_has_a_price() -> None:
    assert steps_of(planned(house())) == [0]
    # 350 g less outweigh 0.05 per kWh from 0.143 per kg on.
    assert steps_of(planned(house(co2_price_per_kg=0.14))) == [0]
    plan = planned(house(co2_price_per_kg=0.15))
    assert steps_of(plan) == [6]
    assert plan.kpis.energy_cost == pytest.approx(5 * 0.3)
    assert plan.kpis.co2_g == pytest.approx(5 * CLEAN)
    assert plan.kpis.co2_cost == pytest.approx(5 * CLEAN / 1000 * 0.15)
    assert plan.cost == pytest.approx(5 * 0.3 + 5 * CLEAN / 1000 * 0.15)
    assert plan.status == "optimal"


def test_what_a_plan_says_of_co2_and_peaks_is_checked() -> None:
    case = house(co2_price_per_kg=0.15, peak_price_per_kw=1.0)
    plan = planned(case)
    assert plan.kpis.peak_cost == pytest.approx(max(plan.sites[0].grid_w) / 1000)
    assert plan.cost == pytest.approx(
        plan.kpis.energy_cost + (plan.kpis.co2_cost or 0) + (plan.kpis.peak_cost or 0)
    )
    for name in ("co2_cost", "peak_cost"):
        lying = replace(plan, kpis=replace(plan.kpis, **{name: 9.0}))
        assert [one.rule for one in check(case, lying)] == ["kpi"]
        silent = replace(plan, kpis=replace(plan.kpis, **{name: None}))
        assert check(case, silent) == ()


def test_a_plan_that_counts_no_co2_tells_a_wrong_cost() -> None:
    idle = replace(house(), bookings=())
    entry = Charging("car-1", "A-1", 4, 5, 10_000.0)
    plan = plan_of(idle, stays=[Stay("car-1", "A", "A-1", 0, STEPS)], charging=[entry])
    assert check(idle, plan) == ()
    priced = replace(idle, sites=(replace(idle.sites[0], co2_price_per_kg=0.15),))
    assert "cost" in {one.rule for one in check(priced, plan)}


def test_energy_is_paid_for_only_where_its_co2_leaves_something() -> None:
    case = house(import_price_per_kwh=(-0.01,) * STEPS)
    assert all("PAID" in each.reasons for each in planned(case).charging)
    priced = house(import_price_per_kwh=(-0.01,) * STEPS, co2_price_per_kg=0.3)
    plan = planned(priced)
    assert not any("PAID" in each.reasons for each in plan.charging)
    lying = tuple(replace(each, reasons=("PAID",)) for each in plan.charging)
    assert {one.rule for one in check(priced, replace(plan, charging=lying))} == {"charging-reason"}


def test_a_price_of_co2_is_read_and_refused() -> None:
    case = house(co2_price_per_kg=0.15)
    assert read_problem(write_problem(case)) == case
    with pytest.raises(BadInput) as caught:
        check_problem(house(co2_price_per_kg=-1.0))
    assert caught.value.errors[0].field == "/sites/0/co2_price_per_kg"
