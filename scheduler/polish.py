"""Cars, EVSEs and energy decided together by CP-SAT: for small problems, when there is time.

Exchanges change a few trips or a few stays at a time; where several cars have to change both at
once, and nothing on the way there is cheap, they stay where they are. Here all of them are decided
at once, over whole units of energy and a few dozen blocks of time. What comes of it is only a
proposal: the charging program says what it costs.

Left out, since the charging program sees to it: least powers, tapers, phases, peaks, flexible
loads, and what happens within a block.
"""

# The stubs of CP-SAT misdescribe sums and comparisons: that ends at this module's border.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from scheduler.candidates import Candidate, Judge
from scheduler.chains import Chains
from scheduler.parking import Key, Stay
from scheduler.view import Car, Place, Trip, View

Term = Any
"""A variable, a number, or a sum of them."""

_MOST_CHOICES = 6_000
"""Stays on EVSEs that are possible; with more of them a few seconds find nothing."""
_CHOICES_PER_S = 40_000
"""With more of them for each second of the search, building the model takes longer than that."""
_TRIED = 3
"""How many of what it finds are charged: the costs it reckons with are rounded."""
_BLOCKS = 48
_UNIT_WH = 10.0
"""At the grid's side."""
_FINE = 100
"""Parts of a unit that states of charge are counted in."""
_MONEY = 1e5
"""Units of money per euro."""
_PRIORITY = 10**9

_Proposal = tuple[Chains, Mapping[Key, int]]
"""Chains, and the EVSE of each stay."""


def polished(view: View, judge: Judge, best: Candidate, *, limit: float) -> Candidate:
    """Returns `best`, or what is better where cars and EVSEs are decided together.

    Args:
        view: the problem.
        judge: says what a proposal costs.
        best: what serves as a hint.
        limit: how long to search, in CP-SAT's deterministic seconds: about as long as real ones,
            and the same on every machine.
    """
    tried = (judge.same_trips(*each) for each in _proposals(view, best, limit))
    better = [each for each in tried if each is not None]
    return min([best, *better], key=lambda candidate: candidate.rank)


def _proposals(
    view: View, best: Candidate, limit: float
) -> Iterator[tuple[Chains, Candidate, Mapping[Key, int]]]:
    """Yields other decisions that seem better than `best`, the best first, not the hint itself."""
    if _choices(view) > min(_MOST_CHOICES, _CHOICES_PER_S * limit):
        return
    model = _Model(view)
    model.hint(best)
    found = _Found(model)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = limit
    solver.parameters.linearization_level = 2
    solver.solve(model.model, found)
    for chains, wishes in found.proposals[: -_TRIED - 1 : -1]:
        yield chains, best, wishes


def _choices(view: View) -> int:
    """Returns how many EVSEs for a stay there are about to choose from."""
    trips = [0] * len(view.cars)
    for trip in view.trips:
        for car in trip.able:
            trips[car] += 1
    stays = sum((many + 1) * (many + 2) // 2 for many in trips)
    return stays * (1 + len(view.posts) // len(view.places))


def _sum(terms: Sequence[Term]) -> Term:
    return cp_model.LinearExpr.sum(list(terms))


class _Found(cp_model.CpSolverSolutionCallback):
    """Collects what is found on the way: the charging program may like an earlier one better."""

    def __init__(self, model: _Model) -> None:
        super().__init__()
        self._model = model
        self.proposals: list[_Proposal] = []

    def on_solution_callback(self) -> None:
        chosen = [stay for stay, made in self._model.made.items() if self.value(made)]
        posts = {
            stay.key: post for (stay, post), held in self._model.held.items() if self.value(held)
        }
        chains = tuple(
            tuple(
                stay.after
                for stay in sorted(chosen, key=lambda stay: (stay.start, stay.end))
                if stay.car == car.index and stay.after >= 0
            )
            for car in self._model.view.cars
        )
        wishes = {s.key: posts.get(s.key, -1) for s in chosen if s.start < s.end}
        self.proposals.append((chains, wishes))


class _Model:
    """One problem in whole numbers."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.model = cp_model.CpModel()
        self.made: dict[Stay, cp_model.IntVar] = {}
        self.held: dict[tuple[Stay, int], cp_model.IntVar] = {}
        self._length = -(-view.steps // _BLOCKS)
        self._blocks = -(-view.steps // self._length)
        self._cost: list[Term] = []
        self._drawn: dict[tuple[int, int], list[Term]] = defaultdict(list)
        """By EVSE and block: what cars draw there, less what they give."""
        for car in view.cars:
            self._itinerary(car)
        for trip in view.trips:
            self.model.add_at_most_one(self._drivers(trip.index))
        self._one_car_at_a_time()
        for car in view.cars:
            self._energy(car)
        for place in view.places:
            self._place(place)
        served = [
            -_PRIORITY * trip.priority * made
            for trip in view.trips
            for made in self._drivers(trip.index)
        ]
        self.model.minimize(_sum([*self._cost, *served]))

    def _drivers(self, trip: int) -> list[cp_model.IntVar]:
        return [made for stay, made in self.made.items() if stay.after == trip]

    def hint(self, best: Candidate) -> None:
        """Begins with a decision."""
        stays = {(s.key, s.after): s.post for s in best.decision.stays}
        for stay, made in self.made.items():
            self.model.add_hint(made, (stay.key, stay.after) in stays)
        for (stay, post), held in self.held.items():
            if stay.before < 0 and self.view.cars[stay.car].post >= 0:
                continue  # the same variable as `made`
            self.model.add_hint(held, stays.get((stay.key, stay.after)) == post)

    def _itinerary(self, car: Car) -> None:
        """Adds the trips of a car, one after another, and where it stands between them."""
        trips = [t for t in self.view.trips if car.index in t.able and t.start >= car.free_from]
        comes: dict[int, list[cp_model.IntVar]] = defaultdict(list)
        goes: dict[int, list[cp_model.IntVar]] = defaultdict(list)
        starts: list[Trip | None] = [None, *trips]
        for before in starts:
            for after in starts:
                stay = self._stay(car, before, after)
                if stay is None:
                    continue
                made = self.made[stay] = self.model.new_bool_var("")
                goes[stay.before].append(made)
                comes[stay.after].append(made)
                if stay.start < stay.end:
                    self._hold(stay, made)
        self.model.add_exactly_one(goes[-1])
        self.model.add_exactly_one(comes[-1])
        for trip in trips:
            self.model.add(_sum(comes[trip.index]) == _sum(goes[trip.index]))

    def _stay(self, car: Car, before: Trip | None, after: Trip | None) -> Stay | None:
        view = self.view
        site, since, ready = car.site, car.free_from, car.free_from
        if before is not None:
            site, since, ready = before.dropoff, before.end, before.end + view.turnaround
        if after is None:
            start = min(since, view.steps)
            return Stay(car.index, site, start, view.steps, before.index if before else -1, -1)
        if after is before or after.pickup != site or after.start < ready:
            return None
        return Stay(
            car.index, site, since, after.start, before.index if before else -1, after.index
        )

    def _hold(self, stay: Stay, made: cp_model.IntVar) -> None:
        kept = self.view.cars[stay.car].post if stay.before < 0 else -1
        if kept >= 0:
            self.held[stay, kept] = made
            return
        choices: list[cp_model.IntVar] = []
        for post in self.view.places[stay.site].posts:
            if self.view.posts[post].open[stay.start]:
                choices.append(self.model.new_bool_var(""))
                self.held[stay, post] = choices[-1]
        self.model.add(_sum(choices) <= made)

    def _one_car_at_a_time(self) -> None:
        on: dict[tuple[int, int], list[cp_model.IntVar]] = defaultdict(list)
        for (stay, post), held in self.held.items():
            for step in range(stay.start, stay.end):
                on[post, step].append(held)
        for holders in {tuple(map(id, each)): each for each in on.values()}.values():
            self.model.add_at_most_one(holders)

    def _spans(self) -> list[range]:
        length, steps = self._length, self.view.steps
        return [range(n * length, min((n + 1) * length, steps)) for n in range(self._blocks)]

    def _energy(self, car: Car) -> None:
        """Adds what a car holds at the end of each block, and before each trip."""
        model, view = self.model, self.view
        gained = self._gained(car)
        unit_wh = _UNIT_WH / _FINE
        low = int(np.floor(min(car.low_wh, car.soc_wh) / unit_wh))
        high = int(np.ceil(car.most_wh / unit_wh))
        state: Term = round(car.soc_wh / unit_wh)
        made: dict[int, list[cp_model.IntVar]] = defaultdict(list)
        for stay, variable in self.made.items():
            if stay.car == car.index and stay.after >= 0:
                made[stay.after].append(variable)
        for number, span in enumerate(self._spans()):
            after = model.new_int_var(low, high, "")
            taken: list[Term] = []
            for index, ways in made.items():
                trip, driven = view.trips[index], _sum(ways)
                if trip.start not in span:
                    continue
                drive = round(trip.drive_wh(car) / unit_wh)
                need = int(trip.need_wh(car) / unit_wh) - 5
                # What a block that it leaves in brings before is for the charging program to say.
                start = state if trip.start == span.start else state + gained[number]
                model.add(start >= low + (need - low) * driven)
                taken.append(drive * driven)
            model.add(after == state + gained[number] - _sum(taken))
            state = after
        worth = view.problem.terminal_value_per_kwh * unit_wh / 1000 * _MONEY
        self._cost.append(-worth * state)

    def _gained(self, car: Car) -> list[Term]:
        """Returns what a car's battery gains by block, and notes what it draws where."""
        view, spans = self.view, self._spans()
        where: dict[tuple[int, int], list[tuple[cp_model.IntVar, int]]] = defaultdict(list)
        for (stay, post), held in self.held.items():
            if stay.car != car.index:
                continue
            for number in range(stay.start // self._length, -(-stay.end // self._length)):
                span = spans[number]
                steps = [s for s in span if stay.start <= s < stay.end and view.posts[post].open[s]]
                if steps:
                    where[post, number].append((held, len(steps)))
        gained: list[list[Term]] = [[] for _ in spans]
        for (post, number), holders in where.items():
            place = view.posts[post]
            step_units = view.hours / _UNIT_WH
            most = place.power_w(car) * step_units
            back = place.back_w(car) * step_units
            longest = max(steps for _, steps in holders)
            draws = self.model.new_int_var(0, int(most * longest), "")
            room = _sum([int(most * steps) * held for held, steps in holders])
            self.model.add(draws <= room)
            net: Term = draws
            stores = round(_FINE * car.efficiency)
            gains: Term = stores * draws
            if back > 0:
                gives = self.model.new_int_var(0, int(back * longest), "")
                limit = [int(back * steps) * held for held, steps in holders]
                self.model.add(gives <= _sum(limit))
                net = draws - gives
                gains = stores * draws - round(_FINE / car.efficiency) * gives
            gained[number].append(gains)
            self._drawn[post, number].append(net)
        return [_sum(each) for each in gained]

    def _place(self, place: Place) -> None:
        view, model = self.view, self.model
        stored = self._battery(place)
        step_units = view.hours / _UNIT_WH
        for number, span in enumerate(self._spans()):
            steps = slice(span.start, span.stop)
            cars: list[Term] = []
            on: dict[int, list[Term]] = defaultdict(list)
            for post in place.posts:
                for net in self._drawn[post, number]:
                    cars.append(net)
                    for circuit in view.posts[post].circuits:
                        on[circuit].append(net)
            for limit in place.circuit_limits:
                if limit.number in on:
                    total = _sum(on[limit.number])
                    least, most = limit.least_w[steps].sum(), limit.most_w[steps].sum()
                    model.add(total <= int(most * step_units))
                    model.add(total >= int(np.ceil(least * step_units)))
            drawn = _sum(cars)
            if place.no_draw[steps].any():
                model.add(drawn <= 0)
            bought = model.new_int_var(0, _up(place.import_w[steps].sum() * step_units), "")
            sold = model.new_int_var(0, _up(place.export_w[steps].sum() * step_units), "")
            sun = model.new_int_var(0, _up(place.pv_w[steps].sum() * step_units), "")
            load = round(float(place.load_w[steps].sum()) * step_units)
            model.add(bought - sold == load + drawn + stored[number] - sun)
            unit_kwh = _UNIT_WH / 1000 * _MONEY
            buy, sell = float(place.buy[steps].mean()), float(place.sell[steps].mean())
            if sell > buy:
                buys = model.new_bool_var("")
                model.add(bought == 0).only_enforce_if(~buys)
                model.add(sold == 0).only_enforce_if(buys)
            self._cost += [buy * unit_kwh * bought, -sell * unit_kwh * sold]

    def _battery(self, place: Place) -> Sequence[Term]:
        battery, view, model = place.battery, self.view, self.model
        if battery is None:
            return [0] * self._blocks
        unit_wh = _UNIT_WH / _FINE
        state: Term = round(battery.soc_wh / unit_wh)
        low, high = round(battery.min_soc_wh / unit_wh), round(battery.capacity_wh / unit_wh)
        powers: list[Term] = []
        for span in self._spans():
            units = view.hours * len(span) / _UNIT_WH
            takes = model.new_int_var(0, int(battery.max_charge_w * units), "")
            gives = model.new_int_var(0, int(battery.max_discharge_w * units), "")
            after = model.new_int_var(min(low, round(battery.soc_wh / unit_wh)), high, "")
            gain = round(_FINE * battery.efficiency) * takes
            model.add(after == state + gain - round(_FINE / battery.efficiency) * gives)
            powers.append(takes - gives)
            state = after
        worth = view.problem.terminal_value_per_kwh * unit_wh / 1000 * _MONEY
        self._cost.append(-worth * state)
        return powers


def _up(value: float) -> int:
    return int(np.ceil(value))
