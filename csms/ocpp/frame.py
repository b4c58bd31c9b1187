"""Frames: the arrays of OCPP-J, from bytes and to bytes.

Reads anything and never raises: what is no frame comes back as `Malformed`, with the answer that
the specification wants. What may poison a database (NUL, lone surrogates, depth, numbers beyond
64 bits) is found here by `poison`. Which frame belongs to which call is the peer's business
(`csms.ocpp.peer`), what a payload means the dialect's (`csms.ocpp.dialects`).

Source: OCPP-J 1.6 section 4; OCPP 2.0.1 and 2.1 part 4 section 4.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, cast

import msgspec

Version = Literal["1.6", "2.0.1", "2.1"]
ErrorCode = Literal[
    "FormatViolation",
    "GenericError",
    "InternalError",
    "MessageTypeNotSupported",
    "NotImplemented",
    "NotSupported",
    "OccurrenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "RpcFrameworkError",
    "SecurityError",
    "TypeConstraintViolation",
]
"""The words of 2.1; `spelled` gives those of the older versions."""

MESSAGE_ID_MAX = 36
ACTION_MAX = 64
DEPTH_MAX = 32
LIST_MAX = 65_536
"""Longest list; a StopTransaction with a day of ten-second readings has 8,640."""
INT_MAX = 2**63 - 1
DESCRIPTION_MAX = 255
UNREADABLE_ID = "-1"
"""2.x: stands for a message id that could not be read."""

CALL: Final = 2
RESULT: Final = 3
ERROR: Final = 4
RESULT_ERROR: Final = 5
SEND: Final = 6

_SPELLED_16: dict[str, str] = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "RpcFrameworkError": "FormationViolation",
    "MessageTypeNotSupported": "NotSupported",
}
_SPELLED_201: dict[str, str] = {"OccurrenceConstraintViolation": "OccurenceConstraintViolation"}


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request that wants an answer."""

    message_id: str
    action: str
    payload: bytes
    """JSON as it came; broken JSON where only the frame's head could be read."""


class Result(msgspec.Struct, frozen=True, gc=False):
    """The answer to one of our calls."""

    message_id: str
    payload: bytes


class Error(msgspec.Struct, frozen=True, gc=False):
    """A refusal of one of our calls; `of_result` (2.1) of one of our answers."""

    message_id: str
    code: str
    description: str
    details: bytes
    of_result: bool = False


class Send(msgspec.Struct, frozen=True, gc=False):
    """A message that wants no answer (2.1)."""

    message_id: str
    action: str
    payload: bytes


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """No frame of this version."""

    detail: str
    message_id: str | None = None
    """What could be read of it."""
    message_type: int | None = None
    reply: bytes | None = None
    """The CALLERROR to send, where the version wants one."""


Frame = Call | Result | Error | Send | Malformed

_call = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw])
_result = msgspec.json.Decoder(tuple[int, str, msgspec.Raw])
_any_frame = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)

_HEAD = re.compile(
    rb'\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f]{1,36})"\s*,\s*"([A-Za-z0-9]{1,64})"\s*,\s*(?=\{)'
)
_TYPE_AND_ID = re.compile(rb'\s*\[\s*(\d{1,9})\s*,\s*"([^"\\\x00-\x1f]*)"')
_TYPE = re.compile(rb"\s*\[\s*(\d{1,9})\s*[,\]]")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def spelled(code: ErrorCode, version: Version) -> str:
    """Returns the code as `version` spells it.

    Source: OCPP-J 1.6 section 4.2.3 and its errata 5.1 and 5.2, which keep the misspellings.
    """
    if version == "1.6":
        return _SPELLED_16.get(code, code)
    if version == "2.0.1":
        return _SPELLED_201.get(code, code)
    return code


def read(data: bytes | str, version: Version) -> Frame:
    """Returns the frame in one websocket message."""
    try:
        raw = data.encode() if isinstance(data, str) else data
        if raw[:2] == b"[2":
            kind, message_id, action, payload = _call.decode(raw)
            if kind == CALL and 0 < len(message_id) <= MESSAGE_ID_MAX and _clean(action):
                return Call(message_id, action, bytes(payload))
        elif raw[:2] == b"[3":
            kind, message_id, payload = _result.decode(raw)
            if kind == RESULT and 0 < len(message_id) <= MESSAGE_ID_MAX:
                return Result(message_id, bytes(payload))
    except _UNREADABLE:
        pass
    return _read_slowly(data, version)


def call(message_id: str, action: str, payload: bytes) -> bytes:
    """Returns the frame of a CALL."""
    return _encode((CALL, message_id, action, msgspec.Raw(payload)))


def result(message_id: str, payload: bytes) -> bytes:
    """Returns the frame of a CALLRESULT."""
    return _encode((RESULT, message_id, msgspec.Raw(payload)))


def error(
    message_id: str, code: ErrorCode, description: str, version: Version, *, kind: int = ERROR
) -> bytes:
    """Returns the frame of a CALLERROR, or of a CALLRESULTERROR."""
    text = description[:DESCRIPTION_MAX].encode(errors="replace").decode()
    return _encode((kind, message_id, spelled(code, version), text, {}))


def poison(raw: bytes) -> str | None:
    """Returns why this JSON must not be stored as if it were sound, or None.

    Looks for NUL, lone surrogates, NaN, numbers beyond 64 bits, depth over `DEPTH_MAX` and lists
    over `LIST_MAX`.
    """
    if too_deep(raw):
        return f"nested deeper than {DEPTH_MAX}"
    try:
        document: object = msgspec.json.decode(raw)
    except _UNREADABLE as problem:
        return f"no JSON: {problem}"
    return _poison_in(document)


def too_deep(raw: bytes) -> bool:
    """Returns whether brackets nest deeper than `DEPTH_MAX`; needs no sound JSON."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_MAX:
        return False
    brackets = _STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS)
    # Each pass takes away the innermost pairs, so that what needs more passes is too deep.
    for _ in range(DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return True


def _clean(action: str) -> bool:
    return 0 < len(action) <= ACTION_MAX


def _poison_in(document: object) -> str | None:
    queue: list[object] = [document]
    while queue:
        value = queue.pop()
        if isinstance(value, str):
            if "\x00" in value:
                return "a text holds NUL"
        elif isinstance(value, dict):
            members = cast("dict[str, object]", value)
            queue.extend(members)
            queue.extend(members.values())
        elif isinstance(value, list):
            items = cast("list[object]", value)
            if len(items) > LIST_MAX:
                return f"a list of {len(items)}, longer than {LIST_MAX}"
            queue.extend(items)
        elif isinstance(value, int) and not -INT_MAX - 1 <= value <= INT_MAX:
            return "a number beyond 64 bits"
    return None


def _read_slowly(data: bytes | str, version: Version) -> Frame:
    """Reads what the fast path did not take: rare kinds, odd spacing and everything malformed."""
    raw = data if isinstance(data, bytes) else data.encode(errors="surrogatepass")
    try:
        parts = _any_frame.decode(raw)
    except _UNREADABLE:
        return _salvage(raw) or _malformed("no JSON array", raw, version)
    values = [_scalar(part) for part in parts[:4]]
    kind, message_id = (*values, None, None)[:2]
    if type(kind) is not int:
        return _malformed("the message type is no number", raw, version)
    if kind not in _known_kinds(version):
        return _malformed(f"message type {kind}", raw, version, code="MessageTypeNotSupported")
    if not isinstance(message_id, str) or not 0 < len(message_id) <= MESSAGE_ID_MAX:
        detail = f"the message id is no text of 1 to {MESSAGE_ID_MAX} characters"
        return _malformed(detail, raw, version)
    return _shaped(kind, message_id, values, parts) or _malformed(
        f"a message of type {kind} with {len(parts)} elements, or one of a wrong type", raw, version
    )


def _shaped(
    kind: int, message_id: str, values: list[Any], parts: list[msgspec.Raw]
) -> Frame | None:
    if kind in {CALL, SEND}:
        if len(parts) != 4 or not isinstance(values[2], str) or not _clean(values[2]):
            return None
        maker = Call if kind == CALL else Send
        return maker(message_id, values[2], bytes(parts[3]))
    if kind == RESULT:
        return Result(message_id, bytes(parts[2])) if len(parts) == 3 else None
    # Stations leave out the description or the details of an error; its code is what matters.
    if not 3 <= len(parts) <= 5 or not isinstance(values[2], str):
        return None
    description = values[3] if len(values) > 3 and isinstance(values[3], str) else ""
    details = bytes(parts[4]) if len(parts) > 4 else b"{}"
    return Error(message_id, values[2], description, details, of_result=kind == RESULT_ERROR)


def _salvage(raw: bytes) -> Call | None:
    """Returns the call whose head can be read though its payload is broken.

    A meter that writes NaN must not lose its readings: the dialect quarantines them.
    """
    head = _HEAD.match(raw)
    if head is None:
        return None
    try:
        message_id = head[1].decode()
    except UnicodeDecodeError:
        return None
    payload = raw[head.end() :].rstrip().removesuffix(b"]").rstrip()
    return Call(message_id, head[2].decode(), payload)


def _known_kinds(version: Version) -> frozenset[int]:
    if version == "2.1":
        return frozenset({CALL, RESULT, ERROR, RESULT_ERROR, SEND})
    return frozenset({CALL, RESULT, ERROR})


def _scalar(part: msgspec.Raw) -> object:
    """Returns the value if it is a text or a number, else None."""
    raw = bytes(part)
    if raw[:1] in (b"[", b"{"):
        return None
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE:
        return None


def _malformed(
    detail: str, raw: bytes, version: Version, *, code: ErrorCode = "RpcFrameworkError"
) -> Malformed:
    """Returns the verdict on a broken frame, with the CALLERROR that `version` wants.

    1.6 answers calls whose id can be read and ignores what it does not know; 2.x answers
    everything but answers, with the id "-1" where none can be read or the one read is too long.
    """
    found_kind = _TYPE.match(raw)
    kind = int(found_kind[1]) if found_kind else None
    found_id = _TYPE_AND_ID.match(raw)
    message_id = found_id[2].decode(errors="replace") if found_id else None
    reply: bytes | None = None
    if version == "1.6":
        if kind == CALL and message_id:
            reply = error(message_id, code, detail, version)
    elif kind not in {RESULT, ERROR} and not (version == "2.1" and kind in {RESULT_ERROR, SEND}):
        readable = message_id is not None and 0 < len(message_id) <= MESSAGE_ID_MAX
        reply = error(
            message_id if message_id and readable else UNREADABLE_ID, code, detail, version
        )
    return Malformed(detail, message_id, kind, reply)
