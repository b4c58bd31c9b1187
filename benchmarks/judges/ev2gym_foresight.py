"""What drivers of an EV2Gym day could have at best while the transformer's limit is kept.

One plan that knows every car, load and cut of the day, for as much energy as can be: not a bound on
the satisfaction itself, which counts each charger alike, but no plan brings the cars more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

import numpy as np

from benchmarks.judges.ev2gym_world import READY_STEPS, car_name, evse_of, standing
from benchmarks.judges.standing import Moment, problem_of
from scheduler.problem import Circuit
from scheduler.rolling import OFFLINE, make_plan


def satisfaction(env: Any) -> float:
    """Returns the mean over chargers of energy at departure over energy wanted."""
    held_wh = most_held_wh(env)
    scores: dict[int, list[float]] = {}
    for ev in env.EVs_profiles:
        # Batteries are rounded up to 10 Wh.
        score = (held_wh[car_name(ev)] + 10.0) / (1000 * ev.desired_capacity)
        scores.setdefault(ev.location, []).append(min(score, 1.0))
    return float(np.mean([np.mean(each) for each in scores.values()]))


def most_held_wh(env: Any) -> Mapping[str, float]:
    """Returns what each car of a day that has not begun leaves with."""
    steps, hours = env.simulation_length, env.timescale / 60
    cars = []
    evses = []
    for ev in env.EVs_profiles:
        charger, name = env.charging_stations[ev.location], car_name(ev)
        car = standing(ev, name, env, charger, {})
        leaves = car.leaves_step + READY_STEPS
        away = ((0, ev.time_of_arrival), (leaves, steps))
        windows = tuple(window for window in away if window[0] < window[1])
        cars.append(replace(car, evse=name, leaves_step=steps))
        evses.append(replace(evse_of(charger, 0), id=name, unavailable=windows))
    problem = problem_of(
        Moment(
            start=env.sim_date.replace(tzinfo=UTC),
            step_minutes=env.timescale,
            evses=tuple(evses),
            circuits=tuple(each for tr in env.transformers for each in _circuits(tr)),
            cars=tuple(cars),
            buy_per_kwh=tuple((-env.charge_prices[0]).tolist()),
            sell_per_kwh=tuple(env.discharge_prices[0].tolist()),
        )
    )
    options = replace(OFFLINE, prove=False)
    plan = make_plan(problem, options=options, monotonic=time.monotonic)
    held_wh = {car.id: car.soc_wh for car in cars}
    for each in plan.charging:
        held_wh[each.vehicle] += each.power_w * (each.to_step - each.from_step) * hours
    return held_wh


def _circuits(transformer: Any) -> tuple[Circuit, Circuit]:
    net_w = 1000 * (transformer.inflexible_load + transformer.solar_power)
    cut_w = 1000 * (transformer.max_power.max() - transformer.max_power)
    limit_w = 1000 * float(transformer.max_power.max())
    whole, drawn = f"transformer {transformer.id}", f"drawn {transformer.id}"
    return (
        Circuit(whole, None, limit_w, load_w=(tuple((-cut_w).tolist()),)),
        Circuit(drawn, whole, limit_w, load_w=(tuple((net_w + cut_w).tolist()),)),
    )
