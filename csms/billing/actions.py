"""Changes of tariffs, of what they are for, and what stations are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from csms.billing.queries import cost_state, tariff_of, tariff_resource, terms_for
from csms.billing.rules.costs import changed, counted, shortened, station_terms, total
from csms.ledger.work import UnitOfWork
from csms.web.problem import bad_field
from csms.web.rows import (
    add_row,
    change_row,
    check_references,
    find_row,
    referring,
    remove_row,
)
from models.commands.costs import StationTerms
from models.errors import Conflict, NotFound
from models.tables.billing import Tariff, TransactionCost
from models.tables.charging import Transaction
from models.tables.energy import Site
from models.tables.stations import Station


async def create_tariff(
    work: UnitOfWork, tariff_id: str | None, values: Mapping[str, Any]
) -> Tariff:
    """Adds a tariff.

    Raises:
        Conflict: `already-exists`.
    """
    row = Tariff(
        id=tariff_id or work.ids.new(),
        tenant_id=work.tenant,
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **values,
    )
    await add_row(work, row, row.id)
    _announce(work, "tariff.created", row)
    return row


def change_tariff(work: UnitOfWork, row: Tariff, values: Mapping[str, Any]) -> None:
    """Changes a tariff: for transactions that begin from now on."""
    change_row(work, row, values)
    _announce(work, "tariff.updated", row)


async def delete_tariff(work: UnitOfWork, row: Tariff) -> None:
    """Removes a tariff; transactions keep what they took from it.

    Raises:
        Conflict: `still-referenced` by a site or a station.
    """
    sites = await referring(work.session, "site", Site.id, Site.tariff_id == row.id)
    identity = Station.identity
    stations = await referring(work.session, "station", identity, Station.tariff_id == row.id)
    check_references("this tariff", sites + stations)
    _announce(work, "tariff.deleted", row)
    await remove_row(work, row)


async def find_terms(work: UnitOfWork, station: Station, tariff_id: str | None) -> StationTerms:
    """Returns the tariff that a station is to be sent.

    Args:
        work: the unit of work.
        station: its row.
        tariff_id: of a tariff; None: the one that the station, or its site, has.

    Raises:
        BadInput: if there is no such tariff.
        Conflict: `no-tariff` where none is named and there is none.
    """
    row = await _tariff(work, station, tariff_id)
    return station_terms(await terms_for(work.session, row, station))


async def change_transaction_tariff(
    work: UnitOfWork, row: Transaction, station: Station, tariff_id: str
) -> None:
    """Goes on with a transaction by another tariff; what it has cost so far stays.

    Raises:
        BadInput: if there is no such tariff.
        Conflict: `no-currency-change`; `transaction-over`.
    """
    tariff = await _tariff(work, station, tariff_id)
    check_running(row)
    check_currency(row, tariff)
    terms = await terms_for(work.session, tariff, station)
    kept = await work.session.get(TransactionCost, row.id, with_for_update=True)
    if kept is None:
        kept = TransactionCost(
            transaction_id=row.id,
            terms={},
            counted_until=row.last_reading_at or work.now,
            counted_wh=row.energy_wh,
            charging_s=0.0,
            idle_s=0.0,
            energy_cost=Decimal(0),
            charging_cost=Decimal(0),
            idle_cost=Decimal(0),
            told_at=work.now,
            told_wh=row.energy_wh,
            held_s=0.0,
            runs=[],
            suspect=[],
        )
        work.session.add(kept)
    after = changed(cost_state(kept), terms)
    kept.terms = after.terms
    _price(row, tariff.id, tariff.currency, total(after))
    row.updated_at = work.now
    work.emit(
        "transaction.tariff_changed",
        subject=f"transaction/{row.id}",
        resource={"id": row.id, "station": row.station, "tariff_id": tariff.id, "cost": row.cost},
        site_id=station.site_id,
    )


async def count_again(work: UnitOfWork, row: Transaction) -> None:
    """Counts what a transaction costs after somebody has put its energy or its end right."""
    kept = await work.session.get(TransactionCost, row.id, with_for_update=True)
    if kept is None:
        return
    until = row.stopped_at or kept.counted_until
    before = shortened(cost_state(kept), until=until, started_at=row.started_at)
    after = counted(before, until=until, energy_wh=row.energy_wh)
    for name in after.__struct_fields__:
        setattr(kept, name, getattr(after, name))
    row.cost = total(after)


def check_running(row: Transaction) -> None:
    """Lets a transaction pass that is not over.

    Raises:
        Conflict: `transaction-over`.
    """
    if row.stopped_at is not None:
        raise Conflict("the transaction is over", code="transaction-over")


def check_currency(row: Transaction, tariff: Tariff) -> None:
    """Lets a tariff pass that has the currency of a transaction (OCPP 2.1, I).

    Raises:
        Conflict: `no-currency-change`.
    """
    if row.currency not in (None, tariff.currency):
        detail = f"the transaction is priced in {row.currency}, the tariff in {tariff.currency}"
        raise Conflict(detail, code="no-currency-change")


def _price(row: Transaction, tariff_id: str, currency: str, cost: Decimal) -> None:
    row.tariff_id, row.currency, row.cost = tariff_id, currency, cost


async def _tariff(work: UnitOfWork, station: Station, tariff_id: str | None) -> Tariff:
    if tariff_id is None:
        row = await tariff_of(work.session, station)
        if row is None:
            detail = f"neither the station {station.identity} nor its site has a tariff"
            raise Conflict(detail, code="no-tariff")
        return row
    try:
        return await find_row(work.session, Tariff, tariff_id, work.tenant)
    except NotFound as missing:
        raise bad_field("/tariff_id", missing.detail) from None


def _announce(work: UnitOfWork, event: str, row: Tariff) -> None:
    work.emit(event, subject=f"tariff/{row.id}", resource=tariff_resource(row))
