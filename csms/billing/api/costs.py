"""REST: what transactions cost, and what their stations are told of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from csms.billing.actions import (
    change_transaction_tariff,
    check_currency,
    check_running,
    find_terms,
)
from csms.billing.queries import CostShown, cost_resource
from csms.stations.api import StationAnswer
from csms.stations.asking import ASKED, ON_2X, ON_21, ask_found, check_asked
from csms.web.documents import Document, Id, Money
from csms.web.identity import CallerNow
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.work import Once, Reading, begin_work
from models.commands.costs import ChangeTransactionTariff, TellCost
from models.errors import Conflict, NotFound
from models.tables.billing import Tariff, TransactionCost
from models.tables.charging import Transaction
from models.tables.stations import Station

router = api_router("billing", prefix="/transactions")


class CostUpdate(Document):
    """What a station is to show."""

    total_cost: Annotated[Money, Field(ge=0)] | None = None
    """Null: what the transaction costs by its tariff."""


class OtherTariff(Document):
    """By which tariff a transaction goes on."""

    tariff_id: Id


@router.get("/{transaction_id}/cost", response_model=CostShown, dependencies=[may("read")])
async def get_cost(session: Reading, caller: CallerNow, transaction_id: str) -> Response:
    """Show what a transaction costs, in parts."""
    await find_row(session, Transaction, transaction_id, caller.tenant)
    row = await session.get(TransactionCost, transaction_id)
    if row is None:
        raise NotFound("the transaction has no tariff, so it costs nothing here")
    return reply(cost_resource(row))


@router.post(
    "/{transaction_id}/cost-updates",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def post_cost_update(
    request: Request, _: Once, caller: CallerNow, transaction_id: str, body: CostUpdate
) -> Response:
    """Have a station show what a running transaction costs, and wait for its answer (2.x)."""
    async with services_of(request).db.read() as session:
        row, station = await _find(session, transaction_id, caller.tenant)
    check_running(row)
    amount = row.cost if body.total_cost is None else body.total_cost
    if amount is None:
        raise Conflict("the transaction has no tariff; say what it costs", code="no-tariff")
    check_asked(request, station, ON_2X)
    command = TellCost(ocpp_transaction_id=row.ocpp_transaction_id, total_cost=amount)
    return reply(await ask_found(request, station.identity, command))


@router.put(
    "/{transaction_id}/tariff",
    response_model=CostShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_transaction_tariff(
    request: Request, caller: CallerNow, transaction_id: str, body: OtherTariff
) -> Response:
    """Go on with a transaction by another tariff: at a 2.1 station once it has taken it."""
    services = services_of(request)
    async with begin_work(request) as work:
        row, station = await _find(work.session, transaction_id, caller.tenant)
        terms = await find_terms(work, station, body.tariff_id)
        check_running(row)
        check_currency(row, await work.session.get_one(Tariff, body.tariff_id))
        identity, speaks = station.identity, station.ocpp_version
        command = ChangeTransactionTariff(ocpp_transaction_id=row.ocpp_transaction_id, terms=terms)
    if speaks in ON_21 and services.gateway.online(identity):
        _check_taken(await ask_found(request, identity, command))
    async with begin_work(request) as work:
        row, station = await _find(work.session, transaction_id, caller.tenant)
        await change_transaction_tariff(work, row, station, body.tariff_id)
        await work.session.flush()
        shown = cost_resource(await work.session.get_one(TransactionCost, row.id))
    return reply(shown)


class _Response(msgspec.Struct):
    status: str = "nothing"


def _check_taken(answer: dict[str, Any]) -> None:
    told = msgspec.json.decode(msgspec.json.encode(answer["response"]), type=_Response)
    if told.status != "Accepted":
        raise Conflict(f"the station answers {told.status}", code="tariff-refused")


async def _find(
    session: AsyncSession, transaction_id: str, tenant: str
) -> tuple[Transaction, Station]:
    row = await find_row(session, Transaction, transaction_id, tenant)
    return row, await find_row(session, Station, row.station, tenant)
