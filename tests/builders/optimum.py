"""The best plan of a tiny problem, by trying every assignment and every way to park."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from scheduler.chains import Chains, priority_served
from scheduler.charge import charge
from scheduler.options import PlanOptions
from scheduler.parking import Stay, stays_of
from scheduler.problem import Problem
from scheduler.result import Decision, outcome
from scheduler.solver import SolveLimits
from scheduler.view import View
from tests.builders.problems import random_problem

COSTS_ONLY = PlanOptions(wait_cost_per_kwh_h=0.0, short_gap_cost_per_h=0.0)


def tiny_problem(seed: int) -> Problem:
    """Returns a random problem of at most two cars, three bookings and two EVSEs per site."""
    whole = random_problem(seed)
    sites = tuple(replace(site, evses=site.evses[:2]) for site in whole.sites)
    spots = {evse.id for site in sites for evse in site.evses}
    cars = tuple(
        replace(car, evse=car.evse if car.evse in spots else None) for car in whole.vehicles[:2]
    )
    names = {car.id for car in cars}
    bookings = tuple(
        replace(trip, vehicle=trip.vehicle if trip.vehicle in names else None)
        for trip in whole.bookings[:3]
    )
    return replace(whole, sites=sites, vehicles=cars, bookings=bookings)


def least_costs(problem: Problem) -> dict[int, float]:
    """Returns, by the priority that is served, the least cost of all plans without DC visits."""
    view = View(problem)
    found: dict[int, float] = {}
    for chains in _assignments(view):
        for stays in _parkings(view, stays_of(view, chains), []):
            rough = charge(view, stays, COSTS_ONLY, SolveLimits())
            solved = rough.finish() if rough is not None and rough.finish is not None else None
            if solved is None or any(wh > 0.5 for wh in solved.short_wh.values()):
                continue
            decision = Decision(chains, stays, solved.powers_w, solved.battery_w, solved.flexible_w)
            cost = outcome(view, decision).cost
            priority = priority_served(view, chains)
            found[priority] = min(cost, found.get(priority, cost))
    return found


def _assignments(view: View) -> Iterator[Chains]:
    """Yields every way to deal trips to cars that time and place allow."""
    trips = sorted(view.trips, key=lambda trip: trip.start)
    for choice in itertools.product(*((-1, *trip.cars) for trip in trips)):
        chains: list[tuple[int, ...]] = [() for _ in view.cars]
        for trip, car in zip(trips, choice, strict=True):
            if car >= 0:
                chains[car] = (*chains[car], trip.index)
        if all(_drivable(view, car, chain) for car, chain in enumerate(chains)):
            yield tuple(chains)


def _drivable(view: View, number: int, chain: tuple[int, ...]) -> bool:
    car = view.cars[number]
    place, free = car.site, car.free_from
    for index in chain:
        trip = view.trips[index]
        if trip.pickup != place or trip.start < free:
            return False
        place, free = trip.dropoff, trip.end + view.turnaround
    return True


def _parkings(view: View, stays: list[Stay], dealt: list[Stay]) -> Iterator[list[Stay]]:
    """Yields every way to hold EVSEs, each stay one throughout or none."""
    if len(dealt) == len(stays):
        yield dealt
        return
    stay = stays[len(dealt)]
    own = view.cars[stay.car].post if stay.before < 0 else -1
    choices = (own,) if own >= 0 else (-1, *view.places[stay.site].posts)
    for post in choices if stay.start < stay.end else (-1,):
        if post >= 0 and not _is_free(view, stay, post, stays, dealt):
            continue
        yield from _parkings(view, stays, [*dealt, replace(stay, post=post)])


def _is_free(view: View, stay: Stay, post: int, stays: list[Stay], dealt: list[Stay]) -> bool:
    own = view.cars[stay.car].post if stay.before < 0 else -1
    if own != post and not view.posts[post].open[stay.start]:
        return False
    held = [each for each in dealt if each.post == post]
    held += [each for each in stays if each.before < 0 and view.cars[each.car].post == post]
    return not any(
        each.start < stay.end and stay.start < each.end and each.car != stay.car for each in held
    )
