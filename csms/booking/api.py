"""REST of bookings: quotes, bookings and their life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response, StreamingResponse

from csms.booking.actions import (
    Asked,
    announce,
    book,
    cancel,
    extend,
    find,
    find_for_change,
    forget,
    quote,
    touch,
)
from csms.booking.desk import Desk
from csms.booking.handover import Observed, give_back, start
from csms.booking.queries import booking_fields, booking_resource
from csms.ledger.work import ReadSession
from csms.web.documents import (
    Custom,
    Document,
    Id,
    Instant,
    KeptDocument,
    KeptShown,
    Name,
    Percent,
    Shown,
    Text,
    merge_patch,
    read_document,
)
from csms.web.etag import check_if_match
from csms.web.identity import Caller, CallerNow
from csms.web.language import CallersLanguage, LanguageQuery, ReadersLanguage, language_of
from csms.web.paging import LIMIT_MAX, Filter, KeptQuery, filtered, kept_page
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.services import Services, services_of
from csms.web.shown import Page, ReasonShown
from csms.web.spreadsheet import csv_lines
from csms.web.work import Once, Reading, Work
from models.states import BookingStatus
from models.tables.booking import Booking
from models.tables.planning import Plan
from scheduler.explaining.words import Language

router = api_router("bookings")

DistanceKm = Annotated[float, Field(gt=0, le=2000)]


class Trip(Document):
    """A trip that somebody asks for."""

    driver_id: Id
    pickup_site_id: Id
    dropoff_site_id: Id | None = None
    """The pickup site when missing."""
    start: Instant
    end: Instant
    distance_km: DistanceKm
    vehicle_class: Name | None = None
    """Any class when missing."""

    def asked(self) -> Asked:
        """Returns it with its defaults filled in."""
        return Asked(
            driver_id=self.driver_id,
            pickup_site_id=self.pickup_site_id,
            dropoff_site_id=self.dropoff_site_id or self.pickup_site_id,
            start=self.start,
            end=self.end,
            distance_km=self.distance_km,
            vehicle_class=self.vehicle_class,
        )


class NewBooking(KeptDocument, Trip):
    """A booking as it is asked for."""


class BookingChange(Document):
    """What can be changed of a booking by hand; its life has its own endpoints."""

    external_id: Text | None = None
    custom: Custom | None = None


class CarSeen(Document):
    """What the driver or the key box sees of the car."""

    soc_pct: Percent | None = None
    odometer_km: Annotated[float, Field(ge=0, le=1e7)] | None = None
    plugged_evse: Annotated[str, Field(max_length=100)] | None = None
    """`IDENTITY/EVSE`; null: not plugged in; left out: as a station has reported, if one has."""

    def observed(self) -> Observed:
        """Returns it for the use cases."""
        return Observed(
            soc_pct=self.soc_pct,
            odometer_km=self.odometer_km,
            plugged_evse=self.plugged_evse,
            plug_said="plugged_evse" in self.model_fields_set,
        )


class Extension(Document):
    """A new end."""

    end: Instant


class BookingShown(KeptShown):
    """A booking."""

    driver_id: str
    pickup_site_id: str
    dropoff_site_id: str
    start: AwareDatetime
    end: AwareDatetime
    distance_km: float
    vehicle_class: str | None
    status: BookingStatus
    vehicle_id: str | None
    expected_soc_pct: float | None
    probability_ready: float | None
    """How surely the car is ready, as things stand now."""
    probability: float | None
    """How surely the promise was to be kept when it was given; null: given by an older version."""
    bound_by: Literal["energy", "return"] | None
    """What stands against `probability_ready` most: too little energy, or a late return before."""
    solar_share: float | None
    """Expected share of sun in what the car charges for the trip; null: it charges nothing."""
    reasons: list[str]
    """In English words, each with a code before."""
    explanation: list[ReasonShown]
    """The reasons in the caller's language, with their numbers."""
    started_at: AwareDatetime | None
    returned_at: AwareDatetime | None
    cancelled_at: AwareDatetime | None
    used_wh: float | None
    """What the trip took from the battery; null: it was not told at both ends."""
    assigned_evse: str | None = None
    """Only in the answer to a return: where the car should plug in."""


class OfferShown(Shown):
    """A car that could serve the trip."""

    vehicle_id: str
    vehicle_class: str
    expected_soc_pct: float
    probability_ready: float
    bound_by: Literal["energy", "return"] | None
    slack_wh: float
    slack_minutes: float | None


class SunshineOfferShown(Shown):
    """The same trip at another time, at which its energy costs less."""

    booking: dict[str, Any]
    """A whole request, that would be accepted if asked at once."""
    energy_cost: str
    saves: str
    """How much less than at the wished time."""
    solar_wh: float
    """Of `energy_wh`, which the trip takes from chargers."""
    energy_wh: float


class QuoteShown(Shown):
    """What a booking would be answered now; nothing is reserved."""

    bookable: bool
    promise_probability: float
    """How surely a booking from this site must be kept to be accepted."""
    probability: float | None
    """How surely this one would be; null where it is refused."""
    bound_by: Literal["energy", "return"] | None
    """What stands against it most: too little energy, or a late return before."""
    offers: list[OfferShown]
    """The first is the car that would be booked."""
    solar_share: float | None
    reasons: list[str]
    explanation: list[ReasonShown]
    """The reasons in the caller's language, with their numbers."""
    alternatives: list[dict[str, Any]]
    energy_cost: str | None
    """Expected, in `currency`: of what the trip takes, charged before it or after it; null: it
    can't be booked, or nobody forecasts the sun of the site."""
    currency: str | None
    sunshine_offers: list[SunshineOfferShown]
    """The best time before the wished one and after it, at most 4 hours away, that saves a tenth
    or more."""


class BookingFilter(Filter):
    """Which bookings are wanted."""

    status: list[BookingStatus] = Field(default_factory=list[BookingStatus], max_length=10)
    """Several: with any of them."""
    driver_id: str | None = None
    vehicle_id: str | None = None
    pickup_site_id: str | None = None
    dropoff_site_id: str | None = None
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None


class BookingQuery(KeptQuery, BookingFilter, LanguageQuery):
    """Filters of the list of bookings, and the language of their reasons."""


_COLUMNS = [
    name for name in BookingShown.model_fields if name not in {"assigned_evse", "explanation"}
]


def desk_of(request: Request) -> Desk:
    """Returns the booking desk of the house."""
    desk = services_of(request).desk
    assert isinstance(desk, Desk)
    return desk


@router.post(
    "/booking-quotes", response_model=QuoteShown, dependencies=[may("book")], tags=["bookings"]
)
async def quote_booking(
    request: Request,
    _: Once,
    session: Reading,
    caller: CallerNow,
    body: NewBooking,
    language: CallersLanguage,
) -> Response:
    """Say whether a booking would be accepted now; reserves nothing."""
    now = services_of(request).clock.now()
    answer = await quote(
        session,
        desk_of(request),
        body.asked(),
        tenant=caller.tenant,
        now=now,
        language=language,
    )
    return reply(answer, language=language)


@router.post("/bookings", status_code=201, response_model=BookingShown, dependencies=[may("book")])
async def create_booking(
    request: Request, work: Work, body: NewBooking, language: CallersLanguage
) -> Response:
    """Book a car; 409 `no-vehicle` brings alternatives that would be accepted."""
    row = await book(
        work,
        desk_of(request),
        body.asked(),
        booking_id=body.id,
        external_id=body.external_id,
        custom=body.custom,
        language=language,
    )
    return reply(
        booking_resource(row, language),
        status=201,
        version=row.version,
        location=f"{BASE}/bookings/{row.id}",
        language=language,
    )


@router.get("/bookings", response_model=Page[BookingShown], dependencies=[may("read")])
async def list_bookings(
    request: Request, session: Reading, caller: CallerNow, query: Annotated[BookingQuery, Query()]
) -> Response:
    """List bookings; `from` and `to` select those that overlap that time."""
    rows, next_cursor = await _listed(session, caller, query)
    language = language_of(request, query.language)
    return reply_page(
        [booking_resource(row, language) for row in rows], next_cursor, language=language
    )


@router.get(
    "/bookings.csv",
    dependencies=[may("read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}},
)
async def export_bookings(
    request: Request, caller: CallerNow, query: Annotated[BookingFilter, Query()]
) -> Response:
    """Download bookings as a table, all that the filters of the list select, by their start."""
    pages = _pages(services_of(request), caller, query)
    return StreamingResponse(
        csv_lines(_COLUMNS, pages),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="bookings.csv"'},
    )


async def _pages(
    services: Services, caller: Caller, query: BookingFilter
) -> AsyncIterator[list[dict[str, Any]]]:
    page = BookingQuery.model_construct(**query.model_dump(), limit=LIMIT_MAX, sort="start")
    cursor: str | None = None
    while True:
        page = page.model_copy(update={"cursor": cursor})
        async with services.db.read() as session:
            rows, cursor = await _listed(session, caller, page)
        yield [booking_fields(row) for row in rows]
        if cursor is None:
            return


async def _listed(
    session: ReadSession, caller: Caller, query: BookingQuery
) -> tuple[list[Booking], str | None]:
    statement = sa.select(Booking).where(Booking.tenant_id == caller.tenant)
    statement = filtered(
        statement,
        query,
        Booking.status,
        Booking.driver_id,
        Booking.vehicle_id,
        Booking.pickup_site_id,
        Booking.dropoff_site_id,
    )
    if query.from_ is not None:
        statement = statement.where(Booking.end > query.from_)
    if query.to is not None:
        statement = statement.where(Booking.start < query.to)
    return await kept_page(session, statement, query, Booking, Booking.start, Booking.end)


@router.get("/bookings/{booking_id}", response_model=BookingShown, dependencies=[may("read")])
async def show_booking(
    session: Reading, caller: CallerNow, booking_id: str, language: ReadersLanguage
) -> Response:
    """Show one booking."""
    row = await find(session, booking_id, tenant=caller.tenant)
    return _reply(row, language)


@router.patch("/bookings/{booking_id}", response_model=BookingShown, dependencies=[may("book")])
async def change_booking(
    request: Request, work: Work, booking_id: str, body: BookingChange, language: CallersLanguage
) -> Response:
    """Change what is attached to a booking; times change by `extend`, or cancel and book anew."""
    row = await find_for_change(work, booking_id)
    check_if_match(request, row.version)
    attached = {"external_id": row.external_id, "custom": row.custom}
    changed = merge_patch(attached, body.model_dump(exclude_unset=True))
    document = read_document(BookingChange, changed)
    row.external_id = document.external_id
    row.custom = document.custom or {}
    touch(work, row)
    announce(work, row, "booking.updated")
    return _reply(row, language)


@router.delete("/bookings/{booking_id}", status_code=204, dependencies=[may("book")])
async def delete_booking(request: Request, work: Work, booking_id: str) -> Response:
    """Forget a booking that has ended."""
    row = await find_for_change(work, booking_id)
    check_if_match(request, row.version)
    await forget(work, row)
    return no_content()


@router.post(
    "/bookings/{booking_id}/start", response_model=BookingShown, dependencies=[may("book")]
)
async def start_booking(
    request: Request,
    work: Work,
    booking_id: str,
    language: CallersLanguage,
    body: CarSeen | None = None,
) -> Response:
    """Hand the car over: the trip has begun. The answer names the car that goes."""
    row = await find_for_change(work, booking_id)
    check_if_match(request, row.version)
    seen = (body or CarSeen()).observed()
    if seen.plugged_evse is not None:
        raise bad_field("/plugged_evse", "a car that leaves is not plugged in")
    await start(work, desk_of(request), row, seen)
    return _reply(row, language)


@router.post(
    "/bookings/{booking_id}/return", response_model=BookingShown, dependencies=[may("book")]
)
async def return_booking(
    request: Request,
    work: Work,
    booking_id: str,
    language: CallersLanguage,
    body: CarSeen | None = None,
) -> Response:
    """Take the car back. `assigned_evse` in the answer says where it should plug in."""
    row = await find_for_change(work, booking_id)
    check_if_match(request, row.version)
    planned = await _planned_evse(work, row)
    row, assigned = await give_back(work, row, (body or CarSeen()).observed(), planned_evse=planned)
    return _reply(row, language, {"assigned_evse": assigned})


@router.post(
    "/bookings/{booking_id}/extend", response_model=BookingShown, dependencies=[may("book")]
)
async def extend_booking(
    request: Request, work: Work, booking_id: str, body: Extension, language: CallersLanguage
) -> Response:
    """Move the end of a booking, if the car is free that long."""
    row = await find_for_change(work, booking_id)
    check_if_match(request, row.version)
    await extend(work, desk_of(request), row, body.end, language)
    return _reply(row, language)


@router.post(
    "/bookings/{booking_id}/cancel", response_model=BookingShown, dependencies=[may("book")]
)
async def cancel_booking(
    request: Request, work: Work, booking_id: str, language: CallersLanguage
) -> Response:
    """Give up a booking that has not begun."""
    row = await find_for_change(work, booking_id)
    check_if_match(request, row.version)
    await cancel(work, row)
    return _reply(row, language)


def _reply(row: Booking, language: Language, more: Mapping[str, Any] | None = None) -> Response:
    shown = {**booking_resource(row, language), **(more or {})}
    return reply(shown, version=row.version, language=language)


class _Stay(msgspec.Struct):
    vehicle: str
    site: str
    evse: str | None


class _Stays(msgspec.Struct):
    stays: list[_Stay]


async def _planned_evse(work: Work, row: Booking) -> str | None:
    """Where the newest plan lets the car plug in after this trip."""
    document = await work.session.scalar(
        sa.select(Plan.document)
        .where(Plan.tenant_id == work.tenant)
        .order_by(Plan.created_at.desc())
        .limit(1)
    )
    if document is None:
        return None
    for stay in msgspec.json.decode(document, type=_Stays).stays:
        if stay.vehicle == row.vehicle_id and stay.site == row.dropoff_site_id and stay.evse:
            return stay.evse
    return None
