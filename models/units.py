"""Units: which ones the house speaks, and the conversions that its doors need.

Inside there are only W, Wh, A, V, percent of state of charge, km, s and degrees Celsius, and every
name ends in its unit. Signs: plus flows into the car, or from the grid into the site. Prefixes are
read here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

NOMINAL_VOLTAGE_V = 230.0
"""Phase to neutral, where a station reports none."""

_ENERGY_WH: Mapping[str, float] = {"Wh": 1.0, "kWh": 1000.0, "MWh": 1_000_000.0}
_POWER_W: Mapping[str, float] = {"W": 1.0, "kW": 1000.0, "MW": 1_000_000.0}
_CURRENT_A: Mapping[str, float] = {"A": 1.0, "mA": 0.001}
_VOLTAGE_V: Mapping[str, float] = {"V": 1.0, "mV": 0.001, "kV": 1000.0}
_SOC_PCT: Mapping[str, float] = {"Percent": 1.0, "%": 1.0}

FACTORS: Mapping[str, Mapping[str, float]] = {
    "energy_wh": _ENERGY_WH,
    "power_w": _POWER_W,
    "current_a": _CURRENT_A,
    "voltage_v": _VOLTAGE_V,
    "soc_pct": _SOC_PCT,
}
"""By quantity of ours: what to multiply a value in that unit by to get ours."""


def amperes_to_watts(
    current_a: float, *, phases: int, voltage_v: float = NOMINAL_VOLTAGE_V
) -> float:
    """Returns the power in W of a current per phase in A."""
    return current_a * voltage_v * phases


def watts_to_amperes(power_w: float, *, phases: int, voltage_v: float = NOMINAL_VOLTAGE_V) -> float:
    """Returns the current per phase in A, rounded down to 0.1 A so that the limit is kept.

    Source: OCPP 1.6 section 7.7 and OCPP 2.0.1 part 2, ChargingSchedulePeriodType: one decimal.
    """
    tenths = power_w * 10.0 / (voltage_v * phases)
    # A value that is a whole tenth but for the last bits of a double keeps its tenth.
    return int(tenths + 1e-9) / 10.0
