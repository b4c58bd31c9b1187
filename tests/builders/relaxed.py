"""Problems without the constraint that a reason names, to see whether the decision hangs on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scheduler.explaining import ChargingWhy
from scheduler.explaining.picture import Reason
from scheduler.plan import Plan
from scheduler.problem import Problem, Site

TIE_PER_KWH = 0.01
"""Prices that are levelled are put so much above, so that no other optimum is as good."""
AMPLE_W = 1e6


def relaxed(problem: Problem, plan: Plan, slot: ChargingWhy, reasons: list[Reason]) -> Problem:
    """Returns `problem` without what `reasons` name for `slot`."""
    for reason in reasons:
        problem = _RELAXED[reason.code](problem, plan, slot, reason)
    return problem


def site_of(problem: Problem, evse: str) -> Site:
    return next(site for site in problem.sites for each in site.evses if each.id == evse)


def _at_site(problem: Problem, slot: ChargingWhy, change: Callable[[Site], Site]) -> Problem:
    name = site_of(problem, slot.evse).id
    sites = tuple(change(site) if site.id == name else site for site in problem.sites)
    return replace(problem, sites=sites)


def _in_slot(
    series: tuple[float, ...], slot: ChargingWhy, change: Callable[[int, float], float]
) -> tuple[float, ...]:
    return tuple(
        change(step, value) if slot.from_step <= step < slot.to_step else value
        for step, value in enumerate(series)
    )


def _without_sun(problem: Problem, _plan: Plan, slot: ChargingWhy, _: Reason) -> Problem:
    """The roof gives no more than the building takes."""

    def change(site: Site) -> Site:
        load_w = site.load_power_w
        pv_w = _in_slot(site.pv_power_w, slot, lambda n, v: min(v, max(load_w[n], 0.0)))
        return replace(site, pv_power_w=pv_w)

    return _at_site(problem, slot, change)


def _as_dear(problem: Problem, _plan: Plan, slot: ChargingWhy, reason: Reason) -> Problem:
    """Energy costs as much as at the dearest time while the car stands there, and never less."""
    dearest = reason.numbers["dearest_price_per_kwh"]
    assert isinstance(dearest, float)
    price = max(dearest, 0.0) + TIE_PER_KWH

    def change(site: Site) -> Site:
        prices = _in_slot(site.import_price_per_kwh, slot, lambda _, __: price)
        return replace(site, import_price_per_kwh=prices)

    return _at_site(problem, slot, change)


def _without_bookings(problem: Problem, plan: Plan, _: ChargingWhy, reason: Reason) -> Problem:
    """Those that need it are not there, nor those that would come into the car in their place."""
    named = reason.numbers["bookings"]
    assert isinstance(named, tuple)
    gone = {*named, *(each.booking for each in plan.unserved)}
    return replace(problem, bookings=tuple(b for b in problem.bookings if b.id not in gone))


def _without_limit(problem: Problem, _plan: Plan, slot: ChargingWhy, reason: Reason) -> Problem:
    name = reason.numbers["limit"]

    def change(site: Site) -> Site:
        if reason.numbers["kind"] == "site":
            return replace(site, import_limit_w=AMPLE_W)
        circuits = (replace(c, limit_w=AMPLE_W) if c.id == name else c for c in site.circuits)
        return replace(site, circuits=tuple(circuits))

    return _at_site(problem, slot, change)


def _without_least(problem: Problem, _plan: Plan, slot: ChargingWhy, _: Reason) -> Problem:
    def change(site: Site) -> Site:
        evses = (replace(e, min_power_w=0.0) if e.id == slot.evse else e for e in site.evses)
        return replace(site, evses=tuple(evses))

    return _at_site(problem, slot, change)


def _worth_nothing(problem: Problem, _plan: Plan, _: ChargingWhy, __: Reason) -> Problem:
    return replace(problem, terminal_value_per_kwh=0.0)


def _gives_not(problem: Problem, _plan: Plan, slot: ChargingWhy, _: Reason) -> Problem:
    cars = (
        replace(v, max_discharge_w=0.0) if v.id == slot.vehicle else v for v in problem.vehicles
    )
    return replace(problem, vehicles=tuple(cars))


def _no_battery_gives(problem: Problem, _plan: Plan, slot: ChargingWhy, _: Reason) -> Problem:
    def change(site: Site) -> Site:
        battery = site.battery
        return replace(site, battery=battery and replace(battery, max_discharge_w=0.0))

    cars = tuple(replace(each, max_discharge_w=0.0) for each in problem.vehicles)
    return replace(_at_site(problem, slot, change), vehicles=cars)


_RELAXED: dict[str, Callable[[Problem, Plan, ChargingWhy, Reason], Problem]] = {
    "SUN": _without_sun,
    "PAID": _as_dear,
    "PRICE": _as_dear,
    "BATTERY": _no_battery_gives,
    "DEADLINE": _without_bookings,
    "LIMIT": _without_limit,
    "MINIMUM": _without_least,
    "KEEP": _worth_nothing,
    "TRADE": _gives_not,
    "GIVE": _gives_not,
}
