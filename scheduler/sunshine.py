"""Sunshine offers: what a trip's energy costs at its time, and times near it that cost less.

What a trip takes is charged where its car stands: before it, and after it until the car is needed
again. It goes into the cheapest steps; sun to spare costs what selling it would bring. A car that
is away at noon misses its share of the sun, and one that returns by then does not: that is all the
difference between two times. It is an estimate for one car, with the sun shared out evenly; what
is charged when is the plan's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from models.timeline import StepGrid
from scheduler.admit import ALTERNATIVE_LEAD, Answer, Calendar, Offer, Wish

Floats = NDArray[np.float64]

NEAR = timedelta(hours=4)
"""How far a trip is moved at most."""
EVERY = timedelta(minutes=30)
LEAST_SAVED_SHARE = 0.1
"""What an offer saves at least, as a share of what the wish costs."""
LEAST_SAVED = 0.02
"""And in money."""
RECHARGED_WITHIN = timedelta(hours=24)
"""After a trip only that long counts: somebody else's trip will want the car then."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What a car can be charged with at a site; one value per step of `grid`."""

    grid: StepGrid
    surplus_w: Floats
    """Sun beyond the building, for each car that shares it."""
    import_price_per_kwh: Floats
    export_price_per_kwh: Floats


@dataclass(frozen=True, slots=True)
class TripEnergy:
    """What a trip's energy is expected to be."""

    energy_wh: float
    """At the grid side of the charger."""
    solar_wh: float
    cost: float
    """In the currency of the prices."""


@dataclass(frozen=True, slots=True)
class SunshineOffer:
    """Another time for the same trip, that would be accepted if asked at once."""

    wish: Wish
    energy: TripEnergy
    saves: float
    """Less than the wish costs, in the currency of the prices."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """What can be had in some steps, cheapest first."""

    price_per_kwh: Floats
    energy_wh: Floats
    is_sun: NDArray[np.bool_]

    def and_(self, other: _Steps) -> _Steps:
        """Returns both together."""
        price_per_kwh = np.concatenate((self.price_per_kwh, other.price_per_kwh))
        order = np.argsort(price_per_kwh, kind="stable")
        return _Steps(
            price_per_kwh[order],
            np.concatenate((self.energy_wh, other.energy_wh))[order],
            np.concatenate((self.is_sun, other.is_sun))[order],
        )

    def taken(self, wanted_wh: float) -> Floats:
        """Returns what the cheapest ones give towards `wanted_wh`."""
        before = np.concatenate(([0.0], np.cumsum(self.energy_wh)))[:-1]
        return np.clip(wanted_wh - before, 0.0, self.energy_wh)

    def without(self, taken_wh: Floats) -> _Steps:
        """Returns what is left."""
        return replace(self, energy_wh=self.energy_wh - taken_wh)

    def cut(self, most_wh: float) -> _Steps:
        """Returns the cheapest of them, up to an energy."""
        return replace(self, energy_wh=self.taken(most_wh))


def trip_energy(
    calendar: Calendar, offer: Offer, wish: Wish, supplies: Mapping[str, Supply]
) -> TripEnergy | None:
    """Returns what the energy of a trip is expected to be and to cost; None where no price is.

    Args:
        calendar: that the offer is of.
        offer: the car.
        wish: the trip.
        supplies: by site; a site that is not named charges nothing.
    """
    supply = supplies.get(wish.pickup_site)
    if supply is None:
        return None
    car = calendar.car(offer.vehicle_id)
    efficiency = car.charge_efficiency
    wanted_wh = wish.distance_km * car.consumption_wh_per_km / efficiency
    margin = calendar.rules.margin(wish.pickup_site)
    promised_km = wish.distance_km * margin.energy_factor + wish.reserve_km
    promised_wh = promised_km * car.consumption_wh_per_km
    lacking_wh = (car.min_soc_wh + promised_wh - offer.idle_soc_wh) / efficiency
    room_wh = max(0.0, car.max_soc_wh - offer.idle_soc_wh) / efficiency
    before = _between(supply, offer.idle_from, wish.start, offer.idle_power_w).cut(room_wh)
    needed_wh = before.taken(min(max(0.0, lacking_wh), wanted_wh))
    cost, sun_wh, got_wh = _summed(before, needed_wh)
    rest = before.without(needed_wh)
    if (there := supplies.get(wish.dropoff_site)) is not None:
        until = wish.end + RECHARGED_WITHIN
        following = (each.start for each in calendar.chain(car.vehicle_id))
        until = min((at for at in following if at >= wish.end), default=until)
        until = min(until, wish.end + RECHARGED_WITHIN)
        rest = rest.and_(_between(there, wish.end, until, car.power_at(wish.dropoff_site)))
    more = _summed(rest, rest.taken(wanted_wh - got_wh))
    cost, sun_wh, got_wh = cost + more[0], sun_wh + more[1], got_wh + more[2]
    # What finds no place in that time is charged later, at a price that nobody knows yet.
    cost += (wanted_wh - got_wh) / 1000 * float(supply.import_price_per_kwh.mean())
    return TripEnergy(wanted_wh, sun_wh, cost)


def sunshine_offers(
    calendar: Calendar,
    wish: Wish,
    answer: Answer,
    supplies: Mapping[str, Supply],
    *,
    now: datetime,
) -> tuple[SunshineOffer, ...]:
    """Returns the best time before the wished one, and after it, at which energy costs less.

    The one that saves more comes first.

    Args:
        calendar: as it stands.
        wish: a trip that can be booked.
        answer: to it.
        supplies: by site.
        now: the present.
    """
    as_wished = trip_energy(calendar, answer.offers[0], wish, supplies)
    if as_wished is None:
        return ()
    found: list[SunshineOffer] = []
    for other in _near(wish, now + ALTERNATIVE_LEAD):
        there = calendar.answer(other, now=now)
        if not there.bookable:
            continue
        energy = trip_energy(calendar, there.offers[0], other, supplies)
        assert energy is not None  # at the site of the wish there is a price
        saves = as_wished.cost - energy.cost
        if saves >= max(LEAST_SAVED, LEAST_SAVED_SHARE * abs(as_wished.cost)):
            found.append(SunshineOffer(other, energy, saves))
    # Of two that save the same to a cent, the nearer one.
    found.sort(key=lambda each: (-round(each.saves, 2), abs(each.wish.start - wish.start)))
    best = {each.wish.start > wish.start: each for each in reversed(found)}
    return tuple(each for each in found if each in best.values())


def _near(wish: Wish, earliest: datetime) -> Iterator[Wish]:
    for number in range(1, NEAR // EVERY + 1):
        for delay in (number * EVERY, -number * EVERY):
            if wish.start + delay >= earliest:
                yield replace(wish, start=wish.start + delay, end=wish.end + delay)


def _between(supply: Supply, since: datetime, until: datetime, most_w: float) -> _Steps:
    """What a car that takes `most_w` gets in `[since, until)`."""
    grid = supply.grid
    step_s = 3600 * grid.hours
    begins_s = step_s * np.arange(grid.steps)
    since_s, until_s = ((at - grid.start).total_seconds() for at in (since, until))
    lasts_s = np.minimum(begins_s + step_s, until_s) - np.maximum(begins_s, since_s)
    hours = np.clip(lasts_s, 0.0, None) / 3600
    sun_w = np.minimum(most_w, supply.surplus_w)
    sun = _Steps(supply.export_price_per_kwh, sun_w * hours, np.ones(grid.steps, dtype=np.bool_))
    bought_wh = (most_w - sun_w) * hours
    bought = _Steps(supply.import_price_per_kwh, bought_wh, np.zeros(grid.steps, dtype=np.bool_))
    return sun.and_(bought)


def _summed(steps: _Steps, taken_wh: Floats) -> tuple[float, float, float]:
    """What was taken: its cost, the sun in it, and all of it."""
    return (
        float((steps.price_per_kwh * taken_wh).sum()) / 1000,
        float(taken_wh[steps.is_sun].sum()),
        float(taken_wh.sum()),
    )
