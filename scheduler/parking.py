"""Where each car stands between its trips, and on which EVSE.

The chains say the place and the time of each stay; here each stay is given an EVSE of the place
that is free for the whole of it, or none. Stays come in order of arrival and take the EVSE that
brings them what they can use at the least power, so that strong ones stay free for short stays.
Where none is free, the standing car that can use an EVSE least gives way. A car that stands on an
EVSE from the beginning keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scheduler.chains import Chains
from scheduler.view import Car, Post, View


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
    def key(self) -> tuple[int, int]:
        """What names the stay, whichever EVSE it holds."""
        return self.car, self.before


def stays_of(view: View, chains: Chains) -> list[Stay]:
    """Returns all stays, car by car in order, without EVSEs."""
    stays: list[Stay] = []
    for car, chain in zip(view.cars, chains, strict=True):
        site, since, before = car.site, car.free_from, -1
        for index in chain:
            trip = view.trips[index]
            stays.append(Stay(car.index, site, since, trip.start, before, index))
            site, since, before = trip.dropoff, trip.end, index
        until = max(since, view.steps)
        stays.append(
            Stay(car.index, site, min(since, view.steps), min(until, view.steps), before, -1)
        )
    return stays


def park(view: View, stays: list[Stay], urgency: Mapping[tuple[int, int], float]) -> list[Stay]:
    """Returns the stays with their EVSEs.

    `urgency`, by a stay's key, says how much it lacks (Wh) when left without: such stays give way
    last.
    """
    worth = [_useful_wh(view, stay) + 1e3 * urgency.get(stay.key, 0.0) for stay in stays]
    posts = [-1] * len(stays)
    for site in range(len(view.places)):
        here = [n for n, stay in enumerate(stays) if stay.site == site and stay.start < stay.end]
        _park_site(view, stays, here, worth, posts)
    return [
        replace(stay, post=post) if post >= 0 else stay
        for stay, post in zip(stays, posts, strict=True)
    ]


def _park_site(
    view: View, stays: list[Stay], here: list[int], worth: list[float], posts: list[int]
) -> None:
    """Gives EVSEs to the stays `here`, all at one site."""
    held: dict[int, list[int]] = {}
    for n in here:
        own = _own_post(view, stays[n])
        if own >= 0:
            posts[n] = own
            held.setdefault(own, []).append(n)
    fixed = {n for n in here if posts[n] >= 0}
    for n in sorted(here, key=lambda n: (stays[n].start, -worth[n], n)):
        if posts[n] >= 0 or worth[n] <= 0:
            continue
        choices = _choices(view, stays[n])
        free = [p for p in choices if not _taken(stays, held.get(p, []), stays[n])]
        if free:
            posts[n] = free[0]
            held.setdefault(free[0], []).append(n)
            continue
        weakest: tuple[float, int, list[int]] | None = None
        for post in choices:
            rivals = _taken(stays, held[post], stays[n])
            if any(m in fixed for m in rivals):
                continue
            loss = sum(worth[m] for m in rivals)
            if loss < worth[n] and (weakest is None or loss < weakest[0]):
                weakest = (loss, post, rivals)
        if weakest is not None:
            for m in weakest[2]:
                posts[m] = -1
                held[weakest[1]].remove(m)
            posts[n] = weakest[1]
            held[weakest[1]].append(n)


def _own_post(view: View, stay: Stay) -> int:
    """Returns the EVSE that a car stands on from the beginning and keeps, or -1."""
    return view.cars[stay.car].post if stay.before < 0 else -1


def _taken(stays: list[Stay], holders: list[int], stay: Stay) -> list[int]:
    """Returns those of `holders` that stand there at the same time as `stay`."""
    return [m for m in holders if stays[m].start < stay.end and stay.start < stays[m].end]


def _choices(view: View, stay: Stay) -> list[int]:
    """Returns the EVSEs that can serve a stay, best first."""
    car = view.cars[stay.car]
    useful = _useful_wh(view, stay)
    ranked: list[tuple[float, float, float, int]] = []
    for index in view.places[stay.site].posts:
        post = view.posts[index]
        power_w = post.power_w(car)
        if power_w <= 0 or not post.open[stay.start]:
            continue
        brought = min(useful, _brought_wh(view, car, post, stay))
        gives = post.bidirectional and car.discharge_w > 0
        ranked.append((-round(brought), -1.0 if gives else 0.0, post.max_w, index))
    return [entry[3] for entry in sorted(ranked)]


def _brought_wh(view: View, car: Car, post: Post, stay: Stay) -> float:
    steps = int(post.opened[stay.end] - post.opened[stay.start])
    power_w = min(post.power_w(car), post.circuit_w)
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
