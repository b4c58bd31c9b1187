"""Why staff is to move a car, with what that car, or the one it makes room for, gets by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.explaining.picture import Number, Picture, Reason
from scheduler.moving import Move, begins
from scheduler.parking import Stay
from scheduler.plan import Move as PlannedMove


@dataclass(frozen=True, slots=True)
class MoveWhy:
    """One move by staff, when it may be made, and why."""

    vehicle: str
    site: str
    from_evse: str | None
    to_evse: str | None
    from_at: datetime
    to_at: datetime
    reasons: tuple[Reason, ...]


def move_whys(picture: Picture) -> tuple[MoveWhy, ...]:
    """Returns why staff moves each car that the plan has it move."""
    return tuple(
        MoveWhy(
            vehicle=each.vehicle,
            site=each.site,
            from_evse=each.from_evse,
            to_evse=each.to_evse,
            from_at=picture.instant(each.from_step),
            to_at=picture.instant(each.to_step),
            reasons=tuple(_reason(picture, each, code) for code in each.reasons),
        )
        for each in picture.plan.moves
    )


def _reason(picture: Picture, move: PlannedMove, code: str) -> Reason:
    numbers: dict[str, Number] = {}
    sites = {site.id: site for site in picture.problem.sites}
    numbers["move_price"] = sites[move.site].move_price or 0.0
    number = _gains(picture, move, code)
    if code == "BACK":
        return _left(picture, move, numbers, number)
    if number is None:
        return Reason(code, numbers, f"{code}.free")
    stay = picture.stays[number]
    car = picture.view.cars[stay.car]
    gained_wh = float(picture.powers_w[number].clip(min=0).sum()) * picture.view.hours
    numbers |= {"for_vehicle": car.id, "charged_wh": gained_wh * car.efficiency}
    numbers["evse"] = None if stay.post < 0 else picture.view.posts[stay.post].id
    if code == "FAST" and stay.after >= 0:
        numbers["leaves_at"] = picture.instant(stay.end)
    trip = _next_trip(picture, number)
    if trip is None:
        stays = code == "FAST" and stay.after < 0
        return Reason(code, numbers, "FAST.stays" if stays else code)
    view = picture.view
    held_wh = float(picture.soc_wh[car.index, view.trips[trip].start])
    numbers |= {
        "booking": view.trips[trip].id,
        "pickup_at": picture.instant(view.trips[trip].start),
        "need_wh": view.trips[trip].need_wh(car),
        "holds_wh": held_wh,
    }
    return Reason(code, numbers, f"{code}.trip")


def _left(
    picture: Picture, move: PlannedMove, numbers: dict[str, Number], number: int | None
) -> Reason:
    """Returns why a car leaves a fast charger: who comes next, if anybody."""
    numbers["evse"] = move.from_evse
    if number is None:
        return Reason("BACK", numbers, "BACK.free")
    stay = picture.stays[number]
    numbers["for_vehicle"] = picture.view.cars[stay.car].id
    numbers["comes_at"] = picture.instant(begins(picture.view, stay))
    return Reason("BACK", numbers, "BACK")


def _gains(picture: Picture, move: PlannedMove, code: str) -> int | None:
    """Returns the stay for which a car is moved: its own, or that of who gets its EVSE next."""
    cars = {car.id: car.index for car in picture.view.cars}
    itself = code in {"TURN", "FAST"}
    wanted = move.to_evse if itself else move.from_evse
    posts = {post.id: post.index for post in picture.view.posts}
    if wanted is None:
        return None
    found: list[tuple[int, int]] = []
    for number, stay in enumerate(picture.stays):
        since = begins(picture.view, stay)
        own = (stay.car == cars[move.vehicle]) == itself
        if own and stay.post == posts[wanted] and since >= move.from_step:
            found.append((since, number))
    return min(found)[1] if found else None


def _next_trip(picture: Picture, number: int) -> int | None:
    """Returns the first trip of a car after one of its stays."""
    stay: Stay = picture.stays[number]
    for each in picture.stays[number:]:
        if each.car != stay.car:
            break
        if each.after >= 0 and not isinstance(picture.view.trips[each.after], Move):
            return each.after
    return None
