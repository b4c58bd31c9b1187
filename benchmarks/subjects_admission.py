"""How long a booking answer takes, in process: the question, the "no" and the commit.

Run `python -m benchmarks.subjects_admission`. Goal: an answer under 2 ms at 3,000 cars, 5 ms with
alternatives.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np

from scheduler.admit import Calendar, Wish
from scheduler.reach import AdmissionRules, CarState, Promise
from tests.builders.promises import promised

NOW = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
SITES_PER_CAR = 0.2


@dataclass(frozen=True, slots=True)
class Timing:
    """Quantiles over many calls, in CPU time: other work on the machine does not count."""

    subject: str
    cars: int
    calls: int
    median_ms: float
    p99_ms: float


def fleet(cars: int) -> list[CarState]:
    sites = max(1, int(cars * SITES_PER_CAR))
    return [
        CarState(
            vehicle_id=f"car-{number:04}",
            vehicle_class="city" if number % 3 else "van",
            site_id=f"site-{number % sites:03}",
            free_from=NOW,
            soc_wh=8_000.0,
            capacity_wh=16_000.0,
            min_soc_wh=1_600.0,
            max_soc_wh=16_000.0,
            charge_power_w=3_700.0,
            charge_efficiency=0.9,
            consumption_wh_per_km=120.0,
        )
        for number in range(cars)
    ]


def wishes(random: Random, cars: int, count: int) -> list[Wish]:
    sites = max(1, int(cars * SITES_PER_CAR))
    asked: list[Wish] = []
    for _ in range(count):
        start = NOW + timedelta(minutes=15 * random.randrange(1, 4 * 48))
        pickup = f"site-{random.randrange(sites):03}"
        asked.append(
            Wish(
                start=start,
                end=start + timedelta(minutes=random.choice([60, 120, 180, 480])),
                pickup_site=pickup,
                dropoff_site=pickup,
                distance_km=random.choice([10.0, 25.0, 40.0, 90.0]),
                vehicle_class=random.choice([None, "city", "van"]),
            )
        )
    return asked


def timed(subject: str, cars: int, calls: list[Callable[[], object]]) -> Timing:
    spent: list[float] = []
    for call in calls:
        began = time.process_time()
        call()
        spent.append(1000 * (time.process_time() - began))
    median, p99 = np.quantile(spent, [0.5, 0.99])
    return Timing(subject, cars, len(spent), float(median), float(p99))


def measure(cars: int, seed: int = 1) -> list[Timing]:
    random = Random(seed)
    calendar = Calendar.build(fleet(cars), (), AdmissionRules(), NOW)
    commits: list[Promise] = []
    for number, wish in enumerate(wishes(random, cars, cars * 8)):
        answer = calendar.answer(wish)
        if answer.bookable:
            promise = promised(wish, answer.offers[0].vehicle_id, f"b-{number}")
            calendar = calendar.with_promise(promise)
            commits.append(promise)
    asked = wishes(random, cars, 1000)
    accepted = [wish for wish in asked if calendar.answer(wish).bookable]
    refused = [wish for wish in asked if not calendar.answer(wish).bookable]
    promises = [promise for chain in calendar.chains for promise in chain]
    last = promises[-1]
    shorter = calendar.without(last.booking_id)
    return [
        timed("yes", cars, [lambda w=wish: calendar.answer(w) for wish in accepted]),
        timed("no, alternatives", cars, [lambda w=wish: calendar.answer(w) for wish in refused]),
        timed("commit", cars, [lambda: shorter.with_promise(last)] * 200),
        timed(
            "build",
            cars,
            [lambda: Calendar.build(calendar.cars, promises, calendar.rules, NOW)] * 10,
        ),
    ]


def main() -> None:
    for cars in (30, 300, 3000):
        for timing in measure(cars):
            print(
                f"{timing.cars:5} cars  {timing.subject:18} {timing.calls:5} calls"
                f"  median {timing.median_ms:8.3f} ms  p99 {timing.p99_ms:8.3f} ms"
            )


if __name__ == "__main__":
    main()
