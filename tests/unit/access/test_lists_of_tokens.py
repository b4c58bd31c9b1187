"""What goes onto a station's list of tokens, and what is sent next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csms.access.rules import (
    FAILURES_AT_MOST,
    NOTHING,
    ListRoom,
    ListState,
    TokenState,
    Wanted,
    as_it_should_be,
    message_refused,
    message_sent,
    message_taken,
    next_expiry,
    next_message,
    not_for_it,
    tried_afresh,
    tried_once_more,
    unanswered,
    version_told,
    wanted_list,
)
from models.commands import ListedToken, SendLocalList

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
ROOM = ListRoom(per_message=3)


def token(text: str, **more: Any) -> TokenState:
    values: dict[str, Any] = {
        "tenant_id": "default",
        "token_key": text.lower(),
        "id_token": text,
        "status": "Accepted",
        "expires_at": None,
        "parent": None,
        "driver_id": None,
        "vehicle_id": None,
        "type": "ISO14443",
    }
    return TokenState(**values | more)


def wanted(*texts: str, room: ListRoom = ROOM, **more: Any) -> Wanted:
    return wanted_list([token(text, **more) for text in texts], room, NOON)


def brought(known: ListState, goal: Wanted, room: ListRoom = ROOM) -> ListState:
    """Returns a list after all that is wanted was sent and taken."""
    while (message := next_message(known, goal, room)) is not None:
        known = message_taken(message_sent(known, message))
    return as_it_should_be(known, goal)


def names(message: SendLocalList | None) -> list[str]:
    assert message is not None
    return [each.id_token for each in message.tokens]


def test_blocked_and_expired_tokens_are_listed_as_such() -> None:
    past, later = NOON, NOON + timedelta(hours=1)
    tokens = [
        token("OLD", expires_at=past),
        token("BAD", status="Blocked", parent="CREW"),
        token("GOOD", expires_at=later, parent="CREW"),
    ]
    listed = wanted_list(tokens, ROOM, NOON)
    assert list(listed.tokens.values()) == [
        ListedToken(
            id_token="GOOD",
            token_type="ISO14443",
            status="Accepted",
            expires_at=later,
            parent="CREW",
        ),
        ListedToken(id_token="OLD", token_type="ISO14443", status="Expired", expires_at=past),
        ListedToken(id_token="BAD", token_type="ISO14443", status="Blocked", parent="CREW"),
    ]
    assert next_expiry(listed, NOON) == later
    assert next_expiry(listed, later) is None


def test_what_has_no_room_or_is_no_token_is_left_out() -> None:
    tokens = [
        token("BAD", status="Blocked"),
        token("FIRST"),
        token("X" * 21),
        token("SECOND", parent="Y" * 21),
        token("", type="NoAuthorization"),
    ]
    listed = wanted_list(tokens, ListRoom(tokens=2, longest=20), NOON)
    assert list(listed.tokens) == ["first", "second"]
    assert listed.tokens["second"].parent is None
    assert listed.left_out == 2
    assert as_it_should_be(ListState(), listed).why == "2 of 4 tokens fit on the station's list"


def test_a_long_list_goes_out_in_parts_and_what_goes_makes_room_for_what_comes() -> None:
    first = next_message(ListState(full_wanted=True), wanted(*"ABCDEFG"), ROOM)
    assert first is not None
    assert (first.version, first.full, names(first)) == (1, True, ["A", "B", "C"])
    known = message_taken(message_sent(ListState(full_wanted=True), first))
    second = next_message(known, wanted(*"ABCDEFG"), ROOM)
    assert second is not None
    assert (second.version, second.full, names(second)) == (2, False, ["D", "E", "F"])
    known = brought(known, wanted(*"ABCDEFG"))
    assert (known.version, known.state, sorted(known.held)) == (3, "synced", sorted("abcdefg"))
    change = next_message(known, wanted(*"ABCDEFH"), ROOM)
    assert change is not None
    assert [(each.id_token, each.status) for each in change.tokens] == [
        ("G", None),
        ("H", "Accepted"),
    ]
    assert names(next_message(known, NOTHING, ROOM)) == []


def test_messages_keep_to_the_bytes_that_a_station_takes() -> None:
    room = ListRoom(per_message=50, message_bytes=1_000)
    goal = wanted(*"ABCDEFGH", room=room)
    message = next_message(ListState(), goal, room)
    assert message is not None
    assert 1 < len(message.tokens) < 8
    tiny = ListRoom(message_bytes=1)
    assert len(names(next_message(ListState(), goal, tiny))) == 1


def test_a_token_of_another_type_is_another_token_for_a_station() -> None:
    known = brought(ListState(), wanted("A", "B"))
    change = next_message(known, wanted("A", "B", type="Central"), ROOM)
    assert change is not None
    assert change.full


@pytest.mark.parametrize("told", [0, 3, 9])
def test_a_version_that_was_not_expected_leads_to_the_whole_list(told: int) -> None:
    known = brought(ListState(version=4, sent_version=4), wanted("A"))
    assert known.version == 5
    after = version_told(known, told)
    assert (after.state, after.why) == ("pending", f"the station holds version {told}, not 5")
    message = next_message(after, wanted("A"), ROOM)
    assert message is not None
    assert message.full
    assert message.version == max(told, 5) + 1


def test_after_silence_the_version_tells_whether_the_message_arrived() -> None:
    known = brought(ListState(), wanted("A"))
    message = next_message(known, wanted("A", "B"), ROOM)
    assert message is not None
    waiting = unanswered(message_sent(known, message), "no answer")
    assert not waiting.may_send
    arrived = version_told(waiting, 2)
    assert (sorted(arrived.held), arrived.full_wanted) == (["a", "b"], False)
    lost = version_told(waiting, 1)
    assert (sorted(lost.held), lost.sending, lost.full_wanted) == (["a"], None, False)
    again = next_message(lost, wanted("A", "B"), ROOM)
    assert again is not None
    assert again.version == 3, "a number never means two lists"


def test_a_refused_change_becomes_a_whole_list_and_a_refused_whole_list_waits() -> None:
    known = brought(ListState(), wanted("A"))
    change = next_message(known, wanted("B"), ROOM)
    assert change is not None
    refused = message_refused(message_sent(known, change), "VersionMismatch")
    assert (refused.state, refused.why, refused.may_send) == ("pending", "VersionMismatch", True)
    whole = next_message(refused, wanted("B"), ROOM)
    assert whole is not None
    assert whole.full
    failed = message_refused(message_sent(refused, whole), "Failed")
    assert (failed.state, failed.why, failed.may_send) == ("failed", "Failed", False)
    assert tried_once_more(failed).may_send
    assert tried_afresh(failed, "it came back").failures == 0
    assert tried_once_more(known) is known


def test_silence_is_borne_a_few_times_only() -> None:
    known = ListState()
    for _ in range(FAILURES_AT_MOST):
        assert known.state == "pending"
        known = unanswered(known, "no answer")
    assert (known.state, known.why) == ("failed", "no answer")


def test_a_station_without_a_list_is_left_alone_until_it_comes_back() -> None:
    known = not_for_it(ListState(), "NotSupported")
    assert (known.state, known.may_send) == ("unsupported", False)
    assert tried_afresh(known, "it came back").may_send


def test_versions_begin_anew_before_they_overflow() -> None:
    known = msgspec.structs.replace(ListState(), version=2**31 - 2, held={})
    message = next_message(known, wanted("A"), ROOM)
    assert message is not None
    assert (message.version, message.full) == (1, True)


def test_a_message_that_makes_no_sense_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="takes nothing off"):
        SendLocalList(version=1, full=True, tokens=(ListedToken(id_token="A"),))
    with pytest.raises(ValueError, match="changes a token"):
        SendLocalList(version=1, full=False, tokens=())
