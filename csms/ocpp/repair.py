"""Repair: what can still be understood of a payload that breaks its schema.

Members that the schema does not know are taken out of any payload. Of one that must not be lost
(`Heard.precious`) anything faulty is taken out, the smallest part first: a sampled value with a
unit that no version has, an optional member that is null. What is then missing a required member
goes too, outward, until the rest is sound or nothing is left. The message itself stays in the log
as it came, and the Fact is marked.
"""

from __future__ import annotations

from typing import Any, cast

from csms.ocpp import schema
from csms.ocpp.frame import INT_MAX, Version
from csms.ocpp.schema import Fault

TOKEN_16_MAX = 20
"""Characters of a 1.6 token (IdToken, a CiString20Type)."""
_ROUNDS_MAX = 12
_FAULTS_MAX = 20_000
_UNEXPECTED = "additionalProperties"


class _Removed:
    """Stands where something has been taken out of a list, until the list is closed up."""


_REMOVED = _Removed()


def repaired(
    version: Version, name: str, document: object, *, prune: bool
) -> tuple[object, tuple[Fault, ...]]:
    """Returns the document with what could be taken out taken out, and the faults left over."""
    for _ in range(_ROUNDS_MAX):
        found = schema.faults(version, name, document, strict=False, limit=_FAULTS_MAX)
        if not found:
            return document, ()
        unexpected = [fault for fault in found if fault.keyword == _UNEXPECTED]
        targets = [fault.path for fault in unexpected]
        if not unexpected:
            if not prune:
                return document, found
            targets = [_target(fault) for fault in found]
        if any(not target for target in targets):
            return document, found
        for target in targets:
            _take_out(document, target)
        document = _closed_up(document)
    return document, schema.faults(version, name, document, strict=False)


def doubts_of(found: tuple[Fault, ...]) -> list[str]:
    """Returns how a Fact is marked whose payload had these faults, and was repaired."""
    doubts: list[str] = []
    if any(fault.keyword == _UNEXPECTED for fault in found):
        doubts.append("unknown-fields")
    if any(fault.keyword != _UNEXPECTED for fault in found):
        doubts.append("schema")
    return doubts


def cut_token(document: object) -> bool:
    """Cuts the token of a 1.6 request to the length of the type; returns whether it was longer."""
    if not isinstance(document, dict):
        return False
    members = cast("dict[str, Any]", document)
    tag = members.get("idTag")
    if not isinstance(tag, str) or len(tag) <= TOKEN_16_MAX:
        return False
    members["idTag"] = tag[:TOKEN_16_MAX]
    return True


def whole_numbers(document: object) -> object:
    """Returns the document with 5.0 as 5: the schemas of 2.x take both for an integer."""
    if isinstance(document, dict):
        members = cast("dict[str, Any]", document)
        return {key: whole_numbers(value) for key, value in members.items()}
    if isinstance(document, list):
        return [whole_numbers(value) for value in cast("list[Any]", document)]
    if isinstance(document, float) and document.is_integer() and abs(document) <= INT_MAX:
        return int(document)
    return document


def _target(fault: Fault) -> tuple[str | int, ...]:
    """Returns what has to go: the faulty part, or the whole of which a part is missing."""
    return fault.path[:-1] if fault.keyword == "required" else fault.path


def _take_out(document: object, path: tuple[str | int, ...]) -> None:
    place: Any = document
    for step in path[:-1]:
        place = place.get(step) if isinstance(place, dict) else place[step]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if place is None or place is _REMOVED:
            return  # an outer part has gone already
    if isinstance(place, dict):
        place.pop(path[-1], None)  # pyright: ignore[reportUnknownMemberType]
    elif isinstance(place, list) and isinstance(path[-1], int):
        place[path[-1]] = _REMOVED


def _closed_up(document: object) -> object:
    if isinstance(document, dict):
        members = cast("dict[str, Any]", document)
        return {key: _closed_up(value) for key, value in members.items()}
    if isinstance(document, list):
        items = cast("list[Any]", document)
        return [_closed_up(value) for value in items if value is not _REMOVED]
    return document
