"""Charging profiles in the box: which one rules, and until when."""

from __future__ import annotations

import math
from datetime import timedelta

from simulators.profiles import (
    Period,
    Purpose,
    allowance_of_evse,
    allowance_of_station,
    allows,
    replaces,
)
from tests.builders.stations import NOON, a_limit

HOUR = timedelta(hours=1)


def limit_at(*profiles, at=NOON, names=("tx",)):
    return allowance_of_evse(
        profiles, 1, at, transaction_names=names, tx_start=NOON if names else None
    ).limit_w


def default(limit_w, **changes):
    return a_limit(limit_w, id=9, purpose=Purpose.DEFAULT, **changes)


def test_without_profiles_everything_is_allowed():
    assert limit_at() == math.inf


def test_the_profile_of_the_transaction_comes_before_the_default():
    assert limit_at(default(1380), a_limit(2500)) == 2500


def test_a_transaction_profile_says_nothing_without_its_transaction():
    mine = a_limit(2500, transaction_id="other")
    assert limit_at(default(1380), mine) == 1380
    assert limit_at(default(1380), a_limit(2500), names=()) == 1380


def test_the_highest_stack_level_that_speaks_now_wins():
    late = a_limit(100, id=2, stack_level=5, valid_from=NOON + HOUR)
    low, high = a_limit(3000, stack_level=0), a_limit(2000, id=3, stack_level=1)
    assert limit_at(low, high, late) == 2000
    assert limit_at(low, high, late, at=NOON + HOUR) == 100


def test_a_default_for_all_evses_holds_for_each():
    assert limit_at(default(1380, evse_id=0), names=()) == 1380


def test_periods_follow_each_other_and_end_with_the_duration():
    steps = a_limit(0, periods=(Period(0, 1000), Period(600, 2000)), duration_s=1200.0)
    assert limit_at(steps) == 1000
    assert limit_at(steps, at=NOON + timedelta(seconds=600)) == 2000
    assert limit_at(default(50), steps, at=NOON + timedelta(seconds=1200)) == 50


def test_an_absolute_schedule_says_nothing_before_its_start():
    ahead = a_limit(500, kind="Absolute", start_at=NOON + HOUR)
    assert limit_at(default(1380), ahead) == 1380
    assert limit_at(default(1380), ahead, at=NOON + HOUR) == 500


def test_a_daily_schedule_comes_again_the_next_day():
    nightly = default(700, kind="Recurring", recurrency="Daily", start_at=NOON, duration_s=3600.0)
    assert limit_at(nightly, at=NOON + timedelta(days=3, minutes=30)) == 700
    assert limit_at(nightly, at=NOON + timedelta(days=3, hours=2)) == math.inf


def test_an_allowance_tells_when_it_may_change_by_itself():
    steps = a_limit(0, periods=(Period(0, 1000), Period(600, 2000)), duration_s=1200.0)
    now = allowance_of_evse((steps,), 1, NOON, transaction_names=("tx",), tx_start=NOON)
    assert now.until == NOON + timedelta(seconds=600)
    ahead = a_limit(500, kind="Absolute", start_at=NOON + HOUR)
    silent = allowance_of_evse((ahead,), 1, NOON, transaction_names=("tx",), tx_start=NOON)
    assert silent.until == NOON + HOUR


def test_the_station_maximum_is_the_least_of_its_caps():
    caps = (
        a_limit(9000, id=4, evse_id=0, purpose=Purpose.STATION),
        a_limit(7000, id=5, evse_id=0, purpose=Purpose.EXTERNAL),
    )
    assert allowance_of_station(caps, NOON).limit_w == 7000


def test_a_profile_replaces_its_own_id_and_its_own_place():
    old = a_limit(1)
    assert replaces(a_limit(2, evse_id=2), old)
    assert replaces(a_limit(2, id=7), old)
    assert not replaces(a_limit(2, id=7, stack_level=1), old)


def test_a_profile_out_of_validity_says_nothing():
    assert allows(a_limit(5, valid_to=NOON), NOON, NOON) is None
