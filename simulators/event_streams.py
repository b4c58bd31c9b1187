"""Values that a 2.1 station sends all the time, once a stream is opened on demand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from models.timeline import format_rfc3339
from simulators.notices import Words


class EventStreams:
    """All streams that are open, by number."""

    def __init__(self) -> None:
        self.open: dict[int, dict[str, Any]] = {}
        self.answers: list[str] = []

    def begin(
        self, number: int, monitor_id: int, *, interval_s: int | None = None, values: int = 10
    ) -> Words:
        """Opens one for what a monitor watches."""
        params = {"values": values} | ({} if interval_s is None else {"interval": interval_s})
        data = {"id": number, "params": params, "variableMonitoringId": monitor_id}

        def answered(answer: dict[str, Any]) -> None:
            self.answers.append(str(answer["status"]))
            if answer["status"] == "Accepted":
                self.open[number] = data

        return Words("OpenPeriodicEventStream", {"constantStreamData": data}, answered)

    def end(self, number: int) -> Words:
        """Closes one."""
        self.open.pop(number, None)
        return Words("ClosePeriodicEventStream", {"id": number})

    @staticmethod
    def send(
        number: int, base_at: datetime, values: Sequence[tuple[float, str]], pending: int = 0
    ) -> Words:
        """Sends values, each so many seconds after an instant; nobody answers that."""
        told = {
            "id": number,
            "pending": pending,
            "basetime": format_rfc3339(base_at),
            "data": [{"t": offset_s, "v": value} for offset_s, value in values],
        }
        return Words("NotifyPeriodicEventStream", told, unanswered=True)

    def adjust(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """AdjustPeriodicEventStreamRequest."""
        known = self.open.get(payload["id"])
        if known is None:
            return {"status": "Rejected"}
        known["params"] = {**known["params"], **payload["params"]}
        return {"status": "Accepted"}

    def list(self, _payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """GetPeriodicEventStreamRequest."""
        streams = [self.open[number] for number in sorted(self.open)]
        return {"constantStreamData": streams} if streams else {}
