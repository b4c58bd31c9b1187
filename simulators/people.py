"""People: who wants a car, when they ask for it, and how they will behave if they get it.

All of it is drawn when a world is built, so that nobody's habits depend on what the service
answers. Asking, driving and plugging in happens in `simulators.driver`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from simulators.scenario import Scenario, SiteSpec

SLOT_MINUTES = 15
"""Bookings begin and end on quarters of an hour."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What will happen on a trip, known to nobody before."""

    consumption_factor: float
    leaves_after_minutes: int
    """Minutes between the start of the booking and driving off."""
    returns_after_minutes: int
    """Minutes between the end of the booking and the return; negative if early."""
    plugs_in_after_minutes: int
    """0: at once; else somebody plugs the forgotten car in after so long."""
    takes_alternative: bool
    cancels_before_minutes: int | None
    """Calls off so long before the start, if at all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks the service for."""

    id: str
    driver_id: str
    asked_at: datetime
    start: datetime
    end: datetime
    pickup_site_id: str
    dropoff_site_id: str
    distance_km: float
    vehicle_class: str | None
    habits: Habits


def driver_ids(scenario: Scenario) -> tuple[str, ...]:
    """Returns the ids of all subscribers."""
    return tuple(f"driver-{number:03d}" for number in range(1, scenario.demand.subscribers + 1))


def wishes(scenario: Scenario, start: datetime, days: int, rng: np.random.Generator) -> list[Wish]:
    """Returns all wishes whose trips start within `days`, in the order of asking."""
    found: list[Wish] = []
    midnight = start.astimezone(scenario.zone)
    for day in range(days):
        found += _wishes_of_day(scenario, start, midnight + timedelta(days=day), rng)
    found.sort(key=lambda wish: (wish.asked_at, wish.start, wish.id))
    return found


def _wishes_of_day(
    scenario: Scenario, world_start: datetime, day: datetime, rng: np.random.Generator
) -> list[Wish]:
    demand = scenario.demand
    cars = np.array([len(site.cars) for site in scenario.sites], dtype=float)
    count = round(demand.trips_per_car_day * float(cars.sum()))
    distances = _distances_km(scenario, count, rng)
    hours = np.array(demand.start_hours)
    found: list[Wish] = []
    for index in range(count):
        hour = int(rng.choice(24, p=hours / hours.sum()))
        quarter = int(rng.integers(0, 4))
        local = day + timedelta(hours=hour, minutes=SLOT_MINUTES * quarter)
        starts = local.astimezone(UTC)
        pickup = scenario.sites[int(rng.choice(len(cars), p=cars / cars.sum()))]
        found.append(
            Wish(
                id=f"wish-{day:%Y%m%d}-{index:04d}",
                driver_id=f"driver-{int(rng.integers(1, demand.subscribers + 1)):03d}",
                asked_at=_asked_at(scenario, world_start, starts, rng),
                start=starts,
                end=starts + _booked_for(scenario, float(distances[index]), rng),
                pickup_site_id=pickup.id,
                dropoff_site_id=_dropoff(scenario, pickup, rng).id,
                distance_km=float(distances[index]),
                vehicle_class=_class_wished(scenario, rng),
                habits=_habits(scenario, rng),
            )
        )
    # A trip of the very first minute would have been asked for before the world began.
    return [wish for wish in found if wish.asked_at >= world_start]


def _distances_km(
    scenario: Scenario, count: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Returns gamma-distributed distances, scaled so that the day's mean is the scenario's."""
    demand = scenario.demand
    drawn = np.asarray(rng.gamma(4.0, demand.mean_distance_km / 4, count), dtype=np.float64)
    drawn = np.clip(drawn, 4.0, demand.max_distance_km)
    if count == 0:
        return drawn
    scaled = drawn * demand.mean_distance_km / drawn.mean()
    return np.clip(scaled, 0.0, demand.max_distance_km).round(1)


def _asked_at(
    scenario: Scenario, world_start: datetime, starts: datetime, rng: np.random.Generator
) -> datetime:
    least_h, mean_h = scenario.demand.lead_hours
    lead_h = least_h + float(rng.exponential(max(mean_h - least_h, 0.01)))
    asked = starts - timedelta(minutes=round(lead_h * 60))
    soonest = world_start + timedelta(minutes=5 + int(rng.integers(0, 25)))
    return max(asked, min(soonest, starts - timedelta(minutes=1)))


def _booked_for(scenario: Scenario, distance_km: float, rng: np.random.Generator) -> timedelta:
    """Returns how long a car is booked: driving, standing, and a little room, in quarters."""
    demand = scenario.demand
    shortest, longest = demand.dwell_minutes
    minutes = 60 * distance_km / demand.mean_speed_km_h + float(rng.uniform(shortest, longest))
    return timedelta(minutes=SLOT_MINUTES * max(2, round(minutes / SLOT_MINUTES)))


def _dropoff(scenario: Scenario, pickup: SiteSpec, rng: np.random.Generator) -> SiteSpec:
    one_way = float(rng.random()) < scenario.demand.one_way_share
    other = int(rng.integers(0, max(1, len(scenario.sites) - 1)))
    others = [site for site in scenario.sites if site.id != pickup.id]
    return others[other] if one_way and others else pickup


def _class_wished(scenario: Scenario, rng: np.random.Generator) -> str | None:
    classes = sorted({model.vehicle_class for model in scenario.models})
    picky = float(rng.random()) < scenario.demand.class_wish_share
    wished = classes[int(rng.integers(0, len(classes)))]
    return wished if picky else None


def _habits(scenario: Scenario, rng: np.random.Generator) -> Habits:
    demand = scenario.demand
    late = float(rng.random()) < demand.late_share
    early_minutes, late_minutes = int(rng.integers(0, 16)), int(rng.integers(1, 11))
    forgets = float(rng.random()) < demand.forget_plug_share
    forgotten_minutes = int(rng.integers(60, 240))
    cancels = float(rng.random()) < demand.cancel_share
    cancel_minutes = int(rng.integers(20, 180))
    factor = 1 + demand.consumption_spread * float(rng.standard_normal())
    return Habits(
        consumption_factor=round(min(1.3, max(0.75, factor)), 4),
        leaves_after_minutes=int(rng.integers(0, 6)),
        returns_after_minutes=late_minutes if late else -early_minutes,
        plugs_in_after_minutes=forgotten_minutes if forgets else 0,
        takes_alternative=float(rng.random()) < demand.alternative_share,
        cancels_before_minutes=cancel_minutes if cancels else None,
    )
