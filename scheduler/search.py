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
from scheduler.parking import Key, redeals, stays_of
from scheduler.prices import RechargePrices
from scheduler.ruin import rebuilt
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
_KICKS_BY_PRICE = 0.3
"""How often a kick is a few exchanges that seem to cost little,"""
_KICKS_OF_CHAINS = 0.8
"""or else trips that change cars whatever it seems to cost,"""
_KICKS_OF_EVSES = 0.9
"""or else cars that change EVSEs at random; what is left is one stay on another EVSE."""
_MOST_WISHES = 3
_KEEPS_EVSES = 0.5
"""How often the other stays keep their EVSEs, rather than being dealt anew."""
_PARKS = 0.1
"""How often other ways to park are tried after a kick: up to 40 programs."""
_NEAR = 0.3
"""What a kick has made dearer by more is not searched any further."""
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
            if tried.near is not None and alone == 1:
                break  # with many cars another try takes a quarter of the time for a tenth more
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
        now = best
        while may_go_on() and not good_enough(best):
            tried = self._kick(now, random)
            if tried is None or not _is_near(tried, best):
                now = best
                continue
            now = self._climbed(tried, may_go_on, parkings=random.random() < _PARKS)
            if _is_better(now, best):
                best = now
        return best

    def _climbed(
        self, now: Candidate, may_go_on: Callable[[], bool], *, parkings: bool
    ) -> Candidate:
        """Returns a candidate that few exchanges better; `settled` in a fraction of its time."""
        for _ in range(_KICK_ROUNDS):
            better = self._stepped(now, 1, may_go_on)
            if better is None and parkings:
                better = self._parked_otherwise(now, may_go_on)
            if better is None:
                return now
            now = better
        return now

    def _kick(self, now: Candidate, random: Random) -> Candidate | None:
        """Returns a candidate with a few trips on other cars or a few stays on other EVSEs."""
        chains, wishes = now.decision.chains, None
        kind = random.random()
        if kind < _KICKS_BY_PRICE and (found := self._exchanges(now, -_KICK_COST, 200)):
            some = _disjoint(random.sample(found, min(len(found), random.randint(1, 4))))
            chains = _applied(chains, some)
            if len(served(chains)) < len(self._view.trips):
                chains = mend(self._view, self._prices, chains)
        elif kind < _KICKS_OF_CHAINS and served(chains):
            chains = rebuilt(self._view, chains, random)
            wishes = self._wishes(chains, now, random)
        elif kind < _KICKS_OF_EVSES:
            wishes = self._wishes(chains, now, random)
        else:
            stays = now.decision.stays
            ways = list(redeals(self._view, stays, [random.choice(stays)])) if stays else []
            wishes = random.choice(ways) if ways else None
        return self._judge.same_trips(chains, now, wishes)

    def _wishes(self, chains: Chains, now: Candidate, random: Random) -> dict[Key, int]:
        """Returns EVSEs at random for up to three stays, and perhaps those held now for others."""
        places = self._view.places
        stays = [stay for stay in stays_of(self._view, chains) if stay.start < stay.end]
        some = random.sample(stays, min(len(stays), random.randint(0, _MOST_WISHES)))
        wishes = {stay.key: random.choice((-1, *places[stay.site].posts)) for stay in some}
        if random.random() < _KEEPS_EVSES:
            held = {stay.key: stay.post for stay in now.decision.stays if stay.post >= 0}
            for stay in stays:
                post = held.get(stay.key, -1)
                if post in places[stay.site].posts:
                    wishes.setdefault(stay.key, post)
        return wishes

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


def _is_near(one: Candidate, best: Candidate) -> bool:
    if one.priority != best.priority:
        return one.priority > best.priority
    return one.objective <= best.objective + _NEAR


def _is_better(one: Candidate, other: Candidate) -> bool:
    return (-one.priority, one.objective + _LEAST_GAIN) < (-other.priority, other.objective)
