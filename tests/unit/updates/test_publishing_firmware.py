"""What follows for published firmware from a controller's answer and words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from csms.updates.rules.publishing import (
    HISTORY_MAX,
    PublicationNow,
    answered,
    told,
    withdrawn,
)
from models.facts.publishing import PublishStatus

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def requested() -> PublicationNow:
    return PublicationNow(
        id="p-1",
        tenant_id="default",
        station="HUB-1",
        request_id=1,
        location="https://files.example/a.bin",
        checksum="0" * 32,
        retries=None,
        retry_interval_s=None,
        state="requested",
        status=None,
        why=None,
        locations=[],
        history=[],
        created_at=NOON,
        ended_at=None,
        updated_at=NOON,
    )


def test_an_answer_begins_or_ends_it() -> None:
    assert answered(requested(), NOON, accepted=True, detail="Accepted").state == "running"
    refused = answered(requested(), NOON, accepted=False, detail="Rejected")
    assert (refused.state, refused.why, refused.ended_at) == ("refused", "Rejected", NOON)
    published = told(requested(), "Published", ("http://hub/a",), NOON)
    assert answered(published, NOON, accepted=False, detail="late") is published


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("DownloadScheduled", "running"),
        ("DownloadPaused", "running"),
        ("ChecksumVerified", "running"),
        ("Published", "published"),
        ("DownloadFailed", "failed"),
        ("InvalidChecksum", "failed"),
        ("PublishFailed", "failed"),
        ("Idle", "requested"),
    ],
)
def test_each_word_has_its_state(status: PublishStatus, state: str) -> None:
    after = told(requested(), status, (), NOON)
    assert (after.state, after.status, len(after.history)) == (state, status, 1)


def test_one_that_falls_idle_on_the_way_has_failed() -> None:
    running = told(requested(), "Downloading", (), NOON)
    assert told(running, "Idle", (), NOON).state == "failed"


def test_what_is_withdrawn_stays_so_and_history_has_an_end() -> None:
    gone = withdrawn(told(requested(), "Published", ("http://hub/a",), NOON), NOON)
    assert told(gone, "Published", ("http://hub/b",), NOON).state == "withdrawn"
    again = requested()
    for _ in range(HISTORY_MAX + 5):
        again = told(again, "Downloading", (), NOON)
    assert len(again.history) == HISTORY_MAX
