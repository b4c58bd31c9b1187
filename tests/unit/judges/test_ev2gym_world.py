"""EV2Gym's world as planning problems, in a plain one that needs no package."""

from __future__ import annotations

import math
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.judges.ev2gym import ours
from benchmarks.judges.ev2gym_foresight import satisfaction
from benchmarks.judges.ev2gym_strangers import Stranger, Strangers
from benchmarks.judges.ev2gym_world import (
    Forecasts,
    actions,
    car_name,
    circuits,
    closing,
    moment_of,
    taper,
)
from benchmarks.judges.standing import Rolling, problem_of
from scheduler.problem import check_problem

STEPS = 24
EFFICIENCY = {amps: 90.0 if amps > 8 else 80.0 for amps in range(101)}
"""In percent, by whole amperes."""


class Car:
    """A car as EV2Gym has it: 11 kW, a battery in two stages, energy rounded up to 10 Wh."""

    def __init__(self, port: int, holds_kwh: float, leaves: int, arrives: int = 0) -> None:
        self.location, self.id = port, 0
        self.time_of_arrival, self.time_of_departure = arrives, leaves
        self.current_capacity, self.desired_capacity, self.battery_capacity = holds_kwh, 50.0, 50.0
        self.min_battery_capacity = 5.0
        self.max_ac_charge_power, self.max_discharge_power = 11.0, -11.0
        self.charge_efficiency = self.discharge_efficiency = EFFICIENCY
        self.transition_soc, self.transition_soc_multiplier, self.ev_phases = 0.8, 5, 3

    def takes_kwh(self, action: float) -> float:
        """Charges or gives back for a step; returns what the battery took."""
        amps = abs(action) * 32
        kw = min(amps * 400 * math.sqrt(3) / 1000, 11.0) * EFFICIENCY[round(amps)] / 100
        if action <= 0:
            taken = -min(kw / 4, self.current_capacity - self.min_battery_capacity)
        else:
            lacks = self.battery_capacity - self.current_capacity
            taken = min(kw / 4, lacks * closing(self, 11_000 * EFFICIENCY[round(amps)] / 400))
        self.current_capacity += taken
        if action:
            self.current_capacity = math.ceil(100 * self.current_capacity) / 100
        return taken


class Transformer:
    """40 kW, cut to 20 kW in four steps, with a building that its forecasts take for a third."""

    def __init__(self) -> None:
        self.id = 0
        self.inflexible_load = np.full(STEPS, 12.0)
        self.solar_power = np.full(STEPS, -3.0)
        self.max_power = np.full(STEPS, 40.0)
        self.max_power[8:12] = 20.0

    def get_load_pv_forecast(self, step: int, horizon: int) -> tuple[Any, Any]:
        load, sun = self.inflexible_load[step:][:horizon] / 3, self.solar_power[step:][:horizon] / 5
        load[0], sun[0] = self.inflexible_load[step], self.solar_power[step]
        return load, sun

    def get_power_limits(self, step: int, horizon: int) -> Any:
        return self.max_power[step:][:horizon]


def charger(number: int, car: Car | None) -> SimpleNamespace:
    return SimpleNamespace(
        id=number,
        n_ports=1,
        connected_transformer=0,
        evs_connected=[car],
        max_charge_current=32,
        max_discharge_current=-32,
        voltage=400,
        phases=3,
        get_max_power=lambda: 32 * 400 * math.sqrt(3) / 1000,
    )


def world(*cars: Car) -> Any:
    """A day of 6 hours whose energy is cheap in the middle and dear before."""
    prices = np.array([0.3] * 8 + [0.1] * 8 + [0.2] * 8)
    return SimpleNamespace(
        timescale=15,
        current_step=0,
        simulation_length=STEPS,
        sim_date=datetime(2024, 5, 2, 5),  # noqa: DTZ001 - as EV2Gym has it
        charge_prices=-prices[None, :],
        discharge_prices=prices[None, :],
        transformers=[Transformer()],
        charging_stations=[charger(number, car) for number, car in enumerate(cars)],
        EVs_profiles=list(cars),
    )


def test_a_day_fills_every_car_under_the_limit_and_pays_less_than_charging_at_once() -> None:
    cars = [Car(0, 20.0, leaves=22), Car(1, 35.0, leaves=21), Car(2, 30.0, leaves=18)]
    cars.append(Car(3, 40.0, leaves=10))
    env, rolling = world(*cars), Rolling()
    act, transformer = ours(env, rolling), env.transformers[0]
    paid, missing_kwh = 0.0, sum(50.0 - car.current_capacity for car in cars)
    for step in range(STEPS):
        env.current_step = step
        taken_kwh = 0.0
        for place, action in zip(env.charging_stations, act(env), strict=True):
            car = place.evs_connected[0]
            taken_kwh += 0.0 if car is None else car.takes_kwh(action)
            if car is not None and car.time_of_departure == step:
                place.evs_connected[0] = None
        paid -= env.charge_prices[0, step] * taken_kwh
        drawn_kw = 4 * taken_kwh + transformer.inflexible_load[step] + transformer.solar_power[step]
        assert -40.0 <= drawn_kw <= transformer.max_power[step]
    assert [car.current_capacity for car in cars] == [50.0] * 4
    # At once it costs 0.3, at best, knowing the building, 0.15 per kWh.
    assert paid < 0.22 * missing_kwh
    assert (set(rolling.levels), rolling.refused) == ({"solver"}, 0)


def test_a_problem_of_any_step_is_a_valid_one() -> None:
    env = world(Car(0, 20.0, leaves=22), Car(1, 35.0, leaves=2))
    env.current_step = 2
    moment = moment_of(env, {0: Forecasts()}, {})
    check_problem(problem_of(moment))
    assert [car.leaves_step for car in moment.cars] == [20, 1]
    assert len(moment.buy_per_kwh) == 21
    check_problem(problem_of(moment_of(world(), {0: Forecasts()}, {})))


def test_drivers_may_be_taken_to_want_something_else() -> None:
    car = Car(0, 20.0, leaves=22)
    moment = moment_of(world(car), {0: Forecasts()}, {car_name(car): 30_000.0})
    assert moment.cars[0].wanted_wh == pytest.approx(30_000.0, abs=10.0)


@pytest.mark.parametrize("power_w", [0.0, 40.0, 700.0, 4_700.0, 5_200.0, 9_900.0, -300.0, -9_900.0])
def test_actions_bring_what_was_planned_or_a_little_less(power_w: float) -> None:
    car = Car(0, 25.0, leaves=22)
    found = actions(world(car), {car_name(car): power_w})
    brought_w = 4_000 * car.takes_kwh(found[0])
    # Between 8 and 9 A the share that arrives jumps: nothing in between can be asked for.
    assert abs(power_w) * 0.9 - 1.0 <= abs(brought_w) <= abs(power_w)
    assert brought_w * power_w >= 0


def test_a_cut_of_the_limit_binds_what_is_drawn_only() -> None:
    whole, drawn = circuits(Transformer(), Forecasts(), 7, 6)
    assert drawn.limit_w == pytest.approx(40_000, abs=100)
    assert drawn.parent == whole.id
    # What is given back keeps 500 W away from the limit; what is drawn the inner one binds alone.
    given_w, drawn_w = (sign * whole.limit_w - whole.load_w[0][0] for sign in (-1, 1))
    assert (given_w, drawn_w) == pytest.approx((-39_500, 40_000))
    assert np.subtract(drawn.load_w, 12_000 - 3_000)[0, 0] == pytest.approx(0)
    rise_w = np.diff(drawn.load_w[0])
    assert rise_w[0] > 10_000
    # Cars on the inner one count in the outer, and so does its load.
    both_w = np.add(drawn.load_w[0], whole.load_w[0])
    assert both_w.max() < 12_000


def test_what_is_given_less_than_planned_is_drawn_less() -> None:
    gives, draws = Car(0, 40.0, leaves=22), Car(1, 20.0, leaves=22)
    # Between 8 and 9 A the share that the car gives jumps: 5.2 kW can't be had.
    planned_w = {car_name(gives): -5_200.0, car_name(draws): 9_000.0}
    found = actions(world(gives, draws), planned_w)
    gives_w, draws_w = (4_000 * car.takes_kwh(found[car.location]) for car in (gives, draws))
    assert gives_w > -5_000.0
    assert gives_w + draws_w <= -5_200.0 + 9_000.0


def test_who_may_yet_come_is_learnt_from_other_days() -> None:
    days = [[Stranger(9, 20, 12_000.0, 10_000.0)], [Stranger(10, 24, 20_000.0, 8_000.0)], []]
    strangers = Strangers(days, STEPS, chargers=2)
    (group,) = strangers.expected(0, 2, [])
    # In two of three days a car comes to one of two chargers, in the hour from step 8 on.
    assert (group.arrives_step, group.soc_wh) == (10, 0.0)
    assert group.leaves_step == 10 + 12
    assert group.wanted_wh == pytest.approx(16_000 * 2 / 3, rel=0.01)
    assert group.max_power_w == pytest.approx(9_000 * 2 / 3, rel=0.01)
    assert strangers.expected(11, 2, []) == []
    assert strangers.expected(0, 0, []) == []
    # A charger that is taken takes none until its car has left.
    (fewer,) = strangers.expected(0, 1, [22])
    assert fewer.wanted_wh == pytest.approx(group.wanted_wh / 2)
    (more,) = strangers.expected(0, 1, [5])
    assert more.wanted_wh == pytest.approx(group.wanted_wh)


def test_a_car_gives_nothing_that_later_ones_leave_no_room_to_take_back() -> None:
    car = Car(0, 40.0, leaves=22)
    env = world(car)
    env.charging_stations.append(charger(1, None))
    env.transformers[0].max_power[:] = 19.0
    # All room from the cheap hours on goes to somebody who comes on every day.
    strangers = Strangers([[Stranger(8, 23, 60_000.0, 16_000.0)]] * 3, STEPS, chargers=1)
    gains_kwh: list[float] = []
    for known in (None, strangers):
        moment = moment_of(env, {0: Forecasts()}, {}, known)
        check_problem(problem_of(moment))
        powers_w = Rolling().powers_w(moment, 8)
        gains_kwh.append(sum(each.get(car_name(car), 0.0) for each in powers_w) / 4_000)
    assert gains_kwh[0] < -5
    assert gains_kwh[1] > 0


def test_forecasts_are_held_against_what_came() -> None:
    forecasts, transformer = Forecasts(), Transformer()
    assert forecasts.net_kw(transformer, 0, 6)[1] == pytest.approx(12 / 3 - 3 / 5)
    later = [forecasts.net_kw(transformer, step, 6) for step in range(1, 8)]
    assert later[-1] == pytest.approx([9.0] * 6)


def test_forecasts_that_are_off_are_taken_for_worse() -> None:
    forecasts, transformer = Forecasts(), Transformer()
    transformer.inflexible_load[::2] = 24.0
    later = [forecasts.net_kw(transformer, step, 6) for step in range(8)]
    assert (later[-1][1:] > 18.0).all()


def test_a_taper_closes_a_share_of_what_lacks_in_each_step() -> None:
    points = taper(50_000.0, 10_000.0, 0.25, closes=0.5)
    assert points == ((0.0, 10_000.0), (47_500.0, 10_000.0), (50_000.0, 0.0))
    assert taper(50_000.0, 10_000.0, 0.25, closes=1.0) == ()
    assert taper(1_000.0, 10_000.0, 0.25, closes=0.5)[-1] == (1_000.0, 0.0)


def test_foresight_says_whether_the_limit_leaves_enough() -> None:
    assert satisfaction(world(Car(0, 20.0, leaves=22), Car(1, 35.0, leaves=21))) == 1.0
    tight = world(Car(0, 20.0, leaves=7), Car(1, 20.0, leaves=7))
    tight.transformers[0].max_power[:] = 19.0
    # 10 kW for 2 hours, and 10 Wh that a battery is rounded up by.
    assert satisfaction(tight) == pytest.approx((40.0 + 20.0 + 0.02) / 100, abs=1e-3)
