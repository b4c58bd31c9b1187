"""Charging without a solver: step by step, the car with the least time to spare first.

A car's laxity is the time it has beyond what charging at full power takes (M. L. Dertouzos,
A. K. Mok, "Multiprocessor online scheduling of hard-real-time tasks", 1989). Each step's power is
dealt in that order under the limits of EVSEs, circuits and site: first what the chains and
readiness need, then what the roof has to spare. With a former plan at hand its powers are followed
as far as they still fit, and a car without laxity gets all it can take. A car that is to charge at
once comes after those that need energy for trips. Costs are not looked at;
site batteries rest and no car feeds back. This is what remains when solvers fail: it calls none.
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scheduler.charge import Charge
from scheduler.overrides import hurries_at, most_w
from scheduler.parking import Stay
from scheduler.prices import CHARGE_SHARE
from scheduler.view import FIRST_HOUR_STEPS, TOLERANCE_WH, Car, Floats, Post, View

_URGENT_STEPS = 1.0
"""A car with less laxity than this waits no longer for the powers of a former plan."""


class LeastLaxity:
    """Charges stays without a solver: a `scheduler.candidates.Charger`."""

    def __init__(self, *, ready_share: float, wanted_w: Floats | None = None) -> None:
        """Takes what part of its greatest charge a ready car holds, and powers to follow.

        `wanted_w` is by car and step; with None what is needed is charged as soon as it goes.
        """
        self._ready_share = ready_share
        self._wanted_w = wanted_w

    def __call__(self, view: View, stays: Sequence[Stay]) -> Charge:
        """Returns powers for stays; what trips lack is told by `short_wh`."""
        stands = _stands(view, stays, self._ready_share)
        soc_wh = [car.soc_wh for car in view.cars]
        short_wh: dict[tuple[int, int], float] = {}
        begins: list[list[Stand]] = [[] for _ in range(view.steps + 1)]
        leaves: list[list[Stand]] = [[] for _ in range(view.steps + 1)]
        for stand in stands:
            begins[stand.stay.start].append(stand)
            leaves[stand.stay.end].append(stand)
        rooms = Rooms(view)
        here: dict[int, Stand] = {}
        for step in range(view.steps):
            for stand in begins[step]:
                here[stand.car.index] = stand
            for stand in leaves[step]:
                _depart(view, stand, soc_wh, short_wh)
                here.pop(stand.car.index, None)
            self.deal(list(here.values()), step, soc_wh, rooms)
        powers = tuple(stand.powers_w for stand in stands)
        battery_w = np.zeros((len(view.places), view.steps))
        return Charge(powers, battery_w, short_wh, sum(short_wh.values()))

    def deal(self, here: list[Stand], step: int, soc_wh: list[float], rooms: Rooms) -> None:
        """Deals the power of one step."""
        rooms.open(step)
        able = [
            (stand.laxity(step, soc_wh[stand.car.index]), stand)
            for stand in here
            if stand.post is not None
            and stand.post.open[step]
            and soc_wh[stand.car.index] < stand.car.high_wh
        ]
        able.sort(key=lambda pair: (pair[0], pair[1].car.index))
        if any(stand.hurries(step) for _, stand in able):
            able.sort(key=lambda pair: pair[1].rank(step, soc_wh[pair[1].car.index]))
        given = {stand.car.index: 0.0 for _, stand in able}
        for laxity, stand in able:
            number = stand.car.index
            lack_wh = max(stand.goal_wh, stand.ready_wh) - soc_wh[number]
            wish_w = stand.power_for(lack_wh)
            if self._wanted_w is not None and laxity >= _URGENT_STEPS:
                wish_w = float(self._wanted_w[number, step])
            if stand.hurries(step):
                wish_w = stand.power_w
            given[number] = rooms.take(stand, wish_w, 0.0, soc_wh[number])
        for _, stand in able if self._wanted_w is None else ():
            number = stand.car.index
            spare_w = rooms.spare_sun_w(stand)
            if spare_w > 0:
                wish_w = given[number] + spare_w
                given[number] = rooms.take(stand, wish_w, given[number], soc_wh[number])
        for _, stand in able:
            number = stand.car.index
            stand.powers_w[step - stand.stay.start] = given[number]
            soc_wh[number] += given[number] * stand.gain


@dataclass(slots=True)
class Stand:
    """A stay while it is charged."""

    stay: Stay
    car: Car
    post: Post | None
    gain: float
    """Wh stored per W of a step."""
    goal_wh: float
    """What the car should leave with, so that this and all later trips can be driven."""
    ready_wh: float
    powers_w: Floats
    power_w: float
    """The most that it draws."""
    least_w: float
    loads: list[tuple[int, float]]
    """The limits that it counts in, and with what part of its power."""
    open_after: Floats = field(default_factory=lambda: np.zeros(0))
    """By step of the stay: how many steps the EVSE is available from then on.

    One in which an override leaves a part of the power counts as that part.
    """
    bound_w: Floats = field(default_factory=lambda: np.zeros(0))
    """By step of the stay: the most that overrides leave."""

    def laxity(self, step: int, soc_wh: float) -> float:
        """Returns the steps to spare; infinite where nothing lacks."""
        assert self.post is not None
        lack_wh = max(self.goal_wh, self.ready_wh) - soc_wh
        if lack_wh <= 0:
            return float("inf")
        full_wh = max(self.power_w * self.gain, 1e-9)
        left = float(self.open_after[step - self.stay.start])
        if self.goal_wh > soc_wh:
            slowed = self.car.steps_to(soc_wh, self.goal_wh, self.gain)
            return left - max((self.goal_wh - soc_wh) / full_wh, slowed)
        return left + len(self.powers_w)  # readiness waits for what trips need

    def hurries(self, step: int) -> bool:
        """Returns whether it is to charge as much as it can."""
        return hurries_at(self.car.overrides, step)

    def rank(self, step: int, soc_wh: float) -> int:
        """Returns its place among all where one hurries: trips, who hurries, all others."""
        if self.goal_wh > soc_wh:
            return 0
        return 1 if self.hurries(step) else 2

    def power_for(self, lack_wh: float) -> float:
        """Returns the power that brings `lack_wh` in one step, limits aside."""
        return max(lack_wh, 0.0) / self.gain


class Rooms:
    """What one step has left to give, by site and by limit of the wiring."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._limits = [
            np.where(
                place.no_draw, 0.0, np.maximum(place.import_w - place.load_w + place.pv_w, 0.0)
            )
            for place in view.places
        ]
        self._wired = [
            (limit.number, limit.most_w.tolist()) for place in view.places for limit in place.limits
        ]
        self._step = 0
        self._sites: list[float] = []
        self._cars: list[float] = []
        self._wires: dict[int, float] = {}

    def open(self, step: int) -> None:
        """Begins a step."""
        self._step = step
        self._sites = [float(limit[step]) for limit in self._limits]
        self._cars = [0.0] * len(self._limits)
        self._wires = {number: most_w[step] for number, most_w in self._wired}

    def spare_sun_w(self, stand: Stand) -> float:
        """Returns what the roof gives beyond building and cars so far."""
        place = self._view.places[stand.stay.site]
        surplus_w = float(place.pv_w[self._step] - place.load_w[self._step])
        return surplus_w - self._cars[place.index]

    def take(self, stand: Stand, wish_w: float, held_w: float, soc_wh: float) -> float:
        """Returns the power that a car gets in place of `held_w`, and notes it."""
        site = stand.stay.site
        wires = (self._wires[number] / share for number, share in stand.loads)
        room_w = min([self._sites[site], *wires]) + held_w
        full_w = (stand.car.high_wh - soc_wh) / stand.gain
        most_w = min(stand.power_w, room_w, full_w)
        if stand.car.overrides:
            most_w = min(most_w, float(stand.bound_w[self._step - stand.stay.start]))
        if stand.car.taper:
            most_w = min(most_w, stand.car.takes_w(soc_wh, stand.gain))
        least_w = stand.least_w if self._step < FIRST_HOUR_STEPS else 0.0
        power_w = min(max(wish_w, least_w), most_w) if wish_w > 0 else 0.0
        if power_w < least_w:
            power_w = held_w
        added_w = power_w - held_w
        self._sites[site] -= added_w
        self._cars[site] += added_w
        for number, share in stand.loads:
            self._wires[number] -= added_w * share
        return power_w


def _stands(view: View, stays: Sequence[Stay], ready_share: float) -> list[Stand]:
    """Returns the stays with the goals that follow from what comes after."""
    stands: list[Stand] = []
    goal_wh, reach_wh, following = 0.0, 0.0, -1
    for stay in reversed(stays):
        car = view.cars[stay.car]
        post = view.posts[stay.post] if stay.post >= 0 and stay.start < stay.end else None
        gain = view.hours * car.efficiency
        if stay.after < 0:
            goal_wh = 0.0
        else:
            assert following == car.index
            trip = view.trips[stay.after]
            later_wh = goal_wh - CHARGE_SHARE * reach_wh + trip.drive_wh(car)
            goal_wh = min(max(trip.need_wh(car), later_wh), car.most_wh)
        stand = Stand(
            stay,
            car,
            post,
            gain,
            goal_wh,
            ready_wh=ready_share * car.high_wh,
            powers_w=np.zeros(max(stay.end - stay.start, 0)),
            power_w=0.0 if post is None else post.power_w(car),
            least_w=0.0 if post is None else post.least_w(car),
            loads=[] if post is None else post.loads(car),
        )
        reach_wh = 0.0
        if post is not None:
            is_open = post.open[stay.start : stay.end].astype(np.float64)
            if car.overrides:
                stand.bound_w = most_w(car.overrides, view.steps)[stay.start : stay.end]
                is_open *= np.minimum(stand.bound_w / max(stand.power_w, 1e-9), 1.0)
            stand.open_after = np.cumsum(is_open[::-1])[::-1]
            reach_wh = float(is_open.sum()) * min(post.power_w(car), post.circuit_w) * gain
        stands.append(stand)
        following = car.index
    stands.reverse()
    return stands


def _depart(
    view: View, stand: Stand, soc_wh: list[float], short_wh: dict[tuple[int, int], float]
) -> None:
    """Takes a trip's energy from the car; what lacks is noted and lent."""
    if stand.stay.after < 0:
        return
    trip, number = view.trips[stand.stay.after], stand.car.index
    lack_wh = trip.need_wh(stand.car) - soc_wh[number]
    if lack_wh > TOLERANCE_WH:
        short_wh[stand.stay.key] = lack_wh
        soc_wh[number] += lack_wh
    soc_wh[number] -= trip.drive_wh(stand.car)
