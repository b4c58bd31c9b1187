"""The wiring of an ACN-Sim network as our circuits, for EVSEs between two lines of three.

ACN-Sim adds currents with their angles: a line carries `|I_ab - I_ca|`, which for loads 120 degrees
apart is the root of `a^2 + a b + b^2`, between 0.87 and 1 times `a + b`. Our circuits add powers:
an EVSE between two lines loads both with half its power, so that a limit of `L` amperes becomes
`a + b <= scale * L`. With a scale of 1 no line can be overloaded; with 1.15 none is while its two
pairs carry the same. So plans are made with the largest scale first, and anew with the next one
where the true sums of the first steps are beyond a limit. The last scale leaves none possible, on
the primary side of transformers neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.problem import Circuit, Evse, Phase

_PAIRS: dict[int, tuple[Phase, Phase]] = {30: ("L1", "L2"), -90: ("L2", "L3"), 150: ("L3", "L1")}
"""By the angle of a load, the lines that it is between."""
_NO_LIMIT_W = 1e7
_SAFE_A = 1e-3
"""Below each limit, for rounding."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Stations behind limits: on their sum, or on each of three lines."""

    name: str
    stations: frozenset[int]
    limit_a: float
    lines: bool


class Wiring:
    """The circuits of one network."""

    def __init__(self, infrastructure: Any) -> None:
        """Reads an `InfrastructureInfo`.

        Raises:
            ValueError: if a station is not between two of three lines.
        """
        self._told = infrastructure
        angles = [round(float(angle)) for angle in infrastructure.phases]
        if strange := set(angles) - set(_PAIRS):
            raise ValueError(f"stations at {sorted(strange)} degrees are not between two lines")
        self._angles = angles
        self._parts = self._read()
        self.scales = self._scales()

    def _read(self) -> list[_Part]:
        """Returns what is limited by sums of whole currents; smaller parts come first."""
        parts: dict[str, _Part] = {}
        for name, row, limit_a in self._rows():
            on = np.flatnonzero(row)
            if not np.allclose(np.abs(row[on]), 1):
                continue  # the primary side: see _worst_of_others
            plain = bool((row[on] > 0).all()) and len({self._angles[n] for n in on}) == 1
            key = name if plain else name[:-1].strip()
            before = parts.get(key)
            stations = frozenset(on.tolist()) | (before.stations if before else frozenset())
            least_a = min(limit_a, before.limit_a) if before else limit_a
            parts[key] = _Part(key, stations, least_a, lines=not plain)
        return sorted(parts.values(), key=lambda part: (len(part.stations), part.name))

    def _rows(self) -> list[tuple[str, NDArray[np.float64], float]]:
        told = self._told
        limits = told.constraint_limits.tolist()
        return list(zip(told.constraint_ids, told.constraint_matrix, limits, strict=True))

    def _scales(self) -> list[float]:
        """Returns the scales to be tried in turn."""
        last = min(1.0, self._worst_of_others())
        between = [scale for scale in (1.1, 1.05, 1.0, 0.95, 0.9) if scale > last]
        return [2 / math.sqrt(3), *between, last]

    def _worst_of_others(self) -> float:
        """Returns the scale at which limits that are no line's can't be exceeded.

        The corners of `a + b, b + c, c + a <= L` are one pair with `L`, and all with half of it.
        """
        scale = 1.0
        for _, row, limit_a in self._rows():
            on = frozenset(np.flatnonzero(row).tolist())
            if np.allclose(np.abs(row[sorted(on)]), 1):
                continue
            bounds = [p.limit_a for p in self._parts if p.lines and p.stations >= on]
            if not bounds:
                return 0.0
            phasors = [
                max((row[n] for n in on if self._angles[n] == angle), key=abs, default=0.0)
                * np.exp(1j * math.radians(angle))
                for angle in _PAIRS
            ]
            corners = [*(abs(phasor) for phasor in phasors), abs(sum(phasors)) / 2]
            scale = min(scale, float(limit_a / (min(bounds) * max(corners))))
        return scale

    def circuits(self, scale: float) -> tuple[Circuit, ...]:
        """Returns the circuits with the limits of lines scaled."""
        volts = float(self._told.voltages[0])
        found: list[Circuit] = []
        for number, part in enumerate(self._parts):
            parent = next(
                (p.name for p in self._parts[number + 1 :] if p.stations > part.stations), None
            )
            limit_a = part.limit_a - _SAFE_A
            if part.lines:
                each_w = scale * limit_a * volts / 2
                found.append(Circuit(part.name, parent, _NO_LIMIT_W, (each_w, each_w, each_w)))
            else:
                found.append(Circuit(part.name, parent, limit_a * volts))
        return tuple(found)

    def evses(self) -> tuple[Evse, ...]:
        """Returns the EVSEs; the least power is that of the least current above none."""
        told = self._told
        return tuple(
            Evse(
                id=name,
                circuit=next((part.name for part in self._parts if number in part.stations), None),
                max_power_w=float(told.max_pilot[number] * told.voltages[number]),
                min_power_w=float(self.least_a(number) * told.voltages[number]),
                current_type="AC",
                phases=_PAIRS[self._angles[number]],
            )
            for number, name in enumerate(told.station_ids)
        )

    def least_a(self, number: int) -> float:
        """Returns the least current above none that a station gives."""
        if self._told.is_continuous[number]:
            return 0.0
        return min(float(a) for a in self._told.allowable_pilots[number] if a > 0)

    def kept(self, rates_a: NDArray[np.float64]) -> bool:
        """Returns whether currents, by station and step, keep every limit, added with angles."""
        angles = np.exp(1j * np.deg2rad(self._told.phases))
        sums = np.abs(self._told.constraint_matrix @ (rates_a.T * angles).T)
        return bool((sums <= np.asarray(self._told.constraint_limits)[:, None] + 1e-6).all())

    def rounded(self, rates_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns currents that stations can give: the nearest, or where that is too much less."""
        below, near = rates_a.copy(), rates_a.copy()
        for number, pilots in enumerate(self._told.allowable_pilots):
            if not self._told.is_continuous[number]:
                steps = np.sort(np.append(np.asarray(pilots, dtype=np.float64), 0.0))
                below[number] = _at_most(steps, rates_a[number])
                near[number] = _nearest(steps, rates_a[number])
        for step in range(rates_a.shape[1]):
            gain = near[:, step] - rates_a[:, step]
            for number in np.argsort(gain, kind="stable"):
                if near[number, step] > below[number, step]:
                    tried = below[:, [step]]
                    tried[number] = near[number, step]
                    if self.kept(tried):
                        below[number, step] = near[number, step]
        return below


def _at_most(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return steps[np.searchsorted(steps, values + 1e-6, side="right") - 1]


def _nearest(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return steps[np.abs(steps[:, None] - values[None, :]).argmin(axis=0)]
