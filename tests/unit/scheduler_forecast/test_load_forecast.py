"""The forecast of the building's load, and the measure of skill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast, Reading
from scheduler.forecast.holidays import is_region, public_holidays
from scheduler.forecast.load import LoadProfile
from scheduler.forecast.skill import Scored, skill_vs_persistence

MONDAY = datetime(2026, 6, 15, tzinfo=UTC)
PARIS = "Europe/Paris"
WHIT_MONDAY = date(2026, 5, 25)


def forecast_load(
    readings: Sequence[Reading],
    grid: StepGrid,
    timezone: str,
    *,
    issued_at: datetime,
    fallback_w: float,
) -> QuantileForecast:
    """What the readings up to `issued_at` make us expect."""
    profile = LoadProfile.learn(readings, timezone, until=issued_at, fallback_w=fallback_w)
    return profile.forecast(grid, issued_at=issued_at, lately=readings)


def grid(start: datetime, steps: int = 96) -> StepGrid:
    return StepGrid(start, 15, steps)


def office_w(instant: datetime) -> float:
    """5 kW from 8 to 18 UTC on working days, else 1 kW."""
    return 5000.0 if instant.weekday() < 5 and 8 <= instant.hour < 18 else 1000.0


def weeks(count: int, until: datetime = MONDAY) -> list[Reading]:
    start = until - timedelta(weeks=count)
    instants = [start + timedelta(minutes=15 * index) for index in range(count * 672)]
    return [Reading(instant, office_w(instant)) for instant in instants]


def test_before_any_history_the_fallback_is_taken_and_said() -> None:
    forecast = forecast_load([], grid(MONDAY), PARIS, issued_at=MONDAY, fallback_w=700.0)
    assert forecast.source == "fallback"
    assert forecast.q50_w == (700.0,) * 96
    assert forecast.q10_w[0] < 700.0 < forecast.q90_w[0]


def test_weekdays_and_weekends_are_told_apart() -> None:
    history = weeks(5)
    working = forecast_load(history, grid(MONDAY), PARIS, issued_at=MONDAY, fallback_w=0.0)
    assert working.source == "profile"
    assert working.q50_w[48] > 4300
    assert working.q50_w[8] < 1500
    saturday = MONDAY + timedelta(days=5)
    resting = forecast_load(history, grid(saturday), PARIS, issued_at=MONDAY, fallback_w=0.0)
    assert resting.q50_w[48] < 1900


def test_one_day_of_history_already_shapes_the_next() -> None:
    history = [r for r in weeks(1) if r.measured_at >= MONDAY - timedelta(days=3)]
    friday = [r for r in history if r.measured_at < MONDAY - timedelta(days=2)]
    forecast = forecast_load(friday, grid(MONDAY), PARIS, issued_at=MONDAY, fallback_w=1000.0)
    assert forecast.q50_w[48] > 2 * forecast.q50_w[8]


def test_the_profile_follows_local_time_over_the_change_of_clocks() -> None:
    # Clocks in Paris go back on 25 October 2026: 7:00 local is 5:00 UTC before, 6:00 UTC after.
    change = datetime(2026, 10, 25, tzinfo=UTC)
    instants = [change - timedelta(days=28) + timedelta(minutes=15 * i) for i in range(28 * 96)]
    history = [Reading(i, 9000.0 if i.hour == 5 else 0.0) for i in instants]
    day_after = change + timedelta(days=1)
    forecast = forecast_load(history, grid(day_after), PARIS, issued_at=change, fallback_w=0.0)
    assert max(range(96), key=lambda step: forecast.q50_w[step]) // 4 == 6


def test_load_that_comes_later_changes_nothing() -> None:
    history = weeks(2)
    later = [Reading(MONDAY + timedelta(minutes=15 * i + 1), 90_000.0) for i in range(96)]
    known = forecast_load(history, grid(MONDAY), PARIS, issued_at=MONDAY, fallback_w=0.0)
    with_later = [*history, *later]
    assert forecast_load(with_later, grid(MONDAY), PARIS, issued_at=MONDAY, fallback_w=0.0) == known


def lately(now: datetime, power_w: Sequence[float]) -> list[Reading]:
    """Readings of each quarter of an hour up to `now`."""
    count = len(power_w)
    return [
        Reading(now - timedelta(minutes=15 * (count - 1 - index)), watts)
        for index, watts in enumerate(power_w)
    ]


def test_a_day_unlike_others_goes_on_as_it_began() -> None:
    # An office that is closed on a Monday: 1 kW where 5 are usual.
    noon = MONDAY + timedelta(hours=12)
    profile = LoadProfile.learn(weeks(5), PARIS, until=MONDAY, fallback_w=0.0)
    usual = profile.forecast(grid(noon), issued_at=noon).q50_w
    closed = profile.forecast(grid(noon), issued_at=noon, lately=lately(noon, [1000.0] * 16)).q50_w
    assert usual[0] > 4300
    assert closed[0] < 1800  # the next quarter of an hour is nearly as this one
    assert closed[0] < closed[8] < closed[20] < usual[20]
    tomorrow = slice(84, 96)
    assert closed[tomorrow] == pytest.approx(usual[tomorrow], rel=0.15)


def test_on_the_first_day_the_load_goes_on_as_it_is() -> None:
    morning = MONDAY + timedelta(hours=9)
    told = lately(morning, [*[1000.0] * 32, *[5000.0] * 4])
    profile = LoadProfile.learn(told, PARIS, until=morning, fallback_w=0.0)
    forecast = profile.forecast(grid(morning), issued_at=morning, lately=told)
    assert 3500 < forecast.q50_w[0] < 5000
    assert forecast.q50_w[-1] < 2500


def test_a_moment_unlike_others_is_soon_over() -> None:
    noon = MONDAY + timedelta(hours=12)
    profile = LoadProfile.learn(weeks(5), PARIS, until=MONDAY, fallback_w=0.0)
    usual = profile.forecast(grid(noon), issued_at=noon).q50_w
    kettle = lately(noon, [*[usual[0]] * 15, 1.4 * usual[0]])
    told = profile.forecast(grid(noon), issued_at=noon, lately=kettle).q50_w
    off = [a / b - 1 for a, b in zip(told, usual, strict=True)]
    assert 0.1 < off[0] < 0.4
    assert off[6] < 0.4 * off[0]


def test_what_was_long_ago_or_comes_later_says_nothing_of_now() -> None:
    noon = MONDAY + timedelta(hours=12)
    profile = LoadProfile.learn(weeks(5), PARIS, until=MONDAY, fallback_w=0.0)
    usual = profile.forecast(grid(noon), issued_at=noon)
    old = lately(MONDAY - timedelta(minutes=15), [9000.0] * 8)
    late = lately(noon + timedelta(hours=3), [9000.0] * 8)
    assert profile.forecast(grid(noon), issued_at=noon, lately=[*old, *late]) == usual


def test_a_meter_that_lies_for_once_does_not_cost_the_day() -> None:
    noon = MONDAY + timedelta(hours=12)
    profile = LoadProfile.learn(weeks(5), PARIS, until=MONDAY, fallback_w=0.0)
    usual = profile.forecast(grid(noon), issued_at=noon).q50_w
    lie = lately(noon, [*[usual[0]] * 15, 1e9])
    told = profile.forecast(grid(noon), issued_at=noon, lately=lie).q50_w
    assert max(told) < 3 * max(usual)


def test_steady_weeks_narrow_the_quantiles_which_never_fall_below_zero() -> None:
    steady = [Reading(r.measured_at, 2000.0) for r in weeks(5)]
    profile = LoadProfile.learn(steady, PARIS, until=MONDAY, fallback_w=2000.0)
    narrow = profile.forecast(grid(MONDAY), issued_at=MONDAY)
    assert narrow.q90_w[0] - narrow.q10_w[0] < 0.3 * 2000.0
    wild = [Reading(r.measured_at, 9000.0 * (i % 7 == 0)) for i, r in enumerate(weeks(5))]
    wide = forecast_load(wild, grid(MONDAY), PARIS, issued_at=MONDAY, fallback_w=0.0)
    assert min(wide.q10_w) >= 0.0
    assert all(a <= b <= c for a, b, c in zip(wide.q10_w, wide.q50_w, wide.q90_w, strict=True))


def test_steps_of_an_hour_take_the_profile_at_their_middle() -> None:
    profile = LoadProfile.learn(weeks(5), PARIS, until=MONDAY, fallback_w=0.0)
    hourly = profile.forecast(StepGrid(MONDAY, 60, 24), issued_at=MONDAY)
    quarterly = profile.forecast(grid(MONDAY), issued_at=MONDAY)
    assert hourly.q50_w[9] == quarterly.q50_w[4 * 9 + 2]


def test_skill_is_one_when_perfect_zero_when_as_bad_and_unknown_without_error() -> None:
    assert skill_vs_persistence([Scored((5.0, 1.0), (4.0, 3.0), (5.0, 1.0))]) == 1.0
    assert skill_vs_persistence([Scored((4.0, 3.0), (4.0, 3.0), (5.0, 1.0))]) == 0.0
    assert skill_vs_persistence([Scored((9.0,), (3.0,), (1.0,))]) == pytest.approx(-3.0)
    assert skill_vs_persistence([Scored((9.0,), (1.0,), (1.0,))]) is None
    assert skill_vs_persistence([]) is None
    with pytest.raises(ValueError, match="longer"):
        skill_vs_persistence([Scored((1.0,), (2.0,), (1.0, 2.0))])


def test_a_public_holiday_is_as_a_sunday() -> None:
    # The 14th of July 2026 is a Tuesday; the office rests on it in France, and works in Bavaria.
    tuesday = datetime(2026, 7, 14, tzinfo=UTC)
    for region, office in (("FR", 1000.0), ("DE-BY", 5000.0), (None, 5000.0)):
        profile = LoadProfile.learn(
            weeks(6, tuesday),
            PARIS,
            until=tuesday,
            fallback_w=0.0,
            holidays=public_holidays(region),
        )
        noon_w = profile.forecast(grid(tuesday), issued_at=tuesday).q50_w[48]
        assert noon_w == pytest.approx(office, rel=0.15)


def test_a_holiday_does_not_blur_what_working_days_are_like() -> None:
    # On Whit Monday, the 25th of May, nobody came.
    told = [
        Reading(
            each.measured_at, 1000.0 if each.measured_at.date() == WHIT_MONDAY else each.power_w
        )
        for each in weeks(6)
    ]
    noon_w = [
        LoadProfile.learn(
            told, PARIS, until=MONDAY, fallback_w=0.0, holidays=public_holidays(region)
        )
        .forecast(grid(MONDAY), issued_at=MONDAY)
        .q50_w[48]
        for region in ("FR", None)
    ]
    assert noon_w[0] > noon_w[1] + 300


@pytest.mark.parametrize("region", ["XX", "DE-XX", "de", ""])
def test_a_region_that_nobody_knows_has_no_calendar(region: str) -> None:
    assert not is_region(region)
    with pytest.raises(ValueError, match="no public holidays"):
        public_holidays(region)
