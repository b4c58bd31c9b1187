"""What promises count on under limits of the grid, beside what forecasts tell and don't tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from csms.booking.lowered import Look
from models.tables.energy import Forecast, Site
from models.tables.grid_limits import GridLimit
from models.tables.stations import Evse

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOURS = 48


def a_forecast(kind: str, power_w: list[float]) -> Forecast:
    half_w = [w / 2 for w in power_w]
    series = {"q10_w": half_w, "q50_w": half_w, "q90_w": power_w}
    return Forecast(site_id="A", kind=kind, start=NOW, step_minutes=60, **series)


def share(first_hour: float, last_hour: float, *forecasts: Forecast) -> float:
    """Of 22 kW that one car could take."""
    evse = Evse(station="A-1", evse_id=1, circuit_id=None, max_power_w=22_000.0, phases=3)
    by_kind = {("A", each.kind): [each] for each in forecasts}
    limit = GridLimit(site_id="A", circuit_id=None, limit_w=22_000.0)
    limit.start, limit.end = (NOW + timedelta(hours=each) for each in (first_hour, last_hour))
    (found,) = Look(Site(id="A"), [evse], [], by_kind, 1, NOW).lowered(limit, {})
    assert (found.start, found.end) == (limit.start, limit.end)
    return found.share


@pytest.mark.parametrize(
    ("first_hour", "last_hour"), [(0, 24), (-192, 24), (60, 72), (24 * 20, 24 * 40)]
)
def test_the_building_counts_whenever_the_limit_began_or_begins(
    first_hour: float, last_hour: float
) -> None:
    building = a_forecast("load", [20_000.0] * HOURS)
    assert share(first_hour, last_hour, building) == pytest.approx(2 / 22)


def test_what_is_over_counts_for_nothing_and_what_nobody_knows_as_the_worst() -> None:
    building = a_forecast("load", [4_000.0] * 24 + [20_000.0] * 12 + [6_000.0] * 12)
    sun = a_forecast("pv", [8_000.0] * 24 + [2_000.0] * 24)
    assert share(-240, 12, building, sun) == 1.0
    assert share(0, 30, building, sun) == pytest.approx((22 - 20 + 1) / 22)
    # Beyond the forecasts: the highest load, the least sun.
    assert share(36, 48, building, sun) == pytest.approx((22 - 6 + 1) / 22)
    assert share(36, 60, building, sun) == pytest.approx((22 - 20 + 1) / 22)
    assert share(60, 72) == 1.0
