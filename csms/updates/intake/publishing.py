"""Takes in how far local controllers are with firmware that they offer to the stations behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from csms.updates.queries import publication_resource
from csms.updates.rules.publishing import PublicationNow, answered, told, withdrawn
from models.answers import EMPTY, Answer
from models.facts.publishing import PublishAnswered, PublishReported, Unpublished
from models.tables.updates import FirmwarePublication

PUBLICATIONS = RowKind(
    FirmwarePublication.__table__,
    PublicationNow,
    key=("id",),
    mutable=("state", "status", "why", "locations", "history", "ended_at", "updated_at"),
    settled=lambda row: row.ended_at is not None,
)
_FOUND = "publications"
Told = PublishReported | PublishAnswered | Unpublished


class PublishDecider:
    """A controller tells of firmware that it offers, or is to offer."""

    def load(self, batch: Batch, facts: Sequence[Told]) -> None:
        """Fetches the controllers, and what they are to offer."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        rows = batch.rows(PUBLICATIONS)
        numbers = [_number(fact) for fact in facts]
        checksums = [
            (fact.station, fact.checksum) for fact in facts if isinstance(fact, Unpublished)
        ]
        found = rows.find(("station", "request_id"), [each for each in numbers if each])
        found += rows.find(("station", "checksum"), checksums)
        seen: dict[str, None] = batch.memo.setdefault(_FOUND, {})
        seen.update(dict.fromkeys(row.id for row in found))

    def decide(self, batch: Batch, fact: Told, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what it says of what we asked for."""
        for row in map(batch.rows(PUBLICATIONS).get, batch.memo[_FOUND]):
            if row is None or row.station != fact.station:
                continue
            after = _after(batch, row, fact)
            if after is not row:
                _put(batch, after)
        return EMPTY


def _number(fact: Told) -> tuple[str, int] | None:
    """Returns the publication that a fact names; no number is larger than its column."""
    if isinstance(fact, Unpublished) or fact.request_id is None:
        return None
    return (fact.station, fact.request_id) if 0 < fact.request_id < 2**63 else None


def _after(batch: Batch, row: PublicationNow, fact: Told) -> PublicationNow:
    match fact:
        case Unpublished():
            mine = row.checksum == fact.checksum
            return withdrawn(row, batch.now) if mine else row
        case PublishAnswered():
            mine = row.request_id == fact.request_id
            now, accepted = batch.now, fact.accepted
            return answered(row, now, accepted=accepted, detail=fact.detail) if mine else row
        case PublishReported():
            mine = row.request_id == fact.request_id
            return told(row, fact.status, fact.locations, batch.now) if mine else row


def _put(batch: Batch, publication: PublicationNow) -> None:
    batch.rows(PUBLICATIONS).put(publication)
    station = batch.rows(BRIEFS).get(publication.station)
    shown: dict[str, Any] = publication_resource(publication)
    batch.emit(
        "firmware_publication.changed",
        subject=f"firmware_publication/{publication.id}",
        resource=shown,
        site_id=station.site_id if station else None,
        tenant=publication.tenant_id,
    )
