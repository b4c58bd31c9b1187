"""Putting right what did not add up, by rule and by a person's choice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from csms.charging.queries import transaction_resource
from csms.charging.rules import CORRECTED, END_GUESSED, judge_time
from csms.ledger.work import UnitOfWork
from csms.reconciliation.queries import reconciliation_resource
from csms.reconciliation.rules import STOP_MISSING, choices, told_stop
from csms.web.problem import bad_field
from csms.web.rows import find_row
from models.errors import Conflict, NotFound
from models.tables.charging import Reconciliation, Transaction
from models.tables.fleet import Vehicle
from models.tables.stations import Station

_MADE_UP = frozenset({STOP_MISSING, END_GUESSED})
"""Marks of transactions whose end nobody has told, or not under their number."""


async def list_oddity(work: UnitOfWork, transaction: Transaction, kind: str, detail: str) -> None:
    """Lists for a person what did not add up about a transaction, once of each kind."""
    same = sa.select(Reconciliation.id).where(
        Reconciliation.station == transaction.station,
        Reconciliation.kind == kind,
        Reconciliation.digest == transaction.id,
    )
    if await work.session.scalar(same) is None:
        work.session.add(
            Reconciliation(
                station=transaction.station,
                kind=kind,
                detail=detail,
                transaction_id=transaction.id,
                digest=transaction.id,
                created_at=work.now,
            )
        )


async def end_by_rule(
    work: UnitOfWork, transaction: Transaction, *, kind: str, detail: str
) -> None:
    """Ends a transaction that goes on only because nobody has said otherwise."""
    transaction.stopped_at = transaction.last_reading_at or transaction.started_at
    transaction.stop_reason = "Lost"
    transaction.power_w = 0.0
    transaction.charging_state = None
    _mark(transaction, STOP_MISSING)
    await list_oddity(work, transaction, kind, detail)
    await _tell(work, transaction, "transaction.repaired")


async def doubt(work: UnitOfWork, transaction: Transaction, kind: str, detail: str) -> None:
    """Marks a transaction, and lists why."""
    _mark(transaction, kind)
    await list_oddity(work, transaction, kind, detail)
    await _tell(work, transaction, "transaction.updated")


async def resolve(
    work: UnitOfWork, row: Reconciliation, choice: str, note: str | None, values: dict[str, Any]
) -> None:
    """Does what a person has chosen.

    Args:
        work: the unit of work.
        row: what did not add up.
        choice: one that the row offers.
        note: why, in the person's words.
        values: `energy_wh` and `stopped_at` (correct), `transaction_id` (assign), `vehicle_id`
            (vehicle); None where not said.

    Raises:
        BadInput: for a choice that the row does not offer, and values that make no sense.
        Conflict: `already-resolved`; `transaction-ended` where an end was told already.
    """
    if row.resolved_at is not None:
        detail = f"it was resolved on {row.resolved_at:%Y-%m-%d %H:%M} UTC"
        raise Conflict(detail, code="already-resolved")
    offered = choices(row.kind, row.raw, resolved=False)
    if choice not in offered:
        raise bad_field("/choice", f"offered are {', '.join(offered)}")
    needed = {"correct": {"energy_wh", "stopped_at"}, "assign": {"transaction_id"}}
    allowed = needed.get(choice, {"vehicle_id"} if choice == "vehicle" else set[str]())
    given = {name for name, value in values.items() if value is not None}
    if surplus := sorted(given - allowed):
        raise bad_field(f"/{surplus[0]}", f"means nothing for {choice}")
    if allowed and not given:
        raise bad_field(f"/{min(allowed)}", f"is needed for {choice}")
    if choice == "correct":
        row.former = await _correct(work, row, values["energy_wh"], values["stopped_at"])
    elif choice == "assign":
        row.former = await _assign(work, row, values["transaction_id"])
    elif choice == "vehicle":
        row.former = await _give_car(work, row, values["vehicle_id"])
    row.resolved_at, row.resolved_by = work.now, work.actor
    row.choice, row.note = choice, note
    work.emit(
        "reconciliation.resolved",
        subject=f"reconciliation/{row.id}",
        resource=reconciliation_resource(row),
        site_id=await _site_of(work, row.station),
    )


async def _correct(
    work: UnitOfWork, row: Reconciliation, energy_wh: float | None, stopped_at: datetime | None
) -> dict[str, Any]:
    transaction = await _transaction(work, row.transaction_id or "")
    former = _former(transaction)
    if transaction.stopped_at is None:
        raise Conflict("the transaction goes on; nothing of it is final", code="transaction-open")
    if stopped_at is not None:
        if not transaction.started_at <= stopped_at <= work.now:
            raise bad_field("/stopped_at", "lies between the transaction's start and now")
        transaction.stopped_at = stopped_at
    if energy_wh is not None:
        transaction.energy_wh = energy_wh
        transaction.solar_wh = min(transaction.solar_wh, energy_wh)
    # A person's word stands, even if the station tells an end after all.
    transaction.suspect = [mark for mark in transaction.suspect if mark not in _MADE_UP]
    _mark(transaction, CORRECTED)
    await _tell(work, transaction, "transaction.repaired")
    return former


async def _assign(work: UnitOfWork, row: Reconciliation, transaction_id: str) -> dict[str, Any]:
    """Ends a transaction as the station has said of another one."""
    try:
        transaction = await _transaction(work, transaction_id)
    except NotFound as missing:
        raise bad_field("/transaction_id", missing.detail) from None
    stop = told_stop(row.raw)
    assert stop is not None, "it was offered"
    if transaction.station != row.station:
        raise bad_field("/transaction_id", f"is a transaction of {transaction.station}")
    if transaction.stopped_at is not None and _MADE_UP.isdisjoint(transaction.suspect):
        raise Conflict("the station has told the end of it", code="transaction-ended")
    # A box with a wrong clock is believed no more than it was when it told the end.
    stopped_at, doubt = judge_time(stop.timestamp, row.created_at)
    if stopped_at < transaction.started_at:
        raise bad_field("/transaction_id", "began after that end")
    former = _former(transaction)
    transaction.stopped_at = stopped_at
    if doubt is not None:
        _mark(transaction, doubt)
    transaction.stop_reason = stop.reason
    transaction.power_w = 0.0
    transaction.charging_state = None
    if transaction.meter_start_wh is not None and stop.meter_stop >= transaction.meter_start_wh:
        transaction.meter_last_wh = stop.meter_stop
        transaction.energy_wh = stop.meter_stop - transaction.meter_start_wh
    transaction.suspect = [mark for mark in transaction.suspect if mark not in _MADE_UP]
    _mark(transaction, CORRECTED)
    row.transaction_id = transaction.id
    await _tell(work, transaction, "transaction.repaired")
    return former


async def _give_car(work: UnitOfWork, row: Reconciliation, vehicle_id: str) -> dict[str, Any]:
    transaction = await _transaction(work, row.transaction_id or "")
    former = _former(transaction)
    try:
        await find_row(work.session, Vehicle, vehicle_id, work.tenant)
    except NotFound as missing:
        raise bad_field("/vehicle_id", missing.detail) from None
    transaction.vehicle_id = vehicle_id
    await _tell(work, transaction, "transaction.updated")
    return former


async def _transaction(work: UnitOfWork, transaction_id: str) -> Transaction:
    row = await work.session.get(Transaction, transaction_id, with_for_update=True)
    if row is None or row.tenant_id != work.tenant:
        raise NotFound(f"there is no transaction {transaction_id}")
    return row


def _former(transaction: Transaction) -> dict[str, Any]:
    resource = transaction_resource(transaction)
    at = transaction.stopped_at
    return {
        "stopped_at": None if at is None else at.isoformat().replace("+00:00", "Z"),
        **{name: resource[name] for name in ("stop_reason", "energy_wh", "vehicle_id")},
    }


def _mark(transaction: Transaction, mark: str) -> None:
    if mark not in transaction.suspect:
        transaction.suspect = [*transaction.suspect, mark]


async def _tell(work: UnitOfWork, transaction: Transaction, event: str) -> None:
    transaction.updated_at = work.now
    site_id = await _site_of(work, transaction.station)
    work.emit(
        event,
        subject=f"transaction/{transaction.id}",
        resource=transaction_resource(transaction),
        site_id=site_id,
    )
    if site_id is not None and event == "transaction.repaired":
        work.request_plan(site_id, event)


async def _site_of(work: UnitOfWork, station: str) -> str | None:
    query = sa.select(Station.site_id).where(Station.identity == station)
    return await work.session.scalar(query)
