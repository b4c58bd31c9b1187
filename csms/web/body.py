"""JSON bodies, read strictly: what can't be stored and read back everywhere is refused here.

NaN, infinity and lone surrogates are no JSON and fail in msgspec; NUL, integers beyond 64 bits,
deep nesting and over-long lists are JSON, but poison further in.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from starlette.requests import Request

from csms.web.problem import TooLarge, bad_field, json_pointer
from models.errors import BadInput

DEPTH_MAX = 32
ITEMS_MAX = 20_000
"""Items of one list or object: 200 days of quarter hours."""
BODY_BYTES_MAX = 4 * 1024 * 1024
INT64_MAX = 2**63 - 1
_DECODER = msgspec.json.Decoder()
_NO_NUMBER = re.compile(r'"([^"\\]{1,64})"\s*:\s*[\[\d\s.,eE+-]{0,400}(NaN|Infinity)\b')
"""What other languages write for what JSON has no word for, with the name before it."""


class UnreadableBody:
    """Stands for a body that is no acceptable JSON until permissions have been checked."""

    def __init__(self, reason: BadInput) -> None:
        self.reason = reason


class StrictRequest(Request):
    """A request whose `json()` gives an `UnreadableBody` rather than lenient JSON."""

    unreadable: UnreadableBody | None = None
    _whole: bytes | None = None

    async def body(self) -> bytes:
        """Returns the body.

        Raises:
            TooLarge: as soon as it has more than `BODY_BYTES_MAX` bytes.
        """
        if self._whole is None:
            data = bytearray()
            async for chunk in self.stream():
                data += chunk
                if len(data) > BODY_BYTES_MAX:
                    raise TooLarge(f"a body has at most {BODY_BYTES_MAX} bytes")
            self._whole = bytes(data)
        return self._whole

    async def json(self) -> Any:
        """Returns the decoded body, or an `UnreadableBody`."""
        try:
            return read_json(await self.body())
        except BadInput as reason:
            self.unreadable = UnreadableBody(reason)
            return self.unreadable


def read_json(data: bytes | str) -> Any:
    """Returns the JSON value in `data`.

    Raises:
        BadInput: if it is no JSON, or holds what we can't keep.
    """
    try:
        value: Any = _DECODER.decode(data)
    except RecursionError:
        raise bad_field("", f"nested deeper than {DEPTH_MAX}") from None
    except (msgspec.MsgspecError, UnicodeError) as broken:
        raise bad_field("", f"no JSON: {broken}{_no_number(data)}") from None
    check_json(value)
    return value


def _no_number(data: bytes | str) -> str:
    """Returns in words where a text that is no JSON has NaN or infinity, if it has."""
    text = data if isinstance(data, str) else data.decode(errors="replace")
    found = _NO_NUMBER.search(text)
    return "" if found is None else f"; {found[2]} in {found[1]!r} is no number there"


def check_json(value: Any) -> None:
    """Checks that a decoded JSON value can be stored and read back everywhere.

    Raises:
        BadInput: naming the first place that can't.
    """
    left: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while left:
        here, place = left.pop()
        if isinstance(here, str):
            _check_text(here, place)
        elif isinstance(here, int):
            if not -INT64_MAX - 1 <= here <= INT64_MAX:
                raise bad_field(json_pointer(*place), "integer beyond 64 bits")
        elif isinstance(here, dict | list):
            if len(place) >= DEPTH_MAX:
                raise bad_field(json_pointer(*place[:4]), f"nested deeper than {DEPTH_MAX}")
            items = _items(cast("dict[str, Any] | list[Any]", here))
            if len(items) > ITEMS_MAX:
                raise bad_field(json_pointer(*place), f"more than {ITEMS_MAX} items")
            for key, child in items:
                if isinstance(key, str):
                    _check_text(key, place)
                left.append((child, (*place, key)))


def _items(container: dict[str, Any] | list[Any]) -> list[tuple[str | int, Any]]:
    if isinstance(container, dict):
        return list(container.items())
    return list(enumerate(container))


def _check_text(text: str, place: tuple[str | int, ...]) -> None:
    if "\0" in text:
        raise bad_field(json_pointer(*place), "text with a NUL character")


def whole_number(text: str) -> int | None:
    """Returns the number that text is, if both databases can keep it, else None.

    Text of very many digits is not even read: Python refuses to.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(INT64_MAX)):
        return None
    number = int(text)
    return number if number <= INT64_MAX else None
