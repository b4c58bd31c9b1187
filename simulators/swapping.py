"""A 2.1 station that swaps batteries, on demand: one slot for each EVSE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from simulators.notices import Words


class Swapping:
    """What it was asked for, and what it tells."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.closed = False
        """It lets nobody swap."""

    def request(self, payload: dict[str, Any], _at: datetime) -> dict[str, Any]:
        """RequestBatterySwapRequest."""
        self.asked.append(payload)
        return {"status": "Rejected" if self.closed else "Accepted"}

    @staticmethod
    def tell(
        step: str, request_id: int, token: str, batteries: Sequence[tuple[int, str, float]]
    ) -> Words:
        """Tells of a step; each battery by its slot, its number and how full it is."""
        told = {
            "eventType": step,
            "requestId": request_id,
            "idToken": {"idToken": token, "type": "ISO14443"},
            "batteryData": [
                {"evseId": slot, "serialNumber": serial, "soC": soc_pct, "soH": 96.5}
                for slot, serial, soc_pct in batteries
            ],
        }
        return Words("BatterySwap", told)
