"""The referee on flexible loads: what each draws, and what that leaves in its store.

A load is never worse off than by itself: at the end its store holds at least what it held at the
start, or what it would hold by itself where that is less. By itself a load fills its store as fast
as it can and then keeps it full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.check.findings import TOLERANCE_W, TOLERANCE_WH, Findings, Series
from scheduler.plan import FlexiblePower, Plan
from scheduler.problem import FlexibleLoad, Problem, Site


@dataclass(frozen=True, slots=True)
class Building:
    """What a building draws, flexible loads included."""

    power_w: Series
    """As the plan has it."""
    alone_w: Series
    """As it would be if nobody planned."""


def judge_flexible(problem: Problem, plan: Plan, findings: Findings) -> dict[str, Building]:
    """Judges every flexible load; returns the building of each site."""
    said: dict[str, FlexiblePower] = {}
    known = {load.id for site in problem.sites for load in site.flexible_loads}
    for power in plan.flexible:
        if power.id not in known:
            findings.add("flexible-series", power.id, "draws, but is not in the problem")
        elif power.id in said:
            findings.add("flexible-series", power.id, "is listed twice")
        else:
            said[power.id] = power
    return {site.id: _building(problem, site, said, findings) for site in problem.sites}


def _building(
    problem: Problem, site: Site, said: dict[str, FlexiblePower], findings: Findings
) -> Building:
    power_w: Series = np.array(site.load_power_w, dtype=np.float64)
    alone_w = power_w.copy()
    for load in site.flexible_loads:
        itself_w, end_wh = _by_itself(load, problem.hours)
        alone_w += itself_w
        drawn_w = _series(problem, load, said.get(load.id), findings)
        if drawn_w is None:
            power_w += itself_w
            continue
        power_w += drawn_w
        _judge(problem, load, drawn_w, min(load.stored_wh, end_wh), findings)
    return Building(power_w, alone_w)


def _by_itself(load: FlexibleLoad, hours: float) -> tuple[Series, float]:
    """Returns the power of a load that nobody plans, and what its store then holds at the end."""
    powers_w: list[float] = []
    missing_wh = load.store_wh - load.stored_wh
    for demand_w in load.demand_w:
        missing_wh += (demand_w + load.loss_w) * hours
        power_w = max(0.0, min(load.max_power_w, missing_wh / hours))
        missing_wh -= power_w * hours
        powers_w.append(power_w)
    return np.array(powers_w), load.store_wh - missing_wh


def _series(
    problem: Problem, load: FlexibleLoad, said: FlexiblePower | None, findings: Findings
) -> Series | None:
    if said is None:
        findings.add("flexible-series", load.id, "is not listed")
        return None
    if len(said.power_w) != problem.steps:
        detail = f"power_w holds {len(said.power_w)} values, not {problem.steps}"
        findings.add("flexible-series", load.id, detail)
        return None
    power_w = np.array(said.power_w, dtype=np.float64)
    findings.add_where(
        "flexible-series", load.id, ~np.isfinite(power_w), power_w, "in power_w is no power"
    )
    return power_w


def _judge(
    problem: Problem, load: FlexibleLoad, power_w: Series, end_wh: float, findings: Findings
) -> None:
    wrong = ~((power_w >= -TOLERANCE_W) & (power_w <= load.max_power_w + TOLERANCE_W))
    wish = f"W is not what it draws, 0 to {load.max_power_w:.6g} W"
    findings.add_where("flexible-power", load.id, wrong, power_w, wish)
    out_w = np.array(load.demand_w) + load.loss_w
    path_wh = load.stored_wh + problem.hours * np.cumsum(power_w - out_w)
    wrong = ~((path_wh >= -TOLERANCE_WH) & (path_wh <= load.store_wh + TOLERANCE_WH))
    wish = f"Wh is not what its store holds, 0 to {load.store_wh:.6g} Wh"
    findings.add_where("flexible-store", load.id, wrong, path_wh, wish)
    if not path_wh[-1] >= end_wh - TOLERANCE_WH:
        detail = f"leaves {path_wh[-1]:.6g} Wh in its store, less than {end_wh:.6g} Wh"
        findings.add("flexible-store", load.id, detail, problem.steps - 1)
