"""What a 2.x station knows of money: sums that it shows, tariffs that it holds, what was paid.

It prices nothing itself: what it shows is what it was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

ELEMENTS_MAX = 8
"""Prices of one kind that it can hold."""
Taken = Literal["Accepted", "TooManyElements"]


@dataclass(frozen=True, slots=True)
class Held:
    """A tariff at an EVSE; 0: at all of them."""

    tariff_id: str
    evse_id: int


class Till:
    """All of it, of one station."""

    def __init__(self) -> None:
        self.shown: dict[str, float] = {}
        """What the screen says that each transaction costs."""
        self.defaults: dict[int, dict[str, Any]] = {}
        """The default tariff of each EVSE, as it was sent."""
        self.changed: dict[str, dict[str, Any]] = {}
        """The tariff by which each transaction was told to go on."""
        self.web_payments: list[tuple[int, int]] = []
        """EVSEs that somebody is about to pay for, and for how many seconds."""
        self.receipts: dict[str, str | None] = {}
        """Numbers of receipts by payment."""
        self.vat_numbers: dict[str, bool] = {}
        """Those that were asked about, and whether they can be."""

    def set_default(self, evse_id: int, tariff: dict[str, Any]) -> Taken:
        """Takes a default tariff; one for all takes the place of all."""
        if _is_long(tariff):
            return "TooManyElements"
        if evse_id == 0:
            self.defaults.clear()
        self.defaults[evse_id] = tariff
        return "Accepted"

    def held(self, evse_id: int) -> list[Held]:
        """Returns the tariffs of an EVSE (0: of all)."""
        return [
            Held(str(tariff["tariff_id"]), number)
            for number, tariff in sorted(self.defaults.items())
            if evse_id in (0, number)
        ]

    def clear(self, tariff_ids: Iterable[str], evse_id: int | None) -> list[tuple[str | None, str]]:
        """Forgets tariffs (none named: all), and returns a status for each."""
        places = [n for n in self.defaults if evse_id is None or evse_id in (0, n)]
        wanted = list(tariff_ids)
        if not wanted:
            for number in places:
                del self.defaults[number]
            return [(None, "Accepted" if places else "NoTariff")]
        results: list[tuple[str | None, str]] = []
        for tariff_id in wanted:
            found = [
                n
                for n in places
                if n in self.defaults and self.defaults[n]["tariff_id"] == tariff_id
            ]
            for number in found:
                del self.defaults[number]
            results.append((tariff_id, "Accepted" if found else "NoTariff"))
        return results


def _is_long(tariff: dict[str, Any]) -> bool:
    kinds = ("energy", "charging_time", "idle_time", "fixed_fee")
    found = [tariff[kind]["prices"] for kind in kinds if kind in tariff]
    return any(len(prices) > ELEMENTS_MAX for prices in found)
