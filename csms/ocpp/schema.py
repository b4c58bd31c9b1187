"""Schemas: the last word on whether a payload is what its action claims.

The structs of `csms.ocpp.wire` decode and validate at once, but say only yes or no. Here are the
schemas of the `ocpp` package themselves, compiled when first needed: they name every fault with
its JSON pointer, and each fault's error code. Formats (date-time, uri) count only when strict,
because real stations write sloppy times; those are recorded instead (`csms.ocpp.hearing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

import jsonschema_rs
import msgspec

from csms.ocpp.frame import ErrorCode, Version

FAULTS_MAX = 50
"""How many faults of one payload are named to people."""

_FOLDERS: dict[Version, str] = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
_CODES: dict[str, ErrorCode] = {
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
    "type": "TypeConstraintViolation",
    "format": "TypeConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "maxLength": "PropertyConstraintViolation",
    "minLength": "PropertyConstraintViolation",
    "minimum": "PropertyConstraintViolation",
    "maximum": "PropertyConstraintViolation",
    "multipleOf": "PropertyConstraintViolation",
}
"""By keyword. Source: OCPP-J 1.6 section 4.2.3, OCPP 2.x part 4 section 4.3."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a payload breaks its schema."""

    path: tuple[str | int, ...]
    """Where, from the payload's root; for a missing or unexpected member, that member."""
    keyword: str
    """Of the schema: required, type, enum, additionalProperties and so on."""
    detail: str

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901)."""
        parts = (str(part).replace("~", "~0").replace("/", "~1") for part in self.path)
        return "".join("/" + part for part in parts)


def faults(
    version: Version, name: str, document: object, *, strict: bool, limit: int = FAULTS_MAX
) -> tuple[Fault, ...]:
    """Returns what is wrong with `document` (decoded JSON).

    Args:
        version: of OCPP.
        name: of the schema, as "MeterValuesRequest" or "MeterValuesResponse".
        document: decoded JSON.
        strict: whether formats count.
        limit: how many faults are enough.
    """
    validator = _validator(version, name, strict=strict)
    if validator.is_valid(document):
        return ()
    found: list[Fault] = []
    for error in validator.iter_errors(document):
        path = tuple(error.instance_path)
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
            found += [
                Fault((*path, name), kind.name, "is not expected") for name in kind.unexpected
            ]
        elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
            found.append(Fault((*path, str(kind.property)), kind.name, "is missing"))
        else:
            found.append(Fault(path, kind.name, error.message[:200]))
        if len(found) >= limit:
            break
    return tuple(found)


def code_of(found: tuple[Fault, ...]) -> ErrorCode:
    """Returns the error code of the first and outermost of some faults."""
    first = min(found, key=lambda fault: len(fault.path))
    if first.keyword == "type" and not first.path:
        return "FormatViolation"  # the payload itself is no object
    return _CODES.get(first.keyword, "FormatViolation")


def text_of(found: tuple[Fault, ...]) -> str:
    """Returns faults as one line for people; never holds values, which may be secrets."""
    return "; ".join(f"{fault.pointer or 'payload'} {fault.detail}" for fault in found[:5])


@cache
def load(version: Version, name: str) -> dict[str, Any]:
    """Returns the schema called `name` ("MeterValuesRequest").

    Raises:
        FileNotFoundError: if `version` has no such message.
    """
    folder = resources.files("ocpp") / _FOLDERS[version] / "schemas"
    bare = name.removesuffix("Request")
    for stem in (name, bare):
        file = folder / f"{stem}.json"
        if file.is_file():
            raw = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
            return cast("dict[str, Any]", msgspec.json.decode(raw))
    raise FileNotFoundError(f"OCPP {version} has no {name}")


@cache
def _validator(version: Version, name: str, *, strict: bool) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(load(version, name), validate_formats=strict, mask="value")
