"""Use cases of bookings: ask, book, start, return, extend, cancel. They never commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from csms.access.queries import tokens_of
from csms.booking.desk import Desk
from csms.booking.queries import (
    booking_resource,
    car_state,
    evses_of_site,
    plugged_evses,
)
from csms.booking.rules import ON_THE_ROAD, check_times, free_evse, reserve_km, step
from csms.fleet.queries import vehicle_resource
from csms.ledger.work import ReadSession, UnitOfWork
from models.errors import BadInput, Conflict, FieldError, NotFound, Refused
from models.states import BookingStatus
from models.tables.booking import Booking
from models.tables.energy import Site
from models.tables.fleet import Driver, Vehicle, VehicleModel
from models.timeline import format_rfc3339
from scheduler.admit import Answer, Wish

TRIES = 3
"""How often a desk looks again after a rival was quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A trip as a driver asks for it."""

    driver_id: str
    pickup_site_id: str
    dropoff_site_id: str
    start: datetime
    end: datetime
    distance_km: float
    vehicle_class: str | None = None

    def wish(self) -> Wish:
        """Returns what admission needs of it."""
        return Wish(
            start=self.start,
            end=self.end,
            pickup_site=self.pickup_site_id,
            dropoff_site=self.dropoff_site_id,
            distance_km=self.distance_km,
            vehicle_class=self.vehicle_class,
            reserve_km=reserve_km(self.distance_km),
        )

    def document(self) -> dict[str, Any]:
        """Returns it as a complete request."""
        document: dict[str, Any] = {
            "driver_id": self.driver_id,
            "pickup_site_id": self.pickup_site_id,
            "dropoff_site_id": self.dropoff_site_id,
            "start": format_rfc3339(self.start),
            "end": format_rfc3339(self.end),
            "distance_km": self.distance_km,
        }
        if self.vehicle_class is not None:
            document["vehicle_class"] = self.vehicle_class
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known of a car when a trip starts or ends."""

    soc_pct: float | None = None
    odometer_km: float | None = None
    plugged_evse: str | None = None


async def check_references(session: ReadSession, asked: Asked, *, tenant: str) -> None:
    """Lets a request pass whose driver and sites exist.

    Raises:
        BadInput: naming the fields that point nowhere.
    """
    errors: list[FieldError] = []
    for field, table, key in (
        ("driver_id", Driver, asked.driver_id),
        ("pickup_site_id", Site, asked.pickup_site_id),
        ("dropoff_site_id", Site, asked.dropoff_site_id),
    ):
        row = await session.get(table, key)
        if row is None or row.tenant_id != tenant:
            errors.append(FieldError(f"/{field}", "there is no such thing"))
    if errors:
        raise BadInput("the booking refers to what is not there", errors)


async def quote(
    session: ReadSession, desk: Desk, asked: Asked, *, tenant: str, now: datetime
) -> dict[str, Any]:
    """Returns whether a booking would be accepted now, with offers or alternatives.

    Raises:
        BadInput: for impossible times or unknown references.
    """
    check_times(asked.start, asked.end, now)
    await check_references(session, asked, tenant=tenant)
    view = await desk.view(session, tenant=tenant, now=now)
    answer = view.calendar.answer(asked.wish())
    return {
        "bookable": answer.bookable,
        "offers": [
            {
                "vehicle_id": offer.vehicle_id,
                "vehicle_class": offer.vehicle_class,
                "expected_soc_pct": round(offer.expected_soc_pct, 1),
                "probability_ready": round(offer.probability_ready, 3),
                "slack_wh": round(offer.slack_wh, 1),
                "slack_minutes": offer.slack_minutes,
            }
            for offer in answer.offers
        ],
        "reasons": _reasons(answer),
        "alternatives": _alternatives(asked, answer),
    }


def _reasons(answer: Answer) -> list[str]:
    return [f"{reason.code}: {reason.detail}" for reason in answer.reasons]


def _alternatives(asked: Asked, answer: Answer) -> list[dict[str, Any]]:
    return [
        replace(
            asked,
            start=wish.start,
            end=wish.end,
            pickup_site_id=wish.pickup_site,
            dropoff_site_id=wish.dropoff_site,
            distance_km=wish.distance_km,
            vehicle_class=wish.vehicle_class,
        ).document()
        for wish in answer.alternatives
    ]


async def book(
    work: UnitOfWork,
    desk: Desk,
    asked: Asked,
    *,
    booking_id: str | None = None,
    external_id: str | None = None,
    custom: Mapping[str, Any] | None = None,
) -> Booking:
    """Returns a new confirmed booking on the best car.

    Raises:
        BadInput: for impossible times or unknown references.
        Conflict: `already-exists`, if `booking_id` is taken.
        Refused: `no-vehicle`, with reasons and alternatives that would be accepted.
    """
    check_times(asked.start, asked.end, work.now)
    await check_references(work.session, asked, tenant=work.tenant)
    if booking_id is not None and await work.session.get(Booking, booking_id) is not None:
        raise Conflict(f"there is a booking {booking_id} already", code="already-exists")
    for _ in range(TRIES):
        view = await desk.view(work.session, tenant=work.tenant, now=work.now)
        answer = view.calendar.answer(asked.wish())
        if not answer.bookable:
            raise Refused(
                "no car can be promised for this trip",
                code="no-vehicle",
                reasons=_reasons(answer),
                alternatives=_alternatives(asked, answer),
            )
        seen = view.calendar_versions[asked.pickup_site_id]
        if await _claim_calendar(work, asked.pickup_site_id, seen):
            break
        desk.forget(work.tenant)
    else:
        raise Conflict("others book at this site at the same moment; try again", code="busy")
    offer = answer.offers[0]
    booking = Booking(
        id=booking_id or work.ids.new(),
        tenant_id=work.tenant,
        external_id=external_id,
        custom=dict(custom or {}),
        created_at=work.now,
        updated_at=work.now,
        driver_id=asked.driver_id,
        pickup_site_id=asked.pickup_site_id,
        dropoff_site_id=asked.dropoff_site_id,
        start=asked.start,
        end=asked.end,
        distance_km=asked.distance_km,
        vehicle_class=asked.vehicle_class,
        status="confirmed",
        vehicle_id=offer.vehicle_id,
        expected_soc_pct=round(offer.expected_soc_pct, 1),
        probability_ready=round(offer.probability_ready, 3),
        reasons=[],
    )
    work.session.add(booking)
    await work.session.flush()  # the defaults of the row belong to the event
    _announce(work, booking, "booking.confirmed")
    return booking


async def _claim_calendar(work: UnitOfWork, site_id: str, seen: int) -> bool:
    """Compare-and-set: True if nobody has booked at the site since its calendar was read."""
    claimed = await work.session.execute(
        sa.update(Site)
        .where(Site.id == site_id, Site.calendar_version == seen)
        .values(calendar_version=seen + 1)
        .returning(Site.id)
        .execution_options(synchronize_session=False)
    )
    return claimed.first() is not None


def _announce(work: UnitOfWork, booking: Booking, type_: str) -> None:
    work.emit(
        type_,
        subject=f"booking/{booking.id}",
        resource=booking_resource(booking),
        site_id=booking.pickup_site_id,
    )
    work.request_plan(booking.pickup_site_id, type_)


async def find(session: ReadSession, booking_id: str, *, tenant: str) -> Booking:
    """Returns a booking.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    row = await session.get(Booking, booking_id)
    if row is None or row.tenant_id != tenant:
        raise NotFound(f"there is no booking {booking_id}")
    return row


def _move(work: UnitOfWork, booking: Booking, status: BookingStatus) -> None:
    booking.status = step(booking.status, status)
    booking.version += 1
    booking.updated_at = work.now


async def start(work: UnitOfWork, desk: Desk, booking: Booking, seen: Observed) -> Booking:
    """Hands the car over: the trip has begun.

    The promised car goes, or, if it is not there, another one that can serve the trip without
    breaking a promise.

    Raises:
        Conflict: `wrong-status`, or `no-vehicle` if no car is there that could go.
    """
    step(booking.status, "active")
    vehicle = await _car_for(work, desk, booking)
    _move(work, booking, "active")
    booking.started_at = work.now
    booking.vehicle_id = vehicle.id
    _observe(work, vehicle, seen)
    vehicle.at_site_id = None
    vehicle.plugged_evse = None
    _announce(work, booking, "booking.started")
    await _announce_vehicle(work, vehicle, booking.pickup_site_id)
    return booking


async def _car_for(work: UnitOfWork, desk: Desk, booking: Booking) -> Vehicle:
    vehicle = await work.session.get(Vehicle, booking.vehicle_id) if booking.vehicle_id else None
    if vehicle is not None and await _stands_at(work, vehicle, booking.pickup_site_id):
        return vehicle
    desk.forget(work.tenant)
    view = await desk.view(work.session, tenant=work.tenant, now=work.now)
    wish = Wish(
        start=work.now,
        end=max(booking.end, work.now + timedelta(minutes=15)),
        pickup_site=booking.pickup_site_id,
        dropoff_site=booking.dropoff_site_id,
        distance_km=booking.distance_km,
        vehicle_class=booking.vehicle_class,
    )
    for offer in view.calendar.without(booking.id).answer(wish).offers:
        other = await work.session.get(Vehicle, offer.vehicle_id)
        if other is not None and await _stands_at(work, other, booking.pickup_site_id):
            return other
    raise Refused("no car is there that could go on this trip", code="no-vehicle")


async def _stands_at(work: UnitOfWork, vehicle: Vehicle, site_id: str) -> bool:
    on_the_road = await work.session.scalar(
        sa.select(sa.func.count())
        .select_from(Booking)
        .where(Booking.vehicle_id == vehicle.id, Booking.status.in_(ON_THE_ROAD))
    )
    return not on_the_road and (vehicle.at_site_id or vehicle.site_id) == site_id


def _observe(work: UnitOfWork, vehicle: Vehicle, seen: Observed) -> None:
    if seen.soc_pct is not None:
        vehicle.soc_pct = seen.soc_pct
        vehicle.source = "manual"
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
    vehicle = await work.session.get(Vehicle, booking.vehicle_id)
    if vehicle is None:
        raise Conflict("the car of this booking is gone")
    if seen.soc_pct is None:
        seen = replace(seen, soc_pct=await _estimated_soc_pct(work, vehicle, booking))
    _move(work, booking, "returned")
    booking.returned_at = work.now
    _observe(work, vehicle, seen)
    vehicle.at_site_id = booking.dropoff_site_id
    vehicle.returned_at = work.now
    taken = await plugged_evses(work.session, tenant=work.tenant)
    vehicle.plugged_evse = seen.plugged_evse
    assigned = seen.plugged_evse or free_evse(evses, taken, planned_evse)
    _announce(work, booking, "booking.returned")
    work.request_plan(booking.dropoff_site_id, "booking.returned")
    await _announce_vehicle(work, vehicle, booking.dropoff_site_id)
    return booking, assigned


async def _estimated_soc_pct(work: UnitOfWork, vehicle: Vehicle, booking: Booking) -> float | None:
    if vehicle.soc_pct is None:
        return None
    model = await work.session.get(VehicleModel, vehicle.model_id)
    assert model is not None
    used_wh = booking.distance_km * model.consumption_wh_per_km
    return max(0.0, vehicle.soc_pct - 100 * used_wh / model.battery_capacity_wh)


async def extend(work: UnitOfWork, desk: Desk, booking: Booking, end: datetime) -> Booking:
    """Moves the end of a booking.

    Raises:
        BadInput: if the new end does not lie after the start and the present.
        Refused: `no-vehicle`, if the car is promised to somebody else by then.
    """
    if end <= max(booking.start, work.now):
        raise BadInput("an end lies ahead", [FieldError("/end", "must lie after start and now")])
    if booking.status not in ("confirmed", "at_risk", *ON_THE_ROAD):
        raise Conflict(f"a booking that is {booking.status} has ended", code="wrong-status")
    if end > booking.end and booking.vehicle_id is not None:
        await _check_extension(work, desk, booking, end)
    booking.end = end
    if booking.status == "late":
        booking.status = step("late", "active")
    booking.version += 1
    booking.updated_at = work.now
    _announce(work, booking, f"booking.{'started' if booking.status == 'active' else 'confirmed'}")
    return booking


async def _check_extension(work: UnitOfWork, desk: Desk, booking: Booking, end: datetime) -> None:
    assert booking.vehicle_id is not None
    view = await desk.view(work.session, tenant=work.tenant, now=work.now)
    vehicle = await work.session.get(Vehicle, booking.vehicle_id)
    model = None if vehicle is None else await work.session.get(VehicleModel, vehicle.model_id)
    if vehicle is None or model is None:
        return
    before = {promise.booking_id for promise in view.calendar.broken()}
    if booking.status in ON_THE_ROAD:
        state = replace(car_state(vehicle, model, booking, work.now), free_from=end)
        after = view.calendar.with_car(state)
    else:
        chain = next(
            promise
            for chain in view.calendar.chains
            for promise in chain
            if promise.booking_id == booking.id
        )
        after = view.calendar.without(booking.id).with_promise(replace(chain, end=end))
    broken = [p for p in after.broken() if p.booking_id not in before]
    buffer = view.calendar.rules.buffer
    late = [
        promise
        for chain in after.chains
        for promise in chain
        if promise.vehicle_id == booking.vehicle_id
        and promise.booking_id != booking.id
        and booking.start < promise.start < end + buffer
    ]
    if broken or late:
        first = min((p.start for p in (*broken, *late)), default=end)
        raise Refused(
            f"the car is promised to somebody else from {format_rfc3339(first)}",
            code="no-vehicle",
        )


async def cancel(work: UnitOfWork, booking: Booking) -> Booking:
    """Gives up a booking that has not begun.

    Raises:
        Conflict: `wrong-status`.
    """
    _move(work, booking, "cancelled")
    booking.cancelled_at = work.now
    await work.session.execute(
        sa.update(Site)
        .where(Site.id == booking.pickup_site_id)
        .values(calendar_version=Site.calendar_version + 1)
        .execution_options(synchronize_session=False)
    )
    _announce(work, booking, "booking.cancelled")
    return booking
