"""Heat of buildings: degree hours, a boiler's fuel, and a heat pump that the cold makes work."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from simulators.heat import cop, outdoor_c, warm
from simulators.scenario import BoilerSpec, HeatPumpSpec, HeatSpec

PARIS = ZoneInfo("Europe/Paris")
MONTHS = (4.0, 5.0, 9.0, 12.0, 16.0, 20.0, 22.0, 22.0, 18.0, 13.0, 8.0, 5.0)
WINTER, SUMMER = datetime(2026, 1, 11, 23, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC)
DAY = 288


def heat(**fields: Any) -> HeatSpec:
    told: dict[str, Any] = {
        "loss_w_per_k": 1000.0,
        "heated_below_c": 16.0,
        "hot_water_w": 500.0,
        "outdoor_c": MONTHS,
        "swing_k": 6.0,
        "boiler": BoilerSpec(0.9, 0.1, 227.0),
    }
    return HeatSpec(**{**told, **fields})


def test_the_air_is_coldest_at_four_and_warmest_at_four() -> None:
    air = outdoor_c(heat(), WINTER, PARIS, DAY)
    assert air.mean() == pytest.approx(4.0)
    assert (air.argmin(), air.argmax()) == (4 * 12, 16 * 12)
    assert (air.min(), air.max()) == (pytest.approx(1.0), pytest.approx(7.0))


def test_heat_is_degree_hours_and_fuel_is_heat_over_efficiency() -> None:
    warmth = warm(heat(), WINTER, PARIS, DAY)
    assert warmth.heat_w.mean() == pytest.approx(12.0 * 1000 + 500)
    assert warmth.fuel_w == pytest.approx(warmth.heat_w / 0.9)
    assert not warmth.electric_w.any()


def test_in_summer_there_is_only_hot_water() -> None:
    warmth = warm(heat(), SUMMER, PARIS, DAY)
    assert warmth.heat_w == pytest.approx(np.full(DAY, 500.0))


def test_a_heat_pump_draws_less_than_the_heat_and_more_when_it_is_cold() -> None:
    warmth = warm(heat(boiler=None, heat_pump=HeatPumpSpec(45.0)), WINTER, PARIS, DAY)
    assert not warmth.fuel_w.any()
    share = warmth.heat_w / warmth.electric_w
    assert share.min() > 2
    assert share.max() < 4
    assert share.argmin() == 4 * 12


@pytest.mark.parametrize(
    ("lift_k", "factor"), [(35, 3.3468), (51, 2.2776), (0, 5.1368), (90, 1.818)]
)
def test_the_cop_is_that_of_the_formula_within_its_bounds(lift_k: float, factor: float) -> None:
    assert cop(np.array([float(lift_k)]))[0] == pytest.approx(factor, abs=5e-4)
