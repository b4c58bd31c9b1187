"""What a site pays and earns at its grid connection, and how much of its sun it uses.

Sun is used as pays best: all of it, unless giving it away costs money or a limit forbids it, and
none where buying is paid for.
"""

from __future__ import annotations

import numpy as np

from scheduler.view import Floats, Place


def sun_used(place: Place, demand_w: Floats, import_w: Floats | None = None) -> Floats:
    """Returns how much sun to use: the cheapest of all allowed, nothing sold or nothing bought.

    `import_w` is the import limit where it is not the site's own.
    """
    import_w = place.import_w if import_w is None else import_w
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


def step_cost(place: Place, grid_w: Floats) -> Floats:
    """Returns what each step's import costs, or its export earns, per hour and 1000 units."""
    return np.where(grid_w > 0, grid_w * place.buy, grid_w * place.sell)


def grid_cost(place: Place, grid_w: Floats, hours: float) -> float:
    """Returns energy bought less energy sold at one site."""
    return float(step_cost(place, grid_w).sum()) * hours / 1000
