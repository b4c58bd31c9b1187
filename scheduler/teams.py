"""Which cars may serve which trip, asked of all cars at once.

Car by car it took most of the time to plan for thousands. Most trips suit the same cars and share
one tuple of them, so that whoever walks through it needs to do so once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scheduler.view import Car, Trip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Teams:
    """Which cars may serve a trip, asked of all cars at once.

    Car by car it took most of the time to plan for thousands; most trips suit the same cars.
    """

    def __init__(self, cars: Sequence[Car], tolerance_wh: float) -> None:
        self._cars, self._tolerance_wh = cars, tolerance_wh
        self._classes: dict[tuple[str, ...], tuple[Ints, Floats, Floats, Floats, Ints]] = {}
        self._known: dict[
            tuple[tuple[str, ...], bytes], tuple[tuple[int, ...], frozenset[int]]
        ] = {}

    def able(self, classes: Sequence[str], trip: Trip) -> tuple[tuple[int, ...], frozenset[int]]:
        """Returns the cars of some classes, in their order, that `trip` suits."""
        labels = tuple(dict.fromkeys(classes))
        index, wh_per_km, low_wh, most_wh, free_from = self._of(labels)
        suits = (trip.need_of(wh_per_km, low_wh) <= most_wh) & (free_from <= trip.start)
        if trip.fixed >= 0:
            suits &= index == trip.fixed
        key = labels, suits.tobytes()
        if key not in self._known:
            cars = tuple(index[suits].tolist())
            self._known[key] = cars, frozenset(cars)
        return self._known[key]

    def _of(self, labels: tuple[str, ...]) -> tuple[Ints, Floats, Floats, Floats, Ints]:
        if labels not in self._classes:
            cars = [car for label in labels for car in self._cars if car.vehicle_class == label]
            self._classes[labels] = (
                np.array([car.index for car in cars], dtype=np.int64),
                np.array([car.wh_per_km for car in cars]),
                np.array([car.low_wh for car in cars]),
                np.array([car.most_wh + self._tolerance_wh for car in cars]),
                np.array([car.free_from for car in cars], dtype=np.int64),
            )
        return self._classes[labels]
