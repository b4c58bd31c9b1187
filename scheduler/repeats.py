"""Moves that were planned before, made again in other stays as far as they still fit there.

The plan before has told staff what to do. Its moves are tried first, each lot of them that hang
together for itself, so that a plan asks for something else only where that is better. Of a lot that
no longer fits, the first moves are kept without the last ones.

What staff was told to do by now is made in the first step of the plan, in which its car takes
nothing any more. Only so it comes to that: a new move takes place in a later step, which the next
plan would put off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.moving import begins, move_at, split
from scheduler.offers import Layout, Offer
from scheduler.parking import Stay
from scheduler.plan import Move as PlannedMove
from scheduler.view import Bools, View


@dataclass(frozen=True, slots=True)
class Wish:
    """A car is to be moved at a step from one EVSE to another (-1: none)."""

    car: int
    step: int
    was: int
    post: int

    @property
    def way(self) -> tuple[int, int, int]:
        """What names the same move in one plan and in the next."""
        return self.car, self.was, self.post

    def hangs_with(self, other: Wish) -> bool:
        """Returns whether both are about one car or one EVSE."""
        return self.car == other.car or bool({self.was, self.post} & {other.was, other.post} - {-1})


def wishes_of(view: View, moves: Sequence[PlannedMove]) -> list[Wish]:
    """Returns the moves of a plan as far as they are about this problem."""
    cars = {car.id: car.index for car in view.cars}
    posts: dict[str | None, int] = {post.id: post.index for post in view.posts}
    posts[None] = -1
    return [
        Wish(cars[each.vehicle], each.from_step, posts[each.from_evse], posts[each.to_evse])
        for each in moves
        if each.vehicle in cars and each.from_evse in posts and each.to_evse in posts
    ]


def made_in(view: View, layout: Layout) -> list[Wish]:
    """Returns the moves of a layout; `view` is without them."""
    return [
        Wish(stay.car, stay.start - 1, layout.stays[n - 1].post, stay.post)
        for n, stay in enumerate(layout.stays)
        if stay.before >= len(view.trips)
    ]


def lots(wishes: Sequence[Wish]) -> list[list[Wish]]:
    """Returns the wishes, those together that hang together."""
    found: list[list[Wish]] = []
    for wish in wishes:
        mine = [lot for lot in found if any(wish.hangs_with(other) for other in lot)]
        found = [lot for lot in found if lot not in mine]
        found.append([*(each for lot in mine for each in lot), wish])
    return found


def repeated(
    view: View, layout: Layout, wishes: Sequence[Wish], there: Sequence[Bools]
) -> Offer | None:
    """Returns an offer of those wishes that can still be made, or None if there are none.

    Where they get into a muddle, it is without the last of them in time.

    Args:
        view: the problem, without moves.
        layout: where all cars stand.
        wishes: in any order.
        there: by site, the steps in which staff is there.
    """
    ordered = sorted(wishes, key=lambda wish: (wish.step, wish.post >= 0))
    for last in sorted({wish.step for wish in wishes}, reverse=True):
        first = [wish for wish in ordered if wish.step <= last]
        offer = _made(view, layout, first, there)
        if offer is not None:
            return offer
    return None


def _made(
    view: View, layout: Layout, wishes: Sequence[Wish], there: Sequence[Bools]
) -> Offer | None:
    """Returns an offer of the wishes that can be made, which are in order; None for a muddle."""
    stays, many = list(layout.stays), len(layout.moves)
    made: list[tuple[tuple[int, int], int, int]] = []
    for wish in wishes:
        stay = _found(view, stays, wish)
        if stay is None or not _may_be_made(view, stay, wish, there):
            continue
        stays = split(stays, stay.key, move_at(view, many, stay.site, wish.step), wish.post)
        made.append((stay.key, wish.step, wish.post))
        many += 1
    return Offer(0.0, tuple(made)) if made and not _collide(view, stays) else None


def _found(view: View, stays: Sequence[Stay], wish: Wish) -> Stay | None:
    """Returns the stay that a wish would cut, if the car stands where it is to be fetched."""
    return next(
        (
            stay
            for stay in stays
            if stay.car == wish.car
            and stay.post == wish.was
            and (begins(view, stay) < wish.step or _is_due(stay, wish))
            and wish.step < stay.end
        ),
        None,
    )


def _is_due(stay: Stay, wish: Wish) -> bool:
    """Returns whether a car that stands here is to be moved at once."""
    return wish.step == stay.start == 0 and stay.before < 0


def _may_be_made(view: View, stay: Stay, wish: Wish, there: Sequence[Bools]) -> bool:
    if not there[stay.site][wish.step] or not view.problem.vehicles[wish.car].may_be_moved:
        return False
    if wish.post < 0:
        return True
    post = view.posts[wish.post]
    return (
        post.site == stay.site
        and bool(post.open[wish.step])
        and post.power_w(view.cars[wish.car]) > 0
    )


def _collide(view: View, stays: Sequence[Stay]) -> bool:
    """Returns whether two cars would hold one EVSE at a time."""
    ends: dict[int, int] = {}
    for stay in sorted(stays, key=lambda stay: begins(view, stay)):
        since = begins(view, stay)
        if stay.post < 0 or since >= stay.end:
            continue
        if since < ends.get(stay.post, 0):
            return True
        ends[stay.post] = stay.end
    return False
