"""What happens to a plan's world at one site: for tests and measurements of planning anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from scheduler.overrides import Override
from scheduler.problem import Problem
from tests.builders.problems import booking

Happening = Literal["plugged", "late", "override", "cancelled", "dead", "limit", "sun", "booked"]
HAPPENINGS: tuple[Happening, ...] = (
    "plugged",
    "late",
    "override",
    "cancelled",
    "dead",
    "limit",
    "sun",
    "booked",
)


def happened(
    random: Random, case: Problem, kinds: Sequence[Happening] = HAPPENINGS
) -> tuple[Problem, str]:
    """Returns the problem after something drawn by lot has happened, and the site of it."""
    kind = random.choice(kinds)
    places, trips = list(case.sites), list(case.bookings)
    n = random.randrange(len(places))
    place = places[n]
    if kind in {"plugged", "late", "override"}:
        return _to_a_car(random, case, kind)
    if kind == "cancelled" and trips:
        trip = trips.pop(random.randrange(len(trips)))
        return replace(case, bookings=tuple(trips)), trip.pickup_site
    if kind == "dead":
        dead = replace(place.evses[0], unavailable=((0, case.steps),))
        places[n] = replace(place, evses=(dead, *place.evses[1:]))
    elif kind == "limit":
        places[n] = replace(place, import_limit_w=0.4 * place.import_limit_w)
    elif kind == "sun":
        places[n] = replace(place, pv_power_w=tuple(0.3 * w for w in place.pv_power_w))
    else:
        start = random.randrange(case.steps)
        new = booking("new", pickup_site=place.id, dropoff_site=place.id)
        new = replace(new, start_step=start, end_step=start + random.randint(1, 8))
        return replace(case, bookings=(*trips, new)), place.id
    return replace(case, sites=tuple(places)), place.id


def _to_a_car(random: Random, case: Problem, kind: Happening) -> tuple[Problem, str]:
    """Returns the problem after something has happened to one car, and where that stands."""
    cars = list(case.vehicles)
    n = random.randrange(len(cars))
    car = cars[n]
    if kind == "plugged":
        # Its battery holds more or less than was thought.
        soc_wh = car.soc_wh + 0.1 * car.capacity_wh * random.uniform(-1.0, 1.0)
        cars[n] = replace(car, soc_wh=min(max(soc_wh, 0.0), car.capacity_wh))
    elif kind == "late":
        later = car.available_from + random.randint(1, 8)
        cars[n] = replace(car, available_from=later, evse=None)
    else:
        wish = Override(0, random.randint(1, case.steps), random.choice(["hold", "charge_now"]))
        cars[n] = replace(car, overrides=(wish,))
    return replace(case, vehicles=tuple(cars)), car.site
