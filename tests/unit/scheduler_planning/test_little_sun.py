"""Sun that is less than an EVSE's least power: taken if that pays, with the rest bought."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.check import check
from scheduler.plan import Charging, Plan
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from tests.builders.problems import evse, problem, site, vehicle

STEPS = 16
BUY, SELL = 0.20, 0.06
LEAST_W = 1380.0


def house(
    sun_w: float, worth: float, *, cars: int = 1, later_w: float = 0.0, buy: float = BUY
) -> Problem:
    """Cars with room for all; sun in the first step, and maybe in those after the first hour."""
    place = site(
        steps=STEPS,
        evses=tuple(evse(f"A-{n}", min_power_w=LEAST_W) for n in range(cars)),
        pv_power_w=(sun_w, 0.0, 0.0, 0.0) + (later_w,) * (STEPS - 4),
        load_power_w=(0.0,) * STEPS,
        import_price_per_kwh=(buy,) * STEPS,
        export_price_per_kwh=(SELL,) * STEPS,
    )
    parked = tuple(
        vehicle(
            f"car-{n}",
            evse=f"A-{n}",
            soc_wh=2000.0,
            max_ac_power_w=3700.0,
            charge_efficiency=1.0,
        )
        for n in range(cars)
    )
    return problem(
        steps=STEPS, sites=(place,), vehicles=parked, bookings=(), terminal_value_per_kwh=worth
    )


def planned(case: Problem) -> Plan:
    plan = make_plan(case, monotonic=lambda: 0.0)
    assert check(case, plan) == ()
    return plan


def first(plan: Plan) -> list[Charging]:
    return [each for each in plan.charging if each.from_step == 0]


def test_a_little_sun_is_taken_where_energy_must_be_bought_soon_for_nearly_as_much() -> None:
    # 0.5 kW for 0.06 and 0.88 kW for 0.20 come to 0.149 a kWh.
    assert [each.power_w for each in first(planned(house(500.0, 0.16)))] == [LEAST_W]


def test_less_sun_is_left_alone() -> None:
    # 0.3 kW for 0.06 and 1.08 kW for 0.20 come to 0.170 a kWh.
    assert first(planned(house(300.0, 0.16))) == []


def test_much_of_the_least_power_is_left_where_energy_is_worth_little() -> None:
    # 1 kW for 0.06 and 0.38 kW for 0.20 come to 0.099 a kWh.
    assert first(planned(house(1000.0, 0.09))) == []
    assert [each.power_w for each in first(planned(house(1000.0, 0.11)))] == [LEAST_W]


def test_a_little_sun_is_no_reason_where_more_comes_later() -> None:
    case = house(500.0, 0.16, later_w=1500.0)
    car = replace(case.vehicles[0], soc_wh=11_000.0, max_soc_wh=12_000.0)
    assert first(planned(replace(case, vehicles=(car,)))) == []


@pytest.mark.parametrize(("sun_w", "running"), [(4200.0, 2), (4000.0, 1), (1900.0, 1), (300.0, 0)])
def test_as_many_cars_run_as_pay(sun_w: float, running: int) -> None:
    charging = first(planned(house(sun_w, 0.16, cars=3)))
    assert len(charging) == running
    assert all(each.power_w >= LEAST_W - 1 for each in charging)


def test_who_buys_for_little_sun_says_so() -> None:
    (charging,) = first(planned(house(500.0, 0.16)))
    assert charging.reasons == ("SUN", "MINIMUM")
