"""What all reports of charging have in common: readings kept, oddities noted, news told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import cast

import msgspec

from csms.access.intake import load_site_rules, load_tokens
from csms.billing.intake import COSTS, begin_cost, count_cost
from csms.billing.rules.costs import Told
from csms.charging.intake.kinds import (
    ODDITIES,
    READING_KEY,
    READINGS,
    STORED,
    TRANSACTIONS,
    OddityRow,
)
from csms.charging.queries import transaction_news
from csms.charging.rules import (
    METERED_AT,
    ReadingKey,
    TransactionState,
    judge_time,
    may_be_known,
    metered,
    reading_key,
    reading_state,
)
from csms.fleet.intake import MODELS, VEHICLES, change_vehicle, load_vehicles
from csms.fleet.rules import charged, jumped
from csms.ledger.batch import Batch, MessageNote, clean_text
from csms.stations.intake import BRIEFS, CONNECTORS, EVSES, STATIONS
from csms.stations.rules import StationBrief
from models.facts import Fact, Reading, ReadingsReported, TokenPresented, TransactionReported

Metering = TransactionReported | ReadingsReported

_STORED_READINGS = "stored readings"


def brief_of(batch: Batch, fact: Fact) -> StationBrief:
    """Returns what is known of the station that a fact is from."""
    brief = batch.rows(BRIEFS).get(fact.station)
    assert brief is not None, "only facts of known stations come here"
    return brief


def load_presented(
    batch: Batch, facts: Sequence[TokenPresented] | Sequence[TransactionReported]
) -> None:
    """Fetches the stations of facts and the tokens that were presented."""
    batch.rows(BRIEFS).load(fact.station for fact in facts)
    load_tokens(
        batch,
        [
            (brief_of(batch, fact).tenant_id, fact.id_token)
            for fact in facts
            if fact.id_token is not None
        ],
    )
    load_site_rules(batch, (brief_of(batch, fact).site_id for fact in facts))


def load_transactions(
    batch: Batch, facts: Sequence[TransactionReported] | Sequence[ReadingsReported]
) -> None:
    """Fetches the transactions that facts name, their cars, and readings that may be replays."""
    transactions = batch.rows(TRANSACTIONS)
    named = [fact for fact in facts if fact.ocpp_transaction_id is not None]
    transactions.load((fact.station, fact.ocpp_transaction_id) for fact in named)
    cars: list[str] = []
    priced_ones: list[str] = []
    plugs: list[tuple[str, int, int]] = []
    doubtful: list[ReadingKey] = []
    for fact in named:
        known = transactions.get((fact.station, fact.ocpp_transaction_id))
        if known is None:
            continue
        if known.vehicle_id is not None:
            cars.append(known.vehicle_id)
        if known.tariff_id is not None:
            priced_ones.append(known.id)
            plugs.append(_plug_of(known))
        doubtful += [
            reading_key(known, reading)
            for reading in fact.readings
            if may_be_known(known, reading.measured_at, fact.received_at)
        ]
    load_vehicles(batch, cars)
    if priced_ones:
        batch.rows(COSTS).load(priced_ones)
        # Rows are written in the order in which their kinds came: a connector needs its EVSE.
        batch.rows(STATIONS)
        batch.rows(EVSES)
        batch.rows(CONNECTORS).load(plugs)
    if doubtful:
        found = STORED.fetch(batch.driver, READING_KEY, doubtful)
        stored: set[ReadingKey] = batch.memo.setdefault(_STORED_READINGS, set())
        stored.update(cast("ReadingKey", STORED.key_of(each)) for each in found)


def meter(
    batch: Batch,
    known: TransactionState,
    fact: Metering,
    *,
    history: bool = False,
) -> TransactionState:
    """Keeps the readings of a fact and returns what they make of its transaction."""
    if not fact.readings:
        return known
    result = metered(
        known,
        fact.readings,
        received_at=fact.received_at,
        now=batch.now,
        suspect=fact.suspect,
        stored=batch.memo.get(_STORED_READINGS, ()),
        history=history,
    )
    for reading in result.readings:
        batch.add(READINGS, reading)
    return result.transaction


def with_tariff(batch: Batch, brief: StationBrief, state: TransactionState) -> TransactionState:
    """Returns a new transaction with what it is priced by, if it is."""
    found = begin_cost(batch, brief, state.id, state.started_at)
    if found is None:
        return state
    tariff_id, currency, cost = found
    return msgspec.structs.replace(state, tariff_id=tariff_id, currency=currency, cost=cost)


def priced(batch: Batch, state: TransactionState, fact: Metering | None = None) -> TransactionState:
    """Returns a transaction with what it costs by what has been told of it.

    Args:
        batch: of facts.
        state: after the fact.
        fact: that tells of it; None where it was ended without one.
    """
    if state.tariff_id is None:
        return state
    readings = () if fact is None else fact.readings
    received_at = batch.now if fact is None else fact.received_at
    report = Told(
        registered_at=_registered_at(readings, received_at),
        charging_state=state.charging_state or _status_of(batch, state),
        powers=tuple(
            (judge_time(each.measured_at, received_at)[0], each.power_w)
            for each in readings
            if each.power_w is not None
        ),
    )
    cost = count_cost(
        batch,
        state.id,
        report,
        ended_at=state.stopped_at,
        energy_wh=state.energy_wh,
        open_as=None if state.stopped_at else (state.station, state.ocpp_transaction_id),
    )
    return state if cost is None else msgspec.structs.replace(state, cost=cost)


def _plug_of(state: TransactionState) -> tuple[str, int, int]:
    return state.station, state.evse_id, state.connector_id or 1


def _status_of(batch: Batch, state: TransactionState) -> str | None:
    """Returns the status of its connector: 1.6 says by it alone how a transaction charges."""
    plug = batch.rows(CONNECTORS).peek(_plug_of(state))
    return None if plug is None else plug.status


def _registered_at(readings: Sequence[Reading], received_at: datetime) -> datetime | None:
    """Returns when the energy register of the outlet was last read; None: it was not."""
    return max(
        (
            judge_time(each.measured_at, received_at)[0]
            for each in readings
            if each.energy_wh is not None and each.location == METERED_AT
        ),
        default=None,
    )


def keep_loose(
    batch: Batch, fact: Metering, ocpp_id: str, evse_id: int, readings: Sequence[Reading]
) -> None:
    """Keeps readings that change no transaction."""
    for reading in readings:
        batch.add(
            READINGS,
            reading_state(
                reading,
                station=fact.station,
                evse_id=evse_id,
                ocpp_transaction_id=ocpp_id,
                received_at=fact.received_at,
                suspect=fact.suspect,
            ),
        )


def move_vehicle(
    batch: Batch,
    before: TransactionState,
    after: TransactionState,
    readings: Sequence[Reading] = (),
) -> None:
    """Gives the car of a transaction the energy, or the state of charge, that was reported."""
    vehicle = after.vehicle_id and batch.rows(VEHICLES).peek(after.vehicle_id)
    at = after.last_reading_at
    if not vehicle or at is None:
        return
    told = [each.soc_pct for each in readings if each.soc_pct is not None]
    is_news = at != before.last_reading_at or after.soc_pct != before.soc_pct
    state = charged(
        vehicle,
        batch.rows(MODELS).peek(vehicle.model_id),
        soc_pct=told[-1] if told and is_news else None,
        energy_wh=after.energy_wh - before.energy_wh,
        at=at,
        now=batch.now,
    )
    change_vehicle(batch, vehicle, state)
    if jumped(vehicle, state):
        wish_plan(batch, after, "state of charge differs from the estimate")


def unknown_transaction(
    batch: Batch, fact: Metering, ocpp_id: str, note: MessageNote | None
) -> None:
    """Lists for a person what a station says of a transaction that we never gave."""
    batch.add(
        ODDITIES,
        OddityRow(
            station=fact.station,
            kind="transaction-unknown",
            detail=f"{type(fact).__name__} for transaction {ocpp_id}, which we never gave",
            transaction_id=None,
            raw=clean_text(note.payload) if note is not None else None,
            digest=digest_of(fact, note),
            created_at=batch.now,
        ),
    )


def odd(batch: Batch, fact: Fact, kind: str, detail: str, about: TransactionState) -> None:
    """Lists for a person what did not add up about a transaction, once of each kind."""
    batch.add(
        ODDITIES,
        OddityRow(
            station=fact.station,
            kind=kind,
            detail=detail,
            transaction_id=about.id,
            raw=None,
            digest=about.id,
            created_at=batch.now,
        ),
    )


def tell(batch: Batch, event: str, state: TransactionState) -> None:
    """Says what became true of a transaction."""
    brief = batch.rows(BRIEFS).get(state.station)
    batch.emit(
        event,
        subject=f"transaction/{state.id}",
        resource=transaction_news(state),
        site_id=brief.site_id if brief else None,
        tenant=state.tenant_id,
    )


def wish_plan(batch: Batch, state: TransactionState, reason: str) -> None:
    """Asks for a new plan of the transaction's site."""
    brief = batch.rows(BRIEFS).get(state.station)
    if brief is not None and brief.site_id is not None:
        batch.request_plan(brief.site_id, reason, tenant=brief.tenant_id)


def digest_of(fact: Fact, note: MessageNote | None, salt: str = "") -> str:
    """Returns a short name of what was said, equal only for the very same words."""
    raw = note.payload if note is not None else msgspec.json.encode(fact)
    return blake2b(salt.encode() + b"\x00" + raw, digest_size=16).hexdigest()
