"""A car that is to charge now does, whatever prices, sun, peaks and batteries would make of it."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.overrides import Override
from scheduler.problem import Problem
from scheduler.rolling import plan_with_level
from tests.builders.problems import random_problem, with_flexible_loads, with_peaks


def hurried(seed: int) -> Problem:
    """Returns one car of a random problem that nothing holds back but its EVSE, without trips."""
    random = Random(seed)
    whole = with_flexible_loads(with_peaks(random_problem(seed), seed), seed)
    place = random.choice(whole.sites)
    spot = replace(place.evses[0], circuit=None, unavailable=())
    place = replace(place, evses=(spot,), circuits=(), import_limit_w=200_000.0)
    start = random.randrange(whole.steps)
    now = Override(start, start + random.randint(1, whole.steps), "charge_now")
    car = random.choice(whole.vehicles)
    car = replace(car, site=place.id, evse=spot.id, available_from=0, overrides=(now,))
    return replace(whole, sites=(place,), vehicles=(car,), bookings=())


@pytest.mark.parametrize("options", [OFFLINE, PlanOptions(), PlanOptions(solvers=())])
@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=25, deadline=None)
def test_a_car_that_charges_now_takes_all_it_can_until_it_is_full(
    options: PlanOptions, seed: int
) -> None:
    problem = hurried(seed)
    (car,), (spot,) = problem.vehicles, problem.sites[0].evses
    (now,) = car.overrides
    most_w = car.max_ac_power_w if spot.current_type == "AC" else car.max_dc_power_w
    most_w = min(most_w, spot.max_power_w)
    assume(most_w >= spot.min_power_w)
    plan = plan_with_level(problem, options=options, monotonic=time.monotonic).plan
    assert check(problem, plan) == ()
    power_w = [0.0] * problem.steps
    for entry in plan.charging:
        power_w[entry.from_step : entry.to_step] = [entry.power_w] * (
            entry.to_step - entry.from_step
        )
    soc_wh = car.soc_wh
    for step, drawn_w in enumerate(power_w):
        rate = car.charge_efficiency if drawn_w > 0 else 1 / car.charge_efficiency
        lacks_w = max(car.max_soc_wh - soc_wh, 0.0) / problem.hours / car.charge_efficiency
        if now.from_step <= step < now.to_step:
            # An EVSE that can't give the little that is left gives nothing.
            least_w = spot.min_power_w if step < 4 else 0.0
            if lacks_w >= max(most_w, least_w):
                assert drawn_w == pytest.approx(most_w, abs=1.0)
            elif lacks_w >= least_w and step >= 4:
                assert drawn_w == pytest.approx(lacks_w, abs=2.0)
        soc_wh += drawn_w * rate * problem.hours
