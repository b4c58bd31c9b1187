"""Why a car charges when it does: the constraints that a slot hangs on, found from the decision.

Nothing is asked of a solver, so that reasons hold whichever level of the chain answered. A slot is
looked at as the car's own purchase while all others stay as they are: what its energy costs here,
what it would cost at the other times that could do as well (before the trip that needs it, and not
before the battery was last full), and what it would be worth unused at the end. A constraint is
named where the purchase would go elsewhere without it: a test relaxes what is named and plans anew
(`tests/simulation/test_reasons_hold.py`).
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scheduler.grid import at_peak
from scheduler.moving import Move
from scheduler.overrides import most_w, override_at
from scheduler.parking import Stay
from scheduler.plan import ReasonCode
from scheduler.siteblock import hope_fails
from scheduler.view import FIRST_HOUR_STEPS, Bools, Car, Floats, Place, View

_NEAR_WH = 5.0
"""A battery is full, or just holds what a trip needs, within this."""
_NEAR_W = 1.0
_NEAR_PRICE = 1e-6
SITE = -1
"""The limit of a site, where circuits go by their numbers."""


Source = Literal["sun", "spare sun", "battery", "grid", "none"]


@dataclass(frozen=True, slots=True)
class Why:
    """One reason of one slot."""

    code: ReasonCode
    trips: tuple[int, ...] = ()
    """Of `DEADLINE`: the trips that need the energy, the first of them first."""
    circuit: int | None = None
    """Of `LIMIT`: the circuit whose limit it is (numbered over all sites), None for the site's."""


@dataclass(frozen=True, slots=True)
class Flows:
    """What a decision comes to, as far as reasons ask for it."""

    grid_w: Floats
    """By site and step."""
    pv_used_w: Floats
    """By site and step."""
    battery_w: Floats
    """By site and step."""
    ends_wh: Floats
    """By stay: with what the car ends it."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """The steps in which one car stands somewhere, in order."""

    begins: dict[int, int]
    """By stay of the car: its first cell."""
    step: NDArray[np.int64]
    power_w: Floats
    down: Floats
    """What the last kWh here costs."""
    up: Floats
    """What one more kWh here would cost; infinite where no more can be had."""
    charged_at: list[int]
    """The cells in which the car charges,"""
    charged: list[tuple[float, int, float]]
    """and there what a kWh costs, the step, and the power."""
    gives: bool
    """Whether the car gives energy back in any of them."""


class Reasons:
    """Finds the reasons of each slot of a decision."""

    def __init__(
        self, view: View, stays: Sequence[Stay], powers_w: Sequence[Floats], flows: Flows
    ) -> None:
        self._view, self._stays, self._powers_w = view, stays, powers_w
        self._ends_wh = flows.ends_wh
        prices = [_prices(place, flows) for place in view.places]
        self._down = [down for down, _ in prices]
        self._up = [up for _, up in prices]
        self._site_full = [_site_full(place, flows) for place in view.places]
        # Thousands of steps are asked for one by one, for which lists are the quicker.
        self._down_at = [down.tolist() for down in self._down]
        self._up_at = [up.tolist() for up in self._up]
        self._on_sun = [_on_sun(place, flows).tolist() for place in view.places]
        self._sunny = [_sunny(place).tolist() for place in view.places]
        self._grid_w: list[list[float]] = flows.grid_w.tolist()
        self._given_w: list[list[float]] = self._given(flows).tolist()
        self._at_peak = [
            at_peak(place, flows.grid_w[place.index]).tolist() for place in view.places
        ]
        self._buy = [place.buy.tolist() for place in view.places]
        self._circuit_full = self._full_circuits()
        self._of_car: dict[int, list[int]] = {}
        for number, stay in enumerate(stays):
            self._of_car.setdefault(stay.car, []).append(number)
        self._whole_w: dict[float, Floats] = {}
        """What draws so much at any time: most cars and EVSEs are alike."""
        self._cells: dict[int, _Cells] = {}
        self._bargains: dict[int, _Bargain] = {}

    def of(self, number: int, at: Sequence[int]) -> list[tuple[Why, ...]]:
        """Returns the reasons of the steps `at` of one stay, the weightiest first.

        Args:
            number: which stay.
            at: the steps asked for, counted from the stay's start; the car charges or gives there.
        """
        start = self._stays[number].start
        powers_w: list[float] = self._powers_w[number][list(at)].tolist()
        if all(power_w < 0 for power_w in powers_w):
            return [(Why("GIVE"),) for _ in at]
        if number not in self._bargains:
            self._bargains[number] = _Bargain(self, number)
        bargain = self._bargains[number]
        return [
            (Why("GIVE"),) if power_w < 0 else bargain.reasons(start + int(index), power_w)
            for index, power_w in zip(at, powers_w, strict=True)
        ]

    def full(self, number: int, step: int) -> tuple[int, ...]:
        """Returns the limits that leave a stay's EVSE no more at a step: circuits, or -1 (site)."""
        stay = self._stays[number]
        post = self._view.posts[stay.post]
        loads = post.loads(self._view.cars[stay.car])
        found = [n for n, _ in loads if n in self._circuit_full and self._circuit_full[n][step]]
        if self._site_full[stay.site][step]:
            found.append(SITE)
        return tuple(found)

    def most_w(self, number: int) -> Floats:
        """Returns the most that the car of a stay can draw there, by step of the horizon."""
        stay = self._stays[number]
        post, car = self._view.posts[stay.post], self._view.cars[stay.car]
        whole_w = post.power_w(car)
        power_w = self._whole_w.get(whole_w)
        if power_w is None:
            power_w = self._whole_w[whole_w] = np.full(self._view.steps, whole_w)
        if not car.overrides:
            return power_w
        return np.minimum(power_w, most_w(car.overrides, self._view.steps))

    def buy(self, number: int) -> list[float]:
        """Returns what importing a kWh costs at a stay's site, by step of the horizon."""
        return self._buy[self._stays[number].site]

    def is_peak(self, number: int, step: int) -> bool:
        """Returns whether more power at a stay's site would cost a higher peak."""
        return self._at_peak[self._stays[number].site][step]

    def stays_of(self, number: int) -> list[int]:
        """Returns the stays of the car whose stay this is, in order."""
        return self._of_car[self._stays[number].car]

    def cells(self, car: int) -> _Cells:
        """Returns where one car could charge."""
        if car not in self._cells:
            self._cells[car] = self._look(car)
        return self._cells[car]

    def _look(self, car: int) -> _Cells:
        view = self._view
        size = sum(max(self._stays[n].end - self._stays[n].start, 0) for n in self._of_car[car])
        begins: dict[int, int] = {}
        step_of = np.zeros(size, dtype=np.int64)
        powers_w, down, up = np.zeros(size), np.zeros(size), np.full(size, np.inf)
        begin = 0
        for number in self._of_car[car]:
            stay, begins[number] = self._stays[number], begin
            if stay.start >= stay.end:
                continue
            own, here = slice(stay.start, stay.end), slice(begin, begin + stay.end - stay.start)
            begin = here.stop
            step_of[here] = np.arange(stay.start, stay.end)
            down[here] = self._down[stay.site][own]
            if stay.post < 0:
                continue
            post, power_w = view.posts[stay.post], self._powers_w[number]
            full_w = self.most_w(number)[own]
            spare = post.open[own] & (full_w - power_w > _NEAR_W)
            spare &= ~self._site_full[stay.site][own]
            for circuit, _ in post.loads(view.cars[car]):
                if circuit in self._circuit_full:
                    spare &= ~self._circuit_full[circuit][own]
            powers_w[here] = power_w
            up[here] = np.where(spare, self._up[stay.site][own], np.inf)
        hot = np.flatnonzero(powers_w > 0)
        columns = down[hot].tolist(), step_of[hot].tolist(), powers_w[hot].tolist()
        charged = list(zip(*columns, strict=True))
        gives = bool((powers_w < 0).any())
        return _Cells(begins, step_of, powers_w, down, up, hot.tolist(), charged, gives)

    def _full_circuits(self) -> dict[int, Bools]:
        """Returns, for each circuit that is ever at its limit, the steps in which it is."""
        view = self._view
        limits = {limit.number: limit for place in view.places for limit in place.limits}
        if not limits:
            return {}
        sums = {number: np.zeros(view.steps) for number in limits}
        for stay, power_w in zip(self._stays, self._powers_w, strict=True):
            if stay.post >= 0 and stay.start < stay.end:
                for number, part in view.posts[stay.post].loads(view.cars[stay.car]):
                    sums[number][stay.start : stay.end] += part * power_w
        full = {n: total > limits[n].most_w - _NEAR_W for n, total in sums.items()}
        return {number: steps for number, steps in full.items() if steps.any()}

    def _given(self, flows: Flows) -> Floats:
        """Returns what the battery of each site and the cars there give, by step."""
        given_w = np.maximum(-flows.battery_w, 0.0)
        for stay, power_w in zip(self._stays, self._powers_w, strict=True):
            if stay.post >= 0 and stay.start < stay.end:
                given_w[stay.site, stay.start : stay.end] += np.maximum(-power_w, 0.0)
        return given_w

    def source(self, number: int, step: int) -> Source:
        """Returns where the last watt at a stay's site comes from.

        Of "spare sun" there is more than the cars take; "battery" is the site's or another car's.
        """
        site = self._stays[number].site
        if self._on_sun[site][step]:
            return "spare sun" if self._grid_w[site][step] < -_NEAR_W else "sun"
        if self._grid_w[site][step] > _NEAR_W:
            return "grid"
        return "battery" if self._given_w[site][step] > _NEAR_W else "none"

    def has_sun(self, number: int, step: int) -> bool:
        """Returns whether some of the power at a stay's site comes from the roof."""
        return bool(self._sunny[self._stays[number].site][step])

    def prices_at(self, number: int, step: int) -> tuple[float, float]:
        """Returns what the last kWh costs at a stay's site, and what one more would."""
        site = self._stays[number].site
        return self._down_at[site][step], self._up_at[site][step]

    def slack_wh(self, number: int) -> float:
        """Returns what a stay ends with beyond what the trip after it needs; infinite without."""
        stay = self._stays[number]
        if stay.after < 0:
            return float("inf")
        need_wh = self._view.trips[stay.after].need_wh(self._view.cars[stay.car])
        return float(self._ends_wh[number]) - need_wh

    def is_full(self, number: int) -> bool:
        """Returns whether the car ends a stay with all that it may hold."""
        car = self._view.cars[self._stays[number].car]
        return float(self._ends_wh[number]) >= car.high_wh - _NEAR_WH

    @property
    def view(self) -> View:
        """The problem."""
        return self._view

    @property
    def stays(self) -> Sequence[Stay]:
        """Where cars stand."""
        return self._stays


class _Bargain:
    """What the energy of one stay could be had for otherwise."""

    def __init__(self, reasons: Reasons, number: int) -> None:
        self._reasons, self._number = reasons, number
        self._stay = reasons.stays[number]
        view = reasons.view
        self._car: Car = view.cars[self._stay.car]
        mine = reasons.stays_of(number)
        here = mine.index(number)
        later = mine[here:]
        self._bound = next((n for n in later if reasons.slack_wh(n) <= _NEAR_WH), None)
        """The first stay from here on that ends with no more than its trip needs, or None."""
        last = later[-1] if self._bound is None else self._bound
        first = number
        for earlier in reversed(mine[:here]):
            if reasons.is_full(earlier):
                break
            first = earlier
        cells = reasons.cells(self._stay.car)
        begin, ending = cells.begins[first], reasons.stays[last]
        end = cells.begins[last] + max(ending.end - ending.start, 0)
        since = bisect_left(cells.charged_at, begin)
        self._trades = cells.gives and bool((cells.power_w[begin:end] < 0).any())
        """Whether the car gives energy back at a time that a step here can serve."""
        paid = cells.charged[since : bisect_left(cells.charged_at, end)]
        self._dearest_paid = max((down for down, _, _ in paid), default=-math.inf)
        self._charged = cells.charged[since:]
        """What a kWh costs, when, and the power, of all that is charged from here on."""
        self._full_w = reasons.most_w(number)
        self._least_slack_wh = min(reasons.slack_wh(n) for n in later)
        self._can_hold_more = not any(reasons.is_full(n) for n in later if n <= last)
        self._worth = view.problem.terminal_value_per_kwh * self._car.efficiency
        self._buy = reasons.buy(number)
        self._dearest = max(self._buy[self._stay.start : self._stay.end])
        (self._cheapest_at, self._cheapest), (_, self._next_cheapest) = _two_least(
            cells.step[begin:end], cells.up[begin:end]
        )
        post = view.posts[self._stay.post]
        self._least_w = post.least_w(self._car) if self._stay.start < FIRST_HOUR_STEPS else 0.0

    def reasons(self, step: int, power_w: float) -> tuple[Why, ...]:
        """Returns the reasons of one step in which the car takes `power_w`."""
        least = self._is_least(step, power_w)
        # What can't be less does not follow prices.
        overrides = self._car.overrides
        found = [Why("OVERRIDE")] if overrides and override_at(overrides, step) else []
        found += [
            why for why in self._costs(step, least=least) if not (least and why.code == "PRICE")
        ]
        price, _ = self._reasons.prices_at(self._number, step)
        needed = self._bound is not None
        if needed and self._worth < price - _NEAR_PRICE:
            found.append(Why("DEADLINE", trips=self._trips(step, price)))
        if self._keeps(step, price):
            found.append(Why("KEEP"))
        if self._trades:
            found.append(Why("TRADE"))
        found += self._limits(step, power_w)
        if least:
            found.append(Why("MINIMUM"))
        return tuple(found) or self._either(step, price)

    def _costs(self, step: int, *, least: bool) -> list[Why]:
        """Returns what makes the step a cheap one, where another would do else.

        Sun that is less than the least power is a reason, too, to buy the rest.
        """
        buy = self._buy[step]
        otherwise = self._otherwise(step)
        source = self._reasons.source(self._number, step)
        if source == "battery":
            return [Why("BATTERY")]
        little = least and source == "grid" and self._reasons.has_sun(self._number, step)
        enough = buy >= otherwise - _NEAR_PRICE
        if source == "sun" or ((source == "spare sun" or little) and enough):
            return [Why("SUN")]
        cheap = buy < self._dearest - _NEAR_PRICE and otherwise <= self._dearest + _NEAR_PRICE
        if source != "grid" or not cheap:
            return []
        return [Why("PAID" if buy < 0 else "PRICE")]

    def _keeps(self, step: int, price: float) -> bool:
        """Returns whether the step is charged for what its energy is worth at the end.

        Trips must be able to do without it: what they leave is given up at the dearest times first.
        """
        if self._bound is not None or not max(price, 0.0) < self._worth - _NEAR_PRICE:
            return False
        return price >= 0 and self._dearer_wh(step, price) < self._least_slack_wh

    def _either(self, step: int, price: float) -> tuple[Why, ...]:
        """Returns the reasons of a step that has several, none of which would be missed alone."""
        if self._bound is not None:
            return Why("DEADLINE", trips=self._trips(step, price)), Why("KEEP")
        return (Why("PAID"), Why("KEEP")) if price < 0 else (Why("KEEP"),)

    def _otherwise(self, step: int) -> float:
        """Returns the most that the energy of a step is worth here: the least it costs else."""
        cheapest = self._next_cheapest if step == self._cheapest_at else self._cheapest
        return cheapest if self._bound is not None else min(cheapest, self._worth)

    def _trips(self, step: int, price: float) -> tuple[int, ...]:
        """Returns the trips without which a step at `price` would not be needed."""
        assert self._bound is not None
        spared_wh = self._dearer_wh(step, price)
        named: list[int] = []
        for number in self._reasons.stays_of(self._number):
            stay = self._reasons.stays[number]
            if number < self._bound or stay.after < 0:
                continue
            trip = self._reasons.view.trips[stay.after]
            if isinstance(trip, Move):
                continue
            named.append(trip.index)
            spared_wh -= trip.drive_wh(self._car)
            if spared_wh < 0:
                break
        return tuple(named)

    def _dearer_wh(self, step: int, price: float) -> float:
        """Returns what the car stores at dearer times, and later at the same price."""
        dearer = price + _NEAR_PRICE
        # A list, which is done in half the time of a generator.
        drawn_w = sum(
            [
                power_w
                for down, at, power_w in self._charged
                if down > dearer or (at > step and abs(down - price) <= _NEAR_PRICE)
            ]
        )
        return drawn_w * self._reasons.view.hours * self._car.efficiency

    def _limits(self, step: int, power_w: float) -> list[Why]:
        """Returns the limit that keeps the power down, if one does."""
        if power_w >= float(self._full_w[step]) - _NEAR_W:
            return []
        # Cheaper times are at the peak, too, where this one is not wanted for itself.
        peak = [Why("PEAK")] if self._reasons.is_peak(self._number, step) else []
        if not self._wants_more(step):
            return peak
        full = self._reasons.full(self._number, step)[:1]
        return [Why("LIMIT", circuit=None if n == SITE else n) for n in full] + peak

    def _is_least(self, step: int, power_w: float) -> bool:
        """Returns whether the EVSE could not give less but nothing."""
        least_w = self._least_w
        return step < FIRST_HOUR_STEPS and least_w > 0 and abs(power_w - least_w) < _NEAR_W

    def _wants_more(self, step: int) -> bool:
        """Returns whether the car would take more at a step if it could."""
        _, price = self._reasons.prices_at(self._number, step)
        if self._dearest_paid > price + _NEAR_PRICE:
            return True
        return self._can_hold_more and self._worth > price + _NEAR_PRICE


def _two_least(steps: NDArray[np.int64], up: Floats) -> list[tuple[int, float]]:
    """Returns the cheapest two steps with what one more kWh costs there, the earlier first.

    Where there are fewer, step -1 stands for those that lack, and costs what nobody pays.
    """
    found: list[tuple[int, float]] = []
    if len(up):
        first = int(up.argmin())
        others = up.copy()
        others[first] = np.inf
        second = int(others.argmin())
        found = [
            (int(steps[first]), float(up[first])),
            (int(steps[second]), float(others[second])),
        ]
    return [*found, (-1, math.inf), (-1, math.inf)][:2]


def _prices(place: Place, flows: Flows) -> tuple[Floats, Floats]:
    """Returns what the last kWh costs at each step, and what one more would.

    Sun that is sold is worth its price, sun that is curtailed nothing. Sun beyond the median is
    bought with the probability that it does not come.
    """
    grid_w = flows.grid_w[place.index]
    imports, exports = grid_w > _NEAR_W, grid_w < -_NEAR_W
    curtails = place.pv_w - flows.pv_used_w[place.index] > _NEAR_W
    spared = np.where(curtails, 0.0, np.maximum(place.sell, 0.0))
    sunny = place.pv_w - place.load_w > _NEAR_W
    hoped_w = place.high_pv_w - place.pv_w
    weighed = spared + hope_fails(grid_w, hoped_w) * (place.buy - spared)
    bought = np.where(hoped_w > 0, np.minimum(weighed, place.buy), place.buy)
    down = np.where(imports | ~sunny, bought, spared)
    up = np.where(imports | ~(exports | curtails), bought, spared)
    return down, up


def _on_sun(place: Place, flows: Flows) -> Bools:
    """Returns where the last watt of the cars comes from the roof, and is cheaper for it.

    Where nothing can be imported, the roof gives what nothing else does. Where the sun may be more
    than its median, what is charged beyond that is charged for the sun that may come.
    """
    sold = np.where(place.export_w > _NEAR_W, np.maximum(place.sell, 0.0), 0.0)
    cheaper = place.buy > sold + _NEAR_PRICE
    alone = place.import_w <= _NEAR_W
    hoped_w = place.high_pv_w - place.pv_w
    hoped = flows.grid_w[place.index] <= hoped_w + _NEAR_W
    return _sunny(place) & hoped & (cheaper | alone)


def _sunny(place: Place) -> Bools:
    """Returns where the roof gives more than the building takes."""
    return place.pv_w - place.load_w > _NEAR_W


def _site_full(place: Place, flows: Flows) -> Bools:
    return flows.grid_w[place.index] > place.import_w - _NEAR_W
