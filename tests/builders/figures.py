"""Figures that the planning contract defines beside the plan's own, in plain loops."""

from __future__ import annotations

from scheduler.plan import Plan
from scheduler.problem import Problem


def ev_energy_cost(problem: Problem, plan: Plan) -> float:
    """Returns the cost without terminal value less that of the same sites without cars.

    Site batteries stay as planned; sun is curtailed where that is best.
    """
    without = 0.0
    powers = {power.id: power for power in plan.sites}
    for site in problem.sites:
        for step in range(problem.steps):
            demand_w = site.load_power_w[step] + powers[site.id].battery_w[step]
            buy, sell = site.import_price_per_kwh[step], site.export_price_per_kwh[step]
            # The cost is linear between these ways to use the sun.
            most_w = min(site.pv_power_w[step], demand_w + site.export_limit_w)
            uses = (0.0, max(most_w, 0.0), min(max(demand_w, 0.0), max(most_w, 0.0)))
            grids = [demand_w - used for used in uses]
            without += min(w * buy if w > 0 else w * sell for w in grids) * problem.hours / 1000
    return plan.kpis.energy_cost - without
