"""Secrets in what we send to stations, taken out before it is stored or shown.

Operators set station passwords, network passwords and addresses with credentials by command. The
station gets them as they are; the message log and the command's response keep asterisks.
"""

from __future__ import annotations

import re
from typing import cast

import msgspec

MASK = "********"

_ACTIONS = frozenset(
    {
        "ChangeConfiguration",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLog",
        "GetVariables",
        "PublishFirmware",
        "SetNetworkProfile",
        "SetVariables",
        "SignedUpdateFirmware",
        "UpdateFirmware",
    }
)
"""Actions whose request or answer may hold a secret (OCPP 1.6 with security extensions, 2.x)."""
_SECRET_NAMES = frozenset({"authorizationkey", "basicauthpassword"})
"""Configuration keys and variables, in lower case."""
_SECRET_MEMBERS = frozenset({"password", "basicauthpassword", "apnpassword", "key", "simpin"})
"""Members of a network profile (2.x NetworkConnectionProfileType, APNType, VPNType)."""
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]+(?=@)|(?<=/uploads/)[A-Z2-7]{32}")
"""In an address: all before the last @ of the host's part (a password may have one, too), or the
token of an upload to us."""


def redact(action: str, payload: bytes) -> bytes:
    """Returns the payload of a request or an answer without its secrets."""
    if action not in _ACTIONS:
        return payload
    try:
        document: object = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return payload
    profile = action == "SetNetworkProfile"
    return msgspec.json.encode(_clean(document, profile=profile))


def _clean(value: object, *, profile: bool) -> object:
    if isinstance(value, str):
        return _CREDENTIALS.sub(MASK, value)
    if isinstance(value, list):
        return [_clean(item, profile=profile) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    hidden = _names_secret(members)
    return {
        name: MASK
        if (hidden and name in {"value", "attributeValue"})
        or (profile and name.lower() in _SECRET_MEMBERS)
        else _clean(member, profile=profile)
        for name, member in members.items()
    }


def _names_secret(members: dict[str, object]) -> bool:
    """Returns whether this is a configuration key (1.6) or variable (2.x) that holds a secret."""
    name: object = members.get("key")
    variable = members.get("variable")
    if isinstance(variable, dict):
        name = cast("dict[str, object]", variable).get("name")
    return isinstance(name, str) and name.lower() in _SECRET_NAMES
