"""A promise is kept as often as it says, in towns that stray otherwise than anybody assumed."""

from __future__ import annotations

import pytest

from tests.builders.straying_world import interval, outcome


@pytest.mark.parametrize(
    ("probability", "bookings", "seed"),
    [
        (0.9, 1_000, 1),
        (0.99, 1_000, 2),
        pytest.param(0.9, 10_000, 3, marks=pytest.mark.soak),
        pytest.param(0.99, 10_000, 4, marks=pytest.mark.soak),
        pytest.param(0.999, 10_000, 5, marks=pytest.mark.soak),
    ],
)
def test_the_rate_of_kept_promises_is_what_was_promised_or_more(
    probability: float, bookings: int, seed: int
) -> None:
    found = outcome(probability, bookings=bookings, seed=seed)
    assert found.given >= bookings
    assert interval(found.kept, found.given)[1] >= probability, found


def test_what_is_promised_is_not_far_less_than_could_be() -> None:
    """The margins of old grant little more, and their promises are worth little."""
    sure, rough = outcome(0.99, bookings=1_000, seed=6), outcome(0.9, bookings=1_000, seed=6)
    fixed = outcome(None, bookings=1_000, seed=6)
    assert sure.granted_share > 0.93 * fixed.granted_share
    assert rough.granted_share > 0.97 * fixed.granted_share
    assert interval(fixed.kept, fixed.given)[1] < 0.97
    assert interval(rough.kept, rough.given)[1] < 0.99, "nine in ten, not all"
