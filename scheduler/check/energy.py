"""The referee on energy: where and how hard cars charge, and what that leaves in their batteries.

Judged here: charging (within a stay on the same EVSE, power limits, the least power of the first
steps, unavailable windows), the state of charge, the taper, and the energy at each departure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scheduler.check.findings import TOLERANCE_W, TOLERANCE_WH, Findings, Series, off
from scheduler.check.phases import phases_used
from scheduler.check.places import Itinerary, Names, Ride
from scheduler.plan import Charging, Plan, Stay
from scheduler.problem import Evse, Problem, Vehicle

FIRST_STEPS: Final = 4
"""In these a car charges with at least the EVSE's least power, or not at all."""


@dataclass(frozen=True, slots=True)
class Powers:
    """Power by car and by EVSE: for each step its sum and the sum of its positive parts."""

    of_vehicle: dict[str, Series]
    of_evse: dict[str, Series]
    charged_at: dict[str, Series]
    """By site: the sum of positive powers."""
    entries: tuple[Charging, ...]
    """What they are made of."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What the cars do, all told."""

    itineraries: Mapping[str, Itinerary]
    powers: Powers
    soc_wh: Mapping[str, Series]
    """By car: its state at each step's start and at the end; while it is away, what it returns
    with."""


def judge_energy(
    problem: Problem,
    plan: Plan,
    names: Names,
    itineraries: Mapping[str, Itinerary],
    findings: Findings,
) -> Motion:
    """Judges charging and states of charge; returns what the cars do."""
    powers = _judge_charging(problem, plan, names, itineraries, findings)
    soc_wh = {
        name: _follow(problem, itinerary, powers.of_vehicle.get(name), findings)
        for name, itinerary in itineraries.items()
    }
    return Motion(itineraries, powers, soc_wh)


def _judge_charging(
    problem: Problem,
    plan: Plan,
    names: Names,
    itineraries: Mapping[str, Itinerary],
    findings: Findings,
) -> Powers:
    """Judges every charging entry; returns the powers of those that make sense by themselves."""
    stays: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for itinerary in itineraries.values():
        for stay in itinerary.stays:
            if stay.evse is not None:
                stays[stay.vehicle, stay.evse].append(stay)
    sound: list[Charging] = []
    bounds: dict[tuple[str, str], _Bounds] = {}
    spans: dict[str, list[Charging]] = defaultdict(list)
    for entry in plan.charging:
        vehicle, known = names.vehicles.get(entry.vehicle), names.evses.get(entry.evse)
        if vehicle is None:
            findings.add("unknown-vehicle", entry.vehicle, "charges, but is not in the problem")
        elif known is None:
            detail = f"charges on {entry.evse!r}"
            findings.add("unknown-evse", entry.vehicle, detail, entry.from_step)
        elif _makes_sense(problem, entry, findings):
            _judge_place(entry, stays[entry.vehicle, entry.evse], findings)
            pair = entry.vehicle, entry.evse
            if pair not in bounds:
                bounds[pair] = _bounds(vehicle, known[1])
            _judge_power(entry, bounds[pair], vehicle, known[1], findings)
            sound.append(entry)
            spans[entry.vehicle].append(entry)
    for name, entries in spans.items():
        _judge_overlap(name, entries, findings)
    return _add_up(problem, names, sound)


def _add_up(problem: Problem, names: Names, entries: list[Charging]) -> Powers:
    """Sums the entries by car, by EVSE and, of positive powers, by site."""
    lengths = np.array([entry.to_step - entry.from_step for entry in entries], dtype=np.int64)
    starts = np.array([entry.from_step for entry in entries], dtype=np.int64)
    power_w = np.repeat(np.array([entry.power_w for entry in entries], dtype=np.float64), lengths)
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    step = np.arange(len(power_w)) - first + np.repeat(starts, lengths)

    def by(keys: list[str], values: Series) -> dict[str, Series]:
        rows = {key: row for row, key in enumerate(dict.fromkeys(keys))}
        row = np.repeat(np.array([rows[key] for key in keys], dtype=np.int64), lengths)
        sums = np.bincount(
            row * problem.steps + step, values, minlength=len(rows) * problem.steps
        ).reshape(len(rows), problem.steps)
        return {key: sums[row] for key, row in rows.items()}

    return Powers(
        of_vehicle=by([entry.vehicle for entry in entries], power_w),
        of_evse=by([entry.evse for entry in entries], power_w),
        charged_at=by(
            [names.evses[entry.evse][0].id for entry in entries], np.maximum(power_w, 0.0)
        ),
        entries=tuple(entries),
    )


def _makes_sense(problem: Problem, entry: Charging, findings: Findings) -> bool:
    if not 0 <= entry.from_step < entry.to_step <= problem.steps:
        detail = f"[{entry.from_step}, {entry.to_step}) is no stretch of the horizon"
        findings.add("charging-span", entry.vehicle, detail, entry.from_step)
        return False
    if not math.isfinite(entry.power_w):
        findings.add("charging-power", entry.vehicle, f"{entry.power_w} W", entry.from_step)
        return False
    return True


def _judge_place(entry: Charging, stays: list[Stay], findings: Findings) -> None:
    for stay in stays:
        if stay.from_step <= entry.from_step and entry.to_step <= stay.to_step:
            return
    detail = f"no stay on {entry.evse!r} holds [{entry.from_step}, {entry.to_step})"
    findings.add("charging-stay", entry.vehicle, detail, entry.from_step)


class _Bounds(NamedTuple):
    """Between what a car may charge and give back at an EVSE."""

    most_w: float
    give_w: float
    least_w: float


def _bounds(vehicle: Vehicle, evse: Evse) -> _Bounds:
    of_car_w = vehicle.max_ac_power_w if evse.current_type == "AC" else vehicle.max_dc_power_w
    used = phases_used(vehicle, evse)
    share = len(used) / len(evse.phases) if used else 1.0
    can_give = evse.bidirectional and vehicle.max_discharge_w > 0
    return _Bounds(
        most_w=min(evse.max_power_w * share, of_car_w),
        give_w=min(evse.max_power_w * share, vehicle.max_discharge_w) if can_give else 0.0,
        least_w=evse.min_power_w * share,
    )


def _judge_power(
    entry: Charging, bounds: _Bounds, vehicle: Vehicle, evse: Evse, findings: Findings
) -> None:
    power_w, step = entry.power_w, entry.from_step
    most_w, give_w, least_w = bounds
    if power_w > most_w + TOLERANCE_W:
        detail = f"{power_w:.6g} W on {evse.id!r} is above {most_w:.6g} W"
        findings.add("charging-power", vehicle.id, detail, step)
    if power_w < -give_w - TOLERANCE_W:
        detail = f"{power_w:.6g} W on {evse.id!r} is below {-give_w:.6g} W"
        findings.add("discharging-power", vehicle.id, detail, step)
    if step < FIRST_STEPS and TOLERANCE_W < power_w < least_w - TOLERANCE_W:
        detail = f"{power_w:.6g} W on {evse.id!r} is below its least, {least_w:.6g} W"
        findings.add("charging-minimum", vehicle.id, detail, step)
    if vehicle.overrides:
        _judge_overrides(entry, vehicle, findings)
    if evse.unavailable and abs(power_w) > TOLERANCE_W:
        for start, end in evse.unavailable:
            if start < entry.to_step and step < end:
                detail = f"{power_w:.6g} W while unavailable in [{start}, {end})"
                findings.add("charging-unavailable", evse.id, detail, max(start, step))


def _judge_overrides(entry: Charging, vehicle: Vehicle, findings: Findings) -> None:
    """Judges `hold` and `at_most`; what `charge_now` could have had more is not judged."""
    for override in vehicle.overrides:
        start, end = override.from_step, override.to_step
        if entry.to_step <= start or end <= entry.from_step:
            continue
        step, said = max(start, entry.from_step), f"{entry.power_w:.6g} W in [{start}, {end})"
        if override.kind == "hold" and abs(entry.power_w) > TOLERANCE_W:
            findings.add("override-hold", vehicle.id, f"{said}, where it is held", step)
        bound_w = override.power_w
        if bound_w is not None and entry.power_w > bound_w + TOLERANCE_W:
            detail = f"{said}, where it is to have {bound_w:.6g} W at most"
            findings.add("override-at-most", vehicle.id, detail, step)


def _judge_overlap(vehicle: str, entries: list[Charging], findings: Findings) -> None:
    entries.sort(key=lambda entry: entry.from_step)
    until = 0
    for entry in entries:
        if entry.from_step < until:
            findings.add("charging-overlap", vehicle, "charges twice at once", entry.from_step)
        until = max(until, entry.to_step)


def _follow(
    problem: Problem, itinerary: Itinerary, power_w: Series | None, findings: Findings
) -> Series:
    """Follows one car from stay to stay."""
    vehicle = itinerary.vehicle
    efficiency = vehicle.charge_efficiency
    gains_wh: Series | None = None
    if power_w is not None:
        gains_wh = problem.hours * np.where(power_w > 0, power_w * efficiency, power_w / efficiency)
    soc_wh: Series = np.full(problem.steps + 1, vehicle.soc_wh)
    now_wh = vehicle.soc_wh
    floor = Envelope(vehicle.min_soc_wh, vehicle.max_soc_wh, now_wh)
    for index, parking in enumerate(itinerary.parkings):
        if gains_wh is not None and parking.from_step < parking.to_step:
            path_wh = now_wh + np.cumsum(gains_wh[parking.from_step : parking.to_step])
            floor.judge(vehicle.id, path_wh, parking.from_step, findings)
            if power_w is not None and vehicle.taper:
                _judge_taper(vehicle, power_w, path_wh, parking.from_step, findings)
            soc_wh[parking.from_step + 1 : parking.to_step + 1] = path_wh
            now_wh = float(path_wh[-1])
        if index < len(itinerary.rides):
            ride = itinerary.rides[index]
            _judge_departure(vehicle, ride, now_wh, findings)
            now_wh -= ride.booking.distance_km * vehicle.consumption_wh_per_km
            floor.drive(now_wh)
        soc_wh[min(parking.to_step, problem.steps) + 1 :] = now_wh
    return soc_wh


def _judge_taper(
    vehicle: Vehicle, power_w: Series, path_wh: Series, from_step: int, findings: Findings
) -> None:
    """Judges the power of each step by what the battery takes at the step's end."""
    drawn_w = power_w[from_step : from_step + len(path_wh)]
    points = np.array(vehicle.taper)
    most_w = np.interp(path_wh - TOLERANCE_WH, points[:, 0], points[:, 1])
    wrong = (drawn_w > 0) & ~(drawn_w <= most_w + TOLERANCE_W)
    if wrong.any():
        at = int(wrong.argmax())
        detail = (
            f"{drawn_w[at]:.6g} W to {path_wh[at]:.6g} Wh, where the battery takes"
            f" {most_w[at]:.6g} W"
        )
        findings.add("charging-taper", vehicle.id, detail, from_step + at)


def _judge_departure(vehicle: Vehicle, ride: Ride, soc_wh: float, findings: Findings) -> None:
    booking, said_wh = ride.booking, ride.assignment.soc_at_start_wh
    if off(said_wh, soc_wh, TOLERANCE_WH):
        detail = f"{vehicle.id!r} departs with {soc_wh:.6g} Wh, not {said_wh:.6g} Wh"
        findings.add("departure-soc", booking.id, detail, booking.start_step)
    km = booking.distance_km + booking.reserve_km
    left_wh = soc_wh - km * vehicle.consumption_wh_per_km
    if not left_wh >= vehicle.min_soc_wh - TOLERANCE_WH:
        detail = (
            f"{vehicle.id!r} would be left with {left_wh:.6g} Wh, below {vehicle.min_soc_wh:.6g} Wh"
        )
        findings.add("departure-energy", booking.id, detail, booking.start_step)


class Envelope:
    """The bounds of a state of charge as it moves.

    What starts below its least may only gain, what starts above its most may only lose: so the
    lower bound is the least, or the highest state so far where that is lower; the upper bound
    likewise.
    """

    def __init__(self, least_wh: float, most_wh: float, soc_wh: float) -> None:
        self._least_wh = least_wh
        self._most_wh = most_wh
        self._low_wh = min(least_wh, soc_wh)
        self._high_wh = max(most_wh, soc_wh)

    def judge(self, subject: str, path_wh: Series, from_step: int, findings: Findings) -> None:
        """Judges the states at the end of each step from `from_step` on."""
        if path_wh.min() >= self._least_wh and path_wh.max() <= self._most_wh:
            self._low_wh, self._high_wh = self._least_wh, self._most_wh
            return
        highest = np.maximum.accumulate(np.maximum(path_wh, self._low_wh))
        lowest = np.minimum.accumulate(np.minimum(path_wh, self._high_wh))
        low_wh = np.minimum(self._least_wh, np.concatenate(([self._low_wh], highest[:-1])))
        high_wh = np.maximum(self._most_wh, np.concatenate(([self._high_wh], lowest[:-1])))
        for rule, wrong, bounds in (
            ("soc-minimum", ~(path_wh >= low_wh - TOLERANCE_WH), low_wh),
            ("soc-maximum", ~(path_wh <= high_wh + TOLERANCE_WH), high_wh),
        ):
            if wrong.any():
                at = int(wrong.argmax())
                detail = f"{path_wh[at]:.6g} Wh at the end of the step, bound {bounds[at]:.6g} Wh"
                findings.add(rule, subject, detail, from_step + at)
        self._low_wh = float(min(self._least_wh, highest[-1]))
        self._high_wh = float(max(self._most_wh, lowest[-1]))

    def drive(self, soc_wh: float) -> None:
        """Notes that a trip left `soc_wh`, itself judged at the departure."""
        if not soc_wh >= self._low_wh - TOLERANCE_WH:
            self._low_wh = min(self._least_wh, soc_wh)
        self._high_wh = max(self._most_wh, min(self._high_wh, soc_wh))
