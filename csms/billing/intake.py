"""Prices transactions as they are told, and takes in what payment terminals tell."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from csms.access.intake import site_rules
from csms.billing.queries import settlement_resource
from csms.billing.rules.costs import (
    CostState,
    Told,
    begun,
    is_due,
    is_valid,
    reported,
    terms_of,
    told,
    total,
)
from csms.billing.rules.prices import Terms
from csms.billing.rules.vat import fault_of, tidy
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind, placed
from csms.stations.intake import BRIEFS
from csms.stations.rules import StationBrief
from models.answers import EMPTY, Answer, SettlementAnswer, VatAnswer
from models.companies import Company
from models.facts import Fact
from models.facts.payments import (
    SettlementReported,
    TariffNews,
    TariffsTold,
    VatNumberPresented,
)
from models.tables.billing import (
    Settlement,
    StationTariff,
    Tariff,
    TransactionCost,
    VatCheck,
)

_COMPANY_OF = (
    "SELECT company FROM settlement WHERE tenant_id = ? AND vat_number = ?"
    " AND company IS NOT NULL ORDER BY received_at DESC LIMIT 1"
)


class TariffState(msgspec.Struct, frozen=True):
    """What is known of a tariff; see `models.tables.billing.Tariff`."""

    id: str
    name: str
    currency: str
    energy_price_per_kwh: Decimal
    charging_price_per_hour: Decimal
    idle_price_per_hour: Decimal
    fixed_fee: Decimal
    min_cost: Decimal | None
    max_cost: Decimal | None
    valid_from: datetime | None
    valid_until: datetime | None
    elements: list[Any]
    tell_cost: str
    cost_step_wh: float
    cost_interval_s: int


class SettlementRow(msgspec.Struct, frozen=True):
    """What a payment terminal has told; see `models.tables.billing.Settlement`."""

    id: str
    tenant_id: str
    station: str
    psp_ref: str
    ocpp_transaction_id: str | None
    status: str
    info: str | None
    amount: Decimal
    settled_at: datetime
    receipt_id: str
    receipt_url: str | None
    vat_number: str | None
    company: dict[str, Any] | None
    received_at: datetime


class VatRow(msgspec.Struct, frozen=True):
    """A VAT number that was asked about."""

    station: str
    evse_id: int | None
    vat_number: str
    accepted: bool
    why: str | None
    company: dict[str, Any] | None
    received_at: datetime


class StationTariffRow(msgspec.Struct, frozen=True):
    """A tariff in a station; see `models.tables.billing.StationTariff`."""

    station: str
    tariff_id: str
    evse_id: int
    kind: str
    wished: bool
    state: str
    why: str | None
    id_tokens: list[Any]
    changed_at: datetime


COSTS = RowKind(
    TransactionCost.__table__,
    CostState,
    key=("transaction_id",),
    # The REST door changes the terms, in between on PostgreSQL: a batch that has read the old ones
    # leaves the new ones alone.
    mutable=tuple(
        name for name in CostState.__struct_fields__ if name not in {"transaction_id", "terms"}
    ),
)
_TARIFFS = RowKind(Tariff.__table__, TariffState, key=("id",))
_SETTLEMENTS = RowKind(
    Settlement.__table__,
    SettlementRow,
    key=("station", "psp_ref"),
    mutable=(
        *("ocpp_transaction_id", "status", "info", "amount", "settled_at", "receipt_url"),
        *("vat_number", "company"),
    ),
)
_VAT_CHECKS = RowKind(VatCheck.__table__, VatRow, key=("id",))
_STATION_TARIFFS = RowKind(
    StationTariff.__table__,
    StationTariffRow,
    key=("station", "tariff_id", "evse_id"),
    mutable=("kind", "wished", "state", "why", "id_tokens", "changed_at"),
)


def begin_cost(
    batch: Batch, brief: StationBrief, transaction_id: str, started_at: datetime
) -> tuple[str, str, Decimal] | None:
    """Opens the account of a transaction by the tariff of its station, else of its site.

    What the site says must have been loaded.

    Returns:
        The tariff, its currency, and what has to be paid already; None where it costs nothing here.
    """
    site = site_rules(batch, brief.site_id)
    tariff_id = brief.tariff_id or (None if site is None else site.tariff_id)
    if tariff_id is None:
        return None
    timezone = "UTC" if site is None else site.timezone
    batch.rows(_TARIFFS).load([tariff_id])
    tariff = batch.rows(_TARIFFS).get(tariff_id)
    if tariff is None or not is_valid(tariff.valid_from, tariff.valid_until, started_at):
        return None
    values = msgspec.to_builtins(tariff)
    terms = msgspec.convert(values | {"tariff_id": tariff.id, "timezone": timezone}, Terms)
    cost = begun(transaction_id, terms, started_at)
    batch.rows(COSTS).put(cost)
    return tariff.id, terms.currency, total(cost)


def count_cost(
    batch: Batch,
    transaction_id: str,
    report: Told,
    *,
    ended_at: datetime | None,
    energy_wh: float,
    open_as: tuple[str, str] | None,
) -> Decimal | None:
    """Returns what a transaction costs by now; None where it has no account.

    Where its driver is to be told, says so (`transaction.cost_due`).

    Args:
        batch: of facts.
        transaction_id: ours.
        report: what was told of how it charges.
        ended_at: when it has ended, if it has.
        energy_wh: what it has drawn by then.
        open_as: its station and that one's name for it; None: it is over.
    """
    rows = batch.rows(COSTS)
    rows.load([transaction_id])
    before = rows.get(transaction_id)
    if before is None:
        return None
    cost = reported(before, report, ended_at=ended_at, energy_wh=energy_wh)
    sum_now = total(cost)
    if open_as is not None and is_due(cost):
        cost = told(cost)
        station, ocpp_id = open_as
        brief = batch.rows(BRIEFS).get(station)
        assert brief is not None
        batch.emit(
            "transaction.cost_due",
            subject=f"transaction/{transaction_id}",
            resource={
                "id": transaction_id,
                "station": station,
                "ocpp_transaction_id": ocpp_id,
                "cost": sum_now,
                "currency": terms_of(cost).currency,
            },
            site_id=brief.site_id,
            tenant=brief.tenant_id,
        )
    if cost is not before:
        rows.put(cost)
    return sum_now


def cost_told(batch: Batch, transaction_id: str, kind: str) -> bool:
    """Returns whether the answer to a report of this kind tells what its transaction costs."""
    cost = batch.rows(COSTS).peek(transaction_id)
    if cost is None:
        return False
    tell = terms_of(cost).tell_cost
    return tell != "never" and (kind == "ended" or (kind == "updated" and tell == "running"))


class SettlementDecider:
    """A payment terminal tells what became of a payment."""

    def load(self, batch: Batch, facts: Sequence[SettlementReported]) -> None:
        """Fetches the stations, and what was told of these payments before."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        batch.rows(_SETTLEMENTS).load((fact.station, fact.psp_ref) for fact in facts)

    def decide(self, batch: Batch, fact: SettlementReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it, once for each payment; the receipt has our number where it has none."""
        brief, rows = _brief_of(batch, fact), batch.rows(_SETTLEMENTS)
        before = rows.get((fact.station, fact.psp_ref))
        own_id = batch.ids.new() if before is None else before.id
        row = SettlementRow(
            id=own_id,
            tenant_id=brief.tenant_id,
            station=fact.station,
            psp_ref=fact.psp_ref,
            ocpp_transaction_id=fact.ocpp_transaction_id,
            status=fact.status,
            info=fact.info,
            amount=fact.amount,
            settled_at=fact.settled_at,
            receipt_id=fact.receipt_id or (before.receipt_id if before else own_id),
            receipt_url=fact.receipt_url,
            vat_number=None if fact.vat_number is None else tidy(fact.vat_number),
            company=None if fact.company is None else msgspec.to_builtins(fact.company),
            received_at=fact.received_at if before is None else before.received_at,
        )
        if row != before:
            rows.put(row)
            batch.emit(
                "settlement.reported",
                subject=f"settlement/{own_id}",
                # Whose company it is stands behind the door for those who may see people.
                resource=settlement_resource(row) | {"company": None},
                site_id=brief.site_id,
                tenant=brief.tenant_id,
            )
        return SettlementAnswer(receipt_id=None if fact.receipt_id else row.receipt_id)


class VatDecider:
    """A station asks whether a VAT number can be one."""

    def load(self, batch: Batch, facts: Sequence[VatNumberPresented]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(self, batch: Batch, fact: VatNumberPresented, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Judges its form, and adds the company that has paid by it before."""
        number, brief = tidy(fact.vat_number), _brief_of(batch, fact)
        fault = fault_of(number)
        company = None if fault else _company_of(batch, brief.tenant_id, number)
        shown = None if company is None else msgspec.to_builtins(company)
        row = VatRow(
            fact.station, fact.evse_id, number, fault is None, fault, shown, fact.received_at
        )
        batch.add(_VAT_CHECKS, row)
        return VatAnswer(accepted=fault is None, why=fault, company=company)


class TariffsDecider:
    """A station tells of its tariffs."""

    def load(self, batch: Batch, facts: Sequence[TariffsTold]) -> None:
        """Fetches what it held before."""
        rows = batch.rows(_STATION_TARIFFS)
        rows.find(("station",), [fact.station for fact in facts])
        rows.load(
            (fact.station, held.tariff_id, evse_id)
            for fact in facts
            for held in fact.news.held
            for evse_id in held.evse_ids or (0,)
        )

    def decide(self, batch: Batch, fact: TariffsTold, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what it has, and marks what it has no longer."""
        news = fact.news
        named = {
            (held.tariff_id, evse_id): held
            for held in news.held
            for evse_id in held.evse_ids or (0,)
        }
        for row in batch.rows(_STATION_TARIFFS).group(fact.station):
            after = None if (row.tariff_id, row.evse_id) in named else _left(row, news, named)
            if after is not None and after != row.state:
                _put(batch, msgspec.structs.replace(row, state=after, changed_at=fact.received_at))
        for (tariff_id, evse_id), held in named.items():
            before = batch.rows(_STATION_TARIFFS).get((fact.station, tariff_id, evse_id))
            if before is not None and before.state == "held" and news.refused is not None:
                continue  # the one that it has stays as it is
            row = StationTariffRow(
                station=fact.station,
                tariff_id=tariff_id,
                evse_id=evse_id,
                kind=held.kind,
                wished=news.wished or (before is not None and before.wished),
                state="held" if news.refused is None else "refused",
                why=news.refused,
                id_tokens=list(held.id_tokens),
                changed_at=fact.received_at,
            )
            _put(batch, row)
        return EMPTY


def _left(
    row: StationTariffRow, news: TariffNews, named: Collection[tuple[str, int]]
) -> str | None:
    """Returns what becomes of a tariff that an answer does not name; None: nothing."""
    if news.all_gone or row.tariff_id in news.gone:
        return "cleared"
    if row.state != "held":
        return None
    if news.whole_of is not None and news.whole_of in (0, row.evse_id):
        return "missing"
    if news.wished and news.refused is None and row.kind == "DefaultTariff":
        places = {evse_id for _, evse_id in named}
        return "cleared" if places & {0, row.evse_id} else None
    return None


def _put(batch: Batch, row: StationTariffRow) -> None:
    batch.rows(_STATION_TARIFFS).put(row)


def _brief_of(batch: Batch, fact: Fact) -> StationBrief:
    brief = batch.rows(BRIEFS).get(fact.station)
    assert brief is not None, "only facts of known stations come here"
    return brief


def _company_of(batch: Batch, tenant: str, number: str) -> Company | None:
    found = batch.driver.fetch(placed(_COMPANY_OF, batch.driver.dialect), (tenant, number))
    if not found:
        return None
    stored = found[0][0]
    raw = msgspec.json.decode(stored) if isinstance(stored, str | bytes) else stored
    return msgspec.convert(raw, Company)
