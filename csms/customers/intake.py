"""Takes in what stations know of customers, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from csms.inquiries.intake import load_inquiries, question_of, take_part
from csms.inquiries.rules import is_awaited
from csms.ledger.batch import Batch, MessageNote, clean
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.facts.customers import CustomerTold
from models.tables.customers import CustomerPart


class PartRow(msgspec.Struct, frozen=True):
    """One part."""

    inquiry_id: str
    seq_no: int
    data: str
    received_at: datetime


_PARTS = RowKind(
    CustomerPart.__table__,
    PartRow,
    key=("inquiry_id", "seq_no"),
    on_conflict="ON CONFLICT DO NOTHING",
)


class CustomerDecider:
    """A station tells what it knows of a customer."""

    def load(self, batch: Batch, facts: Sequence[CustomerTold]) -> None:
        """Fetches who has asked."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        load_inquiries(batch, ((fact.station, "customer", fact.request_id) for fact in facts))

    def decide(self, batch: Batch, fact: CustomerTold, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what was asked for; nobody wants to know the rest."""
        inquiry = question_of(batch, fact.station, "customer", fact.request_id)
        if inquiry is not None and is_awaited(inquiry):
            part = PartRow(inquiry.id, fact.seq_no, clean(fact.data), fact.received_at)
            batch.add(_PARTS, part)
            take_part(batch, fact.station, "customer", fact.request_id, last=fact.last)
        return EMPTY
