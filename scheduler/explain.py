"""Why a car charges when it does: a few codes per slot, and a sentence for each.

Codes follow from what the plan does, not from a solver's inner state, so that they hold whichever
level of the chain answered. A slot may have several, the weightiest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scheduler.grid import at_peak
from scheduler.parking import Stay
from scheduler.plan import ReasonCode
from scheduler.view import FIRST_HOUR_STEPS, Floats, View

SENTENCES: Mapping[ReasonCode, str] = {
    "DEADLINE": "The next trip needs this energy.",
    "SUN": "The roof gives more than the building takes at this time.",
    "PAID": "Taking energy from the grid is paid for at this time.",
    "PRICE": "This is among the cheapest times while the car stands here.",
    "LIMIT": "The limit of the circuit or of the site keeps the power down.",
    "MINIMUM": "The EVSE can't charge with less.",
    "READY": "The car is made ready for someone who walks up.",
    "KEEP": "Energy left in the battery at the end is worth more than it costs now.",
    "PEAK": "More power would raise the peak of the import, which is paid for.",
    "GIVE": "Energy is worth more to the site now than later in the car.",
}
"""A sentence in English for each code."""

_NEAR_WH = 5.0


def explain(code: ReasonCode) -> str:
    """Returns the sentence for a code.

    Raises:
        KeyError: if no reason has this code.
    """
    return SENTENCES[code]


class Reasons:
    """Finds the codes of each slot of a plan."""

    def __init__(
        self,
        view: View,
        stays: Sequence[Stay],
        cars_w: Floats,
        ends_wh: Floats,
        grid_w: Floats,
    ) -> None:
        self._view, self._stays = view, stays
        self._ends_wh = ends_wh
        surplus = np.array([place.pv_w - place.load_w for place in view.places])
        self._sunny = surplus > 1.0
        self._at_peak = np.array([at_peak(place, grid_w[place.index]) for place in view.places])
        self._limited = np.array(
            [
                place.load_w - place.pv_w + cars_w[place.index] > place.import_w - 1.0
                for place in view.places
            ]
        )

    def codes(
        self, stay_number: int, power_w: Floats, at: Sequence[int]
    ) -> list[tuple[ReasonCode, ...]]:
        """Returns the codes of the steps `at` of one stay.

        Args:
            stay_number: which stay.
            power_w: its power in each of its steps.
            at: the steps asked for, counted from the stay's start.
        """
        view, stay = self._view, self._stays[stay_number]
        place, post, car = view.places[stay.site], view.posts[stay.post], view.cars[stay.car]
        while_here = place.buy[stay.start : stay.end]
        # The lower half of prices is cheap.
        cheap = float(np.sort(while_here)[(len(while_here) - 1) // 2]) if len(while_here) else 0.0
        # Prices that do not differ are no reason.
        priced = len(while_here) > 0 and float(while_here.max() - while_here.min()) > 1e-6
        needed = self._is_needed(stay, stay_number)
        found: list[tuple[ReasonCode, ...]] = []
        for index in at:
            step, power = stay.start + int(index), float(power_w[index])
            if power < 0:
                found.append(("GIVE",))
                continue
            codes: list[ReasonCode] = ["SUN"] if self._sunny[stay.site, step] else []
            if place.buy[step] < 0:
                codes.append("PAID")
            if needed:
                codes.append("DEADLINE")
            if priced and codes[:1] != ["SUN"] and place.buy[step] <= cheap + 1e-9:
                codes.append("PRICE")
            most_w, least_w = post.power_w(car), post.least_w(car)
            if self._limited[stay.site, step] and power < most_w - 1.0:
                codes.append("LIMIT")
            if self._at_peak[stay.site, step] and power < most_w - 1.0:
                codes.append("PEAK")
            if step < FIRST_HOUR_STEPS and least_w > 0 and abs(power - least_w) < 1.0:
                codes.append("MINIMUM")
            found.append(tuple(codes) or ("KEEP",))
        return found

    def _is_needed(self, stay: Stay, stay_number: int) -> bool:
        """Whether the stay ends with no more than the trip after it needs."""
        if stay.after < 0:
            return False
        need_wh = self._view.trips[stay.after].need_wh(self._view.cars[stay.car])
        return float(self._ends_wh[stay_number]) <= need_wh + _NEAR_WH
