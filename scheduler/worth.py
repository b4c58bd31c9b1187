"""What each car's past and future are worth at given prices, by step and energy in the battery.

At a price for every kWh of every site and step each car stands by itself: the least cost of coming
to a step with some energy (`past`), and of all that follows from there (`future`), are convex
functions of that energy, here by their values on a grid of whole units. A step of charging adds so
many units at one price: merged by size into the slopes of the past, and, turned round, into those
of the future. What a car may feed back is left out.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.parking import Stay
from scheduler.view import Floats, View

Index = NDArray[np.int64]

LEVELS = 40
"""About how many units a battery holds."""
MOST_LEVELS = 240
"""The most units of the largest battery, however little a step brings.

Without it 100 small cars and a bus of 500 kWh, in steps of 5 minutes, took 1.0 GB and 14 s; with it
0.2 GB and 3 s.
"""
LACK_COST = 5.0
"""Per kWh that a trip lacks: above any price, so that lacking never seems to pay."""
WALL_COST = 100.0
"""Per kWh beyond what a car can hold or must keep."""
MOST_UNITS = 16
"""The most units that a step brings; faster EVSEs are taken for slower ones."""


class Worth:
    """The values of all cars for one plan."""

    def __init__(self, view: View, stays: Sequence[Stay], price: Floats) -> None:
        """Values `stays` at `price`: by site and step, what one more kWh costs there."""
        self.view, self.price = view, price
        most_kwh = max(*(car.most_wh for car in view.cars), 1000.0) / 1000
        self.unit = _unit([self._step_kwh(stay) for stay in stays], most_kwh)
        self.grid = self.unit * np.arange(int(np.ceil(most_kwh / self.unit)) + 1)
        high = np.array([car.high_wh for car in view.cars])[:, None] / 1000
        self._beyond = WALL_COST * np.maximum(self.grid[None, :] - high, 0.0)
        self._efficiency = np.array([car.efficiency for car in view.cars])
        shape = (view.steps, len(view.cars))
        units, cost = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        leaving: list[list[Stay]] = [[] for _ in range(view.steps + 1)]
        for stay in stays:
            if stay.after >= 0:
                leaving[stay.end].append(stay)
            if stay.post >= 0:
                here = slice(stay.start, stay.end)
                units[here, stay.car] = view.posts[stay.post].open[here] * self.units(stay)
                cost[here, stay.car] = price[stay.site, here] / view.cars[stay.car].efficiency
        segments = self._segments(units, cost)
        self.past: Floats = self._past(leaving, segments)
        """By step, car and level; before any departure at that step."""
        self.future: Floats = self._future(leaving, segments)
        """By step, car and level; with the departure at that step."""
        self.now: Floats = (self.past[0] + self.future[0]).min(axis=1)
        """By car: what its chain costs."""

    def units(self, stay: Stay) -> int:
        """Returns how many units a step of a stay can bring."""
        whole = round(self._step_kwh(stay) / self.unit)
        return min(max(whole, 1), MOST_UNITS) if self._step_kwh(stay) > 0 else 0

    def _step_kwh(self, stay: Stay) -> float:
        if stay.post < 0:
            return 0.0
        car = self.view.cars[stay.car]
        return self.view.posts[stay.post].power_w(car) / 1000 * self.view.hours * car.efficiency

    def _segments(self, units: Index, cost: Floats) -> Floats:
        """Returns the slopes that each step adds, the last axis filled up with infinity."""
        most = int(units.max(initial=0))
        held = np.arange(most) < units[..., None]
        return np.where(held, cost[..., None] * self.unit, np.inf)

    def charged(self, values: Floats, units: Index, cost: Floats) -> Floats:
        """Returns the values of the past, row by row, after one step at `cost` per stored kWh."""
        segments = self._segments(units, cost)
        slopes = np.concatenate([np.diff(values, axis=1), segments], axis=1)
        slopes.sort(axis=1)
        return _summed(values[:, :1], slopes[:, : len(self.grid) - 1])

    def driven(self, values: Floats, cars: Index, need_kwh: Floats, drive_kwh: Floats) -> Floats:
        """Returns the values of the past, row by row, once back from a trip."""
        values = values + self._beyond[cars]
        # What lacks is bought at the dearest price.
        slope = LACK_COST * self.grid
        cheapest = np.minimum.accumulate(values - slope, axis=1)
        values = np.asarray(cheapest, dtype=np.float64) + slope
        short = np.maximum((need_kwh - drive_kwh)[:, None] - self.grid, 0.0)
        return self._at(values, self.grid + drive_kwh[:, None] + short) + WALL_COST * short

    def ahead(self, values: Floats, cars: Index, need_kwh: Floats, drive_kwh: Floats) -> Floats:
        """Returns the values of the future, row by row, before a trip."""
        lack = np.maximum(need_kwh[:, None] - self.grid, 0.0)
        after = self._at(values, self.grid + lack - drive_kwh[:, None])
        return after + LACK_COST * lack + self._beyond[cars]

    def _at(self, values: Floats, kwh: Floats) -> Floats:
        """Returns values between the levels, row by row; beyond the last there is a wall."""
        place = np.clip(kwh / self.unit, 0.0, len(self.grid) - 1.0)
        level = np.minimum(place.astype(np.int64), len(self.grid) - 2)
        low = np.take_along_axis(values, level, axis=1)
        high = np.take_along_axis(values, level + 1, axis=1)
        wall = WALL_COST * np.maximum(kwh - self.grid[-1], 0.0)
        return low + (place - level) * (high - low) + wall

    def trip_kwh(self, stays: Sequence[Stay]) -> tuple[Index, Floats, Floats]:
        """Returns car, need and drive of the trips after `stays`, as rows."""
        cars = [self.view.cars[stay.car] for stay in stays]
        trips = [self.view.trips[stay.after] for stay in stays]
        pairs = list(zip(cars, trips, strict=True))
        need = np.array([trip.need_wh(car) for car, trip in pairs]) / 1000
        drive = np.array([trip.drive_wh(car) for car, trip in pairs]) / 1000
        return np.array([car.index for car in cars], dtype=np.int64), need, drive

    def _past(self, leaving: Sequence[Sequence[Stay]], segments: Floats) -> Floats:
        held = np.array([car.soc_wh for car in self.view.cars])[:, None] / 1000
        begin = WALL_COST * np.maximum(self.grid[None, :] - held, 0.0)
        # The first column holds the value of an empty battery, the others slopes.
        steps = self.view.steps
        rows = np.empty((steps + 1, *begin.shape))
        rows[0, :, :1], rows[0, :, 1:] = begin[:, :1], np.diff(begin, axis=1)
        size = begin.shape[1] - 1
        merged = np.empty((len(begin), size + segments.shape[2]))
        kept, added = merged[:, :size], merged[:, size:]
        for step in range(steps):
            kept[:], added[:] = rows[step, :, 1:], segments[step]
            after = rows[step + 1]
            after[:, 0] = rows[step, :, 0]
            if leaving[step]:
                cars, need, drive = self.trip_kwh(leaving[step])
                back = self.driven(np.cumsum(rows[step, cars], axis=1), cars, need, drive)
                after[cars, 0], kept[cars] = back[:, 0], np.diff(back, axis=1)
            merged.sort(axis=1)
            after[:, 1:] = kept
        return np.cumsum(rows, axis=2, out=rows)

    def _future(self, leaving: Sequence[Sequence[Stay]], segments: Floats) -> Floats:
        """Goes back from the end; the value of a full battery is what stays in place."""
        end = self._beyond - self.view.problem.terminal_value_per_kwh * self.grid
        last, steps = end[:, -1:].copy(), self.view.steps
        # Turned round: the first column holds the value of a full battery.
        rows = np.empty((steps + 1, *end.shape))
        turned = np.negative(segments)
        size = end.shape[1] - 1
        merged = np.empty((len(end), segments.shape[2] + size))
        added, slopes = merged[:, : segments.shape[2]], merged[:, segments.shape[2] :]
        backwards = slopes[:, ::-1]
        slopes[:] = np.diff(end, axis=1)
        for step in range(steps, -1, -1):
            if step < steps:
                added[:] = turned[step]
                merged.sort(axis=1)
            if leaving[step]:
                cars, need, drive = self.trip_kwh(leaving[step])
                back = np.concatenate([last[cars], -slopes[cars, ::-1]], axis=1)
                before = self.ahead(np.cumsum(back, axis=1)[:, ::-1], cars, need, drive)
                last[cars], slopes[cars] = before[:, -1:], np.diff(before, axis=1)
            rows[step, :, :1] = last
            np.negative(backwards, out=rows[step, :, 1:])
        return np.cumsum(rows, axis=2, out=rows)[:, :, ::-1]


def _summed(first: Floats, slopes: Floats) -> Floats:
    values = np.concatenate([first, slopes], axis=1)
    return np.cumsum(values, axis=1)


def _unit(steps_kwh: Sequence[float], most_kwh: float) -> float:
    """Returns the spacing of levels: the commonest gain of a step is a whole number of it."""
    gains, counts = np.unique([kwh for kwh in steps_kwh if kwh > 0], return_counts=True)
    if not len(gains):
        return most_kwh / LEVELS
    common = min(float(gains[counts.argmax()]), most_kwh)
    return max(common / float(np.ceil(common * LEVELS / most_kwh)), most_kwh / MOST_LEVELS)
