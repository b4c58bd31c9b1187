"""The referee on places: who drives when, where each car stands, and who holds which EVSE.

Judged here: trips (class, fixed car, place, time, turnaround), stays (whole, in order, one EVSE
save one visit to a fast charger, or where staff moves cars), and EVSEs (one car at most, no arrival
while unavailable).
Energy is not judged here.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

from scheduler.check.findings import Findings
from scheduler.plan import Assignment, Plan, Stay
from scheduler.problem import Booking, Evse, Problem, Site, Vehicle


@dataclass(frozen=True, slots=True)
class Ride:
    """One trip of one car, as assigned."""

    booking: Booking
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Parking:
    """Where a car must stand in `[from_step, to_step)`, as its trips say."""

    site: str
    from_step: int
    to_step: int


@dataclass(frozen=True, slots=True)
class Itinerary:
    """What one car does: its trips by start, and a parking before the first and after each."""

    vehicle: Vehicle
    rides: tuple[Ride, ...]
    parkings: tuple[Parking, ...]
    stays: tuple[Stay, ...]
    """The plan's own stays that make sense by themselves."""


@dataclass(frozen=True, slots=True)
class Names:
    """The problem's things by their ids."""

    sites: dict[str, Site]
    evses: dict[str, tuple[Site, Evse]]
    vehicles: dict[str, Vehicle]
    bookings: dict[str, Booking]

    @staticmethod
    def of(problem: Problem) -> Names:
        """Returns the names of `problem`."""
        return Names(
            sites={site.id: site for site in problem.sites},
            evses={evse.id: (site, evse) for site in problem.sites for evse in site.evses},
            vehicles={vehicle.id: vehicle for vehicle in problem.vehicles},
            bookings={booking.id: booking for booking in problem.bookings},
        )


def judge_places(
    problem: Problem, plan: Plan, names: Names, findings: Findings
) -> dict[str, Itinerary]:
    """Judges trips, stays and EVSEs; returns what each car does, by its id."""
    rides = _rides(plan, names, findings)
    stays = _stays(problem, plan, names, findings)
    itineraries: dict[str, Itinerary] = {}
    holds: dict[str, list[Stay]] = defaultdict(list)
    for vehicle in problem.vehicles:
        own_rides = sorted(rides[vehicle.id], key=lambda ride: ride.booking.start_step)
        _judge_rides(problem, vehicle, own_rides, findings)
        itinerary = Itinerary(
            vehicle,
            tuple(own_rides),
            tuple(_parkings(problem, vehicle, own_rides)),
            tuple(stays[vehicle.id]),
        )
        itineraries[vehicle.id] = itinerary
        for hold in _judge_stays(plan, itinerary, names, findings):
            assert hold.evse is not None
            holds[hold.evse].append(hold)
    for evse, taken in holds.items():
        _judge_exclusive(evse, taken, findings)
    return itineraries


def _rides(plan: Plan, names: Names, findings: Findings) -> dict[str, list[Ride]]:
    """Judges that each booking is answered once; returns each car's trips."""
    answers: dict[str, int] = dict.fromkeys(names.bookings, 0)
    rides: dict[str, list[Ride]] = defaultdict(list)
    for unserved in plan.unserved:
        if unserved.booking in answers:
            answers[unserved.booking] += 1
        else:
            findings.add("unknown-booking", unserved.booking, "unserved, but not in the problem")
    for assignment in plan.assignments:
        booking = names.bookings.get(assignment.booking)
        vehicle = names.vehicles.get(assignment.vehicle)
        if booking is None:
            findings.add("unknown-booking", assignment.booking, "assigned, but not in the problem")
            continue
        answers[booking.id] += 1
        if vehicle is None:
            detail = f"assigned to {assignment.vehicle!r}, which is no car of the problem"
            findings.add("unknown-vehicle", booking.id, detail)
            continue
        if vehicle.vehicle_class not in booking.classes:
            detail = f"{vehicle.id!r} is of class {vehicle.vehicle_class!r}"
            findings.add("booking-class", booking.id, detail, booking.start_step)
        if booking.vehicle not in (None, vehicle.id):
            detail = f"fixed to {booking.vehicle!r} but given {vehicle.id!r}"
            findings.add("booking-vehicle", booking.id, detail, booking.start_step)
        rides[vehicle.id].append(Ride(booking, assignment))
    for name, count in answers.items():
        if count != 1:
            findings.add("booking-once", name, f"answered {count} times")
    return rides


def _judge_rides(problem: Problem, vehicle: Vehicle, rides: list[Ride], findings: Findings) -> None:
    """Judges that each trip starts where the car is, and not before it can."""
    place, free_from = vehicle.site, vehicle.available_from
    for index, ride in enumerate(rides):
        booking = ride.booking
        if booking.start_step < free_from:
            rule = "vehicle-available" if index == 0 else "vehicle-overlap"
            detail = f"{booking.id!r} starts while the car is away until {free_from}"
            findings.add(rule, vehicle.id, detail, booking.start_step)
        elif index > 0 and booking.start_step < free_from + problem.turnaround_steps:
            detail = f"{booking.id!r} starts {booking.start_step - free_from} steps after a return"
            findings.add("turnaround", vehicle.id, detail, booking.start_step)
        if booking.pickup_site != place:
            detail = f"{booking.id!r} starts at {booking.pickup_site!r}, the car is at {place!r}"
            findings.add("vehicle-place", vehicle.id, detail, booking.start_step)
        place, free_from = booking.dropoff_site, max(free_from, booking.end_step)


def _parkings(problem: Problem, vehicle: Vehicle, rides: list[Ride]) -> list[Parking]:
    place, since = vehicle.site, vehicle.available_from
    parkings: list[Parking] = []
    for ride in rides:
        parkings.append(Parking(place, since, max(since, ride.booking.start_step)))
        place, since = ride.booking.dropoff_site, max(since, ride.booking.end_step)
    parkings.append(Parking(place, min(since, problem.steps), problem.steps))
    return parkings


def _stays(problem: Problem, plan: Plan, names: Names, findings: Findings) -> dict[str, list[Stay]]:
    """Judges each stay by itself; returns each car's stays, without those that make no sense."""
    stays: dict[str, list[Stay]] = defaultdict(list)
    for stay in plan.stays:
        if stay.vehicle not in names.vehicles:
            findings.add("unknown-vehicle", stay.vehicle, "has a stay, but is not in the problem")
            continue
        if not 0 <= stay.from_step < stay.to_step <= problem.steps:
            detail = f"[{stay.from_step}, {stay.to_step}) is no stretch of the horizon"
            findings.add("stay-order", stay.vehicle, detail, stay.from_step)
            continue
        if stay.site not in names.sites:
            findings.add("unknown-site", stay.vehicle, f"stands at {stay.site!r}", stay.from_step)
        if stay.evse is not None:
            known = names.evses.get(stay.evse)
            if known is None or known[0].id != stay.site:
                detail = f"{stay.evse!r} is no EVSE of {stay.site!r}"
                findings.add("unknown-evse", stay.vehicle, detail, stay.from_step)
                continue
        own = stays[stay.vehicle]
        if own and stay.from_step < own[-1].to_step:
            detail = f"stay from {stay.from_step} is listed after one until {own[-1].to_step}"
            findings.add("stay-order", stay.vehicle, detail, stay.from_step)
        own.append(stay)
    return stays


def _judge_stays(plan: Plan, itinerary: Itinerary, names: Names, findings: Findings) -> list[Stay]:
    """Judges a car's stays against its trips; returns what it holds, EVSE by EVSE."""
    vehicle = itinerary.vehicle
    left = sorted(itinerary.stays, key=lambda stay: stay.from_step)
    holds: list[Stay] = []
    for number, parking in enumerate(itinerary.parkings):
        if parking.from_step >= parking.to_step:
            continue
        inside = [s for s in left if parking.from_step <= s.from_step < parking.to_step]
        left = [s for s in left if not parking.from_step <= s.from_step < parking.to_step]
        since = parking.from_step
        for stay in inside:
            if stay.from_step != since:
                detail = f"stands from {stay.from_step}, but should from {since}"
                findings.add("stay-gap", vehicle.id, detail, since)
            if stay.site != parking.site:
                detail = f"stands at {stay.site!r}, but is at {parking.site!r}"
                findings.add("stay-place", vehicle.id, detail, stay.from_step)
            since = stay.to_step
        if since != parking.to_step:
            detail = f"stands until {since}, but should until {parking.to_step}"
            findings.add("stay-gap", vehicle.id, detail, min(since, parking.to_step))
        kept = vehicle.evse if number == 0 else None
        if number == 0 and inside and _moved_at_once(plan, vehicle, inside[0]):
            kept = inside[0].evse
        elif number == 0 and vehicle.parked and inside and inside[0].evse is not None:
            detail = f"stands on no EVSE but holds {inside[0].evse!r}"
            findings.add("stay-kept-evse", vehicle.id, detail, inside[0].from_step)
        site = names.sites.get(parking.site)
        if site is not None and site.move_price is not None:
            holds.extend(_judge_turns(vehicle, inside, kept, findings))
        else:
            holds.extend(_judge_stay(vehicle, inside, kept, names, findings))
        _judge_arrivals(inside, vehicle.evse if number == 0 else None, names, findings)
    for stay in left:
        detail = f"stands in [{stay.from_step}, {stay.to_step}) while it is away"
        findings.add("stay-gap", vehicle.id, detail, stay.from_step)
        if stay.evse is not None:
            holds.append(stay)
    return holds


def _moved_at_once(plan: Plan, vehicle: Vehicle, first: Stay) -> bool:
    """Returns whether a car's first stay is where staff brings it in the first step.

    That it may is judged by `scheduler.check.moves`.
    """
    way = vehicle.id, first.from_step, vehicle.evse, first.evse
    return first.evse != vehicle.evse and any(
        (move.vehicle, move.from_step, move.from_evse, move.to_evse) == way for move in plan.moves
    )


def _judge_stay(
    vehicle: Vehicle, stays: list[Stay], kept: str | None, names: Names, findings: Findings
) -> list[Stay]:
    """Judges which EVSEs a car holds from one arrival to the next departure.

    That is none throughout, one throughout, or one with a single visit to a fast charger within or
    at an end, during which its own stays its own.
    """
    if not stays:
        return []
    order = [stay.evse for stay in stays]
    held = [stay for stay in stays if stay.evse is not None]
    own = _own_evse(stays, kept, names)
    if kept is not None and own != kept:
        detail = f"stands on {kept!r} but holds {own!r}"
        findings.add("stay-kept-evse", vehicle.id, detail, stays[0].from_step)
    if order == [None]:
        return []
    if own is None:
        detail = f"holds {order} in one stay"
        findings.add("stay-evse", vehicle.id, detail, stays[0].from_step)
        return held
    whole = Stay(vehicle.id, stays[0].site, own, stays[0].from_step, stays[-1].to_step)
    return [whole, *(stay for stay in held if stay.evse != own)]


def _judge_turns(
    vehicle: Vehicle, stays: list[Stay], kept: str | None, findings: Findings
) -> list[Stay]:
    """Judges which EVSEs a car holds where staff moves cars: each for as long as it stands there.

    That it is moved is judged by `scheduler.check.moves`.
    """
    if stays and kept is not None and stays[0].evse != kept:
        detail = f"stands on {kept!r} but holds {stays[0].evse!r}"
        findings.add("stay-kept-evse", vehicle.id, detail, stays[0].from_step)
    for one, other in itertools.pairwise(stays):
        if one.evse == other.evse:
            detail = f"is listed twice on {one.evse!r} in one stay"
            findings.add("stay-evse", vehicle.id, detail, other.from_step)
    return [stay for stay in stays if stay.evse is not None]


def _own_evse(stays: list[Stay], kept: str | None, names: Names) -> str | None:
    """Returns the EVSE that is a car's own for a whole stay, None where there is no such one."""
    order = [stay.evse for stay in stays]
    match order:
        case [str(only)]:
            return only
        case [str(first), str(visit), str(last)] if first == last != visit:
            return first if _is_dc(visit, names) else None
        case [str(first), str(last)] if first != last:
            owns = [own for own, visit in ((first, last), (last, first)) if _is_dc(visit, names)]
            if kept in owns:
                return kept
            longer = first if _length(stays[0]) >= _length(stays[1]) else last
            return longer if longer in owns else next(iter(owns), None)
        case _:
            return None


def _is_dc(evse: str, names: Names) -> bool:
    return names.evses[evse][1].current_type == "DC"


def _length(stay: Stay) -> int:
    return stay.to_step - stay.from_step


def _judge_arrivals(stays: list[Stay], kept: str | None, names: Names, findings: Findings) -> None:
    for index, stay in enumerate(stays):
        if stay.evse is None or (index == 0 and stay.evse == kept):
            continue
        for start, end in names.evses[stay.evse][1].unavailable:
            if start <= stay.from_step < end:
                detail = f"{stay.vehicle!r} arrives, but it is unavailable in [{start}, {end})"
                findings.add("evse-unavailable", stay.evse, detail, stay.from_step)


def _judge_exclusive(evse: str, holds: list[Stay], findings: Findings) -> None:
    holds.sort(key=lambda hold: hold.from_step)
    last = holds[0]
    for hold in holds[1:]:
        if hold.from_step < last.to_step and hold.vehicle != last.vehicle:
            detail = f"held by {last.vehicle!r} and {hold.vehicle!r}"
            findings.add("evse-exclusive", evse, detail, hold.from_step)
        if hold.to_step > last.to_step:
            last = hold
