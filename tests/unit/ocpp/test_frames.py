"""Each class of frame in each version: what it is read as, and which CALLERROR it gets."""

from __future__ import annotations

import msgspec
import pytest

from csms.ocpp import frame
from csms.ocpp.frame import Call, Error, Malformed, Result, Send, Version

VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
ID36 = "x" * 36
ID37 = "x" * 37
RPC = "RpcFrameworkError"
FORM = "FormationViolation"
KIND = "MessageTypeNotSupported"


def reply_of(data: bytes | str, version: Version) -> tuple[str, str] | None:
    """Returns (id, code) of the CALLERROR that a malformed frame gets, or None for silence."""
    read = frame.read(data, version)
    assert isinstance(read, Malformed), read
    if read.reply is None:
        return None
    kind, message_id, code, _description, details = msgspec.json.decode(read.reply)
    assert (kind, details) == (4, {})
    return message_id, code


@EVERY_VERSION
@pytest.mark.parametrize("text", ['[2,"a","Heartbeat",{}]', ' [ 2 , "a" , "Heartbeat" , {} ] \n'])
def test_a_call_is_read_from_bytes_and_from_text(version: Version, text: str) -> None:
    for data in (text, text.encode()):
        assert frame.read(data, version) == Call("a", "Heartbeat", b"{}")


@EVERY_VERSION
def test_results_and_errors_are_read_with_what_they_answer(version: Version) -> None:
    assert frame.read('[3,"a",{"b":1}]', version) == Result("a", b'{"b":1}')
    assert frame.read(' [3, "a", {}]', version) == Result("a", b"{}")
    refused = frame.read('[4,"a","NotSupported","no",{"why":1}]', version)
    assert refused == Error("a", "NotSupported", "no", b'{"why":1}')


@EVERY_VERSION
@pytest.mark.parametrize("text", ['[4,"a","Odd"]', '[4,"a","Odd",""]', '[4,"a","Odd",null,null]'])
def test_an_error_without_its_trimmings_is_an_error_all_the_same(
    version: Version, text: str
) -> None:
    read = frame.read(text, version)
    assert isinstance(read, Error)
    assert (read.message_id, read.code, read.description) == ("a", "Odd", "")


def test_send_and_call_result_error_belong_to_21() -> None:
    send, disputed = '[6,"a","NotifyPeriodicEventStream",{}]', '[5,"a","InternalError","x",{}]'
    assert frame.read(send, "2.1") == Send("a", "NotifyPeriodicEventStream", b"{}")
    assert frame.read(disputed, "2.1") == Error("a", "InternalError", "x", b"{}", of_result=True)
    assert reply_of(send, "2.0.1") == reply_of(disputed, "2.0.1") == ("a", KIND)
    assert reply_of(send, "1.6") is reply_of(disputed, "1.6") is None


MALFORMED: list[tuple[str, bytes | str, tuple[str, str] | None, tuple[str, str] | None]] = [
    ("no JSON", "hello", None, ("-1", RPC)),
    ("nothing", "", None, ("-1", RPC)),
    ("an object", '{"a":1}', None, ("-1", RPC)),
    ("a bare number", "2", None, ("-1", RPC)),
    ("an empty list", "[]", None, ("-1", RPC)),
    ("a list of lists", "[[2]]", None, ("-1", RPC)),
    ("the type as text", '["2","a","Heartbeat",{}]', None, ("-1", RPC)),
    ("the type as a fraction", '[2.5,"a","Heartbeat",{}]', None, ("-1", RPC)),
    ("the type null", '[null,"a","Heartbeat",{}]', None, ("-1", RPC)),
    ("type 1", '[1,"a","Heartbeat",{}]', None, ("a", KIND)),
    ("type 9", '[9,"a","Heartbeat",{}]', None, ("a", KIND)),
    ("a negative type", '[-2,"a","Heartbeat",{}]', None, ("-1", KIND)),
    ("type 9 without an id", "[9]", None, ("-1", KIND)),
    ("a call of one element", "[2]", None, ("-1", RPC)),
    ("a call of two elements", '[2,"a"]', ("a", FORM), ("a", RPC)),
    ("a call of three elements", '[2,"a","Heartbeat"]', ("a", FORM), ("a", RPC)),
    ("a call of five elements", '[2,"a","Heartbeat",{},1]', ("a", FORM), ("a", RPC)),
    ("an action that is a number", '[2,"a",5,{}]', ("a", FORM), ("a", RPC)),
    ("an action that is a list", '[2,"a",["Heartbeat"],{}]', ("a", FORM), ("a", RPC)),
    ("an empty action", '[2,"a","",{}]', ("a", FORM), ("a", RPC)),
    ("an endless action", f'[2,"a","{"A" * 65}",{{}}]', ("a", FORM), ("a", RPC)),
    ("an id that is a number", '[2,7,"Heartbeat",{}]', None, ("-1", RPC)),
    ("an id that is null", '[2,null,"Heartbeat",{}]', None, ("-1", RPC)),
    ("an empty id", '[2,"","Heartbeat",{}]', None, ("-1", RPC)),
    ("an id of 37", f'[2,"{ID37}","Heartbeat",{{}}]', (ID37, FORM), ("-1", RPC)),
    ("a surrogate in the id", '[2,"\\ud800","Heartbeat",{}]', None, ("-1", RPC)),
    ("broken off early", '[2,"a","Heart', ("a", FORM), ("a", RPC)),
    ("broken after the action", '[2,"a","Heartbeat",', ("a", FORM), ("a", RPC)),
    ("trailing rubbish", '[2,"a","Heartbeat",[]] x', ("a", FORM), ("a", RPC)),
    ("bytes that are no UTF-8", b'[2,"a\xff","Heartbeat",{}]', ("a\ufffd", FORM), ("a\ufffd", RPC)),
    ("a result of two elements", '[3,"a"]', None, None),
    ("a result of four elements", '[3,"a",{},{}]', None, None),
    ("a result with a number as id", "[3,1,{}]", None, None),
    ("an error of two elements", '[4,"a"]', None, None),
    ("an error with a number as code", '[4,"a",5,"",{}]', None, None),
]


@pytest.mark.parametrize(
    ("data", "on_16", "on_2x"),
    [case[1:] for case in MALFORMED],
    ids=[case[0] for case in MALFORMED],
)
def test_a_malformed_frame_gets_the_error_of_its_version(
    data: bytes | str, on_16: tuple[str, str] | None, on_2x: tuple[str, str] | None
) -> None:
    assert reply_of(data, "1.6") == on_16
    assert reply_of(data, "2.0.1") == on_2x
    assert reply_of(data, "2.1") == on_2x


@EVERY_VERSION
@pytest.mark.parametrize(
    "payload",
    ['{"a":NaN}', '{"a":1', '{"a":"\\ud800"}', '{"a":1e999}', '{"a":' * 5000 + "}" * 5000, "{,}"],
)
def test_a_call_with_a_readable_head_is_a_call_though_its_payload_is_broken(
    version: Version, payload: str
) -> None:
    read = frame.read(f'[2,"a","MeterValues",{payload}]', version)
    assert isinstance(read, Call)
    assert (read.message_id, read.action, read.payload) == ("a", "MeterValues", payload.encode())
    assert frame.poison(read.payload) is not None


@EVERY_VERSION
def test_an_id_of_36_characters_is_fine_whatever_they_are(version: Version) -> None:
    for message_id in (ID36, "é" * 36, '"\\/', "-1", "😀"):
        data = msgspec.json.encode([2, message_id, "Heartbeat", {}])
        read = frame.read(data, version)
        assert isinstance(read, Call)
        assert read.message_id == message_id
        assert msgspec.json.decode(frame.result(read.message_id, b"{}")) == [3, message_id, {}]


def test_spellings_of_each_version() -> None:
    spelled = {
        version: (
            frame.spelled("FormatViolation", version),
            frame.spelled("OccurrenceConstraintViolation", version),
        )
        for version in VERSIONS
    }
    assert spelled == {
        "1.6": ("FormationViolation", "OccurenceConstraintViolation"),
        "2.0.1": ("FormatViolation", "OccurenceConstraintViolation"),
        "2.1": ("FormatViolation", "OccurrenceConstraintViolation"),
    }


def test_a_description_is_cut_to_255_characters_and_never_breaks_the_frame() -> None:
    written = frame.error("a", "GenericError", "x\ud800" * 300, "1.6")
    assert len(msgspec.json.decode(written)[3]) == 255


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b'{"a":"x\\u0000y"}', "NUL"),
        (b'{"a\\u0000":1}', "NUL"),
        (b'{"a":"\\ud800"}', "JSON"),
        (b'{"a":"\xff"}', "JSON"),
        (b'{"a":NaN}', "JSON"),
        (b'{"a":Infinity}', "JSON"),
        (b'{"a":1e400}', "JSON"),
        (b'{"a":9223372036854775808}', "64 bits"),
        (b'{"a":[-9223372036854775809]}', "64 bits"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "nested"),
        (b"[" * 200_000 + b"]" * 200_000, "nested"),
        (b'{"a":[' + b"1," * frame.LIST_MAX + b"1]}", "longer"),
        (b"", "JSON"),
    ],
)
def test_poison_is_named(payload: bytes, why: str) -> None:
    found = frame.poison(payload)
    assert found is not None
    assert why in found


def test_the_limits_themselves_are_no_poison() -> None:
    deepest = b"[" * frame.DEPTH_MAX + b"]" * frame.DEPTH_MAX
    assert frame.poison(deepest) is None
    assert frame.poison(b"[" + deepest + b"]") is not None
    wide = b"[" + b"[]," * 1000 + b"{}]"
    assert frame.poison(wide) is None
    assert frame.poison(b'{"a":"[[[[\\"' + b"[{" * 100 + b'"}') is None
    assert frame.poison(b'[9223372036854775807,-9223372036854775808,1e30,"\\\\u0000"]') is None
    longest = b"[" + b"1," * (frame.LIST_MAX - 1) + b"1]"
    assert frame.poison(longest) is None
