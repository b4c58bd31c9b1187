"""What keeps a building warm: heat by degree hours, made by a boiler or by a heat pump.

Heat = `loss_w_per_k` * max(0, `heated_below_c` - outdoor) + `hot_water_w`: the degree-day method
(EN ISO 15927-6), hour by hour. The air outside has the month's mean and a daily swing, coldest at
4 and warmest at 16 by the sun of the local clock.
A heat pump draws heat / COP, with COP = 6.81 - 0.121 d + 0.00063 d^2, where d is the temperature of
the water it makes less that of the air: the mean of air-source pumps on the market (Staffell,
Brett, Brandon and Hawkes, A review of domestic heat pumps, Energy & Environmental Science 5, 2012).
Hot water is made at 55 degrees. No chance is drawn, and no store shifts the load.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from simulators.scenario import HeatSpec
from simulators.sun import BIN_MINUTES

HOT_WATER_C = 55.0
WARMEST_HOUR = 16
LEAST_LIFT_K, MOST_LIFT_K = 15.0, 60.0
"""Between them the formula was fitted; beyond, the COP stays what it is there."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Warmth:
    """What a building took to be warm, one value per bin of five minutes."""

    heat_w: Floats
    electric_w: Floats
    fuel_w: Floats
    fuel_price_per_kwh: float
    fuel_co2_g_per_kwh: float


def warm(heat: HeatSpec, start: datetime, zone: ZoneInfo, bins: int) -> Warmth:
    """Returns what a building takes to be warm from `start` on."""
    outdoor = outdoor_c(heat, start, zone, bins)
    rooms_w = heat.loss_w_per_k * np.maximum(0.0, heat.heated_below_c - outdoor)
    water_w = np.full(bins, heat.hot_water_w)
    nothing = np.zeros(bins)
    if heat.heat_pump is not None:
        rooms_cop = cop(heat.heat_pump.flow_c - outdoor)
        electric_w = rooms_w / rooms_cop + water_w / cop(HOT_WATER_C - outdoor)
        return Warmth(rooms_w + water_w, electric_w, nothing, 0.0, 0.0)
    boiler = heat.boiler
    assert boiler is not None, "the reader has checked that there is one of the two"
    return Warmth(
        heat_w=rooms_w + water_w,
        electric_w=nothing,
        fuel_w=(rooms_w + water_w) / boiler.efficiency,
        fuel_price_per_kwh=boiler.price_per_kwh,
        fuel_co2_g_per_kwh=boiler.co2_g_per_kwh,
    )


def outdoor_c(heat: HeatSpec, start: datetime, zone: ZoneInfo, bins: int) -> Floats:
    """Returns the temperature of the air outside, in degrees Celsius."""
    found = np.empty(bins)
    for i in range(bins):
        local = (start + timedelta(minutes=BIN_MINUTES * i)).astimezone(zone)
        hours = local.hour + local.minute / 60 - WARMEST_HOUR
        swing_c = heat.swing_k / 2 * np.cos(2 * np.pi * hours / 24)
        found[i] = heat.outdoor_c[local.month - 1] + swing_c
    return found


def cop(lift_k: Floats) -> Floats:
    """Returns heat over electricity for a lift in temperature."""
    lift_k = np.clip(lift_k, LEAST_LIFT_K, MOST_LIFT_K)
    return 6.81 - 0.121 * lift_k + 0.00063 * lift_k**2
