"""Between the `ocpp` package's dataclasses and what goes over the wire, field by field.

The package translates each key of each message anew and copies every value twice, which makes half
of a simulated day. Here each key is translated once, by the package itself, and remembered; the
result is the same, and a test holds it against the package's own for every message.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, cast

from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case

_LEAVES: frozenset[type] = frozenset({str, int, float, bool})
"""Most of what is in a message."""


def to_wire(value: Any) -> Any:
    """Returns a call or answer of the package as its payload: keys in camel case, no nulls."""
    kind: type = type(value)
    if kind in _LEAVES:
        return value
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {_camel(key): to_wire(each) for key, each in pairs if each is not None}
    if isinstance(value, list):
        return [to_wire(each) for each in cast("list[Any]", value) if each is not None]
    known = _fields(kind)
    if known is None:
        return value
    return {
        camel: to_wire(each) for name, camel in known if (each := getattr(value, name)) is not None
    }


def from_wire(value: Any) -> Any:
    """Returns a payload with its keys in snake case, as the package's dataclasses have them."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {_snake(key): from_wire(each) for key, each in pairs}
    if isinstance(value, list):
        return [from_wire(each) for each in cast("list[Any]", value)]
    return value


@lru_cache(maxsize=1024)
def _fields(kind: type) -> tuple[tuple[str, str], ...] | None:
    """Returns the names of a dataclass and what they are on the wire; None for other types."""
    if not is_dataclass(kind):
        return None
    return tuple((field.name, _camel(field.name)) for field in fields(kind))


@lru_cache(maxsize=4096)
def _camel(key: str) -> str:
    return str(next(iter(cast("dict[str, None]", snake_to_camel_case({key: None})))))


@lru_cache(maxsize=4096)
def _snake(key: str) -> str:
    return str(next(iter(cast("dict[str, None]", camel_to_snake_case({key: None})))))
