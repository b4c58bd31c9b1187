"""Several forecasts as one, by how good each has been."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast
from scheduler.forecast.mixing import mixed, says
from scheduler.forecast.quality import ENOUGH_HOURS, Record

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def a_record(error_w: float, hours: float = ENOUGH_HOURS) -> Record:
    return Record(hours=hours, measured_wh=hours * 1000, error_wh=hours * error_w)


def a_forecast(power_w: list[float], start: datetime = NOON, minutes: int = 15) -> QuantileForecast:
    grid = StepGrid(start, minutes, len(power_w))
    low, high = tuple(w / 2 for w in power_w), tuple(2 * w for w in power_w)
    return QuantileForecast(NOON, grid, "outside", low, tuple(power_w), high)


def test_the_share_goes_by_the_inverse_square_of_the_error() -> None:
    assert says([a_record(200), a_record(100)]) == pytest.approx((0.2, 0.8))
    assert says([a_record(100)]) == (1.0,)
    assert says([a_record(0), a_record(0)]) == (0.5, 0.5)


def test_while_any_record_is_short_all_have_the_same_share() -> None:
    assert says([a_record(200), a_record(1, hours=ENOUGH_HOURS - 1)]) == (0.5, 0.5)


def test_each_quantile_is_mixed_in_steps_as_those_of_the_first() -> None:
    first = a_forecast([100.0] * 6)
    hourly = a_forecast([300.0, 500.0], NOON - timedelta(minutes=30), 60)
    one = mixed([hourly, first], [0.25, 0.75])
    assert one.q50_w == pytest.approx((150, 200))
    first = a_forecast([100.0] * 8, NOON - timedelta(minutes=30))
    one = mixed([first, hourly], [0.75, 0.25])
    assert one.q50_w == pytest.approx((150,) * 4 + (200,) * 4)
    assert (one.q10_w[0], one.q90_w[0]) == pytest.approx((75, 300))
    assert (one.grid, one.source) == (first.grid, first.source)


def test_where_one_does_not_reach_the_others_share_its_part() -> None:
    short = a_forecast([300.0], NOON + timedelta(minutes=15))
    third = a_forecast([500.0] * 2)
    one = mixed([a_forecast([100.0] * 3), short, third], [0.5, 0.25, 0.25])
    assert one.q50_w == pytest.approx((700 / 3, 250, 100))


def test_of_finer_steps_the_mean_counts() -> None:
    own = a_forecast([100.0, 100.0])
    fine = a_forecast([0.0, 300.0, 300.0, 600.0], minutes=5)
    assert mixed([own, fine], [0.5, 0.5]).q50_w == pytest.approx((150, 350))
    assert mixed([fine, own], [0.5, 0.5]).q50_w == pytest.approx((50, 200, 200, 350, 100, 100))
    thirds = a_forecast([300.0, 600.0, 900.0], minutes=20)
    assert mixed([own, thirds], [0.5, 0.5]).q50_w == pytest.approx((200, 300, 700, 900))


def test_what_lies_beyond_the_first_is_kept_up_to_a_gap() -> None:
    quarter = timedelta(minutes=15)
    short = a_forecast([100.0], NOON + quarter)
    long = a_forecast([300.0, 500.0, 700.0, 900.0])
    one = mixed([short, long], [0.5, 0.5])
    assert one.grid == long.grid
    assert one.q50_w == pytest.approx((300, 300, 700, 900))
    late, early = a_forecast([1.0], NOON + 6 * quarter), a_forecast([1.0], NOON - 2 * quarter)
    assert mixed([short, late, long, early], [0.25] * 4) == one


def test_mixing_two_that_err_apart_from_each_other_errs_less_than_either() -> None:
    came = [1000.0] * 8
    ups = a_forecast([1200.0, 800.0] * 4)
    downs = a_forecast([850.0, 850.0, 1150.0, 1150.0] * 2)
    one = mixed([ups, downs], says([a_record(200), a_record(150)]))

    def error(forecast: QuantileForecast) -> float:
        return sum(abs(a - b) for a, b in zip(forecast.q50_w, came, strict=True))

    assert error(one) < min(error(ups), error(downs))
