"""Stored profiles against a slow and simple reading of the rules, second by second."""

from __future__ import annotations

import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from simulators.box import LimitBox
from simulators.notices import Transaction
from simulators.profiles import Period, Profile, Purpose, allowance_of_evse
from tests.builders.stations import NOON, a_kind, a_station, charging

SPAN_S = 1200


@st.composite
def profiles(draw):
    starts = draw(st.lists(st.integers(0, 900), max_size=3, unique=True).map(sorted))
    levels = st.integers(0, 8).map(lambda n: n * 500.0)
    periods = tuple(Period(float(s), draw(levels)) for s in [0, *[s for s in starts if s]])
    offset_s = draw(st.integers(-600, 900))
    kind = draw(st.sampled_from(["Absolute", "Relative"]))
    return Profile(
        id=draw(st.integers(1, 5)),
        evse_id=draw(st.sampled_from([0, 1, 1, 2])),
        purpose=draw(st.sampled_from([Purpose.DEFAULT, Purpose.TRANSACTION])),
        stack_level=draw(st.integers(0, 3)),
        kind=kind,
        periods=periods,
        received_at=NOON,
        start_at=NOON + timedelta(seconds=offset_s) if kind == "Absolute" else None,
        duration_s=draw(st.none() | st.integers(60, 1500).map(float)),
        valid_to=draw(st.none() | st.just(NOON + timedelta(seconds=700))),
    )


def says(profile, second):
    """What one profile says at a second after noon, by the letter; None if nothing."""
    if profile.valid_to is not None and second >= 700:
        return None
    start = 0 if profile.start_at is None else (profile.start_at - NOON).total_seconds()
    past = second - start
    if past < 0 or (profile.duration_s is not None and past >= profile.duration_s):
        return None
    begun = [period.limit_w for period in profile.periods if period.start_s <= past]
    return begun[-1] if begun else None


def by_the_letter(stored, second):
    for purpose, evses in ((Purpose.TRANSACTION, {1}), (Purpose.DEFAULT, {0, 1})):
        speaking = [
            (profile.stack_level, -place, says(profile, second))
            for place, profile in enumerate(stored)
            if profile.purpose is purpose and profile.evse_id in evses
        ]
        speaking = [each for each in speaking if each[2] is not None]
        if speaking:
            return max(speaking)[2]
    return math.inf


@given(st.lists(profiles(), max_size=6))
def test_the_allowance_is_what_the_rules_say_and_holds_until_it_says(stored):
    stored = tuple(stored)
    second = 0
    while second < SPAN_S:
        allowance = allowance_of_evse(
            stored,
            1,
            NOON + timedelta(seconds=second),
            transaction_names=("tx",),
            tx_start=NOON,
        )
        until = SPAN_S
        if allowance.until is not None:
            until = min(SPAN_S, int((allowance.until - NOON).total_seconds()))
        assert until > second
        for each in {second, (second + until) // 2, until - 1}:
            assert by_the_letter(stored, each) == allowance.limit_w
        second = until


@given(st.lists(profiles(), max_size=5), st.integers(0, 40))
def test_power_never_flows_above_what_was_accepted_a_reaction_ago(stored, reaction_s):
    station = a_station(reaction_s=float(reaction_s))
    charging(station)
    for profile in stored:
        station.set_profile(profile, NOON)
    for minute in range(1, 15):
        at = NOON + timedelta(minutes=minute)
        station.advance(at)
        station.speak_up(at)
        accepted = station.limits.stored()
        allowed = by_the_letter(accepted, minute * 60)
        flows = station.evses[1].power_w
        assert flows <= max(0.0, allowed) + 1e-9
    assert all(limit.disobeyed_at is None for limit in station.limits.book.truth())


@given(st.lists(profiles(), max_size=5))
def test_a_composite_schedule_tells_every_second_what_is_allowed(stored):
    box = LimitBox("ST", a_kind(), frozenset())
    transaction = Transaction("tx", 1, "T", NOON, 0)
    for profile in stored:
        box.store(profile, transaction, NOON)
    periods = box.composite(1, transaction, NOON, SPAN_S)
    for second in range(0, SPAN_S, 47):
        shown = [period.limit_w for period in periods if period.start_s <= second][-1]
        assert shown == min(3700.0, by_the_letter(box.stored(), second))
