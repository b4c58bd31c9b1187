"""Sites, stations and cars of a scenario, drawn from a tenant's rows as they are stored now."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from csms.planning.boxes import above
from csms.simulations.history import Rows
from csms.simulations.naming import Names
from csms.stations.rules import rated_power_w
from models.tables.energy import Circuit, Site
from models.tables.fleet import VehicleModel
from models.tables.stations import Evse, Station
from simulators.past import SiteHistory
from simulators.scenario import (
    PARTS_MAX,
    BatterySpec,
    BuildingSpec,
    CircuitSpec,
    Model,
    PlantSpec,
    SiteSpec,
    StationKind,
    StationSpec,
)
from simulators.shifts import Shift, StaffSpec

_OLDEST: Literal["ocpp1.6"] = "ocpp1.6"
_PROTOCOLS: Mapping[str, Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]] = {
    "ocpp1.6": "ocpp1.6",
    "ocpp2.0.1": "ocpp2.0.1",
    "ocpp2.1": "ocpp2.1",
}
_PHASE_MIN_W = 1380.0
"""6 A at 230 V: less than that an outlet of alternating current can't give."""
_REACTION_S = 5.0
_UNKNOWN = "unknown"


@dataclass(slots=True)
class Places:
    """What was drawn, and what was not as it is stored."""

    sites: dict[str, str] = field(default_factory=dict[str, str])
    """Names in the scenario, by the id of the row."""
    models: dict[str, str] = field(default_factory=dict[str, str])
    kinds: dict[StationKind, str] = field(default_factory=dict[StationKind, str])
    """Kinds without their id, and the id."""
    names: Names = field(default_factory=Names)
    """Of sites and stations."""
    circuits: Names = field(default_factory=Names)
    stations: int = 0
    evses: int = 0
    odd: Counter[str] = field(default_factory=Counter[str])
    """How often something stored was not drawn as it is, by what it is."""


def draw_models(rows: Rows, places: Places) -> tuple[Model, ...]:
    """Returns the models of cars: all of them, or those of cars that are there if they are many."""
    used = {vehicle.model_id for vehicle in rows.vehicles}
    many = len(rows.models) > PARTS_MAX
    names = Names()
    found: list[Model] = []
    for row in rows.models:
        if row.id in used or not many:
            places.models[row.id] = names.give(row.id)
            found.append(_model(row, places.models[row.id]))
    return tuple(found)


def draw_site(
    row: Site, rows: Rows, places: Places, *, load_w: Sequence[float], history: SiteHistory
) -> SiteSpec:
    """Returns a site with its circuits, stations and cars.

    Args:
        row: the site.
        rows: all that was read.
        places: told what was drawn.
        load_w: of its building, by step.
        history: what was measured there.
    """
    places.sites[row.id] = name = places.names.give(row.id)
    circuits = rows.circuits[row.id]
    known = {each.id: places.circuits.give(each.id) for each in circuits}
    _count_odd(row, circuits, places)
    return SiteSpec(
        id=name,
        name=row.name,
        latitude=row.latitude,
        longitude=row.longitude,
        import_limit_w=row.import_limit_w,
        export_limit_w=row.export_limit_w,
        circuits=tuple(_circuit(each, circuits, known) for each in circuits),
        pv_plants=plants_of(row),
        building=BuildingSpec(
            use="housing",
            base_w=round(min(load_w, default=0.0), 3),
            peak_w=round(max(load_w, default=0.0) - min(load_w, default=0.0), 3),
        ),
        stations=tuple(
            spec
            for station in rows.stations
            if station.site_id == row.id
            for spec in _stations(station, rows.evses[station.identity], known, places)
        ),
        cars=tuple(
            places.models[vehicle.model_id]
            for vehicle in rows.vehicles
            if vehicle.site_id == row.id
        ),
        battery=_battery(row.battery, places),
        history=history,
        staff=_staff(row),
    )


def _staff(row: Site) -> StaffSpec | None:
    if row.move_price is None:
        return None
    hours = msgspec.convert(row.move_hours, tuple[Shift, ...])
    return StaffSpec(float(row.move_price), hours)


def plants_of(row: Site) -> tuple[PlantSpec, ...]:
    """Returns the PV plants of a site that give anything, or its part of those that it shares."""
    return tuple(
        PlantSpec(
            float(each["peak_power_w"]), float(each["tilt_deg"]), float(each["azimuth_deg"]) % 360
        )
        for each in (*row.pv_plants, *row.shared_roofs)
        if each["peak_power_w"] > 0
    )


def draw_kinds(places: Places) -> tuple[StationKind, ...]:
    """Returns the kinds of all stations that were drawn."""
    return tuple(msgspec.structs.replace(kind, id=name) for kind, name in places.kinds.items())


def _model(row: VehicleModel, name: str) -> Model:
    return Model(
        id=name,
        name=row.name,
        vehicle_class=row.vehicle_class,
        battery_capacity_wh=row.battery_capacity_wh,
        max_ac_power_w=row.max_ac_power_w,
        max_dc_power_w=row.max_dc_power_w,
        consumption_wh_per_km=row.consumption_wh_per_km,
        charge_efficiency=row.charge_efficiency,
    )


def _circuit(row: Circuit, circuits: Sequence[Circuit], known: Mapping[str, str]) -> CircuitSpec:
    """Returns a circuit that has what its unmanaged loads, and those below it, leave."""
    parents = {each.id: each.parent for each in circuits}
    below = [each for each in circuits if row.id in above(each.id, parents)]
    taken_w = sum(each.unmanaged_load_w for each in below)
    return CircuitSpec(
        id=known[row.id],
        limit_w=max(0.0, row.limit_w - taken_w),
        parent=None if row.parent is None else known[row.parent],
    )


def _stations(
    row: Station, evses: Sequence[Evse], circuits: Mapping[str, str], places: Places
) -> list[StationSpec]:
    """Returns a station, or one for each kind of its EVSEs."""
    alike: dict[tuple[Any, ...], list[Evse]] = {}
    for evse in evses:
        alike.setdefault(_form(evse), []).append(evse)
    found: list[StationSpec] = []
    for some in alike.values():
        kind = _kind(row, some, share=len(some) / len(evses))
        name = places.kinds.setdefault(kind, f"kind-{len(places.kinds) + 1:02d}")
        circuit = some[0].circuit_id
        found.append(
            StationSpec(
                identity=places.names.give(row.identity if not found else f"{row.identity}.2"),
                kind=name,
                circuit=None if circuit is None else circuits.get(circuit),
            )
        )
    places.stations += bool(found)
    places.evses += len(evses)
    places.odd["stations_without_evse"] += not found
    places.odd["stations_with_unlike_evses"] += len(found) > 1
    places.odd["stations_of_unknown_version"] += row.ocpp_version is None
    places.odd["stations_without_safe_limit"] += row.safe_limit_w is None
    return found


def _form(evse: Evse) -> tuple[Any, ...]:
    return (
        rated_power_w(evse.max_power_w, evse.phases),
        evse.min_power_w,
        evse.current_type,
        evse.phases,
        evse.circuit_id,
    )


def _kind(row: Station, evses: Sequence[Evse], *, share: float) -> StationKind:
    first = evses[0]
    max_power_w = rated_power_w(first.max_power_w, first.phases)
    direct = first.current_type == "DC"
    least_w = first.min_power_w
    if least_w is None:
        least_w = 0.0 if direct else _PHASE_MIN_W * first.phases
    protocol = _PROTOCOLS.get(row.ocpp_version or _OLDEST, _OLDEST)
    return StationKind(
        id=_UNKNOWN,
        vendor=row.vendor or _UNKNOWN,
        model=row.model or _UNKNOWN,
        subprotocol=protocol,
        evses=len(evses),
        max_power_w=max_power_w,
        min_power_w=min(least_w, max_power_w),
        current_type="DC" if direct else "AC",
        phases=1 if first.phases == 1 else 3,
        safe_limit_w=math.floor((row.safe_limit_w or 0.0) * share * 100) / 100,
        reaction_s=_REACTION_S,
        reports_soc=protocol != _OLDEST,
    )


def _battery(battery: Mapping[str, Any] | None, places: Places) -> BatterySpec | None:
    if battery is None:
        return None
    power_w = min(battery["max_charge_w"], battery["max_discharge_w"])
    if power_w <= 0 or battery["capacity_wh"] <= 0:
        places.odd["batteries_of_one_way"] += 1
        return None
    places.odd["batteries_emptied"] += 1
    return BatterySpec(
        capacity_wh=battery["capacity_wh"],
        max_power_w=power_w,
        efficiency=battery["efficiency"],
    )


def _count_odd(row: Site, circuits: Sequence[Circuit], places: Places) -> None:
    phased = [row.phase_limits_w, *(each.phase_limits_w for each in circuits)]
    places.odd["phase_limits"] += sum(each is not None for each in phased)
    places.odd["loads_with_store"] += len(row.flexible_loads)
    places.odd["peak_or_co2_prices"] += bool(row.peak_price_per_kw or row.co2_price_per_kg)
