"""A scenario drawn from a tenant's own days: what was there, measured, paid and asked for.

Equipment and cars are those that are stored now; sun, load, prices and bookings are those of the
days. What rows don't tell is assumed by a stated rule, and each rule that was needed is said in
the scenario, for people and in figures. Reading is `csms.simulations.history`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from csms.energy.prices import (
    DEFAULT_EXPORT_PRICE_PER_KWH,
    DEFAULT_IMPORT_PRICE_PER_KWH,
    StepPrices,
    step_prices,
)
from csms.readable.comparisons.facts import SOC_TOLD
from csms.simulations.drawn_places import (
    Places,
    draw_kinds,
    draw_models,
    draw_site,
    plants_of,
)
from csms.simulations.drawn_trips import Trips, draw_trips, start_soc_pct
from csms.simulations.filling import Filled, fill_load, fill_sun
from csms.simulations.history import Rows
from csms.simulations.rules import STEP_MINUTES, Span
from csms.simulations.telling import told_assumed, told_taken
from models.errors import BadInput, FieldError
from models.tables.energy import PriceSeries, Site
from models.timeline import StepGrid, format_rfc3339
from simulators.changed_past import roof_clear_w
from simulators.past import ODD, History, SiteHistory
from simulators.scenario import Demand, Prices, Scenario, Sky, scenario_of
from simulators.sun import Spot

NAME = "history"
SEED = 1
START_SOC_PCT = 80.0
"""Where nobody told how full a car was."""
SPEED_KM_H = 50.0
"""Only bounds how soon a trip can be over."""
_BELOW = 1e-4
"""The least that prices of a scenario have between buying and selling."""
Floats = npt.NDArray[np.float64]
_TRIP_COUNTS = (
    "bookings",
    "bookings_asked_before",
    "bookings_called_off_at_once",
    "bookings_cancelled",
    "bookings_not_fetched",
    "bookings_under_way",
    "trips",
    "trips_with_energy",
    "trips_with_plug_in",
)


@dataclass(frozen=True, slots=True)
class _Played:
    """The series of a site."""

    history: SiteHistory
    sun: Filled
    load: Filled
    prices: StepPrices
    priced: int
    """Steps for which a price is stored."""


def draw_scenario(rows: Rows, span: Span) -> Scenario:
    """Returns the days as a scenario with a history.

    Raises:
        BadInput: naming `/history`, where there is nothing to play, or too much is missing.
    """
    if not rows.vehicles:
        raise _refused("there are no vehicles")
    _refuse_nothing(rows, span)
    currency = _currency(rows)
    series = {site.id: _series(site, rows, span) for site in rows.sites}
    places = Places()
    models = draw_models(rows, places)
    sites = tuple(
        draw_site(
            site,
            rows,
            places,
            load_w=series[site.id].history.load_power_w,
            history=series[site.id].history,
        )
        for site in rows.sites
    )
    trips = draw_trips(rows, places.sites, span)
    zone = Counter(site.timezone for site in rows.sites).most_common(1)[0][0]
    prices = _prices([each.prices for each in series.values()], span.grid, ZoneInfo(zone))
    soc_pct = start_soc_pct(rows)
    counts = {
        **_counts(rows, places, trips, list(series.values())),
        SOC_TOLD: int(soc_pct is not None),
    }
    scenario = Scenario(
        name=NAME,
        title=f"What was from {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC",
        start=span.start,
        timezone=zone,
        days=span.days,
        seed=SEED,
        currency=currency or "EUR",
        soc_value_per_kwh=max(0.0, round(float(np.mean(prices.import_price_per_kwh)), 4)),
        start_soc_pct=START_SOC_PCT if soc_pct is None else min(100.0, max(0.0, soc_pct)),
        min_soc_pct=max((each.min_soc_pct for each in rows.models), default=10.0),
        meter_every_s=60,
        idle_meter_every_s=900,
        measure_every_minutes=STEP_MINUTES,
        sky=Sky(first_days=(), later_days={"fair": 1.0, "mixed": 1.0}),
        prices=prices,
        demand=_demand(trips, len(rows.vehicles) * span.days),
        models=models,
        station_kinds=draw_kinds(places),
        sites=sites,
        history=History(
            bookings=trips.bookings,
            counts={name: float(count) for name, count in sorted(counts.items())},
            taken=told_taken(counts),
            assumed=told_assumed(counts, span.days),
        ),
    )
    return _checked(scenario)


def _checked(scenario: Scenario) -> Scenario:
    """Returns the scenario as its file says it, so that a file and a simulation are the same."""
    try:
        return scenario_of(msgspec.json.decode(msgspec.json.encode(scenario)), source=NAME)
    except BadInput as error:
        places = [f"{each.field}: {each.detail}" for each in error.errors] or [error.detail]
        raise _refused(f"can't be played: {places[0]}") from error


def _refused(detail: str) -> BadInput:
    return BadInput(f"/history: {detail}", (FieldError("/history", detail),))


def _refuse_nothing(rows: Rows, span: Span) -> None:
    measured = any(
        not np.isnan(each.pv_power_w).all() or not np.isnan(each.load_power_w).all()
        for each in rows.measured.values()
    )
    if not measured and not rows.bookings:
        detail = (
            f"nothing was measured or booked from {span.start:%Y-%m-%dT%H:%M}Z to"
            f" {span.end:%Y-%m-%dT%H:%M}Z"
        )
        raise _refused(detail)


def _currency(rows: Rows) -> str | None:
    found = sorted({each.currency for some in rows.prices.values() for each in some})
    if len(found) > 1:
        raise _refused(f"prices are in {' and '.join(found)}; a simulation has one currency")
    return found[0] if found else None


def _series(site: Site, rows: Rows, span: Span) -> _Played:
    grid, measured = span.grid, rows.measured[site.id]
    spot = Spot(site.latitude, site.longitude)
    clear_w = roof_clear_w(spot, plants_of(site), start=grid.start, days=span.days)
    sun = fill_sun(measured.pv_power_w, clear_w, grid, whose=f"the sun of site {site.id}")
    load = fill_load(measured.load_power_w, grid, whose=f"the load of site {site.id}")
    prices = step_prices(rows.prices[site.id], grid)
    return _Played(
        SiteHistory(
            pv_power_w=_listed(sun.power_w, 3),
            load_power_w=_listed(load.power_w, 3),
            import_price_per_kwh=_listed(prices.import_price_per_kwh, 9),
            export_price_per_kwh=_listed(prices.export_price_per_kwh, 9),
            import_co2_g_per_kwh=_listed(prices.import_co2_g_per_kwh, 3),
        ),
        sun,
        load,
        prices,
        _priced(rows.prices[site.id], grid),
    )


def _listed(values: Floats, digits: int) -> tuple[float, ...]:
    return tuple(round(float(value), digits) for value in values)


def _priced(series: Sequence[PriceSeries], grid: StepGrid) -> int:
    """Returns for how many steps a price is stored."""
    known = np.zeros(grid.steps, dtype=bool)
    for each in series:
        first, last = grid.ceil(each.start), grid.ceil(each.ends_at)
        known[max(0, first) : max(0, last)] = True
    return int(known.sum())


def _prices(all_prices: Sequence[StepPrices], grid: StepGrid, zone: ZoneInfo) -> Prices:
    """Returns the mean prices of each local hour: what another tariff is told against."""
    hours = np.array([grid.instant(step).astimezone(zone).hour for step in range(grid.steps)])

    def mean(series: Sequence[Floats], unknown: float) -> list[float]:
        whole = np.mean(list(series), axis=0) if series else np.full(grid.steps, unknown)
        return [
            float(whole[hours == hour].mean()) if (hours == hour).any() else float(whole.mean())
            for hour in range(24)
        ]

    sold = mean([each.export_price_per_kwh for each in all_prices], DEFAULT_EXPORT_PRICE_PER_KWH)
    bought = mean([each.import_price_per_kwh for each in all_prices], DEFAULT_IMPORT_PRICE_PER_KWH)
    export = round(max(0.0, min(float(np.mean(sold)), min(bought) - _BELOW)), 6)
    return Prices(
        import_price_per_kwh=tuple(round(max(each, export + _BELOW), 6) for each in bought),
        export_price_per_kwh=export,
        import_co2_g_per_kwh=tuple(
            round(each, 3) for each in mean([each.import_co2_g_per_kwh for each in all_prices], 0.0)
        ),
    )


def _demand(trips: Trips, car_days: int) -> Demand:
    """Returns the demand in figures; nobody's wish is drawn from it."""
    distances = [each.distance_km for each in trips.bookings] or [1.0]
    longest = min(1000.0, max(1.0, *distances))
    return Demand(
        subscribers=max(1, trips.drivers),
        trips_per_car_day=min(100.0, round(len(trips.bookings) / car_days, 4)),
        mean_distance_km=min(longest, max(0.1, round(sum(distances) / len(distances), 3))),
        max_distance_km=longest,
        mean_speed_km_h=SPEED_KM_H,
        dwell_minutes=(0.0, 0.0),
        start_hours=(1.0,) * 24,
        lead_hours=(0.0, 1.0),
        one_way_share=0.0,
        class_wish_share=0.0,
        alternative_share=0.0,
        cancel_share=0.0,
        late_share=0.0,
        forget_plug_share=0.0,
        consumption_spread=0.0,
    )


def _counts(
    rows: Rows, places: Places, trips: Trips, series: Sequence[_Played]
) -> Mapping[str, int]:
    """Returns how much was taken from rows, filled, and left out."""
    steps = sum(len(each.history.pv_power_w) for each in series)
    return {
        "sites": len(rows.sites),
        "stations": places.stations,
        "evses": places.evses,
        "vehicles": len(rows.vehicles),
        "drivers": trips.drivers,
        **dict.fromkeys(_TRIP_COUNTS, 0),
        **trips.counts,
        "sun_steps": sum(each.sun.measured for each in series),
        "sun_steps_filled": sum(each.sun.filled for each in series),
        "load_steps": sum(each.load.measured for each in series),
        "load_steps_filled": sum(each.load.filled for each in series),
        "sites_without_load": sum(not each.load.measured for each in series),
        "price_steps": sum(each.priced for each in series),
        "price_steps_assumed": steps - sum(each.priced for each in series),
        "names_changed": places.names.changed,
        "time_zones": len({site.timezone for site in rows.sites}),
        **{f"{ODD}{name}": count for name, count in sorted(places.odd.items()) if count},
    }


def told_of(scenario: Scenario, span: Span) -> dict[str, Any]:
    """Returns which days a scenario was drawn from, and how, as simulations show it."""
    assert scenario.history is not None
    return {
        "from": format_rfc3339(span.start),
        "to": format_rfc3339(span.end),
        "counts": scenario.history.counts,
        "taken": list(scenario.history.taken),
        "assumed": list(scenario.history.assumed),
    }


def document_of(scenario: Scenario) -> dict[str, Any]:
    """Returns a scenario as its file says it."""
    return msgspec.json.decode(msgspec.json.encode(scenario))
