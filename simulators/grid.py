"""How a 2.1 station behaves towards the grid: its controls, signals, and what it tells of both.

A control takes the place of others of its kind with a lower priority (a larger number). Nothing is
told by itself but the report that was asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from models.timeline import format_rfc3339
from simulators.notices import Words

MEMBERS = {
    "EnterService": "enterService",
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "FreqDroop": "freqDroop",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limitMaxDischarge",
}
"""Where the values of a control stand; all others are curves."""
UNSUPPORTED = "WattPF"
FIXED_PF = {"fixedPFAbsorb": "fixedPF", "fixedPFInject": "fixedPF"}
ALWAYS_DEFAULT = {"enterService", "gradient"}


class Grid:
    """All controls of a station, and what it was told of its cars."""

    def __init__(self) -> None:
        self.controls: dict[str, dict[str, Any]] = {}
        """By id, as they were set."""
        self.superseded: set[str] = set()
        self.signals: list[int] = []
        self.allowed: dict[str, list[str]] = {}
        """By transaction, the ways in which power may flow."""
        self.stubborn = False
        """Refuses to clear what it has."""
        self._due: deque[Words] = deque()

    def play(self) -> Iterator[Words]:
        """Yields what was asked for."""
        while self._due:
            yield self._due.popleft()

    def set(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """SetDERControlRequest."""
        kind = payload["controlType"]
        if kind == UNSUPPORTED:
            return {"status": "NotSupported"}
        replaced = [
            name
            for name, each in self.controls.items()
            if name != payload["controlId"]
            and (each["controlType"], each["isDefault"]) == (kind, payload["isDefault"])
            and _priority(each) > _priority(payload)
        ]
        self.controls[payload["controlId"]] = payload
        self.superseded |= set(replaced)
        self.superseded.discard(payload["controlId"])
        return {"status": "Accepted"} | ({"supersededIds": replaced} if replaced else {})

    def get(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """GetDERControlRequest; the report follows, one part for each control."""
        names = sorted(self.controls)
        if not names:
            return {"status": "NotFound"}
        for name in names:
            control = self.controls[name]
            told = {
                "requestId": payload["requestId"],
                "tbc": name != names[-1],
                **self._reported(name, control),
            }
            self._due.append(Words("ReportDERControl", told))
        return {"status": "Accepted"}

    def clear(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """ClearDERControlRequest."""
        if self.stubborn:
            return {"status": "Rejected"}
        known = self.controls.pop(payload["controlId"], None)
        return {"status": "NotFound" if known is None else "Accepted"}

    def signal(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """AFRRSignalRequest."""
        self.signals.append(payload["signal"])
        return {"status": "Accepted"}

    def allow(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """NotifyAllowedEnergyTransferRequest."""
        self.allowed[payload["transactionId"]] = payload["allowedEnergyTransfer"]
        return {"status": "Accepted"}

    def begin(self, control_id: str, at: datetime, *, started: bool = True) -> Words:
        """A control is in force from now on, or no longer."""
        told: dict[str, Any] = {
            "controlId": control_id,
            "started": started,
            "timestamp": format_rfc3339(at),
        }
        if self.superseded:
            told["supersededIds"] = sorted(self.superseded)
        return Words("NotifyDERStartStop", told)

    @staticmethod
    def alarm(kind: str, at: datetime, event: str, *, ended: bool = False) -> Words:
        """The grid does what a control watches for."""
        told = {
            "controlType": kind,
            "gridEventFault": event,
            "alarmEnded": ended,
            "timestamp": format_rfc3339(at),
            "extraInfo": "seen at the connection point",
        }
        return Words("NotifyDERAlarm", told)

    def _reported(self, name: str, control: dict[str, Any]) -> dict[str, Any]:
        kind = control["controlType"]
        member = MEMBERS.get(kind, "curve")
        told: dict[str, Any] = {"id": name, FIXED_PF.get(member, member): control[member]}
        if member not in ALWAYS_DEFAULT:
            told |= {"isDefault": control["isDefault"], "isSuperseded": name in self.superseded}
        if member == "curve":
            told["curveType"] = kind
        return {member: [told]}


def _priority(control: dict[str, Any]) -> int:
    return int(control[MEMBERS.get(control["controlType"], "curve")]["priority"])
