"""Dialects: what one version of OCPP can say and hear, and the only way in and out of it.

A dialect looks up the row of an action, decodes and validates, lets the row make the Fact, and on
the way back encodes the Answer. The fast path is a struct decoder that validates as it goes; the
schema is asked only when it says no. What stations must not lose (`Heard.precious`) is repaired,
and where that fails quarantined raw; elsewhere the fault becomes the right error code.

The three dialects are made in `csms.ocpp.v16`, `v201` and `v21`; `csms.ocpp.versions` picks one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import msgspec

from csms.ocpp import frame, repair, schema
from csms.ocpp.frame import Call, Version
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import (
    Block,
    Heard,
    HeardKind,
    Outcome,
    Refusal,
    Said,
    Understood,
    action_of,
    by_status,
)
from models.answers import EMPTY, Answer, EmptyAnswer, TransactionAnswer
from models.commands import AnyCommand, RawCommand
from models.errors import BadInput, FieldError
from models.facts import Fact, Quarantined

BOOT = "BootNotification"
_LONG_PAYLOAD = 2 * frame.LIST_MAX
"""Only a payload longer than this can hold a list that is too long."""

_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_SENSELESS = (ArithmeticError, KeyError, TypeError, ValueError, msgspec.MsgspecError)
"""What may be raised by reading something that a schema lets through: a time at the end of the
calendar, a whole number with a point."""
_NOT_PLAIN = (*_UNREADABLE, *_SENSELESS)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one action is treated, for the coverage page and the completeness test."""

    action: str
    block: str
    initiator: Literal["station", "csms", "both"]
    detail: str
    """The fact that it becomes, or the command that makes it; "" where none does."""


class _Ear:
    """A `Heard` row, ready for use: its decoder is of the dialect's own version."""

    __slots__ = ("action", "decode", "decode_frame", "fact", "kind", "precious", "struct")

    def __init__(self, struct: type[msgspec.Struct], row: Heard[Any, Any, Any]) -> None:
        self.action = row.action
        self.struct = struct
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(struct).decode
        whole = msgspec.json.Decoder(tuple[int, str, str, struct])
        self.decode_frame: Callable[[bytes], tuple[int, str, str, Any]] = whole.decode
        self.fact: Callable[[Any, Hearing], Fact] = row.fact
        self.kind: HeardKind = row.kind
        self.precious = row.precious


class Dialect:
    """One version of OCPP, made of blocks."""

    def __init__(
        self,
        subprotocol: str,
        version: Version,
        requests: Mapping[str, type[msgspec.Struct]],
        blocks: tuple[Block, ...],
    ) -> None:
        self.subprotocol = subprotocol
        self.version: Version = version
        self.blocks = blocks
        self._requests = requests
        self._ears: dict[str, _Ear] = {}
        self._ears_by_bytes: dict[bytes, _Ear] = {}
        self._answers: dict[type[Fact], Heard[Any, Any, Any]] = {}
        self._empty: dict[type[Fact], bytes] = {}
        """The response to each Fact that wants an empty one."""
        self._said: dict[type[Any], Said[Any]] = {}
        self._read_raw: dict[str, Said[Any]] = {}
        """By action, those whose answers are read whoever has written the request."""
        for block in blocks:
            self._add(block)
        self.csms_actions = frozenset(action for block in blocks for action in block.sent)
        """Requests that we may make."""
        self.station_actions = frozenset(self._ears)
        """Requests that stations may make."""

    def _add(self, block: Block) -> None:
        for row in block.heard:
            ear = self._ears[row.action] = _Ear(self._requests[row.action], row)
            self._ears_by_bytes[row.action.encode()] = ear
            same = self._answers.setdefault(row.tells, row)
            assert same.answer is row.answer, f"two ways to answer {row.tells.__name__}"
            if row.wants is EmptyAnswer:
                self._empty[row.tells] = _encode(row.answer(None, EMPTY))
        for said in block.said:
            self._said[said.command] = said
            if said.reads_raw:
                self._read_raw |= dict.fromkeys(said.actions, said)

    def hear(
        self,
        action: str,
        payload: bytes,
        station: str,
        received_at: datetime,
        *,
        strict: bool,
        accepted: bool,
        long_tokens: bool = False,
    ) -> Understood | Refusal:
        """Returns what a station's request means, or why it is refused. Never raises on input.

        Args:
            action: as on the wire.
            payload: JSON as it came.
            station: its identity.
            received_at: by our clock.
            strict: whether the specification is taken at its word (conformance runs).
            accepted: whether the station's BootNotification has been accepted. Before that, 2.x
                allows nothing else (B02.FR.09, B03.FR.08).
            long_tokens: whether the tokens of a 1.6 station may be too long, and are cut then.
        """
        if not accepted and self.version != "1.6" and action != BOOT:
            return Refusal("SecurityError", "the station has not been accepted yet")
        ear = self._ears.get(action)
        if ear is None:
            return Refusal("NotImplemented", f"OCPP {self.version} stations have no such action")
        hearing = Hearing(station, received_at, payload)
        if not strict and _plain(payload):
            try:
                request = ear.decode(payload)
            except _UNREADABLE:
                pass
            else:
                return self._understood(ear, request, hearing, strict=strict)
        return self._hear_slowly(ear, hearing, strict=strict, long_tokens=long_tokens)

    def hear_frame(
        self, data: bytes, station: str, received_at: datetime
    ) -> tuple[Call, Understood] | None:
        """Returns a call with what it means, read in one pass; never raises on input.

        For stations that are accepted and not taken at their word. Nearly every frame is sound;
        for one that is not, or is of another kind, there is None, and `frame.read` and `hear` say
        what it is.
        """
        parts = data.split(b'"', 4)
        if len(parts) != 5 or parts[0] != b"[2," or parts[2] != b",":
            return None
        ear, rest = self._ears_by_bytes.get(parts[3]), parts[4]
        if ear is None or not rest.startswith(b",{") or not rest.endswith(b"}]"):
            return None
        payload = rest[1:-1]
        if not _plain(payload):
            return None
        try:
            _, message_id, action, request = ear.decode_frame(data)
            hearing = Hearing(station, received_at, payload)
            if action != ear.action or not 0 < len(message_id) <= frame.MESSAGE_ID_MAX:
                return None
            heard = Understood(ear.fact(request, hearing), ear.kind)
        except _NOT_PLAIN:
            return None
        return Call(message_id, action, payload), heard

    def answer(self, fact: Fact, answer: Answer) -> bytes:
        """Returns the response payload that tells the station `answer`.

        `EMPTY` also answers a transaction that could not be stored as what it claims, except for
        the start of a 1.6 one, which can't do without an id.

        Raises:
            TypeError: if that Fact can't be answered so.
        """
        if answer is EMPTY and (empty := self._empty.get(type(fact))) is not None:
            return empty
        row = self._answers.get(type(fact))
        if row is None:
            if isinstance(answer, EmptyAnswer):
                return b"{}"
        else:
            if isinstance(answer, EmptyAnswer) and row.wants is TransactionAnswer:
                answer = TransactionAnswer()
            if isinstance(answer, row.wants):
                return _encode(row.answer(fact, answer))
        raise TypeError(f"{type(fact).__name__} can't be answered with {type(answer).__name__}")

    def say(self, command: AnyCommand) -> tuple[str, bytes]:
        """Returns the action and payload that tell a station `command`.

        Raises:
            BadInput: if this version has no way to say it.
        """
        if isinstance(command, RawCommand):
            return command.action, _encode(command.payload)
        request = self._row(command).request(command)
        action = action_of(type(request))
        payload = _encode(request)
        if wrong := self.validate_request(action, msgspec.json.decode(payload)):
            raise BadInput(f"OCPP {self.version} can't say this {type(command).__name__}", wrong)
        return action, payload

    def outcome(self, command: AnyCommand, response: bytes) -> Outcome:
        """Returns what a station's response to `command` means. Never raises on input.

        What breaks the schema is left out; where nothing sensible is left, the outcome is unknown.
        """
        if why := frame.poison(response):
            return Outcome(status="unknown", detail=why)
        name = f"{self._action(command)}Response"
        document: object = msgspec.json.decode(response)
        found = schema.faults(self.version, name, document, strict=False)
        wrong = _field_errors(found)
        if found:
            document, found = repair.repaired(self.version, name, document, prune=True)
        if found:
            return Outcome(status="unknown", detail=schema.text_of(found), faults=wrong)
        interpret = by_status
        if not isinstance(command, RawCommand):
            interpret = self._row(command).outcome
        elif command.action in self._read_raw:
            interpret = self._read_raw[command.action].outcome
        try:
            read = interpret(command, cast("dict[str, Any]", document))
        except _SENSELESS as problem:
            return Outcome(status="unknown", detail=f"can't be read: {problem}"[:200], faults=wrong)
        return msgspec.structs.replace(read, faults=wrong) if wrong else read

    def validate_request(self, action: str, payload: object) -> list[FieldError]:
        """Returns what is wrong with a request that we are asked to make; pointers from its root.

        Raises:
            BadInput: if stations of this version know no such request from us.
        """
        if action not in self.csms_actions:
            detail = f"OCPP {self.version} stations take no {action!r} from a central system"
            raise BadInput(detail, [FieldError("/action", detail)])
        return self._validate(f"{action}Request", payload)

    def validate_response(self, action: str, payload: object) -> list[FieldError]:
        """Returns what is wrong with a response to `action`; pointers from its root."""
        return self._validate(f"{action}Response", payload)

    def coverage(self) -> list[Coverage]:
        """Returns how every action of this version is treated, by block."""
        commands = {
            action: said.command.__name__
            for block in self.blocks
            for said in block.said
            for action in said.actions
        }
        return [line for block in self.blocks for line in _coverage_of(block, commands)]

    def _action(self, command: AnyCommand) -> str:
        if isinstance(command, RawCommand):
            return command.action
        return action_of(type(self._row(command).request(command)))

    def _row(self, command: AnyCommand) -> Said[Any]:
        row = self._said.get(type(command))
        if row is None:
            raise BadInput(f"OCPP {self.version} has no way to say {type(command).__name__}")
        return row

    def _validate(self, name: str, payload: object) -> list[FieldError]:
        try:
            raw = _encode(payload)
        except (TypeError, ValueError, RecursionError, OverflowError) as problem:
            return [FieldError("", f"can't be written as JSON: {problem}")]
        if why := frame.poison(raw):
            return [FieldError("", why)]
        # What we say ourselves has to be beyond reproach, so formats count.
        document: object = msgspec.json.decode(raw)
        return list(_field_errors(schema.faults(self.version, name, document, strict=True)))

    def _hear_slowly(
        self, ear: _Ear, hearing: Hearing, *, strict: bool, long_tokens: bool
    ) -> Understood | Refusal:
        """Lets the schema judge what the struct refused, and repairs what may be let through."""
        if why := frame.poison(hearing.payload):
            return self._unusable(ear, hearing, Refusal("FormatViolation", why), strict=strict)
        document: object = msgspec.json.decode(hearing.payload)
        if long_tokens and repair.cut_token(document):
            hearing.doubt("token-cut")
        name = f"{ear.action}Request"
        found = schema.faults(self.version, name, document, strict=strict)
        if found and not strict:
            for doubt in repair.doubts_of(found):
                hearing.doubt(doubt)
            document, found = repair.repaired(self.version, name, document, prune=ear.precious)
        if found:
            refusal = Refusal(schema.code_of(found), schema.text_of(found))
            return self._unusable(ear, hearing, refusal, strict=strict)
        try:
            request: object = msgspec.convert(repair.whole_numbers(document), ear.struct)
        except _UNREADABLE as problem:
            refusal = Refusal("FormatViolation", str(problem))
            return self._unusable(ear, hearing, refusal, strict=strict)
        return self._understood(ear, request, hearing, strict=strict)

    def _understood(
        self, ear: _Ear, request: object, hearing: Hearing, *, strict: bool
    ) -> Understood | Refusal:
        try:
            return Understood(ear.fact(request, hearing), ear.kind)
        except _SENSELESS as problem:
            refusal = Refusal("PropertyConstraintViolation", f"can't be read: {problem}"[:200])
            return self._unusable(ear, hearing, refusal, strict=strict)

    def _unusable(
        self, ear: _Ear, hearing: Hearing, refusal: Refusal, *, strict: bool
    ) -> Understood | Refusal:
        if strict or not ear.precious:
            return refusal
        fact = Quarantined(
            station=hearing.station,
            received_at=hearing.received_at,
            suspect=("schema",),
            action=ear.action,
            raw=hearing.payload,
            reason=refusal.description,
        )
        return Understood(fact, "quarantine")


def _plain(payload: bytes) -> bool:
    """Returns whether a payload can hold no poison that a struct would overlook.

    Free objects stand under `customData` and `data`, and one search finds the ends of both names.
    """
    return (
        len(payload) <= _LONG_PAYLOAD
        and (b"\\" not in payload or b"\\u0000" not in payload)
        and b'ata"' not in payload
    )


def _field_errors(found: tuple[schema.Fault, ...]) -> tuple[FieldError, ...]:
    return tuple(FieldError(fault.pointer, fault.detail) for fault in found)


def _coverage_of(block: Block, commands: Mapping[str, str]) -> list[Coverage]:
    """Returns how the actions of a block are treated; a command may choose from several blocks."""
    heard = {row.action: row.tells.__name__ for row in block.heard}
    both = set(heard) & set(block.sent)
    lines = [
        Coverage(action, block.name, "both" if action in both else "station", fact)
        for action, fact in heard.items()
    ]
    lines += [
        Coverage(action, block.name, "csms", commands.get(action, ""))
        for action in block.sent
        if action not in both
    ]
    return lines
