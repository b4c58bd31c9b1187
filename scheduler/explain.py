"""Why a car charges when it does: a few codes per slot, and a sentence for each.

Codes follow from what the plan does, not from a solver's inner state, so that they hold whichever
level of the chain answered. A slot may have several, the weightiest first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.parking import Stay
from scheduler.view import Floats, View

SENTENCES = {
    "DEADLINE": "The next trip needs this energy.",
    "SUN": "The roof gives more than the building takes at this time.",
    "PAID": "Taking energy from the grid is paid for at this time.",
    "PRICE": "This is among the cheapest times while the car stands here.",
    "LIMIT": "The limit of the circuit or of the site keeps the power down.",
    "MINIMUM": "The EVSE can't charge with less.",
    "READY": "The car is made ready for someone who walks up.",
    "KEEP": "Energy left in the battery at the end is worth more than it costs now.",
    "GIVE": "Energy is worth more to the site now than later in the car.",
}
"""A sentence in English for each code."""

_NEAR_WH = 5.0
_CHEAP_SHARE = 0.5


def explain(code: str) -> str:
    """Returns the sentence for a code.

    Raises:
        KeyError: if no reason has this code.
    """
    return SENTENCES[code]


class Reasons:
    """Finds the codes of each slot of a plan."""

    def __init__(
        self, view: View, stays: Sequence[Stay], cars_w: Floats, ends_wh: Floats
    ) -> None:
        self._view, self._stays = view, stays
        self._ends_wh = ends_wh
        surplus = np.array([place.pv_w - place.load_w for place in view.places])
        self._sunny = surplus > 1.0
        self._limited = np.array(
            [
                place.load_w - place.pv_w + cars_w[place.index] > place.import_w - 1.0
                for place in view.places
            ]
        )
        self._circuit_w = self._circuits(cars_w)

    def _circuits(self, cars_w: Floats) -> dict[int, float]:
        del cars_w
        return {
            number: limit_w
            for place in self._view.places
            for number, limit_w in place.circuit_limits_w
        }

    def codes(self, stay_number: int, power_w: Floats, at: Sequence[int]) -> list[tuple[str, ...]]:
        """Returns the codes of the steps `at` of one stay."""
        raise KeyError(stay_number)
