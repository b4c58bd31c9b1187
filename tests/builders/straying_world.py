"""Towns whose trips stray in their own way, to hold promises against what then happens.

Nothing here strays as the prior of `scheduler.straying` says: cars have their own thirst, days have
one that all their trips share, now and then somebody makes a detour, and delays have a long tail.
A plan charges each car for no more than its promises need, so that every margin is tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from csms.booking.queries import Caution
from scheduler.admit import Calendar, Wish
from scheduler.reach import AdmissionRules, CarState, departure_needs_wh
from scheduler.straying import GRACE_S, DrivenTrip, Straying, learn
from tests.builders.promises import promised

NOW = datetime(2026, 6, 15, 5, 0, tzinfo=UTC)
SITES = ("A", "B")
CARS = 6
CAPACITY_WH = 16_000.0
WH_PER_KM = 140.0
POWER_W = 3_700.0
EFFICIENCY = 0.9
COUNTED_ON = 0.85
"""Share of the power that there is: no more than admission counts on."""
WISHES = 40


@dataclass(frozen=True)
class Nature:
    """How the trips of a town stray, known to nobody in it."""

    thirst: tuple[float, ...]
    """By car, of what its model says."""
    day_spread: float = 0.05
    trip_spread: float = 0.09
    detour_share: float = 0.01
    detour: float = 1.3
    late_share: float = 0.15
    late_median_s: float = 12 * 60.0
    late_spread: float = 0.8

    def day(self, random: np.random.Generator) -> float:
        """Returns what all trips of a day take more or less."""
        return math.exp(self.day_spread * random.standard_normal())

    def ratio(self, car: int, day: float, random: np.random.Generator) -> float:
        """Returns what a trip takes over what its distance says."""
        detour = self.detour if random.random() < self.detour_share else 1.0
        own = math.exp(self.trip_spread * random.standard_normal())
        return self.thirst[car] * day * own * detour

    def late_s(self, random: np.random.Generator) -> float:
        """Returns how late somebody comes back; negative if early."""
        if random.random() >= self.late_share:
            return -random.uniform(0.0, 900.0)
        return self.late_median_s * math.exp(self.late_spread * random.standard_normal())


def a_nature(seed: int) -> Nature:
    """Returns how the trips of one town stray."""
    random = np.random.default_rng([seed, 1])
    return Nature(tuple(1.06 + 0.07 * random.standard_normal(CARS)))


def history(nature: Nature, trips: int, seed: int) -> list[DrivenTrip]:
    """Returns trips that are over, ten a day."""
    random = np.random.default_rng([seed, 2])
    found: list[DrivenTrip] = []
    for number in range(trips):
        if number % 10 == 0:
            day = nature.day(random)
        car = int(random.integers(CARS))
        found.append(
            DrivenTrip(f"car-{car}", nature.ratio(car, day, random), nature.late_s(random))
        )
    return found


def cautious(straying: Straying, probability: float) -> AdmissionRules:
    """Returns the rules of a town whose promises are to be kept with `probability`."""
    caution = Caution(straying, dict.fromkeys(SITES, straying.margin(probability)))
    return replace(
        AdmissionRules(),
        energy_factor=caution.widest.energy_factor,
        margins=caution.margins,
        straying=straying,
    )


def a_fleet(straying: Straying, random: np.random.Generator) -> list[CarState]:
    """Returns cars that stand at their sites, as admission sees them."""
    return [
        CarState(
            vehicle_id=f"car-{number}",
            vehicle_class="city",
            site_id=SITES[number % len(SITES)],
            free_from=NOW,
            soc_wh=CAPACITY_WH * random.uniform(0.15, 0.7),
            capacity_wh=CAPACITY_WH,
            min_soc_wh=0.1 * CAPACITY_WH,
            max_soc_wh=CAPACITY_WH,
            charge_power_w=POWER_W,
            charge_efficiency=EFFICIENCY,
            consumption_wh_per_km=WH_PER_KM * straying.expected_factor(f"car-{number}"),
        )
        for number in range(CARS)
    ]


def some_wishes(random: np.random.Generator) -> list[Wish]:
    """Returns more wishes than the fleet can grant, on quarters of an hour, for two days."""
    found: list[Wish] = []
    for _ in range(WISHES):
        start = NOW + timedelta(minutes=15 * int(random.integers(2, 160)))
        pickup = SITES[int(random.integers(len(SITES)))]
        km = float(np.clip(random.gamma(4.0, 25.0 / 4), 4.0, 60.0).round(1))
        found.append(
            Wish(
                start=start,
                end=start + timedelta(minutes=15 * max(2, round(km / 8 + random.uniform(1, 8)))),
                pickup_site=pickup,
                dropoff_site=pickup,
                distance_km=km,
            )
        )
    return found


def promises_of(calendar: Calendar, wishes: Sequence[Wish], *, fixed_reserve: bool) -> Calendar:
    """Returns the calendar after everybody has asked, each wish in turn."""
    for number, asked in enumerate(wishes):
        reserve_km = max(5.0, 0.1 * asked.distance_km) if fixed_reserve else 0.0
        wish = replace(asked, reserve_km=reserve_km)
        answer = calendar.answer(wish)
        if answer.bookable:
            vehicle_id = answer.offers[0].vehicle_id
            calendar = calendar.with_promise(promised(wish, vehicle_id, f"b-{number:03d}"))
    return calendar


@dataclass(frozen=True)
class Outcome:
    """What became of promises."""

    given: int
    late: int
    """Broken because the car was not back by then."""
    short: int
    """Broken because the trip took more than the car held above its floor."""
    granted_share: float

    @property
    def kept(self) -> int:
        """How many were kept."""
        return self.given - self.late - self.short


def play(calendar: Calendar, nature: Nature, random: np.random.Generator) -> tuple[int, int]:
    """Returns how many promises are broken by lateness, and how many by too little energy."""
    late = short = 0
    days = [nature.day(random) for _ in range(4)]
    for number, car in enumerate(calendar.cars):
        held_wh, since = car.soc_wh, NOW
        chain = calendar.chain(car.vehicle_id)
        needs_wh = departure_needs_wh(car, chain, calendar.rules)
        for trip, need_wh in zip(chain, needs_wh, strict=True):
            leaves = max(trip.start, since)
            gained_wh = POWER_W * EFFICIENCY * COUNTED_ON * ((leaves - since) / timedelta(hours=1))
            held_wh = max(held_wh, min(need_wh, held_wh + gained_wh))
            ratio = nature.ratio(number, days[(trip.start - NOW).days], random)
            used_wh = trip.distance_km * WH_PER_KM * ratio
            if (leaves - trip.start).total_seconds() > GRACE_S:
                late += 1
            elif held_wh - used_wh < car.min_soc_wh:
                short += 1
            held_wh = max(0.0, held_wh - used_wh)
            since = max(leaves, trip.end + timedelta(seconds=nature.late_s(random)))
    return late, short


FLEETS_OF_A_TOWN = 3
HISTORY = 500


def outcome(probability: float | None, *, bookings: int, seed: int) -> Outcome:
    """Returns what becomes of `bookings` promises or some more, in many towns.

    Each town strays in its own way, and has learnt it from `HISTORY` trips of its own.

    Args:
        probability: that promises are to be kept with; None: with the margins of old, half an hour
            and a tenth of the energy, and a reserve of a tenth of the distance, at least 5 km.
        bookings: how many promises at least.
        seed: of towns, fleets, wishes and trips.
    """
    given = late = short = asked = fleets = 0
    nature, straying, rules = a_nature(seed), Straying(), AdmissionRules()
    while given < bookings:
        if fleets % FLEETS_OF_A_TOWN == 0:
            town = 1_000 * seed + fleets // FLEETS_OF_A_TOWN
            nature = a_nature(town)
            if probability is not None:
                straying = learn(history(nature, HISTORY, town))
                rules = cautious(straying, probability)
        random = np.random.default_rng([seed, 3, fleets])
        fleet, wishes = a_fleet(straying, random), some_wishes(random)
        calendar = Calendar.build(fleet, (), rules, NOW)
        calendar = promises_of(calendar, wishes, fixed_reserve=probability is None)
        broken = play(calendar, nature, np.random.default_rng([seed, 4, fleets]))
        given += sum(len(chain) for chain in calendar.chains)
        asked += len(wishes)
        late, short, fleets = late + broken[0], short + broken[1], fleets + 1
    return Outcome(given, late, short, given / asked)


def interval(kept: int, given: int) -> tuple[float, float]:
    """Returns the 95 % interval of a rate (Wilson, JASA 22, 1927)."""
    z, rate = 1.959964, kept / given
    middle = rate + z * z / (2 * given)
    half = z * math.sqrt(rate * (1 - rate) / given + (z / (2 * given)) ** 2)
    scale = 1 + z * z / given
    return (middle - half) / scale, (middle + half) / scale
