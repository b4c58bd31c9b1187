"""What changes make of what was measured: another roof, tariff, weather or building on past days.

A roof of more of the same gives as much more as was measured. One beside it gives what it would
under a clear sky, times the clearness over the roof that was there: measured power over that of a
clear sky at the same time. A site that had no roof has the mean clearness of the others; where no
roof was measured the sky is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np
import numpy.typing as npt

from models.timeline import utc
from simulators.past import STEPS_PER_DAY, SiteHistory
from simulators.scenario import PlantSpec, Scenario, SiteSpec
from simulators.scorecard import STEP_MINUTES
from simulators.sun import BIN_MINUTES, Spot, clear_sky_power_w

Floats = npt.NDArray[np.float64]
SUN_SHARE = 0.02
"""Of the peak power: below it the sun is too low for clearness to mean anything."""
CLEARNESS_MAX = 1.3
"""Bright edges of clouds give more than a clear sky, for minutes; more is a fault of the model."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes say of things that were measured."""

    drawn_sky: bool
    """Whether another weather is asked for."""
    load_factors: Mapping[str, float]
    """By site."""
    import_factor: float
    """Times the import price of each step."""
    other_import: bool
    """Whether the import prices are those of the scenario in place of the history's."""
    other_export: bool
    """The same of what is sold."""


def roof_clear_w(
    site: SiteSpec | Spot, plants: Sequence[PlantSpec], *, start: datetime, days: int
) -> Floats:
    """Returns what plants give under a clear sky in W, for each step of so many days."""
    if not plants:
        return np.zeros(days * STEPS_PER_DAY)
    bins = days * 24 * 60 // BIN_MINUTES
    power_w = clear_sky_power_w(site, plants, utc(start), bins)
    return power_w.reshape(-1, STEP_MINUTES // BIN_MINUTES).mean(axis=1)


def _clear_w(scenario: Scenario, site: SiteSpec) -> Floats:
    return roof_clear_w(site, site.pv_plants, start=scenario.start, days=scenario.days)


def clearness(measured_w: Floats, clear: Floats, peak_w: float) -> Floats | None:
    """Returns measured over clear-sky power by step; None where the sun was never up.

    Steps of a low sun, and those that were not measured (NaN), have what lies between neighbours.
    """
    steps = np.arange(len(clear))
    known = (clear > SUN_SHARE * peak_w) & ~np.isnan(measured_w)
    if not known.any():
        return None
    share = np.clip(measured_w[known] / clear[known], 0.0, CLEARNESS_MAX)
    return np.interp(steps, steps[known], share)


def changed_history(
    before: Scenario, sites: Sequence[SiteSpec], difference: Difference
) -> tuple[SiteSpec, ...]:
    """Returns sites whose measured series are what they would have been with the changes.

    Args:
        before: the scenario without the changes.
        sites: of it, changed but for their histories.
        difference: what the changes say.
    """
    known = _skies(before)
    factors = difference.load_factors
    return tuple(
        site
        if site.history is None
        else msgspec.structs.replace(
            site,
            history=msgspec.structs.replace(
                _priced(site.history, difference),
                pv_power_w=_sun(before, old, site, known, drawn=difference.drawn_sky),
                load_power_w=tuple(
                    round(load_w * factors.get(site.id, 1.0), 3)
                    for load_w in site.history.load_power_w
                ),
            ),
        )
        for old, site in zip(before.sites, sites, strict=True)
    )


def _skies(scenario: Scenario) -> dict[str, Floats]:
    """Returns the clearness over each measured roof."""
    found: dict[str, Floats] = {}
    for site in scenario.sites:
        if site.history is not None and site.history.pv_power_w and site.pv_plants:
            peak_w = sum(plant.peak_power_w for plant in site.pv_plants)
            clear = _clear_w(scenario, site)
            sky = clearness(np.array(site.history.pv_power_w), clear, peak_w)
            if sky is not None:
                found[site.id] = sky
    return found


def _sun(
    scenario: Scenario, old: SiteSpec, site: SiteSpec, skies: dict[str, Floats], *, drawn: bool
) -> tuple[float, ...]:
    """Returns what a site's roof would have given; nothing where its sky is to be drawn."""
    assert site.history is not None
    if drawn:
        return ()
    if site.pv_plants == old.pv_plants:
        return site.history.pv_power_w
    factor, added = _roof(old.pv_plants, site.pv_plants)
    power_w = np.array(site.history.pv_power_w) * factor
    if added:
        sky = skies.get(site.id)
        if sky is None:
            if not skies:
                return ()
            sky = np.mean(list(skies.values()), axis=0)
        power_w = sky * roof_clear_w(site, added, start=scenario.start, days=scenario.days) + (
            power_w if len(power_w) else 0.0
        )
    return tuple(round(float(value), 3) for value in power_w)


def _roof(old: Sequence[PlantSpec], new: Sequence[PlantSpec]) -> tuple[float, Sequence[PlantSpec]]:
    """Returns by what the plants of a roof were multiplied, and those that were put beside them."""
    kept = new[: len(old)]
    same = [(each.tilt_deg, each.azimuth_deg) for each in old] == [
        (each.tilt_deg, each.azimuth_deg) for each in kept
    ]
    if not old or not same:
        return 0.0, new
    return kept[0].peak_power_w / old[0].peak_power_w, new[len(old) :]


def _priced(past: SiteHistory, difference: Difference) -> SiteHistory:
    """Returns a history with another tariff; empty prices are those of the scenario's."""
    factor = difference.import_factor
    imports = tuple(price * factor for price in past.import_price_per_kwh)
    return msgspec.structs.replace(
        past,
        import_price_per_kwh=() if difference.other_import else imports,
        export_price_per_kwh=() if difference.other_export else past.export_price_per_kwh,
    )
