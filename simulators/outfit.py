"""What a station has beside its EVSEs: its logs, its till, and what it watches by itself.

Each part is one idea with a module of its own, and says what it has to tell as notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from simulators.customers import Customers
from simulators.displays import Displays
from simulators.evse import Evse
from simulators.logs import Logs
from simulators.monitors import Monitors
from simulators.notices import Notice
from simulators.publishing import Publisher
from simulators.scenario import StationKind
from simulators.till import Till


class Outfit:
    """All parts of one station."""

    def __init__(self, identity: str, kind: StationKind, *, now: datetime) -> None:
        self.logs = Logs(identity, now=now)
        self.displays = Displays()
        self.customers = Customers()
        self.publisher = Publisher()
        self.till = Till()
        self.monitors = Monitors(is_16=kind.subprotocol == "ocpp1.6", evses=kind.evses)

    def play(self, at: datetime, evses: list[Evse]) -> Iterator[Notice]:
        """Yields what the parts have to tell now."""
        yield from self.monitors.play(at, evses)
        yield from self.publisher.play(at)
