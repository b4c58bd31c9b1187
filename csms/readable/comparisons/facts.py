"""What a comparison has to say beside its figures: codes with numbers, in no language.

They are kept with the figures, so that a comparison which is stored can be read in any language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from simulators.changes import Changes, OtherPrices, Renovation
from simulators.past import ODD, History
from simulators.scenario import Scenario, SiteSpec

FEW_DAYS = 7
"""Fewer than a week are said to be few."""
SOC_TOLD = "soc_told"
"""Among the counts of a history: whether anybody told how full cars were. Older ones lack it."""
_COUNTED = (
    "bookings_under_way",
    "bookings_asked_before",
    "bookings_called_off_at_once",
    "sun_steps_filled",
    "load_steps_filled",
    "sites_without_load",
    "price_steps_assumed",
    "names_changed",
)


class Said(msgspec.Struct, frozen=True):
    """A sentence in no language."""

    code: str
    numbers: dict[str, Any] = {}
    """By the names that sentences have for them; units in their names."""


def what_changes(scenario: Scenario, changes: Changes) -> list[Said]:
    """Returns what is different, a sentence each."""
    names = {site.id: site.name for site in scenario.sites}
    money = {"currency": scenario.currency}
    return [
        *_fleet(scenario, changes, names),
        *_roofs(changes, names),
        *(each for one in changes.buildings for each in _building(one, names[one.site])),
        *(
            Said(
                "battery",
                {
                    "site": names[each.site],
                    "capacity_wh": each.capacity_wh,
                    "power_w": each.max_power_w,
                },
            )
            for each in changes.batteries
        ),
        *(
            Said("staff", {"site": names[each.site], "price": each.move_price} | money)
            for each in changes.staff
        ),
        *([] if changes.prices is None else _tariff(changes.prices, money)),
        *([Said("weather", {"weather": list(changes.weather)})] if changes.weather else ()),
        *([] if changes.planner is None else [Said("planner", {"planner": changes.planner})]),
    ]


def _fleet(scenario: Scenario, changes: Changes, names: Mapping[str, str]) -> Iterator[Said]:
    for cars in changes.add_cars:
        model = scenario.model(cars.model).name
        yield Said("cars", {"site": names[cars.site], "count": cars.count, "model": model})
    for station in changes.add_stations:
        put_up = {"site": names[station.site], "station": station.identity}
        yield Said("station_added", put_up)
    for identity in changes.remove_stations:
        yield Said("station_lost", {"station": identity})


def _roofs(changes: Changes, names: Mapping[str, str]) -> Iterator[Said]:
    for roof in changes.pv:
        site = {"site": names[roof.site]}
        if roof.factor == 0:
            yield Said("pv_removed", site)
        elif roof.factor != 1:
            yield Said("pv_factor", site | {"factor": roof.factor})
        if roof.added_peak_power_w:
            yield Said("pv_added", site | {"power_w": roof.added_peak_power_w})


def _building(renovation: Renovation, name: str) -> Iterator[Said]:
    for factor, code in (
        (renovation.heat_loss_factor, "heat_loss"),
        (renovation.hot_water_factor, "hot_water"),
        (renovation.load_factor, "load"),
    ):
        if factor != 1:
            yield Said(code, {"site": name, "share": factor})
    if renovation.heat_pump is not None:
        yield Said("heat_pump", {"site": name, "flow_c": renovation.heat_pump.flow_c})
    if renovation.heat is not None:
        yield Said("heat_unknown", {"site": name})


def _tariff(prices: OtherPrices, money: Mapping[str, str]) -> Iterator[Said]:
    hours = prices.import_price_per_kwh
    if hours is not None:
        yield Said("tariff", {"low_price": min(hours), "high_per_kwh": max(hours), **money})
    if prices.import_factor != 1:
        yield Said("tariff_factor", {"factor": prices.import_factor})
    if prices.export_price_per_kwh is not None:
        yield Said("export_price", {"price_per_kwh": prices.export_price_per_kwh, **money})


def assumptions(scenario: Scenario, other: Scenario, *, seed: int, days: int) -> list[Said]:
    """Returns what a reader has to know before believing the figures.

    Args:
        scenario: as it is today.
        other: with the changes.
        seed: of both runs.
        days: of both runs.
    """
    past = scenario.history
    worth = {"stored_per_kwh": scenario.soc_value_per_kwh, "currency": scenario.currency}
    found = [
        Said("same.drawn" if past is None else "same.measured", {"seed": seed}),
        Said("real"),
        Said("stored", worth),
        Said("energy_only"),
    ]
    followed = {site.battery.follows for site in other.sites if site.battery is not None}
    if "meter" in followed:
        found.append(Said("battery_alone"))
    if "plan" in followed:
        found.append(Said("battery_planned"))
    if any(site.heat is not None for site in other.sites):
        found.append(Said("heat"))
    if past is not None:
        found += [*_as_written_or(past, past.assumed, past_assumed(past.counts, scenario.days))]
        found += _redrawn(scenario, other)
    if days < FEW_DAYS:
        found.append(Said("few_days"))
    return found


def _redrawn(scenario: Scenario, other: Scenario) -> Iterator[Said]:
    """Says how the sun of the changed run comes from what was measured."""
    places = list(zip(scenario.sites, other.sites, strict=True))
    if any(_sun_of(before) and not _sun_of(after) for before, after in places):
        yield Said("sky_drawn")
    elif any(before.pv_plants != after.pv_plants for before, after in places):
        yield Said("sky_scaled")


def _sun_of(site: SiteSpec) -> tuple[float, ...]:
    return () if site.history is None else site.history.pv_power_w


def taken(past: History) -> Sequence[Said]:
    """Returns what a scenario has from history."""
    return _as_written_or(past, past.taken, past_taken(past.counts))


def _as_written_or(past: History, lines: Sequence[str], found: Sequence[Said]) -> Sequence[Said]:
    """Returns what was found in counts, or the lines of a file that an older version has drawn."""
    if SOC_TOLD in past.counts:
        return found
    return [Said("as_written", {"text": line}) for line in lines]


def past_taken(counts: Mapping[str, float]) -> list[Said]:
    """Returns what was taken from history.

    Args:
        counts: as `History.counts` has them.
    """
    return [
        Said(f"past.{code}", {name: counts.get(name, 0) for name in names})
        for code, names in (
            ("equipment", ("sites", "stations", "evses", "vehicles")),
            ("bookings", ("bookings", "drivers", "bookings_cancelled", "bookings_not_fetched")),
            ("trips", ("trips", "trips_with_energy", "trips_with_plug_in")),
            ("measured", ("sun_steps", "load_steps")),
            ("prices", ("price_steps",)),
        )
    ]


def past_assumed(counts: Mapping[str, float], days: int) -> list[Said]:
    """Returns what history does not tell, and what was done instead.

    Args:
        counts: as `History.counts` has them.
        days: how many there are.
    """
    trips = counts.get("trips", 0)
    unknown = {name: counts.get(name, 0) for name in _COUNTED} | {
        "trips_without_energy": trips - counts.get("trips_with_energy", 0),
        "trips_without_plug_in": trips - counts.get("trips_with_plug_in", 0),
    }
    return [
        Said("past.again", {"days": days}),
        Said("past.refused"),
        Said("past.soc_told" if counts.get(SOC_TOLD) else "past.soc_unknown"),
        *(Said(f"past.{name}", {"count": count}) for name, count in unknown.items() if count),
        *(
            Said("past.odd", {"count": count, "odd": name})
            for name, count in counts.items()
            if name.startswith(ODD) and count
        ),
    ]
