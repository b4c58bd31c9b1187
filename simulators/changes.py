"""What-if: changes to a scenario, read from one TOML file, and the scenario that they make of it.

Reading is as strict as that of scenarios. People, chance and the first day stay what they are, so
that two runs differ by the changes alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from models.errors import BadInput, FieldError
from simulators.changed_past import Difference, changed_history
from simulators.scenario import (
    STATIONS_MAX,
    BatterySpec,
    HeatPumpSpec,
    HeatSpec,
    Hourly,
    Identity,
    NotNegative,
    PlantSpec,
    Prices,
    Scenario,
    SiteSpec,
    Sky,
    StationSpec,
    Weather,
    mistakes,
    read_table,
    typed,
)
from simulators.shifts import StaffSpec

Factor = Annotated[float, msgspec.Meta(ge=0, le=100)]
T = TypeVar("T")
Many = Annotated[tuple[T, ...], msgspec.Meta(max_length=STATIONS_MAX)]
Planner = Literal["plan", "uncontrolled", "surplus", "perfect_foresight"]


class MoreCars(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cars that are bought."""

    site: str
    model: str
    """The id of a model of the scenario."""
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class MoreStation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A station that is put up."""

    site: str
    identity: Identity
    kind: str
    """The id of a kind of station of the scenario."""
    circuit: str | None = None
    """The id of the site's circuit that feeds it."""


class OtherRoof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another PV plant on a site's roof."""

    site: str
    factor: Factor = 1.0
    """Times the peak power of what is there; 0 takes it down."""
    added_peak_power_w: NotNegative = 0.0
    """Of a plant beside it."""
    tilt_deg: Annotated[float, msgspec.Meta(ge=0, le=90)] = 15.0
    """Of that plant; 0 lies flat."""
    azimuth_deg: Annotated[float, msgspec.Meta(ge=0, lt=360)] = 180.0
    """Of that plant; 180 is south."""


class OtherPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another tariff."""

    import_price_per_kwh: Hourly | None = None
    import_factor: Factor = 1.0
    """Times the price of each hour."""
    export_price_per_kwh: NotNegative | None = None


class Renovation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A building that is renovated."""

    site: str
    load_factor: Factor = 1.0
    """Times the load of the building, without what heats it."""
    heat_loss_factor: Factor = 1.0
    """Times the heat that it loses per kelvin: 0.5 by walls and windows that lose half."""
    hot_water_factor: Factor = 1.0
    """Times the heat for hot water."""
    heat_pump: HeatPumpSpec | None = None
    """In place of the boiler."""
    heat: HeatSpec | None = None
    """Where the scenario says nothing of heat: what the building needs, after all of this."""


class NewBattery(BatterySpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A battery that is put up, in place of one that is there."""

    site: str


class NewStaff(StaffSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who moves cars at a site, in place of who does today."""

    site: str


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different; at least one thing."""

    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """For people, on the page of the comparison."""
    add_cars: Many[MoreCars] = ()
    add_stations: Many[MoreStation] = ()
    remove_stations: Many[str] = ()
    """Identities of stations that are lost."""
    pv: Many[OtherRoof] = ()
    prices: OtherPrices | None = None
    weather: Many[Weather] = ()
    """Of the days, in order; the last one of all further days."""
    buildings: Many[Renovation] = ()
    batteries: Many[NewBattery] = ()
    staff: Many[NewStaff] = ()
    planner: Planner | None = None
    """The rule by which cars are charged."""


def load_changes(path: Path) -> Changes:
    """Returns the changes of a file: JSON if its name ends in `.json`, else TOML.

    Raises:
        BadInput: if it can't be read, or says no changes; each field named by its JSON pointer.
    """
    source = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"changes {source!r}: {error.strerror or 'no file'}") from error
    return changes_of(read_table(data, what="changes", source=source), source=source)


def changes_of(raw: object, *, source: str) -> Changes:
    """Returns the changes that a document says, once it is decoded.

    Raises:
        BadInput: if it says none; each field named by its JSON pointer.
    """
    changes = typed(raw, Changes, what="changes", source=source)
    if changes == Changes(title=changes.title):
        raise BadInput(f"changes {source!r}: change nothing", (FieldError("", "change nothing"),))
    return changes


def changed(scenario: Scenario, changes: Changes, *, source: str) -> Scenario:
    """Returns what changes make of a scenario.

    Raises:
        BadInput: where they name what is not there, or what comes out is no scenario.
    """
    found = tuple(_strangers(scenario, changes))
    if found:
        raise BadInput(f"changes {source!r}: {found[0].field}: {found[0].detail}", found)
    other = msgspec.structs.replace(
        scenario,
        prices=_prices(scenario, changes.prices),
        sky=_sky(scenario.sky, changes.weather),
        sites=changed_history(
            scenario, [_site(site, changes) for site in scenario.sites], _difference(changes)
        ),
    )
    if other == scenario and changes.planner is None:
        detail = "change nothing: all is said to be as it is"
        raise BadInput(f"changes {source!r}: {detail}", (FieldError("", detail),))
    wrong = mistakes(other)
    if wrong:
        detail = f"make a scenario with {wrong[0].field}: {wrong[0].detail}"
        raise BadInput(f"changes {source!r}: {detail}", (FieldError("", detail),))
    return other


def _difference(changes: Changes) -> Difference:
    prices = changes.prices or OtherPrices()
    return Difference(
        drawn_sky=bool(changes.weather),
        load_factors={each.site: each.load_factor for each in changes.buildings},
        import_factor=prices.import_factor,
        other_import=prices.import_price_per_kwh is not None,
        other_export=prices.export_price_per_kwh is not None,
    )


def _strangers(scenario: Scenario, changes: Changes) -> Iterable[FieldError]:
    """Finds what the changes name and the scenario does not have, and what they name twice."""
    sites = {site.id: site for site in scenario.sites}
    models = {model.id for model in scenario.models}
    stations = {station.identity for site in scenario.sites for station in site.stations}
    for name in ("add_cars", "add_stations", "pv", "buildings", "batteries", "staff"):
        for index, each in enumerate(getattr(changes, name)):
            if each.site not in sites:
                yield FieldError(f"/{name}/{index}/site", f"unknown site {each.site!r}")
    for index, cars in enumerate(changes.add_cars):
        if cars.model not in models:
            yield FieldError(f"/add_cars/{index}/model", f"unknown model {cars.model!r}")
    for index, identity in enumerate(changes.remove_stations):
        if identity not in stations:
            yield FieldError(f"/remove_stations/{index}", f"unknown station {identity!r}")
    for index, each in enumerate(changes.buildings):
        if each.site in sites:
            yield from _cold(sites[each.site], each, f"/buildings/{index}")
    yield from _twice("/buildings", [each.site for each in changes.buildings])
    yield from _twice("/batteries", [each.site for each in changes.batteries])
    yield from _twice("/staff", [each.site for each in changes.staff])


def _twice(where: str, sites: list[str]) -> Iterable[FieldError]:
    for site, count in Counter(sites).items():
        if count > 1:
            yield FieldError(where, f"{site!r} is there twice")


def _cold(site: SiteSpec, renovation: Renovation, where: str) -> Iterable[FieldError]:
    """Finds what is said of heat in a building of which nothing is known, or is known already."""
    if site.heat is not None and renovation.heat is not None:
        yield FieldError(f"{where}/heat", f"the scenario has the heat of {site.id!r} already")
    factors = (renovation.heat_loss_factor, renovation.hot_water_factor)
    other = renovation.heat_pump is not None or factors != (1.0, 1.0)
    if site.heat is None and renovation.heat is None and other:
        yield FieldError(f"{where}/heat", f"is needed: the scenario says no heat of {site.id!r}")


def _prices(scenario: Scenario, other: OtherPrices | None) -> Prices:
    prices = scenario.prices
    if other is None:
        return prices
    hours = other.import_price_per_kwh or prices.import_price_per_kwh
    export = other.export_price_per_kwh
    return msgspec.structs.replace(
        prices,
        import_price_per_kwh=tuple(price * other.import_factor for price in hours),
        export_price_per_kwh=prices.export_price_per_kwh if export is None else export,
    )


def _sky(sky: Sky, weather: tuple[Weather, ...]) -> Sky:
    return Sky(first_days=weather, later_days={weather[-1]: 1.0}) if weather else sky


def _site(site: SiteSpec, changes: Changes) -> SiteSpec:
    plants = site.pv_plants
    for roof in changes.pv:
        if roof.site == site.id:
            plants = _plants(plants, roof)
    stations = tuple(each for each in site.stations if each.identity not in changes.remove_stations)
    more = tuple(
        StationSpec(identity=each.identity, kind=each.kind, circuit=each.circuit)
        for each in changes.add_stations
        if each.site == site.id
    )
    cars = tuple(
        each.model for each in changes.add_cars if each.site == site.id for _ in range(each.count)
    )
    battery = next((each for each in changes.batteries if each.site == site.id), None)
    staff = next((each for each in changes.staff if each.site == site.id), None)
    renovation = next((each for each in changes.buildings if each.site == site.id), None)
    other = msgspec.structs.replace(
        site,
        pv_plants=plants,
        stations=(*stations, *more),
        cars=(*site.cars, *cars),
        battery=site.battery if battery is None else _battery(battery),
        staff=site.staff if staff is None else StaffSpec(staff.move_price, staff.move_hours),
    )
    return other if renovation is None else _renovated(other, renovation)


def _plants(plants: tuple[PlantSpec, ...], roof: OtherRoof) -> tuple[PlantSpec, ...]:
    kept = tuple(
        msgspec.structs.replace(plant, peak_power_w=plant.peak_power_w * roof.factor)
        for plant in plants
        if roof.factor > 0
    )
    if roof.added_peak_power_w <= 0:
        return kept
    return (*kept, PlantSpec(roof.added_peak_power_w, roof.tilt_deg, roof.azimuth_deg))


def _battery(battery: NewBattery) -> BatterySpec:
    return BatterySpec(
        battery.capacity_wh, battery.max_power_w, battery.efficiency, battery.follows
    )


def _renovated(site: SiteSpec, renovation: Renovation) -> SiteSpec:
    building = msgspec.structs.replace(
        site.building,
        base_w=site.building.base_w * renovation.load_factor,
        peak_w=site.building.peak_w * renovation.load_factor,
    )
    heat = site.heat
    if heat is None:
        heat = renovation.heat
    else:
        heat = msgspec.structs.replace(
            heat,
            loss_w_per_k=heat.loss_w_per_k * renovation.heat_loss_factor,
            hot_water_w=heat.hot_water_w * renovation.hot_water_factor,
        )
    if heat is not None and renovation.heat_pump is not None:
        heat = msgspec.structs.replace(heat, boiler=None, heat_pump=renovation.heat_pump)
    return msgspec.structs.replace(site, building=building, heat=heat)
