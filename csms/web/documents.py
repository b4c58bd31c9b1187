"""The forms of what comes in: strict pydantic documents, JSON merge patch, and common field types.

Strict means: no text where a number is meant, no unknown fields, no naive instants, no infinity.
What goes out is made by each feature's `queries.resource_of` and sent by `csms.web.reply`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar, cast

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WithJsonSchema,
)

from csms.web.problem import bad_field, bad_input

CUSTOM_BYTES_MAX = 16_384
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc3339_text(value: Any) -> Any:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("an instant is RFC 3339 text with an offset, as 2026-06-15T07:00:00Z")
    return value.upper()


def _storable(value: datetime) -> datetime:
    if not 1900 < value.year < 9000:
        raise ValueError("an instant lies between the years 1901 and 8999")
    return value.astimezone(UTC)


def _decimal_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('money is a decimal in text, as "0.25"')  # noqa: TRY004 - pydantic's way
    return value


def _small_object(value: dict[str, Any]) -> dict[str, Any]:
    if len(msgspec.json.encode(value)) > CUSTOM_BYTES_MAX:
        raise ValueError(f"custom holds at most {CUSTOM_BYTES_MAX} bytes of JSON")
    return value


Instant = Annotated[
    AwareDatetime,
    Strict(strict=False),
    BeforeValidator(_rfc3339_text),
    AfterValidator(_storable),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An aware instant, as RFC 3339 text with an offset; kept in UTC."""

Money = Annotated[
    Decimal,
    Strict(strict=False),
    BeforeValidator(_decimal_text),
    Field(max_digits=18, decimal_places=9, allow_inf_nan=False),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$"}),
]
"""An exact decimal, as text."""

ID_PATTERN = r"^[A-Za-z0-9._~:@-]{1,64}$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""Somebody's name for a thing: safe in an address."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
"""Text for people, on one line."""
Text = Annotated[str, Field(max_length=2000)]
"""Longer text for people."""
PowerW = Annotated[float, Field(ge=0, le=1e9)]
"""A power that can't be negative, in W."""
SignedPowerW = Annotated[float, Field(ge=-1e9, le=1e9)]
"""A power with a direction, in W."""
EnergyWh = Annotated[float, Field(ge=0, le=1e12)]
"""An amount of energy, in Wh."""
Percent = Annotated[float, Field(ge=0, le=100)]
"""A share of a battery, in per cent."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""
Custom = Annotated[dict[str, Any], AfterValidator(_small_object)]
"""What integrators attach, as they like."""


class Document(BaseModel):
    """Base of everything that comes in as JSON."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, frozen=True, hide_input_in_errors=True
    )


class KeptDocument(Document):
    """Base of what people create and keep."""

    id: Id | None = None
    """Given by the creator, or made by us."""
    external_id: Text | None = None
    """The creator's own name for it."""
    custom: Custom = {}


class Shown(BaseModel):
    """Base of the forms of what goes out; they are documentation, and tests check by them."""

    model_config = ConfigDict(extra="forbid")


class KeptShown(Shown):
    """What every kept resource shows."""

    id: str
    external_id: str | None
    custom: dict[str, Any]
    created_at: AwareDatetime
    updated_at: AwareDatetime


D = TypeVar("D", bound=Document)


def read_document(kind: type[D], value: Any) -> D:
    """Returns a document of `kind`.

    Raises:
        BadInput: naming each wrong field.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as broken:
        raise bad_input(broken) from None


def merge_patch(target: Any, patch: Any) -> Any:
    """Returns `target` changed by a JSON merge patch (RFC 7396); neither is altered."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = {}
    if isinstance(target, dict):
        merged.update(cast("dict[str, Any]", target))
    for key, value in cast("dict[str, Any]", patch).items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def patched(kind: type[D], resource: dict[str, Any], patch: dict[str, Any]) -> D:
    """Returns the document that a resource is to become by a merge patch.

    Only fields that `kind` has can be changed; a null takes a field back to its default.

    Args:
        kind: the document that creates such a resource.
        resource: as it is now, `queries.resource_of`.
        patch: as it came.

    Raises:
        BadInput: for unknown fields, values that creation would refuse, and another `id`.
    """
    plain = msgspec.to_builtins(resource)
    writable = {name: plain[name] for name in kind.model_fields if plain.get(name) is not None}
    document = read_document(kind, merge_patch(writable, patch))
    for name in ("id", "identity"):
        if name in writable and getattr(document, name) != writable[name]:
            raise bad_field(f"/{name}", "can't be changed")
    return document
