"""What follows for a message on a screen from wishes, answers and reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from csms.displays.rules import (
    MessageNow,
    cleared,
    missing,
    refused,
    reported,
    shown,
    state_of,
    text_of,
)
from models.facts.displays import DisplayMessage

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
HELLO = DisplayMessage(message_id=7, priority="InFront", format="UTF8", content="Hello")


def wished(message: DisplayMessage = HELLO, former: MessageNow | None = None) -> MessageNow:
    """As the action writes it."""
    base = former or MessageNow("CP-1", 7, None, None, None, None, None, None, False, NOON)
    return msgspec.structs.replace(
        base, wish=text_of(message), wish_state="asked", why=None, wished_at=NOON
    )


def test_a_wish_is_shown_once_the_station_says_so() -> None:
    assert state_of(wished()) == "asked"
    after = shown(wished(), LATER)
    assert (state_of(after), after.told, after.told_at) == ("shown", after.wish, LATER)


def test_a_refusal_leaves_what_was_there() -> None:
    before = shown(wished(), NOON)
    other = msgspec.structs.replace(HELLO, content="Other")
    after = refused(wished(other, before), "NotSupportedPriority", LATER)
    assert (state_of(after), after.why) == ("refused", "NotSupportedPriority")
    assert after.told == text_of(HELLO)


def test_a_report_stands_for_an_answer_that_was_not_heard() -> None:
    assert state_of(reported(wished(), "CP-1", HELLO, LATER)) == "shown"
    other = msgspec.structs.replace(HELLO, content="Other")
    assert state_of(reported(wished(), "CP-1", other, LATER)) == "asked"
    assert state_of(reported(shown(wished(), NOON), "CP-1", other, LATER)) == "differs"
    begun = msgspec.structs.replace(HELLO, start_at=NOON)
    assert state_of(reported(shown(wished(), NOON), "CP-1", begun, LATER)) == "shown"
    assert state_of(reported(None, "CP-1", other, LATER)) == "foreign"


def test_what_a_whole_report_does_not_tell_is_gone_unless_it_is_younger() -> None:
    message = shown(wished(), NOON)
    assert missing(message, NOON, LATER) is None
    gone = missing(message, LATER, LATER)
    assert gone is not None
    assert state_of(gone) == "gone"
    assert missing(gone, LATER, LATER) is None
    assert missing(wished(), NOON, LATER) is None
    never = missing(wished(), LATER, LATER)
    assert never is not None
    assert state_of(never) == "gone"


def test_what_is_cleared_is_gone_and_comes_back_as_new() -> None:
    after = cleared(shown(wished(), NOON), LATER)
    assert (state_of(after), after.wish) == ("gone", None)
    assert state_of(reported(after, "CP-1", HELLO, LATER)) == "foreign"
