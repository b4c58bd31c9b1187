"""Why a car charges at a time: the numbers behind the codes of `scheduler.reasons`."""

# numpy knows less of its results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from scheduler.explaining.picture import Number, Picture, Reason
from scheduler.overrides import override_at
from scheduler.plan import Charging
from scheduler.reasons import Why
from scheduler.view import Place


@dataclass(frozen=True, slots=True)
class ChargingWhy:
    """One charging entry of a plan, with its reasons, the weightiest first."""

    vehicle: str
    evse: str
    from_step: int
    to_step: int
    from_at: datetime
    to_at: datetime
    power_w: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """One entry, where it is."""

    picture: Picture
    number: int
    """Its stay."""
    entry: Charging

    @property
    def steps(self) -> slice:
        """The steps of the entry."""
        return slice(self.entry.from_step, self.entry.to_step)

    @property
    def place(self) -> Place:
        """The site."""
        return self.picture.view.places[self.picture.stays[self.number].site]

    @property
    def stored_wh(self) -> float:
        """What the entry brings into the battery."""
        car = self.picture.view.cars[self.picture.stays[self.number].car]
        hours = self.picture.view.hours * (self.entry.to_step - self.entry.from_step)
        return self.entry.power_w * hours * car.efficiency


def charging_whys(picture: Picture) -> tuple[ChargingWhy, ...]:
    """Returns the reasons of each charging entry of the plan."""
    cars = {car.id: car.index for car in picture.view.cars}
    found: list[ChargingWhy] = []
    for entry in picture.plan.charging:
        number = picture.stay_at(cars[entry.vehicle], entry.from_step)
        assert number is not None, "the plan is lawful: who charges stands"
        slot = _Slot(picture, number, entry)
        begin = entry.from_step - picture.stays[number].start
        whys = picture.reasons.of(number, [begin])[0]
        found.append(
            ChargingWhy(
                vehicle=entry.vehicle,
                evse=entry.evse,
                from_step=entry.from_step,
                to_step=entry.to_step,
                from_at=picture.instant(entry.from_step),
                to_at=picture.instant(entry.to_step),
                power_w=entry.power_w,
                reasons=tuple(_reason(slot, why) for why in whys),
            )
        )
    return tuple(found)


def _reason(slot: _Slot, why: Why) -> Reason:
    if why.code == "LIMIT":
        return limit_reason(slot.picture, slot.number, slot.entry.from_step, why.circuit)
    return Reason(why.code, _NUMBERS[why.code](slot, why))


def _sun(slot: _Slot, _: Why) -> dict[str, Number]:
    place, steps = slot.place, slot.steps
    surplus_w = np.maximum(place.pv_w[steps] - place.load_w[steps], 0.0)
    return {
        "surplus_w": float(surplus_w.mean()),
        "import_price_per_kwh": float(place.buy[steps].mean()),
        "export_price_per_kwh": float(place.sell[steps].mean()),
    }


def _price(slot: _Slot, _: Why) -> dict[str, Number]:
    stay = slot.picture.stays[slot.number]
    stands = slot.place.buy[stay.start : stay.end]
    return {
        "price_per_kwh": float(slot.place.buy[slot.steps].mean()),
        "mean_price_per_kwh": float(stands.mean()),
        "dearest_price_per_kwh": float(stands.max()),
    }


def _battery(slot: _Slot, _: Why) -> dict[str, Number]:
    site = slot.place.index
    given_w = np.maximum(-slot.picture.flows.battery_w[site], 0.0)
    for stay, power_w in zip(slot.picture.stays, slot.picture.powers_w, strict=True):
        if stay.site == site and stay.start < stay.end:
            given_w[stay.start : stay.end] += np.maximum(-power_w, 0.0)
    return {
        "given_w": float(given_w[slot.steps].mean()),
        "import_price_per_kwh": float(slot.place.buy[slot.steps].mean()),
    }


def _deadline(slot: _Slot, why: Why) -> dict[str, Number]:
    """What the first of the trips needs, and what its car would hold without this entry."""
    picture = slot.picture
    trip = picture.view.trips[why.trips[0]]
    car = picture.view.cars[picture.stays[slot.number].car]
    held_wh = float(picture.soc_wh[car.index, trip.start])
    return {
        "booking": trip.id,
        "bookings": tuple(picture.view.trips[index].id for index in why.trips),
        "pickup_at": picture.instant(trip.start),
        "need_wh": trip.need_wh(car),
        "stored_wh": slot.stored_wh,
        "without_wh": held_wh - slot.stored_wh,
        "without_pct": 100 * (held_wh - slot.stored_wh) / _capacity_wh(picture, car.id),
    }


def _capacity_wh(picture: Picture, vehicle: str) -> float:
    capacity_wh = next(v.capacity_wh for v in picture.problem.vehicles if v.id == vehicle)
    return max(capacity_wh, 1.0)


def limit_reason(picture: Picture, number: int, step: int, circuit: int | None) -> Reason:
    """Returns a limit by name, and what else draws under it at a step.

    Of a site that is building and other cars less the sun that is used; of a circuit other EVSEs.
    """
    stay = picture.stays[number]
    own_w = float(picture.powers_w[number][step - stay.start])
    site = picture.problem.sites[stay.site]
    if circuit is None:
        others_w = float(picture.flows.grid_w[stay.site, step]) - own_w
        limit_w = site.import_limit_w
        numbers = {"kind": "site", "limit": site.id, "limit_w": limit_w, "others_w": others_w}
        return Reason("LIMIT", numbers, "LIMIT.site")
    name, limit_w = picture.circuit(circuit)
    others_w = 0.0
    for n, each in enumerate(picture.stays):
        if n != number and each.start <= step < each.end and each.post >= 0:
            loads = dict(picture.view.posts[each.post].loads(picture.view.cars[each.car]))
            others_w += loads.get(circuit, 0.0) * float(picture.powers_w[n][step - each.start])
    numbers = {"kind": "circuit", "limit": name, "limit_w": limit_w, "others_w": others_w}
    return Reason("LIMIT", numbers, "LIMIT.circuit")


def _peak(slot: _Slot, _: Why) -> dict[str, Number]:
    site = slot.place.index
    return {
        "peak_w": float(slot.picture.flows.grid_w[site].max()),
        "price_per_kw": slot.place.peak_price,
    }


def _minimum(slot: _Slot, _: Why) -> dict[str, Number]:
    view, stay = slot.picture.view, slot.picture.stays[slot.number]
    return {"min_power_w": view.posts[stay.post].least_w(view.cars[stay.car])}


def _keep(slot: _Slot, _: Why) -> dict[str, Number]:
    car = slot.picture.view.cars[slot.picture.stays[slot.number].car]
    prices = [
        slot.picture.reasons.prices_at(slot.number, step)[0]
        for step in range(slot.entry.from_step, slot.entry.to_step)
    ]
    return {
        "price_per_kwh": float(np.mean(prices)),
        "worth_per_kwh": slot.picture.problem.terminal_value_per_kwh * car.efficiency,
    }


def _trade(slot: _Slot, _: Why) -> dict[str, Number]:
    """What the car gives back over all its stays, and at what price at best."""
    picture = slot.picture
    car = picture.stays[slot.number].car
    given_wh, best = 0.0, -np.inf
    for stay, power_w in zip(picture.stays, picture.powers_w, strict=True):
        if stay.car != car or not (power_w < 0).any():
            continue
        given_wh -= float(power_w[power_w < 0].sum()) * picture.view.hours
        prices = picture.view.places[stay.site].buy[stay.start : stay.end]
        best = max(best, float(prices[power_w < 0].max()))
    return {
        "given_wh": given_wh,
        "best_price_per_kwh": float(best),
        "price_per_kwh": float(slot.place.buy[slot.steps].mean()),
    }


def _override(slot: _Slot, _: Why) -> dict[str, Number]:
    car = slot.picture.view.cars[slot.picture.stays[slot.number].car]
    found = override_at(car.overrides, slot.entry.from_step)
    assert found is not None, "the reason is given under one only"
    return {"until_at": slot.picture.instant(found.to_step)}


def _give(slot: _Slot, _: Why) -> dict[str, Number]:
    return {
        "given_w": -slot.entry.power_w,
        "price_per_kwh": float(slot.place.buy[slot.steps].mean()),
    }


_NUMBERS: dict[str, Callable[[_Slot, Why], dict[str, Number]]] = {
    "SUN": _sun,
    "PAID": _price,
    "PRICE": _price,
    "BATTERY": _battery,
    "DEADLINE": _deadline,
    "PEAK": _peak,
    "OVERRIDE": _override,
    "MINIMUM": _minimum,
    "KEEP": _keep,
    "TRADE": _trade,
    "GIVE": _give,
}
