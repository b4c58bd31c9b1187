"""Cars: what batteries take, and what trips take from them."""

from __future__ import annotations

import pytest

from tests.builders.stations import a_car


def test_a_slow_charge_is_not_held_back_until_the_last_percents():
    assert a_car(soc_wh=0.9 * 16_000).accepts_w("AC") == 3700


def test_a_fast_charge_tapers_above_eighty_percent():
    car = a_car(soc_wh=0.9 * 16_000)
    assert car.accepts_w("DC") == pytest.approx(22_000 * 0.55)
    assert a_car(soc_wh=0.8 * 16_000).accepts_w("DC") == 22_000


def test_a_full_car_takes_nothing():
    car = a_car(soc_wh=16_000.0)
    assert car.accepts_w("AC") == 0
    assert car.charge(3700, 3600) == 0


def test_losses_stay_between_charger_and_battery():
    car = a_car(soc_wh=8_000.0)
    drawn_wh = car.charge(3000, 3600)
    assert drawn_wh == 3000
    assert car.soc_wh == pytest.approx(8_000 + 2_700)


def test_the_last_piece_of_energy_just_fills_the_battery():
    car = a_car(soc_wh=15_910.0)
    assert car.charge(3700, 3600) == pytest.approx(100)
    assert car.soc_wh == 16_000


def test_a_trip_goes_on_the_odometer_and_never_below_empty():
    car = a_car(soc_wh=1_000.0)
    car.drive(10.0, car.trip_energy_wh(10.0, 1.0))
    assert (car.odometer_km, car.soc_wh) == (110.0, 0.0)
