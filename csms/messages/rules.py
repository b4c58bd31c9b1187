"""What of a message may be seen by whom: tokens are taken out for those who may not see people."""

from __future__ import annotations

from typing import Any, cast

MASK = "********"

_FREE_TEXT = frozenset(
    {
        "certificate",
        "company",
        "data",
        "exiRequest",
        "exiResponse",
        "prioritizedEMAIDs",
        "signedMeterData",
        "vatCompany",
    }
)
"""Members in which a vendor, a car's certificate or a signed meter value may say anything, tokens
too, and who somebody with a VAT number is."""
_TOKENS = frozenset(
    {
        "idTag",
        "parentIdTag",
        "idToken",
        "idTokens",
        "groupIdToken",
        "additionalIdToken",
        "customerIdentifier",
        "evccId",
        "emaid",
        "vatNumber",
    }
)
"""Members that say who a person or a car is (OCPP 1.6 and 2.x), once or in a list."""


def without_tokens(document: Any) -> Any:
    """Returns a payload in which no token can be read; a token object keeps its type."""
    if isinstance(document, list):
        return [without_tokens(item) for item in cast("list[Any]", document)]
    if not isinstance(document, dict):
        return document
    members = cast("dict[str, Any]", document)
    signed = members.get("format") == "SignedData"
    return {
        name: MASK if signed and name == "value" else _shown(name, value)
        for name, value in members.items()
    }


def _shown(name: str, value: Any) -> Any:
    if name in _FREE_TEXT and value is not None:
        return MASK
    if name not in _TOKENS:
        return without_tokens(value)
    if isinstance(value, list):
        return [_shown(name, item) for item in cast("list[Any]", value)]
    return MASK if isinstance(value, str) else without_tokens(value)
