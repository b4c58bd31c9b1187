"""A quick lower bound on the cost of every plan that serves as much.

All batteries (cars and sites) are taken for one pool that may charge anywhere at any time, limited
by EVSEs and nothing else, and each trip takes the least that any of its cars would. With a price L
on a kWh in the pool, the best power of each site and step stands by itself, and the sum is a bound
for every L (Lagrangian duality: S. Boyd, L. Vandenberghe, "Convex Optimization", 5.1.3). The best L
is found among a dozen. Everything that ties a car to a place is relaxed; the tight bound, for
those who have the time, is `scheduler.pools`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.grid import peak_cost
from scheduler.view import Car, Floats, Place, View

_PRICES_TRIED = 12


def quick_bound(view: View, priority: int) -> float:
    """Returns a bound on the cost (less terminal value) of plans that serve so much priority."""
    worth = view.problem.terminal_value_per_kwh
    highest = max((float(place.buy.max()) for place in view.places), default=0.0)
    # Below nothing a price would ask for what cars can waste by feeding each other.
    prices = np.linspace(0.0, 1.3 * max(highest, worth, 0.0) + 0.01, _PRICES_TRIED)
    pool = _Pool.of(view)
    moved = np.sum([_cheapest(view, place, prices) for place in view.places], axis=0)
    # The pool's end, in kWh, at the price of the pool less what it is worth to the plan.
    slope = prices - worth
    end = slope * np.where(slope > 0, pool.least_kwh, pool.most_kwh)
    # What flexible loads may leave less in their stores is worth nothing to the plan.
    end -= prices * sum(-float(each.least_wh[-1]) for each in view.flexibles) / 1000
    gone_kwh = pool.start_kwh - _least_driven_kwh(view, priority)
    peaks = sum(_least_peak(view, place) for place in view.places)
    return float((moved + end - prices * gone_kwh).max()) + peaks


@dataclass(frozen=True, slots=True)
class _Pool:
    """What all batteries hold: at the start, and at the end at least and at most."""

    start_kwh: float
    least_kwh: float
    most_kwh: float

    @staticmethod
    def of(view: View) -> _Pool:
        batteries = [place.battery for place in view.places if place.battery is not None]
        return _Pool(
            (sum(c.soc_wh for c in view.cars) + sum(b.soc_wh for b in batteries)) / 1000,
            (
                sum(min(c.low_wh, c.soc_wh) for c in view.cars)
                + sum(min(b.min_soc_wh, b.soc_wh) for b in batteries)
            )
            / 1000,
            (
                sum(c.most_wh for c in view.cars)
                + sum(max(b.capacity_wh, b.soc_wh) for b in batteries)
            )
            / 1000,
        )


def _least_driven_kwh(view: View, priority: int) -> float:
    """Returns the least energy of trips that come to so much priority, the last in part."""
    # Trips share their tuples of cars, so each is looked through once.
    teams = {id(trip.cars): trip.cars for trip in view.trips if trip.cars}
    thrifty = {key: min((view.cars[n] for n in cars), key=_thirst) for key, cars in teams.items()}
    trips = [
        (trip.drive_wh(thrifty[id(trip.cars)]) / 1000, trip.priority)
        for trip in view.trips
        if trip.cars and trip.priority > 0
    ]
    total_kwh, left = 0.0, float(priority)
    for kwh, worth in sorted(trips, key=lambda trip: trip[0] / trip[1]):
        part = min(1.0, left / worth)
        total_kwh += part * kwh
        left -= part * worth
        if left <= 0:
            break
    return total_kwh


def _thirst(car: Car) -> float:
    return car.wh_per_km


def _cheapest(view: View, place: Place, prices: Floats) -> Floats:
    """Returns, by price, the least of cost less worth of what is stored, over all powers."""
    posts = [view.posts[n] for n in place.posts]
    kinds = view.kinds
    most_w = sum(max((post.power_w(car) for car in kinds), default=0.0) for post in posts)
    back_w = _most_back_w(view, place)
    efficiency = max((car.efficiency for car in kinds), default=1.0)
    if place.battery is not None:
        most_w += place.battery.max_charge_w
        efficiency = max(efficiency, place.battery.efficiency)
    moved_w = _moved_w(view, place)
    if moved_w > 0:
        most_w, efficiency = most_w + moved_w, 1.0
    least = np.full((len(prices), view.steps), np.inf)
    for power in (0.0, -back_w, most_w, place.pv_w - place.load_w, -place.load_w):
        power_w = np.clip(np.broadcast_to(power, (view.steps,)), -back_w, most_w)
        stored_w = np.where(power_w > 0, power_w * efficiency, power_w)
        cost = _grid_price(place, place.load_w + power_w) - prices[:, None] * stored_w
        least = np.minimum(least, cost)
    return least.sum(axis=1) * view.hours / 1000


def _most_back_w(view: View, place: Place) -> float:
    """Returns the most that cars and battery can give at once."""
    posts = [view.posts[n] for n in place.posts]
    back_w = sum(max((post.most_back_w(car) for car in view.kinds), default=0.0) for post in posts)
    back_w += place.battery.max_discharge_w if place.battery is not None else 0.0
    return back_w + _moved_w(view, place)


def _moved_w(view: View, place: Place) -> float:
    """Returns the most by which flexible loads can draw more or less than by themselves."""
    return sum(
        float(np.maximum(each.most_w, -each.least_w).max())
        for each in view.flexibles
        if each.site == place.index
    )


def _least_peak(view: View, place: Place) -> float:
    """Returns the least that the peak of the import can cost."""
    least_w = place.load_w - place.pv_w - _most_back_w(view, place)
    return peak_cost(place, least_w) if place.peak_price > 0 else 0.0


def _grid_price(place: Place, demand_w: Floats) -> Floats:
    """Returns the least a demand can cost per hour, sun used as pays best, limits aside."""
    cost = np.full(len(demand_w), np.inf)
    for grid_w in (demand_w, demand_w - place.pv_w, np.clip(0.0, demand_w - place.pv_w, demand_w)):
        bought, sold = np.maximum(grid_w, 0.0), np.maximum(-grid_w, 0.0)
        cost = np.minimum(cost, bought * place.buy - sold * place.sell)
    return cost
