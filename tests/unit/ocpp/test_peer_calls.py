"""The calls of one connection: one out at a time, time-outs, late and unasked answers."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from csms.ocpp.frame import Call, Malformed, Send, Version
from csms.ocpp.peer import Answered, Disputed, Failed, Garbled, Peer, Stray


def a_peer(version: Version = "1.6", call_timeout_s: float = 30.0) -> Peer:
    numbers = itertools.count(1)
    return Peer(version, lambda: f"id-{next(numbers)}", call_timeout_s=call_timeout_s)


def test_a_call_is_answered() -> None:
    peer = a_peer()
    sent = peer.call("Reset", b'{"type":"Soft"}', now_s=100.0)
    assert msgspec.json.decode(sent) == [2, "id-1", "Reset", {"type": "Soft"}]
    out = peer.outstanding
    assert out is not None
    assert out.deadline_s == 130.0
    assert peer.receive('[3,"id-1",{"status":"Accepted"}]') == Answered(
        out, b'{"status":"Accepted"}'
    )
    assert peer.outstanding is None


def test_a_second_call_waits_for_the_first() -> None:
    peer = a_peer()
    peer.call("Reset", b"{}", now_s=0.0)
    with pytest.raises(RuntimeError, match="Reset is still out"):
        peer.call("ClearCache", b"{}", now_s=1.0)
    peer.receive('[3,"id-1",{}]')
    assert msgspec.json.decode(peer.call("ClearCache", b"{}", now_s=1.0))[1] == "id-2"


def test_a_refused_call_fails_with_the_stations_own_code() -> None:
    peer = a_peer()
    peer.call("Reset", b"{}", now_s=0.0)
    failed = peer.receive('[4,"id-1","VendorError","no such thing",{"a":1}]')
    assert isinstance(failed, Failed)
    assert (failed.code, failed.description) == ("VendorError", "no such thing")
    assert failed.call.action == "Reset"
    assert peer.outstanding is None


def test_a_call_times_out_at_its_deadline_and_its_answer_is_late() -> None:
    peer = a_peer(call_timeout_s=5.0)
    peer.call("Reset", b"{}", now_s=10.0)
    assert peer.expire(now_s=14.9) is None
    expired = peer.expire(now_s=15.0)
    assert expired is not None
    assert expired.action == "Reset"
    assert peer.receive('[3,"id-1",{}]') == Stray("id-1", "late")
    assert peer.receive('[3,"id-1",{}]') == Stray("id-1", "unasked")


def test_unasked_answers_are_strays_and_leave_the_call_alone() -> None:
    peer = a_peer()
    assert peer.receive('[3,"x",{}]') == Stray("x", "unasked")
    peer.call("Reset", b"{}", now_s=0.0)
    assert peer.receive('[3,"x",{}]') == Stray("x", "unasked")
    assert peer.receive('[4,"x","GenericError","",{}]') == Stray("x", "unasked")
    assert peer.outstanding is not None


def test_thousands_of_unasked_answers_leave_nothing_behind() -> None:
    peer = a_peer(call_timeout_s=0.0)
    for number in range(5000):
        assert peer.receive(f'[3,"x{number}",{{}}]') == Stray(f"x{number}", "unasked")
        peer.call("Reset", b"{}", now_s=0.0)
        assert peer.expire(now_s=0.0) is not None
    assert len(peer._timed_out) <= 16


@pytest.mark.parametrize("text", ['[3,"id-1"]', '[3,"id-1",{},{}]', '[4,"id-1"]'])
def test_a_garbled_answer_settles_the_call_as_unknown(text: str) -> None:
    for version in ("1.6", "2.0.1", "2.1"):
        peer = a_peer(version)
        peer.call("Reset", b"{}", now_s=0.0)
        assert isinstance(peer.receive(text), Garbled)
        assert peer.outstanding is None


def test_closing_gives_up_the_call_that_was_out() -> None:
    peer = a_peer()
    assert peer.close() is None
    peer.call("Reset", b"{}", now_s=0.0)
    lost = peer.close()
    assert lost is not None
    assert lost.action == "Reset"
    assert peer.close() is None


def test_the_stations_calls_are_handed_on_while_ours_is_out() -> None:
    peer = a_peer()
    peer.call("Reset", b"{}", now_s=0.0)
    assert peer.receive('[2,"s-1","Heartbeat",{}]') == Call("s-1", "Heartbeat", b"{}")
    assert msgspec.json.decode(peer.answer("s-1", b'{"a":1}')) == [3, "s-1", {"a": 1}]
    refused = msgspec.json.decode(peer.refuse("s-1", "FormatViolation", "why"))
    assert refused == [4, "s-1", "FormationViolation", "why", {}]
    assert peer.outstanding is not None


def test_an_answer_is_disputed_by_21_alone() -> None:
    disputed = a_peer("2.1").dispute("id-1", "OccurrenceConstraintViolation", "no status")
    assert disputed is not None
    assert msgspec.json.decode(disputed)[:3] == [5, "id-1", "OccurrenceConstraintViolation"]
    assert a_peer("2.0.1").dispute("id-1", "GenericError") is None
    assert a_peer("1.6").dispute("id-1", "GenericError") is None


def test_21_stations_send_and_dispute() -> None:
    peer = a_peer("2.1")
    assert isinstance(peer.receive('[6,"s","NotifyPeriodicEventStream",{}]'), Send)
    assert peer.receive('[5,"s","TypeConstraintViolation","x",{}]') == Disputed(
        "s", "TypeConstraintViolation", "x"
    )
    assert isinstance(peer.receive("[6]"), Malformed)
