"""What is taken of how trips stray: by the prior, by history, and by both together."""

from __future__ import annotations

import itertools
import math

import pytest

from scheduler.straying import GRACE_S, PRIOR_TRIPS, DrivenTrip, Straying, learn

MINUTE = 60.0
PRIOR = Straying()


def trips(*ratios: float, car: str = "car-1", late_s: float | None = 0.0) -> list[DrivenTrip]:
    return [DrivenTrip(car, ratio, late_s) for ratio in ratios]


def test_the_prior_is_what_the_simulations_were_measured_with() -> None:
    assert PRIOR.enough_ratio(0.975) == pytest.approx(1 + 1.96 * 0.12, abs=1e-3)
    assert PRIOR.chance_later(0) == pytest.approx(0.1)
    assert PRIOR.chance_later(37.5 * MINUTE) == pytest.approx(0.05, abs=1e-3)
    assert PRIOR.chance_later(-1) == 1
    assert 0 < PRIOR.chance_later(24 * 60 * MINUTE) < 1e-9


def test_surer_promises_keep_more_free() -> None:
    margins = [PRIOR.margin(each) for each in (0.5, 0.9, 0.99, 0.999, 0.9999)]
    for less, more in itertools.pairwise(margins):
        assert less.energy_factor < more.energy_factor
        assert less.turnaround_s <= more.turnaround_s
        assert less.lost_s <= more.lost_s
    assert margins[2].turnaround_s == 45 * MINUTE
    assert margins[2].energy_factor == pytest.approx(1.309, abs=1e-3)


def test_a_promise_within_its_margin_is_as_sure_as_was_asked() -> None:
    for probability in (0.5, 0.9, 0.99, 0.9999):
        margin = PRIOR.margin(probability)
        chance = PRIOR.chance(margin.energy_factor, margin.turnaround_s)
        assert chance.probability >= probability - 1e-9


def test_the_two_risks_are_added_and_the_larger_one_is_named() -> None:
    energy = 1 - PRIOR.chance_enough(1.1)
    late = PRIOR.chance_later(30 * MINUTE + GRACE_S)
    assert PRIOR.chance(1.1, None).probability == pytest.approx(1 - energy)
    assert PRIOR.chance(1.1, 30 * MINUTE).probability == pytest.approx(1 - energy - late)
    assert PRIOR.chance(1.1, 30 * MINUTE).bound_by == "energy"
    assert PRIOR.chance(2.0, 30 * MINUTE).bound_by == "return"
    assert PRIOR.chance(9.0, None).bound_by is None
    assert PRIOR.chance(0.0, 0.0).probability == 0


def test_who_is_late_is_likelier_to_come_later_still() -> None:
    usual = PRIOR.chance(2.0, 40 * MINUTE).probability
    late = PRIOR.chance(2.0, 40 * MINUTE, already_s=20 * MINUTE).probability
    assert late < usual
    assert PRIOR.latest_s(0.01, already_s=20 * MINUTE) > PRIOR.latest_s(0.01)
    assert PRIOR.chance(2.0, 0.0, already_s=1e7).probability == pytest.approx(0, abs=1e-6)
    assert math.isfinite(PRIOR.latest_s(1e-5, already_s=1e7))


def test_a_history_as_long_as_the_prior_has_equal_say() -> None:
    found = learn(trips(*[1.0] * PRIOR_TRIPS, late_s=-60.0))
    assert found.chance_later(0) == pytest.approx(0.05)
    assert found.chance_enough(1.0) == pytest.approx(0.75)


def test_a_thirsty_car_is_known_by_its_own_trips() -> None:
    found = learn([*trips(*[1.4] * 60), *trips(*[1.0] * 60, car="car-2")])
    assert found.expected_factor("car-1") == pytest.approx((20 * 1.1714 + 60 * 1.4) / 80, abs=1e-3)
    assert found.expected_factor("car-2") < 1.05
    assert found.expected_factor("car-3") == found.fleet_factor == pytest.approx(1.1714, abs=1e-3)
    assert found.margin(0.9).energy_factor < PRIOR.margin(0.9).energy_factor


def test_what_is_not_known_teaches_nothing_and_nonsense_little() -> None:
    silent = learn([DrivenTrip("car-1", None, None)] * 9)
    assert (silent.late_s, silent.use_ratios, silent.fleet_factor) == ((), (), 1.0)
    assert learn(trips(900.0)).fleet_factor == pytest.approx(25 / 21)
