"""Takes in how far stations are with what they were asked for: kept as it comes, asked for or not.

Which update or log it is about is found out afterwards (the keepers in `reactions`), so that the
station's word is on disk whatever becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.facts import FirmwareReported, LogReported
from models.tables.diagnostics import LogNotice
from models.tables.updates import FirmwareNotice


class NoticeRow(msgspec.Struct, frozen=True):
    """How far a station is with new firmware, or with the upload of a log."""

    station: str
    status: str
    request_id: int | None
    received_at: datetime
    handled: bool = False


class NoticeDecider:
    """A station tells how far it is."""

    def __init__(self, table: type[FirmwareNotice | LogNotice], event: str) -> None:
        """Takes where it is kept, and the event that says so."""
        self._kind = RowKind(table.__table__, NoticeRow, key=("id",))
        self._event = event

    def load(self, batch: Batch, facts: Sequence[FirmwareReported | LogReported]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(
        self,
        batch: Batch,
        fact: FirmwareReported | LogReported,
        note: MessageNote | None,  # noqa: ARG002
    ) -> Answer:
        """Keeps it, and says so."""
        station = batch.rows(BRIEFS).get(fact.station)
        assert station is not None  # `Accepted` lets no others through
        row = NoticeRow(fact.station, fact.status, fact.request_id, fact.received_at)
        batch.add(self._kind, row)
        batch.emit(
            self._event,
            subject=f"station/{fact.station}",
            resource={
                "station": row.station,
                "status": row.status,
                "request_id": row.request_id,
                "received_at": row.received_at,
            },
            site_id=station.site_id,
            tenant=station.tenant_id,
        )
        return EMPTY
