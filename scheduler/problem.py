"""The planning problem, as frozen types and as JSON.

All power is at the grid side of the charger, in watts; all energy in watt-hours; prices in
`currency` per kWh. Steps are half-open intervals `[step, step + 1)` counted from `start`; every
series has one value per step. Reading checks the shape, `check_problem` what the numbers mean
together; both name each wrong field by its JSON pointer. How a problem is solved is not here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

import msgspec

from models.errors import FieldError
from models.timeline import StepGrid
from scheduler.documents import LARGEST_INTEGER, MOST_ERRORS, Schema, bad_input
from scheduler.flexible import FlexibleLoad, flexible_errors
from scheduler.overrides import Override, override_errors
from scheduler.ranges import (
    ANY_ENERGY_WH,
    ANY_POWER_W,
    ANY_PRICE,
    CO2_G_PER_KWH,
    DISTANCE_KM,
    ENERGY_WH,
    POWER_W,
    PRICE,
    SHARE,
    WH_PER_KM,
    Range,
    duplicates,
    out_of,
    range_errors,
    window_errors,
)
from scheduler.taper import taper_errors


@dataclass(frozen=True, slots=True)
class Battery:
    """A stationary battery of a site; `efficiency` applies each way."""

    capacity_wh: float
    soc_wh: float
    min_soc_wh: float
    max_charge_w: float
    max_discharge_w: float
    efficiency: float


Phase = Literal["L1", "L2", "L3"]
PhaseLimits = tuple[float, float, float]
"""In W, of L1, L2 and L3."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A limit on the absolute sum of the powers of the EVSEs on it and on the circuits below.

    Loads count too; where they alone are beyond the limit, cars may not add to them.
    """

    id: str
    parent: str | None
    limit_w: float
    phase_limits_w: PhaseLimits | None = None
    load_w: tuple[tuple[float, ...], ...] = ()
    """What of the building hangs on it and can't be moved: one series for all phases alike, or one
    for each."""


@dataclass(frozen=True, slots=True)
class Evse:
    """A place where one car can charge.

    In each `unavailable` window it gives nothing: a car standing there may stay, none may arrive.
    """

    id: str
    circuit: str | None
    max_power_w: float
    min_power_w: float
    current_type: Literal["AC", "DC"]
    bidirectional: bool = False
    unavailable: tuple[tuple[int, int], ...] = ()
    phases: tuple[Phase, ...] = ()
    """As wired: a car that charges on fewer loads the first of them. Empty: not known."""


@dataclass(frozen=True, slots=True)
class Site:
    """A grid connection with its sun, its building, its battery and its EVSEs."""

    id: str
    import_limit_w: float
    export_limit_w: float
    pv_power_w: tuple[float, ...]
    """What the plant can give; a plan may curtail it."""
    load_power_w: tuple[float, ...]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    evses: tuple[Evse, ...]
    import_co2_g_per_kwh: tuple[float, ...] | None = None
    co2_price_per_kg: float = 0.0
    pv_high_power_w: tuple[float, ...] | None = None
    """Below which the plant stays with probability 0.9, `pv_power_w` being the median.

    Charging in the first hour weighs the sun that may come; costs and rules go by the median.
    """
    battery: Battery | None = None
    circuits: tuple[Circuit, ...] = ()
    phase_limits_w: PhaseLimits | None = None
    """Of the import; building, battery and sun are on all phases alike."""
    peak_price_per_kw: float = 0.0
    """Paid for the largest mean import of a step, as far as it is beyond `peak_so_far_w`."""
    peak_so_far_w: float = 0.0
    flexible_loads: tuple[FlexibleLoad, ...] = ()
    """Beside `load_power_w`."""
    move_price: float | None = None
    """What it costs that staff moves a car between EVSEs, or to one or from one, once; None: nobody
    moves cars here."""
    move_windows: tuple[tuple[int, int], ...] = ()
    """When staff is there to move cars."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car.

    It is away before `available_from` (at or beyond the horizon: not to be had); then it stands at
    `site` with `soc_wh`, on `evse` or where the plan wants it.
    """

    id: str
    vehicle_class: str
    site: str
    evse: str | None
    available_from: int
    soc_wh: float
    capacity_wh: float
    min_soc_wh: float
    max_soc_wh: float
    max_ac_power_w: float
    consumption_wh_per_km: float
    charge_efficiency: float
    max_dc_power_w: float = 0.0
    max_discharge_w: float = 0.0
    taper: tuple[tuple[float, float], ...] = ()
    """Points `(soc_wh, power_w)` of the most power that the battery takes.

    Straight between them and level outside; it falls ever more steeply. A step's power is at most
    that of its end: so it flows throughout the step.
    """
    ac_phases: int = 3
    """On how many it charges with AC, where the EVSE has as many."""
    overrides: tuple[Override, ...] = ()
    may_be_moved: bool = True
    """Whether staff may move it, where staff moves cars."""
    parked: bool = False
    """Whether it stands on no EVSE and its driver is gone: nobody but staff puts it on one."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A trip that someone wants; it may end beyond the horizon."""

    id: str
    classes: tuple[str, ...]
    pickup_site: str
    dropoff_site: str
    start_step: int
    end_step: int
    distance_km: float
    reserve_km: float = 0.0
    vehicle: str | None = None
    """The one car that may serve it."""
    priority: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Everything that a plan depends on."""

    version: int = 1
    start: datetime
    step_minutes: int
    steps: int
    sites: tuple[Site, ...]
    vehicles: tuple[Vehicle, ...]
    bookings: tuple[Booking, ...]
    terminal_value_per_kwh: float = 0.0
    """Worth of energy left in cars and site batteries at the end."""
    turnaround_steps: int = 0
    """Least time between two trips of a car."""
    currency: str = "EUR"

    @property
    def grid(self) -> StepGrid:
        """The steps as instants."""
        return StepGrid(self.start, self.step_minutes, self.steps)

    @property
    def hours(self) -> float:
        """Length of one step in hours."""
        return self.step_minutes / 60


_JSON_NAMES = {"vehicle_class": "class"}


def _schema() -> Schema:
    schema = Schema()
    schema.add(Battery)
    schema.add(Circuit)
    schema.add(Evse, null_if_absent=("circuit",))
    schema.add(FlexibleLoad)
    schema.add(Site)
    schema.add(Override)
    schema.add(Vehicle, names=_JSON_NAMES, null_if_absent=("evse",))
    schema.add(Booking)
    schema.add(Problem, required=("version",))
    return schema


_SCHEMA = _schema()


def read_problem(data: bytes) -> Problem:
    """Returns the problem that JSON `data` holds.

    Raises:
        BadInput: if it can't be right, with the JSON pointer of each wrong field.
    """
    problem = _SCHEMA.read(Problem, data, "problem")
    check_problem(problem)
    return problem


def write_problem(problem: Problem) -> bytes:
    """Returns the problem as compact JSON."""
    document = {field.name: getattr(problem, field.name) for field in fields(problem)}
    document["vehicles"] = [
        {_JSON_NAMES.get(field.name, field.name): getattr(car, field.name) for field in fields(car)}
        for car in problem.vehicles
    ]
    return msgspec.json.encode(document)


def check_problem(problem: Problem) -> None:
    """Checks what the numbers and names of a typed problem mean together.

    Raises:
        BadInput: if it can't be right, with the JSON pointer of each wrong field.
    """
    errors = list(itertools.islice(_errors(problem), MOST_ERRORS))
    if errors:
        raise bad_input("problem", errors)


_RANGES: dict[type, dict[str, Range]] = {
    Battery: {
        "capacity_wh": ENERGY_WH,
        "soc_wh": ANY_ENERGY_WH,
        "min_soc_wh": ENERGY_WH,
        "max_charge_w": POWER_W,
        "max_discharge_w": POWER_W,
        "efficiency": SHARE,
    },
    Circuit: {"limit_w": POWER_W},
    Evse: {"max_power_w": POWER_W, "min_power_w": POWER_W},
    Site: {
        "import_limit_w": POWER_W,
        "export_limit_w": POWER_W,
        "co2_price_per_kg": PRICE,
        "peak_price_per_kw": PRICE,
        "peak_so_far_w": POWER_W,
    },
    Vehicle: {
        "available_from": (0, LARGEST_INTEGER),
        "soc_wh": ANY_ENERGY_WH,
        "capacity_wh": ENERGY_WH,
        "min_soc_wh": ENERGY_WH,
        "max_soc_wh": ENERGY_WH,
        "max_ac_power_w": POWER_W,
        "max_dc_power_w": POWER_W,
        "max_discharge_w": POWER_W,
        "consumption_wh_per_km": WH_PER_KM,
        "charge_efficiency": SHARE,
        "ac_phases": (1, 3),
    },
    Booking: {
        "end_step": (-LARGEST_INTEGER, LARGEST_INTEGER),
        "distance_km": DISTANCE_KM,
        "reserve_km": DISTANCE_KM,
        "priority": (0, LARGEST_INTEGER),
    },
    Problem: {
        "version": (1, 1),
        "step_minutes": (1, 1440),
        "steps": (1, LARGEST_INTEGER),
        "terminal_value_per_kwh": ANY_PRICE,
        "turnaround_steps": (0, LARGEST_INTEGER),
    },
}
_SERIES = {
    "pv_power_w": POWER_W,
    "pv_high_power_w": POWER_W,
    "load_power_w": ANY_POWER_W,
    "import_price_per_kwh": ANY_PRICE,
    "export_price_per_kwh": ANY_PRICE,
    "import_co2_g_per_kwh": CO2_G_PER_KWH,
}


def _errors(problem: Problem) -> Iterator[FieldError]:
    yield from _range_errors(problem, "")
    if problem.start.tzinfo is None:
        yield FieldError("/start", "has no time zone")
    else:
        try:
            _ = problem.grid.end
        except OverflowError:
            yield FieldError("/steps", "end beyond the calendar")
    yield from duplicates((site.id for site in problem.sites), "/sites/{}/id")
    for index, site in enumerate(problem.sites):
        yield from _site_errors(site, f"/sites/{index}", problem.steps)
    evses = [
        (f"/sites/{i}/evses/{j}/id", evse.id)
        for i, site in enumerate(problem.sites)
        for j, evse in enumerate(site.evses)
    ]
    seen: set[str] = set()
    for pointer, name in evses:
        if name in seen:
            yield FieldError(pointer, f"{name!r} is another EVSE's id too")
        seen.add(name)
    yield from _flexible_errors(problem)
    yield from _vehicle_errors(problem)
    yield from _booking_errors(problem)


def _flexible_errors(problem: Problem) -> Iterator[FieldError]:
    seen: set[str] = set()
    for number, site in enumerate(problem.sites):
        for index, load in enumerate(site.flexible_loads):
            pointer = f"/sites/{number}/flexible_loads/{index}"
            if load.id in seen:
                yield FieldError(f"{pointer}/id", f"{load.id!r} is another load's id too")
            seen.add(load.id)
            yield from flexible_errors(load, pointer, problem.steps, problem.hours)


def _range_errors(thing: object, pointer: str) -> Iterator[FieldError]:
    return range_errors(thing, _RANGES[type(thing)], pointer)


def _site_errors(site: Site, pointer: str, steps: int) -> Iterator[FieldError]:
    yield from _range_errors(site, pointer)
    for name, allowed in _SERIES.items():
        values: tuple[float, ...] | None = getattr(site, name)
        if values is None:
            continue
        if len(values) != steps:
            yield FieldError(f"{pointer}/{name}", f"must hold {steps} values, not {len(values)}")
        for step, value in enumerate(values):
            if (wrong := out_of(value, allowed)) is not None:
                yield FieldError(f"{pointer}/{name}/{step}", wrong)
    yield from _quantile_errors(site, pointer)
    if site.battery is not None:
        yield from _range_errors(site.battery, f"{pointer}/battery")
    yield from _phase_limit_errors(site.phase_limits_w, pointer)
    if site.move_price is not None and (wrong := out_of(site.move_price, PRICE)) is not None:
        yield FieldError(f"{pointer}/move_price", wrong)
    yield from window_errors(site.move_windows, f"{pointer}/move_windows")
    yield from _circuit_errors(site, f"{pointer}/circuits", steps)
    yield from _evse_errors(site, pointer)


def _quantile_errors(site: Site, pointer: str) -> Iterator[FieldError]:
    high_w = site.pv_high_power_w or ()
    for step, (value, median) in enumerate(zip(high_w, site.pv_power_w, strict=False)):
        if value < median:
            detail = f"must be at least pv_power_w, {median:g}, not {value:g}"
            yield FieldError(f"{pointer}/pv_high_power_w/{step}", detail)


def _evse_errors(site: Site, pointer: str) -> Iterator[FieldError]:
    known = {circuit.id for circuit in site.circuits}
    split = _split_circuits(site)
    for index, evse in enumerate(site.evses):
        place = f"{pointer}/evses/{index}"
        yield from _range_errors(evse, place)
        if evse.circuit is not None and evse.circuit not in known:
            yield FieldError(f"{place}/circuit", f"no circuit {evse.circuit!r} at this site")
        if len(set(evse.phases)) < len(evse.phases):
            yield FieldError(f"{place}/phases", "must name each phase once")
        if not evse.phases and (site.phase_limits_w is not None or evse.circuit in split):
            yield FieldError(f"{place}/phases", "must be given where phases have limits")
        yield from window_errors(evse.unavailable, f"{place}/unavailable")


def _phase_limit_errors(limits_w: PhaseLimits | None, pointer: str) -> Iterator[FieldError]:
    for index, limit_w in enumerate(limits_w or ()):
        if (wrong := out_of(limit_w, POWER_W)) is not None:
            yield FieldError(f"{pointer}/phase_limits_w/{index}", wrong)


def _load_errors(circuit: Circuit, pointer: str, steps: int) -> Iterator[FieldError]:
    if len(circuit.load_w) not in (0, 1, 3):
        detail = f"must hold 1 series, or 3 for L1, L2 and L3, not {len(circuit.load_w)}"
        yield FieldError(pointer, detail)
    for index, values in enumerate(circuit.load_w):
        if len(values) != steps:
            yield FieldError(f"{pointer}/{index}", f"must hold {steps} values, not {len(values)}")
        for step, value in enumerate(values):
            if (wrong := out_of(value, ANY_POWER_W)) is not None:
                yield FieldError(f"{pointer}/{index}/{step}", wrong)


def _split_circuits(site: Site) -> set[str]:
    """Returns the circuits on which a phase has a limit, there or further up."""
    by_id = {circuit.id: circuit for circuit in site.circuits}
    split: set[str] = set()
    for circuit in site.circuits:
        above: Circuit | None = circuit
        for _ in by_id:
            if above is not None and above.phase_limits_w is not None:
                split.add(circuit.id)
            above = by_id.get(above.parent) if above is not None and above.parent else None
    return split


def _circuit_errors(site: Site, pointer: str, steps: int) -> Iterator[FieldError]:
    yield from duplicates((circuit.id for circuit in site.circuits), f"{pointer}/{{}}/id")
    parents = {circuit.id: circuit.parent for circuit in site.circuits}
    for index, circuit in enumerate(site.circuits):
        yield from _range_errors(circuit, f"{pointer}/{index}")
        yield from _phase_limit_errors(circuit.phase_limits_w, f"{pointer}/{index}")
        yield from _load_errors(circuit, f"{pointer}/{index}/load_w", steps)
        if circuit.parent is not None and circuit.parent not in parents:
            yield FieldError(f"{pointer}/{index}/parent", f"no circuit {circuit.parent!r}")
        above, hops = circuit.parent, 0
        while above is not None and above != circuit.id and hops <= len(parents):
            above, hops = parents.get(above), hops + 1
        if above == circuit.id:
            yield FieldError(f"{pointer}/{index}/parent", "makes a loop of circuits")


def _vehicle_errors(problem: Problem) -> Iterator[FieldError]:
    yield from duplicates((vehicle.id for vehicle in problem.vehicles), "/vehicles/{}/id")
    sites = {site.id: {evse.id for evse in site.evses} for site in problem.sites}
    held: dict[str, str] = {}
    for index, vehicle in enumerate(problem.vehicles):
        pointer = f"/vehicles/{index}"
        yield from _range_errors(vehicle, pointer)
        if vehicle.site not in sites:
            yield FieldError(f"{pointer}/site", f"no site {vehicle.site!r}")
        elif vehicle.evse is not None and vehicle.evse not in sites[vehicle.site]:
            yield FieldError(f"{pointer}/evse", f"no EVSE {vehicle.evse!r} at {vehicle.site!r}")
        elif vehicle.evse is not None and vehicle.parked:
            yield FieldError(f"{pointer}/parked", f"it stands on {vehicle.evse!r}")
        elif vehicle.evse is not None and vehicle.available_from < problem.steps:
            if vehicle.evse in held:
                yield FieldError(f"{pointer}/evse", f"{held[vehicle.evse]!r} stands there already")
            held[vehicle.evse] = vehicle.id
        yield from taper_errors(vehicle.taper, vehicle.max_soc_wh, f"{pointer}/taper")
        yield from override_errors(vehicle.overrides, f"{pointer}/overrides")


def _booking_errors(problem: Problem) -> Iterator[FieldError]:
    yield from duplicates((booking.id for booking in problem.bookings), "/bookings/{}/id")
    sites = {site.id for site in problem.sites}
    cars = {vehicle.id for vehicle in problem.vehicles}
    for index, booking in enumerate(problem.bookings):
        pointer = f"/bookings/{index}"
        yield from _range_errors(booking, pointer)
        if booking.pickup_site not in sites:
            yield FieldError(f"{pointer}/pickup_site", f"no site {booking.pickup_site!r}")
        if booking.dropoff_site not in sites:
            yield FieldError(f"{pointer}/dropoff_site", f"no site {booking.dropoff_site!r}")
        if booking.vehicle is not None and booking.vehicle not in cars:
            yield FieldError(f"{pointer}/vehicle", f"no vehicle {booking.vehicle!r}")
        if not 0 <= booking.start_step < problem.steps:
            detail = f"must lie in the horizon of {problem.steps} steps, not {booking.start_step}"
            yield FieldError(f"{pointer}/start_step", detail)
        if booking.end_step <= booking.start_step:
            yield FieldError(f"{pointer}/end_step", "must come after start_step")
