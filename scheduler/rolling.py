"""From problem to plan: assignment, charging, the gate, and what remains when solvers fail.

The plan before (the incumbent) is always among the candidates: another assignment takes its place
only if it serves more, or costs less by the charging program itself. Switching blindly whenever
the flow finds another assignment cost 2 % over simulated weeks, switching through this gate saved
2 to 5 %. The referee judges every plan before it is returned; where nothing else passes, the cars
serve what they can without being charged, which always does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from scheduler.assign import assign, mend
from scheduler.bound import lower_bound
from scheduler.chains import Chains, fits, priority_served, served, walk
from scheduler.charge import Charge, charge
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.parking import Stay, park, stays_of
from scheduler.plan import Assignment, Kpis, Plan, UnservedCode
from scheduler.prices import RechargePrices
from scheduler.problem import Problem
from scheduler.result import Decision, make_result
from scheduler.solver import SolveLimits
from scheduler.unserved import held_only, reason, with_idle_cars
from scheduler.view import Trip, View

__all__ = ["OFFLINE", "PlanOptions", "incumbent_for", "make_plan", "plan_without_charging"]

SHORT_WH = 0.5
"""A trip that lacks more than this can't be promised; the referee's tolerance is 1 Wh."""
PARKINGS = 3
"""How often EVSEs are dealt anew to those that lack energy."""
TRIES = 12
"""How often a trip that was given up is tried on another car."""
DROPS = 12
"""How many trips may be given up, one at a time, before the rest is planned without charging."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A whole decision, and how it compares."""

    decision: Decision
    dropped: Mapping[int, UnservedCode]
    priority: int
    objective: float


def incumbent_for(
    problem: Problem, *, former: tuple[datetime, Plan] | None, promised: Mapping[str, str]
) -> Plan | None:
    """Returns the standing assignment in terms of a new problem.

    Args:
        problem: what is to be planned now.
        former: the last plan and its start; it knows bookings that are promised to no car.
        promised: which vehicle each booking is promised to; goes before the former plan.
    """
    known = {each.id for each in problem.bookings}
    vehicles: dict[str, str] = {}
    if former is not None:
        vehicles.update((each.booking, each.vehicle) for each in former[1].assignments)
    vehicles.update(promised)
    assignments = tuple(
        Assignment(booking, vehicle, 0.0)
        for booking, vehicle in sorted(vehicles.items())
        if booking in known
    )
    if not assignments:
        return None
    return Plan(
        status="feasible",
        cost=0.0,
        lower_bound=None,
        solve_seconds=0.0,
        assignments=assignments,
        unserved=(),
        stays=(),
        charging=(),
        sites=(),
        kpis=Kpis(None, 0.0, 0.0, 0.0),
    )


def make_plan(
    problem: Problem,
    *,
    incumbent: Plan | None = None,
    options: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
    monotonic: Callable[[], float],
) -> Plan:
    """Returns a lawful plan for any valid problem; never raises on one.

    Args:
        problem: checked by `scheduler.problem`.
        incumbent: the plan before, in terms of this problem; only its assignments are used.
        options: how to plan.
        monotonic: seconds, for `solve_seconds`.
    """
    began_s = monotonic()
    view = View(problem, options.frozen)
    prices = RechargePrices(
        view,
        short_gap_cost=options.short_gap_cost_per_h,
        wait_cost_per_kwh_h=options.wait_cost_per_kwh_h,
    )
    limits = (
        SolveLimits()
        if options.time_limit_s is None
        else SolveLimits(
            seconds=max(0.1, options.time_limit_s / 4) if options.time_limit_s else 60.0
        )
    )
    kept = _kept(view, incumbent)
    starts: list[Chains] = []
    if kept is not None:
        starts.append(mend(view, prices, kept))
    fresh = assign(view, prices, kept)
    if fresh not in starts:
        starts.append(fresh)
    found = [
        _with_others(view, candidate, options, limits)
        for chains in starts
        if (candidate := _charged(view, chains, options, limits))
    ]
    found.sort(key=lambda c: (-c.priority, c.objective))
    for candidate in (*found, _uncharged(view, starts[0])):
        plan = _result(view, candidate, monotonic() - began_s)
        if not check(problem, plan):
            return plan
    return _result(view, _uncharged(view, tuple(() for _ in view.cars)), monotonic() - began_s)


def plan_without_charging(problem: Problem, incumbent: Plan | None) -> Plan:
    """Returns what the cars can serve with what they hold: the plan when there is no solver."""
    view = View(problem)
    kept = _kept(view, incumbent) or tuple(() for _ in view.cars)
    return _result(view, _uncharged(view, kept), 0.0)


def _kept(view: View, incumbent: Plan | None) -> Chains | None:
    """The incumbent's chains as far as they are about this problem."""
    if incumbent is None or not incumbent.assignments:
        return None
    trips = {trip.id: trip for trip in view.trips}
    cars = {car.id: car.index for car in view.cars}
    chains: list[list[Trip]] = [[] for _ in view.cars]
    for each in incumbent.assignments:
        trip, car = trips.get(each.booking), cars.get(each.vehicle)
        if trip is not None and car is not None and car in trip.cars:
            chains[car].append(trip)
    return tuple(
        tuple(trip.index for trip in sorted(chain, key=lambda t: (t.start, t.index)))
        for chain in chains
    )


def _charged(
    view: View, chains: Chains, options: PlanOptions, limits: SolveLimits
) -> _Candidate | None:
    """Returns the best charging of chains; trips that can't have their energy are given up.

    A trip that was given up may suit a car that another one's loss has left idle.
    """
    dropped: dict[int, UnservedCode] = {}
    best: _Candidate | None = None
    stays: list[Stay] = []
    for _ in range(DROPS):
        solved = charge(view, stays, options, limits) if stays else None
        if solved is None or _short(solved):
            stays, solved = _parked(view, chains, options, limits)
        if solved is None:
            return best
        short = _short(solved)
        if short:
            chains, stays = _without_worst(view, chains, stays, short, dropped), []
            continue
        decision = Decision(chains, stays, solved.powers_w, solved.battery_w)
        worth = priority_served(view, chains)
        if best is None or (-worth, solved.objective) < (-best.priority, best.objective):
            best = _Candidate(decision, dict(dropped), worth, solved.objective)
        fuller = with_idle_cars(view, decision)
        if fuller is None:
            return best
        chains, stays = fuller
    return best


def _with_others(
    view: View, candidate: _Candidate, options: PlanOptions, limits: SolveLimits
) -> _Candidate:
    """Gives trips that charging had to give up to other cars, or to the same at less cost.

    Each try is a whole charging program, so there are few of them: none where nothing was given up.
    """
    best = candidate
    tries = TRIES if candidate.dropped else 0
    done = served(best.decision.chains)
    left = [trip for trip in view.trips if trip.index not in done]
    for trip in sorted(left, key=lambda trip: (-trip.priority, trip.start, trip.index)):
        for number in trip.cars:
            chains = best.decision.chains
            longer = fits(view, view.cars[number], chains[number], trip)
            if longer is None or tries == 0:
                continue
            tries -= 1
            chains = (*chains[:number], longer, *chains[number + 1 :])
            stays, solved = _parked(view, chains, options, limits)
            if solved is not None and not _short(solved):
                decision = Decision(chains, stays, solved.powers_w, solved.battery_w)
                worth = priority_served(view, chains)
                best = _Candidate(decision, best.dropped, worth, solved.objective)
                break
    return best


def _parked(
    view: View, chains: Chains, options: PlanOptions, limits: SolveLimits
) -> tuple[list[Stay], Charge | None]:
    """Deals EVSEs and charges, and deals anew to those that lack energy."""
    urgency: dict[tuple[int, int], float] = {}
    stays: list[Stay] = []
    solved: Charge | None = None
    for _ in range(PARKINGS):
        stays = park(view, stays_of(view, chains), urgency)
        solved = charge(view, stays, options, limits)
        short = _short(solved) if solved is not None else {}
        if not short or all(key in urgency for key in short):
            break
        urgency.update(short)
    return stays, solved


def _short(solved: Charge) -> dict[tuple[int, int], float]:
    return {key: wh for key, wh in solved.short_wh.items() if wh > SHORT_WH}


def _without_worst(
    view: View,
    chains: Chains,
    stays: Sequence[Stay],
    short: Mapping[tuple[int, int], float],
    dropped: dict[int, UnservedCode],
) -> Chains:
    """Gives up the trip that lacks most for its priority, and what its loss breaks."""
    key, _ = max(short.items(), key=lambda item: (item[1], item[0]))
    stay = next(each for each in stays if each.key == key)
    car = view.cars[stay.car]
    dropped[stay.after] = "NO_EVSE" if stay.post < 0 else "LIMIT"
    left = tuple(index for index in chains[stay.car] if index != stay.after)
    while (broken := walk(view, car, left)) is not None:
        dropped[left[broken.position]] = "NOT_ENOUGH_ENERGY"
        left = (*left[: broken.position], *left[broken.position + 1 :])
    return (*chains[: stay.car], left, *chains[stay.car + 1 :])


def _uncharged(view: View, chains: Chains) -> _Candidate:
    """Serves what the cars can do with what they hold; no car and no battery moves a watt."""
    whole = held_only(view, chains)
    stays = [_standing(view, stay) for stay in stays_of(view, whole)]
    powers = [np.zeros(max(0, stay.end - stay.start)) for stay in stays]
    battery_w = np.zeros((len(view.places), view.steps))
    decision = Decision(whole, stays, powers, battery_w)
    return _Candidate(decision, {}, priority_served(view, whole), float("inf"))


def _standing(view: View, stay: Stay) -> Stay:
    """A car that stands on an EVSE at the beginning keeps it; others hold none."""
    post = view.cars[stay.car].post
    return replace(stay, post=post) if stay.before < 0 and post >= 0 else stay


def _result(view: View, candidate: _Candidate, seconds: float) -> Plan:
    chains = candidate.decision.chains
    done = served(chains)
    left = [trip for trip in view.trips if trip.index not in done]
    return make_result(
        view,
        candidate.decision,
        unserved=tuple(reason(view, trip, chains, candidate.dropped) for trip in left),
        lower_bound=lower_bound(view, chains),
        solve_seconds=seconds,
    )
