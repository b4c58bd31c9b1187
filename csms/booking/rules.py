"""Pure decisions about bookings: what may follow what, which wishes make no sense."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from csms.fleet.rules import Taper, mean_power_w
from models.errors import BadInput, Conflict, FieldError
from models.states import BOOKING, BookingStatus, allowed
from models.timeline import format_rfc3339
from scheduler.admit import Answer, Calendar, Wish
from scheduler.reach import CarState, Promise

NO_SHOW_AFTER = timedelta(minutes=60)
"""A car that nobody fetched by then is free again."""
FETCHED_WITHIN = timedelta(minutes=5)
"""Who has not driven off so long after the start may stand there with too little charge."""
NOT_PLUGGED_AFTER = timedelta(minutes=10)
"""A car that came back and was not plugged in by then is reported."""
PLUG_IN_WITHIN = timedelta(minutes=30)
"""A car that was not plugged in this long after its return will not be by itself."""
LATE_BY = timedelta(minutes=30)
"""How much longer a car that is late is expected to stay away."""
CHARGED_FROM_PCT, CHARGED_TO_PCT = 50, 95
"""Between them cars are charged for what is booked."""
LONGEST = timedelta(days=60)
"""No booking is longer: beyond that, somebody has mistyped a year."""
OPEN = ("confirmed", "at_risk")
"""Promised, and not begun."""
ON_THE_ROAD = ("active", "late")


@dataclass(frozen=True, slots=True)
class Outlet:
    """An EVSE, as far as it matters to what a car can charge at its site."""

    current_type: Literal["AC", "DC"]
    max_power_w: float
    phases: int = 3


@dataclass(frozen=True, slots=True)
class Charger:
    """What a car can be charged with."""

    max_ac_power_w: float
    max_dc_power_w: float
    ac_phases: int = 3
    taper: Taper = ()


@dataclass(frozen=True, slots=True)
class Surplus:
    """What the sun of a site is forecast to give beyond its building."""

    start: datetime
    step_minutes: int
    power_w: Sequence[float]
    """One value per step."""

    def energy_wh(self, from_at: datetime, to_at: datetime, most_w: float, shares: int) -> float:
        """Returns what a car that takes `most_w` gets of it in `[from_at, to_at)`.

        Args:
            from_at: when it is plugged in.
            to_at: when it leaves.
            most_w: what it takes at most.
            shares: how many cars share the surplus.
        """
        step = timedelta(minutes=self.step_minutes)
        total_wh = 0.0
        for number, surplus_w in enumerate(self.power_w):
            begin = self.start + number * step
            lasts = min(begin + step, to_at) - max(begin, from_at)
            if lasts > timedelta(0):
                total_wh += min(most_w, surplus_w / shares) * (lasts / timedelta(hours=1))
        return total_wh


def told_chance(probability: float) -> float:
    """Returns a probability as it is told: in hundredths of a percent, rounded down."""
    return math.floor(probability * 10_000 + 1e-6) / 10_000


def check_times(start: datetime, end: datetime, now: datetime) -> None:
    """Lets a wish pass that lies ahead and takes time.

    Raises:
        BadInput: naming the field that is wrong.
    """
    errors: list[FieldError] = []
    if start < now:
        errors.append(FieldError("/start", f"lies in the past (it is {format_rfc3339(now)})"))
    if end <= start:
        errors.append(FieldError("/end", "must be after start"))
    if end - start > LONGEST:
        errors.append(FieldError("/end", f"is more than {LONGEST.days} days after start"))
    if errors:
        raise BadInput("; ".join(f"{each.field} {each.detail}" for each in errors), errors)


def step(before: str, after: BookingStatus) -> BookingStatus:
    """Returns `after` if a booking that is `before` may become it.

    Raises:
        Conflict: if it may not.
    """
    if before == after or not allowed(BOOKING, before, after):
        raise Conflict(f"a booking that is {before} can't become {after}", code="wrong-status")
    return after


def free_evse(evses: Sequence[str], taken: Sequence[str], planned: str | None) -> str | None:
    """Returns where a car that comes back should plug in: as planned if free, else the first free.

    Args:
        evses: those of the site in service, as `IDENTITY/EVSE`, preferred ones first.
        taken: those that other cars hold.
        planned: what the plan wants.
    """
    held = set(taken)
    if planned is not None and planned in evses and planned not in held:
        return planned
    return next((evse for evse in evses if evse not in held), None)


def outlet_power_w(outlet: Outlet, charger: Charger) -> float:
    """Returns what a car charges with at an EVSE: the least of what both can.

    Of a battery that takes less as it fills, the mean from `CHARGED_FROM_PCT` to `CHARGED_TO_PCT`
    counts: what it takes to be charged that far, rather than at the start.
    """
    if outlet.current_type == "DC":
        most_w = min(charger.max_dc_power_w, outlet.max_power_w)
    else:
        share = min(charger.ac_phases, outlet.phases) / outlet.phases
        most_w = min(charger.max_ac_power_w, outlet.max_power_w * share)
    return mean_power_w(charger.taper, most_w, CHARGED_FROM_PCT, CHARGED_TO_PCT)


def site_power_w(outlets: Iterable[Outlet], charger: Charger) -> float:
    """Returns what a car can count on at any EVSE of a site that it may come to stand at.

    The weakest AC EVSE counts, because a promise must hold at each of them; fast chargers are for
    visits, and count only where there is nothing else. Without an EVSE nothing is charged.
    """
    found = list(outlets)
    slow = [outlet for outlet in found if outlet.current_type == "AC"]
    powers_w = [outlet_power_w(outlet, charger) for outlet in slow or found]
    return min(powers_w, default=0.0)


def expected_solar_share(
    answer: Answer,
    car: CarState,
    wish: Wish,
    surplus: Surplus,
    *,
    energy_factor: float,
    shares: int,
) -> float | None:
    """Returns the share of sun in what the offered car is to charge before the trip.

    The car takes what the surplus gives; what the promise still lacks, the grid gives.
    None: it has nothing to charge.

    Args:
        answer: with the car's offer first.
        car: the offered car.
        wish: the trip.
        surplus: of the pickup site.
        energy_factor: what a promise from there keeps, over what its distance says.
        shares: how many cars share it.
    """
    offer = answer.offers[0]
    trip_km = wish.distance_km * energy_factor
    lacking_wh = car.min_soc_wh + trip_km * car.consumption_wh_per_km - offer.idle_soc_wh
    room_wh = max(0.0, car.max_soc_wh - offer.idle_soc_wh)
    sun_wh = car.charge_efficiency * surplus.energy_wh(
        offer.idle_from, wish.start, offer.idle_power_w, shares
    )
    sun_wh = min(sun_wh, room_wh)
    charged_wh = max(sun_wh, lacking_wh)
    return round(sun_wh / charged_wh, 3) if charged_wh > 0 else None


def stops_extension(
    calendar: Calendar, vehicle_id: str, booking_id: str, start: datetime, end: datetime
) -> Promise | None:
    """Returns the first promise that can't be kept if a trip of a car ends at `end`, or None.

    Args:
        calendar: as it stands.
        vehicle_id: the car.
        booking_id: the trip; it is on the road, or among the calendar's promises.
        start: of the trip.
        end: its wished end.
    """
    car, chain = calendar.car(vehicle_id), calendar.chain(vehicle_id)
    held = next((each for each in chain if each.booking_id == booking_id), None)
    if held is None:
        after = calendar.with_car(replace(car, free_from=end))
    else:
        after = calendar.without(booking_id).with_promise(replace(held, end=end))
    broken_before = {promise.booking_id for promise in calendar.broken()}
    stopped = [each for each in after.broken() if each.booking_id not in broken_before]
    stopped += [
        each
        for each in chain
        if each.booking_id != booking_id and start < each.start < end + pause_before(each, calendar)
    ]
    return min(stopped, key=lambda each: each.start, default=None)


def pause_before(promise: Promise, calendar: Calendar) -> timedelta:
    """Returns the least time between a return of its car and a promise."""
    return timedelta(seconds=calendar.rules.margin(promise.pickup_site).turnaround_s)


def breaks_a_promise(calendar: Calendar, vehicle_id: str, booking_id: str, start: datetime) -> bool:
    """Returns whether a car that leaves before the booked `start` misses another promise."""
    return any(
        promise.booking_id != booking_id and promise.start < start
        for promise in calendar.chain(vehicle_id)
    )
