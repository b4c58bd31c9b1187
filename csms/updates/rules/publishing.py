"""What follows for published firmware from a controller's answer and words.

Source: OCPP 2.0.1 part 2, L03 and L04.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from models.facts.publishing import PublishStatus
from models.states import PUBLICATION, PublicationState, allowed

HISTORY_MAX = 100
"""The oldest go first; a controller that tries again for ever fills no disk."""
_FAILED = frozenset({"DownloadFailed", "InvalidChecksum", "PublishFailed"})


class PublicationNow(msgspec.Struct, frozen=True):
    """Firmware that is to be offered; see `models.tables.updates.FirmwarePublication`."""

    id: str
    tenant_id: str
    station: str
    request_id: int
    location: str
    checksum: str
    retries: int | None
    retry_interval_s: int | None
    state: PublicationState
    status: str | None
    why: str | None
    locations: list[Any]
    history: list[Any]
    created_at: datetime
    ended_at: datetime | None
    updated_at: datetime


def answered(
    publication: PublicationNow, now: datetime, *, accepted: bool, detail: str | None
) -> PublicationNow:
    """Returns it after the controller has said whether it will."""
    if publication.state != "requested":
        return publication
    return _moved(
        publication, "running" if accepted else "refused", now, None if accepted else detail
    )


def told(
    publication: PublicationNow, status: PublishStatus, locations: tuple[str, ...], now: datetime
) -> PublicationNow:
    """Returns it after the controller has said how far it is."""
    said = {"status": status, "received_at": now.isoformat().replace("+00:00", "Z")}
    publication = msgspec.structs.replace(
        publication,
        status=status,
        history=[*publication.history[1 - HISTORY_MAX :], said],
        updated_at=now,
    )
    if status == "Published":
        published = msgspec.structs.replace(publication, locations=list(locations))
        return _moved(published, "published", now, None)
    if status in _FAILED:
        return _moved(publication, "failed", now, f"the station says {status}")
    if status == "Idle":
        before = publication.state
        why = "the station says that it publishes nothing"
        return publication if before != "running" else _moved(publication, "failed", now, why)
    return _moved(publication, "running", now, None)


def withdrawn(publication: PublicationNow, now: datetime) -> PublicationNow:
    """Returns it after the controller has stopped to offer it."""
    return _moved(publication, "withdrawn", now, None)


def _moved(
    publication: PublicationNow, state: PublicationState, now: datetime, why: str | None
) -> PublicationNow:
    """Returns it in another state; what can't follow changes nothing."""
    if publication.state == state or not allowed(PUBLICATION, publication.state, state):
        return publication
    over = state in {"refused", "failed", "withdrawn"}
    return msgspec.structs.replace(
        publication, state=state, why=why, ended_at=now if over else None, updated_at=now
    )
