"""What a car of ISO 15118 tells on demand: what it wants, and how it means to charge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from models.timeline import format_rfc3339
from simulators.notices import Words


class Needs:
    """Tells, and remembers the answers, the newest last."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def want_ac(
        self, evse_id: int, *, energy_wh: int, max_current_a: int, departs_at: datetime
    ) -> Words:
        """An AC car wants energy by its departure."""
        return self._wants(
            evse_id,
            {
                "requestedEnergyTransfer": "AC_three_phase",
                "departureTime": format_rfc3339(departs_at),
                "acChargingParameters": {
                    "energyAmount": energy_wh,
                    "evMinCurrent": 6,
                    "evMaxCurrent": max_current_a,
                    "evMaxVoltage": 400,
                },
            },
        )

    def want_dc(self, evse_id: int, *, soc_pct: int, **more: Any) -> Words:
        """A DC car tells how full it is."""
        parameters = {"evMaxCurrent": 125, "evMaxVoltage": 500, "stateOfCharge": soc_pct, **more}
        return self._wants(
            evse_id, {"requestedEnergyTransfer": "DC", "dcChargingParameters": parameters}
        )

    def want_v2x(self, evse_id: int, **parameters: Any) -> Words:
        """A car that can give as well tells what (2.1)."""
        return self._wants(
            evse_id,
            {
                "requestedEnergyTransfer": "DC_BPT",
                "controlMode": "DynamicControl",
                "v2xChargingParameters": parameters,
            },
        )

    def mean(
        self, evse_id: int, base_at: datetime, periods: Sequence[tuple[int, float]], unit: str = "A"
    ) -> Words:
        """A car tells how it means to charge: from so many seconds on, so much."""
        schedule = {
            "id": 1,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit, "numberPhases": 3}
                for start, limit in periods
            ],
        }
        told = {
            "timeBase": format_rfc3339(base_at),
            "evseId": evse_id,
            "chargingSchedule": schedule,
        }
        return Words("NotifyEVChargingSchedule", told, self._heard)

    def _wants(self, evse_id: int, needs: dict[str, Any]) -> Words:
        told = {"evseId": evse_id, "maxScheduleTuples": 12, "chargingNeeds": needs}
        return Words("NotifyEVChargingNeeds", told, self._heard)

    def _heard(self, answer: dict[str, Any]) -> None:
        self.answers.append(str(answer["status"]))
