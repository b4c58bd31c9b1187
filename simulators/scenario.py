"""Scenarios: a small town, its cars, its sun and its habits, read from one TOML file.

A scenario says what is there and how things usually go; the seed of a world decides what
happens. Reading is strict: an unknown, missing or wrongly typed field is refused with its path.
Nothing here is drawn by chance and nothing moves: see `simulators.world`.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from models.errors import BadInput, FieldError
from simulators.amounts import (
    PARTS_MAX,
    STATIONS_MAX,
    Hourly,
    Identity,
    Minutes,
    Monthly,
    NotNegative,
    Positive,
    Share,
    Weather,
)
from simulators.past import History, SiteHistory, mistakes_of_past
from simulators.quirks import QUIRKS
from simulators.shifts import StaffSpec, mistakes_of_staff

FIRST_YEAR, LAST_YEAR = 2000, 2100
"""What stations may say of the time is believed in between."""
_NAMED = re.compile(r"(?:unknown|required) field `([^`]+)`")


class Sky(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the weather does: the first days by name, later ones drawn by weight."""

    first_days: tuple[Weather, ...]
    """The weather of the first days, in order."""
    later_days: dict[Weather, NotNegative]
    """How often each weather comes after them."""


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices and emissions, by local hour of the day."""

    import_price_per_kwh: Hourly
    export_price_per_kwh: NotNegative
    """Below every import price: using the sun is then always worth more than selling it."""
    import_co2_g_per_kwh: Hourly


class Demand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people book and drive."""

    subscribers: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    """How many people book."""
    trips_per_car_day: Annotated[float, msgspec.Meta(ge=0, le=100)]
    """Wishes for trips, per car and day."""
    mean_distance_km: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    max_distance_km: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    mean_speed_km_h: Annotated[float, msgspec.Meta(ge=1, le=300)]
    """With the distance, how long a trip takes on the road."""
    dwell_minutes: tuple[Minutes, Minutes]
    """Shortest and longest time a car stands at the destination."""
    start_hours: Hourly
    """Weights of the local hour in which a trip starts."""
    lead_hours: tuple[
        Annotated[float, msgspec.Meta(ge=0, le=1000)], Annotated[float, msgspec.Meta(gt=0, le=1000)]
    ]
    """Least and mean time between asking and starting."""
    one_way_share: Share
    """How many give the car back at another site."""
    class_wish_share: Share
    """How many insist on a class of car."""
    alternative_share: Share
    """How many take an alternative when refused."""
    cancel_share: Share
    """How many call a booking off before it starts."""
    late_share: Share
    """How many return a few minutes late, within any sensible buffer."""
    forget_plug_share: Share
    """How many leave the car unplugged after their return."""
    consumption_spread: Share
    """Standard deviation of the consumption factor of a trip around 1."""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of car."""

    id: Identity
    name: str
    vehicle_class: str
    """What drivers ask for."""
    battery_capacity_wh: Positive
    """Usable energy."""
    max_ac_power_w: Positive
    max_dc_power_w: NotNegative
    """0: it takes no direct current."""
    consumption_wh_per_km: Positive
    """On the mean trip."""
    charge_efficiency: Annotated[float, msgspec.Meta(gt=0, le=1)]
    """Energy stored over energy taken at the charger."""


class StationKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of charging station."""

    id: Identity
    vendor: str
    model: str
    subprotocol: Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
    """The version of OCPP that it speaks."""
    evses: Annotated[int, msgspec.Meta(ge=1, le=100)]
    """How many cars it serves at a time."""
    max_power_w: Positive
    """Per EVSE."""
    min_power_w: NotNegative
    """Below it an EVSE gives nothing."""
    current_type: Literal["AC", "DC"]
    phases: Literal[1, 3]
    safe_limit_w: NotNegative
    """Of the whole station, while it is alone; its EVSEs share it evenly."""
    reaction_s: Annotated[float, msgspec.Meta(ge=0, le=600)]
    """How long it takes to follow a limit."""
    reports_soc: bool = False
    """Whether it tells how full the car is."""


class StationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One charging station at a site."""

    identity: Identity
    kind: str
    """The id of a kind of station."""
    circuit: str | None = None
    """The id of the site's circuit that feeds it."""
    quirks: tuple[str, ...] = ()
    """Names of quirks."""


class CircuitSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fuse with what hangs on it."""

    id: Identity
    limit_w: NotNegative
    parent: str | None = None
    """The circuit above it; null: the grid connection."""


class PlantSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PV plant."""

    peak_power_w: Positive
    tilt_deg: Annotated[float, msgspec.Meta(ge=0, le=90)]
    """0 lies flat."""
    azimuth_deg: Annotated[float, msgspec.Meta(ge=0, lt=360)]
    """180 is south."""


class BuildingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The load of the house behind the same meter."""

    use: Literal["housing", "office", "shop"]
    """The rhythm of its day and week."""
    base_w: NotNegative
    peak_w: NotNegative
    """Added to the base at the busiest hour."""


class BatterySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A battery behind the site's meter, empty at the start."""

    capacity_wh: Positive
    """Usable energy."""
    max_power_w: Positive
    """Each way."""
    efficiency: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    """Each way: of a kWh taken from the sun, its square comes back."""
    follows: Literal["plan", "meter"] = "plan"
    """`meter`: it stores what would be sold and gives what would be bought, and plans do not know
    of it."""


class BoilerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What burns a fuel, or heat that is bought."""

    efficiency: Annotated[float, msgspec.Meta(gt=0, le=1)]
    """Heat over fuel."""
    price_per_kwh: NotNegative
    """Of the fuel."""
    co2_g_per_kwh: NotNegative
    """Of the fuel."""


class HeatPumpSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A heat pump that takes its heat from the air."""

    flow_c: Annotated[float, msgspec.Meta(ge=25, le=65)]
    """Of the water that heats the rooms: 35 in a floor, 50 and more in radiators."""


class HeatSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a building needs to be warm, and what makes it: either a boiler or a heat pump."""

    loss_w_per_k: NotNegative
    """Heat that it loses for each kelvin between `heated_below_c` and the air outside."""
    heated_below_c: Annotated[float, msgspec.Meta(ge=0, le=25)]
    """Sun and people do the rest above it."""
    hot_water_w: NotNegative
    """Heat for hot water, the same at all hours."""
    outdoor_c: Monthly
    """Of the air, January first."""
    swing_k: Annotated[float, msgspec.Meta(ge=0, le=30)]
    """Between the coldest hour of a day (4) and the warmest (16)."""
    boiler: BoilerSpec | None = None
    heat_pump: HeatPumpSpec | None = None


class SiteSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place with a grid connection, a roof, stations and cars."""

    id: Identity
    name: str
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    import_limit_w: NotNegative
    export_limit_w: NotNegative
    circuits: Annotated[tuple[CircuitSpec, ...], msgspec.Meta(max_length=PARTS_MAX)]
    pv_plants: Annotated[tuple[PlantSpec, ...], msgspec.Meta(max_length=PARTS_MAX)]
    building: BuildingSpec
    stations: Annotated[tuple[StationSpec, ...], msgspec.Meta(max_length=STATIONS_MAX)]
    cars: tuple[str, ...]
    """One model id per car whose home this is."""
    battery: BatterySpec | None = None
    heat: HeatSpec | None = None
    """Null: not looked at."""
    history: SiteHistory | None = None
    """What was measured here; null: sun and load are drawn, and prices are those of all sites."""
    follow_surplus: bool = True
    """Whether cars follow the sun that is measured, between plans."""
    staff: StaffSpec | None = None
    """Null: nobody moves cars."""

    def circuits_above(self, circuit_id: str | None) -> tuple[str, ...]:
        """Returns a circuit and all that it hangs on; a loop ends once it is seen."""
        parents = {circuit.id: circuit.parent for circuit in self.circuits}
        found: list[str] = []
        while circuit_id in parents and len(found) <= len(parents):
            found.append(circuit_id)
            circuit_id = parents[circuit_id]
        return tuple(found)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a world is built from, but for the seed."""

    name: str
    """Short, for reports."""
    title: str
    """For people."""
    start: datetime
    """Midnight of the first day, with its offset."""
    timezone: str
    """The IANA name of the local time."""
    days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    """How long a demo plays it."""
    seed: int
    """What chance is drawn from, unless a command says another."""
    currency: str
    soc_value_per_kwh: NotNegative
    """What stored energy is worth at the end, per kWh."""
    start_soc_pct: Annotated[float, msgspec.Meta(ge=0, le=100)]
    """How full each car is at the start."""
    min_soc_pct: Annotated[float, msgspec.Meta(ge=0, le=100)]
    """What plans leave in a battery."""
    meter_every_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    """Between samples while power flows, and for three minutes after it changed."""
    idle_meter_every_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    """Between samples of a transaction in which nothing flows."""
    measure_every_minutes: Literal[5, 10, 15, 20, 30, 60]
    """Between the measurements of a site."""
    sky: Sky
    prices: Prices
    demand: Demand
    models: Annotated[tuple[Model, ...], msgspec.Meta(max_length=PARTS_MAX)]
    station_kinds: Annotated[tuple[StationKind, ...], msgspec.Meta(max_length=PARTS_MAX)]
    sites: Annotated[tuple[SiteSpec, ...], msgspec.Meta(min_length=1, max_length=PARTS_MAX)]
    history: History | None = None
    """What people asked for; null: their wishes are drawn."""

    def model(self, model_id: str) -> Model:
        """Returns the model of that id (the reader has checked that it is there)."""
        return next(model for model in self.models if model.id == model_id)

    def kind(self, kind_id: str) -> StationKind:
        """Returns the kind of station of that id (the reader has checked that it is there)."""
        return next(kind for kind in self.station_kinds if kind.id == kind_id)

    @property
    def zone(self) -> ZoneInfo:
        """The local time of the place."""
        return ZoneInfo(self.timezone)


def shipped_scenarios() -> tuple[str, ...]:
    """Returns the names of the scenarios that come with the package, sorted."""
    folder = resources.files("simulators") / "scenarios"
    names = (item.name for item in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Returns a shipped scenario by its name, or one of your own by its file.

    A file whose name ends in `.json` is JSON, any other TOML.

    Raises:
        BadInput: if there is no such scenario, or the file is not a valid one.
    """
    text = str(name_or_path)
    if text in shipped_scenarios():
        data = (resources.files("simulators") / "scenarios" / f"{text}.toml").read_bytes()
        return read_scenario(data, source=text)
    path = Path(name_or_path)
    try:
        data = path.read_bytes()
    except OSError as error:
        known = ", ".join(shipped_scenarios())
        reason = error.strerror or "can't be read"
        raise BadInput(f"scenario {text!r}: {reason}; shipped ones are: {known}") from error
    return read_scenario(data, source=text)


def read_scenario(data: bytes, *, source: str) -> Scenario:
    """Returns the scenario that a document describes; `source` names it in errors.

    Raises:
        BadInput: if it can't be read, or is no scenario; each field named by its JSON pointer.
    """
    return scenario_of(read_table(data, what="scenario", source=source), source=source)


def scenario_of(raw: object, *, source: str) -> Scenario:
    """Returns the scenario that a document says, once it is decoded.

    Raises:
        BadInput: if it says none; each field named by its JSON pointer.
    """
    scenario = typed(raw, Scenario, what="scenario", source=source)
    errors = tuple(mistakes(scenario))
    if errors:
        first = errors[0]
        raise BadInput(f"scenario {source!r}: {first.field}: {first.detail}", errors)
    return scenario


def read_table(data: bytes, *, what: str, source: str) -> Any:
    """Returns what a file holds: JSON if its name says so, else TOML.

    Raises:
        BadInput: if it can't be read.
    """
    form = "JSON" if source.endswith(".json") else "TOML"
    try:
        return msgspec.json.decode(data) if form == "JSON" else tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise BadInput(f"{what} {source!r} is not UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise BadInput(f"{what} {source!r} is nested too deeply") from error
    except (ValueError, msgspec.DecodeError) as error:  # a number of 5000 digits is no TOML either
        raise BadInput(f"{what} {source!r} is not {form}: {error}") from error


S = TypeVar("S", bound=msgspec.Struct)


def typed(raw: object, kind: type[S], *, what: str, source: str) -> S:
    """Returns a decoded document as what it is to be.

    Raises:
        BadInput: naming the first wrong field by its JSON pointer.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `")
        pointer = path.rstrip("`").removeprefix("$").replace("[", "/").replace("]", "")
        pointer = "/" + pointer.replace(".", "/").lstrip("/") if pointer else ""
        if named := _NAMED.search(detail):
            pointer += f"/{named[1]}"
        found = FieldError(pointer, detail)
        raise BadInput(f"{what} {source!r}: {pointer or '/'}: {detail}", (found,)) from error


def mistakes(scenario: Scenario) -> list[FieldError]:
    """Returns what types can't say: references, sums and order."""
    found = _time_mistakes(scenario)
    prices = scenario.prices
    if min(prices.import_price_per_kwh) <= prices.export_price_per_kwh:
        found.append(FieldError("/prices/export_price_per_kwh", "not below every import price"))
    if sum(scenario.demand.start_hours) <= 0:
        found.append(FieldError("/demand/start_hours", "no hour has any weight"))
    if sum(scenario.sky.later_days.values()) <= 0:
        found.append(FieldError("/sky/later_days", "no weather has any weight"))
    if not any(site.cars for site in scenario.sites):
        found.append(FieldError("/sites", "no site has a car"))
    for index, kind in enumerate(scenario.station_kinds):
        if kind.min_power_w > kind.max_power_w:
            found.append(FieldError(f"/station_kinds/{index}/min_power_w", "above max_power_w"))
    for where, ids in _namespaces(scenario):
        twice = sorted(name for name, count in Counter(ids).items() if count > 1)
        if twice:
            found.append(FieldError(where, f"{twice[0]!r} is there twice"))
    for index, site in enumerate(scenario.sites):
        found += _site_mistakes(scenario, site, f"/sites/{index}")
    places = {site.id: site.history for site in scenario.sites}
    return found + mistakes_of_past(scenario.history, places, scenario.days)


def _time_mistakes(scenario: Scenario) -> list[FieldError]:
    found: list[FieldError] = []
    if scenario.start.tzinfo is None:
        found.append(FieldError("/start", "has no time zone"))
    elif not FIRST_YEAR <= scenario.start.year < LAST_YEAR:
        found.append(FieldError("/start", f"not from {FIRST_YEAR} to {LAST_YEAR}"))
    try:
        ZoneInfo(scenario.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.append(FieldError("/timezone", f"unknown time zone {scenario.timezone!r}"))
    return found


def _namespaces(scenario: Scenario) -> list[tuple[str, list[str]]]:
    sites = scenario.sites
    return [
        ("/models", [model.id for model in scenario.models]),
        ("/station_kinds", [kind.id for kind in scenario.station_kinds]),
        ("/sites", [site.id for site in sites]),
        ("/sites/circuits", [circuit.id for site in sites for circuit in site.circuits]),
        ("/sites/stations", [station.identity for site in sites for station in site.stations]),
    ]


def _site_mistakes(scenario: Scenario, site: SiteSpec, where: str) -> list[FieldError]:
    found: list[FieldError] = []
    models = {model.id for model in scenario.models}
    kinds = {kind.id for kind in scenario.station_kinds}
    circuits = {circuit.id for circuit in site.circuits}
    for index, model in enumerate(site.cars):
        if model not in models:
            found.append(FieldError(f"{where}/cars/{index}", f"unknown model {model!r}"))
    for index, station in enumerate(site.stations):
        at = f"{where}/stations/{index}"
        if station.kind not in kinds:
            found.append(FieldError(f"{at}/kind", f"unknown kind {station.kind!r}"))
        if station.circuit is not None and station.circuit not in circuits:
            found.append(FieldError(f"{at}/circuit", f"unknown circuit {station.circuit!r}"))
        for number, quirk in enumerate(station.quirks):
            if quirk not in QUIRKS:
                found.append(FieldError(f"{at}/quirks/{number}", f"unknown quirk {quirk!r}"))
    if site.heat is not None and (site.heat.boiler is None) == (site.heat.heat_pump is None):
        found.append(FieldError(f"{where}/heat", "has neither or both of boiler and heat_pump"))
    found += mistakes_of_staff(site.staff, f"{where}/staff")
    return found or _circuit_mistakes(scenario, site, where)


def _circuit_mistakes(scenario: Scenario, site: SiteSpec, where: str) -> list[FieldError]:
    """Returns what is wrong with the tree of circuits; all else of the site is right."""
    found: list[FieldError] = []
    circuits = {circuit.id: circuit for circuit in site.circuits}
    safe_w = dict.fromkeys(circuits, 0.0)
    for index, circuit in enumerate(site.circuits):
        at = f"{where}/circuits/{index}/parent"
        if circuit.parent is not None and circuit.parent not in circuits:
            found.append(FieldError(at, f"unknown circuit {circuit.parent!r}"))
        elif len(site.circuits_above(circuit.id)) > len(circuits):
            found.append(FieldError(at, "hangs below itself"))
    if found:
        return found
    above = {name: site.circuits_above(name) for name in (None, *circuits)}
    for station in site.stations:
        for name in above[station.circuit]:
            safe_w[name] += scenario.kind(station.kind).safe_limit_w
    for index, circuit in enumerate(site.circuits):
        if safe_w[circuit.id] > circuit.limit_w:
            detail = f"safe limits of its stations sum to {safe_w[circuit.id]:.0f} W"
            found.append(FieldError(f"{where}/circuits/{index}/limit_w", detail))
    return found
