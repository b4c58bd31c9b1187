"""What a 2.x station watches by itself: its own state, and the power of EVSEs where it is told to.

One monitor came with the station and can't be taken away: `Problem`, which is true while an EVSE is
broken. Others watch `Power` of an EVSE against a threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Literal

from simulators.evse import Evse
from simulators.notices import EventNote, Monitor, MonitorPart

PROBLEM = 1
LEVEL_MAX = 9
SetStatus = Literal[
    "Accepted", "UnknownComponent", "UnknownVariable", "UnsupportedMonitorType", "Duplicate"
]

_BUILT_IN = Monitor("ChargingStation", None, "Problem", "Delta", 1.0, 2, id=PROBLEM)


class Monitors:
    """All that a station watches."""

    def __init__(self, *, is_16: bool, evses: int) -> None:
        self.level = LEVEL_MAX
        self._is_16 = is_16
        self._evses = evses
        self._all = {PROBLEM: _BUILT_IN}
        self._next_id = PROBLEM + 1
        self._events = 0
        self._beyond: set[int] = set()
        """Monitors whose variable is beyond their threshold."""

    def set(self, wish: Monitor) -> tuple[SetStatus, int | None]:
        """Takes a monitor, and returns its id."""
        if wish.component != "EVSE" or not 1 <= (wish.evse_id or 0) <= self._evses:
            return "UnknownComponent", None
        if wish.variable != "Power":
            return "UnknownVariable", None
        if wish.kind not in {"UpperThreshold", "LowerThreshold"}:
            return "UnsupportedMonitorType", None
        if any(m.place == wish.place and m.id != wish.id for m in self._all.values()):
            return "Duplicate", None
        if not wish.id:
            wish = replace(wish, id=self._next_id)
        self._next_id = max(self._next_id, wish.id + 1)
        self._all[wish.id] = wish
        self._beyond.discard(wish.id)
        return "Accepted", wish.id

    def clear(self, monitor_id: int) -> Literal["Accepted", "Rejected", "NotFound"]:
        """Takes a monitor away."""
        if monitor_id == PROBLEM:
            return "Rejected"
        return "NotFound" if self._all.pop(monitor_id, None) is None else "Accepted"

    def rebase(self, base: str) -> None:
        """Goes back to what the station came with, unless `base` is all that there is."""
        if base != "All":
            self._all = {PROBLEM: _BUILT_IN}

    def report(self, request_id: int) -> list[MonitorPart]:
        """Returns all that there is, in one part for each."""
        monitors = [self._all[n] for n in sorted(self._all)]
        last = len(monitors) - 1
        return [
            MonitorPart(request_id, number, number == last, monitor)
            for number, monitor in enumerate(monitors)
        ]

    def play(self, at: datetime, evses: Iterable[Evse]) -> Iterator[EventNote]:
        """Yields what is to be told now: what has gone beyond its threshold, or has come back."""
        if self._is_16:
            return
        places = list(evses)
        for monitor in self._all.values():
            value, beyond = _judged(monitor, places)
            if beyond == (monitor.id in self._beyond):
                continue
            self._beyond ^= {monitor.id}
            if monitor.severity <= self.level:
                self._events += 1
                yield EventNote(self._events, at, monitor, value, cleared=not beyond)


def _judged(monitor: Monitor, evses: list[Evse]) -> tuple[str, bool]:
    """Returns a variable's value, and whether that is worth telling of."""
    if monitor.id == PROBLEM:
        broken = any(evse.faulted for evse in evses)
        return str(broken).lower(), broken
    evse = next(evse for evse in evses if evse.evse_id == monitor.evse_id)
    idle = monitor.transaction and evse.transaction is None
    upper = monitor.kind == "UpperThreshold"
    beyond = evse.power_w > monitor.value if upper else evse.power_w < monitor.value
    return f"{evse.power_w:.1f}", beyond and not idle
