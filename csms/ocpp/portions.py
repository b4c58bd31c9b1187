"""Requests about many settings, in portions that a station can take at once, and joined answers.

A station tells in its device model how many items one message may have; what goes beyond that it
may refuse as a whole. Which settings a request is about is not looked at.
Sources: OCPP 2.0.1 part 2, B05.FR.11, B06.FR.16 and the referenced variables ItemsPerMessage; OCPP
1.6 section 9.1.11, GetConfigurationMaxKeys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

_INSTANCE = "ItemsPerMessage[{0}]"
_PLAIN = "ItemsPerMessage{0}"
"""As the specification titles the variable, and as some stations name it."""


@dataclass(frozen=True, slots=True)
class Portioned:
    """A request that may be made in portions."""

    asked: str
    """The list in the request."""
    told: tuple[str, ...]
    """The lists in the response."""
    component: str
    limits: tuple[str, ...]
    """Names of the variable that limits the list, as `Name[instance]`."""


def _by_items(action: str, asked: str, told: str) -> Portioned:
    limits = (_INSTANCE.format(action), _PLAIN.format(action))
    return Portioned(asked, (told,), "DeviceDataCtrlr", limits)


PORTIONED: Mapping[str, Portioned] = {
    "GetVariables": _by_items("GetVariables", "getVariableData", "getVariableResult"),
    "SetVariables": _by_items("SetVariables", "setVariableData", "setVariableResult"),
    "GetConfiguration": Portioned(
        "key", ("configurationKey", "unknownKey"), "", ("GetConfigurationMaxKeys",)
    ),
}


def portions(row: Portioned, payload: bytes, most: int) -> list[bytes]:
    """Returns the requests that ask for the same with at most so many items each.

    Args:
        row: of the action.
        payload: of the whole request, which is right.
        most: items, from 1 on.
    """
    whole = cast("dict[str, Any]", msgspec.json.decode(payload))
    items: list[Any] = whole.get(row.asked, [])
    if len(items) <= most:
        return [payload]
    starts = range(0, len(items), most)
    return [msgspec.json.encode({**whole, row.asked: items[at : at + most]}) for at in starts]


def joined(action: str, answers: Sequence[bytes]) -> bytes:
    """Returns the answers to all portions as the one that a whole request would have got.

    Args:
        action: of the request; one of `PORTIONED` where there is more than one answer.
        answers: payloads, in order. Where one can't be read it is what is returned: what that
            means is judged by whoever judges answers.
    """
    if len(answers) == 1:
        return answers[0]
    row = PORTIONED[action]
    lists: dict[str, list[Any]] = {}
    for answer in answers:
        try:
            document: object = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            return answer
        if not isinstance(document, dict):
            return answer
        found = cast("dict[str, object]", document)
        for name in row.told:
            part = found.get(name, [])
            if not isinstance(part, list):
                return answer
            if name in found:
                lists.setdefault(name, []).extend(cast("list[object]", part))
    return msgspec.json.encode(lists)
