"""An explanation as a document for programs: codes, numbers, and a sentence for each reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scheduler.explaining.moves import MoveWhy
from scheduler.explaining.picture import Reason
from scheduler.explaining.slots import ChargingWhy
from scheduler.explaining.trips import BookingWhy
from scheduler.explaining.waiting import VehicleWhy
from scheduler.explaining.words import Language, sentence


class Teller:
    """Tells what an explanation holds, in one language and currency."""

    def __init__(self, language: Language, currency: str) -> None:
        self._language: Language = language
        self._currency = currency

    def charging(self, whys: Iterable[ChargingWhy]) -> list[dict[str, Any]]:
        """Returns charging entries with their reasons."""
        return [
            {
                "vehicle": why.vehicle,
                "evse": why.evse,
                "from_step": why.from_step,
                "to_step": why.to_step,
                "from_at": why.from_at,
                "to_at": why.to_at,
                "power_w": why.power_w,
                "reasons": self.reasons(why.reasons),
            }
            for why in whys
        ]

    def bookings(self, whys: Iterable[BookingWhy]) -> list[dict[str, Any]]:
        """Returns bookings with the reasons for their car, or for none."""
        return [
            {
                "booking": why.booking,
                "vehicle": why.vehicle,
                "start_at": why.start_at,
                "reasons": self.reasons(why.reasons),
            }
            for why in whys
        ]

    def vehicles(self, whys: Iterable[VehicleWhy]) -> list[dict[str, Any]]:
        """Returns what cars do at one time, with the reasons."""
        return [
            {
                "vehicle": why.vehicle,
                "state": why.state,
                "at": why.at,
                "site": why.site,
                "evse": why.evse,
                "soc_wh": why.soc_wh,
                "reasons": self.reasons(why.reasons),
            }
            for why in whys
        ]

    def moves(self, whys: Iterable[MoveWhy]) -> list[dict[str, Any]]:
        """Returns moves by staff with their reasons."""
        return [
            {
                "vehicle": why.vehicle,
                "site": why.site,
                "from_evse": why.from_evse,
                "to_evse": why.to_evse,
                "from_at": why.from_at,
                "to_at": why.to_at,
                "reasons": self.reasons(why.reasons),
            }
            for why in whys
        ]

    def reasons(self, reasons: Iterable[Reason]) -> list[dict[str, Any]]:
        """Returns reasons: codes, numbers and sentences."""
        return [
            {
                "code": reason.code,
                "numbers": reason.numbers,
                "sentence": sentence(reason, self._language, self._currency),
            }
            for reason in reasons
        ]
