"""Lawful plans for tests, made without the solver: by hand, or by living a problem step by step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from scheduler.plan import (
    Assignment,
    Charging,
    FlexiblePower,
    Kpis,
    Move,
    Plan,
    SitePower,
    Stay,
    Unserved,
    UnservedCode,
)
from scheduler.problem import Booking, Evse, FlexibleLoad, Problem, Site, Vehicle


def plan_of(
    problem: Problem,
    *,
    assignments: Iterable[Assignment] = (),
    unserved: Iterable[Unserved] = (),
    stays: Iterable[Stay] = (),
    charging: Iterable[Charging] = (),
    battery_w: Mapping[str, list[float]] | None = None,
    pv_used_w: Mapping[str, list[float]] | None = None,
    flexible_w: Mapping[str, list[float]] | None = None,
    moves: Iterable[Move] = (),
) -> Plan:
    """Returns the plan with these parts, its site powers and figures worked out in plain loops.

    All PV is used unless told otherwise or the export limit forbids it; flexible loads run by
    themselves unless told otherwise.
    """
    unserved, charging, moves = tuple(unserved), tuple(charging), tuple(moves)
    cars_w: dict[str, list[float]] = {place.id: [0.0] * problem.steps for place in problem.sites}
    drawn_w: dict[str, list[float]] = {place.id: [0.0] * problem.steps for place in problem.sites}
    site_of = {spot.id: place.id for place in problem.sites for spot in place.evses}
    for entry in charging:
        for step in range(entry.from_step, entry.to_step):
            cars_w[site_of[entry.evse]][step] += entry.power_w
            drawn_w[site_of[entry.evse]][step] += max(0.0, entry.power_w)
    powers: list[SitePower] = []
    flexible: list[FlexiblePower] = []
    energy_cost = peak_cost = co2_g = used_w = given_w = peak_w = 0.0
    left_wh = sum(_soc_at_end(problem, car, assignments, charging) for car in problem.vehicles)
    for place in problem.sites:
        battery = (battery_w or {}).get(place.id, [0.0] * problem.steps)
        moved = {
            load.id: (flexible_w or {}).get(load.id) or by_itself(load, problem.hours)
            for load in place.flexible_loads
        }
        flexible += [FlexiblePower(name, tuple(series)) for name, series in moved.items()]
        loads = [sum(each) for each in zip(place.load_power_w, *moved.values(), strict=True)]
        pv = (pv_used_w or {}).get(place.id) or _sun(place, loads, cars_w[place.id], battery)
        grid: list[float] = []
        for step in range(problem.steps):
            load_w = loads[step]
            grid_w = load_w + cars_w[place.id][step] + battery[step] - pv[step]
            kwh = grid_w * problem.hours / 1000
            prices = place.import_price_per_kwh if grid_w > 0 else place.export_price_per_kwh
            energy_cost += kwh * prices[step]
            if place.import_co2_g_per_kwh is not None and grid_w > 0:
                co2_g += kwh * place.import_co2_g_per_kwh[step]
            used_w += min(pv[step], load_w + drawn_w[place.id][step] + max(0.0, battery[step]))
            given_w += place.pv_power_w[step]
            peak_w = max(peak_w, grid_w)
            grid.append(grid_w)
        if place.battery is not None:
            left_wh += place.battery.soc_wh
            for power_w in battery:
                left_wh += _stored(power_w, place.battery.efficiency) * problem.hours
        beyond_w = max(0.0, max(grid) - place.peak_so_far_w)
        peak_cost += place.peak_price_per_kw * beyond_w / 1000
        powers.append(SitePower(place.id, tuple(grid), tuple(battery), tuple(pv)))
    prices = {place.id: place.move_price or 0.0 for place in problem.sites}
    moved_cost = sum(prices[each.site] for each in moves)
    cost = energy_cost + peak_cost + moved_cost - problem.terminal_value_per_kwh * left_wh / 1000
    return Plan(
        status="partial" if unserved else "feasible",
        cost=cost,
        lower_bound=cost - 1.0,
        solve_seconds=0.0,
        assignments=tuple(assignments),
        unserved=unserved,
        stays=tuple(stays),
        charging=charging,
        sites=tuple(powers),
        kpis=Kpis(used_w / given_w if given_w else None, energy_cost, co2_g, peak_w),
        moves=moves,
        flexible=tuple(flexible),
    )


def by_itself(load: FlexibleLoad, hours: float) -> list[float]:
    """Returns the power of a load that nobody plans: it fills its store and keeps it full."""
    powers_w: list[float] = []
    held_wh = load.stored_wh
    for demand_w in load.demand_w:
        held_wh -= (demand_w + load.loss_w) * hours
        power_w = min(load.max_power_w, max(0.0, load.store_wh - held_wh) / hours)
        held_wh += power_w * hours
        powers_w.append(power_w)
    return powers_w


def building_w(place: Site, hours: float) -> list[float]:
    """Returns what a building takes by itself."""
    moved = [by_itself(load, hours) for load in place.flexible_loads]
    return [sum(each) for each in zip(place.load_power_w, *moved, strict=True)]


def _stored(power_w: float, efficiency: float) -> float:
    return power_w * efficiency if power_w > 0 else power_w / efficiency


def _soc_at_end(
    problem: Problem,
    car: Vehicle,
    assignments: Iterable[Assignment],
    charging: Iterable[Charging],
) -> float:
    soc_wh = car.soc_wh
    for entry in charging:
        if entry.vehicle == car.id:
            steps = entry.to_step - entry.from_step
            soc_wh += _stored(entry.power_w, car.charge_efficiency) * steps * problem.hours
    driven = {a.booking for a in assignments if a.vehicle == car.id}
    km = sum(trip.distance_km for trip in problem.bookings if trip.id in driven)
    return soc_wh - km * car.consumption_wh_per_km


def _sun(
    place: Site, loads_w: list[float], cars_w: list[float], battery_w: list[float]
) -> list[float]:
    used: list[float] = []
    for step, pv_w in enumerate(place.pv_power_w):
        need_w = loads_w[step] + cars_w[step] + battery_w[step]
        used.append(max(0.0, min(pv_w, need_w + place.export_limit_w)))
    return used


def _phases(car: _Car) -> int:
    return car.vehicle.ac_phases


def _taper_w(points: tuple[tuple[float, float], ...], soc_wh: float) -> float:
    if soc_wh <= points[0][0]:
        return points[0][1]
    for (from_wh, from_w), (to_wh, to_w) in itertools.pairwise(points):
        if soc_wh <= to_wh:
            return from_w + (to_w - from_w) * (soc_wh - from_wh) / (to_wh - from_wh)
    return points[-1][1]


@dataclass
class _Car:
    """One car while a problem is lived through."""

    vehicle: Vehicle
    soc_wh: float
    place: str
    back_at: int
    own: str | None = None
    on: str | None = None
    since: int | None = None
    visited: bool = False
    trips: int = 0
    free_from: int = 0
    stays: list[Stay] = field(default_factory=list)

    def stands(self) -> bool:
        return self.since is not None


class Life:
    """Lives a problem step by step, with random but lawful choices, and writes the plan of it."""

    def __init__(self, problem: Problem, random: Random) -> None:
        self.problem = problem
        self.random = random
        self.sites = {place.id: place for place in problem.sites}
        self.buildings_w = {s.id: building_w(s, problem.hours) for s in problem.sites}
        self.evses: dict[str, Evse] = {e.id: e for s in problem.sites for e in s.evses}
        self.cars = [
            _Car(v, v.soc_wh, v.site, v.available_from, free_from=v.available_from)
            for v in problem.vehicles
        ]
        self.promised = {
            car.vehicle.evse: car
            for car in self.cars
            if car.vehicle.evse is not None and car.vehicle.available_from < problem.steps
        }
        self.held: dict[str, _Car] = {}
        self.assignments: list[Assignment] = []
        self.unserved: list[Unserved] = []
        self.charging: list[Charging] = []
        self.battery_wh = {s.id: s.battery.soc_wh for s in problem.sites if s.battery}
        self.battery_w = {s.id: [0.0] * problem.steps for s in problem.sites}

    def plan(self) -> Plan:
        """Returns the plan of the whole life."""
        for step in range(self.problem.steps):
            arrived = [car for car in self.cars if car.back_at == step]
            self._depart(step, arrived)
            for car in arrived:
                if car.back_at == step:
                    self._arrive(car, step)
            for car in self.cars:
                self._visit(car, step)
            for place in self.problem.sites:
                self._charge(place, step)
        for car in self.cars:
            if car.stands():
                self._leave_spot(car, self.problem.steps)
        return plan_of(
            self.problem,
            assignments=self.assignments,
            unserved=self.unserved,
            stays=[stay for car in self.cars for stay in car.stays],
            charging=self.charging,
            battery_w=self.battery_w,
        )

    def _depart(self, step: int, arrived: list[_Car]) -> None:
        here = [car for car in self.cars if car.stands()] + arrived
        for trip in self.problem.bookings:
            if trip.start_step != step:
                continue
            fit = [
                car
                for car in self.cars
                if car.vehicle.vehicle_class in trip.classes
                and trip.vehicle in (None, car.vehicle.id)
            ]
            wait = self.problem.turnaround_steps
            free = [
                car
                for car in fit
                if car in here
                and car.place == trip.pickup_site
                and (car.trips == 0 or car.free_from + wait <= step)
            ]
            ready = [car for car in free if self._left_wh(car, trip) >= car.vehicle.min_soc_wh]
            if not ready:
                code = self._reason(trip, fit, free)
                self.unserved.append(Unserved(trip.id, code, "as lived"))
                continue
            car = self.random.choice(ready)
            here.remove(car)
            self.assignments.append(Assignment(trip.id, car.vehicle.id, car.soc_wh))
            if car.stands():
                self._leave_spot(car, step)
                if car.own is not None:
                    del self.held[car.own]
            car.own = car.on = car.since = None
            car.soc_wh -= trip.distance_km * car.vehicle.consumption_wh_per_km
            car.place, car.back_at = trip.dropoff_site, trip.end_step
            car.free_from, car.trips = trip.end_step, car.trips + 1
            self.promised = {name: c for name, c in self.promised.items() if c is not car}

    def _left_wh(self, car: _Car, trip: Booking) -> float:
        km = trip.distance_km + trip.reserve_km
        return car.soc_wh - km * car.vehicle.consumption_wh_per_km

    def _reason(self, trip: Booking, fit: list[_Car], free: list[_Car]) -> UnservedCode:
        if trip.vehicle is not None:
            return "FIXED_VEHICLE"
        if not fit or not free:
            return "NO_VEHICLE"
        km = trip.distance_km + trip.reserve_km
        for car in fit:
            most_wh = max(car.vehicle.max_soc_wh, car.vehicle.soc_wh)
            if most_wh - km * car.vehicle.consumption_wh_per_km >= car.vehicle.min_soc_wh:
                return "NOT_ENOUGH_ENERGY"
        return "BEYOND_CAPACITY"

    def _leave_spot(self, car: _Car, step: int) -> None:
        assert car.since is not None
        if car.since < step:
            car.stays.append(Stay(car.vehicle.id, car.place, car.on, car.since, step))
        if car.on is not None and car.on != car.own:
            del self.held[car.on]

    def _arrive(self, car: _Car, step: int) -> None:
        car.since, car.visited = step, False
        kept = car.vehicle.evse if car.trips == 0 else None
        if kept is not None:
            car.own = car.on = kept
        else:
            spots = [e.id for e in self.sites[car.place].evses if self._open(e, step)]
            car.own = car.on = self.random.choice([*spots, *spots, None])
        if car.own is not None:
            self.held[car.own] = car
            self.promised.pop(car.own, None)

    def _open(self, spot: Evse, step: int) -> bool:
        closed = any(start <= step < end for start, end in spot.unavailable)
        return not closed and spot.id not in self.held and spot.id not in self.promised

    def _visit(self, car: _Car, step: int) -> None:
        """Lets a car go to a fast charger once in a stay, and back to its own."""
        if car.own is None or car.since == step or not car.stands():
            return
        if car.on != car.own:
            closed = any(start <= step < end for start, end in self.evses[car.own].unavailable)
            if not closed and self.random.random() < 0.3:
                self._leave_spot(car, step)
                car.on, car.since = car.own, step
        elif not car.visited and self.random.random() < 0.1:
            fast = [
                e.id
                for e in self.sites[car.place].evses
                if e.current_type == "DC" and self._open(e, step)
            ]
            if fast:
                self._leave_spot(car, step)
                car.on, car.since, car.visited = self.random.choice(fast), step, True
                self.held[car.on] = car

    def _charge(self, place: Site, step: int) -> None:
        sun_w, load_w = place.pv_power_w[step], self.buildings_w[place.id][step]
        parents = {circuit.id: circuit.parent for circuit in place.circuits}
        room_w = self._rooms(place, step)
        import_w = max(0.0, place.import_limit_w - load_w + sun_w)
        export_w = place.export_limit_w + load_w
        for car in self.cars:
            if not car.stands() or car.on is None or car.place != place.id:
                continue
            spot = self.evses[car.on]
            used = spot.phases if spot.current_type == "DC" else spot.phases[: _phases(car)]
            above: list[tuple[str | None, str | None, float]] = []
            circuit: str | None = spot.circuit
            for _ in range(len(parents) + 1):
                above += [(circuit, phase, 1 / len(used)) for phase in used]
                above += [(circuit, None, 1.0)]
                circuit = parents.get(circuit) if circuit is not None else None
            above = [each for each in dict.fromkeys(above) if each[:2] in room_w]
            wires_w = [room_w[name, phase] / share for name, phase, share in above]
            power_w = self._choose(car, spot, step, min([import_w, *wires_w]))
            if power_w < 0:
                power_w = -min([-power_w, export_w, *wires_w])
            if power_w == 0:
                continue
            import_w -= max(0.0, power_w)
            export_w -= max(0.0, -power_w)
            for name, phase, share in above:
                room_w[name, phase] -= abs(power_w) * share
            gain_w = _stored(power_w, car.vehicle.charge_efficiency)
            car.soc_wh += gain_w * self.problem.hours
            self.charging.append(Charging(car.vehicle.id, spot.id, step, step + 1, power_w))
        import_w = min([import_w, *(3 * w for (name, _), w in room_w.items() if name is None)])
        self._use_battery(place, step, import_w, export_w)

    def _rooms(self, place: Site, step: int) -> dict[tuple[str | None, str | None], float]:
        """Returns what cars may draw or give by circuit (None: the connection) and phase.

        None as phase stands for all of them; the sun is not counted on.
        """
        parents = {circuit.id: circuit.parent for circuit in place.circuits}
        loads_w = {name: [0.0, 0.0, 0.0] for name in parents}
        for circuit in place.circuits:
            own_w = [series[step] for series in circuit.load_w]
            name: str | None = circuit.id
            while own_w and name is not None:
                for n in range(3):
                    loads_w[name][n] += own_w[n] if len(own_w) == 3 else own_w[0] / 3
                name = parents[name]
        rooms: dict[tuple[str | None, str | None], float] = {}
        for circuit in place.circuits:
            load_w = loads_w[circuit.id]
            rooms[circuit.id, None] = max(0.0, circuit.limit_w - abs(sum(load_w)))
            for phase, most_w, part_w in zip(
                ("L1", "L2", "L3"), circuit.phase_limits_w or (), load_w, strict=False
            ):
                rooms[circuit.id, phase] = max(0.0, most_w - abs(part_w))
        for phase, most_w in zip(("L1", "L2", "L3"), place.phase_limits_w or (), strict=False):
            rooms[None, phase] = max(0.0, most_w - self.buildings_w[place.id][step] / 3)
        return rooms

    def _choose(self, car: _Car, spot: Evse, step: int, free_w: float) -> float:
        vehicle, hours = car.vehicle, self.problem.hours
        share = 1.0
        if spot.phases and spot.current_type == "AC":
            share = min(_phases(car), len(spot.phases)) / len(spot.phases)
        if any(start <= step < end for start, end in spot.unavailable):
            return 0.0
        for each in vehicle.overrides:
            if each.from_step <= step < each.to_step:
                if each.kind == "hold":
                    return 0.0
                free_w = free_w if each.power_w is None else min(free_w, each.power_w)
        if spot.bidirectional and vehicle.max_discharge_w > 0 and self.random.random() < 0.3:
            spare_wh = max(0.0, car.soc_wh - vehicle.min_soc_wh)
            give_w = spare_wh / hours * vehicle.charge_efficiency
            return -min(give_w, spot.max_power_w * share, vehicle.max_discharge_w)
        of_car_w = vehicle.max_ac_power_w if spot.current_type == "AC" else vehicle.max_dc_power_w
        room_w = max(0.0, vehicle.max_soc_wh - car.soc_wh) / hours / vehicle.charge_efficiency
        most_w = min(of_car_w, spot.max_power_w * share, room_w, free_w, self._taken_w(car))
        least_w = spot.min_power_w * share
        if most_w < least_w:
            return 0.0
        return self.random.choice([0.0, most_w, self.random.uniform(least_w, most_w)])

    def _taken_w(self, car: _Car) -> float:
        """Returns what the battery takes to the end of a step, found by halving."""
        points = car.vehicle.taper
        if not points:
            return float("inf")
        least_w, most_w = 0.0, points[0][1]
        for _ in range(60):
            power_w = (least_w + most_w) / 2
            gain_wh = power_w * car.vehicle.charge_efficiency * self.problem.hours
            if power_w <= _taper_w(points, car.soc_wh + gain_wh):
                least_w = power_w
            else:
                most_w = power_w
        return least_w

    def _use_battery(self, place: Site, step: int, import_w: float, export_w: float) -> None:
        battery = place.battery
        if battery is None or self.random.random() < 0.4:
            return
        hours, soc_wh = self.problem.hours, self.battery_wh[place.id]
        if self.random.random() < 0.5:
            room_w = max(0.0, battery.capacity_wh - soc_wh) / hours / battery.efficiency
            power_w = min(battery.max_charge_w, room_w, import_w)
        else:
            spare_w = max(0.0, soc_wh - battery.min_soc_wh) / hours * battery.efficiency
            power_w = -min(battery.max_discharge_w, spare_w, export_w)
        self.battery_w[place.id][step] = power_w
        self.battery_wh[place.id] += _stored(power_w, battery.efficiency) * hours
