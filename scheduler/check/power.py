"""The referee on power: each site's series, its sun, battery, balance, limits and circuits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scheduler.check.energy import Envelope, Powers
from scheduler.check.findings import TOLERANCE_W, Findings, Series
from scheduler.check.flexible import Building, judge_flexible
from scheduler.check.phases import beyond, judge_circuit_phases, judge_connection, loads_of
from scheduler.check.places import Names
from scheduler.plan import Plan, SitePower
from scheduler.problem import Problem, Site


@dataclass(frozen=True, slots=True)
class Flows:
    """What flows at one site, as the plan says, and what the cars charge in sum."""

    site: Site
    building: Building
    grid_w: Series
    battery_w: Series
    pv_used_w: Series
    charged_w: Series
    """Sum of the positive powers of the EVSEs."""
    battery_end_wh: float


def judge_sites(
    problem: Problem, plan: Plan, names: Names, powers: Powers, findings: Findings
) -> dict[str, Flows]:
    """Judges every site; returns the flows of those whose series can be read."""
    said: dict[str, SitePower] = {}
    for power in plan.sites:
        if power.id not in names.sites:
            findings.add("unknown-site", power.id, "has power, but is not in the problem")
        elif power.id in said:
            findings.add("site-series", power.id, "is listed twice")
        else:
            said[power.id] = power
    flows: dict[str, Flows] = {}
    buildings = judge_flexible(problem, plan, findings)
    for site in problem.sites:
        cars_w = _cars(problem, site, powers)
        loads_w = loads_of(site)
        _judge_circuits(site, powers, loads_w, findings)
        drawn_w = judge_circuit_phases(site, powers.entries, names.vehicles, loads_w, findings)
        if site.id not in said:
            findings.add("site-series", site.id, "is not listed")
            continue
        series = _series(problem, said[site.id], findings)
        if series is None:
            continue
        grid_w, battery_w, pv_used_w = series
        end_wh = _judge_battery(problem, site, battery_w, findings)
        charged_w = powers.charged_at.get(site.id, np.zeros(problem.steps))
        building = buildings[site.id]
        flow = Flows(site, building, grid_w, battery_w, pv_used_w, charged_w, end_wh)
        _judge_balance(flow, cars_w, findings)
        _judge_limits(flow, cars_w, findings)
        alone_w = building.alone_w - np.array(site.pv_power_w)
        judge_connection(site, alone_w, grid_w - cars_w, drawn_w, findings)
        flows[site.id] = flow
    return flows


def _cars(problem: Problem, site: Site, powers: Powers) -> Series:
    total_w = np.zeros(problem.steps)
    for evse in site.evses:
        if evse.id in powers.of_evse:
            total_w += powers.of_evse[evse.id]
    return total_w


def _series(
    problem: Problem, said: SitePower, findings: Findings
) -> tuple[Series, Series, Series] | None:
    found: list[Series] = []
    for name, values in (
        ("grid_w", said.grid_w),
        ("battery_w", said.battery_w),
        ("pv_used_w", said.pv_used_w),
    ):
        if len(values) != problem.steps:
            detail = f"{name} holds {len(values)} values, not {problem.steps}"
            findings.add("site-series", said.id, detail)
            continue
        series = np.array(values, dtype=np.float64)
        wrong = ~np.isfinite(series)
        findings.add_where("site-series", said.id, wrong, series, f"in {name} is no power")
        found.append(series)
    return (found[0], found[1], found[2]) if len(found) == 3 else None


def _judge_circuits(
    site: Site, powers: Powers, loads_w: Mapping[str, Series], findings: Findings
) -> None:
    parents = {circuit.id: circuit.parent for circuit in site.circuits}
    sums_w: dict[str, Series] = {}
    for evse in site.evses:
        power_w = powers.of_evse.get(evse.id)
        circuit = evse.circuit
        if power_w is None:
            continue
        while circuit is not None:
            sums_w[circuit] = sums_w[circuit] + power_w if circuit in sums_w else power_w
            circuit = parents[circuit]
    for circuit in site.circuits:
        if circuit.id in sums_w:
            load_w = loads_w[circuit.id].sum(axis=0)
            total_w = sums_w[circuit.id] + load_w
            wrong = beyond(total_w, circuit.limit_w, load_w)
            wish = f"W is above the {circuit.limit_w:.6g} W of {circuit.id!r}"
            findings.add_where("circuit-limit", site.id, wrong, np.abs(total_w), wish)


def _judge_battery(problem: Problem, site: Site, battery_w: Series, findings: Findings) -> float:
    """Judges the site battery; returns its energy at the end."""
    battery = site.battery
    if battery is None:
        wrong = ~(np.abs(battery_w) <= TOLERANCE_W)
        findings.add_where("battery-power", site.id, wrong, battery_w, "W without a battery")
        return 0.0
    for wrong, wish in (
        (
            ~(battery_w <= battery.max_charge_w + TOLERANCE_W),
            f"W is above {battery.max_charge_w:.6g} W",
        ),
        (
            ~(battery_w >= -battery.max_discharge_w - TOLERANCE_W),
            f"W is below {-battery.max_discharge_w:.6g} W",
        ),
    ):
        findings.add_where("battery-power", site.id, wrong, battery_w, wish)
    stored_w = np.where(
        battery_w > 0, battery_w * battery.efficiency, battery_w / battery.efficiency
    )
    path_wh = battery.soc_wh + problem.hours * np.cumsum(stored_w)
    envelope = Envelope(battery.min_soc_wh, battery.capacity_wh, battery.soc_wh)
    envelope.judge(site.id, path_wh, 0, findings)
    return float(path_wh[-1])


def _judge_balance(flow: Flows, cars_w: Series, findings: Findings) -> None:
    site, pv_used_w = flow.site, flow.pv_used_w
    pv_w, load_w = np.array(site.pv_power_w), flow.building.power_w
    wrong = ~((pv_used_w >= -TOLERANCE_W) & (pv_used_w <= pv_w + TOLERANCE_W))
    findings.add_where("pv-range", site.id, wrong, pv_used_w, "W is not what the sun gives")
    excess_w = flow.grid_w - (load_w + cars_w + flow.battery_w - pv_used_w)
    wrong = ~(np.abs(excess_w) <= TOLERANCE_W)
    findings.add_where("grid-balance", site.id, wrong, excess_w, "W more than the others sum to")


def _judge_limits(flow: Flows, cars_w: Series, findings: Findings) -> None:
    """Judges the grid connection.

    Where the building alone is beyond a limit (above the import limit with all its PV, or feeding
    in more than the export limit by itself), the cars may not add to it, net of each other.
    """
    site, grid_w = flow.site, flow.grid_w
    alone_w = flow.building.alone_w - np.array(site.pv_power_w)
    most_w = np.maximum(site.import_limit_w, alone_w)
    wrong = ~(grid_w <= most_w + TOLERANCE_W)
    wish = f"W is above the import limit of {site.import_limit_w:.6g} W"
    findings.add_where("import-limit", site.id, wrong, grid_w, wish)
    wrong = (alone_w > site.import_limit_w) & ~(cars_w <= TOLERANCE_W)
    findings.add_where("overload", site.id, wrong, cars_w, "W drawn while the building overloads")
    load_w = flow.building.alone_w
    least_w = np.minimum(-site.export_limit_w, load_w)
    wrong = ~(grid_w >= least_w - TOLERANCE_W)
    wish = f"W is beyond the export limit of {site.export_limit_w:.6g} W"
    findings.add_where("export-limit", site.id, wrong, grid_w, wish)
    wrong = (load_w < -site.export_limit_w) & ~(cars_w >= -TOLERANCE_W)
    findings.add_where("overload", site.id, wrong, cars_w, "W fed in while the building overloads")


def battery_ends(flows: Mapping[str, Flows]) -> float:
    """Returns the energy in all site batteries at the end, in Wh."""
    return sum(flow.battery_end_wh for flow in flows.values())
