"""Betters a candidate: exchanges between cars until none pays, then kicks while there is time.

Each step is judged by the charging program, so that a candidate is only ever replaced by a better
one. All disjoint exchanges that pay are tried at once, then the best of them alone: two or three
programs take most of what there is to gain. When none pays any more, a few exchanges that cost a
little are made on purpose and the search goes on from there (iterated local search: H. Lourenço,
O. Martin, T. Stützle, 2003); what comes of it is kept where it is better.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from random import Random

from scheduler.assign import mend
from scheduler.candidates import Candidate, Judge
from scheduler.chains import Chains, served
from scheduler.improve import Exchange, exchanges
from scheduler.parking import redeals
from scheduler.prices import RechargePrices
from scheduler.view import View

_PRICED = 40
"""How many exchanges are looked at, at most."""
_ALONE = 4
"""How many are tried alone when those that are apart do not pay together."""
_TRUE_SHARE = 0.25
"""An exchange that gains so much of what was said is taken without trying others."""
_LEAST_GAIN = 1e-3
"""Less is not worth another car for someone."""
_KICK_COST = 0.3
"""The most that an exchange made on purpose may seem to cost."""
_KICK_ROUNDS = 6
_KICKS_OF_CHAINS = 0.7
"""How often trips change cars rather than cars EVSEs."""
_PARKINGS = 40
"""With more ways than this to park one stay otherwise, none is tried but by chance."""


class Search:
    """The search for one problem."""

    def __init__(self, view: View, judge: Judge, prices: RechargePrices) -> None:
        self._view, self._judge, self._prices = view, judge, prices

    def settled(
        self, best: Candidate, rounds: int, may_go_on: Callable[[], bool] = lambda: True
    ) -> Candidate:
        """Returns a candidate that no exchange betters, or the last after so many rounds.

        With more than one round, and few EVSEs to choose from, other ways to park are tried too.
        """
        alone = _ALONE if rounds > 1 else 1
        for _ in range(rounds):
            better = self._stepped(best, alone, may_go_on)
            if better is None and rounds > 1:
                better = self._parked_otherwise(best, may_go_on)
            if better is None:
                return best
            best = better
        return best

    def _parked_otherwise(self, best: Candidate, may_go_on: Callable[[], bool]) -> Candidate | None:
        """Returns the first better candidate with one stay on another EVSE, or None."""
        stays = best.decision.stays
        ways = list(islice(redeals(self._view, stays, stays), _PARKINGS + 1))
        for wishes in ways if len(ways) <= _PARKINGS else ():
            if not may_go_on():
                return None
            tried = self._judge.same_trips(best.decision.chains, best, wishes)
            if tried is not None and _is_better(tried, best):
                return tried
        return None

    def _stepped(
        self, best: Candidate, alone: int, may_go_on: Callable[[], bool]
    ) -> Candidate | None:
        """Returns a better candidate one round of exchanges away, or None.

        All that are apart are tried together, then so many alone.
        """
        found = self._exchanges(best, _LEAST_GAIN, _PRICED)
        apart = _disjoint(found)
        attempts = [apart] if len(apart) > 1 else []
        attempts += [[each] for each in _different(found)[:alone]]
        better: Candidate | None = None
        for some in attempts:
            if not may_go_on():
                break
            tried = self._judge.same_trips(_applied(best.decision.chains, some), best)
            if tried is None or not _is_better(tried, better or best):
                continue
            better = tried
            said = sum(each.gain for each in some)
            if best.objective - tried.objective >= _TRUE_SHARE * said:
                break
        return better

    def kicked(
        self,
        best: Candidate,
        random: Random,
        may_go_on: Callable[[], bool],
        good_enough: Callable[[Candidate], bool],
    ) -> Candidate:
        """Returns the best candidate found while `may_go_on` and until `good_enough`."""
        while may_go_on() and not good_enough(best):
            tried = self._kick(best, random)
            if tried is not None:
                tried = self.settled(tried, _KICK_ROUNDS, may_go_on)
                if _is_better(tried, best):
                    best = tried
        return best

    def _kick(self, best: Candidate, random: Random) -> Candidate | None:
        """Returns a candidate a few random exchanges away, or with a stay on another EVSE."""
        found = self._exchanges(best, -_KICK_COST, 200)
        chains, wishes = best.decision.chains, None
        if found and random.random() < _KICKS_OF_CHAINS:
            some = _disjoint(random.sample(found, min(len(found), random.randint(1, 4))))
            chains = _applied(chains, some)
        else:
            stays = best.decision.stays
            ways = list(redeals(self._view, stays, [random.choice(stays)])) if stays else []
            wishes = random.choice(ways) if ways else None
        if len(served(chains)) < len(self._view.trips):
            chains = mend(self._view, self._prices, chains)
        return self._judge.same_trips(chains, best, wishes)

    def _exchanges(self, best: Candidate, least_gain: float, most: int) -> list[Exchange]:
        if best.marginal is None:
            return []
        return exchanges(self._view, best.decision, best.marginal, least_gain=least_gain, most=most)


def _disjoint(found: list[Exchange]) -> list[Exchange]:
    """Returns the first exchange of each car."""
    kept: list[Exchange] = []
    taken: set[int] = set()
    for each in found:
        if not taken & each.cars:
            kept.append(each)
            taken |= each.cars
    return kept


def _different(found: list[Exchange]) -> list[Exchange]:
    """Returns the first exchange of each pair of cars."""
    firsts: dict[frozenset[int], Exchange] = {}
    for each in found:
        firsts.setdefault(each.cars, each)
    return list(firsts.values())


def _applied(chains: Chains, some: list[Exchange]) -> Chains:
    for each in some:
        chains = each.applied(chains)
    return chains


def _is_better(one: Candidate, other: Candidate) -> bool:
    return (-one.priority, one.objective + _LEAST_GAIN) < (-other.priority, other.objective)
