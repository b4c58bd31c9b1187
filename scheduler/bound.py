"""A lower bound on the cost of every plan that serves the same bookings.

All batteries (cars and sites) are taken for one pool that may charge anywhere at any time, limited
by EVSEs and nothing else, and each trip takes the least that any of its cars would. With a price L
on a kWh in the pool, the best power of each site and step stands by itself, and the sum is a bound
for every L (Lagrangian duality: S. Boyd, L. Vandenberghe, "Convex Optimization", 5.1.3). The best L
is found among a few dozen. Chains, EVSE choice and the first hour's least power are relaxed, so
that a gap to this bound holds the price of these too.
"""

from __future__ import annotations

import numpy as np

from scheduler.chains import Chains
from scheduler.view import Floats, Place, View

_PRICES_TRIED = 33


def lower_bound(view: View, chains: Chains) -> float:
    """Returns a bound on the cost (less terminal value) of plans that serve these trips."""
    served = [view.trips[index] for chain in chains for index in chain]
    trips_kwh = sum(min(trip.drive_wh(view.cars[n]) for n in trip.cars) for trip in served) / 1000
    batteries = [place.battery for place in view.places if place.battery is not None]
    start_kwh = (sum(c.soc_wh for c in view.cars) + sum(b.soc_wh for b in batteries)) / 1000
    least_kwh = sum(min(c.low_wh, c.soc_wh) for c in view.cars) / 1000
    most_kwh = sum(c.most_wh for c in view.cars) / 1000
    least_kwh += sum(min(b.min_soc_wh, b.soc_wh) for b in batteries) / 1000
    most_kwh += sum(max(b.capacity_wh, b.soc_wh) for b in batteries) / 1000
    worth = view.problem.terminal_value_per_kwh
    highest = max((float(place.buy.max()) for place in view.places), default=0.0)
    lowest = min((float(place.sell.min()) for place in view.places), default=0.0)
    best = -np.inf
    for price in np.linspace(
        min(lowest, worth) - 0.01, 1.3 * max(highest, worth) + 0.01, _PRICES_TRIED
    ):
        moved = sum(_cheapest(view, place, float(price)) for place in view.places)
        # The pool's end, in kWh, at the price of the pool less what it is worth to the plan.
        slope = float(price) - worth
        end = slope * (least_kwh if slope > 0 else most_kwh)
        best = max(best, moved + end - float(price) * (start_kwh - trips_kwh))
    return float(best)


def _cheapest(view: View, place: Place, price: float) -> float:
    """Returns the least of cost less worth of what is stored, step by step, over all powers."""
    posts = [view.posts[n] for n in place.posts]
    most_w = sum(max((post.power_w(car) for car in view.cars), default=0.0) for post in posts)
    back_w = sum(max((post.back_w(car) for car in view.cars), default=0.0) for post in posts)
    efficiency = max((car.efficiency for car in view.cars), default=1.0)
    if place.battery is not None:
        most_w += place.battery.max_charge_w
        back_w += place.battery.max_discharge_w
        efficiency = max(efficiency, place.battery.efficiency)
    best = np.full(view.steps, np.inf)
    turning = (0.0, -back_w, most_w, place.pv_w - place.load_w, -place.load_w)
    for power in turning:
        power_w = np.clip(np.broadcast_to(power, (view.steps,)), -back_w, most_w)
        stored_w = np.where(power_w > 0, power_w * efficiency, power_w)
        best = np.minimum(best, _grid_price(place, place.load_w + power_w) - price * stored_w)
    return float(best.sum()) * view.hours / 1000


def _grid_price(place: Place, demand_w: Floats) -> Floats:
    """Returns the least a demand can cost per hour, sun used as pays best, limits aside."""
    cost = np.full(len(demand_w), np.inf)
    for grid_w in (demand_w, demand_w - place.pv_w, np.clip(0.0, demand_w - place.pv_w, demand_w)):
        bought, sold = np.maximum(grid_w, 0.0), np.maximum(-grid_w, 0.0)
        cost = np.minimum(cost, bought * place.buy - sold * place.sell)
    return cost
