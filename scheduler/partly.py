"""What an event at one site leaves alone: cars that never stand there keep their charging.

Something has happened at a site, and an answer is wanted at once. Cars that stand there at some
time are planned anew, wherever they charge; all others keep their trips, EVSEs and powers as the
plan before says, and count as what a site draws anyhow. So a plan stays one plan, judged as one.
What no longer fits is not kept: a car that holds less than was thought, whose EVSE is closed, or
that gives energy back is planned anew with the others. Where that is most of the cars, or the
others can't be served beside what is kept, all are planned anew (`scheduler.rolling`).
"""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from scheduler.chains import Chains
from scheduler.parking import Key, Stay, stays_of
from scheduler.plan import Charging, Plan
from scheduler.view import FIRST_HOUR_STEPS, TOLERANCE_WH, Car, Floats, Post, View

_MOST_SHARE = 0.5
"""Where more of the cars have to be planned anew, all are: there is little to be saved."""
_TINY_W = 1e-3


@dataclass(frozen=True, slots=True)
class Kept:
    """Cars that go on as the plan before says."""

    powers_w: Mapping[int, Floats]
    """Of each such car: its charging by step."""
    posts: Mapping[Key, int]
    """The EVSEs on which they charge, by stay."""
    chains: Chains
    """What all cars drive meanwhile."""

    def beside(self, stays: Sequence[Stay]) -> Kept:
        """Returns what is kept beside cars that drive something else in `stays`."""
        driven: dict[int, list[int]] = {}
        for stay in stays:
            driven.setdefault(stay.car, []).extend([stay.after] if stay.after >= 0 else [])
        others = {car for car, trips in driven.items() if tuple(trips) != self.chains[car]}
        if not others:
            return self
        powers_w = {car: each for car, each in self.powers_w.items() if car not in others}
        posts = {key: post for key, post in self.posts.items() if key[0] not in others}
        return Kept(powers_w, posts, self.chains)

    def fits(self, stays: Sequence[Stay]) -> bool:
        """Returns whether EVSEs are dealt so that each car charges where it did."""
        return all(self.posts.get(stay.key, stay.post) == stay.post for stay in stays)


def kept_beside(
    view: View, incumbent: Plan, before: Chains, chains: Chains, sites: Set[str]
) -> Kept | None:
    """Returns what is kept beside `sites`, or None where all had better be planned anew.

    Args:
        view: the problem.
        incumbent: the plan before, in terms of this problem.
        before: its chains.
        chains: what the cars are to drive now; who drives something else is planned anew.
        sites: where something has happened.
    """
    here = {place.index for place in view.places if place.id in sites}
    entries: dict[str, list[Charging]] = {}
    for entry in incumbent.charging:
        entries.setdefault(entry.vehicle, []).append(entry)
    numbers = {post.id: post.index for post in view.posts}
    stays: list[list[Stay]] = [[] for _ in view.cars]
    for stay in stays_of(view, chains):
        stays[stay.car].append(stay)
    powers_w: dict[int, Floats] = {}
    posts: dict[Key, int] = {}
    for car, own in zip(view.cars, stays, strict=True):
        if chains[car.index] != before[car.index] or any(stay.site in here for stay in own):
            continue
        standing = _Standing(view, car, own)
        power_w = standing.charged(entries.get(car.id, ()), numbers)
        if power_w is not None:
            powers_w[car.index] = power_w
            posts.update(standing.posts)
    if len(view.cars) - len(powers_w) > _MOST_SHARE * len(view.cars):
        return None
    return Kept(powers_w, posts, chains)


class _Standing:
    """One car and where it stands, while it is found out whether its charging still fits."""

    def __init__(self, view: View, car: Car, stays: Sequence[Stay]) -> None:
        self._view, self._car, self._stays = view, car, stays
        self.posts: dict[Key, int] = {}
        """The EVSEs that it charges on."""

    def charged(self, entries: Sequence[Charging], numbers: Mapping[str, int]) -> Floats | None:
        """Returns its charging by step, less what its battery no longer takes; None: it can't."""
        if self._car.overrides:
            return None
        power_w = np.zeros(self._view.steps)
        for entry in entries:
            post = self._view.posts[numbers[entry.evse]] if entry.evse in numbers else None
            if post is None or not self._holds(entry, post):
                return None
            power_w[entry.from_step : entry.to_step] = entry.power_w
        return power_w if self._follow(power_w) else None

    def _holds(self, entry: Charging, post: Post) -> bool:
        """Notes the EVSE of one entry; returns whether it can still be charged there."""
        begin, end = entry.from_step, entry.to_step
        stay = next((each for each in self._stays if each.start <= begin and end <= each.end), None)
        if stay is None or stay.site != post.site:
            return False
        plugged = self._car.post if stay.before < 0 else -1
        return (
            plugged in (-1, post.index)
            and self.posts.setdefault(stay.key, post.index) == post.index
            and 0 <= entry.power_w <= post.power_w(self._car) + _TINY_W
            and int(post.opened[end] - post.opened[begin]) == end - begin
            and bool(post.open[stay.start] or plugged >= 0)
        )

    def _follow(self, power_w: Floats) -> bool:
        """Cuts from the powers what does not fit; returns whether all trips have their energy."""
        view, car = self._view, self._car
        held_wh = car.soc_wh
        for stay in self._stays:
            if stay.key in self.posts:
                own = power_w[stay.start : stay.end]
                post = view.posts[self.posts[stay.key]]
                held_wh = self._cut(own, held_wh, stay.start, post.least_w(car))
                if held_wh < 0:
                    return False
            if stay.after < 0:
                continue
            trip = view.trips[stay.after]
            if held_wh < trip.need_wh(car) - TOLERANCE_WH:
                return False
            held_wh -= trip.drive_wh(car)
        return True

    def _cut(self, own: Floats, held_wh: float, start: int, least_w: float) -> float:
        """Cuts the powers of one stay in place; returns what its car ends it with, -1: it can't."""
        car = self._car
        gain = self._view.hours * car.efficiency
        room_wh = max(car.high_wh - held_wh, 0.0)
        stored_wh = np.minimum(np.cumsum(own) * gain, room_wh)
        if stored_wh[-1] >= room_wh:
            own[:] = np.diff(stored_wh, prepend=0.0) / gain
        early = own[: max(FIRST_HOUR_STEPS - start, 0)]
        early[early < least_w - _TINY_W] = 0.0
        own[own < _TINY_W] = 0.0
        path_wh = held_wh + np.cumsum(own) * gain
        for line in car.taper:
            if ((own > 0) & (own > line.top_w - line.per_wh * path_wh + _TINY_W)).any():
                return -1.0
        return float(path_wh[-1])
