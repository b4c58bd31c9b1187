"""Sun that may come or stay away: how much is charged for it is the newsvendor's question."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.check import check
from scheduler.options import PlanOptions
from scheduler.plan import Charging, Plan
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from tests.builders.problems import evse, problem, site, vehicle

STEPS = 16
BUY, SELL = 0.20, 0.06
SUN_W, HIGH_W = 4000.0, 5000.0


def house(worth: float, *, unsure: bool = True, steps: int = STEPS) -> Problem:
    """Two cars with room for all, sun in the first step only, and what a kWh is worth at the end.

    Batteries lose nothing, so that a kWh is charged as long as it costs less than its worth.
    """
    dark = (0.0,) * (steps - 1)
    place = site(
        steps=steps,
        evses=(evse("A-1", min_power_w=0.0), evse("A-2", min_power_w=0.0)),
        pv_power_w=(SUN_W, *dark),
        load_power_w=(0.0,) * steps,
        import_price_per_kwh=(BUY,) * steps,
        export_price_per_kwh=(SELL,) * steps,
    )
    if unsure:
        place = replace(place, pv_high_power_w=(HIGH_W, *dark))
    cars = tuple(
        vehicle(
            f"car-{n}",
            evse=f"A-{n}",
            soc_wh=2000.0,
            max_ac_power_w=3700.0,
            charge_efficiency=1.0,
        )
        for n in (1, 2)
    )
    return problem(
        steps=steps, sites=(place,), vehicles=cars, bookings=(), terminal_value_per_kwh=worth
    )


def planned(case: Problem) -> Plan:
    options = PlanOptions(wait_cost_per_kwh_h=0.0)
    plan = make_plan(case, options=options, monotonic=lambda: 0.0)
    assert check(case, plan) == ()
    return plan


def first(plan: Plan) -> list[Charging]:
    return [each for each in plan.charging if each.from_step == 0]


def first_w(plan: Plan) -> float:
    return sum(each.power_w for each in first(plan))


@pytest.mark.parametrize(
    ("worth", "power_w"),
    [
        (0.07, SUN_W),  # hardly more than what the sun sells for: what is as likely as not
        (0.13, SUN_W),
        (0.16, SUN_W + 410.0),
        (0.19, HIGH_W),  # hardly less than what else has to be bought: all that may come
    ],
)
def test_the_more_energy_is_worth_the_more_is_charged_for_sun_that_may_come(
    worth: float, power_w: float
) -> None:
    assert first_w(planned(house(worth))) == pytest.approx(power_w, abs=2.0)


@pytest.mark.parametrize("worth", [0.07, 0.13, 0.19])
def test_sun_that_is_sure_is_taken_whatever_it_is_worth(worth: float) -> None:
    assert first_w(planned(house(worth, unsure=False))) == pytest.approx(SUN_W, abs=2.0)


def test_what_is_charged_beyond_the_median_is_charged_for_the_sun() -> None:
    plan = planned(house(0.19))
    assert {code for each in first(plan) for code in each.reasons} >= {"SUN"}


def test_what_a_plan_costs_goes_by_the_median() -> None:
    case = house(0.19)
    plan = planned(case)
    bought_kwh = (HIGH_W - SUN_W) / 1000 * case.hours
    assert plan.kpis.energy_cost == pytest.approx(bought_kwh * BUY, abs=1e-3)
    sure = replace(case.sites[0], pv_high_power_w=None)
    assert check(replace(case, sites=(sure,)), plan) == ()


def test_what_comes_after_the_first_hour_is_planned_by_the_median() -> None:
    dark = (0.0,) * 4
    sun_w, rest = 4000.0, (0.0,) * (STEPS - 5)
    place = replace(
        house(0.19).sites[0],
        pv_power_w=(*dark, sun_w, *rest),
        pv_high_power_w=(*dark, HIGH_W, *rest),
    )
    plan = planned(replace(house(0.19), sites=(place,)))
    assert sum(each.power_w for each in plan.charging) == pytest.approx(sun_w, abs=2.0)
