"""Which cars staff moves: where cars wait for an EVSE, they may take turns at it.

A plan without moves is given. As long as a car has none, or can't be charged enough where it
stands, it is offered each EVSE of its site at the times when staff is there: who holds the EVSE
then gives it up, and who needs it next finds it free. What that may save at the prices of the plan
chooses the few that the charging program tries, and a move is made where it saves more than it
costs, or a booking. Moves come last: exchanges of trips between cars cost nobody a walk.
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scheduler.candidates import SHORT_WH, Candidate
from scheduler.chains import Chains, calling_at, fits, priority_served, served
from scheduler.charge import Charge
from scheduler.moving import (
    Move,
    begins,
    move_at,
    moves_cost,
    split,
    staffed,
    with_moves,
    without_idle,
)
from scheduler.parking import Key, Parking, Stay, stays_of
from scheduler.result import Decision, outcome
from scheduler.view import Bools, Floats, View

_LEAST_GAIN = 1e-4
_LACK_COST = 20.0
"""Per kWh that a trip lacks, in what a move may save."""
_ROUNDS = 12
"""How many cars are moved in one plan, at most."""
_PROGRAMS, _LEAST_PROGRAMS = 600, 12
"""How many charging programs are tried for one plan by its number of cars, and at least: 20 with 30
cars at 6 sites, which take a second."""
_TRIED = 4
_TIMES = 4
"""How many times of a stay are looked at, beside those at which an EVSE becomes idle."""
_BOOKINGS = 3
_CARS = 3
"""For how many bookings without a car, and on how many cars each, moves are looked for."""

Charger = Callable[[View, Sequence[Stay]], Charge | None]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where cars stand, moves included, and how they are charged there."""

    chains: Chains
    stays: Sequence[Stay]
    moves: tuple[Move, ...]
    charge: Charge
    cost: float
    """With all penalties and moves."""

    @property
    def short_wh(self) -> float:
        return sum(wh for wh in self.charge.short_wh.values() if wh > SHORT_WH)

    def betters(self, other: _Layout) -> bool:
        """Returns whether less is lacking than there, or as little costs less."""
        if abs(self.short_wh - other.short_wh) > SHORT_WH:
            return self.short_wh < other.short_wh
        return self.cost < other.cost - _LEAST_GAIN


@dataclass(frozen=True, slots=True)
class _Offer:
    """A few moves that bring a car to an EVSE; `gain` is about what they save."""

    gain: float
    moves: tuple[tuple[Key, int, int], ...]
    """Which stay, at which step, to which EVSE (-1: none); later ones name what earlier made."""


class Turns:
    """Looks for moves in the plans of one problem."""

    def __init__(self, view: View, charger: Charger) -> None:
        self._view, self._charger = view, charger
        self._left = max(_LEAST_PROGRAMS, _PROGRAMS // max(len(view.cars), 1))
        self._staffed = [staffed(view, place.index) for place in view.places]

    @property
    def are_possible(self) -> bool:
        """Whether staff moves cars anywhere."""
        return any(bool(there.any()) for there in self._staffed)

    def with_moves(self, candidate: Candidate) -> Candidate | None:
        """Returns a lawful candidate with moves that serves more, or as much for less, or None."""
        decision = candidate.decision
        plain = self._charged(decision.chains, decision.stays, ())
        if plain is None or plain.short_wh > 0:
            return None
        best = self._settled(plain)
        for chains in self._longer(best):
            if self._left <= 0:
                break
            held = {stay.key: stay.post for stay in decision.stays if stay.post >= 0}
            stays = Parking(self._view).park(stays_of(self._view, chains), {}, held)
            longer = self._charged(chains, stays, ())
            longer = longer and self._settled(longer)
            if longer is not None and longer.short_wh == 0:
                best = longer
                break
        return self._finished(best, candidate) if best.moves else None

    def _longer(self, layout: _Layout) -> Iterator[Chains]:
        """Yields chains with one booking more that no car serves yet."""
        view, chains = self._view, layout.chains
        done = served(chains)
        here = calling_at(view, chains)
        left = [trip for trip in view.trips if trip.cars and trip.index not in done]
        left.sort(key=lambda trip: (-trip.priority, trip.start, trip.index))
        for trip in left[:_BOOKINGS]:
            able = (number for number in trip.cars if number in here[trip.pickup])
            longer = ((n, fits(view, view.cars[n], chains[n], trip)) for n in able)
            some = [(number, chain) for number, chain in longer if chain is not None]
            for number, chain in some[:_CARS]:
                yield (*chains[:number], chain, *chains[number + 1 :])

    def _charged(
        self, chains: Chains, stays: Sequence[Stay], moves: tuple[Move, ...]
    ) -> _Layout | None:
        self._left -= 1
        solved = self._charger(with_moves(self._view, moves), stays)
        if solved is None:
            return None
        cost = solved.objective + moves_cost(self._view, moves)
        return _Layout(chains, stays, moves, solved, cost)

    def _settled(self, layout: _Layout) -> _Layout:
        """Returns a layout that no offer tried betters."""
        for _ in range(_ROUNDS):
            offers = sorted(self._offers(layout), key=lambda offer: -offer.gain)
            best = layout
            for offer in _different(offers)[: min(_TRIED, max(self._left, 0))]:
                tried = self._made(layout, offer)
                if tried is not None and tried.betters(best):
                    best = tried
            if best is layout:
                break
            layout = best
        return layout

    def _made(self, layout: _Layout, offer: _Offer) -> _Layout | None:
        stays, moves = list(layout.stays), layout.moves
        sites = {stay.key: stay.site for stay in stays}
        for key, step, post in offer.moves:
            move = move_at(self._view, len(moves), sites[key], step)
            sites[key[0], move.index] = move.pickup
            stays, moves = split(stays, key, move, post), (*moves, move)
        return self._charged(layout.chains, *without_idle(self._view, stays, moves))

    def _offers(self, layout: _Layout) -> Iterator[_Offer]:
        view = with_moves(self._view, layout.moves)
        for number, stay in enumerate(layout.stays):
            lacks_wh = layout.charge.short_wh.get(stay.key, 0.0)
            waits = stay.post < 0 or lacks_wh > SHORT_WH
            if waits and self._may_move(stay) and self._staffed[stay.site].any():
                yield from _Waiting(view, layout, number, lacks_wh, self._staffed[stay.site]).all()

    def _may_move(self, stay: Stay) -> bool:
        return self._view.problem.vehicles[stay.car].may_be_moved

    def _finished(self, layout: _Layout, plain: Candidate) -> Candidate | None:
        """Returns a candidate with lawful powers, if it still is better than the plain one."""
        view = self._view
        solved = layout.charge
        if solved.finish is not None:
            finished = solved.finish()
            if finished is None or any(wh > SHORT_WH for wh in finished.short_wh.values()):
                return None
            solved = finished
        decision = Decision(
            layout.chains,
            layout.stays,
            solved.powers_w,
            solved.battery_w,
            solved.flexible_w,
            layout.moves,
        )
        priority = priority_served(view, layout.chains)
        costs = [outcome(view, each).cost for each in (decision, plain.decision)]
        if priority <= plain.priority and costs[0] > costs[1] - _LEAST_GAIN:
            return None
        objective = solved.objective + moves_cost(view, layout.moves)
        return replace(plain, decision=decision, priority=priority, objective=objective)


def _different(offers: Sequence[_Offer]) -> list[_Offer]:
    """Returns the best offer of each car and EVSE, and then the others."""
    firsts: dict[tuple[Key, int], _Offer] = {}
    for offer in offers:
        key, _, post = offer.moves[0]
        firsts.setdefault((key, post), offer)
    chosen = list(firsts.values())
    return [*chosen, *(offer for offer in offers if offer not in chosen)]


class _Waiting:
    """One stay that could use an EVSE, or another one."""

    def __init__(
        self, view: View, layout: _Layout, number: int, lacks_wh: float, there: Bools
    ) -> None:
        self._view, self._layout, self._there = view, layout, there
        self._stay, self._lacks_wh = layout.stays[number], lacks_wh
        self._car = view.cars[self._stay.car]
        place = view.places[self._stay.site]
        marginal = layout.charge.marginal
        self._price: Floats = place.buy if marginal is None else marginal[place.index]
        self._worth = max(view.problem.terminal_value_per_kwh, float(self._price.max()))
        self._move_price = view.problem.sites[place.index].move_price or 0.0

    def all(self) -> Iterator[_Offer]:
        """Yields what may be worth its moves."""
        view, stay = self._view, self._stay
        for index in view.places[stay.site].posts:
            post = view.posts[index]
            if index == stay.post or post.power_w(self._car) <= 0:
                continue
            holders = [
                (n, other)
                for n, other in enumerate(self._layout.stays)
                if other.post == index and other.start < stay.end and stay.start < other.end
            ]
            for step in self._times(holders):
                if post.open[step]:
                    offer = self._offer(index, holders, step)
                    if offer is not None and offer.gain > 0:
                        yield offer

    def _times(self, holders: list[tuple[int, Stay]]) -> list[int]:
        """Returns when the car may come: some times of its stay, and when others need no more."""
        stay = self._stay
        last = min(stay.end - 1, self._view.steps - 1)
        able = np.flatnonzero(self._there[: max(last, 0)])
        able = able[able > begins(self._view, stay)]
        if not len(able):
            return []
        wanted = np.linspace(0, len(able) - 1, _TIMES).astype(np.int64).tolist()
        idle = [other.end for _, other in holders]
        for n, other in holders:
            flows = np.flatnonzero(np.abs(self._layout.charge.powers_w[n]) > 1)
            idle.append(other.start + (int(flows[-1]) + 1 if len(flows) else 1))
        wanted += np.searchsorted(able, [at for at in idle if at <= able[-1]]).tolist()
        return sorted({int(able[n]) for n in wanted})

    def _offer(self, post: int, holders: list[tuple[int, Stay]], step: int) -> _Offer | None:
        """Returns what brings the car to an EVSE at a step, and away before the next one comes."""
        view, stay = self._view, self._stay
        holder: tuple[int, Stay] | None = None
        until = stay.end
        for n, other in holders:
            since = begins(view, other)
            if since > step:
                until = min(until, since)
            elif step < other.end:
                holder = n, other
                if since == step or not view.problem.vehicles[other.car].may_be_moved:
                    return None
        moves = [(stay.key, step, post)]
        loss = 0.0
        if holder is not None:
            freed = stay.post if self._suits(stay.post, holder[1], step) else -1
            moves.append((holder[1].key, step, freed))
            loss = self._lost(holder[0], step) if freed < 0 else 0.0
        if until < stay.end:
            until -= 1
            if until <= step + 1 or not self._there[until]:
                return None
            first = len(view.trips)
            moves.append(((stay.car, first), until, -1))
        gain = self._gained(post, step + 1, until) - loss
        return _Offer(gain - self._move_price * len(moves), tuple(moves))

    def _suits(self, post: int, other: Stay, step: int) -> bool:
        """Returns whether who gives up its EVSE can have the one that the car leaves."""
        view = self._view
        return (
            post >= 0
            and other.end <= self._stay.end
            and bool(view.posts[post].open[step])
            and view.posts[post].power_w(view.cars[other.car]) > 0
        )

    def _gained(self, post: int, start: int, end: int) -> float:
        """Returns what an EVSE saves at most: what the car lacks, or energy at the best prices."""
        view, car = self._view, self._car
        each_kwh = view.posts[post].power_w(car) / 1000 * view.hours * car.efficiency
        useful_kwh = (car.high_wh - min(car.low_wh, car.soc_wh)) / 1000
        prices = np.sort(self._price[start:end]) / car.efficiency
        many = min(len(prices), int(np.ceil(useful_kwh / each_kwh)))
        kwh = min(many * each_kwh, useful_kwh)
        short = min(kwh, self._lacks_wh / 1000) * _LACK_COST
        return short + float(np.maximum(self._worth - prices[:many], 0.0).sum()) * each_kwh

    def _lost(self, holder: int, step: int) -> float:
        """Returns what it costs at most that who holds the EVSE gives it up."""
        view, stay = self._view, self._layout.stays[holder]
        car = view.cars[stay.car]
        power_w = np.maximum(self._layout.charge.powers_w[holder][step - stay.start :], 0.0)
        prices = self._price[step : step + len(power_w)] / car.efficiency
        saved = np.maximum(self._worth - prices, 0.0) * power_w
        return float(saved.sum()) / 1000 * view.hours * car.efficiency
