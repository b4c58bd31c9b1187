"""The referee on reasons: are those of charging and of refusals true, as far as a plan can show?

A reason is false where the problem or the plan itself contradicts it. That another plan might have
served a booking is no proof of a false reason, and is not judged.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from scheduler.check.energy import Motion
from scheduler.check.findings import TOLERANCE_WH, Findings
from scheduler.check.places import Itinerary, Names
from scheduler.plan import Charging, Plan, ReasonCode, UnservedCode
from scheduler.problem import Booking, Problem, Site, Vehicle

_CODES = frozenset(get_args(ReasonCode))


def judge_reasons(
    problem: Problem,
    plan: Plan,
    names: Names,
    motion: Motion,
    findings: Findings,
) -> None:
    """Judges the reasons of charging, and the reason of every unserved booking."""
    given = _given_steps(problem, plan, names)
    for entry in plan.charging:
        _judge_charging(problem, entry, names, given, findings)
    of_class: dict[str, list[Vehicle]] = {}
    for vehicle in problem.vehicles:
        of_class.setdefault(vehicle.vehicle_class, []).append(vehicle)
    for unserved in plan.unserved:
        booking = names.bookings.get(unserved.booking)
        if booking is None:
            continue
        fit = [car for name in dict.fromkeys(booking.classes) for car in of_class.get(name, [])]
        if booking.vehicle is not None:
            fit = [car for car in fit if car.id == booking.vehicle]
        free = [car for car in fit if _is_free(problem, motion.itineraries[car.id], booking)]
        ready = next((car for car in free if _is_ready(motion, car, booking)), None)
        why = _contradiction(unserved.code, booking, fit, free, ready)
        if why is not None:
            detail = f"{unserved.code}, but {why}"
            findings.add("unserved-reason", booking.id, detail, booking.start_step)


@dataclass(frozen=True, slots=True)
class _Given:
    """Who gives energy, and when."""

    vehicles: frozenset[str]
    at_site: Mapping[str, frozenset[int]]
    """By site: the steps in which its battery or a car there gives."""


def _given_steps(problem: Problem, plan: Plan, names: Names) -> _Given:
    vehicles: set[str] = set()
    at_site: dict[str, set[int]] = {site.id: set() for site in problem.sites}
    for entry in plan.charging:
        known = names.evses.get(entry.evse)
        if entry.power_w < 0 and known is not None:
            vehicles.add(entry.vehicle)
            last = min(entry.to_step, problem.steps)
            at_site[known[0].id].update(range(max(entry.from_step, 0), last))
    for site in plan.sites:
        if site.id in at_site:
            at_site[site.id].update(n for n, power_w in enumerate(site.battery_w) if power_w < 0)
    return _Given(frozenset(vehicles), {name: frozenset(steps) for name, steps in at_site.items()})


def _judge_charging(
    problem: Problem, entry: Charging, names: Names, given: _Given, findings: Findings
) -> None:
    known = names.evses.get(entry.evse)
    if known is None or not 0 <= entry.from_step < entry.to_step <= problem.steps:
        return  # told already
    site, steps = known[0], range(entry.from_step, entry.to_step)
    for code in entry.reasons:
        why = None
        if code not in _CODES:
            why = "is no reason"
        elif code == "SUN" and all(site.pv_power_w[n] <= site.load_power_w[n] for n in steps):
            why = "but the building takes it all"
        elif code == "PAID" and all(_import_costs(site, n) >= 0 for n in steps):
            why = "but energy from the grid costs something"
        elif code == "PEAK" and site.peak_price_per_kw <= 0:
            why = "but no peak is paid for"
        elif code == "BATTERY" and given.at_site[site.id].isdisjoint(steps):
            why = "but no battery gives anything"
        elif code == "TRADE" and entry.vehicle not in given.vehicles:
            why = "but the car gives nothing back"
        elif code == "OVERRIDE" and not _is_overridden(names.vehicles.get(entry.vehicle), entry):
            why = "but nobody has asked for anything then"
        elif (code == "GIVE") != (entry.power_w < 0):
            why = f"but the power is {entry.power_w:.0f} W"
        if why is not None:
            findings.add("charging-reason", entry.vehicle, f"{code!r} {why}", entry.from_step)


def _is_overridden(vehicle: Vehicle | None, entry: Charging) -> bool:
    return vehicle is not None and any(
        each.from_step < entry.to_step and entry.from_step < each.to_step
        for each in vehicle.overrides
    )


def _contradiction(
    code: UnservedCode,
    booking: Booking,
    fit: list[Vehicle],
    free: list[Vehicle],
    ready: Vehicle | None,
) -> str | None:
    """Returns why the reason is false, or None."""
    if ready is not None:
        return f"{ready.id!r} is free, charged, and has no later trip"
    if code == "FIXED_VEHICLE":
        return "no car is fixed" if booking.vehicle is None else None
    if not fit:
        return None if code == "NO_VEHICLE" else "no car may serve it"
    if code == "NO_VEHICLE" and free:
        return f"{free[0].id!r} is free at that place and time"
    if code == "BEYOND_CAPACITY":
        able = next((car for car in fit if _could_hold(car, booking)), None)
        return None if able is None else f"the battery of {able.id!r} is large enough"
    return None


def _is_free(problem: Problem, itinerary: Itinerary, booking: Booking) -> bool:
    """Returns whether the car could take the booking between its trips, by place and time."""
    rides = itinerary.rides
    index = bisect_left(rides, booking.start_step, key=lambda ride: ride.booking.start_step)
    if index == 0:
        place, free_from = itinerary.vehicle.site, itinerary.vehicle.available_from
    else:
        before = rides[index - 1].booking
        place, free_from = before.dropoff_site, before.end_step + problem.turnaround_steps
    if place != booking.pickup_site or free_from > booking.start_step:
        return False
    if index == len(rides):
        return True
    after = rides[index].booking
    return (
        booking.end_step + problem.turnaround_steps <= after.start_step
        and booking.dropoff_site == after.pickup_site
    )


def _is_ready(motion: Motion, vehicle: Vehicle, booking: Booking) -> bool:
    """Returns whether a free car could take the booking with nothing else changed for others.

    So it is where it has no later trip, gives nothing to others later, and has the energy.
    """
    step = booking.start_step
    if any(ride.booking.start_step >= step for ride in motion.itineraries[vehicle.id].rides):
        return False
    power_w = motion.powers.of_vehicle.get(vehicle.id)
    if power_w is not None and bool(np.any(power_w[step:] < 0)):
        return False
    need_wh = _need_wh(vehicle, booking) + vehicle.min_soc_wh
    return bool(motion.soc_wh[vehicle.id][step] >= need_wh + TOLERANCE_WH)


def _could_hold(vehicle: Vehicle, booking: Booking) -> bool:
    most_wh = max(vehicle.max_soc_wh, vehicle.soc_wh)
    return most_wh - _need_wh(vehicle, booking) >= vehicle.min_soc_wh + TOLERANCE_WH


def _need_wh(vehicle: Vehicle, booking: Booking) -> float:
    return (booking.distance_km + booking.reserve_km) * vehicle.consumption_wh_per_km


def _import_costs(site: Site, step: int) -> float:
    """Returns what a kWh from the grid costs in a step, with its CO2."""
    grams = site.import_co2_g_per_kwh[step] if site.import_co2_g_per_kwh is not None else 0.0
    return site.import_price_per_kwh[step] + grams * site.co2_price_per_kg / 1000
