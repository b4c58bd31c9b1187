"""The problem as the solver looks at it: names turned into indices, series into arrays.

Built once per plan and shared by assignment, parking, charging and bound. Everything here follows
from the problem alone; no decision is taken here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.flexible import FlexibleLoad, by_itself
from scheduler.overrides import Override, most_w
from scheduler.problem import Battery, Booking, Evse, Problem, Site, Vehicle
from scheduler.taper import Falling, falling
from scheduler.teams import Teams
from scheduler.wiring import PHASES, Limit, Wires, wires_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
OneOrMany = TypeVar("OneOrMany", float, Floats)

FIRST_HOUR_STEPS = 4
"""In these steps charging is 0 or at least the EVSE's minimum; later ones are planned anew."""
TOLERANCE_WH = 1e-3
"""Sums of floats are compared with this much air, far below the referee's 1 Wh."""


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle; energies in Wh at the battery, powers in W at the grid side."""

    index: int
    id: str
    vehicle_class: str
    site: int
    post: int
    """Where it stands at `free_from` and stays; -1 leaves it to the plan."""
    parked: bool
    """Whether it stands on none at `free_from`, and stays so unless staff moves it."""
    free_from: int
    soc_wh: float
    low_wh: float
    high_wh: float
    ac_w: float
    dc_w: float
    discharge_w: float
    efficiency: float
    wh_per_km: float
    phases: int
    """On how many it charges with AC."""
    taper: tuple[Falling, ...]
    """Where the power that the battery takes falls."""
    overrides: tuple[Override, ...]

    @property
    def most_wh(self) -> float:
        """The most it can ever depart with: its maximum, or more if it starts with more."""
        return max(self.high_wh, self.soc_wh)

    def takes_w(self, soc_wh: float, gain: float) -> float:
        """Returns the most that the battery takes for a step, each W of which stores `gain` Wh."""
        return min((line.takes_w(soc_wh, gain) for line in self.taper), default=np.inf)

    def most_after_wh(self, soc_wh: float, steps: int, gain: float) -> float:
        """Returns the most that so many steps can lead to, or more."""
        ends = (line.after_wh(soc_wh, steps, gain) for line in self.taper)
        return min(ends, default=np.inf)

    def steps_to(self, soc_wh: float, goal_wh: float, gain: float) -> float:
        """Returns how many steps the battery takes to be charged so far, or fewer."""
        return max((line.steps_to(soc_wh, goal_wh, gain) for line in self.taper), default=0.0)


@dataclass(frozen=True, slots=True)
class Trip:
    """A booking, with the cars that its classes, its fixed vehicle and its length allow."""

    index: int
    id: str
    start: int
    end: int
    pickup: int
    dropoff: int
    km: float
    reserve_km: float
    priority: int
    cars: tuple[int, ...]
    """Shared by trips that the same cars may serve."""
    able: frozenset[int]
    """The same cars, to be asked for one."""
    fixed: int
    """The one car that may serve it, or -1."""

    def drive_wh(self, car: Car) -> float:
        """Returns what it takes from `car`."""
        return self.km * car.wh_per_km

    def need_wh(self, car: Car) -> float:
        """Returns the least that `car` may depart with."""
        return self.need_of(car.wh_per_km, car.low_wh)

    def need_of(self, wh_per_km: OneOrMany, low_wh: OneOrMany) -> OneOrMany:
        """Returns the same of cars that take and keep so much: of one, or by car of many."""
        return (self.km + self.reserve_km) * wh_per_km + low_wh


@dataclass(frozen=True, slots=True)
class Post:
    """An EVSE; `circuits` are all that limit it, from its own one up.

    `phases` (0 to 2) are as wired, `phase_limits` the numbers of the limits on L1, L2 and L3.
    """

    index: int
    id: str
    site: int
    circuits: tuple[int, ...]
    phases: tuple[int, ...]
    phase_limits: tuple[tuple[int, ...], ...]
    max_w: float
    min_w: float
    dc: bool
    bidirectional: bool
    open: Bools
    """Per step: whether it is available."""
    opened: NDArray[np.int64]
    """Per step and at the end: how many steps before it is available in."""
    circuit_w: float
    """The least limit of its circuits: what it gives unless another car on them gives back."""

    def share(self, car: Car) -> float:
        """Returns what part of the EVSE's power the phases that `car` uses can give."""
        if self.dc or not self.phases:
            return 1.0  # or not known
        return min(car.phases, len(self.phases)) / len(self.phases)

    def power_w(self, car: Car) -> float:
        """Returns the most that `car` can draw here."""
        return min(self.max_w * self.share(car), car.dc_w if self.dc else car.ac_w)

    def least_w(self, car: Car) -> float:
        """Returns the least that `car` charges with here."""
        return self.min_w * self.share(car)

    def loads(self, car: Car) -> list[tuple[int, float]]:
        """Returns the limits that `car` counts in here, and with what part of its power."""
        found = [(number, 1.0) for number in self.circuits]
        if not self.phase_limits:
            return found
        used = self.phases if self.dc else self.phases[: car.phases]
        found += [(limits[n], 1 / len(used)) for limits in self.phase_limits for n in used]
        return found

    def back_w(self, car: Car) -> float:
        """Returns the most that `car` can give back here."""
        return min(self.power_w(car), car.discharge_w) if self.bidirectional else 0.0

    def most_back_w(self, car: Car) -> float:
        """Returns the most that any plan may let `car` give back here."""
        return min(self.max_w * self.share(car), car.discharge_w) if self.bidirectional else 0.0


@dataclass(frozen=True, slots=True)
class Flexible:
    """A load of a building that can be moved away from how it runs by itself."""

    id: str
    site: int
    itself_w: Floats
    """How it runs by itself."""
    least_w: Floats
    most_w: Floats
    """How far a plan may move it, by step."""
    least_wh: Floats
    most_wh: Floats
    """How much less and more than by itself the store may hold at the end of each step."""


@dataclass(frozen=True, slots=True)
class Place:
    """A site with its series as arrays."""

    index: int
    id: str
    posts: tuple[int, ...]
    alike: tuple[tuple[int, ...], ...]
    """The same EVSEs, those together that give every car the same."""
    pv_w: Floats
    high_pv_w: Floats
    """Below which the sun stays with probability 0.9, in the first hour; later as `pv_w`."""
    load_w: Floats
    """The building, its flexible loads as they run by themselves."""
    yields_w: Floats
    """What of that flexible loads can do without."""
    buy: Floats
    """With what its CO2 counts."""
    sell: Floats
    co2: Floats
    co2_price: float
    """Per kg; it is in `buy`."""
    import_w: Floats
    """The import limit, or what the building alone takes beyond it."""
    export_w: Floats
    """The export limit, or what the building alone gives beyond it."""
    no_draw: Bools
    """Where the building alone exceeds the import limit: cars draw nothing net."""
    no_give: Bools
    """Where the building alone exceeds the export limit: cars give nothing net."""
    battery: Battery | None
    circuit_limits: tuple[Limit, ...]
    phase_limits: tuple[Limit, ...]
    """Of circuits."""
    grid_phases: tuple[Limit, ...]
    """Of the connection, where it has them: what cars may draw while the battery rests."""
    phase_import_w: tuple[Floats, ...]
    """The limit of each phase of the connection, or what the building alone takes beyond it."""
    phase_no_draw: tuple[Bools, ...]
    """Where it does: cars draw nothing net on that phase."""
    peak_price: float
    """Per kW of import beyond `peak_so_far_w`."""
    peak_so_far_w: float
    hours: float
    """Length of a step."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All that is on sums of cars."""
        return (*self.circuit_limits, *self.phase_limits, *self.grid_phases)

    @property
    def metered(self) -> bool:
        """Whether more hangs on the grid's power than its price and its limits."""
        return bool(self.phase_import_w) or self.peak_price > 0

    @property
    def headroom_w(self) -> Floats:
        """The most that cars can draw together without another's discharging."""
        battery_w = self.battery.max_discharge_w if self.battery else 0.0
        room = self.import_w - self.load_w + self.pv_w + battery_w + self.yields_w
        return np.where(self.no_draw, 0.0, np.maximum(room, 0.0))


class View:
    """One problem, ready to be planned."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.steps = problem.steps
        self.hours = problem.hours
        self.turnaround = problem.turnaround_steps
        sites = {site.id: index for index, site in enumerate(problem.sites)}
        self.posts: list[Post] = []
        self.places: list[Place] = []
        limits = 0
        for index, site in enumerate(problem.sites):
            wires = wires_of(site, _load_w(site, self.hours), limits)
            limits += wires.count
            first = len(self.posts)
            for evse in site.evses:
                self.posts.append(_post(evse, wires, len(self.posts), index, self.steps))
            self.places.append(_place(site, index, self.posts[first:], wires, self.hours))
        by_id = {post.id: post.index for post in self.posts}
        self.cars = [
            _car(vehicle, index, sites[vehicle.site], by_id)
            for index, vehicle in enumerate(problem.vehicles)
        ]
        self.kinds = list(
            {(c.ac_w, c.dc_w, c.discharge_w, c.efficiency, c.phases): c for c in self.cars}.values()
        )
        """One car for all that charge alike."""
        self.flexibles = [
            _flexible(load, sites[site.id], self.hours)
            for site in problem.sites
            for load in site.flexible_loads
        ]
        self.trips = self._trips(sites)
        self._reach: dict[tuple[object, ...], Floats] = {}

    def _trips(self, sites: dict[str, int]) -> list[Trip]:
        by_id = {car.id: car for car in self.cars}
        teams = Teams(self.cars, TOLERANCE_WH)
        trips: list[Trip] = []
        for index, booking in enumerate(self.problem.bookings):
            fixed = by_id[booking.vehicle] if booking.vehicle is not None else None
            trip = _trip(booking, index, sites, fixed)
            trips.append(_with_cars(trip, *teams.able(booking.classes, trip)))
        return trips

    def shift_w(self, flexible_w: Floats | None) -> Floats:
        """Returns, by site and step, what flexible loads draw beyond how they run by themselves.

        `flexible_w` is what they draw, by load and step; None is as they run by themselves.
        """
        shift_w = np.zeros((len(self.places), self.steps))
        if flexible_w is not None:
            for n, each in enumerate(self.flexibles):
                shift_w[each.site] += flexible_w[n] - each.itself_w
        return shift_w

    def reach_wh(self, car: Car, site: int, *, limited: bool = True) -> Floats:
        """Returns the most Wh that the best EVSE of `site` can bring into `car` up to each step.

        The difference of two entries is what a stay can bring, other cars aside. With `limited`
        the site's own limit counts too.
        """
        key = (site, car.ac_w, car.dc_w, car.efficiency, car.phases, limited, car.overrides)
        known = self._reach.get(key)
        if known is not None:
            return known
        place = self.places[site]
        power = np.zeros(self.steps)
        for index in place.posts:
            post = self.posts[index]
            power = np.maximum(power, np.where(post.open, post.power_w(car), 0.0))
        if limited and not self._gives_back(place):
            power = np.minimum(power, place.headroom_w)
        power = np.minimum(power, most_w(car.overrides, self.steps))
        reach = np.zeros(self.steps + 1)
        np.cumsum(power * (self.hours * car.efficiency), out=reach[1:])
        self._reach[key] = reach
        return reach

    def _gives_back(self, place: Place) -> bool:
        """Whether cars can feed other cars at this site, so that its limit is not the last word."""
        return any(self.posts[index].bidirectional for index in place.posts) and any(
            car.discharge_w > 0 for car in self.cars
        )


def _car(vehicle: Vehicle, index: int, site: int, posts: dict[str, int]) -> Car:
    level_w = vehicle.taper[0][1] if vehicle.taper else np.inf
    return Car(
        index=index,
        id=vehicle.id,
        vehicle_class=vehicle.vehicle_class,
        site=site,
        post=posts[vehicle.evse] if vehicle.evse is not None else -1,
        parked=vehicle.parked,
        free_from=vehicle.available_from,
        soc_wh=vehicle.soc_wh,
        low_wh=vehicle.min_soc_wh,
        high_wh=vehicle.max_soc_wh,
        ac_w=min(vehicle.max_ac_power_w, level_w),
        dc_w=min(vehicle.max_dc_power_w, level_w),
        discharge_w=vehicle.max_discharge_w,
        efficiency=vehicle.charge_efficiency,
        wh_per_km=vehicle.consumption_wh_per_km,
        phases=vehicle.ac_phases,
        taper=tuple(falling(vehicle.taper)),
        overrides=vehicle.overrides,
    )


def _trip(booking: Booking, index: int, sites: dict[str, int], fixed: Car | None) -> Trip:
    return Trip(
        index=index,
        id=booking.id,
        start=booking.start_step,
        end=booking.end_step,
        pickup=sites[booking.pickup_site],
        dropoff=sites[booking.dropoff_site],
        km=booking.distance_km,
        reserve_km=booking.reserve_km,
        priority=booking.priority,
        cars=(),
        able=frozenset(),
        fixed=-1 if fixed is None else fixed.index,
    )


def _with_cars(trip: Trip, cars: tuple[int, ...], able: frozenset[int]) -> Trip:
    return Trip(
        trip.index,
        trip.id,
        trip.start,
        trip.end,
        trip.pickup,
        trip.dropoff,
        trip.km,
        trip.reserve_km,
        trip.priority,
        cars,
        able,
        trip.fixed,
    )


def _post(evse: Evse, wires: Wires, index: int, place: int, steps: int) -> Post:
    above = wires.above(evse.circuit)
    limits_w = (float(wires.whole[name].most_w.max()) for name in above)
    is_open = np.ones(steps, dtype=np.bool_)
    for start, end in evse.unavailable:
        is_open[start:end] = False
    return Post(
        index=index,
        id=evse.id,
        site=place,
        circuits=tuple(wires.whole[name].number for name in above),
        phases=tuple(PHASES.index(phase) for phase in evse.phases),
        phase_limits=wires.phase_numbers(above),
        max_w=evse.max_power_w,
        min_w=evse.min_power_w,
        dc=evse.current_type == "DC",
        bidirectional=evse.bidirectional,
        open=is_open,
        opened=np.concatenate([[0], np.cumsum(is_open)]),
        circuit_w=min(limits_w, default=np.inf),
    )


def _alike(posts: list[Post]) -> tuple[tuple[int, ...], ...]:
    groups: dict[tuple[object, ...], list[int]] = {}
    for post in posts:
        power = (post.max_w, post.min_w, post.dc, len(post.phases), post.circuit_w)
        key = (*power, post.bidirectional, post.open.tobytes())
        groups.setdefault(key, []).append(post.index)
    return tuple(tuple(group) for group in groups.values())


def _flexible(load: FlexibleLoad, site: int, hours: float) -> Flexible:
    powers_w, states_wh = by_itself(load, hours)
    itself_w, held_wh = np.array(powers_w), np.array(states_wh)
    least_wh = -held_wh
    least_wh[-1] = min(load.stored_wh - held_wh[-1], 0.0)
    most_wh = load.store_wh - held_wh
    return Flexible(
        load.id, site, itself_w, -itself_w, load.max_power_w - itself_w, least_wh, most_wh
    )


def _load_w(site: Site, hours: float) -> Floats:
    load_w = np.array(site.load_power_w, dtype=np.float64)
    for load in site.flexible_loads:
        load_w += by_itself(load, hours)[0]
    return load_w


def _soon(quantile_w: Sequence[float] | None, pv_w: Floats) -> Floats:
    """Returns a quantile of the sun in the first hour; what comes later is planned anew."""
    found_w = pv_w.copy()
    if quantile_w is not None:
        found_w[:FIRST_HOUR_STEPS] = quantile_w[:FIRST_HOUR_STEPS]
    return found_w


def _place(site: Site, index: int, posts: list[Post], wires: Wires, hours: float) -> Place:
    pv = np.asarray(site.pv_power_w, dtype=np.float64)
    load = _load_w(site, hours)
    fixed = np.array(site.load_power_w, dtype=np.float64)
    co2 = np.zeros(len(pv))
    if site.import_co2_g_per_kwh is not None:
        co2 = np.asarray(site.import_co2_g_per_kwh, dtype=np.float64)
    return Place(
        index=index,
        id=site.id,
        posts=tuple(post.index for post in posts),
        alike=_alike(posts),
        pv_w=pv,
        high_pv_w=_soon(site.pv_high_power_w, pv),
        load_w=load,
        yields_w=load - fixed,
        buy=np.asarray(site.import_price_per_kwh) + co2 * (site.co2_price_per_kg / 1000),
        sell=np.asarray(site.export_price_per_kwh, dtype=np.float64),
        co2=co2,
        co2_price=site.co2_price_per_kg,
        import_w=np.maximum(site.import_limit_w, load - pv),
        export_w=np.maximum(site.export_limit_w, -load),
        no_draw=load - pv > site.import_limit_w,
        no_give=-load > site.export_limit_w,
        battery=site.battery,
        circuit_limits=tuple(wires.whole.values()),
        phase_limits=tuple(limit for three in wires.split.values() for limit in three),
        grid_phases=wires.grid,
        phase_import_w=wires.grid_import_w,
        phase_no_draw=wires.grid_no_draw,
        peak_price=site.peak_price_per_kw,
        peak_so_far_w=site.peak_so_far_w,
        hours=hours,
    )
