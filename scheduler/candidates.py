"""From chains to a whole decision: EVSEs, powers, and what has to be given up.

Chains are drivable one by one; whether all of them together can have their energy is found out
here, by a `Charger`: the charging program, or one that needs no solver. What lacks its energy is
tried on other EVSEs, then given up, least loss of priority first; what that leaves idle may serve
what was given up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from scheduler.chains import Chains, calling_at, fits, priority_served, served, walk
from scheduler.charge import Charge
from scheduler.parking import Key, Parking, Stay, stays_of
from scheduler.plan import UnservedCode
from scheduler.prices import SHORT_GAP_H
from scheduler.result import Decision
from scheduler.unserved import held_only, with_idle_cars
from scheduler.view import Floats, View

Charger = Callable[[View, Sequence[Stay]], Charge | None]
"""Returns powers for stays, or None if it can't tell."""

SHORT_WH = 0.5
"""A trip that lacks more than this can't be promised; the referee's tolerance is 1 Wh."""
_PARKINGS = 3
"""How often EVSEs are dealt anew to those that lack energy."""
_TRIES = 12
"""How often a trip that was given up is tried on another car."""
_TRIES_OF_CARS = 4_000
"""The same for many cars: a try takes as long as there are cars."""
_ROUNDS = 16
"""How often trips are given up before the chains are: one at a time first, then twice as many."""
_ONE_BY_ONE = 8
_AT_ONCE = 4
"""Of many trips that lack energy one in so many is given up at once."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A whole decision, and how it compares."""

    decision: Decision
    dropped: Mapping[int, UnservedCode]
    priority: int
    objective: float
    """What it costs with all penalties; comparable between candidates of one charger."""
    marginal: Floats | None = None
    """By site and step: what one more kWh for a car costs, if known."""
    finish: Callable[[], Charge | None] | None = None
    """Makes the powers lawful; None where they are so already."""
    wishes: Mapping[Key, int] = field(default_factory=dict[Key, int])
    """Which EVSEs were chosen rather than dealt."""
    near: Charger | None = None
    """Charges what differs little from it; None: as anything else is charged."""

    @property
    def rank(self) -> tuple[float, float]:
        """Orders candidates, best first."""
        return -self.priority, self.objective


class Judge:
    """Makes candidates of chains, for one problem and one charger."""

    def __init__(
        self,
        view: View,
        charger: Charger,
        *,
        short_gap_cost_per_h: float,
        held: Mapping[Key, int] = MappingProxyType({}),
    ) -> None:
        """Judges by what `charger` makes of chains; some stays have `held` their EVSE before."""
        self._view, self._charger, self._parking = view, charger, Parking(view, held)
        self._short_gap_cost = short_gap_cost_per_h

    def whole(self, chains: Chains) -> Candidate | None:
        """Returns the best charging of chains, trips that can't have their energy given up.

        A trip that was given up may suit a car that another one's loss has left idle.
        """
        view = self._view
        dropped: dict[int, UnservedCode] = {}
        best: Candidate | None = None
        stays: list[Stay] = []
        for n in range(_ROUNDS):
            solved = self._charger(view, stays) if stays else None
            if solved is None or _short(solved):
                stays, solved = self._parked(chains)
            if solved is None:
                return best
            short = _short(solved)
            if short:
                many = max(2 ** max(0, n - _ONE_BY_ONE), len(short) // _AT_ONCE)
                chains, stays = _without_worst(view, chains, stays, short, dropped, many), []
                continue
            found = self._candidate(chains, stays, solved, dropped)
            if best is None or found.rank < best.rank:
                best = found
            fuller = with_idle_cars(view, found.decision)
            if fuller is None:
                return best
            chains, stays = fuller
        return best

    def same_trips(
        self, chains: Chains, like: Candidate, wishes: Mapping[Key, int] | None = None
    ) -> Candidate | None:
        """Returns a candidate with these very chains, or None where they can't be charged.

        EVSEs are dealt by `wishes`, or by those of `like`. It serves more than the chains only
        where that leaves an idle car what a refused trip needs.
        """
        wishes = like.wishes if wishes is None else wishes
        stays, solved = self._parked(chains, wishes, like.near)
        if solved is None or _short(solved):
            return None
        found = replace(self._candidate(chains, stays, solved, like.dropped), wishes=wishes)
        fuller = with_idle_cars(self._view, found.decision)
        return found if fuller is None else self.whole(fuller[0])

    def finished(self, rough: Candidate) -> Candidate | None:
        """Returns a candidate with lawful powers, made with a charger that finishes them itself."""
        if rough.finish is None:
            return rough
        solved = rough.finish()
        if solved is None or _short(solved):
            return self.whole(rough.decision.chains)
        decision = rough.decision
        found = self._candidate(decision.chains, decision.stays, solved, rough.dropped)
        fuller = with_idle_cars(self._view, found.decision)
        return found if fuller is None else self.whole(fuller[0])

    def with_others(self, candidate: Candidate) -> Candidate:
        """Gives trips that charging had to give up to other cars, or to the same at less cost.

        Each try is a whole charging program, so there are few of them: none where nothing was
        given up.
        """
        view, best = self._view, candidate
        if not candidate.dropped:
            return best
        tries = min(_TRIES, _TRIES_OF_CARS // len(view.cars))
        here = calling_at(view, best.decision.chains)
        done = served(best.decision.chains)
        left = [trip for trip in view.trips if trip.index not in done]
        for trip in sorted(left, key=lambda trip: (-trip.priority, trip.start, trip.index)):
            for number in trip.cars:
                chains = best.decision.chains
                if number not in here[trip.pickup]:
                    continue
                longer = fits(view, view.cars[number], chains[number], trip)
                if longer is None:
                    continue
                if tries == 0:
                    return best
                tries -= 1
                tried = (*chains[:number], longer, *chains[number + 1 :])
                found = self.same_trips(tried, best)
                if found is not None:
                    best = found
                    here = calling_at(view, best.decision.chains)
                    break
        return best

    def _parked(
        self,
        chains: Chains,
        wishes: Mapping[Key, int] = MappingProxyType({}),
        near: Charger | None = None,
    ) -> tuple[list[Stay], Charge | None]:
        """Deals EVSEs and charges, and deals anew to those that lack energy."""
        view, charger = self._view, near or self._charger
        urgency: dict[Key, float] = {}
        stays: list[Stay] = []
        solved: Charge | None = None
        for _ in range(_PARKINGS):
            stays = self._parking.park(self._parking.stays_of(chains), urgency, wishes)
            solved = charger(view, stays)
            short = _short(solved) if solved is not None else {}
            if not short or all(key in urgency for key in short):
                break
            urgency.update(short)
        return stays, solved

    def _candidate(
        self,
        chains: Chains,
        stays: Sequence[Stay],
        solved: Charge,
        dropped: Mapping[int, UnservedCode],
    ) -> Candidate:
        decision = Decision(chains, stays, solved.powers_w, solved.battery_w, solved.flexible_w)
        objective = solved.objective + short_gaps(self._view, chains, self._short_gap_cost)
        worth = priority_served(self._view, chains)
        return Candidate(
            decision,
            dict(dropped),
            worth,
            objective,
            solved.marginal,
            solved.finish,
            near=solved.near,
        )


def short_gaps(view: View, chains: Chains, cost_per_h: float) -> float:
    """Returns the cost of trips that follow too closely for a late return."""
    if cost_per_h == 0:
        return 0.0
    trips = view.trips
    return cost_per_h * sum(
        max(0.0, SHORT_GAP_H - (trips[after].start - trips[before].end) * view.hours)
        for chain in chains
        for before, after in itertools.pairwise(chain)
    )


def uncharged(view: View, chains: Chains) -> Candidate:
    """Serves what the cars can do with what they hold; no car and no battery moves a watt."""
    whole = held_only(view, chains)
    stays = [_standing(view, stay) for stay in stays_of(view, whole)]
    powers = [np.zeros(max(0, stay.end - stay.start)) for stay in stays]
    battery_w = np.zeros((len(view.places), view.steps))
    decision = Decision(whole, stays, powers, battery_w)
    return Candidate(decision, {}, priority_served(view, whole), float("inf"))


def _short(solved: Charge) -> dict[Key, float]:
    return {key: wh for key, wh in solved.short_wh.items() if wh > SHORT_WH}


def _without_worst(  # noqa: PLR0917 - one step of `Judge.whole`
    view: View,
    chains: Chains,
    stays: Sequence[Stay],
    short: Mapping[Key, float],
    dropped: dict[int, UnservedCode],
    many: int,
) -> Chains:
    """Gives up the `many` trips that lack most, and what their loss breaks."""
    worst = sorted(short, key=lambda key: (short[key], key), reverse=True)[:many]
    left = list(chains)
    for stay in stays:
        if stay.key not in worst or stay.after not in left[stay.car]:
            continue
        car = view.cars[stay.car]
        dropped[stay.after] = "NO_EVSE" if stay.post < 0 else "LIMIT"
        chain = tuple(index for index in left[stay.car] if index != stay.after)
        while (broken := walk(view, car, chain)) is not None:
            dropped[chain[broken.position]] = "NOT_ENOUGH_ENERGY"
            chain = (*chain[: broken.position], *chain[broken.position + 1 :])
        left[stay.car] = chain
    return tuple(left)


def _standing(view: View, stay: Stay) -> Stay:
    """A car that stands on an EVSE at the beginning keeps it; others hold none."""
    post = view.cars[stay.car].post
    return replace(stay, post=post) if stay.before < 0 and post >= 0 else stay
