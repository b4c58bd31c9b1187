"""What a site pays and earns at its grid connection, and how much of its sun it uses.

Sun is used as pays best: all of it, unless giving it away costs money or a limit forbids it, and
none where buying is paid for.
"""

from __future__ import annotations

import numpy as np

from scheduler.view import Bools, Floats, Place


def sun_used(place: Place, demand_w: Floats, import_w: Floats | None = None) -> Floats:
    """Returns how much sun to use: the cheapest of all allowed, nothing sold or nothing bought.

    `import_w` is the import limit where it is not the site's own.
    """
    import_w = place.import_w if import_w is None else import_w
    used = _cheapest(place, demand_w, import_w)
    return used if place.peak_price <= 0 else _below_peak(place, demand_w, import_w, used)


def _below_peak(place: Place, demand_w: Floats, import_w: Floats, used_w: Floats) -> Floats:
    """Returns the use of sun that is cheapest with what the peak costs.

    The cost bends only where a step's import is the peak, so only these are tried.
    """
    grid_w = demand_w - used_w
    least_w = float((demand_w - place.pv_w).max(initial=0.0))
    floor_w = max(least_w, min(place.peak_so_far_w, float(grid_w.max(initial=0.0))))
    best, best_cost = used_w, np.inf
    for most_w in np.unique(np.maximum(np.append(grid_w, floor_w), floor_w)):
        used = _cheapest(place, demand_w, np.minimum(import_w, most_w))
        cost = float(step_cost(place, demand_w - used).sum()) * place.hours / 1000
        cost += peak_cost(place, demand_w - used)
        if cost < best_cost - 1e-9:
            best, best_cost = used, cost
    return best


def _cheapest(place: Place, demand_w: Floats, import_w: Floats) -> Floats:
    most = np.minimum(place.pv_w, demand_w + place.export_w)
    least = np.clip(demand_w - import_w, 0.0, place.pv_w)
    most = np.clip(most, 0.0, place.pv_w)
    best = np.maximum(most, least)
    best_cost = step_cost(place, demand_w - best)
    for other in (np.clip(demand_w, least, best), least):
        cost = step_cost(place, demand_w - other)
        better = cost < best_cost - 1e-9
        best = np.where(better, other, best)
        best_cost = np.where(better, cost, best_cost)
    return best


def peak_cost(place: Place, grid_w: Floats) -> float:
    """Returns what the largest import costs beyond what was reached before."""
    beyond_w = max(float(grid_w.max(initial=0.0)) - place.peak_so_far_w, 0.0)
    return place.peak_price * beyond_w / 1000


def at_peak(place: Place, grid_w: Floats) -> Bools:
    """Returns where more import would cost a higher peak."""
    peak_w = max(float(grid_w.max(initial=0.0)), place.peak_so_far_w)
    return (grid_w >= peak_w - 1.0) & (place.peak_price > 0)


def step_cost(place: Place, grid_w: Floats) -> Floats:
    """Returns what each step's import costs, or its export earns, per hour and 1000 units."""
    return np.where(grid_w > 0, grid_w * place.buy, grid_w * place.sell)


def grid_cost(place: Place, grid_w: Floats, hours: float) -> float:
    """Returns energy bought less energy sold at one site, and what the CO2 of it counts."""
    return float(step_cost(place, grid_w).sum()) * hours / 1000


def co2_g(place: Place, grid_w: Floats, hours: float) -> float:
    """Returns the CO2 of what one site imports."""
    return float(np.maximum(grid_w, 0.0) @ place.co2) * hours / 1000
