"""What a car that could use an EVSE, or another one, may be offered: a few moves by staff each.

An offer says which cars are moved when, and about what that saves at the prices of a plan; which
offers are tried, and taken, is decided in `scheduler.turns`.
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.candidates import SHORT_WH
from scheduler.chains import Chains
from scheduler.charge import Charge
from scheduler.moving import Move, begins, comes_by_itself
from scheduler.parking import Key, Stay
from scheduler.view import Bools, Floats, View

LEAST_GAIN = 1e-4
LACK_COST = 20.0
"""Per kWh that a trip lacks, in what a move may save."""
_TIMES = 4
"""How many times of a stay are looked at, beside those at which an EVSE becomes idle."""

STEPS_BEFORE = 3
"""How much before it must be a car is moved, at most, so that staff can choose."""

Holders = list[tuple[int, Stay]]
"""Who holds an EVSE at some time of a stay, with their numbers among all stays."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where cars stand, moves included, and how they are charged there."""

    chains: Chains
    stays: Sequence[Stay]
    moves: tuple[Move, ...]
    charge: Charge
    cost: float
    """With all penalties and moves."""

    @property
    def short_wh(self) -> float:
        """What all trips together lack."""
        return sum(wh for wh in self.charge.short_wh.values() if wh > SHORT_WH)

    def betters(self, other: Layout) -> bool:
        """Returns whether less is lacking than there, or as little costs less."""
        if abs(self.short_wh - other.short_wh) > SHORT_WH:
            return self.short_wh < other.short_wh
        return self.cost < other.cost - LEAST_GAIN


@dataclass(frozen=True, slots=True)
class Offer:
    """A few moves that bring a car to an EVSE; `gain` is about what they save."""

    gain: float
    moves: tuple[tuple[Key, int, int], ...]
    """Which stay, at which step, to which EVSE (-1: none); later ones name what earlier made."""
    arrives: tuple[tuple[Key, int], ...] = ()
    """Which stays begin on another EVSE, where a driver puts the car: that is no move."""


class Waiting:
    """One stay that could use an EVSE, or another one."""

    def __init__(
        self, view: View, layout: Layout, number: int, lacks_wh: float, there: Bools
    ) -> None:
        """Looks at one stay.

        Args:
            view: the problem, with the moves of the layout among its trips.
            layout: where all cars stand.
            number: of the stay in there.
            lacks_wh: what the trip that it is to be charged for lacks.
            there: the steps in which staff is there.
        """
        self._view, self._layout, self._there = view, layout, there
        self._stay, self._lacks_wh = layout.stays[number], lacks_wh
        self._car = view.cars[self._stay.car]
        place = view.places[self._stay.site]
        marginal = layout.charge.marginal
        self._price: Floats = place.buy if marginal is None else marginal[place.index]
        self._worth = max(view.problem.terminal_value_per_kwh, float(self._price.max()))
        self._move_price = view.problem.sites[place.index].move_price or 0.0

    def all(self) -> Iterator[Offer]:
        """Yields what may be worth its moves."""
        for post in self._choices():
            holders = self._holders(post)
            for step in self._times(post, holders):
                if not self._view.posts[post].open[step]:
                    continue
                come = [
                    each
                    for each in holders
                    if each[1].end > step and comes_by_itself(self._view, each[1])
                ]
                for elsewhere in ([], come) if come else ([],):
                    offer = self._offer(post, holders, step, elsewhere)
                    if offer is not None:
                        yield offer

    def _choices(self) -> list[int]:
        """Returns the EVSEs that it could use."""
        posts = self._view.posts
        return [
            post
            for post in self._view.places[self._stay.site].posts
            if post != self._stay.post and posts[post].power_w(self._car) > 0
        ]

    def _holders(self, post: int) -> Holders:
        stay = self._stay
        return [
            (n, other)
            for n, other in enumerate(self._layout.stays)
            if other.post == post
            and begins(self._view, other) < stay.end
            and stay.start < other.end
        ]

    def _able(self) -> list[int]:
        """Returns the steps at which the car may be moved, or none."""
        stay = self._stay
        last = max(min(stay.end - 1, self._view.steps - 1), 0)
        able = np.flatnonzero(self._there[:last])
        return able[able > begins(self._view, stay)].tolist()

    def _times(self, post: int, holders: Holders) -> list[int]:  # noqa: ARG002 - as others ask
        """Returns when the car may come: some times of its stay, and when others need no more."""
        able = np.array(self._able(), dtype=np.int64)
        if not len(able):
            return []
        wanted = np.linspace(0, len(able) - 1, _TIMES).astype(np.int64).tolist()
        idle = [other.end for _, other in holders]
        for n, other in holders:
            flows = np.flatnonzero(np.abs(self._layout.charge.powers_w[n]) > 1)
            idle.append(other.start + (int(flows[-1]) + 1 if len(flows) else 1))
        wanted += np.searchsorted(able, [at for at in idle if at <= able[-1]]).tolist()
        return sorted({int(able[n]) for n in wanted})

    def _offer(self, post: int, holders: Holders, step: int, elsewhere: Holders) -> Offer | None:
        """Returns what brings the car to an EVSE at a step, and away before the next one comes.

        Those who are put `elsewhere` by their drivers do not come there.
        """
        view, stay = self._view, self._stay
        holder: tuple[int, Stay] | None = None
        until = self._leaves_by(post, step)
        for n, other in holders:
            since = begins(view, other)
            if (n, other) in elsewhere:
                continue
            if since > step:
                until = min(until, since)
            elif step < other.end:
                holder = n, other
                if since == step or not view.problem.vehicles[other.car].may_be_moved:
                    return None
        moves = [(stay.key, step, post)]
        loss, freed = 0.0, -1
        if holder is not None:
            freed = stay.post if self._suits(stay.post, holder[1], step) else -1
            moves.append((holder[1].key, step, freed))
            loss = self._lost(holder[0], step) if freed < 0 else 0.0
        arrives: list[tuple[Key, int]] = []
        for n, other in elsewhere if until > step + 1 else ():
            own = other.start > step and freed < 0 and not arrives
            own = own and self._suits(stay.post, other, other.start)
            arrives.append((other.key, stay.post if own else -1))
            loss += 0.0 if own else self._lost(n, other.start)
        back = -1
        if until < stay.end:
            staffed = np.flatnonzero(self._there[step + 2 : until])
            if not len(staffed):
                return None
            back = self._back() if freed < 0 and not arrives else -1
            steps = (staffed + step + 2).tolist()
            able = [at for at in steps if back < 0 or view.posts[back].open[at]]
            back = back if able else -1
            until = self._away_at(post, step, able or steps, back)
            moves.append(((stay.car, len(view.trips)), until, back))
        gain = self._gained(post, step + 1, until, back) - loss
        return self._worthwhile(gain, moves, tuple(arrives))

    def _away_at(self, post: int, step: int, staffed: Sequence[int], back: int) -> int:
        """Returns when the car leaves again: last of all, or up to an hour before for as much."""
        last = staffed[-1]
        most = self._gained(post, step + 1, last, back) - LEAST_GAIN
        early = (at for at in staffed if at >= last - STEPS_BEFORE)
        return next(at for at in early if self._gained(post, step + 1, at, back) >= most)

    def _worthwhile(
        self,
        gain: float,
        moves: Sequence[tuple[Key, int, int]],
        arrives: tuple[tuple[Key, int], ...] = (),
    ) -> Offer | None:
        """Returns an offer that may save more than its moves cost, or a booking."""
        price = self._move_price * len(moves)
        if gain <= (0.0 if self._lacks_wh > SHORT_WH else price):
            return None
        return Offer(gain - price, tuple(moves), arrives)

    def _leaves_by(self, post: int, step: int) -> int:  # noqa: ARG002 - others ask
        """Returns when the car has to be away from an EVSE that it came to at a step."""
        return self._stay.end

    def _back(self) -> int:
        """Returns where it goes from there."""
        return -1

    def _suits(self, post: int, other: Stay, step: int) -> bool:
        """Returns whether who gives up its EVSE can have the one that the car leaves."""
        view = self._view
        return (
            post >= 0
            and other.end <= self._stay.end
            and bool(view.posts[post].open[step])
            and view.posts[post].power_w(view.cars[other.car]) > 0
        )

    def _gained(self, post: int, start: int, end: int, back: int) -> float:  # noqa: ARG002 - others ask
        """Returns what an EVSE saves at most: what the car lacks, or energy at the best prices."""
        view, car = self._view, self._car
        each_kwh = view.posts[post].power_w(car) / 1000 * view.hours * car.efficiency
        useful_kwh = (car.high_wh - min(car.low_wh, car.soc_wh)) / 1000
        prices = np.sort(self._price[start:end]) / car.efficiency
        many = min(len(prices), int(np.ceil(useful_kwh / each_kwh)))
        kwh = min(many * each_kwh, useful_kwh)
        short = min(kwh, self._lacks_wh / 1000) * LACK_COST
        return short + float(np.maximum(self._worth - prices[:many], 0.0).sum()) * each_kwh

    def _lost(self, holder: int, step: int) -> float:
        """Returns what it costs at most that who holds the EVSE gives it up."""
        view, stay = self._view, self._layout.stays[holder]
        car = view.cars[stay.car]
        power_w = np.maximum(self._layout.charge.powers_w[holder][step - stay.start :], 0.0)
        prices = self._price[step : step + len(power_w)] / car.efficiency
        saved = np.maximum(self._worth - prices, 0.0) * power_w
        return float(saved.sum()) / 1000 * view.hours * car.efficiency
