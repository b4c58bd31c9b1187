"""Frames of every kind of harm, each with what has to come back for it.

What is expected is written here from the specifications (OCPP-J 1.6 section 4.2.3 with its errata,
OCPP 2.0.1 and 2.1 part 4 section 4.3), not asked of the code that is tested.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.builders.ocpp_payloads import mutants, request_schema, schema_of, valid

_CODES_16 = {
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
}
CODES = {
    "1.6": _CODES_16,
    "2.0.1": _CODES_16 - {"FormationViolation"}
    | {"FormatViolation", "MessageTypeNotSupported", "RpcFrameworkError"},
    "2.1": _CODES_16 - {"FormationViolation", "OccurenceConstraintViolation"}
    | {
        "FormatViolation",
        "MessageTypeNotSupported",
        "OccurrenceConstraintViolation",
        "RpcFrameworkError",
    },
}
"""All that a version knows."""
_FORM = {"1.6": "FormationViolation", "2.0.1": "FormatViolation", "2.1": "FormatViolation"}
_FRAME = {"1.6": "FormationViolation", "2.0.1": "RpcFrameworkError", "2.1": "RpcFrameworkError"}
_KIND = {"1.6": "NotSupported"} | dict.fromkeys(("2.0.1", "2.1"), "MessageTypeNotSupported")
_COUNT = dict.fromkeys(("1.6", "2.0.1"), "OccurenceConstraintViolation") | {
    "2.1": "OccurrenceConstraintViolation"
}
_OF_KEYWORD: dict[str, dict[str, str] | str] = {
    "type": "TypeConstraintViolation",
    "required": _COUNT,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "additionalProperties": _FORM,
    "enum": "PropertyConstraintViolation",
    "maxLength": "PropertyConstraintViolation",
    "minimum": "PropertyConstraintViolation",
    "maximum": "PropertyConstraintViolation",
}
_SLIVERS = [
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\x00",
    b"NaN",
    b"1e999",
    b"-",
    b"null",
]
_SLIVERS += [b"\\u0000", b"\\ud800", b"9" * 30, b"\xef\xbb\xbf", b" " * 50, b"[" * 50, b"\xc3\xa9"]


@dataclass(frozen=True, slots=True)
class Harm:
    """One frame, and what may come back."""

    data: bytes
    message_id: str | None = None
    """Of the one answer that has to come; None: one may come, or not."""
    codes: frozenset[str] = frozenset()
    """One of these, in a CALLERROR; "" stands for a CALLRESULT."""


def one_of(version: str, keyword: str) -> str:
    """Returns the code for what breaks a keyword of a schema."""
    code = _OF_KEYWORD[keyword]
    return code if isinstance(code, str) else code[version]


def faulty_calls(version: str, action: str, chance: random.Random, tag: str) -> Iterator[Harm]:
    """Yields a valid call, and all that have exactly one fault, for a station that is strict."""
    root = request_schema(version, action)
    whole = valid(root, chance, fullness=0.6)
    yield _call(f"{tag}-0", action, whole, {""})
    for number, (pointer, keyword, document) in enumerate(mutants(root, whole), start=1):
        # A payload that is no object is no payload at all; a boundary is still inside.
        outermost = keyword == "type" and not pointer
        code = _FORM[version] if outermost else one_of(version, keyword) if keyword else ""
        yield _call(f"{tag}-{number}", action, document, {code})


def broken_frames(version: str, tag: str) -> Iterator[Harm]:
    """Yields every kind of array that is no message, where the specification says what follows."""
    frame, kind = {_FRAME[version]}, {_KIND[version]}
    yield _harm([2, f"{tag}-a", "Heartbeat"], f"{tag}-a", frame)
    yield _harm([2, f"{tag}-b", 7, {}], f"{tag}-b", frame)
    yield _harm([2, f"{tag}-c", "Heartbeat", {}, "more"], f"{tag}-c", frame)
    yield _harm([2, f"{tag}-d", "", {}], f"{tag}-d", frame)
    yield _harm([2, f"{tag}-e", "NoSuchAction", {}], f"{tag}-e", {"NotImplemented"})
    yield _harm([2, f"{tag}-f", "Reset", {}], f"{tag}-f", {"NotImplemented"})
    yield _harm([2, f"{tag}-g", "Heartbeat", []], f"{tag}-g", {_FORM[version]})
    yield _harm([2, f"{tag}-h", "Heartbeat", None], f"{tag}-h", {_FORM[version]})
    yield _harm([7, f"{tag}-i", "Heartbeat", {}], f"{tag}-i" if version != "1.6" else None, kind)
    for silent in (
        [3, f"{tag}-j", {}],
        [3, f"{tag}-k"],
        [4, f"{tag}-l", "GenericError", "", {}],
        [4, f"{tag}-m"],
        [3, 7, {}],
    ):
        yield _harm(silent, None, set())


def noise(version: str, action: str, chance: random.Random, tag: str) -> Iterator[Harm]:
    """Yields a valid call with its bytes shaken: any answer will do that the version knows."""
    payload = valid(request_schema(version, action), chance, fullness=0.6)
    whole = msgspec.json.encode([2, tag, action, payload])
    for _ in range(10):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0:
                    data[at:at] = chance.choice(_SLIVERS)
                case 1:
                    del data[at : at + chance.randint(1, 20)]
                case 2:
                    data[at : at + 1] = bytes([chance.randrange(32, 127)])
                case _:
                    del data[at:]
        yield Harm(bytes(data).decode("utf-8", "replace").encode() or b"[")


def hostile_answers(version: str, action: str, chance: random.Random) -> Iterator[bytes]:
    """Yields what a station may answer our call with, `ID` in place of the message id."""
    root = schema_of(version, f"{action}Response")
    whole = valid(root, chance, fullness=0.6)
    yield msgspec.json.encode([3, "ID", whole])
    for _, _, document in mutants(root, whole):
        yield msgspec.json.encode([3, "ID", document])
    for payload in (b"NaN", b'{"status":"\\u0000"}', b'{"status":"\\ud800"}', b"[" * 99, b"{", b""):
        yield b'[3,"ID",' + payload + b"]"
    yield b'[3,"ID"]'
    yield b'[4,"ID"]'
    yield b'[4,"ID","NoSuchCode","' + b"x" * 5_000 + b'",{}]'
    yield b'[4,"ID","InternalError","",7]'
    yield b'[4,"ID","NotSupported","","",{},{}]'


def _call(message_id: str, action: str, payload: Any, codes: set[str]) -> Harm:
    return _harm([2, message_id, action, payload], message_id, codes)


def _harm(frame: list[Any], message_id: str | None, codes: set[str]) -> Harm:
    return Harm(msgspec.json.encode(frame), message_id, frozenset(codes))
