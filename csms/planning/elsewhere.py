"""Sites whose sun comes from a plant elsewhere, over the grid.

Their part of it is theirs by the bill: what they use of it costs nothing, what they leave is sold.
But it comes through the grid connection as everything else does. So the limit of the connection is
said as a circuit above all that charges, with the building on it, and what is sold is no export.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from csms.energy.dealing import dealt
from csms.planning.queries import Rows
from models.tables.booking import Booking
from models.timeline import StepGrid
from scheduler.problem import Circuit, Evse, Site, Vehicle

Floats = NDArray[np.float64]


def dealt_by_need(
    sites: Sequence[Site], vehicles: Sequence[Vehicle], rows: Rows, grid: StepGrid
) -> tuple[Site, ...]:
    """Returns the sites with what their plants are expected to deal them by need.

    A site is expected to draw what its building takes and what the plan before has its cars charge.
    What is left then goes where cars could draw more, as it would if they did, and the rest by
    fixed shares. For both, cars draw no more than those can take that stand there then, and than
    circuits, limits of the grid and the connection leave them.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for number, site in enumerate(sites):
        if site.id in rows.by_need:
            groups[rows.by_need[site.id]].append(number)
    if not groups:
        return tuple(sites)
    found, standing = list(sites), _standing(vehicles, rows, grid)
    for numbers in groups.values():
        members = [sites[number] for number in numbers]
        most_w = np.array([_most_w(site, standing.get(site.id, ()), grid) for site in members])
        before_w = np.array([_charging_before_w(site, rows, grid) for site in members])
        cars_w = np.minimum(before_w, most_w)
        needs_w = np.maximum(0.0, np.array([site.load_power_w for site in members])) + cars_w
        room_w = most_w - cars_w
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


@dataclass(frozen=True, slots=True)
class _Standing:
    """A car is to stand at a site for some steps."""

    car: Vehicle
    first: int
    last: int
    evse: str | None
    """Where it is plugged in; None: anywhere."""


def _standing(
    vehicles: Sequence[Vehicle], rows: Rows, grid: StepGrid
) -> Mapping[str, Sequence[_Standing]]:
    """Which cars that can take anything stand where, by site: as they are booked so far."""
    trips: dict[str | None, list[Booking]] = defaultdict(list)
    for each in rows.bookings:
        if each.status in {"confirmed", "at_risk"}:  # where a car is after others is seen in it
            trips[each.vehicle_id].append(each)
    found: dict[str, list[_Standing]] = defaultdict(list)
    for car in vehicles:
        place, since, evse = car.site, car.available_from, car.evse
        is_full = car.soc_wh >= car.max_soc_wh
        for trip in sorted(trips[car.id], key=lambda each: each.start):
            if not is_full:
                leaves = max(since, grid.floor(trip.start))
                found[place].append(_Standing(car, since, leaves, evse))
            place, since = trip.dropoff_site_id, max(0, grid.ceil(trip.end))
            evse, is_full = None, False
        if not is_full:
            found[place].append(_Standing(car, since, grid.steps, evse))
    return found


def _most_w(site: Site, standing: Sequence[_Standing], grid: StepGrid) -> Floats:
    """The most that cars can draw at a site, by step."""
    cars_w = np.zeros(grid.steps)
    for each in standing:
        evses = (evse for evse in site.evses if each.evse in {None, evse.id})
        power_w = max((_takes_w(each.car, evse) for evse in evses), default=0.0)
        cars_w[each.first : each.last] += power_w
    left_w = site.import_limit_w - np.maximum(0.0, np.array(site.load_power_w))
    least_w = np.minimum(np.minimum(cars_w, left_w), _wired_w(site, None, grid)[0])
    return np.maximum(0.0, least_w)


def _takes_w(car: Vehicle, evse: Evse) -> float:
    most_w = car.max_dc_power_w if evse.current_type == "DC" else car.max_ac_power_w
    return min(evse.max_power_w, most_w)


def _wired_w(site: Site, circuit: Circuit | None, grid: StepGrid) -> tuple[Floats, Floats]:
    """What EVSEs on a circuit and below can give together by step, and what else draws there.

    None: at the whole site.
    """
    name = None if circuit is None else circuit.id
    most_w, load_w = np.zeros(grid.steps), np.zeros(grid.steps)
    for evse in site.evses:
        if evse.circuit == name:
            gives_w = np.full(grid.steps, evse.max_power_w)
            for first, last in evse.unavailable:
                gives_w[first:last] = 0.0
            most_w += gives_w
    for each in site.circuits:
        if each.parent == name:
            below_w, draws_w = _wired_w(site, each, grid)
            most_w, load_w = most_w + below_w, load_w + draws_w
    if circuit is None:
        return most_w, load_w
    load_w = sum((np.array(series) for series in circuit.load_w), load_w)
    return np.clip(circuit.limit_w - load_w, 0.0, most_w), load_w


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
