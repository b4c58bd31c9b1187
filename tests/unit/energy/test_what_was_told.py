"""What plug-ins return is checked before anything is made of it, whatever it is."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from csms.energy.told import power_told
from csms.plugins.forecasts import Asked, Clearness, Irradiance, NoForecast, Power
from scheduler.forecast.quality import doubts_of_sun
from scheduler.forecast.sun import Location, Plant, clear_sky_power_w

NOW = datetime(2026, 6, 15, 6, 7, tzinfo=UTC)
START = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
PLACE = Location(45.74, 4.82)
ROOFS = (Plant(10_000.0, 20.0, 180.0), Plant(5_000.0, 30.0, 90.0))
ASKED = Asked(
    site_id="A",
    latitude=45.74,
    longitude=4.82,
    plants=ROOFS,
    now=NOW,
    start=START,
    horizon=timedelta(hours=48),
)
TIMES: dict[str, Any] = {"issued_at": NOW, "start": START, "step_minutes": 15}
POWER = Power(**TIMES, q50_w=[100.0, 200.0], q10_w=[50.0, 60.0], q90_w=[150.0, 260.0])
LIGHT = Irradiance(**TIMES, ghi_w_per_m2=[500.0, 520.0])


def test_power_is_taken_as_it_is_whoever_counts() -> None:
    told = power_told(POWER, ASKED)
    assert (told.q10_w, told.q50_w, told.q90_w) == ((50, 60), (100, 200), (150, 260))
    # Arrays are lists too, and any time zone will do.
    there = timezone(timedelta(hours=2))
    arrays = replace(POWER, q50_w=np.array([100, 200]), start=START.astimezone(there))
    assert power_told(arrays, ASKED) == told
    assert power_told(arrays, ASKED).grid.start.tzinfo is UTC


def test_without_quantiles_it_may_be_more_or_less_by_what_is_usual() -> None:
    told = power_told(replace(POWER, q50_w=[4000.0, 0.0], q10_w=None, q90_w=None), ASKED)
    assert 0 < told.q10_w[0] < 4000 < told.q90_w[0]
    assert told.q10_w[1] == 0.0


def test_clearness_is_a_share_of_the_clear_sky() -> None:
    told = power_told(Clearness(**TIMES, q50=[0.5] * 8, q90=[1.0] * 8), ASKED)
    middles = [START + timedelta(minutes=7.5 + 15 * step) for step in range(8)]
    clear_w = clear_sky_power_w(PLACE, ROOFS, middles)
    assert told.q50_w == pytest.approx(0.5 * clear_w)
    assert told.q90_w == pytest.approx(clear_w)
    assert told.q10_w[0] < told.q50_w[0]


def test_light_becomes_power_and_heat_takes_some() -> None:
    noon = replace(LIGHT, start=START + timedelta(hours=5), ghi_w_per_m2=[800.0] * 4)
    plain = power_told(noon, ASKED).q50_w[0]
    assert 8_000 < plain < 12_500  # of 15 kW
    hot = power_told(replace(noon, air_c=[35.0] * 4), ASKED).q50_w[0]
    assert hot == pytest.approx(plain * (1 - 0.004 * 20), rel=0.03)
    # Told in parts, it is the same as when the service parts it, about.
    parts = replace(noon, dni_w_per_m2=[650.0] * 4)
    assert power_told(parts, ASKED).q50_w[0] == pytest.approx(plain, rel=0.08)


def test_the_light_of_a_clear_day_can_be_and_twilight_is_no_sun_at_night() -> None:
    # The sun is up from step 15 to 78.
    light = [max(0.0, 850 * math.sin(math.pi * (step - 16) / 61)) for step in range(96)]
    dim = [each if each > 0 else 4.0 for each in light]
    midnight = START.replace(hour=0)
    told = power_told(replace(LIGHT, start=midnight, ghi_w_per_m2=dim), ASKED)
    assert told.q50_w[2] == 0.0
    assert doubts_of_sun(told, PLACE, ROOFS) == ()


WRONG: list[tuple[Any, str]] = [
    (None, "it returned NoneType"),
    ({"q50_w": [1.0]}, "it returned dict"),
    (replace(POWER, issued_at=NOW.replace(tzinfo=None)), "issued_at has no time zone"),
    (replace(POWER, start=START.replace(tzinfo=None)), "start has no time zone"),
    (replace(POWER, start="2026-06-15T06:00:00Z"), "start is no instant"),  # type: ignore[arg-type]
    (replace(POWER, start=datetime.max.replace(tzinfo=UTC)), "start is 9999-12-31"),
    (replace(POWER, issued_at=NOW + timedelta(hours=1)), "issued_at lies in the future"),
    (replace(POWER, issued_at=NOW - timedelta(hours=7)), "what it has is of 2026-06-14 23:07"),
    (replace(POWER, step_minutes=7), "step_minutes is 7"),
    (replace(POWER, step_minutes=[15]), "step_minutes is"),  # type: ignore[arg-type]
    (replace(POWER, q50_w=[]), "it has 0 steps"),
    (replace(POWER, q50_w=[1.0] * 10_001), "it has 10001 steps"),
    (replace(POWER, q50_w=iter([1.0])), "it has 0 steps"),  # type: ignore[arg-type]
    (replace(POWER, q10_w=[1.0]), "q10_w has not one value for each of 2 steps"),
    (replace(POWER, q50_w=[1.0, math.nan]), "q50_w has a gap: no number at step 1"),
    (replace(POWER, q50_w=[None, 1.0]), "q50_w has a gap: no number at step 0"),  # type: ignore[list-item]
    (replace(POWER, q90_w=[150.0, math.inf]), "q90_w has a gap"),
    (replace(POWER, q50_w=[1e12, 1.0]), "q50_w is 1e.12 at step 0"),
    (replace(POWER, q10_w=[101.0, 1.0]), "out of order at step 0"),
    (replace(LIGHT, ghi_w_per_m2=[500.0, -50.0]), "ghi_w_per_m2 is below zero at step 1"),
    (replace(LIGHT, dhi_w_per_m2=[1.0]), "dhi_w_per_m2 has not one value"),
]


@pytest.mark.parametrize(("told", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_named(told: Any, said: str) -> None:
    with pytest.raises(NoForecast, match=said):
        power_told(told, ASKED)


@pytest.mark.parametrize(
    "told",
    [
        replace(LIGHT, start=START + timedelta(hours=5), ghi_w_per_m2=[1e9, 1e9]),
        replace(LIGHT, start=START + timedelta(hours=5), air_c=[-1e9, -1e9]),
        Clearness(**TIMES, q50=[0.5] * 8, q90=[1e9] * 8),
    ],
)
def test_what_comes_of_numbers_is_no_more_than_numbers_may_be(told: Any) -> None:
    with pytest.raises(NoForecast, match="it comes to"):
        power_told(told, ASKED)
