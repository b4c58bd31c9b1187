"""Visits: a car leaves its EVSE for a fast charger of its site, and perhaps comes back later.

A visit is one or two moves by staff. It saves what the car charges in better steps than its own
EVSE lets it, since it needs fewer of them, or what a trip lacks. A fast charger is left before the
next car comes that the plan has promised it to, and before it closes or is reserved; a car that is
in nobody's way stays there until it drives. One that comes from a trip may be put on it by its
driver, so that staff only brings it to its own EVSE.
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from scheduler.candidates import SHORT_WH
from scheduler.moving import begins, comes_by_itself
from scheduler.offers import (
    LACK_COST,
    STEPS_BEFORE,
    Holders,
    Layout,
    Offer,
    Waiting,
)
from scheduler.parking import Stay
from scheduler.view import Bools, Car, Floats, Post, View

Steps = NDArray[np.int64]

_SMALLEST_W = 1.0


class Visit(Waiting):
    """One stay on an EVSE that may be left for a fast charger."""

    def __init__(
        self, view: View, layout: Layout, number: int, lacks_wh: float, there: Bools
    ) -> None:
        super().__init__(view, layout, number, lacks_wh, there)
        self._own = view.posts[self._stay.post]
        place = view.places[self._stay.site]
        self._fast = [
            post
            for post in place.posts
            if post != self._own.index and is_visit(view.posts[post], self._own, self._car)
        ]
        if not self._fast:
            return
        car = self._car
        began_wh, spent_wh = _states(layout, view, number)
        self._room_kwh = max(car.high_wh - began_wh, 0.0) / 1000
        self._sure_kwh = min((spent_wh + lacks_wh) / 1000, self._room_kwh)
        """What it charges in this stay already, and what it lacks."""
        self._more = max(view.problem.terminal_value_per_kwh, _paid(view, layout, number))
        steps = np.arange(self._stay.start, min(self._stay.end, view.steps))
        self._now = self._value([(self._own, steps)])

    def all(self) -> Iterator[Offer]:
        """Yields what may be worth its moves."""
        self._fast = [post for post in self._fast if self._may_pay(post)]
        if self._fast:
            yield from super().all()
            for post in self._fast:
                yield from self._arriving(post)

    def _choices(self) -> list[int]:
        return self._fast

    def _may_pay(self, post: int) -> bool:
        """Returns whether a fast charger throughout would be worth one move."""
        steps = np.arange(self._stay.start, min(self._stay.end, self._view.steps))
        most = self._value([(self._own, steps), (self._view.posts[post], steps)]) - self._now
        return self._worthwhile(most, (((0, 0), 0, 0),)) is not None

    def _steps_there(self, post: int) -> int:
        """Returns how many steps take in all that the car is to have."""
        each_kwh = self._stored_kwh(self._view.posts[post])
        return max(ceil(min(self._sure_kwh or self._room_kwh, self._room_kwh) / each_kwh), 1)

    def _times(self, post: int, holders: Holders) -> list[int]:
        """Returns when the car may come, as it had better: what takes it in decides, then order.

        A trip that lacks energy has it at once; else the car comes up to an hour before the best
        prices, so that staff can choose and nobody else is kept from a fast charger for long.
        """
        found = super()._times(post, holders)
        free = self._free(post, holders)
        able = [step for step in self._able() if free[step] and free[step + 1]]
        if not able:
            return found
        many = self._steps_there(post)
        dear = np.where(free, self._price, self._price.max() + 1.0)
        paid = np.concatenate([[0.0], np.cumsum(dear)])
        ends = min(self._stay.end, self._view.steps)
        fits = [step for step in able if step + 1 + many <= ends] or able[:1]
        cost = [paid[min(step + 1 + many, ends)] - paid[step + 1] for step in fits]
        best = fits[int(np.argmin(cost))]
        early = next(step for step in able if step >= best - STEPS_BEFORE)
        found += [best, early, fits[0], fits[-1]]
        first = fits[0] if self._lacks_wh > SHORT_WH else early
        return sorted(set(found), key=lambda step: (abs(step - first), step))

    def _free(self, post: int, holders: Holders) -> Bools:
        """Returns the steps in which nobody else holds a fast charger, and it can be used."""
        free = self._view.posts[post].open.copy()
        for _, other in holders:
            free[begins(self._view, other) : other.end] = False
        return free

    def _leaves_by(self, post: int, step: int) -> int:
        closed = np.flatnonzero(~self._view.posts[post].open[step : self._stay.end])
        return step + int(closed[0]) if len(closed) else self._stay.end

    def _back(self) -> int:
        return self._own.index

    def _arriving(self, post: int) -> Iterator[Offer]:
        """Yields stays that begin at a fast charger, where the driver puts the car."""
        view, stay = self._view, self._stay
        if not comes_by_itself(view, stay):
            return
        whole = self._throughout(post)
        if whole is not None:
            yield whole
        free = self._free(post, self._holders(post))[stay.start : stay.end]
        taken = np.flatnonzero(~free)
        last = stay.start + (int(taken[0]) if len(taken) else len(free)) - 1
        first = stay.start + min(self._steps_there(post), last - stay.start)
        able = [s for s in self._able() if first <= s <= last and self._own.open[s]]
        for step in dict.fromkeys(able[:1] + able[-1:]):
            parts = [
                (view.posts[post], np.arange(stay.start, step)),
                (self._own, np.arange(step + 1, min(stay.end, view.steps))),
            ]
            moves = ((stay.key, step, self._own.index),)
            gain = self._value(parts) - self._now
            offer = self._worthwhile(gain, moves, ((stay.key, post),))
            if offer is not None:
                yield offer

    def _throughout(self, post: int) -> Offer | None:
        """Returns a whole stay at a fast charger, others being put elsewhere: nobody is moved."""
        view, stay, holders = self._view, self._stay, self._holders(post)
        ends = min(stay.end, view.steps)
        is_open = bool(view.posts[post].open[stay.start : ends].all())
        if not is_open or not all(comes_by_itself(view, other) for _, other in holders):
            return None
        arrives, loss = [(stay.key, post)], 0.0
        for n, other in holders:
            own = len(arrives) == 1 and other.start >= stay.start
            own = own and self._suits(self._own.index, other, other.start)
            arrives.append((other.key, self._own.index if own else -1))
            loss += 0.0 if own else self._lost(n, other.start)
        parts = [(view.posts[post], np.arange(stay.start, ends))]
        return self._worthwhile(self._value(parts) - self._now - loss, (), tuple(arrives))

    def _gained(self, post: int, start: int, end: int, back: int) -> float:
        """Returns what a visit saves at most, beside what the car's own EVSE gives it."""
        stay, ends = self._stay, min(self._stay.end, self._view.steps)
        parts = [
            (self._own, np.arange(stay.start, start - 1)),
            (self._view.posts[post], np.arange(start, min(end, ends))),
        ]
        if back == self._own.index:
            parts.append((self._own, np.arange(end + 1, ends)))
        return self._value(parts) - self._now

    def _stored_kwh(self, post: Post) -> float:
        """Returns what an EVSE brings into the car in a step."""
        return post.power_w(self._car) / 1000 * self._view.hours * self._car.efficiency

    def _value(self, parts: Sequence[tuple[Post, Steps]]) -> float:
        """Returns what some EVSEs, in some steps each, bring at the best prices.

        What the car charges already counts as if it lacked that, so that no visit forgoes it;
        what it could have beyond counts as much as it pays elsewhere.
        """
        prices: list[Floats] = []
        stored: list[Floats] = []
        for post, steps in parts:
            some = steps[post.open[steps]]
            prices.append(self._price[some] / self._car.efficiency)
            stored.append(np.full(len(some), self._stored_kwh(post)))
        price, kwh = np.concatenate(prices), np.concatenate(stored)
        order = np.argsort(price, kind="stable")
        held = np.concatenate([[0.0], np.minimum(np.cumsum(kwh[order]), self._room_kwh)])
        sure = np.diff(np.minimum(held, self._sure_kwh))
        more = np.diff(np.maximum(held, self._sure_kwh))
        saved = sure * (LACK_COST - price[order])
        saved += more * np.maximum(self._more - price[order], 0.0)
        return float(saved.sum())


def is_visit(fast: Post, own: Post, car: Car) -> bool:
    """Returns whether a car that leaves one EVSE for another visits a fast charger."""
    return fast.dc and not own.dc and fast.power_w(car) > own.power_w(car)


def _states(layout: Layout, view: View, number: int) -> tuple[float, float]:
    """Returns what a car begins a stay with, and what it charges in it, in Wh."""
    mine = layout.stays[number]
    car = view.cars[mine.car]
    held_wh = gained_wh = 0.0
    for n in range(_first(layout.stays, number), number + 1):
        stay, power_w = layout.stays[n], layout.charge.powers_w[n]
        if stay.before < 0:
            held_wh = car.soc_wh
        else:
            held_wh += gained_wh - view.trips[stay.before].drive_wh(car)
        stored = np.where(power_w > 0, power_w * car.efficiency, power_w / car.efficiency)
        gained_wh = float(stored.sum()) * view.hours
    return held_wh, max(gained_wh, 0.0)


def _first(stays: Sequence[Stay], number: int) -> int:
    """Returns the first stay of the car of a stay."""
    while number > 0 and stays[number - 1].car == stays[number].car:
        number -= 1
    return number


def _paid(view: View, layout: Layout, number: int) -> float:
    """Returns the most that a car pays for a kWh that it stores, in any of its stays."""
    car = view.cars[layout.stays[number].car]
    most = 0.0
    for n in range(_first(layout.stays, number), len(layout.stays)):
        stay, power_w = layout.stays[n], layout.charge.powers_w[n]
        if stay.car != car.index:
            break
        marginal = layout.charge.marginal
        price = view.places[stay.site].buy if marginal is None else marginal[stay.site]
        flows = np.flatnonzero(power_w > _SMALLEST_W)
        if len(flows):
            most = max(most, float(price[stay.start + flows].max()))
    return most / car.efficiency
