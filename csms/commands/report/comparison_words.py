"""A comparison in words, for people who decide and do not calculate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from models.timeline import parse_rfc3339
from simulators.changes import Changes, OtherPrices, Renovation
from simulators.scenario import Scenario, SiteSpec

PLANNER_NAMES = {
    "plan": "as planned",
    "uncontrolled": "at once and at full power",
    "surplus": "with the surplus of the sun",
    "perfect_foresight": "as planned by somebody who knows the weather to come",
}


SMALL = 100
"""Below so many EUR, kWh or kg, a line shows parts of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    figure: str
    """Its name in `figures`."""
    name: str
    unit: str
    meaning: str = ""
    digits: int = 0
    factor: float = 1.0

    def says(self, value: float | None) -> bool:
        """Returns whether a value would be more than a nought."""
        return value is not None and bool(round(value * self.factor, self.digits))

    def shown(self, value: float | None, *, sign: bool = False) -> str:
        """Returns a value with its unit; a difference has its sign."""
        if value is None:
            return "no sun"
        number = round(value * self.factor, self.digits) + 0.0  # no minus before nothing
        form = f"{'+' if sign and number else ''},.{self.digits}f"
        unit = "points" if sign and self.unit == "%" else self.unit
        return f"{number:{form}} {unit}".strip()


def rows(comparison: Mapping[str, Any]) -> list[Row]:
    """Returns the lines that have something to say, in order."""
    money = comparison["currency"]
    all_rows = (
        Row("cost", "Energy, all in all", money, "bought, less sold, less what is left stored"),
        Row("bought_kwh", "Electricity bought", "kWh"),
        Row("bought_cost", "Paid for electricity", money),
        Row("fuel_kwh", "Fuel for heating bought", "kWh"),
        Row("fuel_cost", "Paid for fuel", money),
        Row("sold_kwh", "Sun sold", "kWh"),
        Row("sold_revenue", "Earned with sun", money),
        Row("stored_value", "Worth of what is left stored", money, "in cars and batteries"),
        Row("co2_kg", "CO2", "kg", "of the electricity bought and the fuel burnt"),
        Row("peak_import_kw", "Highest power from the grid", "kW", "of any one place", 1),
        Row("sun_used_share", "Share of the sun that is used on the spot", "%", factor=100.0),
        Row("sun_to_buildings_kwh", "Sun into the buildings", "kWh"),
        Row("sun_to_cars_kwh", "Sun into the cars", "kWh", "at once, not by a battery"),
        Row("sun_to_batteries_kwh", "Sun into the battery", "kWh"),
        Row("heat_pump_kwh", "Electricity of the heat pump", "kWh"),
        Row("cars_kwh", "Electricity of the cars", "kWh"),
        Row("cars_moved", "Cars moved by staff", ""),
        Row("moves_cost", "Paid for moving cars", money),
        Row("bookings_served", "Bookings served", ""),
        Row("wishes_refused", "Wishes for a car refused", ""),
        Row("bookings_missed", "Promised cars that were not there", ""),
    )  # fmt: skip
    today, other = comparison["today"]["figures"], comparison["changed"]["figures"]
    always = {"cost", "bookings_served", "wishes_refused", "bookings_missed"}
    if comparison["changes"]["batteries"]:
        always.add("sun_to_batteries_kwh")
    finer = [replace(row, digits=_digits(row, today, other, money)) for row in all_rows]
    return [
        row
        for row in finer
        if row.figure in always or row.says(today[row.figure]) or row.says(other[row.figure])
    ]


def _digits(row: Row, today: Mapping[str, Any], other: Mapping[str, Any], money: str) -> int:
    """Returns how many digits a line shows: more where there is little."""
    more = {money: 2, "kWh": 1, "kg": 1}.get(row.unit, row.digits)
    most = max(abs(side[row.figure] or 0.0) for side in (today, other))
    return row.digits if most >= SMALL else more


def title_of(comparison: Mapping[str, Any]) -> str:
    """Returns what was played, and when."""
    days = comparison["days"]
    start = parse_rfc3339(comparison["start"]).astimezone(ZoneInfo(comparison["timezone"]))
    name = str(comparison["scenario"])
    name = name[:1].upper() + name[1:]
    return f"{name}, {days} day{'s' if days != 1 else ''} from {start:%d %B %Y}: what if"


def headline(comparison: Mapping[str, Any]) -> str:
    """Returns what it comes to, in one sentence."""
    today, other = comparison["today"]["figures"], comparison["changed"]["figures"]
    days, currency = comparison["days"], comparison["currency"]
    what = comparison["title"] or "With these changes"
    money = _moved(today["cost"], other["cost"], f"{currency}", "energy costs")
    carbon = _moved(today["co2_kg"], other["co2_kg"], "kg", "CO2 is")
    return (
        f"{what}: in {days} day{'s' if days != 1 else ''} {money}, {carbon},"
        f" and {_bookings(today, other)}."
    )


def _moved(today: float, other: float, unit: str, what: str) -> str:
    change, digits = other - today, 0 if max(abs(today), abs(other)) >= SMALL else 1
    if round(abs(change), digits) == 0:
        return f"{what} the same"
    share = abs(change) / abs(today) if abs(today) >= 1 else 2.0
    shown = f" ({share:.0%})" if share <= 1 else ""
    return f"{what} {abs(change):,.{digits}f} {unit} {'less' if change < 0 else 'more'}{shown}"


def _bookings(today: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    missed = other["bookings_missed"]
    more = other["bookings_served"] - today["bookings_served"]
    served = f"as many bookings are served ({today['bookings_served']})"
    if more:
        served = f"{abs(more)} {'more' if more > 0 else 'fewer'} bookings are served"
    return f"{served}, {f'of those promised {missed} missed' if missed else 'none missed'}"


def sentences(scenario: Scenario, changes: Changes) -> list[str]:
    """Returns what is different, a sentence each."""
    names = {site.id: site.name for site in scenario.sites}
    return [
        *_fleet(scenario, changes, names),
        *_roofs(changes, names),
        *(each for one in changes.buildings for each in _building(one, names[one.site])),
        *(
            f"{names[each.site]} gets a battery of {_thousands(each.capacity_wh)} kWh and"
            f" {_thousands(each.max_power_w)} kW."
            for each in changes.batteries
        ),
        *(
            f"Staff of {names[each.site]} moves cars, for {each.move_price:,.2f}"
            f" {scenario.currency} each time."
            for each in changes.staff
        ),
        *([] if changes.prices is None else _tariff(changes.prices, scenario.currency)),
        *([f"The weather is {', '.join(changes.weather)}."] if changes.weather else ()),
        *(
            [f"Cars are charged {PLANNER_NAMES[changes.planner]}."]
            if changes.planner is not None
            else ()
        ),
    ]


def _fleet(scenario: Scenario, changes: Changes, names: Mapping[str, str]) -> Iterator[str]:
    for cars in changes.add_cars:
        model = scenario.model(cars.model).name
        yield f"{names[cars.site]} gets {cars.count} more car{'s' * (cars.count > 1)} ({model})."
    for station in changes.add_stations:
        yield f"{names[station.site]} gets the charging station {station.identity}."
    for identity in changes.remove_stations:
        yield f"The charging station {identity} is lost."


def _roofs(changes: Changes, names: Mapping[str, str]) -> Iterator[str]:
    for roof in changes.pv:
        if roof.factor == 0:
            yield f"The solar plant of {names[roof.site]} is taken down."
        elif roof.factor != 1:
            yield f"The solar plant of {names[roof.site]} has {roof.factor:g} times its power."
        if roof.added_peak_power_w:
            added_kw = _thousands(roof.added_peak_power_w)
            yield f"{names[roof.site]} gets {added_kw} kW of solar panels more."


def _thousands(value: float) -> str:
    """Returns a value in thousands, with as many digits as it needs, three at most."""
    text = f"{value / 1000:,.{0 if value >= 100_000 else 3}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _building(renovation: Renovation, name: str) -> Iterator[str]:
    for factor, what in (
        (renovation.heat_loss_factor, "loses {} of the heat it loses today"),
        (renovation.hot_water_factor, "needs {} of its heat for hot water"),
        (renovation.load_factor, "needs {} of its electricity for light and appliances"),
    ):
        if factor != 1:
            yield f"{name} {what.format(f'{factor:.0%}')}."
    if renovation.heat_pump is not None:
        yield f"{name} is heated by a heat pump, with water of {renovation.heat_pump.flow_c:g} °C."
    if renovation.heat is not None:
        yield f"Of the heat of {name} only what comes is known, not what it takes today."


def _tariff(prices: OtherPrices, currency: str) -> Iterator[str]:
    if prices.import_price_per_kwh is not None:
        low, high = min(prices.import_price_per_kwh), max(prices.import_price_per_kwh)
        yield f"Electricity has other prices by the hour, {low:.3f} to {high:.3f} {currency}/kWh."
    if prices.import_factor != 1:
        yield f"Electricity costs {prices.import_factor:g} times as much."
    if prices.export_price_per_kwh is not None:
        yield f"Sun that is sold earns {prices.export_price_per_kwh:.3f} {currency}/kWh."


def assumptions(
    scenario: Scenario, other: Scenario, comparison: Mapping[str, Any]
) -> Sequence[str]:
    """Returns what a reader has to know before believing the figures."""
    money = scenario.currency
    past = scenario.history
    sky = "the same sky" if past is None else "the measured sky"
    same = (
        f"Both runs have the same people with the same wishes, {sky} (unless the changes say"
        f" another) and the same chance (seed {comparison['seed']})."
    )
    left = (
        "What is left in cars and batteries at the end, less what was there at the start, counts"
        f" {scenario.soc_value_per_kwh:.2f} {money}/kWh."
    )
    found = [
        same,
        "The real service plans and commands in both; what is simulated is the town around it.",
        left,
        "Only energy and moves of cars are counted: not what the changes cost, nor save elsewhere.",
    ]
    followed = {site.battery.follows for site in other.sites if site.battery is not None}
    if "meter" in followed:
        found.append(
            "The battery works by itself: it stores sun that neither building nor cars take, and"
            " gives it back before electricity is bought. It begins empty; the plan does not know"
            " of it, so that a battery that follows the plan could earn more."
        )
    if "plan" in followed:
        found.append(
            "The battery works by the plan: it stores sun that neither building nor cars take, and"
            " cheap electricity, and gives it back when electricity is dear. It begins empty."
        )
    if any(site.heat is not None for site in other.sites):
        found.append(
            "Heat is reckoned from the difference between inside and outside, with the mean air of"
            " the month and a swing over the day, and nothing stores it; the heat pump is a mean"
            " one of the market."
        )
    if past is not None:
        found += [*past.assumed, *_redrawn(scenario, other)]
    if comparison["days"] < 7:
        found.append("So few days say little of a year; play at least a week of each season.")
    return found


def _redrawn(scenario: Scenario, other: Scenario) -> Iterator[str]:
    """Says how the sun of the changed run comes from what was measured."""
    places = list(zip(scenario.sites, other.sites, strict=True))
    if any(_sun_of(before) and not _sun_of(after) for before, after in places):
        yield "The sky of the changed run is drawn by chance; that of today was measured."
    elif any(before.pv_plants != after.pv_plants for before, after in places):
        yield (
            "More of the same roof gives as much more as was measured; one beside it gives what it"
            " would under a clear sky, times the clearness measured there, or else elsewhere."
        )


def _sun_of(site: SiteSpec) -> tuple[float, ...]:
    return () if site.history is None else site.history.pv_power_w
