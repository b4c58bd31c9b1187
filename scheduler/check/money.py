"""The referee on what a plan says of itself: cost, bound, status and key figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler.check.findings import TOLERANCE_OF_SUM, TOLERANCE_W, Findings, Series, off
from scheduler.check.moves import moves_cost
from scheduler.check.places import Names
from scheduler.check.power import Flows, battery_ends
from scheduler.plan import Plan
from scheduler.problem import Problem

OPTIMAL_WITHIN: Final = 0.005


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum and how large its terms are: 1e-6 of that (of 1 at least) is its tolerance."""

    value: float
    size: float

    @property
    def tolerance(self) -> float:
        return TOLERANCE_OF_SUM * max(1.0, self.size)

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(self.value + other.value, self.size + other.size)


def judge_figures(  # noqa: PLR0917 - one step of `check`
    problem: Problem,
    plan: Plan,
    names: Names,
    soc_wh: Mapping[str, Series],
    flows: Mapping[str, Flows],
    findings: Findings,
) -> None:
    """Judges cost, key figures, bound and status."""
    _judge_status(plan, findings)
    if not (math.isfinite(plan.solve_seconds) and plan.solve_seconds >= 0):
        findings.add("solve-seconds", "plan", f"{plan.solve_seconds} is no length of time")
    if len(flows) != len(problem.sites):
        return  # Sums over sites mean nothing while one of them can't be read.
    energy = _energy_cost(problem, flows)
    left_wh = sum(float(path[-1]) for path in soc_wh.values()) + battery_ends(flows)
    worth = -problem.terminal_value_per_kwh * left_wh / 1000
    peaks, emitted = _peaks(flows), _co2_cost(problem, flows)
    moves = moves_cost(plan, names)
    cost = energy + peaks + emitted + _Sum(worth, abs(worth)) + _Sum(moves, moves)
    if off(plan.cost, cost.value, cost.tolerance):
        findings.add("cost", "plan", f"says {plan.cost!r}, comes to {cost.value!r}")
    _judge_bound(plan, cost, findings)
    _judge_kpis(problem, plan, energy, flows, findings)
    for name, said, found in (
        ("peak_cost", plan.kpis.peak_cost, peaks),
        ("co2_cost", plan.kpis.co2_cost, emitted),
    ):
        if said is not None and off(said, found.value, found.tolerance):
            findings.add("kpi", name, f"says {said!r}, is {found.value!r}")


def _judge_status(plan: Plan, findings: Findings) -> None:
    if (plan.status == "partial") != bool(plan.unserved):
        detail = f"{plan.status!r} with {len(plan.unserved)} unserved bookings"
        findings.add("status", "plan", detail)


def _judge_bound(plan: Plan, cost: _Sum, findings: Findings) -> None:
    bound = plan.lower_bound
    if bound is None:
        if plan.status != "partial":
            findings.add("lower-bound", "plan", f"is null in a plan that is {plan.status!r}")
        return
    if not bound <= cost.value + cost.tolerance or not math.isfinite(bound):
        findings.add("lower-bound", "plan", f"{bound!r} is above the cost of {cost.value!r}")
    gap = cost.value - bound
    if plan.status == "optimal" and not gap <= OPTIMAL_WITHIN * abs(bound) + cost.tolerance:
        findings.add("status", "plan", f"'optimal', but {gap!r} above its lower bound {bound!r}")


def _energy_cost(problem: Problem, flows: Mapping[str, Flows]) -> _Sum:
    total = _Sum(0.0, 0.0)
    for flow in flows.values():
        bought = np.maximum(flow.grid_w, 0) * np.array(flow.site.import_price_per_kwh)
        sold = np.maximum(-flow.grid_w, 0) * np.array(flow.site.export_price_per_kwh)
        terms = (bought - sold) * problem.hours / 1000
        total += _Sum(float(terms.sum()), float(np.abs(terms).sum()))
    return total


def _peaks(flows: Mapping[str, Flows]) -> _Sum:
    """Returns what the largest import of each site costs beyond what it was before."""
    total = _Sum(0.0, 0.0)
    for flow in flows.values():
        site = flow.site
        beyond_w = max(0.0, float(flow.grid_w.max(initial=0.0)) - site.peak_so_far_w)
        price = site.peak_price_per_kw * beyond_w / 1000
        total += _Sum(price, price)
    return total


def _judge_kpis(
    problem: Problem, plan: Plan, energy: _Sum, flows: Mapping[str, Flows], findings: Findings
) -> None:
    kpis = plan.kpis
    if off(kpis.energy_cost, energy.value, energy.tolerance):
        findings.add("kpi", "energy_cost", f"says {kpis.energy_cost!r}, is {energy.value!r}")
    co2 = _co2(problem, flows)
    if off(kpis.co2_g, co2.value, co2.tolerance):
        findings.add("kpi", "co2_g", f"says {kpis.co2_g!r}, is {co2.value!r}")
    peak_w = max((float(flow.grid_w.max(initial=0.0)) for flow in flows.values()), default=0.0)
    if off(kpis.peak_import_w, peak_w, TOLERANCE_W):
        findings.add("kpi", "peak_import_w", f"says {kpis.peak_import_w!r}, is {peak_w!r}")
    used = _pv_utilisation(flows)
    said = kpis.pv_utilisation
    if (used is None) != (said is None) or (
        used is not None and said is not None and off(said, used, TOLERANCE_OF_SUM)
    ):
        findings.add("kpi", "pv_utilisation", f"says {said!r}, is {used!r}")


def _co2(problem: Problem, flows: Mapping[str, Flows]) -> _Sum:
    total = _Sum(0.0, 0.0)
    for flow in flows.values():
        if flow.site.import_co2_g_per_kwh is not None:
            kwh = np.maximum(flow.grid_w, 0) * problem.hours / 1000
            terms = kwh * np.array(flow.site.import_co2_g_per_kwh)
            total += _Sum(float(terms.sum()), float(np.abs(terms).sum()))
    return total


def _co2_cost(problem: Problem, flows: Mapping[str, Flows]) -> _Sum:
    """Returns what the CO2 of the import counts at each site's price."""
    total = _Sum(0.0, 0.0)
    for name, flow in flows.items():
        emitted, price = _co2(problem, {name: flow}), flow.site.co2_price_per_kg / 1000
        total += _Sum(emitted.value * price, emitted.size * price)
    return total


def _pv_utilisation(flows: Mapping[str, Flows]) -> float | None:
    used_w, given_w = 0.0, 0.0
    for flow in flows.values():
        wanted_w = flow.building.power_w + flow.charged_w + np.maximum(flow.battery_w, 0)
        used_w += float(np.minimum(flow.pv_used_w, wanted_w).sum())
        given_w += float(np.array(flow.site.pv_power_w).sum())
    return used_w / given_w if given_w > 0 else None
