"""Takes in what stations tell of their firmware: kept as it comes, asked for or not.

Which update it is about is found out afterwards (`csms.updates.reactions.firmware`), so that the
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
from models.facts import FirmwareReported
from models.tables.updates import FirmwareNotice


class NoticeRow(msgspec.Struct, frozen=True):
    """What a station has told of its firmware."""

    station: str
    status: str
    request_id: int | None
    received_at: datetime
    handled: bool = False


_NOTICES = RowKind(FirmwareNotice.__table__, NoticeRow, key=("id",))


class FirmwareDecider:
    """A station tells how far it is with new firmware."""

    def load(self, batch: Batch, facts: Sequence[FirmwareReported]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(self, batch: Batch, fact: FirmwareReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it, and says so."""
        station = batch.rows(BRIEFS).get(fact.station)
        assert station is not None  # `Accepted` lets no others through
        row = NoticeRow(fact.station, fact.status, fact.request_id, fact.received_at)
        batch.add(_NOTICES, row)
        batch.emit(
            "firmware.reported",
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
