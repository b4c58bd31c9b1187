"""The load of the building behind a site's meter: a base, a daily rhythm, and some noise."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from simulators.scenario import BuildingSpec
from simulators.sun import BIN_MINUTES

NOISE_MEMORY = 0.85
NOISE_SPREAD = 0.12
SUNDAY = 6
SATURDAY = 5

_RHYTHM: dict[str, tuple[int, ...]] = {
    use: tuple(int(share) for share in shares.split())
    for use, shares in {
        "housing": "20 12 10 10 12 25 55 75 60 45 42 50 62 52 42 40 45 60 82 100 98 80 55 35",
        "office": "5 5 5 5 5 8 20 45 80 95 100 98 85 92 100 98 90 70 40 20 12 8 6 5",
        "shop": "8 8 8 8 8 10 20 35 55 85 92 95 95 92 95 100 100 98 92 60 25 15 10 8",
    }.items()
}
"""Percent of the peak at each local hour."""

_WEEKEND = {"housing": 1.05, "office": 0.18, "shop": 0.75}


def load_power_w(
    building: BuildingSpec, start: datetime, zone: ZoneInfo, bins: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Returns the building's load in watts, one value per bin of `BIN_MINUTES`."""
    rhythm = _RHYTHM[building.use]
    innovations = rng.standard_normal(bins) * NOISE_SPREAD * np.sqrt(1 - NOISE_MEMORY**2)
    load = np.empty(bins)
    noise = 0.0
    for i in range(bins):
        local = (start + timedelta(minutes=BIN_MINUTES * i)).astimezone(zone)
        hour, part = local.hour, local.minute / 60
        level = (rhythm[hour] * (1 - part) + rhythm[(hour + 1) % 24] * part) / 100
        if local.weekday() in (SATURDAY, SUNDAY):
            level *= _WEEKEND[building.use]
        noise = NOISE_MEMORY * noise + float(innovations[i])
        load[i] = (building.base_w + building.peak_w * level) * (1 + noise)
    return np.maximum(load, 0.0)
