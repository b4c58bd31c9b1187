"""Use cases at the car: a trip begins, a trip ends. They never commit.

The booking comes from `csms.booking.actions.find_for_change`, so that no other trip begins or ends
at the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from csms.access.queries import tokens_of
from csms.booking.actions import announce, move
from csms.booking.desk import Desk
from csms.booking.queries import evses_of_site, plugged_evses
from csms.booking.rules import ON_THE_ROAD, OPEN, breaks_a_promise, free_evse, step
from csms.fleet.actions import unplug_others
from csms.fleet.queries import vehicle_resource
from csms.ledger.work import UnitOfWork
from models.errors import BadInput, Conflict, FieldError, Refused
from models.tables.booking import Booking
from models.tables.fleet import Vehicle, VehicleModel
from scheduler.admit import Wish
from scheduler.reach import AdmissionRules

TOLD_LATELY = timedelta(hours=1)
"""A charge that was measured longer ago is not what a car begins a trip with."""
TOLD_SHARE = 0.05
"""A charge measured in this last part of a trip is the one that the car comes back with."""
SHORTEST_TRIP = timedelta(minutes=15)
"""What is left of a booking is taken to be at least this when another car is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known of a car when a trip starts or ends."""

    soc_pct: float | None = None
    odometer_km: float | None = None
    plugged_evse: str | None = None
    plug_said: bool = False
    """Whether anything was said of the plug; else what a station has reported stands."""


async def start(work: UnitOfWork, desk: Desk, booking: Booking, seen: Observed) -> Booking:
    """Hands the car over: the trip has begun.

    The promised car goes, or, if it is not there, another one that can serve the trip without
    breaking a promise.

    Raises:
        Conflict: `wrong-status`, or `no-vehicle` if no car is there that could go.
    """
    if booking.status not in OPEN:
        # The table of states would let a late trip become active: that is what `extend` does.
        raise Conflict(f"a booking that is {booking.status} can't begin", code="wrong-status")
    vehicle = await _car_for(work, desk, booking)
    move(work, booking, "active")
    booking.started_at = work.now
    booking.vehicle_id = vehicle.id
    _observe(work, vehicle, seen, "manual")
    if (
        vehicle.source != "estimate"
        and vehicle.measured_at is not None
        and vehicle.measured_at >= work.now - TOLD_LATELY
    ):
        booking.started_soc_pct = vehicle.soc_pct
    vehicle.at_site_id = None
    vehicle.plugged_evse = None
    announce(work, booking, "booking.started")
    await _announce_vehicle(work, vehicle, booking.pickup_site_id)
    return booking


async def _car_for(work: UnitOfWork, desk: Desk, booking: Booking) -> Vehicle:
    calendar = await desk.calendar(work.session, tenant=work.tenant, now=work.now)
    promised = await _standing(work, booking.vehicle_id, booking.pickup_site_id)
    if promised is not None and not (
        work.now < booking.start
        and breaks_a_promise(calendar, promised.id, booking.id, booking.start)
    ):
        return promised
    wish = Wish(
        start=work.now,
        end=max(booking.end, work.now + SHORTEST_TRIP),
        pickup_site=booking.pickup_site_id,
        dropoff_site=booking.dropoff_site_id,
        distance_km=booking.distance_km,
        vehicle_class=booking.vehicle_class,
    )
    # Who stands at the counter is served with what is there, as surely as it can be.
    for offer in calendar.without(booking.id).under(AdmissionRules()).answer(wish).offers:
        other = await _standing(work, offer.vehicle_id, booking.pickup_site_id)
        if other is not None:
            return other
    raise Refused("no car is there that could go on this trip", code="no-vehicle")


_ON_THE_ROAD = (
    sa.select(sa.func.count())
    .select_from(Booking)
    .where(Booking.vehicle_id == sa.bindparam("vehicle"), Booking.status.in_(ON_THE_ROAD))
)


async def _standing(work: UnitOfWork, vehicle_id: str | None, site_id: str) -> Vehicle | None:
    """Returns the car, locked, if it stands at a site and is on no trip."""
    if vehicle_id is None:
        return None
    if await work.session.scalar(_ON_THE_ROAD, {"vehicle": vehicle_id}):
        return None
    vehicle = await work.session.get(Vehicle, vehicle_id, with_for_update=True)
    if vehicle is None or vehicle.at_site_id != site_id:
        return None
    return vehicle


def _observe(
    work: UnitOfWork, vehicle: Vehicle, seen: Observed, source: Literal["manual", "estimate"]
) -> None:
    if seen.soc_pct is not None:
        vehicle.soc_pct = seen.soc_pct
        vehicle.source = source
        vehicle.measured_at = work.now
    if seen.odometer_km is not None:
        vehicle.odometer_km = seen.odometer_km
    vehicle.version += 1
    vehicle.updated_at = work.now


async def _announce_vehicle(work: UnitOfWork, vehicle: Vehicle, site_id: str) -> None:
    tokens = await tokens_of(work.session, tenant=work.tenant, vehicles=[vehicle.id])
    work.emit(
        "vehicle.state_changed",
        subject=f"vehicle/{vehicle.id}",
        resource=vehicle_resource(vehicle, tokens.get(vehicle.id, ())),
        site_id=site_id,
    )


async def give_back(
    work: UnitOfWork, booking: Booking, seen: Observed, *, planned_evse: str | None = None
) -> tuple[Booking, str | None]:
    """Takes the car back; returns the booking, and the EVSE where it should plug in.

    Raises:
        BadInput: if `plugged_evse` is not an EVSE of the drop-off site.
        Conflict: `wrong-status`.
    """
    step(booking.status, "returned")
    evses = await evses_of_site(work.session, booking.dropoff_site_id)
    if seen.plugged_evse is not None and seen.plugged_evse not in evses:
        raise BadInput(
            "plugged_evse is no EVSE of the drop-off site in service",
            [FieldError("/plugged_evse", "no EVSE of the drop-off site, as IDENTITY/EVSE")],
        )
    assert booking.vehicle_id is not None
    vehicle = await work.session.get(Vehicle, booking.vehicle_id, with_for_update=True)
    if vehicle is None:
        raise Conflict("the car of this booking is gone")
    source: Literal["manual", "estimate"] = "manual"
    share = _share_unmeasured(vehicle, booking, work.now)
    if seen.soc_pct is None and share > TOLD_SHARE:
        seen = replace(seen, soc_pct=await _estimated_soc_pct(work, vehicle, booking, share))
        source = "estimate"
    move(work, booking, "returned")
    booking.returned_at = work.now
    _observe(work, vehicle, seen, source)
    if source == "manual":
        booking.used_wh = await _used_wh(work, vehicle, booking)
    vehicle.at_site_id = booking.dropoff_site_id
    vehicle.returned_at = work.now
    plugged = seen.plugged_evse
    if not seen.plug_said and vehicle.plugged_evse in evses:
        plugged = vehicle.plugged_evse  # the station was quicker than the driver
    if plugged is not None:
        await unplug_others(work, plugged, but=vehicle.id)
    vehicle.plugged_evse = plugged
    taken = await plugged_evses(work.session, tenant=work.tenant)
    assigned = plugged or free_evse(evses, taken, planned_evse)
    announce(work, booking, "booking.returned")
    work.request_plan(booking.dropoff_site_id, "booking.returned")
    await _announce_vehicle(work, vehicle, booking.dropoff_site_id)
    return booking, assigned


def _share_unmeasured(vehicle: Vehicle, booking: Booking, now: datetime) -> float:
    """Returns the part of a trip that came after the car or a charger has last told its charge.

    What was told on the way is not what is left at the end: the car would seem to hold what it has
    used since, and its trips to take next to nothing.
    """
    measured_at, started_at = vehicle.measured_at, booking.started_at
    told = vehicle.source in ("charger", "push")
    if not told or measured_at is None or started_at is None or measured_at <= started_at:
        return 1.0
    if vehicle.source == "charger" and vehicle.plugged_evse is not None:
        return 0.0  # it stands there, however late its driver says so
    return max(0.0, (now - measured_at) / (now - started_at))


async def _used_wh(work: UnitOfWork, vehicle: Vehicle, booking: Booking) -> float | None:
    """Returns what the trip took; None where that is not known, or the car came back fuller."""
    if booking.started_soc_pct is None or vehicle.soc_pct is None:
        return None
    model = await work.session.get_one(VehicleModel, vehicle.model_id)
    used_wh = (booking.started_soc_pct - vehicle.soc_pct) / 100 * model.battery_capacity_wh
    return round(used_wh, 1) if used_wh > 0 else None


async def _estimated_soc_pct(
    work: UnitOfWork, vehicle: Vehicle, booking: Booking, share: float
) -> float | None:
    """Returns the charge that is left, where a part of the trip came after the known one."""
    if vehicle.soc_pct is None:
        return None
    model = await work.session.get(VehicleModel, vehicle.model_id)
    assert model is not None
    used_wh = share * booking.distance_km * model.consumption_wh_per_km
    return max(0.0, vehicle.soc_pct - 100 * used_wh / model.battery_capacity_wh)
