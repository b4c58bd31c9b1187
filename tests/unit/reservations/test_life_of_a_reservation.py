"""The rules of a reservation: what each thing that is said or happens makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from csms.access.rules import is_family
from csms.reservations.rules import (
    ReservationState,
    Settled,
    Start,
    cancelled,
    expired,
    in_the_way,
    out_of_service,
    reported,
    settled,
    used,
)
from csms.stations.rules import kept_from
from tests.builders.reservations import a_state
from tests.builders.small_house import NOON

ACCEPTED = Settled(asked="reserve", state="answered", accepted=True, word="Accepted")


def refused(word: str) -> Settled:
    return Settled(asked="reserve", state="answered", word=word, detail=word)


def failed(code: str) -> Settled:
    return Settled(asked="reserve", state="failed", error_code=code)


def start(**values: Any) -> Start:
    told: dict[str, Any] = {
        "transaction_id": "t-1",
        "evse_id": 1,
        "began_at": NOON,
        "token": "car-1",
        "parent": None,
        "reservation_id": None,
    }
    return Start(**told | values)


def brought_to(row: ReservationState | None) -> str | None:
    return None if row is None else row.state


@pytest.mark.parametrize(
    ("state", "told", "after"),
    [
        ("requested", ACCEPTED, "active"),
        ("requested", refused("Occupied"), "refused"),
        ("requested", refused("Gone fishing"), "refused"),
        ("requested", failed("NotSupported"), "refused"),
        ("requested", failed("Expired"), "refused"),
        ("requested", Settled(asked="reserve", state="unknown"), None),
        ("active", ACCEPTED, None),
        ("active", refused("Occupied"), "lost"),
        ("active", failed("InternalError"), "lost"),
        ("active", failed("Expired"), None),
        ("active", Settled(asked="reserve", state="unknown"), None),
        ("expired", ACCEPTED, None),
        ("refused", refused("Occupied"), None),
        ("used", failed("InternalError"), None),
    ],
)
def test_what_a_station_answers_is_believed(state: Any, told: Settled, after: str | None) -> None:
    assert brought_to(settled(a_state(state=state), told, NOON)) == after


def test_an_answer_is_kept_in_the_stations_words() -> None:
    row = settled(a_state(state="requested"), refused("Faulted"), NOON)
    assert row is not None
    assert (row.answer, row.why) == ("faulted", "the station says Faulted")
    assert (row.ended_at, row.version) == (NOON, 2)
    assert row.to_release is False
    again = settled(a_state(), msgspec.structs.replace(refused("Faulted"), again=True), NOON)
    assert again is not None
    assert again.why == "the station says Faulted, asked again"
    assert again.to_release is True


@pytest.mark.parametrize("state", ["cancelled", "lost", "used"])
def test_what_a_station_keeps_too_late_is_to_be_released_once(state: Any) -> None:
    row = settled(a_state(state=state), ACCEPTED, NOON)
    assert row is not None
    assert (row.state, row.to_release) == (state, True)
    assert settled(row, ACCEPTED, NOON) is None
    silence = Settled(asked="reserve", state="unknown")
    maybe = settled(a_state(state=state), silence, NOON)
    assert maybe is not None
    assert maybe.to_release is True


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (Settled(asked="cancel", state="answered", accepted=True, word="Accepted"), True),
        (Settled(asked="cancel", state="answered", word="Rejected"), True),
        (Settled(asked="cancel", state="failed", error_code="NotSupported"), True),
        (Settled(asked="cancel", state="failed", error_code="Expired"), False),
        (Settled(asked="cancel", state="failed", error_code="InternalError"), False),
        (Settled(asked="cancel", state="unknown"), False),
    ],
)
def test_a_station_is_told_of_the_end_until_it_is_known_to_know(told: Settled, known: bool) -> None:
    row = cancelled(a_state(), NOON)
    assert row is not None
    assert (row.state, row.to_release) == ("cancelled", True)
    after = settled(row, told, NOON)
    assert (after is not None and not after.to_release) is known
    assert cancelled(row, NOON) is None


def test_the_clock_ends_what_is_open_and_nothing_else() -> None:
    row = a_state()
    assert expired(row, row.expires_at - timedelta(seconds=1)) is None
    assert brought_to(expired(row, row.expires_at)) == "expired"
    assert expired(a_state(state="used"), row.expires_at) is None


def test_what_the_station_reports_ends_it() -> None:
    assert brought_to(reported(a_state(), "Removed", NOON)) == "lost"
    assert brought_to(reported(a_state(state="requested"), "Removed", NOON)) == "lost"
    assert brought_to(reported(a_state(), "Expired", NOON)) == "expired"
    nobody = reported(a_state(), "NoTransaction", NOON)
    assert nobody is not None
    assert (nobody.state, nobody.why) == ("expired", "its holder came and did not charge")
    for update in ("Removed", "Expired", "NoTransaction"):
        assert reported(a_state(state="used"), update, NOON) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evse_id", "statuses", "lost"),
    [
        (1, [(1, "Faulted"), (2, "Available")], True),
        (1, [(1, "Available"), (2, "Faulted")], False),
        (1, [(1, "Unavailable"), (1, "Available")], False),
        (1, [(1, "Unavailable"), (1, "Faulted")], True),
        (1, [(0, "Unavailable"), (1, "Reserved")], True),
        (None, [(1, "Faulted"), (2, "Available")], False),
        (None, [(1, "Faulted"), (2, "Unavailable")], True),
        (None, [(0, "Available")], False),
        (1, [], False),
    ],
)
def test_an_evse_out_of_service_is_kept_for_nobody(
    evse_id: int | None, statuses: list[tuple[int, str]], lost: bool
) -> None:
    row = out_of_service(a_state(evse_id=evse_id), statuses, NOON)
    assert (row is not None) is lost
    if row is not None:
        assert (row.state, row.to_release) == ("lost", True)
    waiting = a_state(state="requested", evse_id=evse_id)
    assert out_of_service(waiting, statuses, NOON) is None


@pytest.mark.parametrize(
    ("told", "uses"),
    [
        (start(), True),
        (start(token="OTHER"), False),
        (start(token="OTHER", reservation_id=1), True),
        (start(token=None), False),
        (start(token=None, reservation_id=1), True),
        (start(token="SISTER", parent="family"), True),
        (start(token="family"), True),
        (start(evse_id=2), False),
        (start(evse_id=2, reservation_id=1), True),
        (start(reservation_id=99), True),
        (start(token="OTHER", reservation_id=99), False),
        (start(began_at=NOON - timedelta(minutes=4)), True),
        (start(began_at=NOON - timedelta(hours=1)), False),
    ],
)
def test_a_transaction_uses_it_by_its_number_or_its_holder(told: Start, uses: bool) -> None:
    row = used([a_state(group_token="FAMILY")], told, NOON)
    assert (row is not None) is uses
    if row is not None:
        assert (row.state, row.transaction_id) == ("used", "t-1")
        assert row.to_release is (told.reservation_id != 1)


def test_a_named_evse_is_used_before_whichever() -> None:
    whichever = a_state(number=2, evse_id=None)
    row = used([whichever, a_state()], start(), NOON)
    assert row is not None
    assert row.reservation_id == 1
    row = used([whichever, a_state()], start(evse_id=2), NOON)
    assert row is not None
    assert row.reservation_id == 2


def test_an_expired_one_was_used_if_the_station_says_so_and_others_stay_as_they_ended() -> None:
    assert brought_to(used([a_state(state="expired")], start(reservation_id=1), NOON)) == "used"
    assert used([a_state(state="expired")], start(), NOON) is None
    for state in ("used", "cancelled", "refused", "lost"):
        assert used([a_state(state=state)], start(reservation_id=1), NOON) is None


def test_open_ones_of_the_same_evse_are_in_the_way() -> None:
    named, whichever = a_state(), a_state(number=2, evse_id=None)
    assert in_the_way([], 1, 2) is None
    assert in_the_way([named], 1, 2) is named
    assert in_the_way([named], 2, 2) is None
    assert in_the_way([named], None, 2) is None
    assert in_the_way([named, whichever], 2, 2) is named
    assert in_the_way([named, whichever], None, 2) is named
    # Of a station that has not told its EVSEs no more is known than their numbers.
    assert in_the_way([named], 2, 0) is None
    assert in_the_way([whichever], None, 0) is whichever


def test_a_group_is_the_parent_and_all_that_have_it() -> None:
    assert is_family("CARD", None, "card", None)
    assert not is_family("CARD", None, "SISTER", "FAMILY")
    assert not is_family("CARD", "FAMILY", "OTHER", None)
    assert is_family("CARD", "FAMILY", "SISTER", "family")
    assert is_family("CARD", "FAMILY", "Family", None)


@pytest.mark.parametrize(
    ("kept", "evse_id", "blocked"),
    [
        ([], 1, False),
        ([(1, False)], 1, True),
        ([(1, False)], 2, False),
        ([(1, False)], None, False),
        ([(1, True)], 1, False),
        ([(1, False), (2, False)], None, True),
        ([(1, False), (None, False)], 2, True),
        ([(1, False), (None, True)], 2, False),
        ([(1, False), (None, True)], 1, True),
        ([(1, False), (2, True)], None, False),
        ([(1, False), (2, True)], 1, True),
    ],
)
def test_others_reservations_keep_a_token_from_an_evse(
    kept: list[tuple[int | None, bool]], evse_id: int | None, blocked: bool
) -> None:
    assert kept_from(kept, evse_id, 2) is blocked
