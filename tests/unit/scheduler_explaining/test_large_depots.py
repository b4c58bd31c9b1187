"""An explanation of a large depot takes little more per car than one of a small one."""

from __future__ import annotations

import sys
import time
from random import Random

from scheduler.explaining import explain
from scheduler.rolling import PlanOptions, plan_with_level
from tests.builders.problems import booking, evse, problem, site, vehicle

STEPS = 96


def calls_per_car(cars: int) -> float:
    """Returns how many functions are called for each car of a depot with two trips a car."""
    random = Random(1)
    numbers = range(cars)
    place = site(
        "A",
        steps=STEPS,
        evses=tuple(evse(f"A-{number}") for number in numbers),
        import_limit_w=2000.0 * cars,
        import_price_per_kwh=tuple(0.2 + 0.1 * (step // 12 % 2) for step in range(STEPS)),
    )
    begins = [random.randrange(8, STEPS - 12) for _ in range(2 * cars)]
    asked = problem(
        steps=STEPS,
        sites=(place,),
        vehicles=tuple(vehicle(f"car-{number}", evse=f"A-{number}") for number in numbers),
        bookings=tuple(
            booking(f"b-{number}", start_step=begin, end_step=begin + random.randrange(4, 10))
            for number, begin in enumerate(begins)
        ),
    )
    plan = plan_with_level(asked, options=PlanOptions(solvers=()), monotonic=time.monotonic).plan
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(called)
    try:
        explain(asked, plan)
    finally:
        sys.setprofile(None)
    return count / cars


def test_each_car_of_a_depot_four_times_as_large_takes_about_as_many_calls() -> None:
    assert calls_per_car(120) < 1.3 * calls_per_car(30)
