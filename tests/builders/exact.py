"""The exact oracle: the best plan of a small problem, by CP-SAT over whole numbers.

It knows the types of problem and plan and the rules of planning, and nothing of how `scheduler`
plans. The model is indexed by time and in whole grains (`tests.builders.grains`): which car serves
which trip, which EVSE each stay holds, and the power of each car in each step are its variables;
served priority is made as large as can be, then the cost of all plans that serve so much as small.

Where staff moves cars, the EVSE of each step of a stay is a variable
(`tests.builders.exact_moves`).

Not in it: visits to a fast charger that no staff makes, losses of what gives energy back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ortools.sat.python import cp_model

from scheduler.plan import Assignment, Charging, Move, Plan, Stay, Unserved
from scheduler.problem import Evse, Problem, Site, Vehicle
from tests.builders.exact_moves import Stand, Turned, is_closed
from tests.builders.grains import GRAIN_W
from tests.builders.plans import plan_of

_FIRST_STEPS = 4
_PRICE_UNIT = 10_000
"""Prices are whole numbers of 1/10,000."""
_SHARE_UNIT = 20
"""Efficiencies are whole numbers of 1/20."""


@dataclass(frozen=True)
class Optimum:
    """The best plan, proved to be so."""

    plan: Plan
    priority: int


class NotProved(Exception):
    """The oracle has not come to an end within its limit."""


def best_plan(problem: Problem, *, limit: float = 20.0) -> Optimum:
    """Returns the best plan of all that obey the rules.

    Args:
        problem: in whole grains.
        limit: in CP-SAT's deterministic seconds, which are the same on every machine.

    Raises:
        NotProved: if the limit was too short.
    """
    model = _Model(problem)
    priority = model.most_priority(limit)
    model.solve_for_cost(priority, limit)
    return Optimum(model.plan(), priority)


def most_priority(problem: Problem, *, limit: float = 20.0) -> int:
    """Returns how much priority can be served at most.

    Raises:
        NotProved: if the limit was too short.
    """
    return _Model(problem).most_priority(limit)


def _whole(value: float, unit: float = 1.0) -> int:
    number = round(value / unit)
    assert abs(number - value / unit) < 1e-6, f"{value} is no whole number of {unit}"
    return number


class _Model:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model = cp_model.CpModel()
        self.sites = {site.id: site for site in problem.sites}
        self.trips = {trip.id: trip for trip in problem.bookings}
        self.made: dict[Stand, cp_model.IntVar] = {}
        self.held: dict[tuple[Stand, str, int], cp_model.IntVar] = {}
        self.turned: dict[Stand, Turned] = {}
        self.drives: dict[tuple[str, str], cp_model.LinearExprT] = {}
        self.power: dict[tuple[str, str, int], cp_model.IntVar] = {}
        self.soc: dict[tuple[str, int], cp_model.IntVar] = {}
        self.cost: list[cp_model.LinearExprT] = []
        self.battery: dict[tuple[str, int], cp_model.IntVar] = {}
        self.sun: dict[tuple[str, int], cp_model.IntVar] = {}
        for car in problem.vehicles:
            self._itinerary(car)
        for trip in problem.bookings:
            self.model.add_at_most_one(self._who_drives(trip.id))
        self._one_car_per_evse()
        for car in problem.vehicles:
            self._energy(car)
        for site in problem.sites:
            self._site(site)

    # Places

    def _may_drive(self, car: Vehicle) -> list[str]:
        return [
            trip.id
            for trip in self.problem.bookings
            if car.vehicle_class in trip.classes
            and trip.vehicle in (None, car.id)
            and car.available_from <= trip.start_step
        ]

    def _itinerary(self, car: Vehicle) -> None:
        """Adds the trips of one car, one after another, and where it stands between them."""
        trips = self._may_drive(car)
        comes: dict[str | None, list[cp_model.IntVar]] = defaultdict(list)
        goes: dict[str | None, list[cp_model.IntVar]] = defaultdict(list)
        for before in (None, *trips):
            site, since, ready = car.site, car.available_from, car.available_from
            if before is not None:
                site, since = self.trips[before].dropoff_site, self.trips[before].end_step
                ready = since + self.problem.turnaround_steps
            for after in (None, *trips):
                if after is not None:
                    trip = self.trips[after]
                    if trip.pickup_site != site or trip.start_step < ready or after == before:
                        continue
                until = self.problem.steps if after is None else self.trips[after].start_step
                stand = Stand(car, self.sites[site], since, until, before, after)
                made = self.model.new_bool_var("")
                self.made[stand] = made
                goes[before].append(made)
                comes[after].append(made)
                if since < until:
                    self._hold(stand, made)
        self.model.add_exactly_one(goes[None])
        self.model.add_exactly_one(comes[None])
        for trip in trips:
            driven = cp_model.LinearExpr.sum(comes[trip])
            self.model.add(driven == cp_model.LinearExpr.sum(goes[trip]))
            self.drives[car.id, trip] = driven

    def _hold(self, stand: Stand, made: cp_model.IntVar) -> None:
        """Lets a stay hold an EVSE, or none; one that begins on an EVSE keeps it."""
        if stand.site.move_price is not None:
            turned = self.turned[stand] = Turned(self.model, stand, made)
            self.held.update({(stand, *at): held for at, held in turned.held.items()})
            price = stand.site.move_price * _PRICE_UNIT * _SHARE_UNIT * 1000 / GRAIN_W
            self.cost += [
                _whole(price / self.problem.hours) * each for each in turned.moved.values()
            ]
            return
        kept = stand.car.evse if stand.before is None else None
        choices: dict[str, cp_model.IntVar] = {}
        for evse in stand.site.evses:
            if kept is None and not is_closed(evse, stand.start):
                choices[evse.id] = self.model.new_bool_var("")
        self.model.add(cp_model.LinearExpr.sum(list(choices.values())) <= made)
        if kept is not None:
            choices[kept] = made
        for evse, held in choices.items():
            self.held.update({(stand, evse, at): held for at in range(stand.start, stand.end)})

    def _who_drives(self, trip: str) -> list[cp_model.IntVar]:
        return [made for stand, made in self.made.items() if stand.after == trip]

    def _one_car_per_evse(self) -> None:
        """Adds that no step of an EVSE is held twice."""
        steps: dict[tuple[str, int], list[cp_model.IntVar]] = defaultdict(list)
        for (_, evse, step), held in self.held.items():
            steps[evse, step].append(held)
        for holders in steps.values():
            self.model.add_at_most_one(holders)

    # Energy

    def _energy(self, car: Vehicle) -> None:
        """Adds a car's powers and states of charge, in grains of that car."""
        problem, model = self.problem, self.model
        stored_wh = GRAIN_W * problem.hours * car.charge_efficiency
        least, most = _whole(car.min_soc_wh, stored_wh), _whole(car.max_soc_wh, stored_wh)
        start = _whole(car.soc_wh, stored_wh)
        assert least <= start <= most, "a car that starts out of its bounds"
        powers = self._powers(car)
        taken: dict[int, list[cp_model.LinearExprT]] = defaultdict(list)
        per_km_wh = car.consumption_wh_per_km
        for trip_id in self._may_drive(car):
            trip, driven = self.trips[trip_id], self.drives[car.id, trip_id]
            drive = _whole(trip.distance_km * per_km_wh, stored_wh)
            taken[trip.start_step].append(drive * driven)
        for step in range(problem.steps + 1):
            self.soc[car.id, step] = model.new_int_var(least, most, "")
        model.add(self.soc[car.id, 0] == start)
        for step in range(problem.steps):
            gained = cp_model.LinearExpr.sum(powers[step])
            lost = cp_model.LinearExpr.sum(taken[step])
            model.add(self.soc[car.id, step + 1] == self.soc[car.id, step] + gained - lost)
        for trip_id in self._may_drive(car):
            trip, driven = self.trips[trip_id], self.drives[car.id, trip_id]
            km = trip.distance_km + trip.reserve_km
            need = least + _whole(km * per_km_wh, stored_wh)
            if need > most:
                model.add(driven == 0)
            else:
                model.add(self.soc[car.id, trip.start_step] >= least + (need - least) * driven)
        worth = _whole(problem.terminal_value_per_kwh * _PRICE_UNIT)
        share = _whole(car.charge_efficiency * _SHARE_UNIT)
        self.cost.append(-worth * share * self.soc[car.id, problem.steps])

    def _powers(self, car: Vehicle) -> dict[int, list[cp_model.IntVar]]:
        """Adds the power of a car on each EVSE in each step, in grains at the grid side."""
        where: dict[tuple[str, int], list[cp_model.IntVar]] = defaultdict(list)
        for (stand, evse, step), held in self.held.items():
            if stand.car.id == car.id:
                where[evse, step].append(held)
        powers: dict[int, list[cp_model.IntVar]] = defaultdict(list)
        evses = {evse.id: evse for site in self.problem.sites for evse in site.evses}
        for (name, step), holders in where.items():
            evse = evses[name]
            of_car_w = car.max_ac_power_w if evse.current_type == "AC" else car.max_dc_power_w
            most = _whole(min(evse.max_power_w, of_car_w), GRAIN_W)
            gives = evse.bidirectional and car.max_discharge_w > 0
            assert not gives or car.charge_efficiency == 1, "losses of what gives energy back"
            back = _whole(min(evse.max_power_w, car.max_discharge_w), GRAIN_W) if gives else 0
            if is_closed(evse, step) or most + back == 0:
                continue
            power = self.model.new_int_var(-back, most, "")
            here = cp_model.LinearExpr.sum(holders)
            self.model.add(power <= most * here)
            self.model.add(power >= -back * here)
            self._least(power, evse, step, most, back)
            for still in self._while_moved(car, name, step):
                self.model.add(power <= most - most * still)
                self.model.add(power >= back * still - back)
            powers[step].append(power)
            self.power[car.id, name, step] = power
        return powers

    def _while_moved(self, car: Vehicle, evse: str, step: int) -> list[cp_model.IntVar]:
        """Returns what keeps a car from charging in a step: it, or who was there, is moved."""
        found: list[cp_model.IntVar] = []
        for stand, turned in self.turned.items():
            if stand.car.id == car.id and step in turned.moved:
                found.append(turned.moved[step])
            if (evse, step) in turned.went:
                found.append(turned.went[evse, step])
        return found

    def _least(self, power: cp_model.IntVar, evse: Evse, step: int, most: int, back: int) -> None:
        least = _whole(evse.min_power_w, GRAIN_W)
        if step >= _FIRST_STEPS or least == 0:
            return
        charges = self.model.new_bool_var("")
        if least > most:
            self.model.add(charges == 0)
        self.model.add(power <= most * charges)
        self.model.add(power >= (least + back) * charges - back)

    # Sites

    def _site(self, site: Site) -> None:
        model = self.model
        parents = {circuit.id: circuit.parent for circuit in site.circuits}
        stored = self._site_battery(site)
        for step in range(self.problem.steps):
            cars: list[cp_model.IntVar] = []
            on: dict[str, list[cp_model.IntVar]] = defaultdict(list)
            for evse in site.evses:
                here = [
                    self.power[car.id, evse.id, step]
                    for car in self.problem.vehicles
                    if (car.id, evse.id, step) in self.power
                ]
                cars += here
                circuit = evse.circuit
                while circuit is not None:
                    on[circuit] += here
                    circuit = parents[circuit]
            for circuit in site.circuits:
                total = cp_model.LinearExpr.sum(on[circuit.id])
                model.add_linear_constraint(
                    total, -_whole(circuit.limit_w, GRAIN_W), _whole(circuit.limit_w, GRAIN_W)
                )
            self._grid(site, step, cars, stored[step])

    def _site_battery(self, site: Site) -> list[cp_model.LinearExprT]:
        """Returns the power of the site's battery, by step."""
        battery, steps = site.battery, self.problem.steps
        if battery is None:
            return [0] * steps
        assert battery.efficiency == 1, "losses of what gives energy back"
        stored_wh = GRAIN_W * self.problem.hours
        low, high = _whole(battery.min_soc_wh, stored_wh), _whole(battery.capacity_wh, stored_wh)
        state: cp_model.LinearExprT = _whole(battery.soc_wh, stored_wh)
        give, take = _whole(battery.max_discharge_w, GRAIN_W), _whole(battery.max_charge_w, GRAIN_W)
        powers: list[cp_model.LinearExprT] = []
        for step in range(steps):
            power = self.model.new_int_var(-give, take, "")
            after = self.model.new_int_var(low, high, "")
            self.model.add(after == state + power)
            self.battery[site.id, step] = power
            powers.append(power)
            state = after
        worth = _whole(self.problem.terminal_value_per_kwh * _PRICE_UNIT)
        self.cost.append(-worth * _SHARE_UNIT * state)
        return powers

    def _grid(
        self, site: Site, step: int, cars: Iterable[cp_model.IntVar], stored: cp_model.LinearExprT
    ) -> None:
        model = self.model
        load = _whole(site.load_power_w[step], GRAIN_W)
        most_sun = _whole(site.pv_power_w[step], GRAIN_W)
        limit_in = _whole(site.import_limit_w, GRAIN_W)
        limit_out = _whole(site.export_limit_w, GRAIN_W)
        assert load >= 0, "a building that gives by itself"
        drawn = cp_model.LinearExpr.sum(list(cars))
        if load - most_sun > limit_in:
            model.add(drawn <= 0)
            limit_in = load - most_sun
        bought = model.new_int_var(0, limit_in, "")
        sold = model.new_int_var(0, limit_out, "")
        sun = model.new_int_var(0, most_sun, "")
        model.add(bought - sold == load + drawn + stored - sun)
        buy = _whole(site.import_price_per_kwh[step] * _PRICE_UNIT)
        sell = _whole(site.export_price_per_kwh[step] * _PRICE_UNIT)
        if sell > buy:
            buys = model.new_bool_var("")
            model.add(bought <= limit_in * buys)
            model.add(sold <= limit_out - limit_out * buys)
        self.sun[site.id, step] = sun
        self.cost += [_SHARE_UNIT * buy * bought, -_SHARE_UNIT * sell * sold]

    # Solving

    def _solver(self, limit: float) -> cp_model.CpSolver:
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1  # the same answer on every machine, and the quicker one
        solver.parameters.max_deterministic_time = limit
        solver.parameters.linearization_level = 2
        return solver

    def most_priority(self, limit: float) -> int:
        self.served = cp_model.LinearExpr.sum(
            [
                trip.priority * each
                for trip in self.problem.bookings
                for each in self._who_drives(trip.id)
            ]
        )
        self.model.maximize(self.served)
        self.solver = self._solver(limit)
        if self.solver.solve(self.model) != cp_model.OPTIMAL:
            raise NotProved
        return round(self.solver.objective_value)

    def solve_for_cost(self, priority: int, limit: float) -> None:
        """Finds the cheapest of all plans that serve so much priority."""
        for number, value in enumerate(self.solver.response_proto.solution):
            self.model.add_hint(self.model.get_int_var_from_proto_index(number), value)
        self.model.add(self.served >= priority)
        self.model.minimize(cp_model.LinearExpr.sum(self.cost))
        self.solver = self._solver(limit)
        if self.solver.solve(self.model) != cp_model.OPTIMAL:
            raise NotProved

    # The answer

    def plan(self) -> Plan:
        """Returns what was found as a plan."""
        problem, value = self.problem, self.solver.value
        stored_wh = {c.id: GRAIN_W * problem.hours * c.charge_efficiency for c in problem.vehicles}
        stays: list[Stay] = []
        assignments: list[Assignment] = []
        moves: list[Move] = []
        for stand, made in self.made.items():
            if not value(made):
                continue
            car = stand.car
            if stand.after is not None:
                soc_wh = value(self.soc[car.id, stand.end]) * stored_wh[car.id]
                assignments.append(Assignment(stand.after, car.id, soc_wh))
            if stand in self.turned:
                own, changes = self.turned[stand].found(self.solver)
                stays += own
                moves += changes
            elif stand.start < stand.end:
                held = [e.id for e in stand.site.evses if (stand, e.id, stand.start) in self.held]
                at = next((e for e in held if value(self.held[stand, e, stand.start])), None)
                stays.append(Stay(car.id, stand.site.id, at, stand.start, stand.end))
        done = {each.booking for each in assignments}
        return plan_of(
            problem,
            assignments=assignments,
            unserved=[
                Unserved(trip.id, "NOT_ENOUGH_ENERGY", "")
                for trip in problem.bookings
                if trip.id not in done
            ],
            stays=sorted(stays, key=lambda stay: (stay.vehicle, stay.from_step)),
            charging=[
                Charging(car, evse, step, step + 1, float(GRAIN_W * value(power)))
                for (car, evse, step), power in self.power.items()
                if value(power)
            ],
            battery_w=self._series(self.battery),
            pv_used_w=self._series(self.sun),
            moves=moves,
        )

    def _series(self, found: dict[tuple[str, int], cp_model.IntVar]) -> dict[str, list[float]]:
        series: dict[str, list[float]] = {}
        for (name, _), power in found.items():
            series.setdefault(name, []).append(float(GRAIN_W * self.solver.value(power)))
        return series
