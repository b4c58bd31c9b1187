"""The sun over the district: clear sky from pvlib, times clouds that a seed draws.

Clear-sky irradiance is Ineichen and Perez (2002) with a fixed Linke turbidity, transposed by Hay
and Davies; a plant gives 86 % of its peak at 1000 W/m2. Clouds are one cover for the district,
an autoregressive walk around the mean of the day's weather, that reaches each site some minutes
apart and with some noise of its own. What anybody forecasts is not here.
"""

# pvlib and pandas come without complete types: this module is the only one here that touches them.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pvlib

from simulators.scenario import PlantSpec, SiteSpec, Sky, Weather

BIN_MINUTES = 5
"""Weather and load are constant for this long."""

LINKE_TURBIDITY = 3.2
PERFORMANCE_RATIO = 0.86
COVER_MEMORY_MINUTES = 50.0
CLOUD_DEPTH = 0.78
"""Share of the clear-sky power that a closed cover takes away."""

_COVER: dict[Weather, tuple[float, float]] = {
    "clear": (0.03, 0.05),
    "fair": (0.16, 0.16),
    "mixed": (0.45, 0.28),
    "overcast": (0.88, 0.10),
}
"""Mean and standard deviation of the cover, by the day's weather."""


@dataclass(frozen=True, slots=True)
class Front:
    """A bank of clouds that no forecast saw: it covers or clears the sky for a while."""

    start: datetime
    end: datetime
    cover: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on Earth, in degrees; north and east are positive."""

    latitude: float
    longitude: float


def clear_sky_power_w(
    site: SiteSpec | Spot, plants: Sequence[PlantSpec], start: datetime, bins: int
) -> npt.NDArray[np.float64]:
    """Returns what the plants give under a clear sky, in watts, one value per bin."""
    middles = pd.date_range(
        start + timedelta(minutes=BIN_MINUTES / 2), periods=bins, freq=f"{BIN_MINUTES}min"
    )
    position = pvlib.solarposition.get_solarposition(middles, site.latitude, site.longitude)
    zenith = position["apparent_zenith"]
    airmass = pvlib.atmosphere.get_relative_airmass(zenith)
    sky = pvlib.clearsky.ineichen(zenith, airmass, LINKE_TURBIDITY, altitude=170)
    extra = pvlib.irradiance.get_extra_radiation(np.asarray(middles.day_of_year))
    total = np.zeros(bins)
    for plant in plants:
        plane = pvlib.irradiance.get_total_irradiance(
            plant.tilt_deg,
            plant.azimuth_deg,
            zenith,
            position["azimuth"],
            sky["dni"],
            sky["ghi"],
            sky["dhi"],
            dni_extra=extra,
            model="haydavies",
        )["poa_global"]
        total += (
            np.nan_to_num(np.asarray(plane, dtype=float))
            / 1000
            * plant.peak_power_w
            * PERFORMANCE_RATIO
        )
    return total


def weather_of_days(sky: Sky, days: int, rng: np.random.Generator) -> tuple[Weather, ...]:
    """Returns the weather of each day: the scenario's first ones, then drawn ones."""
    kinds: list[Weather] = sorted(sky.later_days)
    weights = np.array([sky.later_days[kind] for kind in kinds])
    drawn: list[Weather] = [
        kinds[int(i)] for i in rng.choice(len(kinds), size=days, p=weights / weights.sum())
    ]
    return (*sky.first_days, *drawn)[:days]


def cloud_cover(
    weather: Sequence[Weather],
    start: datetime,
    zone: ZoneInfo,
    bins: int,
    *,
    rng: np.random.Generator,
    fronts: Sequence[Front] = (),
) -> npt.NDArray[np.float64]:
    """Returns the district's cloud cover (0 to 1), one value per bin."""
    memory = float(np.exp(-BIN_MINUTES / COVER_MEMORY_MINUTES))
    noise = rng.standard_normal(bins) * np.sqrt(1 - memory**2)
    first_day = start.astimezone(zone).date()
    cover = np.empty(bins)
    walk = float(rng.standard_normal())
    for i in range(bins):
        at = start + timedelta(minutes=BIN_MINUTES * i)
        day = (at.astimezone(zone).date() - first_day).days
        mean, spread = _COVER[weather[min(day, len(weather) - 1)]]
        walk = memory * walk + float(noise[i])
        cover[i] = mean + spread * walk
        for front in fronts:
            if front.start <= at < front.end:
                cover[i] = front.cover
    return np.clip(cover, 0.0, 1.0)


def pv_power_w(
    site: SiteSpec,
    start: datetime,
    cover: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Returns what the site's plants can give, in watts, one value per bin."""
    bins = len(cover)
    lag = int(rng.integers(0, 3))
    local = np.concatenate((np.full(lag, cover[0]), cover[: bins - lag]))
    local = np.clip(local + rng.standard_normal(bins) * 0.03 * (local > 0.02), 0.0, 1.0)
    clear = clear_sky_power_w(site, site.pv_plants, start, bins)
    return clear * (1 - CLOUD_DEPTH * local)
