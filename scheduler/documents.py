"""JSON documents as frozen dataclasses, with a JSON pointer to each field that is wrong.

A dataclass is its own schema: annotations say what a field holds, defaults say which fields may be
left out. Unlike `msgspec`'s own typed decoding this names every wrong field at once, refuses
unknown fields of dataclasses and allows a JSON name that Python keeps for itself (`class`).
What the numbers mean together is not here: see `scheduler.problem.check_problem`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec

from models.errors import BadInput, FieldError
from models.timeline import parse_rfc3339

LARGEST_INTEGER = 2**53
"""Integers beyond this do not survive every JSON reader (RFC 8259, section 6)."""
LONGEST_TEXT = 300
"""More of a name or pointer than this helps nobody on a line."""
MOST_ERRORS = 50
"""No reader needs more than this many errors at once."""

Reader = Callable[[object], Any]
T = TypeVar("T")


class _Wrong(Exception):
    """Where, seen from the value at hand, something is wrong and what."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults

    def under(self, token: str | int) -> Iterable[tuple[str, str]]:
        return ((f"/{_escaped(token)}{pointer}", detail) for pointer, detail in self.faults)


def bad_input(what: str, errors: Iterable[FieldError]) -> BadInput:
    """Returns the error that names the first wrong field of `what` and carries the others."""
    some = list(errors)
    first = some[0]
    more = f" (and {len(some) - 1} more)" if len(some) > 1 else ""
    place = f"{printable(first.field)}: " if first.field else ""
    return BadInput(f"{what}: {place}{first.detail}{more}", some[:MOST_ERRORS])


def printable(text: str) -> str:
    """Returns `text` fit for one line on a terminal: names from outside may hold anything."""
    short = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


@dataclass(frozen=True, slots=True)
class _Column:
    """One field of a dataclass and how JSON gives it."""

    name: str
    attribute: str
    read: Reader
    required: bool
    null_if_absent: bool


class Schema:
    """Reads JSON into the dataclasses it was told of, innermost first."""

    def __init__(self) -> None:
        self._readers: dict[object, Reader] = {
            float: _number,
            int: _integer,
            str: _text,
            bool: _flag,
            datetime: _instant,
            tuple[float, ...]: _series,
        }

    def add(
        self,
        kind: type,
        *,
        names: Mapping[str, str] | None = None,
        required: Iterable[str] = (),
        null_if_absent: Iterable[str] = (),
    ) -> None:
        """Learns to read `kind`.

        Args:
            kind: a dataclass whose field types are known already.
            names: JSON name of each field that is named differently.
            required: fields that JSON must give although Python has a default for them.
            null_if_absent: fields that JSON may leave out although Python has no default for them.
        """
        hints = get_type_hints(kind)
        columns = [
            _Column(
                name=(names or {}).get(field.name, field.name),
                attribute=field.name,
                read=self._reader(hints[field.name]),
                required=field.default is MISSING or field.name in required,
                null_if_absent=field.name in null_if_absent,
            )
            for field in fields(kind)
        ]
        self._readers[kind] = _record(kind, columns)

    def read(self, kind: type[T], data: bytes, what: str) -> T:
        """Returns the `kind` that `data` holds.

        Raises:
            BadInput: if it is no JSON, or fields are unknown, missing or wrongly typed.
        """
        try:
            raw: object = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise bad_input(what, [_locate(data, str(error))]) from None
        try:
            return cast("T", self._readers[kind](raw))
        except _Wrong as wrong:
            raise bad_input(what, [FieldError(*fault) for fault in wrong.faults]) from None

    def _reader(self, hint: object) -> Reader:
        if hint in self._readers:
            return self._readers[hint]
        parts = get_args(hint)
        if get_origin(hint) is Literal:
            return _one_of(parts)
        if isinstance(hint, UnionType):
            assert parts[1:] == (NoneType,), f"only `X | None` is read, not {hint}"
            return _optional(self._reader(parts[0]))
        assert get_origin(hint) is tuple, f"no reader for {hint}"
        if parts[1:] == (...,):
            return _list(self._reader(parts[0]))
        return _exactly([self._reader(part) for part in parts])


def _found(raw: object) -> str:
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
    }
    return names.get(type(raw), "null" if raw is None else "a number")


def _number(raw: object) -> float:
    if type(raw) is float and math.isfinite(raw):
        return raw
    if type(raw) is int and abs(raw) <= LARGEST_INTEGER:
        return float(raw)
    if type(raw) in (int, float):
        raise _Wrong(("", "must be a finite number"))
    raise _Wrong(("", f"must be a number, not {_found(raw)}"))


def _integer(raw: object) -> int:
    if type(raw) is int:
        if abs(raw) <= LARGEST_INTEGER:
            return raw
        raise _Wrong(("", "is too large a number"))
    found = "a fraction" if type(raw) is float else _found(raw)
    raise _Wrong(("", f"must be a whole number, not {found}"))


def _text(raw: object) -> str:
    if type(raw) is str:
        return raw
    raise _Wrong(("", f"must be a text, not {_found(raw)}"))


def _flag(raw: object) -> bool:
    if type(raw) is bool:
        return raw
    raise _Wrong(("", f"must be true or false, not {_found(raw)}"))


def _instant(raw: object) -> datetime:
    text = _text(raw)
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise _Wrong(("", "must be an instant with an offset, as 2026-06-15T00:00:00Z")) from None


def _items(raw: object) -> list[object]:
    if type(raw) is list:
        return cast("list[object]", raw)
    raise _Wrong(("", f"must be a list, not {_found(raw)}"))


def _series(raw: object) -> tuple[float, ...]:
    items = _items(raw)
    if {type(item) for item in items} <= {float}:
        numbers = cast("list[float]", items)
        if all(map(math.isfinite, numbers)):
            return tuple(numbers)
    return _list(_number)(items)


def _list(read: Reader) -> Reader:
    def read_list(raw: object) -> tuple[object, ...]:
        items = _items(raw)
        try:
            return tuple(map(read, items))
        except _Wrong:
            faults: list[tuple[str, str]] = []
            for index, item in enumerate(items):
                try:
                    read(item)
                except _Wrong as wrong:
                    faults.extend(wrong.under(index))
                    if len(faults) >= MOST_ERRORS:
                        break
            raise _Wrong(*faults) from None

    return read_list


def _exactly(readers: list[Reader]) -> Reader:
    def read_exactly(raw: object) -> tuple[object, ...]:
        items = _items(raw)
        if len(items) != len(readers):
            raise _Wrong(("", f"must hold {len(readers)} values, not {len(items)}"))
        return tuple(read(item) for read, item in zip(readers, items, strict=True))

    return read_exactly


def _one_of(allowed: tuple[object, ...]) -> Reader:
    def read_one_of(raw: object) -> object:
        if isinstance(raw, str) and raw in allowed:
            return raw
        raise _Wrong(("", f"must be one of {', '.join(map(str, allowed))}"))

    return read_one_of


def _optional(read: Reader) -> Reader:
    def read_optional(raw: object) -> object:
        return None if raw is None else read(raw)

    return read_optional


def _record(kind: type, columns: list[_Column]) -> Reader:
    known = {column.name for column in columns}

    def read_record(raw: object) -> object:
        if type(raw) is not dict:
            raise _Wrong(("", f"must be an object, not {_found(raw)}"))
        values = cast("dict[str, object]", raw)
        faults: list[tuple[str, str]] = []
        given: dict[str, object] = {}
        for column in columns:
            if column.name in values:
                try:
                    given[column.attribute] = column.read(values[column.name])
                except _Wrong as wrong:
                    faults.extend(wrong.under(column.name))
            elif column.null_if_absent:
                given[column.attribute] = None
            elif column.required:
                faults.extend(_Wrong(("", "is missing")).under(column.name))
        for name in sorted(values.keys() - known):
            faults.extend(_Wrong(("", "is no field known here")).under(name))
        if faults:
            raise _Wrong(*faults)
        return kind(**given)

    return read_record


_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
_NUMBER_LIKE = re.compile(r"[-+.]*(?:\d|nan|inf)", re.IGNORECASE)


def _locate(data: bytes, message: str) -> FieldError:
    """Returns where in `data`, which is no JSON, the first value stands that can't be read."""
    path: list[str | int] = []
    key_next = False
    for match in _TOKEN.finditer(data.decode("utf-8", errors="replace")):
        piece = match.group()
        if piece in "{[":
            path.append("" if piece == "{" else 0)
            key_next = piece == "{"
        elif piece in "}]":
            del path[-1:]
            key_next = False
        elif piece == "," and path:
            last = path[-1]
            key_next = isinstance(last, str)
            path[-1] = last if isinstance(last, str) else last + 1
        elif piece[0] == '"' and key_next:
            path[-1] = piece[1:-1]
            key_next = False
        elif piece[0] not in ' \t\r\n,:"' and not _readable(piece):
            pointer = "".join(f"/{_escaped(part)}" for part in path)
            if _NUMBER_LIKE.match(piece) is None:
                return FieldError(pointer, f"is no JSON that can be read: {message}")
            return FieldError(pointer, f"must be a finite number, not {piece[:40]}")
    return FieldError("", f"is no JSON that can be read: {message}")


def _readable(piece: str) -> bool:
    if _LITERAL.fullmatch(piece) is None:
        return False
    return piece[0] in "tfn" or math.isfinite(float(piece))


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
