"""Takes in what stations say of transactions that are in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from models.answers import EMPTY, Answer
from models.facts.checks import TransactionChecked
from models.tables.charging import TransactionCheck


class CheckRow(msgspec.Struct, frozen=True):
    """The last that a station has said of a transaction."""

    station: str
    ocpp_transaction_id: str
    ongoing: bool | None
    in_queue: bool
    checked_at: datetime


_CHECKS = RowKind(
    TransactionCheck.__table__,
    CheckRow,
    key=("station", "ocpp_transaction_id"),
    on_conflict=(
        "ON CONFLICT (station, ocpp_transaction_id) DO UPDATE SET ongoing = excluded.ongoing,"
        " in_queue = excluded.in_queue, checked_at = excluded.checked_at"
    ),
)


class CheckDecider:
    """A station has said whether a transaction goes on."""

    def load(self, batch: Batch, facts: Sequence[TransactionChecked]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: TransactionChecked, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps the last word."""
        batch.add(
            _CHECKS,
            CheckRow(
                station=fact.station,
                ocpp_transaction_id=fact.ocpp_transaction_id,
                ongoing=fact.ongoing,
                in_queue=fact.in_queue,
                checked_at=fact.received_at,
            ),
        )
        return EMPTY
