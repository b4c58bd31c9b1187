"""The contract of plug-ins that forecast the sun, found by entry point `heliofleet.forecasts`.

An entry point names something that is called with the options of a source, as the configuration
file has them, and returns a `ForecastPlugin`. It raises ValueError for options that are wrong: the
service then says so and does not start.

A plug-in is asked in a thread and an event loop of its own, so that it can't hold the service up,
and is given up after the time that its source has. What it returns is checked: it may be wrong,
late and incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import Any, Protocol

from models.errors import BadInput
from scheduler.forecast.sun import Plant

GROUP = "heliofleet.forecasts"


class NoForecast(Exception):
    """There is no forecast; the text says why, and is shown: no secret belongs in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of which site a forecast is wanted, and for when."""

    site_id: str
    latitude: float
    longitude: float
    plants: tuple[Plant, ...]
    """Its roofs: peak power in W, tilt (0 is flat) and azimuth (180 is south), one at least."""
    now: datetime
    """The present, by the clock of the service."""
    start: datetime
    """The beginning of the quarter of an hour that holds `now`."""
    horizon: timedelta
    """How far from `start` plans look; beyond is not needed, less is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """The power of all roofs together, as the mean of each step, in W."""

    issued_at: datetime
    """When it was known; aware."""
    start: datetime
    """Of the first step; aware."""
    step_minutes: int
    """One of `STEP_MINUTES`."""
    q50_w: Sequence[float]
    """The median of each step, without gaps."""
    q10_w: Sequence[float] | None = None
    """In one case of ten it is less. None: not known, and the service takes what is usual."""
    q90_w: Sequence[float] | None = None
    """In nine cases of ten it is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Irradiance:
    """What comes from the sky, as the mean of each step; the service reckons the roofs' power."""

    issued_at: datetime
    start: datetime
    step_minutes: int
    ghi_w_per_m2: Sequence[float]
    """On a flat plane."""
    dni_w_per_m2: Sequence[float] | None = None
    """Of the sun's beam, on a plane that faces it. None: reckoned from `ghi_w_per_m2`."""
    dhi_w_per_m2: Sequence[float] | None = None
    """Of the rest of the sky, on a flat plane. None: reckoned from the others."""
    air_c: Sequence[float] | None = None
    """Of the air; a hot roof gives less. None: taken as 15."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearness:
    """Which share of what a clear sky would give the roofs, in each step; quantiles as `Power`."""

    issued_at: datetime
    start: datetime
    step_minutes: int
    q50: Sequence[float]
    q10: Sequence[float] | None = None
    q90: Sequence[float] | None = None


Told = Power | Irradiance | Clearness
STEP_MINUTES = frozenset({1, 5, 10, 15, 20, 30, 60})


class ForecastPlugin(Protocol):
    """A source of forecasts of the sun."""

    async def forecast(self, asked: Asked, /) -> Told:
        """Returns what is expected for a site.

        Raises:
            NoForecast: where there is none, saying why.
        """
        ...


MakePlugin = Callable[[Mapping[str, Any]], ForecastPlugin]


def load_plugin(name: str, options: Mapping[str, Any]) -> ForecastPlugin:
    """Returns the plug-in that is installed under a name, with these options.

    Raises:
        BadInput: where there is none, it can't be loaded, or it refuses the options.
    """
    found = {each.name: each for each in entry_points(group=GROUP)}
    if name not in found:
        installed = ", ".join(sorted(found)) or "none"
        raise BadInput(f"no plug-in {name} of {GROUP} is installed; there are: {installed}")
    try:
        make: MakePlugin = found[name].load()
        return make(options)
    except ValueError as wrong:
        raise BadInput(f"the plug-in {name}: {wrong}") from None
    except Exception as broken:
        raise BadInput(f"the plug-in {name} can't be loaded: {broken!r}") from broken
