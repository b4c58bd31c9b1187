"""What follows for a log from its station's answer and words, from its file and from silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csms.diagnostics.rules import (
    LogState,
    addressed,
    answered,
    is_alerting,
    is_outdated,
    name_of_file,
    received,
    silent,
    told,
)
from csms.updates.rules.firmware import CommandTold

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def a_log(**changes: Any) -> LogState:
    values: dict[str, Any] = {
        "id": "l1",
        "request_id": 1,
        "location": None,
        "state": "requested",
        "status": None,
        "why": None,
        "created_at": NOON,
        "expires_at": NOON + timedelta(hours=1),
        "received_at": None,
        "ended_at": None,
    }
    return LogState(**{**values, **changes})


def fate(state: str, **more: Any) -> CommandTold:
    values: dict[str, Any] = {"outcome": None, "error_code": None, "detail": None}
    return CommandTold(state=state, **{**values, **more})


@pytest.mark.parametrize(
    ("command", "state", "why"),
    [
        (fate("answered", outcome="accepted"), "uploading", None),
        (
            fate("answered", outcome="rejected", detail="Rejected: busy"),
            "refused",
            "Rejected: busy",
        ),
        (fate("failed", error_code="NotSupported"), "refused", "NotSupported"),
        (fate("expired"), "unsent", "the station went before it could be asked"),
        (
            fate("failed", error_code="Expired"),
            "unsent",
            "the station went before it could be asked",
        ),
        (
            fate("unknown"),
            "requested",
            "the station did not answer; it may do it all the same",
        ),
    ],
)
def test_the_answer_decides_how_it_begins(command: CommandTold, state: str, why: str) -> None:
    log = answered(a_log(), command, LATER)
    assert (log.state, log.why) == (state, why)
    assert (log.ended_at is None) == log.is_open


def test_the_file_decides_whatever_the_station_says() -> None:
    log = received(told(a_log(), "Uploading", NOON), LATER)
    assert (log.state, log.received_at, log.ended_at) == ("uploaded", LATER, LATER)
    for word in ("Uploaded", "UploadFailure", "Idle"):
        assert told(log, word, LATER).state == "uploaded"
    for state in ("failed", "refused", "requested"):
        assert received(a_log(state=state), LATER).state == "uploaded"


@pytest.mark.parametrize(
    "word", ["UploadFailure", "UploadFailed", "BadMessage", "PermissionDenied", "AcceptedCanceled"]
)
def test_what_it_says_of_a_failure_is_the_reason(word: str) -> None:
    log = told(a_log(state="uploading"), word, LATER)
    assert (log.state, log.why, log.status) == ("failed", f"the station says {word}", word)


def test_idle_means_failure_only_once_it_has_begun() -> None:
    assert told(a_log(state="uploading"), "Idle", LATER).is_open
    begun = a_log(state="uploading", status="Uploading")
    assert told(begun, "Idle", LATER).why == "the station says Idle after Uploading"


def test_its_word_is_enough_where_the_file_goes_elsewhere() -> None:
    assert told(a_log(location="ftp://x"), "Uploaded", LATER).state == "uploaded"
    assert told(a_log(), "Uploaded", LATER).state == "failed"


def test_time_is_over_when_it_is_over() -> None:
    end = a_log().expires_at
    assert silent(a_log(), end - timedelta(seconds=1)).is_open
    assert silent(a_log(), end).why == "no file has come in time"
    assert silent(a_log(location="ftp://x"), end).why == "no news of it in time"


def test_words_find_their_log_by_number_or_by_being_open() -> None:
    former = a_log(id="l1", state="failed")
    newest = a_log(id="l2", request_id=2, state="uploading")
    assert addressed([newest, former], "Uploading", 1) == former
    assert addressed([newest, former], "Uploading", None) == newest
    assert addressed([newest, former], "Uploading", 7) is None
    assert addressed([former], "Uploading", None) is None
    assert addressed([], "Idle", None) is None
    # The file may be here before its station says anything.
    here = received(newest, LATER)
    assert addressed([here], "Uploading", None) == here
    assert addressed([told(here, "Uploaded", LATER)], "Uploading", None) is None


def test_the_name_of_a_file_is_ours_and_safe() -> None:
    name = name_of_file("../Bäx 7;\n", "security", NOON, b"\x1f\x8b\x08")
    assert name == "---B-x-7---security-20260615T120000Z.gz"
    assert name_of_file("BOX-7", "diagnostics", NOON, b"plain").endswith(".log")


def test_a_whole_report_leaves_out_what_is_gone() -> None:
    asked = int(NOON.timestamp())
    assert is_outdated(NOON - timedelta(seconds=1), asked, LATER)
    assert not is_outdated(NOON, asked, LATER)
    # Numbers that nobody can have asked by say nothing of what is missing.
    for number in (5, asked + 3600, -1, 2**63 - 1):
        assert not is_outdated(NOON - timedelta(days=1), number, LATER)


def test_what_is_bad_alerts_and_what_is_not_known_does_not() -> None:
    assert [is_alerting(severity) for severity in (0, 2, 3, 9, None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
