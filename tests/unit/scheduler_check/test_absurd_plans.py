"""The referee answers on any plan of the right types, and never takes an absurd one for lawful."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from scheduler.check import check
from scheduler.plan import Assignment, Charging, Kpis, Plan, SitePower, Stay, Unserved
from tests.builders.problems import booking, problem

EMPTY = Plan(
    status="feasible",
    cost=0.0,
    lower_bound=0.0,
    solve_seconds=0.0,
    assignments=(),
    unserved=(),
    stays=(),
    charging=(),
    sites=(),
    kpis=Kpis(None, 0.0, 0.0, 0.0),
)
STEPS = [-(10**30), -1, 0, 3, 15, 16, 17, 10**30]
POWERS = [math.nan, math.inf, -math.inf, 1e308, -1e308]


@pytest.mark.parametrize("start", STEPS)
@pytest.mark.parametrize("end", STEPS)
def test_steps_out_of_range_are_violations(start: int, end: int) -> None:
    absurd = replace(
        EMPTY,
        stays=(Stay("car-1", "A", "A-1", start, end),),
        charging=(Charging("car-1", "A-1", start, end, 3000.0),),
    )
    assert check(problem(), absurd)


@pytest.mark.parametrize("power_w", POWERS)
def test_numbers_that_are_none_are_violations(power_w: float) -> None:
    absurd = replace(
        EMPTY,
        cost=power_w,
        lower_bound=power_w,
        solve_seconds=power_w,
        assignments=(Assignment("b-1", "car-1", power_w),),
        stays=(Stay("car-1", "A", "A-1", 0, 6), Stay("car-1", "A", "A-1", 10, 16)),
        charging=(Charging("car-1", "A-1", 0, 6, power_w),) * 3,
        sites=(SitePower("A", (power_w,) * 16, (power_w,) * 16, (power_w,) * 16),),
        kpis=Kpis(power_w, power_w, power_w, power_w),
    )
    found = {violation.rule for violation in check(problem(), absurd)}
    assert {"departure-soc", "cost", "kpi"} <= found


def test_unknown_names_are_violations() -> None:
    absurd = replace(
        EMPTY,
        assignments=(Assignment("b-1", "nobody", 0.0), Assignment("none", "nobody", 0.0)),
        unserved=(Unserved("none", "LIMIT", ""), Unserved("b-1", "LIMIT", "")),
        stays=(
            Stay("nobody", "A", "A-1", 0, 16),
            Stay("car-1", "nowhere", None, 0, 8),
            Stay("car-1", "nowhere", "A-1", 0, 8),
            Stay("car-1", "A", "nothing", 8, 16),
        ),
        charging=(
            Charging("nobody", "A-1", 0, 4, 3000.0),
            Charging("car-1", "nothing", 0, 4, 3000.0),
        ),
        sites=(SitePower("nowhere", (), (), ()),),
    )
    found = {violation.rule for violation in check(problem(), absurd)}
    assert {"unknown-booking", "unknown-vehicle", "unknown-site", "unknown-evse"} <= found


def test_everything_at_once_and_many_times_is_a_violation() -> None:
    absurd = replace(
        EMPTY,
        assignments=(Assignment("b-1", "car-1", 8000.0),) * 50,
        unserved=(Unserved("b-1", "NO_EVSE", ""),) * 50,
        stays=(Stay("car-1", "A", "A-1", 0, 16),) * 50,
        charging=(Charging("car-1", "A-1", 0, 16, 3000.0),) * 50,
        sites=(SitePower("A", (0.0,) * 16, (0.0,) * 16, (0.0,) * 16),) * 50,
    )
    found = {violation.rule for violation in check(problem(), absurd)}
    assert {"booking-once", "vehicle-overlap", "stay-order", "charging-overlap"} <= found


def test_the_empty_plan_of_an_empty_problem_is_lawful() -> None:
    case = problem(sites=(), vehicles=(), bookings=())
    assert check(case, EMPTY) == ()


def test_the_empty_plan_of_another_problem_is_not() -> None:
    rules = [violation.rule for violation in check(problem(bookings=(booking(),)), EMPTY)]
    assert rules == ["booking-once", "stay-gap", "site-series"]
