"""The referee on moves by staff: is each one listed, allowed, and given time to be made?

Where a site has a price of a move, a car may hold several EVSEs in turn between its arrival and its
departure: each change is a move. Elsewhere nobody moves cars (`scheduler.check.places`).
"""

from __future__ import annotations

import itertools

import numpy as np

from scheduler.check.energy import Motion, Powers
from scheduler.check.findings import TOLERANCE_W, Findings
from scheduler.check.places import Itinerary, Names
from scheduler.plan import Move, Plan
from scheduler.problem import Problem

_Change = tuple[str, int, str, str | None, str | None]
"""Car, step, site, and the EVSEs before and after."""


def judge_moves(
    problem: Problem, plan: Plan, names: Names, motion: Motion, findings: Findings
) -> None:
    """Judges every move that the plan lists, and that it lists all."""
    left = {
        change: end
        for itinerary in motion.itineraries.values()
        for change, end in _changes(itinerary)
    }
    for move in plan.moves:
        vehicle, site = names.vehicles.get(move.vehicle), names.sites.get(move.site)
        if vehicle is None:
            findings.add("unknown-vehicle", move.vehicle, "is moved, but is not in the problem")
            continue
        change = (move.vehicle, move.from_step, move.site, move.from_evse, move.to_evse)
        ends = left.pop(change, None)
        if ends is None or site is None:
            detail = f"from {move.from_evse!r} to {move.to_evse!r} is no change of its stays"
            findings.add("move-listed", move.vehicle, detail, move.from_step)
            continue
        if site.move_price is None or not vehicle.may_be_moved:
            detail = f"nobody moves {'cars here' if site.move_price is None else 'this car'}"
            findings.add("move-staff", move.vehicle, detail, move.from_step)
        elif not _is_staffed(site.move_windows, move):
            detail = f"no staff throughout [{move.from_step}, {move.to_step})"
            findings.add("move-staff", move.vehicle, detail, move.from_step)
        _judge_window(problem, plan, move, ends, motion.powers, findings)
        _judge_reasons(plan, move, names, findings)
    for vehicle, step, site_id, before, after in left:
        known = names.sites.get(site_id)
        car = names.vehicles[vehicle]
        # Who comes to a site by itself is put on any EVSE by its driver; who stands there is moved.
        comes = before is None and step == car.available_from and not car.parked
        if known is not None and known.move_price is not None and not comes:
            detail = f"from {before!r} to {after!r}, but no move says so"
            findings.add("move-listed", vehicle, detail, step)


def moves_cost(plan: Plan, names: Names) -> float:
    """Returns what the moves that a plan lists cost."""
    sites = (names.sites.get(move.site) for move in plan.moves)
    return sum(site.move_price or 0.0 for site in sites if site is not None)


def _changes(itinerary: Itinerary) -> list[tuple[_Change, int]]:
    """Returns where a car changes EVSE between arrival and departure, and until when it stays."""
    found: list[tuple[_Change, int]] = []
    stays = sorted(itinerary.stays, key=lambda stay: stay.from_step)
    vehicle = itinerary.vehicle
    for number, parking in enumerate(itinerary.parkings):
        inside = [s for s in stays if parking.from_step <= s.from_step < parking.to_step]
        first = inside[0] if number == 0 and inside else None
        if first is not None and first.evse != vehicle.evse:
            change = (vehicle.id, first.from_step, first.site, vehicle.evse, first.evse)
            found.append((change, first.to_step))
        for one, other in itertools.pairwise(inside):
            if one.evse != other.evse:
                change = (other.vehicle, other.from_step, other.site, one.evse, other.evse)
                found.append((change, other.to_step))
    return found


def _is_staffed(windows: tuple[tuple[int, int], ...], move: Move) -> bool:
    steps = set(range(move.from_step, move.to_step))
    return steps <= {step for start, end in windows for step in range(start, end)}


def _judge_window(  # noqa: PLR0917 - what `judge_moves` is told, of one move
    problem: Problem, plan: Plan, move: Move, ends: int, powers: Powers, findings: Findings
) -> None:
    """Judges that there is time for a move, in which nothing flows where the car was or will be."""
    if not 0 <= move.from_step < move.to_step <= min(ends, problem.steps):
        detail = f"[{move.from_step}, {move.to_step}) is no stretch of the stay it leads to"
        findings.add("move-window", move.vehicle, detail, move.from_step)
        return
    steps = slice(move.from_step, move.to_step)
    series = [powers.of_vehicle.get(move.vehicle)]
    series += [powers.of_evse.get(evse) for evse in (move.from_evse, move.to_evse) if evse]
    for power_w in series:
        if power_w is not None and bool(np.any(np.abs(power_w[steps]) > TOLERANCE_W)):
            detail = "power flows while the car is moved"
            findings.add("move-window", move.vehicle, detail, move.from_step)
            return
    for stay in plan.stays:
        come = move.from_step < stay.from_step < move.to_step and stay.vehicle != move.vehicle
        if come and stay.evse is not None and stay.evse == move.from_evse:
            detail = f"{stay.vehicle!r} comes to {stay.evse!r} before the car has to be away"
            findings.add("move-window", move.vehicle, detail, stay.from_step)
            return


def _judge_reasons(plan: Plan, move: Move, names: Names, findings: Findings) -> None:
    for code in move.reasons:
        why = None
        if code == "TURN":
            why = "but it gets no EVSE" if move.to_evse is None else None
        elif code == "ROOM":
            follows = any(
                stay.evse == move.from_evse
                and stay.vehicle != move.vehicle
                and stay.from_step >= move.from_step
                for stay in plan.stays
            )
            why = None if move.from_evse and follows else "but no other car gets its EVSE"
        elif code == "FAST":
            comes = move.from_evse is not None and not _is_fast(move.from_evse, names)
            comes = comes and _is_fast(move.to_evse, names)
            why = None if comes else "but it leaves no EVSE for a fast charger"
        elif code == "BACK":
            leaves = _is_fast(move.from_evse, names) and not _is_fast(move.to_evse, names)
            why = None if leaves else "but it leaves no fast charger"
        else:
            why = "is no reason"
        if why is not None:
            findings.add("move-reason", move.vehicle, f"{code!r} {why}", move.from_step)


def _is_fast(evse: str | None, names: Names) -> bool:
    return evse is not None and names.evses[evse][1].current_type == "DC"
