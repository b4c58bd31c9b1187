"""Where each car stands between its trips, and on which EVSE.

The chains say the place and the time of each stay; here each stay is given an EVSE of the place
that is free for the whole of it, or none. Stays come in order of arrival and take the EVSE that
brings them what they can use at the least power, so that strong ones stay free for short stays.
Where none is free, the standing car that can use an EVSE least gives way. A car that stands on an
EVSE from the beginning keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from scheduler.chains import Chain, Chains
from scheduler.view import FIRST_HOUR_STEPS, Car, Post, View

Key = tuple[int, int]
"""What names a stay, whichever EVSE it holds: its car and the trip before."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A car between two trips; `post` is the EVSE it holds, or -1.

    A stay of no length joins two trips that follow at once; it holds nothing.
    """

    car: int
    site: int
    start: int
    end: int
    before: int
    """The trip that brought the car, or -1."""
    after: int
    """The trip that ends the stay, or -1."""
    post: int = -1

    @property
    def key(self) -> Key:
        """What names the stay, whichever EVSE it holds."""
        return self.car, self.before


def stays_of(view: View, chains: Chains) -> list[Stay]:
    """Returns all stays, car by car in order, without EVSEs."""
    stays: list[Stay] = []
    for car, chain in zip(view.cars, chains, strict=True):
        stays += _stays_of_car(view, car, chain)
    return stays


def _stays_of_car(view: View, car: Car, chain: Chain) -> list[Stay]:
    stays: list[Stay] = []
    site, since, before = car.site, car.free_from, -1
    for index in chain:
        trip = view.trips[index]
        stays.append(Stay(car.index, site, since, trip.start, before, index))
        site, since, before = trip.dropoff, trip.end, index
    until = max(since, view.steps)
    stays.append(Stay(car.index, site, min(since, view.steps), min(until, view.steps), before, -1))
    return stays


class Parking:
    """Deals the EVSEs of one problem, again and again: a site is dealt anew if it has changed."""

    def __init__(self, view: View, held: Mapping[Key, int] = MappingProxyType({})) -> None:
        """Deals them beside stays that have `held` theirs before, and keep it if they can."""
        self._view, self._kept = view, held
        self._dealt: dict[int, tuple[tuple[object, ...], list[Stay]]] = {}
        """By site: what its EVSEs were last dealt for, and how."""
        self._stays: list[tuple[Chain, list[Stay]]] = [((), []) for _ in view.cars]
        """By car: the chain that was last asked for, and its stays."""

    def stays_of(self, chains: Chains) -> list[Stay]:
        """Returns what `stays_of` does; the stays of a car whose chain is as before are the same.

        To compare and to look up what is the same takes a fraction of the time.
        """
        found: list[Stay] = []
        for number, (car, chain) in enumerate(zip(self._view.cars, chains, strict=True)):
            known, own = self._stays[number]
            if known != chain or not own:
                own = _stays_of_car(self._view, car, chain)
                self._stays[number] = chain, own
            found += own
        return found

    def park(
        self,
        stays: list[Stay],
        urgency: Mapping[Key, float],
        wishes: Mapping[Key, int] = MappingProxyType({}),
    ) -> list[Stay]:
        """Returns the stays with their EVSEs.

        Args:
            stays: without EVSEs.
            urgency: how much a stay lacks (Wh) when left without: such stays give way last.
            wishes: the EVSE that a stay had better get (-1: none), as far as it is free; those
                named first come first.
        """
        at: list[list[int]] = [[] for _ in self._view.places]
        for n, stay in enumerate(stays):
            if stay.start < stay.end:
                at[stay.site].append(n)
        parked = list(stays)
        for site, here in enumerate(at):
            some = [stays[n] for n in here]
            urgent = [urgency.get(stay.key, 0.0) for stay in some] if urgency else [0.0] * len(some)
            named = {stay.key: n for n, stay in enumerate(some)} if wishes else {}
            wished = [
                (named[key], post)
                for key, post in wishes.items()
                if key in named and key not in urgency
            ]
            for n, stay in zip(here, self._deal(site, some, urgent, wished), strict=True):
                parked[n] = stay
        return parked

    def _deal(
        self, site: int, stays: list[Stay], urgent: list[float], wished: list[tuple[int, int]]
    ) -> list[Stay]:
        """Returns the stays of a site with their EVSEs."""
        key = (tuple(stays), tuple(urgent), tuple(wished))
        known = self._dealt.get(site)
        if known is None or known[0] != key:
            useful = [_useful_wh(self._view, stay) for stay in stays]
            worth = [wh + 1e3 * lack_wh for wh, lack_wh in zip(useful, urgent, strict=True)]
            dealt = _Site(stays, useful, worth, [-1] * len(stays))
            kept = [
                (n, self._kept[stay.key]) for n, stay in enumerate(stays) if stay.key in self._kept
            ]
            _park_site(self._view, dealt, kept, wished)
            parked = [
                stay if post < 0 else replace(stay, post=post)
                for stay, post in zip(stays, dealt.posts, strict=True)
            ]
            known = self._dealt[site] = (key, parked)
        return known[1]


@dataclass(slots=True)
class _Site:
    """One site while its EVSEs are dealt; stays go by their numbers."""

    stays: list[Stay]
    useful_wh: list[float]
    """By stay: what an EVSE could bring."""
    worth: list[float]
    posts: list[int]
    """By stay: the EVSE it holds, or -1."""
    held: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    fixed: set[int] = field(default_factory=set[int])
    """Stays whose car stands on its EVSE from the beginning."""
    idle: set[int] = field(default_factory=set[int])
    """Stays that had better hold none."""
    busy: dict[int, int] = field(default_factory=dict[int, int])
    """By EVSE: the steps in which it is held, as bits."""

    def give(self, n: int, post: int) -> None:
        """Gives an EVSE to a stay."""
        self.posts[n] = post
        self.held.setdefault(post, []).append(n)
        self.busy[post] = self.busy.get(post, 0) | self._steps(n)

    def _steps(self, n: int) -> int:
        """Returns the steps of a stay, as bits."""
        stay = self.stays[n]
        return (1 << stay.end) - (1 << stay.start)

    def is_free(self, n: int, post: int) -> bool:
        """Returns whether nobody holds an EVSE at any time of a stay."""
        return not self.busy.get(post, 0) & self._steps(n)

    def taken(self, n: int, post: int) -> list[int]:
        """Returns who holds an EVSE at some time of a stay."""
        stay = self.stays[n]
        return [
            m
            for m in self.held.get(post, ())
            if self.stays[m].start < stay.end and stay.start < self.stays[m].end
        ]

    def wish(self, view: View, n: int, post: int) -> None:
        """Grants a wish as far as it goes."""
        if post < 0:
            self.idle.add(n)
        elif view.posts[post].open[self.stays[n].start] and self.is_free(n, post):
            self.give(n, post)

    def push_out(self, n: int, choices: list[int]) -> None:
        """Gives a stay the EVSE of those who can use it least, if it can use it more."""
        weakest: tuple[float, int, list[int]] | None = None
        for post in choices:
            rivals = self.taken(n, post)
            if self.fixed.intersection(rivals):
                continue
            loss = sum(self.worth[m] for m in rivals)
            if loss < self.worth[n] and (weakest is None or loss < weakest[0]):
                weakest = (loss, post, rivals)
        if weakest is not None:
            for m in weakest[2]:
                self.posts[m] = -1
                self.held[weakest[1]].remove(m)
                self.busy[weakest[1]] &= ~self._steps(m)
            self.give(n, weakest[1])


def _park_site(
    view: View, site: _Site, kept: list[tuple[int, int]], wished: list[tuple[int, int]]
) -> None:
    """Deals the EVSEs of one site: `kept` stays, then `wished` ones have theirs before others."""
    for n, stay in enumerate(site.stays):
        own = _own_post(view, stay)
        if own >= 0:
            site.give(n, own)
            site.fixed.add(n)
        elif _is_left(view, stay):
            site.fixed.add(n)
            site.idle.add(n)
    for n, post in kept:
        if n not in site.fixed:
            site.wish(view, n, post)
            site.fixed.update((n,) if site.posts[n] == post else ())
    for n, post in wished:
        if n not in site.fixed:
            site.wish(view, n, post)
    order = sorted(range(len(site.stays)), key=lambda n: (site.stays[n].start, -site.worth[n], n))
    for n in order:
        if site.posts[n] >= 0 or site.worth[n] <= 0 or n in site.idle:
            continue
        choices = _choices(view, site.stays[n], site.useful_wh[n])
        free = next((post for post in choices if site.is_free(n, post)), None)
        if free is None:
            site.push_out(n, choices)
        else:
            site.give(n, free)


def _own_post(view: View, stay: Stay) -> int:
    """Returns the EVSE that a car stands on from the beginning and keeps, or -1."""
    return view.cars[stay.car].post if stay.before < 0 else -1


def _is_left(view: View, stay: Stay) -> bool:
    """Returns whether a car stands on no EVSE from the beginning, its driver gone."""
    return stay.before < 0 and view.cars[stay.car].parked


def _choices(view: View, stay: Stay, useful: float) -> list[int]:
    """Returns the EVSEs that can serve a stay, which `useful` Wh help, best first."""
    car = view.cars[stay.car]
    ranked: list[tuple[float, float, float, int]] = []
    for alike in view.places[stay.site].alike:
        post = view.posts[alike[0]]
        power_w = post.power_w(car)
        if power_w <= 0 or not post.open[stay.start]:
            continue
        brought = min(useful, _brought_wh(view, car, post, stay))
        gives = post.bidirectional and car.discharge_w > 0
        rank = (-round(brought), -1.0 if gives else 0.0, post.max_w)
        ranked += [(*rank, index) for index in alike]
    return [entry[3] for entry in sorted(ranked)]


def _brought_wh(view: View, car: Car, post: Post, stay: Stay) -> float:
    power_w = min(post.power_w(car), post.circuit_w)
    begin = stay.start
    if power_w < post.least_w(car):
        begin = min(max(begin, FIRST_HOUR_STEPS), stay.end)
    steps = int(post.opened[stay.end] - post.opened[begin])
    return steps * power_w * view.hours * car.efficiency


def _useful_wh(view: View, stay: Stay) -> float:
    """Returns how much an EVSE could bring in this stay into a battery as the last trip left it."""
    car = view.cars[stay.car]
    if stay.start >= stay.end:
        return 0.0
    reach = view.reach_wh(car, stay.site, limited=False)
    brought = float(reach[stay.end] - reach[stay.start])
    if stay.before < 0:
        lack = max(car.high_wh - car.soc_wh, 0.0)
    else:
        lack = min(view.trips[stay.before].drive_wh(car) * 2, car.high_wh - car.low_wh)
    if car.discharge_w > 0:
        lack = car.high_wh - car.low_wh
    return min(brought, max(lack, 1.0))


def redeals(view: View, stays: Sequence[Stay], movable: Sequence[Stay]) -> Iterator[dict[Key, int]]:
    """Yields the ways to give one of the `movable` stays another EVSE, as wishes.

    Who holds it changes places with the stay.
    """
    now = {stay.key: stay.post for stay in stays if stay.start < stay.end}
    for stay in movable:
        if stay.start >= stay.end or _own_post(view, stay) >= 0 or _is_left(view, stay):
            continue
        car = view.cars[stay.car]
        tried: set[tuple[object, ...]] = set()
        for index in (-1, *view.places[stay.site].posts):
            kind = _kind(view, index, car, stays, stay)
            if index == stay.post or kind in tried:
                continue
            tried.add(kind)
            rivals = [
                each
                for each in stays
                if index >= 0
                and each.post == index
                and each.start < stay.end
                and stay.start < each.end
            ]
            if any(_own_post(view, rival) >= 0 for rival in rivals):
                continue
            changed = {stay.key: index} | {rival.key: stay.post for rival in rivals}
            yield changed | {key: post for key, post in now.items() if key not in changed}


def _kind(
    view: View, index: int, car: Car, stays: Sequence[Stay], stay: Stay
) -> tuple[object, ...]:
    """Returns what tells one EVSE from another to a stay: free ones that are alike count once."""
    if index < 0:
        return (-1,)
    post = view.posts[index]
    held = any(
        each.post == index and each.start < stay.end and stay.start < each.end for each in stays
    )
    least_w = post.least_w(car) if stay.start < FIRST_HOUR_STEPS else 0.0
    is_open = int(post.opened[stay.end] - post.opened[stay.start])
    kind = (post.power_w(car), post.back_w(car), tuple(post.loads(car)), least_w, is_open)
    return (*kind, index) if held else kind
