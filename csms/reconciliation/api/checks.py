"""REST: `/transactions/{id}/status-check`, asking a station about a transaction (OCPP 2.x)."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from csms.ledger.work import ReadSession
from csms.reconciliation.actions import end_by_rule
from csms.reconciliation.rules import STOP_MISSING
from csms.stations.asking import ASKED, ON_2X, ask_found, find_asked
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.work import Once, Reading, begin_work
from models.commands.transactions import CheckTransaction
from models.errors import NotFound
from models.tables.charging import Transaction, TransactionCheck

router = api_router("reconciliation", prefix="/transactions")


class TransactionCheckShown(Shown):
    """What a station has last said of a transaction when it was asked."""

    transaction_id: str
    ongoing: bool | None
    """Null: it did not say."""
    messages_in_queue: bool
    """Whether it has messages about it that it could not send yet."""
    checked_at: AwareDatetime
    stopped_at: AwareDatetime | None
    """When the transaction ended, as it stands here."""
    suspect: list[str]
    """`stop-missing`: it was ended by rule, because the station knows nothing of it any more."""


@router.post(
    "/{transaction_id}/status-check",
    response_model=TransactionCheckShown,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def check_transaction(
    request: Request, _: Once, caller: CallerNow, transaction_id: str
) -> Response:
    """Ask a station whether a transaction goes on; one it knows nothing more of is ended here."""
    services = services_of(request)
    async with services.db.read() as session:
        asked = await find_row(session, Transaction, transaction_id, caller.tenant)
    await find_asked(request, asked.station, ON_2X)
    command = CheckTransaction(ocpp_transaction_id=asked.ocpp_transaction_id)
    await ask_found(request, asked.station, command)
    async with begin_work(request) as work:
        row = await work.session.get_one(Transaction, transaction_id, with_for_update=True)
        check = await _check_of(work.session, row)
        told_since = row.updated_at > check.checked_at
        over = check.ongoing is False and not check.in_queue and not told_since
        if over and row.stopped_at is None:
            detail = "its station says that it is over, and has no end of it to tell"
            await end_by_rule(work, row, kind=STOP_MISSING, detail=detail)
        return reply(_shown(row, check))


@router.get(
    "/{transaction_id}/status-check",
    response_model=TransactionCheckShown,
    dependencies=[may("read")],
)
async def show_check(session: Reading, caller: CallerNow, transaction_id: str) -> Response:
    """Show what a station has last said of a transaction."""
    row = await find_row(session, Transaction, transaction_id, caller.tenant)
    return reply(_shown(row, await _check_of(session, row)))


async def _check_of(session: ReadSession, row: Transaction) -> TransactionCheck:
    check = await session.get(TransactionCheck, (row.station, row.ocpp_transaction_id))
    if check is None:
        raise NotFound(f"nobody has asked about the transaction {row.id}")
    return check


def _shown(row: Transaction, check: TransactionCheck) -> dict[str, Any]:
    return {
        "transaction_id": row.id,
        "ongoing": check.ongoing,
        "messages_in_queue": check.in_queue,
        "checked_at": check.checked_at,
        "stopped_at": row.stopped_at,
        "suspect": row.suspect,
    }
