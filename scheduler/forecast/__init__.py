"""Forecasts of sun and building load, step by step, with quantiles.

What every forecast has in common is here; each kind has its module. A forecast is made at an
instant from what was measured until then, and never looks past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.timeline import StepGrid

Source = Literal["measured", "clear_sky", "profile", "fallback", "outside"]
"""What a forecast rests on. `measured`: clear sky times the clearness lately measured;
`clear_sky`: the same with the usual clearness, for want of measurements; `profile`: the building's
own weeks; `fallback`: a constant, for want of them; `outside`: somebody else's word."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A power that a meter showed at an instant, in W."""

    measured_at: datetime
    power_w: float


@dataclass(frozen=True, slots=True)
class QuantileForecast:
    """Powers expected in each step of a grid, in W: with 10, 50 and 90 % of them below."""

    issued_at: datetime
    grid: StepGrid
    source: Source
    q10_w: tuple[float, ...]
    q50_w: tuple[float, ...]
    q90_w: tuple[float, ...]


def known_readings(
    readings: Sequence[Reading], issued_at: datetime, oldest: datetime
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns instants (seconds since 1970) and powers of the readings known at `issued_at`.

    In order of time; later readings, and those before `oldest`, are left out.
    """
    known = [r for r in readings if oldest <= r.measured_at <= issued_at]
    at_s = np.fromiter((r.measured_at.timestamp() for r in known), float, len(known))
    power_w = np.fromiter((r.power_w for r in known), float, len(known))
    order = np.argsort(at_s, kind="stable")
    return at_s[order], power_w[order]


def held_s(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns for how long each reading stands: since the one before, 15 minutes at most.

    A meter tells the mean since it last spoke, so that it is that of the middle.
    """
    return np.clip(np.diff(at_s, prepend=-np.inf), 0.0, 900.0)
