"""Energy from what a meter of power says now and then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from csms.charging.sunshine import metered_wh, shared_sun

START = datetime(2026, 6, 15, 12, tzinfo=UTC)
END = START + timedelta(minutes=15)


def at(minutes: float, power_w: float) -> tuple[datetime, float]:
    return START + timedelta(minutes=minutes), power_w


@pytest.mark.parametrize(
    ("said", "energy_wh"),
    [
        ([], 0.0),
        ([at(15, 4000)], 1000.0),
        ([at(5, 1200), at(10, 2400), at(15, 0)], 300.0),
        ([at(6, 1000)], 100.0),  # of the rest nothing is known
        ([at(20, 3000)], 500.0),  # it speaks back to minute 5
        ([at(7.5, 4000), at(25, 8000)], 500.0 + 8000 * 5 / 60),  # back to minute 10
        ([at(29, 6000)], 100.0),
        ([at(15, 4000), at(30, 9000)], 1000.0),  # the next quarter's
        ([at(15, -40)], -10.0),
    ],
)
def test_a_power_holds_since_the_meter_last_spoke_for_a_quarter_of_an_hour_at_most(
    said: list[tuple[datetime, float]], energy_wh: float
) -> None:
    assert metered_wh(said, START, END) == pytest.approx(energy_wh)


@pytest.mark.parametrize(
    ("drawn", "surplus_wh", "parts"),
    [
        ([], 100.0, []),
        ([0.0, 0.0], 100.0, [0.0, 0.0]),
        ([300.0, 100.0], 1000.0, [300.0, 100.0]),
        ([300.0, 100.0], 200.0, [150.0, 50.0]),
        ([300.0], -50.0, [0.0]),
    ],
)
def test_surplus_is_shared_by_energy_and_never_beyond_it(
    drawn: list[float], surplus_wh: float, parts: list[float]
) -> None:
    assert shared_sun(drawn, surplus_wh) == pytest.approx(parts)
