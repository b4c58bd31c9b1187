"""Sites whose sun comes from a plant elsewhere, over the grid.

Their part of it is theirs by the bill: what they use of it costs nothing, what they leave is sold.
But it comes through the grid connection as everything else does. So the limit of the connection is
said as a circuit above all that charges, with the building on it, and what is sold is no export.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from csms.energy.dealing import dealt
from csms.planning.queries import Rows
from models.timeline import StepGrid
from scheduler.problem import Circuit, Site

Floats = NDArray[np.float64]


def dealt_by_need(sites: Sequence[Site], rows: Rows, grid: StepGrid) -> tuple[Site, ...]:
    """Returns the sites with what their plants are expected to deal them by need.

    A site is expected to draw what its building takes and what the plan before has its cars charge.
    What is left then goes where cars could draw more, as it would if they did, and the rest by
    fixed shares.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for number, site in enumerate(sites):
        if site.id in rows.by_need:
            groups[rows.by_need[site.id]].append(number)
    found = list(sites)
    for numbers in groups.values():
        members = [sites[number] for number in numbers]
        cars_w = np.array([_charging_before_w(site, rows, grid) for site in members])
        needs_w = np.maximum(0.0, np.array([site.load_power_w for site in members])) + cars_w
        outlets_w = np.array([[sum(evse.max_power_w for evse in site.evses)] for site in members])
        room_w = np.maximum(0.0, outlets_w - cars_w)
        medians = _expected_w(np.array([each.pv_power_w for each in members]), needs_w, room_w)
        highs = _expected_w(np.array([each.pv_high_power_w for each in members]), needs_w, room_w)
        for number, median_w, high_w in zip(numbers, medians, highs, strict=True):
            found[number] = replace(
                sites[number],
                pv_power_w=tuple(median_w.tolist()),
                pv_high_power_w=tuple(np.maximum(median_w, high_w).tolist()),
            )
    return tuple(found)


def _expected_w(parts_w: Floats, needs_w: Floats, room_w: Floats) -> Floats:
    first_w = dealt(parts_w, needs_w)
    used_w = np.minimum(first_w, needs_w)
    return used_w + dealt(first_w - used_w, room_w)


def _charging_before_w(site: Site, rows: Rows, grid: StepGrid) -> Floats:
    """What the plan before has cars charge at a site, on the grid; beyond its end nothing."""
    power_w = np.zeros(grid.steps)
    if rows.before is None:
        return power_w
    here = {evse.id for evse in site.evses}
    passed = grid.floor(rows.before.start)
    for each in rows.before.charging:
        if each.evse in here:
            first, last = max(0, each.from_step + passed), max(0, each.to_step + passed)
            power_w[first:last] += max(0.0, each.power_w)
    return power_w


def with_shares(sites: Iterable[Site], rows: Rows) -> tuple[Site, ...]:
    """Returns the sites of a planning problem, in the order of `rows.sites`, wired as they are."""
    return tuple(
        site if row.shared_plant_id is None else _from_elsewhere(site)
        for site, row in zip(sites, rows.sites, strict=True)
    )


def _from_elsewhere(site: Site) -> Site:
    top = f"{site.id} (grid connection)"
    # What a plan may have batteries and stores draw is left free: no circuit knows of them.
    stored_w = sum(load.max_power_w for load in site.flexible_loads)
    export_limit_w = site.export_limit_w
    if site.battery is None:
        export_limit_w += max(site.pv_power_w)
    else:
        stored_w += site.battery.max_charge_w
    whole = Circuit(
        top,
        None,
        max(0.0, site.import_limit_w - stored_w),
        phase_limits_w=site.phase_limits_w,
        load_w=(site.load_power_w,),
    )
    return replace(
        site,
        export_limit_w=export_limit_w,
        phase_limits_w=None,
        circuits=(whole, *(replace(each, parent=each.parent or top) for each in site.circuits)),
        evses=tuple(replace(each, circuit=each.circuit or top) for each in site.evses),
    )
