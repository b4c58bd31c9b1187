"""From problem to plan: assignment, charging, the gate, and what remains when solvers fail.

The plan before (the incumbent) is always among the candidates: another assignment takes its place
only if it serves more, or costs less by the charging program itself. Switching blindly whenever
the flow finds another assignment cost 2 % over simulated weeks, switching through this gate saved
2 to 5 %. A fresh assignment is made where there is none or it leaves a booking out; the best
candidate is bettered by exchanges (`scheduler.search`).

The referee judges every plan before it is returned. Where the solvers fail, the incumbent's
charging is taken over as far as it still fits, then the cars are charged by least laxity; where
even that does not pass, they serve what they can with what they hold, which always does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from random import Random
from typing import Literal

from scheduler.apart import LARGE, Memory
from scheduler.assign import assign, mend
from scheduler.bound import quick_bound
from scheduler.candidates import Candidate, Charger, Judge, short_gaps, uncharged
from scheduler.chains import Chains, calling_at, priority_served, served, sound_chains
from scheduler.charge import Charge, charge
from scheduler.check import Violation, check
from scheduler.incumbent import incumbent_for, kept_chains, kept_powers, left_before
from scheduler.laxity import LeastLaxity
from scheduler.options import OFFLINE, PlanOptions
from scheduler.parking import Stay
from scheduler.partly import Kept, kept_beside
from scheduler.plan import Plan
from scheduler.polish import polished
from scheduler.pools import Pooled, pooled
from scheduler.prices import RechargePrices
from scheduler.problem import Problem
from scheduler.result import OPTIMAL_WITHIN, cost_without_cars, make_result, outcome
from scheduler.search import Search
from scheduler.solver import SolveLimits
from scheduler.surplus import FollowSun
from scheduler.turns import Turns
from scheduler.unserved import reason
from scheduler.view import View

__all__ = ["OFFLINE", "Made", "PlanOptions", "incumbent_for", "make_plan", "plan_with_level"]

Level = Literal["solver", "sun", "former", "laxity", "held"]
"""Which level of the chain answered: the charging program (or, where that is asked for, following
the sun), the plan before, least laxity, or what the cars hold."""


_SHARE_OF_THE_OPTIMAL = 0.25
"""What part of its time limit a plan that is `optimal` is still bettered in."""
_SHARE_OF_THE_POLISH = 0.25
"""What part of its time limit cars and EVSEs are decided together in, where they are few."""
_SHARE_OF_THE_MOVES = 0.2
"""What part of its time limit is left for moves by staff."""
_LAST_CHARGES = 8
"""A plan is made of two candidates in about the time of so many charging programs."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plan, which level of the chain it comes from, and what the referee says of it."""

    plan: Plan
    level: Level
    violations: tuple[Violation, ...] = ()
    """Empty: the plan may be published."""
    kept_cars: int = 0
    """How many cars charge as the plan before says: see `PlanOptions.sites`."""
    solvers: tuple[str, ...] = ()
    """Who has answered the programs of its charging (`glop`, `highs`), or found other trips
    (`cp-sat`); empty unless the level is `solver`."""
    objective: float = math.inf
    """What was made small: the plan's cost, and what `PlanOptions` prices beside money. Comparable
    between plans of one problem that serve as much; infinite unless the level is `solver`."""


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
        incumbent: the plan before, in terms of this problem (`incumbent_for`); its assignments
            and its charging are used.
        options: how to plan.
        monotonic: seconds, for `solve_seconds` and the time limit.
    """
    return plan_with_level(problem, incumbent=incumbent, options=options, monotonic=monotonic).plan


def plan_with_level(
    problem: Problem,
    *,
    incumbent: Plan | None = None,
    options: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
    monotonic: Callable[[], float],
) -> Made:
    """Returns what `make_plan` does, with the level that it comes from."""
    planner = _Planner(problem, incumbent, options, monotonic)
    for level, candidate in planner.candidates():
        plan = planner.result(candidate)
        if not check(problem, plan):
            if level != "solver":
                return Made(plan, level)
            solvers = tuple(sorted(planner.answered))
            return Made(plan, level, (), planner.kept_cars, solvers, candidate.objective)
        planner.kept_cars = 0
    none: Chains = tuple(() for _ in problem.vehicles)
    plan = planner.result(uncharged(planner.view, none))
    return Made(plan, "held", check(problem, plan))


class _Planner:
    """Plans one problem once."""

    def __init__(
        self,
        problem: Problem,
        incumbent: Plan | None,
        options: PlanOptions,
        monotonic: Callable[[], float],
    ) -> None:
        self._began_s = monotonic()
        self._monotonic, self._options = monotonic, options
        self._limits = SolveLimits(iterations=options.iterations, solvers=options.solvers)
        self.view = View(problem)
        self._prices = RechargePrices(
            self.view,
            short_gap_cost=options.short_gap_cost_per_h,
            wait_cost_per_kwh_h=options.wait_cost_per_kwh_h,
        )
        self._kept = kept_chains(self.view, incumbent)
        self._left_before = left_before(self.view, incumbent)
        self._kept_w = kept_powers(self.view, incumbent)
        self._bounds: dict[int, float] = {}
        self._pooled: dict[int, Pooled | None] = {}
        self._memory = Memory()
        self._longest_charge_s = 0.0
        self._incumbent = incumbent
        self._moves_share = 0.0
        self.kept_cars = 0
        """How many cars keep their charging in the candidate that was yielded last."""
        self.answered = self._limits.answered
        """The solvers that have answered so far."""

    def candidates(self) -> Iterator[tuple[Level, Candidate]]:
        """Yields decisions, best first; those further down are made only if asked for."""
        if self._options.solvers and not self._options.follow_sun:
            former = None if self._incumbent is None else self._incumbent.moves
            turns = Turns(
                self.view,
                self._charge,
                former=former,
                has_time=self._has_time,
                thorough=self._options.exchange_rounds > 1,
            )
            self._moves_share = _SHARE_OF_THE_MOVES if turns.are_possible else 0.0
            for candidate in self._solved():
                moved = turns.with_moves(candidate) if turns.are_possible else None
                if moved is not None:
                    gaps = short_gaps(
                        self.view, moved.decision.chains, self._options.short_gap_cost_per_h
                    )
                    yield "solver", replace(moved, objective=moved.objective + gaps)
                yield "solver", candidate
        chains = mend(self.view, self._prices, self._kept or tuple(() for _ in self.view.cars))
        if self._options.follow_sun:
            judge = self._judge(FollowSun())
            if (candidate := judge.whole(chains)) is not None:
                yield "sun", judge.with_others(candidate)
        share = self._options.ready_share
        if self._kept_w is not None:
            former = self._judge(LeastLaxity(ready_share=share, wanted_w=self._kept_w))
            if (candidate := former.whole(chains)) is not None:
                yield "former", candidate
        if (candidate := self._judge(LeastLaxity(ready_share=share)).whole(chains)) is not None:
            yield "laxity", candidate
        yield "held", uncharged(self.view, chains)

    def _judge(self, charger: Charger, kept: Kept | None = None) -> Judge:
        return Judge(
            self.view,
            charger,
            short_gap_cost_per_h=self._options.short_gap_cost_per_h,
            held={} if kept is None else kept.posts,
        )

    def _partly(self, sites: frozenset[str]) -> Candidate | None:
        """Returns a candidate that keeps what happens beside `sites`; None: plan all anew.

        That has to be where a fresh assignment serves more. A trip that lacks its energy is tried
        on other cars, which then are planned anew too; where that does not help, with nothing kept.
        """
        view, incumbent, before = self.view, self._incumbent, self._kept
        if incumbent is None or before is None:
            return None
        chains = self._mended
        if not self._able - self._given_up <= served(chains) and (
            priority_served(view, self._fresh) > priority_served(view, chains)
        ):
            return None
        kept = kept_beside(view, incumbent, before, chains, sites)
        if kept is None:
            return None
        judge = self._judge(partial(self._charge, kept=kept), kept)
        rough = judge.whole(chains)
        if rough is None:
            return None
        rough = judge.with_others(rough)
        if rough.priority < priority_served(view, chains):
            free = self._judge(self._charge)
            freely = free.whole(chains)
            if freely is not None and freely.priority > rough.priority:
                judge, rough, kept = free, freely, Kept({}, {}, chains)
        candidate = judge.finished(rough)
        if candidate is None or candidate.finish or candidate.priority < rough.priority:
            return None
        self.kept_cars = len(kept.beside(candidate.decision.stays).powers_w)
        return candidate

    def _solved(self) -> Iterator[Candidate]:
        """Yields what the charging program makes of the incumbent's chains and of fresh ones."""
        if self._options.sites is not None:
            candidate = self._partly(self._options.sites)
            if candidate is not None:
                yield candidate
        exact = self._judge(self._charge_lawfully)
        found: list[Candidate] = []
        lost = False
        for rough in self._searched():
            candidate = exact.finished(rough)
            if candidate is None:
                continue
            lost = lost or candidate.priority < rough.priority
            if self._options.time_limit_s is None and not lost:
                yield candidate
            else:
                # What was better before the powers were made lawful need not be so after.
                found.append(candidate)
        if lost and self._kept is not None:
            standing = exact.whole(sound_chains(self.view, self._kept))
            found += [] if standing is None else [standing]
        yield from sorted(found, key=lambda candidate: candidate.rank)

    def _searched(self) -> list[Candidate]:
        """Returns candidates whose powers are not lawful yet, best first."""
        view, prices = self.view, self._prices
        judge = self._judge(self._charge)
        starts = self._starts()
        found = [
            judge.with_others(candidate)
            for chains in starts
            if (candidate := judge.whole(chains)) is not None
        ]
        if self._kept is not None and any(candidate.dropped for candidate in found):
            # A trip that was put in may have cost one that the incumbent serves its energy.
            standing = sound_chains(view, self._kept)
            candidate = None if standing in starts else judge.whole(standing)
            found += [] if candidate is None else [judge.with_others(candidate)]
        if not found:
            return []
        if self._options.prove:
            best = min(found, key=lambda candidate: candidate.rank)
            found += self._with_others_left_out(judge, best)
        found.sort(key=lambda candidate: candidate.rank)
        search = Search(view, judge, prices)
        found.insert(0, search.settled(found[0], self._exchange_rounds()))
        if self._options.time_limit_s is not None:
            random = Random(0)  # noqa: S311 - the same search for the same problem
            best = found[0]
            if self._may_go_on() and not self._is_good_enough(best):
                limit = _SHARE_OF_THE_POLISH * self._options.time_limit_s
                whole = polished(view, judge, best, limit=limit)
                if whole is not best:
                    self.answered.add("cp-sat")
                best = whole
            best = search.kicked(best, random, self._may_go_on, self._is_good_enough)
            found = [best, *found[:1]]
        return found

    def _exchange_rounds(self) -> int:
        """Returns how often exchanges are tried: one round by itself gains nothing in large plans.

        With 3,000 cars it took a quarter of the time and left a plan 0.01 % dearer, since what
        pays before the first hour is made lawful need not pay after.
        """
        rounds = self._options.exchange_rounds
        is_large = len(self.view.cars) * self.view.steps > LARGE
        return 0 if rounds == 1 and is_large else rounds

    def _starts(self) -> list[Chains]:
        """Returns the chains to begin with: the incumbent's, and fresh ones where it lacks.

        While the incumbent serves all, exchanges find what a fresh assignment would, in three
        quarters of the time and with half as many bookings moved to another car (16 simulated
        days: costs within 1 %). Where an answer is wanted now, what was left out before is no
        reason for a fresh assignment, and of two starts only the one that serves more counts.
        """
        if self._kept is None:
            return [self._fresh]
        starts = [self._mended]
        if self._able - self._given_up <= served(starts[0]):
            return starts
        if self._fresh not in starts:
            starts.append(self._fresh)
        if not self._options.exchange_rounds:
            most = max(priority_served(self.view, chains) for chains in starts)
            starts = [each for each in starts if priority_served(self.view, each) == most]
        return starts

    @cached_property
    def _able(self) -> set[int]:
        """The trips that some car can drive."""
        return {trip.index for trip in self.view.trips if trip.cars}

    @cached_property
    def _given_up(self) -> frozenset[int]:
        """What the incumbent leaves out, where no exchange is asked for."""
        return frozenset() if self._options.exchange_rounds else self._left_before

    @cached_property
    def _mended(self) -> Chains:
        """The incumbent's chains, drivable."""
        return mend(self.view, self._prices, self._kept or (), self._given_up)

    @cached_property
    def _fresh(self) -> Chains:
        """The chains of a new assignment."""
        return assign(self.view, self._prices, self._kept)

    def _with_others_left_out(self, judge: Judge, best: Candidate) -> list[Candidate]:
        """Returns a candidate that leaves out other trips of the same worth, if it can.

        A flow finds out how many trips can be served, not which of them had better not be: the
        pools know what each would cost.
        """
        able = [trip for trip in self.view.trips if trip.cars]
        beyond = sum(trip.priority for trip in able) - best.priority
        pools = self._pools(best.priority) if beyond > 0 else None
        if pools is None:
            return []
        without: set[int] = set()
        for trip in sorted(able, key=lambda trip: (pools.shares[trip.index], trip.index)):
            if 0 < trip.priority <= beyond:
                beyond -= trip.priority
                without.add(trip.index)
        candidate = judge.whole(assign(self.view, self._prices, None, without))
        return [] if candidate is None else [judge.with_others(candidate)]

    def _charge(self, view: View, stays: Sequence[Stay], kept: Kept | None = None) -> Charge | None:
        began_s = self._monotonic()
        solved = charge(view, stays, self._options, self._limits, memory=self._memory, kept=kept)
        self._longest_charge_s = max(self._longest_charge_s, self._monotonic() - began_s)
        return solved

    def _charge_lawfully(self, view: View, stays: Sequence[Stay]) -> Charge | None:
        solved = self._charge(view, stays)
        return None if solved is None or solved.finish is None else solved.finish()

    def _may_go_on(self) -> bool:
        """Returns whether there is time for one more try, and to make a plan of what is there."""
        assert self._options.time_limit_s is not None
        spent_s = self._monotonic() - self._began_s
        limit_s = (1 - self._moves_share) * self._options.time_limit_s
        return spent_s + _LAST_CHARGES * self._longest_charge_s < limit_s

    def _has_time(self) -> bool:
        """Returns whether there is time to try one more move by staff, and to make a plan."""
        if self._options.time_limit_s is None:
            return True
        spent_s = self._monotonic() - self._began_s
        return spent_s + _LAST_CHARGES * self._longest_charge_s < self._options.time_limit_s

    def _is_good_enough(self, candidate: Candidate) -> bool:
        """Returns whether more time is better saved.

        Where most of the cost is the worth of what is left, a plan within 0.5 % of its bound may
        charge for far more than it must: it has a quarter of the time to get within 0.5 % of what
        charging costs. While a trip that cars could drive is refused, there is more to gain.
        """
        assert self._options.time_limit_s is not None
        done = served(candidate.decision.chains)
        if any(trip.cars and trip.index not in done for trip in self.view.trips):
            return False
        bound, found = self._bound(candidate), outcome(self.view, candidate.decision)
        gap = found.cost - bound
        charging_cost = found.energy_cost - cost_without_cars(self.view, candidate.decision)
        if gap <= OPTIMAL_WITHIN * abs(charging_cost):
            return True
        spent_s = self._monotonic() - self._began_s
        is_late = spent_s >= _SHARE_OF_THE_OPTIMAL * self._options.time_limit_s
        return is_late and gap <= OPTIMAL_WITHIN * abs(bound)

    def _bound(self, candidate: Candidate) -> float:
        """Returns a bound on plans that serve as much as `candidate`."""
        priority = candidate.priority
        if priority not in self._bounds:
            pools = self._pools(priority) if self._options.prove else None
            self._bounds[priority] = max(
                quick_bound(self.view, priority), -math.inf if pools is None else pools.bound
            )
        return self._bounds[priority]

    def _pools(self, priority: int) -> Pooled | None:
        if priority not in self._pooled:
            self._pooled[priority] = pooled(self.view, priority, self._limits)
        return self._pooled[priority]

    def result(self, candidate: Candidate) -> Plan:
        """Returns the plan that a candidate amounts to."""
        view, decision = self.view, candidate.decision
        done = served(decision.chains)
        here = calling_at(view, decision.chains)
        refused = [trip for trip in view.trips if trip.index not in done]
        bound = self._bound(candidate)
        return make_result(
            view,
            decision,
            unserved=tuple(
                reason(view, trip, decision.chains, candidate.dropped, here) for trip in refused
            ),
            lower_bound=bound,
            solve_seconds=self._monotonic() - self._began_s,
        )
