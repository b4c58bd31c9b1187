"""What follows for an update from answers, words, Boots and silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csms.updates.rules.firmware import (
    SILENCE,
    CommandTold,
    UpdateState,
    addressed,
    answered,
    booted,
    silent,
    told,
    unfit,
    without_credentials,
)

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_update(**changes: Any) -> UpdateState:
    values: dict[str, Any] = {
        "id": "u1",
        "request_id": 1,
        "state": "requested",
        "status": None,
        "why": None,
        "retrieve_at": NOON,
        "install_at": None,
        "firmware_before": "1.0",
        "firmware_after": None,
        "created_at": NOON,
        "heard_at": NOON,
        "ended_at": None,
    }
    return UpdateState(**values | changes)


RUNNING = an_update(state="running", status="Downloading")


def fate(state: str, **more: Any) -> CommandTold:
    empty: dict[str, Any] = {"outcome": None, "error_code": None, "detail": None}
    return CommandTold(state=state, **empty | more)


@pytest.mark.parametrize(
    ("told_so", "state", "why"),
    [
        (fate("answered", outcome="accepted"), "running", None),
        (fate("answered", outcome="rejected", detail="Rejected"), "refused", "Rejected"),
        (fate("failed", error_code="NotSupported"), "refused", "NotSupported"),
        (fate("failed", error_code="Expired"), "unsent", "the station went before it could"),
        (fate("unknown", error_code="NoAnswer"), "requested", "the station did not answer"),
    ],
)
def test_what_the_answer_means(told_so: CommandTold, state: str, why: str | None) -> None:
    after = answered(an_update(), told_so, NOON + HOUR)
    assert after.state == state
    assert (after.why or "").startswith(why or "")
    assert (after.ended_at is None) == after.is_open
    assert answered(RUNNING, told_so, NOON) == RUNNING


def test_words_lead_to_an_end_that_stays() -> None:
    update = an_update()
    for word in ("Downloading", "Downloaded", "Installing", "InstallRebooting"):
        update = told(update, word, "1.0", NOON)
        assert (update.state, update.status) == ("running", word)
    done = told(update, "Installed", "1.0", NOON + HOUR)
    assert (done.state, done.ended_at) == ("installed", NOON + HOUR)
    assert told(done, "InstallationFailed", "1.0", NOON + 2 * HOUR) == done
    assert silent(done, NOON + 99 * HOUR) == done


@pytest.mark.parametrize(
    "word",
    ["DownloadFailed", "InstallationFailed", "InvalidSignature", "InstallVerificationFailed"],
)
def test_a_failure_ends_an_update_and_says_why(word: str) -> None:
    after = told(RUNNING, word, "1.0", NOON)
    assert (after.state, after.why) == ("failed", f"the station says {word}")


def test_idle_ends_only_what_had_begun() -> None:
    accepted = an_update(state="running")
    assert told(accepted, "Idle", "1.0", NOON + HOUR) == accepted
    assert told(an_update(), "Idle", "1.0", NOON + HOUR) == an_update()
    later = an_update(state="running", status="Downloaded", install_at=NOON + 2 * HOUR)
    assert told(later, "Idle", "1.0", NOON + HOUR) == later
    after = told(RUNNING, "Idle", "1.0", NOON + HOUR)
    assert (after.state, after.why) == ("failed", "the station says Idle after Downloading")
    unanswered = answered(an_update(), fate("unknown"), NOON)
    assert told(unanswered, "Idle", "1.0", NOON + HOUR).state == "failed"
    rebooting = an_update(state="running", status="InstallRebooting")
    assert told(rebooting, "Idle", "1.0", NOON + HOUR).state == "failed"
    after = told(rebooting, "Idle", "2.0", NOON + HOUR)
    assert (after.state, after.firmware_after) == ("installed", "2.0")


def test_a_boot_with_another_version_proves_it() -> None:
    assert booted(RUNNING, "1.0", NOON + HOUR) == RUNNING
    assert booted(RUNNING, "2.0", NOON - HOUR) == RUNNING
    after = booted(RUNNING, "2.0", NOON + HOUR)
    assert (after.state, after.firmware_after) == ("installed", "2.0")
    assert booted(after, "3.0", NOON + 2 * HOUR) == after
    assert booted(an_update(), "2.0", NOON + HOUR) == an_update(), "it was not asked yet"
    unanswered = answered(an_update(), fate("unknown"), NOON)
    assert booted(unanswered, "2.0", NOON + HOUR).state == "installed"
    unknown = msgspec.structs.replace(RUNNING, firmware_before=None)
    assert booted(unknown, "2.0", NOON + HOUR) == unknown


def test_the_version_is_learnt_from_the_boot_before_the_word_or_after_it() -> None:
    done = told(RUNNING, "Installed", "1.0", NOON + HOUR)
    assert booted(done, "1.0", NOON + HOUR / 2).firmware_after is None
    assert booted(done, "2.0", NOON + HOUR / 2).firmware_after == "2.0"
    assert booted(done, "1.0", NOON + 2 * HOUR).firmware_after == "1.0"


def test_silence_ends_it_after_the_last_news_and_the_time_of_installation() -> None:
    assert silent(RUNNING, NOON + SILENCE - HOUR) == RUNNING
    after = silent(RUNNING, NOON + SILENCE)
    assert (after.state, after.why) == ("failed", "no news of it for 6 hours")
    later = msgspec.structs.replace(RUNNING, install_at=NOON + 24 * HOUR)
    assert silent(later, NOON + 25 * HOUR) == later


def test_which_update_a_station_speaks_of() -> None:
    old = an_update(id="u0", state="failed", ended_at=NOON)
    new = an_update(id="u1", request_id=2, state="running")
    assert addressed([new, old], "Downloading", 1) == old
    assert addressed([new, old], "Downloading", 7) is None
    assert addressed([new, old], "Downloading", None) == new
    assert addressed([new, old], "Idle", 1) == new
    assert addressed([old], "Downloading", None) is None
    assert addressed([], "Idle", None) is None
    by_boot = an_update(state="installed", status="InstallRebooting", ended_at=NOON)
    assert addressed([by_boot], "Installed", None) == by_boot
    assert told(by_boot, "Installed", "2.0", NOON).status == "Installed"


def test_what_versions_can_not_say() -> None:
    assert unfit("ocpp1.6", install_at=NOON, signed=False) is not None
    assert unfit("ocpp1.6", install_at=NOON, signed=True) is None
    assert unfit("ocpp2.1", install_at=NOON, signed=False) is None
    assert unfit(None, install_at=NOON, signed=False) is None


def test_passwords_in_addresses_are_not_shown() -> None:
    assert without_credentials("ftp://me:secret@host/a.bin") == "ftp://********@host/a.bin"
    assert without_credentials("ftp://me:se@cret@host/a.bin") == "ftp://********@host/a.bin"
    assert without_credentials("https://host/a@b.bin") == "https://host/a@b.bin"
