"""Whether a car means to keep to its limit, instant by instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.needs.rules import TOLERANCE_W, at_second, exceeds_at
from models.facts.needs import SchedulePeriod

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
steps = st.lists(
    st.tuples(st.integers(0, 3_600), st.floats(0, 50_000)), min_size=1, max_size=6
).map(lambda found: sorted(dict(found).items()))


def later(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("periods", "limits", "valid_to", "wanted"),
    [
        ([(0, 11_000.0)], [(0, 11_000.0)], None, None),
        ([(0, 11_000.0 + TOLERANCE_W)], [(0, 11_000.0)], None, None),
        ([(0, 12_000.0)], [(0, 11_000.0)], None, 0),
        ([(0, 11_000.0)], [(0, 11_000.0), (600, 4_000.0)], None, 600),
        ([(0, 11_000.0)], [(0, 11_000.0), (600, 4_000.0)], 600, None),
        ([(0, 4_000.0), (300, 11_000.0)], [(0, 4_000.0), (600, 11_000.0)], None, 300),
        ([(0, 90_000.0)], [(60, 1_000.0)], None, 60),
        ([(0, None)], [(0, 0.0)], None, None),
        ([(0, 5_000.0)], [(-600, 9_000.0), (-60, 3_000.0)], None, 0),
    ],
)
def test_a_car_is_compared_with_what_it_may_at_each_instant(
    periods: list[tuple[int, float | None]],
    limits: list[tuple[int, float]],
    valid_to: int | None,
    wanted: int | None,
) -> None:
    found = exceeds_at(
        [SchedulePeriod(*each) for each in periods],
        NOON,
        [(later(at), limit_w) for at, limit_w in limits],
        None if valid_to is None else later(valid_to),
    )
    assert found == (None if wanted is None else later(wanted))


@given(steps, steps)
def test_no_second_is_overlooked(
    periods: list[tuple[int, float]], limits: list[tuple[int, float]]
) -> None:
    def at(known: list[tuple[int, float]], second: int, before: float) -> float:
        return ([before] + [value for start, value in known if start <= second])[-1]

    found = exceeds_at(
        [SchedulePeriod(*each) for each in periods],
        NOON,
        [(later(start), limit_w) for start, limit_w in limits],
        None,
    )
    beyond = [
        second
        for second in range(3_601)
        if at(periods, second, 0.0) > at(limits, second, float("inf")) + TOLERANCE_W
    ]
    assert found == (later(beyond[0]) if beyond else None)


def test_seconds_without_end_are_no_instants_without_end() -> None:
    assert at_second(NOON, 2**62) < NOON + timedelta(days=4_000)
    assert at_second(NOON, -(2**62)) == NOON
