"""Use cases of promises: ask, book, extend, cancel. They never commit.

All who change bookings take turns (`find_for_change`, `book`), so that what was read of cars and
promises is still true when it is written. What happens at the car is in `csms.booking.handover`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from csms.booking.desk import Desk
from csms.booking.queries import booking_resource, read_surplus, solar_share_held
from csms.booking.rules import (
    LONGEST,
    ON_THE_ROAD,
    OPEN,
    check_times,
    expected_solar_share,
    pause_before,
    step,
    stops_extension,
    told_chance,
)
from csms.booking.sunshine import Sunshine, hungry_cars, look_for_sunshine, money
from csms.booking.told import (
    in_words,
    promise_reasons,
    refusal_reasons,
    told_answer,
    told_extension,
)
from csms.ledger.work import ReadSession, UnitOfWork
from models.errors import BadInput, Conflict, FieldError, NotFound, Refused
from models.states import BookingStatus
from models.tables.booking import Booking
from models.tables.energy import Site
from models.tables.fleet import Driver
from models.timeline import format_rfc3339
from scheduler.admit import Answer, Calendar, Wish
from scheduler.explaining.words import Language

BOOKINGS = "bookings"
"""What those who change bookings take turns at."""


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


async def quote(
    session: ReadSession,
    desk: Desk,
    asked: Asked,
    *,
    tenant: str,
    now: datetime,
    language: Language = "en",
) -> dict[str, Any]:
    """Returns whether a booking would be accepted now, with offers or alternatives.

    Its reasons are told in `language` too.

    Raises:
        BadInput: for impossible times or unknown references.
    """
    check_times(asked.start, asked.end, now)
    asked_chance = await _check_references(session, asked, tenant=tenant)
    calendar = await desk.calendar(session, tenant=tenant, now=now)
    answer = calendar.answer(asked.wish(), now=now)
    reasons = refusal_reasons(answer)
    solar_share, sunshine = None, None
    if answer.bookable:
        solar_share = await _solar_share(session, calendar, answer, asked.wish(), now)
        sunshine = await look_for_sunshine(session, calendar, asked.wish(), answer, now)
        reasons = in_words(promise_reasons(answer, solar_share))
    return {
        "bookable": answer.bookable,
        "promise_probability": asked_chance,
        "probability": told_chance(answer.offers[0].probability_ready) if answer.offers else None,
        "bound_by": answer.offers[0].bound_by if answer.offers else None,
        "offers": [
            {
                "vehicle_id": offer.vehicle_id,
                "vehicle_class": offer.vehicle_class,
                "expected_soc_pct": round(offer.expected_soc_pct, 1),
                "probability_ready": told_chance(offer.probability_ready),
                "bound_by": offer.bound_by,
                "slack_wh": round(offer.slack_wh, 1),
                "slack_minutes": offer.slack_minutes,
            }
            for offer in answer.offers
        ],
        "solar_share": solar_share,
        "reasons": reasons,
        "explanation": told_answer(answer, asked.wish(), calendar.rules, solar_share, language),
        "alternatives": _alternatives(asked, answer),
        "energy_cost": sunshine and sunshine.energy_cost(),
        "currency": sunshine and sunshine.currency,
        "sunshine_offers": _sunshine_offers(asked, sunshine),
    }


async def book(
    work: UnitOfWork,
    desk: Desk,
    asked: Asked,
    *,
    booking_id: str | None = None,
    external_id: str | None = None,
    custom: Mapping[str, Any] | None = None,
    language: Language = "en",
) -> Booking:
    """Returns a new confirmed booking on the best car; a refusal is told in `language` too.

    Raises:
        BadInput: for impossible times or unknown references.
        Conflict: `already-exists`, if `booking_id` is taken.
        Refused: `no-vehicle`, with reasons and alternatives that would be accepted.
    """
    check_times(asked.start, asked.end, work.now)
    await work.take_turn(BOOKINGS)
    asked_chance = await _check_references(work.session, asked, tenant=work.tenant)
    if booking_id is not None and await work.session.get(Booking, booking_id) is not None:
        raise Conflict(f"there is a booking {booking_id} already", code="already-exists")
    calendar = await desk.calendar(work.session, tenant=work.tenant, now=work.now)
    answer = calendar.answer(asked.wish(), now=work.now)
    if not answer.bookable:
        raise Refused(
            f"no car can be promised for this trip with a probability of {asked_chance:g}",
            code="no-vehicle",
            reasons=refusal_reasons(answer),
            explanation=told_answer(answer, asked.wish(), calendar.rules, None, language),
            language=language,
            alternatives=_alternatives(asked, answer),
        )
    offer = answer.offers[0]
    solar_share = await _solar_share(work.session, calendar, answer, asked.wish(), work.now)
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
        probability_ready=told_chance(offer.probability_ready),
        probability=told_chance(offer.probability_ready),
        bound_by=offer.bound_by,
        solar_share=solar_share,
        reasons=promise_reasons(answer, solar_share),
    )
    work.session.add(booking)
    await work.session.flush()  # the defaults of the row belong to the event
    announce(work, booking, "booking.confirmed")
    return booking


async def _check_references(session: ReadSession, asked: Asked, *, tenant: str) -> float:
    """Lets a wish pass that refers to what is there; returns what its site promises with."""
    errors: list[FieldError] = []
    for field, table, key in (
        ("driver_id", Driver, asked.driver_id),
        ("pickup_site_id", Site, asked.pickup_site_id),
        ("dropoff_site_id", Site, asked.dropoff_site_id),
    ):
        row = await session.get(table, key)
        if row is None or row.tenant_id != tenant:
            kind = "driver" if table is Driver else "site"
            errors.append(FieldError(f"/{field}", f"there is no {kind} {key}"))
    if errors:
        raise BadInput("; ".join(f"{each.field}: {each.detail}" for each in errors), errors)
    pickup = await session.get_one(Site, asked.pickup_site_id)
    return pickup.promise_probability


async def _solar_share(
    session: ReadSession, calendar: Calendar, answer: Answer, wish: Wish, now: datetime
) -> float | None:
    """The share of sun in what the car will charge for the trip, else in what it has charged."""
    vehicle_id = answer.offers[0].vehicle_id
    surplus = await read_surplus(session, wish.pickup_site, now)
    if surplus is not None:
        share = expected_solar_share(
            answer,
            calendar.car(vehicle_id),
            wish,
            surplus,
            energy_factor=calendar.rules.margin(wish.pickup_site).energy_factor,
            shares=hungry_cars(calendar, wish.pickup_site),
        )
        if share is not None:
            return share
    return await solar_share_held(session, vehicle_id, now)


def _alternatives(asked: Asked, answer: Answer) -> list[dict[str, Any]]:
    return [_asked_instead(asked, wish) for wish in answer.alternatives]


def _asked_instead(asked: Asked, wish: Wish) -> dict[str, Any]:
    return replace(
        asked,
        start=wish.start,
        end=wish.end,
        pickup_site_id=wish.pickup_site,
        dropoff_site_id=wish.dropoff_site,
        distance_km=wish.distance_km,
        vehicle_class=wish.vehicle_class,
    ).document()


def _sunshine_offers(asked: Asked, sunshine: Sunshine | None) -> list[dict[str, Any]]:
    return [
        {
            "booking": _asked_instead(asked, offer.wish),
            "energy_cost": money(offer.energy.cost),
            "saves": money(offer.saves),
            "solar_wh": round(offer.energy.solar_wh, 1),
            "energy_wh": round(offer.energy.energy_wh, 1),
        }
        for offer in (sunshine.offers if sunshine else ())
    ]


def announce(work: UnitOfWork, booking: Booking, type_: str) -> None:
    """Says what became true of a booking, and asks for a plan of the sites that it touches."""
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


async def find_for_change(work: UnitOfWork, booking_id: str) -> Booking:
    """Returns a booking that nobody else changes until the end of the unit of work.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    await work.take_turn(BOOKINGS)
    return await find(work.session, booking_id, tenant=work.tenant)


def touch(work: UnitOfWork, booking: Booking) -> None:
    """Notes that a booking was changed now."""
    booking.version += 1
    booking.updated_at = work.now


def move(work: UnitOfWork, booking: Booking, status: BookingStatus) -> None:
    """Moves a booking to its next status.

    Raises:
        Conflict: `wrong-status`.
    """
    booking.status = step(booking.status, status)
    touch(work, booking)


async def extend(
    work: UnitOfWork, desk: Desk, booking: Booking, end: datetime, language: Language = "en"
) -> Booking:
    """Moves the end of a booking; a refusal is told in `language` too.

    Raises:
        BadInput: if the new end does not lie after the start and the present.
        Conflict: `wrong-status`, if it has ended.
        Refused: `no-vehicle`, if the car is promised to somebody else by then; its alternative is
            the latest end that would be accepted.
    """
    if booking.status not in OPEN + ON_THE_ROAD:
        raise Conflict(f"a booking that is {booking.status} has ended", code="wrong-status")
    if end <= max(booking.start, work.now):
        raise BadInput("an end lies ahead", [FieldError("/end", "must lie after start and now")])
    if end - booking.start > LONGEST:
        detail = f"is more than {LONGEST.days} days after start"
        raise BadInput(f"/end {detail}", [FieldError("/end", detail)])
    if end > booking.end and booking.vehicle_id is not None:
        calendar = await desk.calendar(work.session, tenant=work.tenant, now=work.now)
        _check_extension(calendar, booking, end, language)
    booking.end = end
    if booking.status == "late":
        booking.status = step("late", "active")
    touch(work, booking)
    announce(work, booking, "booking.extended")
    work.request_plan(booking.dropoff_site_id, "booking.extended")
    return booking


def _check_extension(
    calendar: Calendar, booking: Booking, end: datetime, language: Language
) -> None:
    assert booking.vehicle_id is not None
    stopped = stops_extension(calendar, booking.vehicle_id, booking.id, booking.start, end)
    if stopped is None:
        return
    latest = stopped.start - pause_before(stopped, calendar)
    possible = (
        latest > booking.end
        and stops_extension(calendar, booking.vehicle_id, booking.id, booking.start, latest) is None
    )
    raise Refused(
        "the car is promised to somebody else",
        code="no-vehicle",
        reasons=[f"PROMISED: the car's next trip begins at {format_rfc3339(stopped.start)}"],
        explanation=told_extension(stopped, language),
        language=language,
        alternatives=[{"end": format_rfc3339(latest)}] if possible else [],
    )


async def cancel(work: UnitOfWork, booking: Booking) -> Booking:
    """Gives up a booking that has not begun.

    Raises:
        Conflict: `wrong-status`.
    """
    move(work, booking, "cancelled")
    booking.cancelled_at = work.now
    announce(work, booking, "booking.cancelled")
    return booking


async def forget(work: UnitOfWork, booking: Booking) -> None:
    """Removes a booking that is over.

    Raises:
        Conflict: `wrong-status`.
    """
    if booking.status in OPEN + ON_THE_ROAD:
        raise Conflict(f"the booking is {booking.status}, not over", code="wrong-status")
    await work.session.delete(booking)
    work.emit(
        "booking.deleted",
        subject=f"booking/{booking.id}",
        resource=booking_resource(booking),
        site_id=booking.pickup_site_id,
    )
