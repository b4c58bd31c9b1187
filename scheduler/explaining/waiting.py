"""What a car does at one time and, where it stands and does not charge, why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from scheduler.explaining.picture import Picture, Reason
from scheduler.explaining.slots import ChargingWhy, limit_reason
from scheduler.moving import Move
from scheduler.overrides import most_w, override_at
from scheduler.reasons import SITE
from scheduler.view import Car

State = Literal["charging", "giving", "waiting", "parked", "away"]
"""`waiting`: it stands on an EVSE and takes nothing; `parked`: it stands on none."""

_NEAR_WH = 5.0


@dataclass(frozen=True, slots=True)
class VehicleWhy:
    """What a car does at one time, and why."""

    vehicle: str
    state: State
    at: datetime
    site: str | None
    evse: str | None
    soc_wh: float
    reasons: tuple[Reason, ...]


def vehicle_whys(
    picture: Picture, charging: tuple[ChargingWhy, ...], step: int
) -> tuple[VehicleWhy, ...]:
    """Returns what each car does at a step, and why; `charging` says why it charges when."""
    entries: dict[str, list[ChargingWhy]] = {}
    for entry in charging:
        entries.setdefault(entry.vehicle, []).append(entry)
    return tuple(_vehicle(picture, car, entries.get(car.id, []), step) for car in picture.view.cars)


def _vehicle(picture: Picture, car: Car, entries: list[ChargingWhy], step: int) -> VehicleWhy:
    number = picture.stay_at(car.index, step)
    stay = None if number is None else picture.stays[number]
    state, reasons = _doing(picture, car, entries, number, step)
    return VehicleWhy(
        vehicle=car.id,
        state=state,
        at=picture.instant(step),
        site=None if stay is None else picture.view.places[stay.site].id,
        evse=None if stay is None or stay.post < 0 else picture.view.posts[stay.post].id,
        soc_wh=float(picture.soc_wh[car.index, step]),
        reasons=reasons,
    )


def _doing(
    picture: Picture, car: Car, entries: list[ChargingWhy], number: int | None, step: int
) -> tuple[State, tuple[Reason, ...]]:
    if number is None:
        if any(move.start <= step < move.end for move in picture.moves.get(car.index, ())):
            return "parked", (Reason("MOVED", {"until_at": picture.instant(step + 1)}),)
        return "away", (_away(picture, car, step),)
    now = next((entry for entry in entries if entry.from_step <= step < entry.to_step), None)
    if now is not None:
        return ("giving" if now.power_w < 0 else "charging"), now.reasons
    if picture.stays[number].post < 0:
        return "parked", (Reason("NO_EVSE", {}),)
    return "waiting", _waiting(picture, car, entries, number, step)


def _away(picture: Picture, car: Car, step: int) -> Reason:
    for index in picture.chains[car.index]:
        trip = picture.view.trips[index]
        if trip.start <= step < trip.end:
            back_at = picture.instant(trip.end)
            return Reason("TRIP", {"booking": trip.id, "back_at": back_at})
    return Reason("NOT_YET", {"from_at": picture.instant(car.free_from)})


def _waiting(
    picture: Picture, car: Car, entries: list[ChargingWhy], number: int, step: int
) -> tuple[Reason, ...]:
    """Returns why a car on an EVSE takes nothing at a step."""
    stay = picture.stays[number]
    soc_wh = float(picture.soc_wh[car.index, step])
    if soc_wh >= car.high_wh - _NEAR_WH:
        return (Reason("FULL", {"soc_wh": soc_wh, "max_wh": car.high_wh}),)
    if not picture.view.posts[stay.post].open[step]:
        return (Reason("CLOSED", {}),)
    held = override_at(car.overrides, step)
    if held is not None and float(most_w(car.overrides, step + 1)[step]) <= 0:
        return (Reason("OVERRIDE", {"until_at": picture.instant(held.to_step)}),)
    later = next(
        (e for e in entries if step < e.from_step and e.to_step <= stay.end and e.power_w > 0), None
    )
    found: list[Reason] = []
    full = picture.reasons.full(number, step)
    if full:
        circuit = None if full[0] == SITE else full[0]
        found.append(limit_reason(picture, number, step, circuit))
    if later is not None:
        found.append(_later(picture, number, later, step))
    elif not found:
        found.append(_enough(picture, car, number, step))
    return tuple(found)


def _later(picture: Picture, number: int, later: ChargingWhy, step: int) -> Reason:
    """Returns what makes the next charging of the stay better than now."""
    price_now = picture.reasons.prices_at(number, step)[1]
    price_then = picture.reasons.prices_at(number, later.from_step)[0]
    numbers = {
        "then_at": later.from_at,
        "then_w": later.power_w,
        "price_per_kwh": price_now,
        "then_price_per_kwh": price_then,
    }
    if any(reason.code == "SUN" for reason in later.reasons):
        return Reason("SUN_LATER", numbers)
    return Reason("CHEAPER_LATER" if price_then < price_now else "LATER", numbers)


def _enough(picture: Picture, car: Car, number: int, step: int) -> Reason:
    """Returns that the car needs nothing more at this place, with what it has and comes to."""
    soc_wh = float(picture.soc_wh[car.index, step])
    after = picture.stays[number].after
    if after < 0 or isinstance(picture.view.trips[after], Move):
        return Reason("ENOUGH", {"soc_wh": soc_wh})
    trip = picture.view.trips[after]
    numbers = {"soc_wh": soc_wh, "booking": trip.id, "need_wh": trip.need_wh(car)}
    return Reason("ENOUGH_FOR", numbers | {"pickup_at": picture.instant(trip.start)})
