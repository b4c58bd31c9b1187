"""EV2Gym's environment at a step as a planning problem, and powers as its actions.

What is asked is what its own controllers read: who is plugged in until when with what battery, the
day-ahead prices, this step's load and sun of the transformer, its forecasts of later ones, and
announced cuts of its limit. Who has yet to come is known from other days only
(`ev2gym_strangers`). Its prices and its transformer count energy at the battery, so losses
bound the power and cost nothing.

Its forecasts are 30 % of the load and 20 % of the sun that come (`forecast_mean`); they are scaled
by what they have been worth so far, and later steps are taken for worse by as much as they have
been off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judges.ev2gym_strangers import Stranger, Strangers
from benchmarks.judges.standing import Moment, Standing
from scheduler.problem import Circuit, Evse

Floats = NDArray[np.float64]

READY_STEPS = 1
"""How long before it leaves a car should have what it wants: the building may need the last step.
What lacks then is still charged."""

_ROUNDED_UP_WH = 4.0
"""A battery's energy is rounded up to 10 Wh after each step: so much may lack to be full, and as
much again be lost to the rounding of actions."""
_MARGIN_W = 20.0
"""Of the transformer, for the rounding of actions; 0.1 W too much is an overload already."""
_GIVEN_MARGIN_W = 500.0
"""Of the limit on what is given back: cars that were to draw it draw a little less than planned."""
_LEVEL_STEPS = 16
"""How far back forecasts are held against what came."""
_SMOOTH_STEPS = 9
_CAUTION = 2.0
"""How many times forecasts' mean error is kept free: what a car gives is sure, what it means to
take back is not."""


class Forecasts:
    """Load and sun of one transformer, corrected by how they turned out."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._seen: dict[str, list[tuple[float, float]]] = {"load": [], "sun": []}

    def net_kw(self, transformer: Any, step: int, steps: int) -> Floats:
        """Returns load less sun: as measured for this step, with caution for later ones."""
        load, sun = transformer.get_load_pv_forecast(step=step, horizon=steps)
        load_kw, load_off_kw = self._corrected("load", load)
        sun_kw, sun_off_kw = self._corrected("sun", sun)
        net_kw = load_kw + sun_kw
        net_kw[1:] += _CAUTION * math.hypot(load_off_kw, sun_off_kw)
        return net_kw

    def _corrected(self, kind: str, series: Any) -> tuple[Floats, float]:
        """Returns a series, and how far forecasts of a step have been off of late."""
        values = np.array(series, dtype=np.float64)
        if len(values) > 1:
            values[1:] = _smooth(values[1:])
        if kind in self._told:
            self._seen[kind].append((self._told[kind], float(values[0])))
        self._told[kind] = float(values[1]) if len(values) > 1 else 0.0
        told, came = np.array(self._seen[kind][-_LEVEL_STEPS:]).reshape(-1, 2).T
        level = came.sum() / told.sum() if abs(told.sum()) > 1e-6 else 1.0
        values[1:] *= level
        off_kw = np.sqrt(np.mean((came - level * told) ** 2)) if len(told) else 0.0
        return values, float(off_kw)


def _smooth(values: Floats) -> Floats:
    """Returns means over two hours: each step's forecast has an error of its own."""
    window = np.ones(min(_SMOOTH_STEPS, len(values)))
    return np.convolve(values, window, "same") / np.convolve(np.ones_like(values), window, "same")


def moment_of(
    env: Any,
    forecasts: Mapping[int, Forecasts],
    wanted: Mapping[str, float],
    strangers: Strangers | None = None,
) -> Moment:
    """Returns what a planner may know; `wanted` (Wh, by car) replaces what drivers want.

    Cars to come count where `strangers` are given.
    """
    cars = tuple(
        standing(ev, name, env, charger, wanted)
        for charger in env.charging_stations
        for name, ev in _plugged(charger)
    )
    to_come = expected(env, strangers) if strangers is not None and cars else []
    known = (*cars, *to_come)
    left = env.simulation_length - env.current_step
    steps = min(max((car.leaves_step + 1 for car in known), default=2), left)
    now = slice(env.current_step, env.current_step + steps)
    return Moment(
        start=env.sim_date.replace(tzinfo=UTC),
        step_minutes=env.timescale,
        evses=(
            *(evse_of(charger, port) for charger, port in ports(env)),
            *(_evse_to_come(env, car) for car in to_come),
        ),
        circuits=tuple(
            circuit
            for transformer in env.transformers
            for circuit in circuits(transformer, forecasts[transformer.id], env.current_step, steps)
        ),
        cars=known,
        buy_per_kwh=tuple((-env.charge_prices[0, now]).tolist()),
        sell_per_kwh=tuple(env.discharge_prices[0, now].tolist()),
    )


def expected(env: Any, strangers: Strangers) -> list[Standing]:
    """Returns cars that have yet to come to one transformer's chargers, a few together."""
    places = ports(env)
    leave = [
        ev.time_of_departure for charger in env.charging_stations for _, ev in _plugged(charger)
    ]
    return strangers.expected(env.current_step, len(places) - len(leave), leave)


def _evse_to_come(env: Any, car: Standing) -> Evse:
    return Evse(
        id=car.evse,
        circuit=f"drawn {env.transformers[0].id}",
        max_power_w=car.max_power_w,
        min_power_w=0.0,
        current_type="AC",
    )


def strangers_of(days: Sequence[Any]) -> Strangers:
    """Returns what is learnt from whole days."""
    return Strangers(
        [[_stranger(ev, day) for ev in day.EVs_profiles] for day in days],
        days[0].simulation_length,
        len(ports(days[0])),
    )


def _stranger(ev: Any, day: Any) -> Stranger:
    charger = day.charging_stations[ev.location]
    return Stranger(
        arrives_step=int(ev.time_of_arrival),
        leaves_step=int(ev.time_of_departure),
        needs_wh=1000 * float(ev.desired_capacity - ev.battery_capacity_at_arrival),
        max_power_w=max(_charging_w(ev, charger, a) for a in _levels(charger.max_charge_current)),
    )


def ports(env: Any) -> list[tuple[Any, int]]:
    """Returns chargers with the numbers of their ports, in the order of actions."""
    return [(each, port) for each in env.charging_stations for port in range(each.n_ports)]


def evse_name(charger: Any, port: int) -> str:
    return f"{charger.id}/{port}"


def _plugged(charger: Any) -> list[tuple[str, Any]]:
    return [
        (evse_name(charger, port), ev)
        for port, ev in enumerate(charger.evs_connected)
        if ev is not None
    ]


def evse_of(charger: Any, port: int) -> Evse:
    """Returns a port of a charger, behind the transformer's limit on what is drawn."""
    return Evse(
        id=evse_name(charger, port),
        circuit=f"drawn {charger.connected_transformer}",
        max_power_w=1000 * charger.get_max_power(),
        min_power_w=0.0,
        current_type="AC",
        bidirectional=charger.max_discharge_current < 0,
    )


def circuits(transformer: Any, forecasts: Forecasts, step: int, steps: int) -> list[Circuit]:
    """Returns a transformer as two circuits: cuts bind what is drawn, not what is given back."""
    net_w = 1000 * forecasts.net_kw(transformer, step, steps)
    most_w = 1000 * np.array(transformer.get_power_limits(step=step, horizon=steps))
    limit_w = float(most_w.max())
    cut_w = limit_w - most_w
    drawn, whole = f"drawn {transformer.id}", f"transformer {transformer.id}"
    # A load of half the margin moves both ends of the outer one: what is drawn the inner one binds.
    half_w = min(_GIVEN_MARGIN_W, limit_w) / 2
    return [
        Circuit(whole, None, limit_w - half_w, load_w=(tuple((-cut_w - half_w).tolist()),)),
        Circuit(
            drawn,
            whole,
            max(limit_w - _MARGIN_W, 0.0),
            load_w=(tuple((net_w + cut_w).tolist()),),
        ),
    ]


def car_name(ev: Any) -> str:
    """Returns a name that no other car of a day has: one arrives at a port at a time."""
    return f"{ev.location}/{ev.id}@{ev.time_of_arrival}"


def standing(ev: Any, evse: str, env: Any, charger: Any, wanted: Mapping[str, float]) -> Standing:
    """Returns a plugged-in car, with its two-stage battery as a taper."""
    hours = env.timescale / 60
    capacity_wh = 1000 * float(ev.battery_capacity)
    levels = _levels(charger.max_charge_current)
    most_w = max(_charging_w(ev, charger, amps) for amps in levels)
    least_share = min(_efficiency(ev.charge_efficiency, amps) for amps in levels)
    back = _levels(abs(charger.max_discharge_current))
    name = car_name(ev)
    return Standing(
        id=name,
        evse=evse,
        # It could still charge in the step in which it departs.
        leaves_step=max(int(ev.time_of_departure) + 1 - env.current_step - READY_STEPS, 1),
        soc_wh=1000 * float(ev.current_capacity),
        wanted_wh=wanted.get(name, 1000 * float(ev.desired_capacity)) - _ROUNDED_UP_WH,
        capacity_wh=capacity_wh,
        max_power_w=most_w,
        least_wh=1000 * float(ev.min_battery_capacity),
        max_discharge_w=max((_giving_w(ev, charger, amps) for amps in back), default=0.0),
        taper=taper(
            capacity_wh,
            most_w,
            hours,
            # Near full it charges with little current, which costs it more.
            closes=closing(ev, 1000 * least_share * ev.max_ac_charge_power * hours),
        ),
    )


def closing(ev: Any, step_wh: float) -> float:
    """Returns what share of what lacks to full a step closes in the battery's second stage.

    `step_wh` is what a step brings in the first.
    """
    if ev.transition_soc >= 1:
        return 1.0
    stages = 1000 * ev.battery_capacity * (1 - ev.transition_soc)
    return -math.expm1(-ev.transition_soc_multiplier * step_wh / stages)


def taper(
    capacity_wh: float, most_w: float, hours: float, *, closes: float
) -> tuple[tuple[float, float], ...]:
    """Returns a second stage in which each step closes a share of what lacks to full."""
    if closes >= 1:
        return ()
    # The share counts from a step's beginning, a taper from its end.
    lacking_wh = most_w * hours * (1 - closes) / closes
    knee_wh = capacity_wh - lacking_wh
    if knee_wh <= 0:
        return ((0.0, most_w * capacity_wh / lacking_wh), (capacity_wh, 0.0))
    return ((0.0, most_w), (knee_wh, most_w), (capacity_wh, 0.0))


def _levels(amps: float) -> range:
    """Returns the whole amperes up to a current: efficiency is told for each."""
    return range(1, math.floor(amps) + 1)


def _kw_per_a(ev: Any, charger: Any) -> float:
    return charger.voltage * math.sqrt(min(charger.phases, ev.ev_phases)) / 1000


def _efficiency(told: Any, amps: float) -> float:
    """Returns what part of a current reaches the battery, or comes from it."""
    if isinstance(told, dict):
        return told.get(round(amps), 1) / 100
    return float(told)


def _charging_w(ev: Any, charger: Any, amps: float) -> float:
    kw = min(amps * _kw_per_a(ev, charger), ev.max_ac_charge_power)
    return 1000 * kw * _efficiency(ev.charge_efficiency, amps)


def _giving_w(ev: Any, charger: Any, amps: float) -> float:
    kw = min(amps * _kw_per_a(ev, charger), abs(ev.max_discharge_power))
    return 1000 * kw * _efficiency(ev.discharge_efficiency, amps)


def actions(env: Any, powers_w: Mapping[str, float]) -> Floats:
    """Returns an action for each port: a share of its current that brings no more than planned.

    Others may count on what a car should give: what it gives less, they are to draw less.
    """
    places = [(charger, charger.evs_connected[port]) for charger, port in ports(env)]
    planned_w = [0.0 if ev is None else powers_w.get(car_name(ev), 0.0) for _, ev in places]
    found, lacking_w = np.zeros(len(places)), 0.0
    for number in sorted(range(len(places)), key=planned_w.__getitem__):
        (charger, ev), power_w = places[number], planned_w[number]
        if power_w < 0:
            found[number], gives_w = _action(ev, charger, power_w)
            lacking_w += -power_w - gives_w
        elif power_w > 0:
            less_w = min(lacking_w, power_w)
            lacking_w -= less_w
            found[number], _ = _action(ev, charger, power_w - less_w)
    return found


def _action(ev: Any, charger: Any, power_w: float) -> tuple[float, float]:
    """Returns the action nearest to a power, and what it brings or gives."""
    charging = power_w > 0
    most_a = charger.max_charge_current if charging else abs(charger.max_discharge_current)
    told = ev.charge_efficiency if charging else ev.discharge_efficiency
    brings = _charging_w if charging else _giving_w
    best_w, best_a = 0.0, 0.0
    for level in (0, *_levels(most_a)):
        # Within half an ampere of a level the efficiency is the same.
        per_a = 1000 * _kw_per_a(ev, charger) * _efficiency(told, level)
        amps = min(abs(power_w) / per_a, level + 0.499, most_a)
        brings_w = brings(ev, charger, amps)
        if round(amps) == level and best_w < brings_w <= abs(power_w) + 1e-6:
            best_w, best_a = brings_w, amps
    share = math.floor(1e5 * best_a / most_a) / 1e5 if most_a else 0.0
    return math.copysign(share, power_w), best_w
