"""Gap tables: when and where each car stands idle, and what its battery can and must hold there.

A car's accepted promises cut its future into gaps. Two walks give each gap two numbers: forward,
the most energy the car can hold when the gap begins (charging all the time it stands); backward,
the least it must hold when the gap ends so that every later promise can be kept. A new trip fits
a gap exactly when it fits between the two, so one vectorised look over all gaps of all cars
(`fit`) answers a booking. The walks are cautious on purpose: they charge at a share of the power,
take more energy for a trip than it should need, and count no sun. What is asked of the table is in
`scheduler.admit`; power limits of sites are the business of the plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scheduler.lowered import Lowered, Windows, all_later_s, all_lost_s, lost_s
from scheduler.straying import Margin, Straying

Table = NDArray[np.float64]
"""One row per `Column`, one column per gap; the gaps of a car lie side by side, in order."""

SECONDS_PER_HOUR = 3600.0
OPEN_END_S = 4e10
"""End of a car's last gap: later than any booking, yet finite so that 0 W times it is 0 Wh."""
TOLERANCE_WH = 1e-6


@dataclass(frozen=True, slots=True)
class CarState:
    """A car as the table needs it."""

    vehicle_id: str
    vehicle_class: str
    site_id: str
    """Where it stands, or will stand once free."""
    free_from: datetime
    """When it is back; at or before the calendar's `now`, it stands there already."""
    soc_wh: float
    """Stored energy now, or at `free_from` if that is later."""
    capacity_wh: float
    min_soc_wh: float
    max_soc_wh: float
    charge_power_w: float
    """In the stay that begins at `free_from`: the least of what the car takes and what its EVSE
    gives, in W at the grid side; 0: it can't charge."""
    charge_efficiency: float
    consumption_wh_per_km: float
    site_power_w: Mapping[str, float] = field(default_factory=dict[str, float])
    """The same for any later stay, by site; a site that is not named gives `charge_power_w`."""
    place: str | None = None
    """Where the stay that begins at `free_from` is, as `Lowered.place` has it; None: its site."""

    def power_at(self, site_id: str) -> float:
        """Returns the charging power in W that is counted on in a later stay at a site."""
        return self.site_power_w.get(site_id, self.charge_power_w)


@dataclass(frozen=True, slots=True)
class Promise:
    """An accepted booking that has not begun, on the car that is to serve it."""

    booking_id: str
    vehicle_id: str
    pickup_site: str
    dropoff_site: str
    start: datetime
    end: datetime
    distance_km: float
    reserve_km: float


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """How cautious the table is."""

    buffer: timedelta = timedelta(minutes=30)
    """Least time between a car's return and its next departure."""
    charge_rate_factor: float = 0.85
    """Share of the charging power that is counted on."""
    energy_factor: float = 1.1
    """How much more energy a trip takes than its distance says, for those that come after it."""
    horizon: timedelta = timedelta(days=60)
    """How far ahead a booking may begin."""
    nearby: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Sites to offer instead of a site, nearest first; a site that is not named: all others."""
    margins: Mapping[str, Margin] = field(default_factory=dict[str, Margin])
    """What promises from a site keep free; a site that is not named: the factor and the buffer."""
    straying: Straying = field(default_factory=Straying)
    """How trips stray, for the probability of an answer."""
    lowered: tuple[Lowered, ...] = ()
    """Where and when charging is lower than usual; pieces of one place do not overlap."""

    def margin(self, site_id: str) -> Margin:
        """Returns what a promise from a site keeps free, with no less than the buffer."""
        buffer_s = self.buffer.total_seconds()
        own = self.margins.get(site_id)
        if own is None:
            return Margin(self.energy_factor, buffer_s, lost_s=0.0, risk=0.0)
        if own.turnaround_s >= buffer_s:
            return own
        return replace(own, turnaround_s=buffer_s)


class Column(IntEnum):
    """What a row of a `Table` holds."""

    CAR = 0
    VEHICLE_CLASS = 1
    SITE = 2
    NEXT_SITE = 3
    """Where the next promise begins; -1 when there is none."""
    FROM_S = 4
    UNTIL_S = 5
    OPEN_S = 6
    """Earliest start of a new trip: `FROM_S`, plus the turnaround after a trip."""
    CLOSE_S = 7
    """Latest end of a new trip: `UNTIL_S` less the turnaround before a promise."""
    REACH_WH = 8
    """Most energy that can be stored at `FROM_S`."""
    NEED_WH = 9
    """Least energy that must be stored at `UNTIL_S`; minus infinity when nothing follows."""
    GAIN_W = 10
    """Stored energy per hour of charging in this gap, as the rules count on it."""
    MIN_WH = 11
    MAX_WH = 12
    WH_PER_KM = 13
    """Plain consumption, without the rules' factor."""
    AFTER_TRIP = 14
    """1 when a trip comes before the gap (which may come back late), else 0."""
    NEXT_GAIN_W = 15
    """As `GAIN_W`, where the car stands after a new trip in this gap: at `NEXT_SITE`."""
    FACTOR = 16
    """Energy that a new trip must find, over what its distance says."""
    LOST_S = 17
    """How long after `FROM_S` charging is taken to begin."""
    NEXT_LOST_S = 18
    """The same after a new trip in this gap."""
    PLACE = 19
    """Where the car is in this gap, as `Lowered.place` has it: its site, but for the first."""


def seconds(instant: datetime) -> float:
    """Returns the instant as seconds since 1970, the table's measure of time."""
    return instant.timestamp()


def trip_wh(car: CarState, distance_km: float, rules: AdmissionRules) -> float:
    """Returns the energy in Wh that a trip takes from the battery, for those that come after."""
    return distance_km * car.consumption_wh_per_km * rules.energy_factor


def gain_w(car: CarState, power_w: float, rules: AdmissionRules) -> float:
    """Returns the stored energy per hour, in W, that charging at `power_w` is counted to give."""
    return power_w * car.charge_efficiency * rules.charge_rate_factor


def charged_wh(stored_wh: float, max_wh: float, gain_per_hour_w: float, length_s: float) -> float:
    """Returns what is stored after charging for `length_s`; a car above its maximum stays there."""
    full_wh = max(stored_wh, max_wh)
    return min(full_wh, stored_wh + gain_per_hour_w * max(0.0, length_s) / SECONDS_PER_HOUR)


def departure_needs_wh(
    car: CarState, promises: Sequence[Promise], rules: AdmissionRules
) -> tuple[float, ...]:
    """Returns for each promise the least energy at its departure that keeps it and all later ones.

    Walks backward over `promises`, which are in order of their start. A need above the car's
    maximum says that the chain can't be kept whatever happens before.
    """
    needs: list[float] = []
    arrival_wh = car.min_soc_wh
    for index in range(len(promises) - 1, -1, -1):
        promise = promises[index]
        margin = rules.margin(promise.pickup_site)
        own_km = promise.distance_km * margin.energy_factor + promise.reserve_km
        need_wh = max(
            car.min_soc_wh + own_km * car.consumption_wh_per_km,
            arrival_wh + trip_wh(car, promise.distance_km, rules),
        )
        needs.append(need_wh)
        if index > 0:
            pause_s = seconds(promise.start) - seconds(promises[index - 1].end)
            pause_s -= lost_s(
                rules.lowered,
                promise.pickup_site,
                seconds(promises[index - 1].end) + margin.lost_s,
                seconds(promise.start),
            )
            pause_s = max(0.0, pause_s - margin.lost_s)
            gain = gain_w(car, car.power_at(promise.pickup_site), rules)
            arrival_wh = max(car.min_soc_wh, need_wh - gain * pause_s / SECONDS_PER_HOUR)
    needs.reverse()
    return tuple(needs)


def car_columns(
    index: int,
    car: CarState,
    promises: Sequence[Promise],
    rules: AdmissionRules,
    *,
    now: datetime,
    code: Callable[[str], int],
) -> Table:
    """Returns the table columns of one car: one gap before each promise and one after the last.

    Args:
        index: the car's number, for `Column.CAR`.
        car: its state.
        promises: its promises, in order of their start.
        rules: how cautious to be.
        now: charging is counted from here on at the earliest.
        code: gives sites and classes their numbers.
    """
    needs = departure_needs_wh(car, promises, rules)
    gain = gain_w(car, car.charge_power_w, rules)
    site, stored_wh = car.site_id, car.soc_wh
    place = car.place or site
    from_s = max(seconds(car.free_from), seconds(now))
    after_trip = car.free_from > now
    vehicle_class = code(car.vehicle_class)
    gaps: list[tuple[float, ...]] = []  # an array of numpy is slow to fill one by one
    for gap in range(len(promises) + 1):
        follower = promises[gap] if gap < len(promises) else None
        margin = rules.margin(site)
        late_s = margin.lost_s if after_trip else 0.0
        if follower is None:
            next_margin, next_site, next_gain = margin, -1, 0.0
            until_s = close_s = OPEN_END_S
        else:
            next_margin = rules.margin(follower.pickup_site)
            next_site = code(follower.pickup_site)
            next_gain = gain_w(car, car.power_at(follower.pickup_site), rules)
            until_s = seconds(follower.start)
            close_s = until_s - next_margin.turnaround_s
        gaps.append(
            (  # in the order of `Column`
                index,
                vehicle_class,
                code(site),
                next_site,
                from_s,
                until_s,
                from_s + (margin.turnaround_s if after_trip else 0.0),
                close_s,
                stored_wh,
                -math.inf if follower is None else needs[gap],
                gain,
                car.min_soc_wh,
                car.max_soc_wh,
                car.consumption_wh_per_km,
                after_trip,
                next_gain,
                margin.energy_factor,
                late_s,
                next_margin.lost_s,
                code(place),
            )
        )
        if follower is not None:
            late_s += lost_s(rules.lowered, place, from_s + late_s, until_s)
            stored_wh = charged_wh(stored_wh, car.max_soc_wh, gain, until_s - from_s - late_s)
            stored_wh -= trip_wh(car, follower.distance_km, rules)
            site, after_trip = follower.dropoff_site, True
            place = site
            gain = gain_w(car, car.power_at(site), rules)
            # A late car starts its next promise late: it is never back before it was there.
            from_s = max(from_s, seconds(follower.end))
    return np.array(gaps, dtype=np.float64).T


def broken_promises(
    car: CarState, promises: Sequence[Promise], columns: Table
) -> tuple[Promise, ...]:
    """Returns the promises of one car that its table says can't be kept as they stand.

    A promise is broken when the car comes back after its start, stands at another site, or can't
    hold the energy that this promise needs by itself (a later promise's need is its own).
    The buffer is caution for new bookings: a promise that eats into it is not broken.
    """
    broken: list[Promise] = []
    for gap, promise in enumerate(promises):
        site, next_site, from_s, until_s = columns[Column.SITE : Column.OPEN_S, gap]
        # A car that stands there already is not late, even when nobody has come for it yet.
        late = columns[Column.AFTER_TRIP, gap] == 1 and from_s > until_s
        back_wh = float(columns[Column.REACH_WH, gap + 1])
        reserve_wh = promise.reserve_km * car.consumption_wh_per_km
        empty = back_wh < car.min_soc_wh + reserve_wh - TOLERANCE_WH
        if site != next_site or late or empty:
            broken.append(promise)
    return tuple(broken)


def peak_stays(table: Table, site: int, from_s: float, rules: AdmissionRules) -> int:
    """Returns how many cars stand at a site at once, at most, from an instant on.

    A car is taken to leave as much later than promised as the buffer says: whoever arrives in
    between finds its charger taken, and is not plugged in for the whole of its stay.
    """
    here = table[Column.SITE] == site
    comes_s = np.sort(table[Column.FROM_S, here])
    goes_s = np.sort(table[Column.UNTIL_S, here] + rules.buffer.total_seconds())
    at_s = np.append(comes_s[comes_s > from_s], from_s)
    there = np.searchsorted(comes_s, at_s, "right") - np.searchsorted(goes_s, at_s, "right")
    return int(there.max())


@dataclass(frozen=True, slots=True)
class Ask:
    """A wished trip in the numbers of the table; None stands for any class or any place."""

    start_s: float
    end_s: float
    vehicle_class: int | None
    pickup_site: int | None
    dropoff_site: int | None
    """None: back to the site where the gap is."""
    distance_km: float
    reserve_km: float
    lowered: Windows = ()
    """`AdmissionRules.lowered`."""


class Stage(IntEnum):
    """How far a gap gets with a wished trip: the first hurdle that it does not take."""

    CLASS = 0
    PLACE = 1
    TIME = 2
    ENERGY_BEFORE = 3
    ENERGY_AFTER = 4
    FITS = 5


@dataclass(frozen=True, slots=True)
class Fit:
    """How far each gap gets with a wished trip, and the energies behind it."""

    stage: NDArray[np.int8]
    ready_wh: NDArray[np.float64]
    """Stored at the start of the trip, at best."""
    spare_wh: NDArray[np.float64]
    """To spare, at the tighter of the trip itself and what is promised after it."""

    def any_fits(self) -> bool:
        """Returns whether at least one gap takes the trip."""
        return bool((self.stage == Stage.FITS).any())


def placed(table: Table, ask: Ask) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns which gaps are of the wished class, and which of those are at the wished places."""
    site, next_site = table[Column.SITE], table[Column.NEXT_SITE]
    if ask.vehicle_class is None:
        of_class = np.ones(table.shape[1], dtype=np.bool_)
    else:
        of_class = table[Column.VEHICLE_CLASS] == ask.vehicle_class
    dropoff = site if ask.dropoff_site is None else ask.dropoff_site
    at_place = of_class & ((next_site == dropoff) | (next_site == -1))
    if ask.pickup_site is not None:
        at_place &= site == ask.pickup_site
    return of_class, at_place


def fit(table: Table, ask: Ask, rules: AdmissionRules) -> Fit:
    """Returns how far each gap gets with a wished trip.

    A gap takes the trip when it is of the class, begins where the trip does, is followed by
    nothing or by a promise from where the trip ends, holds the trip and the pauses around it,
    and its car can hold enough energy before the trip, for the trip and its reserve, and after
    it, for all promises that follow.
    """
    of_class, at_place = placed(table, ask)
    in_time = (
        at_place & (table[Column.OPEN_S] <= ask.start_s) & (ask.end_s <= table[Column.CLOSE_S])
    )
    plugged_s = table[Column.FROM_S] + table[Column.LOST_S]
    idle_s = ask.start_s - plugged_s
    idle_s -= all_lost_s(ask.lowered, table[Column.PLACE], plugged_s, ask.start_s)
    ready_wh = _charged_wh(table, table[Column.REACH_WH], table[Column.GAIN_W], idle_s)
    per_km_wh = table[Column.WH_PER_KM]
    back_wh = ready_wh - per_km_wh * (ask.distance_km * rules.energy_factor)
    own_km = ask.distance_km * table[Column.FACTOR] + ask.reserve_km
    before_wh = ready_wh - per_km_wh * own_km - table[Column.MIN_WH]
    pause_s = _pause_s(table, ask)
    again_wh = _charged_wh(table, back_wh, table[Column.NEXT_GAIN_W], pause_s)
    after_wh = again_wh - table[Column.NEED_WH]
    charged = in_time & (before_wh >= -TOLERANCE_WH)
    fits = charged & (after_wh >= -TOLERANCE_WH)
    stage = of_class.astype(np.int8)
    for passed in (at_place, in_time, charged, fits):
        stage += passed
    return Fit(stage, ready_wh, np.minimum(before_wh, after_wh))


def soonest_s(table: Table, ask: Ask) -> NDArray[np.float64]:
    """Returns for each gap the earliest start, not before the asked one, that it may allow.

    Infinity where the car can't be charged enough. Time after the trip is not looked at here.
    """
    needed_wh = table[Column.MIN_WH] + table[Column.WH_PER_KM] * (
        ask.distance_km * table[Column.FACTOR] + ask.reserve_km
    )
    missing_wh = np.maximum(0.0, needed_wh - table[Column.REACH_WH])
    can_gain = table[Column.GAIN_W] > 0
    never_hours = np.where(missing_wh > 0, np.inf, 0.0)
    hours = np.divide(missing_wh, table[Column.GAIN_W], out=never_hours, where=can_gain)
    late_s = np.where(missing_wh > 0, table[Column.LOST_S], 0.0)
    plugged_s = table[Column.FROM_S] + late_s
    ready_s = plugged_s + hours * SECONDS_PER_HOUR
    later_s = all_later_s(ask.lowered, table[Column.PLACE], plugged_s, ready_s)
    ready_s = np.where(missing_wh > 0, later_s, ready_s)
    return np.maximum(np.maximum(table[Column.OPEN_S], ready_s), ask.start_s)


def longest_km(table: Table, ask: Ask, rules: AdmissionRules) -> float:
    """Returns the longest trip, in km, that some gap takes at the asked places and times, or 0."""
    found = fit(table, ask, rules)
    in_time = found.stage > Stage.TIME
    if not in_time.any():
        return 0.0
    pause_s = np.maximum(0.0, _pause_s(table, ask))
    later_wh = table[Column.NEED_WH] - table[Column.NEXT_GAIN_W] * pause_s / SECONDS_PER_HOUR
    per_km_wh = np.maximum(TOLERANCE_WH, table[Column.WH_PER_KM])
    kept_wh = table[Column.MIN_WH] + per_km_wh * ask.reserve_km
    own_km = (found.ready_wh - kept_wh) / (per_km_wh * table[Column.FACTOR])
    chain_km = (found.ready_wh - later_wh) / (per_km_wh * rules.energy_factor)
    return max(0.0, float(np.max(np.minimum(own_km, chain_km)[in_time])))


def _pause_s(table: Table, ask: Ask) -> NDArray[np.float64]:
    """Returns how long each car charges after the trip, until it leaves again."""
    plugged_s = ask.end_s + table[Column.NEXT_LOST_S]
    lost = all_lost_s(ask.lowered, table[Column.NEXT_SITE], plugged_s, table[Column.UNTIL_S])
    return table[Column.UNTIL_S] - plugged_s - lost


def _charged_wh(
    table: Table,
    stored_wh: NDArray[np.float64],
    gain_per_hour_w: NDArray[np.float64],
    length_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Returns `charged_wh` for all gaps at once."""
    full_wh = np.maximum(stored_wh, table[Column.MAX_WH])
    gained_wh = gain_per_hour_w * np.maximum(0.0, length_s) / SECONDS_PER_HOUR
    return np.minimum(full_wh, stored_wh + gained_wh)
