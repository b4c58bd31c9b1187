"""How the rows of charging stand in their tables, for batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from csms.charging.rules import ReadingState, TransactionState
from csms.ledger.bulk import RowKind
from models.tables.charging import Reading, Reconciliation, Transaction, TransactionMessage


class MessageState(msgspec.Struct, frozen=True):
    """A TransactionEvent or StopTransaction that was taken in."""

    station: str
    ocpp_transaction_id: str
    seq_no: int
    digest: str
    received_at: datetime


class OddityRow(msgspec.Struct, frozen=True):
    """Something that did not add up."""

    station: str
    kind: str
    detail: str
    transaction_id: str | None
    raw: str | None
    digest: str
    created_at: datetime


class StoredReading(msgspec.Struct, frozen=True):
    """The key of a reading that is there."""

    station: str
    evse_id: int
    ocpp_transaction_id: str
    measured_at: datetime
    context: str
    location: str


READING_KEY = tuple(StoredReading.__struct_fields__)
_MEASURED = ("energy_wh", "power_w", "current_a", "voltage_v", "soc_pct")
_FIRST_WINS = ", ".join(f"{name} = coalesce(reading.{name}, excluded.{name})" for name in _MEASURED)
_ON_READING = (
    f"ON CONFLICT ({', '.join(READING_KEY)}) DO UPDATE SET {_FIRST_WINS}, other ="
    " CASE WHEN reading.other IS NULL OR excluded.other IS NULL"
    " THEN coalesce(reading.other, excluded.other) ELSE "
)


def _merged(readings: Sequence[ReadingState]) -> ReadingState:
    """Returns what is kept of readings with one key: the first word on each measurand."""
    first: dict[str, Any] = {
        name: next((v for each in readings if (v := getattr(each, name)) is not None), None)
        for name in _MEASURED
    }
    other: dict[str, Any] | None = None
    for each in reversed(readings):
        if each.other is not None:
            other = {} if other is None else other
            other.update(each.other)
    return msgspec.structs.replace(readings[0], **first, other=other)


TRANSACTIONS = RowKind(
    Transaction.__table__,
    TransactionState,
    key=("station", "ocpp_transaction_id"),
    mutable=(
        "evse_id",
        "connector_id",
        "started_at",
        "stopped_at",
        "updated_at",
        "meter_start_wh",
        "meter_last_wh",
        "energy_wh",
        "power_w",
        "soc_pct",
        "last_reading_at",
        "charging_state",
        "stop_reason",
        "id_token",
        "token_status",
        "vehicle_id",
        "driver_id",
        "command_id",
        "seq_no",
        "suspect",
        "cost",  # its tariff is the REST door's to change
        "priority_charging",
        "stopped_by",
    ),
    often=(
        "updated_at",
        "meter_last_wh",
        "energy_wh",
        "power_w",
        "soc_pct",
        "last_reading_at",
        "charging_state",
        "seq_no",
        "cost",
    ),
    settled=lambda row: row.stopped_at is not None,
)
READINGS = RowKind(
    Reading.__table__,
    ReadingState,
    key=READING_KEY,
    # A station may spread the measurands of one instant over several messages; the first word on
    # each of them stands.
    on_conflict={
        "sqlite": _ON_READING + "json_patch(excluded.other, reading.other) END",
        "postgresql": _ON_READING + "excluded.other || reading.other END",
    },
    merge=_merged,
)
STORED = RowKind(Reading.__table__, StoredReading, key=READING_KEY)
MESSAGES = RowKind(
    TransactionMessage.__table__,
    MessageState,
    key=("station", "ocpp_transaction_id", "seq_no", "digest"),
    settled=lambda _row: True,
)
ODDITIES = RowKind(
    Reconciliation.__table__,
    OddityRow,
    key=("id",),
    on_conflict="ON CONFLICT DO NOTHING",
)
