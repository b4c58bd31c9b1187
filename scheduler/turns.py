"""Which cars staff moves: where cars wait for an EVSE, they may take turns at it.

A plan without moves is given. As long as a car has no EVSE, or can't be charged enough where it
stands, it is offered each EVSE of its site at the times when staff is there: who holds the EVSE
then gives it up, and who needs it next finds it free. One that has an EVSE is offered visits to a
fast charger (`scheduler.visits`). What that may save at the prices of the plan chooses the few that
the charging program tries, and a move is made where it saves more than it costs, or a booking.
Moves come last: exchanges of trips between cars cost nobody a walk.

What the plan before has staff do is tried first, and a move that it has not is to save a tenth more
than it costs: staff is not sent back and forth for cents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from scheduler.candidates import SHORT_WH, Candidate, Charger
from scheduler.chains import Chains, calling_at, fits, priority_served, served, walk
from scheduler.moving import (
    Move,
    move_at,
    moves_cost,
    on_free_evses,
    split,
    staffed,
    with_moves,
    without_idle,
)
from scheduler.offers import LEAST_GAIN, Layout, Offer, Waiting
from scheduler.parking import Key, Parking, Stay, stays_of
from scheduler.plan import Move as PlannedMove
from scheduler.repeats import Wish, lots, made_in, repeated, wishes_of
from scheduler.result import Decision, outcome
from scheduler.view import Place, View
from scheduler.visits import Visit

_ROUNDS = 12
"""How many cars are moved in one plan, at most."""
_PROGRAMS, _LEAST_PROGRAMS = 600, 12
"""How many charging programs are tried for one plan by its number of cars, and at least: 20 with 30
cars at 6 sites, which take a second."""
_TRIED = 4
_BOOKINGS = 3
_CARS = 3
"""For how many bookings without a car, and on how many cars each, moves are looked for."""
_OTHERS = 40
"""How many trips are tried on other cars where cars may visit fast chargers, at most."""
_RELUCTANCE = 0.1
"""What part of its price a move must save beyond it that the plan before does not have."""


class Turns:
    """Looks for moves in the plans of one problem."""

    def __init__(
        self,
        view: View,
        charger: Charger,
        *,
        former: Sequence[PlannedMove] | None = None,
        has_time: Callable[[], bool] = lambda: True,
        thorough: bool = True,
    ) -> None:
        """Looks for moves.

        Args:
            view: the problem.
            charger: charges stays.
            former: the moves of the plan before, in terms of this problem; None: there is none.
            has_time: whether there is time for one more charging program.
            thorough: whether trips are tried on other cars that a visit makes fit for them: that
                takes several times as long.
        """
        self._view, self._charger = view, charger
        self._has_time, self._thorough = has_time, thorough
        self._left = max(_LEAST_PROGRAMS, _PROGRAMS // max(len(view.cars), 1))
        self._staffed = [staffed(view, place.index) for place in view.places]
        self._former = None if former is None else wishes_of(view, former)
        self._visited = [
            bool(there.any()) and _has_both(view, place)
            for place, there in zip(view.places, self._staffed, strict=True)
        ]
        """By site: whether cars may visit a fast charger."""
        self._asked: set[tuple[int, int]] = set()
        """Bookings and cars that have been tried together."""

    @property
    def are_possible(self) -> bool:
        """Whether staff moves cars anywhere."""
        return any(bool(there.any()) for there in self._staffed)

    def with_moves(self, candidate: Candidate) -> Candidate | None:
        """Returns a lawful candidate with moves that serves more, or as much for less, or None."""
        decision = candidate.decision
        plain = self._charged(decision.chains, decision.stays, ())
        if plain is None or plain.short_wh > 0:
            return None
        best = self._settled(self._as_before(plain))
        while (longer := self._with_one_more(best)) is not None:
            best = longer
        best = self._driven_by_others(best)
        return self._finished(best, candidate) if best.moves else None

    def _with_one_more(self, layout: Layout) -> Layout | None:
        """Returns a layout that serves one booking more by moves, or None."""
        for chains in self._longer(layout):
            if not self._may_try():
                return None
            longer = self._tried(layout, chains)
            if longer is not None and longer.short_wh == 0:
                return longer
        return None

    def _driven_by_others(self, layout: Layout) -> Layout:
        """Returns a layout in which cars that a visit makes fit for it drive what others did.

        Which car drives what was decided as if none could visit a fast charger.
        """
        for _ in range(_OTHERS if self._thorough and any(self._visited) else 0):
            chains = next(self._elsewhere(layout), None)
            if chains is None or not self._may_try():
                break
            found = self._tried(layout, chains)
            if found is not None and found.betters(layout):
                layout = found
        return layout

    def _tried(self, layout: Layout, chains: Chains) -> Layout | None:
        """Returns what comes of other chains, with the moves of a layout and what they need."""
        held = {stay.key: stay.post for stay in layout.stays if stay.post >= 0}
        stays = Parking(self._view).park(stays_of(self._view, chains), {}, held)
        found = self._charged(chains, stays, ())
        if found is None:
            return None
        # Some of what the plan before has is only of use once a booking is served that needs it.
        again = self._as_before(found)
        if again is not found:
            longer = self._with_moves_of(layout, again)
            if longer.short_wh == 0:
                return longer
        return self._with_moves_of(layout, found)

    def _with_moves_of(self, other: Layout, layout: Layout) -> Layout:
        """Returns a layout with the moves of another one too, and what it needs besides."""
        made = {wish.way for wish in made_in(self._view, layout)}
        wishes = [wish for wish in made_in(self._view, other) if wish.way not in made]
        return self._settled(self._with(layout, wishes))

    def _as_before(self, layout: Layout) -> Layout:
        """Returns a layout with what the plan before has staff do, as far as it is better so."""
        for lot in lots(self._former or ()):
            layout = self._with(layout, lot)
        return layout

    def _elsewhere(self, layout: Layout) -> Iterator[Chains]:
        """Yields chains with one trip on another car, which may visit a fast charger before."""
        view, chains = self._view, layout.chains
        here = calling_at(view, chains)
        for car, chain in enumerate(chains):
            for index in chain:
                trip = view.trips[index]
                shorter = tuple(each for each in chain if each != index)
                if not self._visited[trip.pickup] or walk(view, view.cars[car], shorter):
                    continue
                for other in trip.cars:
                    if (
                        other == car
                        or other not in here[trip.pickup]
                        or (index, other) in self._asked
                    ):
                        continue
                    self._asked.add((index, other))
                    longer = fits(view, view.cars[other], chains[other], trip)
                    if longer is not None:
                        changed = {car: shorter, other: longer}
                        yield tuple(changed.get(n, each) for n, each in enumerate(chains))

    def _longer(self, layout: Layout) -> Iterator[Chains]:
        """Yields chains with one booking more that no car serves yet."""
        view, chains = self._view, layout.chains
        done = served(chains)
        here = calling_at(view, chains)
        left = [trip for trip in view.trips if trip.cars and trip.index not in done]
        left.sort(key=lambda trip: (-trip.priority, trip.start, trip.index))
        tried = 0
        for trip in left:
            able = (number for number in trip.cars if number in here[trip.pickup])
            longer = ((n, fits(view, view.cars[n], chains[n], trip)) for n in able)
            some = [(number, chain) for number, chain in longer if chain is not None]
            tried += bool(some)
            if tried > _BOOKINGS:
                return
            for number, chain in some[:_CARS]:
                if (trip.index, number) not in self._asked:
                    self._asked.add((trip.index, number))
                    yield (*chains[:number], chain, *chains[number + 1 :])

    def _may_try(self) -> bool:
        return self._left > 0 and self._has_time()

    def _charged(
        self, chains: Chains, stays: Sequence[Stay], moves: tuple[Move, ...]
    ) -> Layout | None:
        self._left -= 1
        solved = self._charger(with_moves(self._view, moves), stays)
        if solved is None:
            return None
        cost = solved.objective + moves_cost(self._view, moves)
        layout = Layout(chains, stays, moves, solved, cost)
        return replace(layout, cost=cost + self._reluctance(layout))

    def _reluctance(self, layout: Layout) -> float:
        """Returns what moves have to save beyond their price, for the plan before lacks them."""
        if self._former is None:
            return 0.0
        known = {wish.way for wish in self._former}
        sites = self._view.problem.sites
        return _RELUCTANCE * sum(
            sites[self._view.posts[max(wish.was, wish.post)].site].move_price or 0.0
            for wish in made_in(self._view, layout)
            if wish.way not in known
        )

    def _with(self, layout: Layout, wishes: Sequence[Wish]) -> Layout:
        """Returns a layout with some moves more, as far as they fit, if that is better."""
        offer = repeated(self._view, layout, wishes, self._staffed) if wishes else None
        if offer is None or not self._may_try():
            return layout
        tried = self._made(layout, offer)
        return tried if tried is not None and tried.betters(layout) else layout

    def _settled(self, layout: Layout) -> Layout:
        """Returns a layout that no offer tried betters."""
        for _ in range(_ROUNDS):
            offers = sorted(self._offers(layout), key=lambda offer: -round(offer.gain, 6))
            best = layout
            for offer in _different(offers)[:_TRIED]:
                if not self._may_try():
                    break
                tried = self._made(layout, offer)
                if tried is not None and tried.betters(best):
                    best = tried
            if best is layout:
                break
            layout = best
        return layout

    def _made(self, layout: Layout, offer: Offer) -> Layout | None:
        stays, moves = list(layout.stays), layout.moves
        if offer.arrives:
            posts = dict(offer.arrives)
            stays = [replace(stay, post=posts.get(stay.key, stay.post)) for stay in stays]
        sites = {stay.key: stay.site for stay in stays}
        for key, step, post in offer.moves:
            move = move_at(self._view, len(moves), sites[key], step)
            sites[key[0], move.index] = move.pickup
            stays, moves = split(stays, key, move, post), (*moves, move)
        stays, moves = without_idle(self._view, stays, moves)
        stays, moves = without_idle(self._view, on_free_evses(self._view, stays), moves)
        return self._charged(layout.chains, stays, moves)

    def _offers(self, layout: Layout) -> Iterator[Offer]:
        """Yields what some stay is offered: an EVSE, or a visit to a fast charger.

        What a trip lacks may be charged in any stay before it.
        """
        view = with_moves(self._view, layout.moves)
        lacks = _lacks(layout)
        for number, stay in enumerate(layout.stays):
            there = self._staffed[stay.site]
            if not self._view.problem.vehicles[stay.car].may_be_moved or not there.any():
                continue
            lacks_wh = layout.charge.short_wh.get(stay.key, 0.0)
            if stay.post < 0 or lacks_wh > SHORT_WH:
                yield from Waiting(view, layout, number, lacks_wh, there).all()
            if stay.post >= 0:
                yield from Visit(view, layout, number, lacks[number], there).all()

    def _finished(self, layout: Layout, plain: Candidate) -> Candidate | None:
        """Returns a candidate with lawful powers, if it still is better than the plain one."""
        view = self._view
        solved = layout.charge
        if solved.finish is not None:
            finished = solved.finish()
            if finished is None or any(wh > SHORT_WH for wh in finished.short_wh.values()):
                return None
            solved = finished
        decision = Decision(
            layout.chains,
            layout.stays,
            solved.powers_w,
            solved.battery_w,
            solved.flexible_w,
            layout.moves,
        )
        priority = priority_served(view, layout.chains)
        costs = [outcome(view, each).cost for each in (decision, plain.decision)]
        costs[0] += self._reluctance(layout)
        if priority <= plain.priority and costs[0] > costs[1] - LEAST_GAIN:
            return None
        objective = solved.objective + moves_cost(view, layout.moves)
        return replace(plain, decision=decision, priority=priority, objective=objective)


def _has_both(view: View, place: Place) -> bool:
    """Returns whether a site has a fast charger and an EVSE that is none."""
    return len({view.posts[post].dc for post in place.posts}) > 1


def _lacks(layout: Layout) -> list[float]:
    """Returns, by stay, the most that a trip after it lacks."""
    found: list[float] = []
    car, most_wh = -1, 0.0
    for stay in reversed(layout.stays):
        if stay.car != car:
            car, most_wh = stay.car, 0.0
        most_wh = max(most_wh, layout.charge.short_wh.get(stay.key, 0.0))
        found.append(most_wh)
    return found[::-1]


def _different(offers: Sequence[Offer]) -> list[Offer]:
    """Returns the best offer of each car and EVSE, and then the others."""
    firsts: dict[tuple[Key, int], Offer] = {}
    for offer in offers:
        key, post = next(((key, to) for key, _, to in offer.moves), None) or offer.arrives[0]
        firsts.setdefault((key, post), offer)
    chosen = list(firsts.values())
    return [*chosen, *(offer for offer in offers if offer not in chosen)]
