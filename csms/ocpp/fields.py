"""Fields: how the wire says "not given", and how it writes times.

OCPP leaves absent fields out and forbids null, so the structs have `UNSET`; everything beyond them
uses None.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from msgspec import UNSET, UnsetType

from models.timeline import format_rfc3339

T = TypeVar("T")


def given(value: T | UnsetType) -> T | None:
    """Returns the value of an optional field, or None where the station left it out."""
    return None if value is UNSET else value  # pyright: ignore[reportReturnType]


def optional(value: T | None) -> T | UnsetType:
    """Returns the value for an optional field; None is left out of the message."""
    return UNSET if value is None else value


def wire_time(instant: datetime) -> str:
    """Returns the time as stations are told it: UTC, at most milliseconds.

    Source: OCPP 2.0.1 part 2 section 2.1.4 (no more than three decimals); 1.6 stations choke on
    microseconds as well.
    """
    thousands = instant.microsecond // 1000
    text = format_rfc3339(instant.replace(microsecond=0))
    return f"{text[:-1]}.{thousands:03}Z" if thousands else text
