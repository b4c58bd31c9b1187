"""Photovoltaic forecast: what a clear sky would give, times how clear the sky has lately been.

Clear sky comes from the sun's position and the simplified Solis model, turned into each plant's
plane. The ratio of measured to clear-sky power, the clearness, carries everything that we don't
model (clouds, dirt, shading, the plant's real efficiency). Its forecast glides from that of the
last hours over that of the last day to the usual one of this site, the farther ahead the more.

Sources: P. Ineichen, "A broadband simplified version of the Solis clear sky model", Solar Energy
82 (2008); Hay and Davies (1980) for the tilted plane; both as pvlib computes them.
"""
# pvlib and pandas come without complete types: this module is the only one to touch them.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pvlib import clearsky, irradiance, solarposition

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast, Reading, held_s, known_readings

Floats = NDArray[np.float64]

PERFORMANCE_RATIO = 0.9
"""Share of the plant's nameplate that reaches the meter; what is wrong with it is clearness."""
AEROSOL_DEPTH = 0.15
WATER_CM = 1.5
"""Haze (optical depth at 700 nm) and water of a clear sky over central Europe. In cleaner air a low
sun would be brighter than it is, and the sky seem to clear up each morning."""
CURVE_STEP_S = 300
DAY_S = 86_400

HISTORY = timedelta(days=14)
PRESENT_HOURS = 0.1
RECENT_HOURS = 1.5
DAY_HOURS = 8.0
"""How fast the weight of a reading fades, in the clearness of now, the last hours, the last day."""
PRESENT_FADES_HOURS = 1.0
RECENT_FADES_HOURS = 3.0
DAY_FADES_HOURS = 24.0
"""How fast these clearnesses lose their say with the distance of the step forecast."""
SPREAD_GROWS_HOURS = 1.0
"""How fast what the sky may be grows, from its last change between two readings to all it is."""
JUMP_FADES_HOURS = 4.0
USUAL_JUMP = 0.08
"""The change of clearness from one quarter of an hour to the next where little is measured yet."""
USUAL_CLEARNESS = 0.65
USUAL_SPREAD = 0.25
"""Mean and standard deviation of clearness where nothing has been measured: central Europe."""
LOW_SUN_SHARE = 0.05
"""Readings count when the clear sky would give at least this share of the peak power."""
Z_90 = 1.2816
"""Standard deviations from the median to the 90 % quantile of a normal distribution."""
CLEARNESS_LIMITS = (0.03, 1.1)
LOSS_PER_KELVIN = 0.004
HEATED_K_PER_W = 0.03
"""How much less a roof gives by each degree above 25, and how hot the sun makes it, per W/m2."""
TWILIGHT_W_PER_M2 = 10.0
"""Below that inverters sleep."""
WEATHER_SPREAD = 0.15
"""Standard deviation of clearness around what a weather model says, in the first day."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the sun is looked at from."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Plant:
    """A roof: its peak power and how it lies (tilt 0 is flat, azimuth 180 is south)."""

    peak_power_w: float
    tilt_deg: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class Irradiated:
    """What comes from the sky in each step: in W/m2 on a flat plane, of the beam, of the rest."""

    ghi: Floats
    dni: Floats | None
    dhi: Floats | None
    air_c: Floats
    """How warm the air is."""


def clear_sky_power_w(
    location: Location, plants: Sequence[Plant], instants: Sequence[datetime]
) -> Floats:
    """Returns what the plants would give together under a clear sky at each instant, in W.

    Curves are kept per plane and day, so that a day costs its 10 ms once.
    """
    at_s = np.fromiter((instant.timestamp() for instant in instants), float, len(instants))
    return _clear_sky_at_s(location, plants, at_s)


def forecast_pv(
    location: Location,
    plants: Sequence[Plant],
    grid: StepGrid,
    readings: Sequence[Reading],
    *,
    issued_at: datetime,
) -> QuantileForecast:
    """Returns the power that the plants can give in each step, as known at `issued_at`.

    `readings` are the plants' measured power; the last two weeks of them are used.
    """
    at_s, power_w = known_readings(readings, issued_at, issued_at - HISTORY)
    peak_w = sum(plant.peak_power_w for plant in plants)
    held = held_s(at_s)
    past_w = _clear_sky_at_s(location, plants, at_s - held / 2)
    lit = past_w > LOW_SUN_SHARE * peak_w
    sky = _Sky.learn(issued_at.timestamp(), at_s[lit], held[lit], power_w[lit], past_w[lit], peak_w)
    middles_s = _middles_s(grid)
    clear_w = _clear_sky_at_s(location, plants, middles_s)
    ahead_hours = np.maximum(0.0, (middles_s - issued_at.timestamp()) / 3600)
    q10, q50, q90 = (tuple((clear_w * share).tolist()) for share in sky.quantiles(ahead_hours))
    return QuantileForecast(
        issued_at, grid, "measured" if lit.any() else "clear_sky", q10, q50, q90
    )


def irradiated_power_w(
    location: Location, plants: Sequence[Plant], grid: StepGrid, irradiance_seen: Irradiated
) -> Floats:
    """Returns what the plants give together in each step under this irradiance, in W.

    Sources: Hay and Davies (1980) for the tilted plane, Erbs (1982) for what is not told of beam
    and diffuse light, both as pvlib computes them; Ross (1976) for how hot a roof gets.
    """
    at = pd.to_datetime(np.asarray(_middles_s(grid) * 1e9, dtype=np.int64), utc=True)
    position = solarposition.get_solarposition(
        at, location.latitude, location.longitude, method="nrel_numpy"
    )
    zenith_deg = np.asarray(position["zenith"])
    day_of_year = np.asarray(at.day_of_year)
    ghi, dni, dhi = irradiance_seen.ghi, irradiance_seen.dni, irradiance_seen.dhi
    if dni is None:
        dni = np.asarray(irradiance.erbs(ghi, zenith_deg, day_of_year)["dni"])
    if dhi is None:
        dhi = np.clip(ghi - dni * np.cos(np.radians(np.minimum(zenith_deg, 90.0))), 0.0, None)
    extra = np.asarray(irradiance.get_extra_radiation(day_of_year))
    power_w = np.zeros(grid.steps)
    for plant in plants:
        plane = irradiance.get_total_irradiance(
            plant.tilt_deg,
            plant.azimuth_deg,
            np.asarray(position["apparent_zenith"]),
            np.asarray(position["azimuth"]),
            dni,
            ghi,
            dhi,
            dni_extra=extra,
            model="haydavies",
        )
        lit = np.nan_to_num(np.asarray(plane["poa_global"], dtype=np.float64))
        warmth = 1.0 - LOSS_PER_KELVIN * (irradiance_seen.air_c + HEATED_K_PER_W * lit - 25.0)
        power_w += plant.peak_power_w * PERFORMANCE_RATIO * lit / 1000 * warmth
    return np.where(ghi < TWILIGHT_W_PER_M2, 0.0, power_w)


def spread_around(
    location: Location, plants: Sequence[Plant], grid: StepGrid, median_w: Floats
) -> tuple[Floats, Floats]:
    """Returns the 10 and 90 % quantiles that are usual for a forecast that says a median alone."""
    clear_w = _clear_sky_at_s(location, plants, _middles_s(grid))
    reach_w = Z_90 * WEATHER_SPREAD * clear_w
    low_w = np.minimum(median_w, np.maximum(median_w - reach_w, 0.0))
    return low_w, np.minimum(median_w + reach_w, np.maximum(median_w, 1.02 * clear_w))


def persistence_pv(
    location: Location,
    plants: Sequence[Plant],
    grid: StepGrid,
    readings: Sequence[Reading],
    *,
    issued_at: datetime,
) -> tuple[float, ...]:
    """Returns the forecast to beat, in W: the sky stays as clear as in the last hour of daylight.

    This is the usual yardstick of solar forecasting (smart persistence); before any daylight is
    measured, the sky is taken as clear.
    """
    at_s, power_w = known_readings(readings, issued_at, issued_at - HISTORY)
    peak_w = sum(plant.peak_power_w for plant in plants)
    past_w = _clear_sky_at_s(location, plants, at_s - held_s(at_s) / 2)
    lit = np.flatnonzero(past_w > LOW_SUN_SHARE * peak_w)
    clearness = 1.0
    if len(lit):
        last = lit[at_s[lit] > at_s[lit[-1]] - 3600]
        clearness = float(power_w[last].sum() / past_w[last].sum())
    clear_w = _clear_sky_at_s(location, plants, _middles_s(grid))
    return tuple((clear_w * clearness).tolist())


@dataclass(frozen=True, slots=True)
class _Sky:
    """What the readings say about clearness, each figure leaning on the next broader one."""

    present: float
    recent: float
    day: float
    usual: float
    spread: float
    jump: float
    """The standard deviation of the change from one reading to the next, of late."""
    belief: float
    """0 to 1: how much the last hours were seen at all."""

    @staticmethod
    def learn(  # noqa: PLR0917 - columns of one table
        now_s: float,
        at_s: Floats,
        stands_s: Floats,
        power_w: Floats,
        clear_w: Floats,
        peak_w: float,
    ) -> _Sky:
        """Returns the sky as lit readings tell it: mean clearness, weighted by energy and age."""
        hours = stands_s / 3600
        age_hours = (now_s - at_s) / 3600
        energy_wh = clear_w * hours
        # In winter the sun gives less: what is seen of the sky must weigh as much as in summer.
        lit_w = float(clear_w @ energy_wh) / max(1.0, float(energy_wh.sum())) or peak_w
        yield_wh = power_w * hours

        def mean(prior: float, prior_hours: float, fade: Floats) -> tuple[float, float]:
            prior_wh = max(1.0, prior_hours * lit_w)
            seen_wh = float(fade @ energy_wh)
            clearness = (float(fade @ yield_wh) + prior_wh * prior) / (seen_wh + prior_wh)
            return clearness, seen_wh / (seen_wh + prior_wh)

        usual, seen = mean(USUAL_CLEARNESS, 8.0, np.ones_like(age_hours))
        day, _ = mean(usual, 0.5, np.exp(-age_hours / DAY_HOURS))
        recent, belief = mean(day, 0.05, np.exp(-age_hours / RECENT_HOURS))
        present, _ = mean(recent, 0.005, np.exp(-age_hours / PRESENT_HOURS))
        strays = (power_w / np.maximum(1.0, clear_w) - usual) ** 2
        measured = float(strays @ energy_wh) / max(1.0, float(energy_wh.sum()))
        variance = seen * measured + (1 - seen) * USUAL_SPREAD**2
        jump = _jump(at_s, power_w / np.maximum(1.0, clear_w), age_hours)
        return _Sky(present, recent, day, usual, float(np.sqrt(variance)), jump, belief)

    def quantiles(self, ahead_hours: Floats) -> tuple[Floats, Floats, Floats]:
        """Returns the clearness with 10, 50 and 90 % below, for steps so many hours ahead."""
        near = np.exp(-ahead_hours / RECENT_FADES_HOURS)
        at_once = np.exp(-ahead_hours / PRESENT_FADES_HOURS)
        middle = self.usual + (self.day - self.usual) * np.exp(-ahead_hours / DAY_FADES_HOURS)
        middle += (self.recent - self.day) * near + (self.present - self.recent) * at_once
        middle = np.clip(middle, *CLEARNESS_LIMITS)
        # What has just been seen goes on but for what it changes by from one reading to the next.
        known = self.belief * np.exp(-ahead_hours / SPREAD_GROWS_HOURS)
        least = min(self.jump, self.spread)
        spread = np.sqrt(self.spread**2 - known * (self.spread**2 - least**2))
        low = np.maximum(middle - Z_90 * spread, CLEARNESS_LIMITS[0])
        # A sky clearer than clear is a model's error, not luck: the upper side ends near 1.
        high = np.minimum(middle + Z_90 * spread, np.maximum(middle, 1.02))
        return low, middle, high


def _jump(at_s: Floats, clearness: Floats, age_hours: Floats) -> float:
    """Returns by how much the clearness changes from one reading to the next, of late.

    Readings further apart say nothing of that; one hour of the usual stands for those that lack.
    """
    follows = np.diff(at_s) <= 1.5 * 900.0
    changes = np.diff(np.clip(clearness, 0.0, 1.5))[follows]
    weight = np.exp(-age_hours[1:][follows] / JUMP_FADES_HOURS)
    whole = float(weight @ changes**2) + 4.0 * USUAL_JUMP**2
    return float(np.sqrt(whole / (float(weight.sum()) + 4.0)))


def _middles_s(grid: StepGrid) -> Floats:
    middles: Floats = np.arange(grid.steps, dtype=np.float64) + 0.5
    return grid.start.timestamp() + 60.0 * grid.step_minutes * middles


def _clear_sky_at_s(location: Location, plants: Sequence[Plant], at_s: Floats) -> Floats:
    power_w = np.zeros(len(at_s))
    days = (at_s // DAY_S).astype(int)
    for day in np.unique(days).tolist():
        there = days == day
        place = (at_s[there] - day * DAY_S) / CURVE_STEP_S
        for plant in plants:
            curve = _plane_w_per_m2(
                location.latitude, location.longitude, plant.tilt_deg, plant.azimuth_deg, day
            )
            share = np.interp(place, np.arange(len(curve)), curve) / 1000
            power_w[there] += plant.peak_power_w * PERFORMANCE_RATIO * share
    return power_w


@lru_cache(maxsize=4096)
def _plane_w_per_m2(
    latitude: float, longitude: float, tilt_deg: float, azimuth_deg: float, day: int
) -> Floats:
    """Returns the clear-sky irradiance on a plane through a UTC day, its midnights included."""
    start = pd.Timestamp(day * DAY_S, unit="s", tz="UTC")
    times = pd.date_range(start, periods=DAY_S // CURVE_STEP_S + 1, freq=f"{CURVE_STEP_S}s")
    position = solarposition.get_solarposition(times, latitude, longitude, method="nrel_numpy")
    sky = clearsky.simplified_solis(
        np.asarray(position["apparent_elevation"]),
        aod700=AEROSOL_DEPTH,
        precipitable_water=WATER_CM,
    )
    plane = irradiance.get_total_irradiance(
        tilt_deg,
        azimuth_deg,
        np.asarray(position["apparent_zenith"]),
        np.asarray(position["azimuth"]),
        sky["dni"],
        sky["ghi"],
        sky["dhi"],
        dni_extra=irradiance.get_extra_radiation(start.day_of_year),
        model="haydavies",
    )
    curve = np.nan_to_num(np.asarray(plane["poa_global"], dtype=np.float64))
    curve.setflags(write=False)
    return curve
