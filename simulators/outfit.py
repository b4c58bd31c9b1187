"""What a station has beside its EVSEs: its logs, its till, and what it watches by itself.

Each part is one idea with a module of its own, and says what it has to tell as notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from simulators.contracts import Contracts
from simulators.customers import Customers
from simulators.displays import Displays
from simulators.event_streams import EventStreams
from simulators.evse import Evse
from simulators.grid import Grid
from simulators.logs import Logs
from simulators.monitors import Monitors
from simulators.needs import Needs
from simulators.notices import Notice
from simulators.publishing import Publisher
from simulators.scenario import StationKind
from simulators.swapping import Swapping
from simulators.till import Till

Hear = Callable[[dict[str, Any], datetime], dict[str, Any]]
"""Takes the payload of a call and the present; returns the payload of the answer."""


class Outfit:
    """All parts of one station."""

    def __init__(self, identity: str, kind: StationKind, *, now: datetime) -> None:
        self.logs = Logs(identity, now=now)
        self.displays = Displays()
        self.customers = Customers()
        self.publisher = Publisher()
        self.till = Till()
        self.monitors = Monitors(is_16=kind.subprotocol == "ocpp1.6", evses=kind.evses)
        self.contracts = Contracts()
        self.needs = Needs()
        self.grid = Grid()
        self.event_streams = EventStreams()
        self.swapping = Swapping()
        self.hears: dict[str, Hear] = {
            "AFRRSignal": self.grid.signal,
            "AdjustPeriodicEventStream": self.event_streams.adjust,
            "ClearDERControl": self.grid.clear,
            "GetDERControl": self.grid.get,
            "GetPeriodicEventStream": self.event_streams.list,
            "NotifyAllowedEnergyTransfer": self.grid.allow,
            "RequestBatterySwap": self.swapping.request,
            "SetDERControl": self.grid.set,
        }
        """What parts do with the calls that they take as whole payloads."""

    def play(self, at: datetime, evses: list[Evse]) -> Iterator[Notice]:
        """Yields what the parts have to tell now."""
        yield from self.monitors.play(at, evses)
        yield from self.publisher.play(at)
        yield from self.grid.play()
