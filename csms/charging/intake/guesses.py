"""Guesses: of which transaction a 1.6 station speaks that gives a wrong number, or none.

Stations send meter values for transaction 0, for the one before or for none, and end one as -1. On
a connector there is one transaction at a time, so that its values can be told; an end names no
connector, and is believed where it fits one open transaction and no other. Whatever was guessed is
marked. A station that is `strict` is taken at its word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from csms.access.rules import token_key
from csms.charging.intake.keeping import Metering, brief_of
from csms.charging.intake.kinds import TRANSACTIONS
from csms.charging.rules import END_GUESSED, GUESSED, START_GUESSED, TransactionState, judge_time
from csms.ledger.batch import Batch
from models.facts import Reading, ReadingsReported, TransactionReported

M = TypeVar("M", TransactionReported, ReadingsReported)
UNKNOWN_IDS = frozenset({"", "-1", "0"})
"""What stations say that were never given a number; we give numbers from 1 on."""
_OPEN = "t.stopped_at IS NULL"


def load_open(
    batch: Batch, facts: Sequence[ReadingsReported] | Sequence[TransactionReported]
) -> None:
    """Fetches what runs on the stations of those facts that name no transaction of ours."""
    lost = {fact.station for fact in facts if _is_lost(batch, fact)}
    if lost:
        batch.rows(TRANSACTIONS).find(("station",), sorted(lost), _OPEN)


def guess_readings(batch: Batch, fact: ReadingsReported) -> TransactionState | None:
    """Returns the transaction that runs where the values were metered, if they fit it."""
    if not _is_lost(batch, fact) or not fact.readings:
        return None
    at, _ = judge_time(fact.readings[-1].measured_at, fact.received_at)
    return next(
        (
            each
            for each in _running(batch, fact)
            if each.evse_id == fact.evse_id and each.started_at <= at
        ),
        None,
    )


def guess_stop(batch: Batch, fact: TransactionReported) -> TransactionState | None:
    """Returns the one transaction that an end can mean which names none of ours."""
    if fact.kind != "ended" or not _is_lost(batch, fact):
        return None
    at, _ = judge_time(fact.measured_at, fact.received_at)
    fitting = [
        each for each in _running(batch, fact) if each.started_at <= at and _may_end(each, fact)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _may_end(known: TransactionState, fact: TransactionReported) -> bool:
    """Returns whether an end has the token of a transaction, or at least a register that fits."""
    if fact.id_token is not None and known.id_token is not None:
        return token_key(fact.id_token) == token_key(known.id_token)
    return fact.meter_wh is None or fact.meter_wh >= (known.meter_start_wh or 0.0)


def marked(fact: M) -> M:
    """Returns a fact that is marked for its transaction having been guessed from a wrong number."""
    if isinstance(fact, TransactionReported):
        return msgspec.structs.replace(fact, suspect=(*fact.suspect, GUESSED, END_GUESSED))
    if fact.ocpp_transaction_id is None:
        return fact
    return msgspec.structs.replace(fact, suspect=(*fact.suspect, GUESSED))


def whole_registers(batch: Batch, known: TransactionState, fact: M) -> tuple[TransactionState, M]:
    """Returns a transaction and what was metered, both by the whole register.

    For stations whose record says that they count from the start of the transaction, or that they
    give 0 for the register at its start.
    """
    brief = brief_of(batch, fact)
    if fact.scheme != "1.6" or not brief.quirks:
        return known, fact
    start_wh = known.meter_start_wh or 0.0
    if brief.has("meter-session-relative") and isinstance(fact, ReadingsReported):
        readings = tuple(_added(each, start_wh) for each in fact.readings)
        return known, msgspec.structs.replace(fact, readings=readings)
    if brief.has("meter-zero-start") and start_wh == 0 and START_GUESSED not in known.suspect:
        first_wh = _first_register(fact)
        if first_wh is not None:
            known = msgspec.structs.replace(
                known,
                meter_start_wh=first_wh,
                meter_last_wh=first_wh,
                suspect=[*known.suspect, START_GUESSED],
            )
    return known, fact


def _first_register(fact: Metering) -> float | None:
    registers: Iterable[float | None] = [reading.energy_wh for reading in fact.readings]
    if isinstance(fact, TransactionReported):
        registers = [*registers, fact.meter_wh]
    return next((each for each in registers if each is not None), None)


def _added(reading: Reading, start_wh: float) -> Reading:
    if reading.energy_wh is None:
        return reading
    return msgspec.structs.replace(reading, energy_wh=reading.energy_wh + start_wh)


def _is_lost(batch: Batch, fact: Metering) -> bool:
    """Returns whether a fact of 1.6 names no transaction that runs, or ran when it was said."""
    if fact.scheme != "1.6" or (isinstance(fact, TransactionReported) and fact.kind == "started"):
        return False
    if brief_of(batch, fact).strict:
        return False
    ocpp_id = fact.ocpp_transaction_id
    known = batch.rows(TRANSACTIONS).peek((fact.station, ocpp_id)) if ocpp_id else None
    if known is None or ocpp_id in UNKNOWN_IDS:
        return True
    if isinstance(fact, TransactionReported) or known.stopped_at is None or not fact.readings:
        return False
    return judge_time(fact.readings[-1].measured_at, fact.received_at)[0] > known.stopped_at


def _running(batch: Batch, fact: Metering) -> list[TransactionState]:
    rows = batch.rows(TRANSACTIONS).group(fact.station)
    return [each for each in rows if each.stopped_at is None]
