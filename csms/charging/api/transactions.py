"""REST: `/transactions` and their meter values, as stations have told them. Read only."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from csms.charging.queries import (
    MeterValueShown,
    TransactionShown,
    reading_resource,
    transaction_resource,
)
from csms.web.documents import Instant
from csms.web.identity import CallerNow
from csms.web.paging import Column, ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Reading as ReadingSession
from models.tables.charging import Reading, Transaction
from models.tables.stations import Station

router = api_router("transactions", prefix="/transactions")


class TransactionQuery(ListQuery):
    """Filters of the list of transactions."""

    model_config = ConfigDict(populate_by_name=True)

    station: str | None = None
    site_id: str | None = None
    vehicle_id: str | None = None
    open: bool | None = None
    since: Instant | None = Field(default=None, alias="from", description="Started then or later.")
    until: Instant | None = Field(default=None, alias="to", description="Started before.")


class MeterValueQuery(ListQuery):
    """Filters of the list of meter values."""

    model_config = ConfigDict(populate_by_name=True)

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


@router.get("", response_model=Page[TransactionShown], dependencies=[may("read")])
async def list_transactions(
    session: ReadingSession, caller: CallerNow, query: Annotated[TransactionQuery, Query()]
) -> Response:
    """List transactions."""
    statement = sa.select(Transaction).where(Transaction.tenant_id == caller.tenant)
    statement = filtered(statement, query, Transaction.station, Transaction.vehicle_id)
    if query.site_id is not None:
        here = sa.select(Station.identity).where(Station.site_id == query.site_id)
        statement = statement.where(Transaction.station.in_(here))
    if query.open is not None:
        still = Transaction.stopped_at.is_(None)
        statement = statement.where(still if query.open else ~still)
    if query.since is not None:
        statement = statement.where(Transaction.started_at >= query.since)
    if query.until is not None:
        statement = statement.where(Transaction.started_at < query.until)
    sorts: dict[str, Column] = {
        "started_at": Transaction.started_at,
        "updated_at": Transaction.updated_at,
        "id": Transaction.id,
    }
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts=sorts,
        key=(Transaction.id,),
        updated=(Transaction.updated_at,),
    )
    return reply_page([caller.shown(transaction_resource(row)) for row in rows], cursor)


@router.get("/{transaction_id}", response_model=TransactionShown, dependencies=[may("read")])
async def get_transaction(
    session: ReadingSession, caller: CallerNow, transaction_id: str
) -> Response:
    """Show a transaction."""
    row = await find_row(session, Transaction, transaction_id, caller.tenant)
    return reply(caller.shown(transaction_resource(row)))


@router.get(
    "/{transaction_id}/meter-values",
    response_model=Page[MeterValueShown],
    dependencies=[may("read")],
)
async def list_meter_values(
    session: ReadingSession,
    caller: CallerNow,
    transaction_id: str,
    query: Annotated[MeterValueQuery, Query()],
) -> Response:
    """List what the meter said during a transaction."""
    row = await find_row(session, Transaction, transaction_id, caller.tenant)
    statement = sa.select(Reading).where(
        Reading.station == row.station, Reading.ocpp_transaction_id == row.ocpp_transaction_id
    )
    if query.since is not None:
        statement = statement.where(Reading.measured_at >= query.since)
    if query.until is not None:
        statement = statement.where(Reading.measured_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"measured_at": Reading.measured_at},
        key=(Reading.evse_id, Reading.context, Reading.location),
        updated=(Reading.received_at,),
    )
    return reply_page([reading_resource(each) for each in rows], cursor)
