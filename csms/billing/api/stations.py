"""REST: the tariffs in 2.1 stations, and payments at them and on the web."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from csms.billing.actions import find_terms
from csms.billing.queries import (
    SettlementShown,
    StationTariffShown,
    VatCheckShown,
    settlement_resource,
    station_tariff_resource,
    vat_resource,
)
from csms.stations.api import StationAnswer
from csms.stations.asking import ASKED, ON_21, ask, ask_found, check_asked
from csms.web.documents import Document, Id, Instant
from csms.web.identity import MASK, CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Once, Reading, begin_work
from models.commands.costs import AnnounceWebPayment, ClearTariffs, ReadTariffs, SetDefaultTariff
from models.facts.payments import PaymentStatus
from models.tables.billing import Settlement, StationTariff, VatCheck
from models.tables.stations import Station

router = api_router("billing")

EvseNumber = Annotated[int, Field(ge=0, le=100_000)]


class NewDefaultTariff(Document):
    """A tariff that a station is to price transactions by."""

    tariff_id: Id | None = None
    """Null: the one that the station, or its site, has."""
    evse_id: EvseNumber = 0
    """0: at all of them."""


class ToClear(Document):
    """Tariffs that a station is to forget."""

    tariff_ids: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default_factory=list[str], max_length=100
    )
    """Empty: all of them."""
    evse_id: EvseNumber | None = None
    """Null: wherever they are."""


class NewWebPayment(Document):
    """Somebody is about to pay on the web."""

    evse_id: EvseNumber
    timeout_s: Annotated[int, Field(ge=1, le=86_400)] = 120
    """So long the station keeps its screen and the EVSE for them."""


class SettlementQuery(ListQuery):
    """Filters of the list of settlements; the newest comes first unless `sort` says otherwise."""

    station: str | None = None
    ocpp_transaction_id: str | None = None
    psp_ref: str | None = None
    status: PaymentStatus | None = None
    since: Instant | None = None
    until: Instant | None = None


@router.put(
    "/stations/{identity}/default-tariff",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_default_tariff(
    request: Request, caller: CallerNow, identity: str, body: NewDefaultTariff
) -> Response:
    """Have a 2.1 station price transactions by a tariff, and wait for its answer."""
    async with begin_work(request) as work:
        station = await find_row(work.session, Station, identity, caller.tenant)
        check_asked(request, station, ON_21)
        terms = await find_terms(work, station, body.tariff_id)
    return reply(
        await ask_found(request, identity, SetDefaultTariff(evse_id=body.evse_id, terms=terms))
    )


@router.get(
    "/stations/{identity}/tariffs",
    response_model=Page[StationTariffShown],
    dependencies=[may("read")],
)
async def list_station_tariffs(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List the tariffs that a station holds, or was to hold, as far as it has told."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(StationTariff).where(StationTariff.station == identity),
        query,
        sorts={"tariff_id": StationTariff.tariff_id, "changed_at": StationTariff.changed_at},
        key=(StationTariff.tariff_id, StationTariff.evse_id),
        updated=(StationTariff.changed_at,),
    )
    shown = [station_tariff_resource(row) for row in rows]
    if not caller.sees_people:
        shown = [each | {"id_tokens": [MASK for _ in each["id_tokens"]]} for each in shown]
    return reply_page(shown, cursor)


@router.post(
    "/stations/{identity}/tariffs/report",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def report_station_tariffs(request: Request, _: Once, identity: str) -> Response:
    """Have a station tell which tariffs it holds; the list follows its answer."""
    return reply(await ask(request, identity, ReadTariffs(), ON_21))


@router.post(
    "/stations/{identity}/tariffs/clear",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def clear_station_tariffs(
    request: Request, _: Once, identity: str, body: ToClear
) -> Response:
    """Have a station forget tariffs, and wait for its answer."""
    command = ClearTariffs(tariff_ids=tuple(body.tariff_ids), evse_id=body.evse_id)
    return reply(await ask(request, identity, command, ON_21))


@router.post(
    "/stations/{identity}/web-payments",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def post_web_payment(
    request: Request, _: Once, identity: str, body: NewWebPayment
) -> Response:
    """Tell a station that somebody is about to pay on the web for an EVSE."""
    command = AnnounceWebPayment(evse_id=body.evse_id, timeout_s=body.timeout_s)
    return reply(await ask(request, identity, command, ON_21))


@router.get("/settlements", response_model=Page[SettlementShown], dependencies=[may("read-people")])
async def list_settlements(
    session: Reading, caller: CallerNow, query: Annotated[SettlementQuery, Query()]
) -> Response:
    """List what payment terminals have made of payments."""
    statement = sa.select(Settlement).where(Settlement.tenant_id == caller.tenant)
    statement = filtered(
        statement,
        query,
        Settlement.station,
        Settlement.ocpp_transaction_id,
        Settlement.psp_ref,
        Settlement.status,
    )
    if query.since is not None:
        statement = statement.where(Settlement.received_at >= query.since)
    if query.until is not None:
        statement = statement.where(Settlement.received_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"received_at": Settlement.received_at, "settled_at": Settlement.settled_at},
        key=(Settlement.id,),
        updated=(Settlement.received_at,),
        default="-received_at",
    )
    return reply_page([settlement_resource(row) for row in rows], cursor)


@router.get(
    "/settlements/{settlement_id}",
    response_model=SettlementShown,
    dependencies=[may("read-people")],
)
async def get_settlement(session: Reading, caller: CallerNow, settlement_id: str) -> Response:
    """Show what a payment terminal has made of a payment."""
    return reply(
        settlement_resource(await find_row(session, Settlement, settlement_id, caller.tenant))
    )


@router.get(
    "/stations/{identity}/vat-checks",
    response_model=Page[VatCheckShown],
    dependencies=[may("read-people")],
)
async def list_vat_checks(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List the VAT numbers that a station has asked about."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(VatCheck).where(VatCheck.station == identity),
        query,
        sorts={"id": VatCheck.id},
        key=(VatCheck.id,),
        updated=(VatCheck.received_at,),
        default="-id",
    )
    return reply_page([vat_resource(row) for row in rows], cursor)
