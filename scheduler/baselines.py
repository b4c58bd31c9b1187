"""What other policies would have done with what really happened: the rows of a report.

A `Record` holds what came: sun, load, prices, where each car was plugged in and when, and the
trips it made. Under the same plugs and trips, a policy decides only how much each car charges in
each step. `uncontrolled` and `surplus` are rules that know no future (the latter knows a car's
next trip); `perfect_foresight` and `pv_maximum` are linear programs that know all, and relax
what no plan could break (least powers, circuits), so that no plan can beat them at their own
figure. A trip that a car is too empty for is missed but still takes its energy, on credit, so
that missing a trip earns nothing. Site batteries belong in `load_power_w`, as they ran.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from scheduler.program import ProgramBuilder
from scheduler.solver import solve_lp

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_Slot = tuple[int, int, int, int, int, float, float, float]
"""Step, turn, car, stay, site; most, least and measured energy in Wh."""
EnergyByCar = Mapping[str, Sequence[float]]
"""For each car the energy that it took at the charger in each step, in Wh."""

MIN_SOC_SHARE = 0.3
"""`surplus` charges at once below this share of the capacity, as evcc's usual setting does."""
MISSED_BY_WH = 1.0
SUN_FIRST_PER_KWH = 1000.0
"""Worth of a kWh of sun to `pv_maximum`: above any price, so that money only breaks ties."""


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What a site saw in each step; `load_power_w` is without cars, PV is what it could give."""

    id: str
    pv_power_w: tuple[float, ...]
    load_power_w: tuple[float, ...]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    """Never above the import price: else least cost is no linear program, and no bound."""
    import_limit_w: float
    export_limit_w: float
    co2_g_per_kwh: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class PlugRecord:
    """A car was plugged in at an EVSE from one instant to another, and had returned before."""

    site_id: str
    evse_id: str
    from_at: datetime
    to_at: datetime
    max_power_w: float
    """The least of what the car and the EVSE can do."""
    min_power_w: float


@dataclass(frozen=True, slots=True)
class TripRecord:
    """A trip that was made, or should have been, and the energy it took from the battery."""

    booking_id: str
    start: datetime
    end: datetime
    energy_wh: float
    priority: int = 1


@dataclass(frozen=True, slots=True)
class CarRecord:
    """A car through the record; trips in order of their start, plugs in order of theirs."""

    id: str
    capacity_wh: float
    min_soc_wh: float
    max_soc_wh: float
    soc_start_wh: float
    charge_efficiency: float
    plugs: tuple[PlugRecord, ...]
    trips: tuple[TripRecord, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What happened, in steps."""

    start: datetime
    step_minutes: int
    steps: int
    sites: tuple[SiteRecord, ...]
    cars: tuple[CarRecord, ...]
    soc_value_per_kwh: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How a policy did. `pv_...` are None where there was no sun to use."""

    pv_to_cars_utilisation: float | None
    """Charging within PV less building load, over PV less building load, where positive."""
    pv_utilisation: float | None
    """PV used by building and cars over PV that could have been produced."""
    energy_cost: float
    """Cost with cars less cost without, plus the value of energy stored less at the end."""
    co2_g: float
    """Of all imports, building included; 0 where no intensity is known."""
    peak_import_w: float
    """The largest mean import of any one site in any step."""
    energy_to_cars_wh: float
    """At the chargers."""
    bookings_missed: int
    charging_w: Mapping[str, tuple[float, ...]]
    """For each site the charging power in each step."""


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """The record as arrays: one slot for each car, plug and step that overlap, in order of time."""

    record: Record
    hours: float
    turn: Ints
    """Numbers a car's slots within one step: all slots of one step and turn decide together."""
    step: Ints
    car: Ints
    site: Ints
    stay: Ints
    """Number of the stay (time between two trips), counted through all cars."""
    most_wh: Floats
    least_wh: Floats
    later_wh: Floats
    """What the later slots of the same stay can give."""
    real_wh: Floats | None
    """What was measured, slot by slot."""
    first_stay: Ints
    last_stay: Ints
    """Of each car."""
    stay_car: Ints
    take_wh: Floats
    """Energy of the trip after each stay; 0 after a car's last."""

    def series(self, name: str) -> Floats:
        """Returns a series of all sites, one row each; a single value makes a row of one."""
        rows = [np.atleast_1d(getattr(site, name)) for site in self.record.sites]
        return np.array(rows, dtype=np.float64)

    def cars(self, name: str) -> Floats:
        """Returns a figure of all cars."""
        return np.array([getattr(car, name) for car in self.record.cars], dtype=np.float64)

    def stored_wh(self, charged_wh: Floats) -> Floats:
        """Returns the energy in the battery at the end of each stay, before its trip."""
        gain_wh = charged_wh * self.cars("charge_efficiency")[self.car]
        stay_gain_wh = np.bincount(self.stay, gain_wh, len(self.stay_car))
        run_wh = np.cumsum(stay_gain_wh) - np.cumsum(self.take_wh) + self.take_wh
        start_wh = self.cars("soc_start_wh") - (run_wh - stay_gain_wh)[self.first_stay]
        return run_wh + start_wh[self.stay_car]

    def at_sites_w(self, charged_wh: Floats) -> Floats:
        """Returns mean charging power by site and step."""
        power_w = np.zeros((len(self.record.sites), self.record.steps))
        np.add.at(power_w, (self.site, self.step), charged_wh / self.hours)
        return power_w


def measured(
    record: Record, energy_wh: EnergyByCar, *, bookings_missed: int | None = None
) -> Figures:
    """Returns the figures of what was really charged.

    Args:
        record: what happened.
        energy_wh: what each car took in each step.
        bookings_missed: as the world counted them; else as the battery's balance says.

    Raises:
        ValueError: if a car took energy that was never plugged in.
    """
    layout = _lay_out(record, energy_wh)
    assert layout.real_wh is not None
    figures = _figures(layout, layout.real_wh)
    return figures if bookings_missed is None else replace(figures, bookings_missed=bookings_missed)


def uncontrolled(record: Record) -> Figures:
    """Returns the figures of full power from plug-in to full, scaled down at the import limit."""
    layout = _lay_out(record)
    return _figures(layout, _play(layout, _full_power))


def surplus(record: Record) -> Figures:
    """Returns the figures of following the sun, as evcc does.

    A car charges with the surplus of its site (emptiest car first, each at its least power or
    more), at once while below 30 %, and from the latest moment that still makes its next trip.
    """
    layout = _lay_out(record)
    return _figures(layout, _play(layout, _follow_sun))


def perfect_foresight(record: Record, energy_wh: EnergyByCar | None = None) -> Figures:
    """Returns the figures of the least cost that anybody could have reached, knowing all.

    With `energy_wh` (what was really charged) limits and minima give way where reality broke
    them, so that the `energy_cost` is never above that of `measured`.
    """
    layout = _lay_out(record, energy_wh)
    return _figures(layout, _program(layout, sun_first=False))


def pv_maximum(record: Record, energy_wh: EnergyByCar | None = None) -> Figures:
    """Returns the figures of the most sun that cars could have taken; of such ways the cheapest."""
    layout = _lay_out(record, energy_wh)
    return _figures(layout, _program(layout, sun_first=True))


def compare(
    record: Record, energy_wh: EnergyByCar, *, bookings_missed: int | None = None
) -> dict[str, Figures]:
    """Returns the `policies` of a report: the plan as it was driven, and the four baselines."""
    return {
        "plan": measured(record, energy_wh, bookings_missed=bookings_missed),
        "uncontrolled": uncontrolled(record),
        "surplus": surplus(record),
        "perfect_foresight": perfect_foresight(record, energy_wh),
        "pv_maximum": pv_maximum(record, energy_wh),
    }


def _lay_out(record: Record, energy_wh: EnergyByCar | None = None) -> _Layout:
    slots: list[_Slot] = []
    first_stay = np.cumsum([0, *(len(car.trips) + 1 for car in record.cars)])
    for number, car in enumerate(record.cars):
        own = _slots(record, number, int(first_stay[number]))
        slots += own if energy_wh is None else _measured_slots(own, car, energy_wh)
    slots.sort(key=lambda slot: slot[:3])
    columns = np.array(slots, dtype=np.float64).reshape(-1, 8).T
    step, turn, car, stay, site = columns[:5].astype(np.int64)
    by_stay = np.argsort(stay, kind="stable")
    later_wh = np.zeros(len(slots))
    through_wh = np.cumsum(np.bincount(stay, columns[5], int(first_stay[-1])))
    later_wh[by_stay] = through_wh[stay[by_stay]] - np.cumsum(columns[5][by_stay])
    takes = [(*(trip.energy_wh for trip in car.trips), 0.0) for car in record.cars]
    return _Layout(
        record=record,
        hours=record.step_minutes / 60,
        turn=turn,
        step=step,
        car=car,
        site=site,
        stay=stay,
        most_wh=columns[5],
        least_wh=columns[6],
        later_wh=later_wh,
        real_wh=None if energy_wh is None else columns[7],
        first_stay=first_stay[:-1],
        last_stay=first_stay[1:] - 1,
        stay_car=np.repeat(np.arange(len(takes)), [len(take) for take in takes]),
        take_wh=np.array([wh for take in takes for wh in take]),
    )


def _slots(record: Record, number: int, first_stay: int) -> list[_Slot]:
    """Returns the slots of a car's plugs; one that covers part of a step gives that part."""
    car, step_s = record.cars[number], 60.0 * record.step_minutes
    site_number = {site.id: index for index, site in enumerate(record.sites)}
    slots: list[_Slot] = []
    turns = [0] * record.steps
    for plug in car.plugs:
        stay = first_stay + sum(trip.start <= plug.from_at for trip in car.trips)
        from_s = max(0.0, (plug.from_at - record.start).total_seconds())
        to_s = min(record.steps * step_s, (plug.to_at - record.start).total_seconds())
        for step in range(int(from_s // step_s), math.ceil(to_s / step_s)):
            held_s = min(to_s, (step + 1) * step_s) - max(from_s, step * step_s)
            most_wh, least_wh = (w * held_s / 3600 for w in (plug.max_power_w, plug.min_power_w))
            site = site_number[plug.site_id]
            slots.append((step, turns[step], number, stay, site, most_wh, least_wh, 0.0))
            turns[step] += 1
    return slots


def _measured_slots(slots: list[_Slot], car: CarRecord, energy_wh: EnergyByCar) -> list[_Slot]:
    """Returns a car's slots with what was measured; slots of one step share by what they can.

    Energy metered in a step without a plug counts in the slot nearest in time.
    """
    real_wh = [0.0] * len(slots)
    in_step: dict[int, list[int]] = {}
    for index, slot in enumerate(slots):
        in_step.setdefault(slot[0], []).append(index)
    taken_wh = [(step, wh) for step, wh in enumerate(energy_wh.get(car.id, ())) if wh]
    if taken_wh and not slots:
        raise ValueError(f"car {car.id} took energy but was never plugged in")
    for step, wh in taken_wh:
        able = in_step[min(in_step, key=lambda other: abs(other - step))]
        whole_wh = sum(slots[index][5] for index in able)
        for index in able:
            share = slots[index][5] / whole_wh if whole_wh else 1 / len(able)
            real_wh[index] += wh * share
    return [(*slot[:7], wh) for slot, wh in zip(slots, real_wh, strict=True)]


_Rule = Callable[[_Layout, Ints, Floats, Floats, Floats], Floats]
"""From slots that decide together, what their cars hold and can take, and the sun at each site:
what they wish to take. All in Wh, sun and wishes at the charger."""


def _play(layout: _Layout, rule: _Rule) -> Floats:
    """Returns what each slot charges when a rule plays the record from step to step."""
    charged_wh = np.zeros(len(layout.car))
    sun_wh = (layout.series("pv_power_w") - layout.series("load_power_w")) * layout.hours
    free_wh = np.maximum(0.0, sun_wh + layout.series("import_limit_w") * layout.hours)
    full_wh, efficiency = layout.cars("max_soc_wh"), layout.cars("charge_efficiency")
    moments, begins = np.unique(layout.step * 1000 + layout.turn, return_index=True)
    ends = np.append(begins, len(charged_wh))[1:]
    for moment, begin, end in zip(moments, begins, ends, strict=True):
        slots = np.arange(int(begin), int(end), dtype=np.int64)
        step, car, site = int(moment) // 1000, layout.car[slots], layout.site[slots]
        stored_wh = layout.stored_wh(charged_wh)[layout.stay[slots]]
        room_wh = np.clip((full_wh[car] - stored_wh) / efficiency[car], 0.0, layout.most_wh[slots])
        wished_wh = rule(layout, slots, stored_wh, room_wh, sun_wh[:, step])
        total_wh = np.bincount(site, wished_wh, len(sun_wh))
        share = np.minimum(1.0, free_wh[:, step] / np.maximum(1e-9, total_wh))
        charged_wh[slots] = wished_wh * share[site]
        sun_wh[:, step] -= total_wh * share
        free_wh[:, step] -= total_wh * share
    return charged_wh


def _full_power(
    _layout: _Layout, _slots: Ints, _stored_wh: Floats, room_wh: Floats, _sun_wh: Floats
) -> Floats:
    return room_wh


def _follow_sun(
    layout: _Layout, slots: Ints, stored_wh: Floats, room_wh: Floats, sun_wh: Floats
) -> Floats:
    car, site, stay = layout.car[slots], layout.site[slots], layout.stay[slots]
    share = stored_wh / layout.cars("capacity_wh")[car]
    efficiency = layout.cars("charge_efficiency")[car]
    take_wh = layout.take_wh[stay]
    goal_wh = np.minimum(layout.cars("max_soc_wh")[car], take_wh + layout.cars("min_soc_wh")[car])
    missing_wh = np.where(take_wh > 0, goal_wh - stored_wh, 0.0) / efficiency
    late_wh = missing_wh - layout.later_wh[slots]
    at_once_wh = (MIN_SOC_SHARE - share) * layout.cars("capacity_wh")[car] / efficiency
    wished_wh = np.clip(np.maximum(at_once_wh, late_wh), 0.0, room_wh)
    left_wh = sun_wh - np.bincount(site, wished_wh, len(sun_wh))
    for index in np.argsort(share, kind="stable").tolist():
        whole_wh = min(room_wh[index], wished_wh[index] + max(0.0, left_wh[site[index]]))
        if whole_wh >= layout.least_wh[slots[index]] and whole_wh > wished_wh[index]:
            left_wh[site[index]] -= whole_wh - wished_wh[index]
            wished_wh[index] = whole_wh
    return wished_wh


def _program(layout: _Layout, *, sun_first: bool) -> Floats:
    """Returns what each slot charges at least cost, or with the most sun, knowing all.

    Columns, in kWh: charge of each slot; import, export, curtailed PV and sun into cars for each
    site and step where a car can charge; energy stored at the end of each stay. Rows:
    charge - import + export + curtailed = pv - load; sun into cars <= charge;
    stored - gain = stored before - trip. Reality (else `uncontrolled`) obeys by construction.
    """
    record, slots, stays = layout.record, len(layout.car), len(layout.stay_car)
    witness_wh = _play(layout, _full_power) if layout.real_wh is None else layout.real_wh
    if not slots:
        return witness_wh
    active, place = np.unique(layout.site * record.steps + layout.step, return_inverse=True)
    spots = len(active)

    def at_spots(series: Floats) -> Floats:
        return np.broadcast_to(series, (len(record.sites), record.steps)).ravel()[active]

    kwh = layout.hours / 1000
    pv, load = (kwh * at_spots(layout.series(name)) for name in ("pv_power_w", "load_power_w"))
    seen = load + kwh * at_spots(layout.at_sites_w(witness_wh))
    imports = kwh * at_spots(layout.series("import_limit_w"))
    exports = kwh * at_spots(layout.series("export_limit_w"))
    sun = np.maximum(0.0, pv - load) if sun_first else np.zeros(spots)
    low, high = _stored_bounds(layout, witness_wh)
    worth = np.zeros(stays)
    worth[layout.last_stay] = record.soc_value_per_kwh
    start = -np.append(0.0, layout.take_wh[:-1]) / 1000
    start[layout.first_stay] = layout.cars("soc_start_wh") / 1000
    slot, spot, stay = np.arange(slots), np.arange(spots), np.arange(stays)
    follows = np.setdiff1d(stay, layout.first_stay)

    build = ProgramBuilder()
    most = np.maximum(layout.most_wh, witness_wh) / 1000
    charge = build.columns(np.zeros(slots), np.minimum(0.0, witness_wh) / 1000, most)
    bought = build.columns(
        at_spots(layout.series("import_price_per_kwh")), 0.0, _most(imports, seen - pv, load - pv)
    )
    sold = build.columns(
        -at_spots(layout.series("export_price_per_kwh")), 0.0, _most(exports, -seen, -load)
    )
    curtailed = build.columns(np.zeros(spots), 0.0, pv)
    sunny = build.columns(np.full(spots, -SUN_FIRST_PER_KWH), 0.0, sun)
    stored = build.columns(-worth, low, high)
    balance = build.rows(spots, pv - load, pv - load)
    for columns, sign in ((bought, -1.0), (sold, 1.0), (curtailed, 1.0)):
        build.entries(balance + spot, columns + spot, sign)
    build.entries(balance + place, charge + slot, 1.0)
    sun_row = build.rows(spots, -np.inf, 0.0)
    build.entries(sun_row + spot, sunny + spot, 1.0)
    build.entries(sun_row + place, charge + slot, -1.0)
    chain = build.rows(stays, start, start)
    build.entries(chain + stay, stored + stay, 1.0)
    build.entries(chain + follows, stored + follows - 1, -1.0)
    build.entries(chain + layout.stay, charge + slot, -layout.cars("charge_efficiency")[layout.car])
    result = solve_lp(build.build())
    # Reality is a solution and every column is bounded: only a defect of the solvers ends here.
    assert result.solved, f"baseline program ended {result.status}"
    return result.x[:slots] * 1000


def _most(*kwh: Floats) -> Floats:
    return np.maximum(0.0, np.maximum.reduce(kwh))


def _stored_bounds(layout: _Layout, witness_wh: Floats) -> tuple[Floats, Floats]:
    """Returns bounds in kWh on what is stored at the end of each stay.

    A car keeps its minimum through its next trip and never passes its maximum, save where the
    witness did, or where it began above it.
    """
    seen_wh, idle_wh = layout.stored_wh(witness_wh), layout.stored_wh(np.zeros(len(layout.car)))
    low_wh = np.minimum(layout.cars("min_soc_wh")[layout.stay_car] + layout.take_wh, seen_wh)
    low_wh[layout.last_stay] = -np.inf
    most_wh = layout.cars("max_soc_wh")[layout.stay_car]
    return low_wh / 1000, np.maximum.reduce([most_wh, seen_wh, idle_wh]) / 1000


def _figures(layout: _Layout, charged_wh: Floats) -> Figures:
    record = layout.record
    cars_w = layout.at_sites_w(charged_wh)
    cars_on_w = layout.at_sites_w(np.maximum(0.0, charged_wh))
    pv_w, load_w = layout.series("pv_power_w"), layout.series("load_power_w")
    with_cost, used_w = _least_cost(layout, load_w + cars_w)
    without_cost, _ = _least_cost(layout, load_w)
    sun_w = np.maximum(0.0, pv_w - load_w)
    import_w = np.maximum(0.0, load_w + cars_w - used_w)
    stored_wh = layout.stored_wh(charged_wh)
    spent_wh = float(layout.cars("soc_start_wh").sum() - stored_wh[layout.last_stay].sum())
    short = stored_wh - layout.take_wh < -MISSED_BY_WH
    short[layout.last_stay] = False
    co2_g = sum(
        float(np.dot(import_w[number], site.co2_g_per_kwh)) * layout.hours / 1000
        for number, site in enumerate(record.sites)
        if site.co2_g_per_kwh is not None
    )
    return Figures(
        pv_to_cars_utilisation=_share(np.minimum(cars_on_w, sun_w), sun_w),
        pv_utilisation=_share(np.clip(load_w + cars_on_w, 0.0, used_w), pv_w),
        energy_cost=with_cost - without_cost + record.soc_value_per_kwh * spent_wh / 1000,
        co2_g=co2_g,
        peak_import_w=float(import_w.max(initial=0.0)),
        energy_to_cars_wh=float(np.maximum(0.0, charged_wh).sum()),
        bookings_missed=int(short.sum()),
        charging_w={
            site.id: tuple(row) for site, row in zip(record.sites, cars_w.tolist(), strict=True)
        },
    )


def _least_cost(layout: _Layout, demand_w: Floats) -> tuple[float, Floats]:
    """Returns the cost of a demand with PV curtailed at best, and the PV used.

    The cost of a step bends at most where demand is just covered, so that the best is to use all
    PV that the export limit lets out, just what is demanded, or as little as import allows.
    """
    pv_w = layout.series("pv_power_w")
    import_limit_w = layout.series("import_limit_w")
    export_limit_w = layout.series("export_limit_w")
    low_w = np.clip(demand_w - import_limit_w, 0.0, pv_w)
    high_w = np.clip(demand_w + export_limit_w, low_w, pv_w)
    choices_w = np.stack([high_w, np.clip(demand_w, low_w, high_w), low_w])
    net_kwh = (demand_w - choices_w) * layout.hours / 1000
    costs = np.maximum(0.0, net_kwh) * layout.series("import_price_per_kwh")
    costs -= np.maximum(0.0, -net_kwh) * layout.series("export_price_per_kwh")
    best = np.argmin(costs, axis=0)[None]
    cost = float(np.take_along_axis(costs, best, axis=0).sum())
    return cost, np.take_along_axis(choices_w, best, axis=0)[0]


def _share(part: Floats, whole: Floats) -> float | None:
    total = float(whole.sum())
    return float(part.sum()) / total if total > 0 else None
