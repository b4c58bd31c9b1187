"""REST: `/stations/{identity}/display-messages`, what a station shows on its screen (OCPP 2.x).

`/sites/{site_id}/display-messages` has all stations of a site that can show the same.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Path, Query
from pydantic import AwareDatetime, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from csms.displays.actions import wish_message
from csms.displays.queries import message_resource
from csms.displays.rules import MessageState
from csms.inquiries.api import InquiryShown, inquire
from csms.ledger.work import ReadSession
from csms.stations.actions import COMMAND_TIMEOUT_S, outcome_of
from csms.stations.asking import ASKED, ON_2X, ask_found, find_asked
from csms.web.documents import Document, Id, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading, begin_work
from models.commands.displays import ClearMessage, ReadMessages
from models.errors import Conflict, NotFound
from models.facts.displays import DisplayMessage as Message
from models.tables.charging import Transaction
from models.tables.displays import DisplayMessage
from models.tables.energy import Site
from models.tables.stations import Station

router = api_router("displays", prefix="/stations")
sites_router = api_router("displays", prefix="/sites")
Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
CONTENT_MAX_201 = 512
"""Characters that a 2.0.1 station takes; 2.1 takes 1024."""
_STATES_201 = frozenset({"Charging", "Faulted", "Idle", "Unavailable"})


class NewDisplayMessage(Document):
    """A message for whoever stands before the station."""

    content: Annotated[str, Field(min_length=1, max_length=1024)]
    """At most 512 characters on 2.0.1. It goes to the station as it is."""
    format: Literal["ASCII", "HTML", "URI", "UTF8", "QRCODE"] = "UTF8"
    """QRCODE: 2.1 only."""
    language: Annotated[str, Field(min_length=2, max_length=8)] | None = None
    """RFC 5646, such as `de`."""
    priority: Literal["AlwaysFront", "InFront", "NormalCycle"] = "NormalCycle"
    """In turn with others, before those in turn, or alone."""
    state: (
        Literal["Charging", "Faulted", "Idle", "Unavailable", "Suspended", "Discharging"] | None
    ) = None
    """Shown in this state of the station only; null: in all. The last two: 2.1 only."""
    start_at: Instant | None = None
    end_at: Instant | None = None
    transaction_id: Id | None = None
    """Shown until this transaction ends."""

    @model_validator(mode="after")
    def _in_order(self) -> NewDisplayMessage:
        if self.start_at and self.end_at and self.start_at >= self.end_at:
            raise ValueError("a message ends after it starts")
        return self


class TextShown(Shown):
    """A message, as it is wanted or as the station tells it."""

    content: str
    format: str
    language: str | None
    priority: str
    state: str | None
    start_at: AwareDatetime | None
    end_at: AwareDatetime | None
    ocpp_transaction_id: str | None


class DisplayMessageShown(Shown):
    """A message: what we want a station to show, and what it says it shows."""

    id: int
    station: str
    state: MessageState
    """`asked`: the station has said nothing yet; `refused`: it will not; `shown`: it shows what we
    want; `differs`: it shows something else; `foreign`: it shows what we never asked for; `gone`:
    it shows it no more."""
    why: str | None
    """Why the station will not, in its own words."""
    wish: TextShown | None
    wished_at: AwareDatetime | None
    told: TextShown | None
    """What it showed when it last told."""
    told_at: AwareDatetime | None
    updated_at: AwareDatetime


class Skipped(Shown):
    """A station that was not asked, and why."""

    station: str
    why: str


class SiteMessagesShown(Shown):
    """What became of one message at the stations of a site."""

    items: list[DisplayMessageShown]
    skipped: list[Skipped]


@sites_router.put(
    "/{site_id}/display-messages/{message_id}",
    response_model=SiteMessagesShown,
    dependencies=[may("operate")],
)
async def put_at_site(
    request: Request, caller: CallerNow, site_id: str, message_id: Number, body: NewDisplayMessage
) -> Response:
    """Have all stations of a site show a message that are connected and can, and wait for them."""
    if body.transaction_id is not None:
        raise bad_field("/transaction_id", "a transaction is of one station")
    services = services_of(request)
    async with services.db.read() as session:
        await find_row(session, Site, site_id, caller.tenant)
        mine = (Station.site_id == site_id, Station.tenant_id == caller.tenant)
        query = sa.select(Station).where(*mine, Station.approval == "accepted")
        stations = list(await session.scalars(query.order_by(Station.identity)))
    online = services.gateway.online
    reasons = {
        each.identity: _why_not(each, body, online=online(each.identity)) for each in stations
    }
    chosen = [identity for identity, why in reasons.items() if why is None]
    message = Message(message_id=message_id, **body.model_dump(exclude={"transaction_id"}))
    async with begin_work(request) as work:
        orders = [await wish_message(work, identity, message) for identity in chosen]
    # Who does not answer in time stays `asked`.
    await asyncio.gather(*(services.courier.settled(each, COMMAND_TIMEOUT_S) for each in orders))
    async with services.db.read() as session:
        rows = await session.scalars(
            sa.select(DisplayMessage)
            .where(DisplayMessage.station.in_(chosen), DisplayMessage.message_id == message_id)
            .order_by(DisplayMessage.station)
        )
        items = [message_resource(row) for row in rows]
    skipped = [{"station": name, "why": why} for name, why in reasons.items() if why is not None]
    return reply({"items": items, "skipped": skipped})


@router.put(
    "/{identity}/display-messages/{message_id}",
    response_model=DisplayMessageShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_message(
    request: Request, identity: str, message_id: Number, body: NewDisplayMessage
) -> Response:
    """Have a station show a message, in the place of the one with this number, and wait for it."""
    services = services_of(request)
    station = await find_asked(request, identity, ON_2X)
    if station.ocpp_version == "ocpp2.0.1" and (wrong := _beyond_201(body)) is not None:
        raise bad_field(*wrong)
    async with services.db.read() as session:
        transaction = await _ocpp_transaction(session, station, body.transaction_id)
    values = body.model_dump(exclude={"transaction_id"})
    message = Message(message_id=message_id, ocpp_transaction_id=transaction, **values)
    async with begin_work(request) as work:
        command_id = await wish_message(work, identity, message)
    outcome_of(await services.courier.settled(command_id, COMMAND_TIMEOUT_S))
    async with services.db.read() as session:
        row = await session.get_one(DisplayMessage, (identity, message_id))
        return reply(message_resource(row))


@router.get(
    "/{identity}/display-messages",
    response_model=Page[DisplayMessageShown],
    dependencies=[may("read")],
)
async def list_messages(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List what a station is to show, and what it has told that it shows."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(DisplayMessage).where(DisplayMessage.station == identity),
        query,
        sorts={"id": DisplayMessage.message_id, "updated_at": DisplayMessage.updated_at},
        key=(DisplayMessage.message_id,),
        updated=(DisplayMessage.updated_at,),
        default="id",
    )
    return reply_page([message_resource(row) for row in rows], cursor)


@router.get(
    "/{identity}/display-messages/{message_id}",
    response_model=DisplayMessageShown,
    dependencies=[may("read")],
)
async def get_message(
    session: Reading, caller: CallerNow, identity: str, message_id: Number
) -> Response:
    """Show one message of a station."""
    await find_row(session, Station, identity, caller.tenant)
    row = await session.get(DisplayMessage, (identity, message_id))
    return reply(message_resource(_there(row, identity, message_id)))


@router.delete(
    "/{identity}/display-messages/{message_id}",
    status_code=204,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def remove_message(request: Request, identity: str, message_id: Number) -> Response:
    """Have a station show a message no longer, and wait for its answer."""
    services = services_of(request)
    await find_asked(request, identity, ON_2X)
    async with services.db.read() as session:
        row = await session.get(DisplayMessage, (identity, message_id))
    _there(row, identity, message_id)
    await ask_found(request, identity, ClearMessage(message_id=message_id))
    async with services.db.read() as session:
        left = await session.get_one(DisplayMessage, (identity, message_id))
    if not left.gone:
        raise Conflict(f"the station keeps the message {message_id}", code="message-kept")
    return no_content()


@router.post(
    "/{identity}/display-messages/report",
    status_code=201,
    response_model=InquiryShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def report_messages(request: Request, _: Once, identity: str) -> Response:
    """Have a station tell all that it shows; the list follows its report, part by part."""
    asked: dict[str, Any] = {}
    return await inquire(
        request,
        identity,
        "displays",
        lambda number: ReadMessages(request_id=number),
        asked=asked,
        whole=True,
    )


def _there(row: DisplayMessage | None, identity: str, message_id: int) -> DisplayMessage:
    if row is None:
        raise NotFound(f"the station {identity} has told of no message {message_id}")
    return row


def _beyond_201(body: NewDisplayMessage) -> tuple[str, str] | None:
    """Returns the field that 2.0.1 can't say, and why."""
    if len(body.content) > CONTENT_MAX_201:
        return "/content", f"OCPP 2.0.1 takes at most {CONTENT_MAX_201} characters"
    if body.format == "QRCODE":
        return "/format", "OCPP 2.0.1 knows no QRCODE"
    if body.state is not None and body.state not in _STATES_201:
        return "/state", f"OCPP 2.0.1 knows no state {body.state}"
    return None


def _why_not(station: Station, body: NewDisplayMessage, *, online: bool) -> str | None:
    """Returns why a station can't be asked to show a message; None if it can."""
    if station.ocpp_version == "ocpp1.6":
        return "OCPP 1.6 has no way to ask for this"
    if not online:
        return "the station is not connected"
    wrong = _beyond_201(body) if station.ocpp_version == "ocpp2.0.1" else None
    return None if wrong is None else wrong[1]


async def _ocpp_transaction(
    session: ReadSession, station: Station, transaction_id: str | None
) -> str | None:
    if transaction_id is None:
        return None
    row = await session.get(Transaction, transaction_id)
    if row is None or row.station != station.identity or row.tenant_id != station.tenant_id:
        detail = f"{station.identity} has no transaction {transaction_id}"
        raise bad_field("/transaction_id", detail)
    return row.ocpp_transaction_id
