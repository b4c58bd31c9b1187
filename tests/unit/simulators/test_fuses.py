"""Fuses see what flows through them, piece by piece, and forgive only the time to react."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulators.circuits import Fuses
from simulators.scenario import load_scenario
from simulators.station import Station
from tests.builders.stations import NOON

SITE = load_scenario("confluence").sites[2]
"""Circuit of 16 kW: two boxes that take 15 s to react, one that takes 10 s."""
CIRCUIT = "monolithe-cars"
MINUTE = timedelta(minutes=1)


def fuses(quirks: frozenset[str] = frozenset()) -> Fuses:
    scenario = load_scenario("confluence")
    stations = {
        spec.identity: Station(spec.identity, scenario.kind(spec.kind), now=NOON, quirks=quirks)
        for spec in SITE.stations
    }
    return Fuses([SITE], stations)


def only(watched: Fuses):
    (truth,) = watched.truth()
    assert truth.id == CIRCUIT
    return truth


def test_what_stations_draw_together_counts_and_not_what_follows_one_another() -> None:
    watched = fuses()
    half = timedelta(seconds=30)
    watched.flowed("MON-1", NOON, 30, 15_000 / 120)
    watched.flowed("MON-1", NOON + half, 30, 3_000 / 120)
    watched.flowed("MON-2", NOON + half, 30, 12_000 / 120)
    watched.look()
    assert only(watched).peak_w == pytest.approx(15_000)
    assert only(watched).over_limit_s == 0


@pytest.mark.parametrize(("seconds", "beyond_s"), [(12.0, 0.0), (15.0, 0.0), (40.0, 25.0)])
def test_a_stretch_over_the_limit_is_forgiven_as_long_as_the_slowest_station_reacts(
    seconds: float, beyond_s: float
) -> None:
    watched = fuses()
    watched.flowed("MON-1", NOON, 60, 10_000 / 60)
    watched.flowed("MON-3", NOON, seconds, 7_000 * seconds / 3600)
    watched.look()
    truth = only(watched)
    assert truth.peak_w == pytest.approx(17_000)
    assert truth.over_limit_s == pytest.approx(seconds)
    assert truth.beyond_reaction_s == pytest.approx(beyond_s)


def test_a_stretch_goes_on_over_the_minutes_and_is_forgiven_once() -> None:
    watched = fuses()
    for minute in range(3):
        at = NOON + minute * MINUTE
        watched.flowed("MON-1", at, 60, 10_000 / 60)
        watched.flowed("MON-2", at, 60, 7_000 / 60)
        watched.look()
    assert only(watched).over_limit_s == pytest.approx(180)
    assert only(watched).beyond_reaction_s == pytest.approx(165)


def test_two_stretches_are_each_forgiven() -> None:
    watched = fuses()
    for at in (NOON, NOON + 2 * MINUTE):
        watched.flowed("MON-1", at, 20, 20 * 17_000 / 3600)
        watched.look()
    assert only(watched).over_limit_s == pytest.approx(40)
    assert only(watched).beyond_reaction_s == pytest.approx(10)


def test_a_slow_box_is_given_its_time() -> None:
    watched = fuses(frozenset({"slow-limits"}))
    watched.flowed("MON-1", NOON, 100, 100 * 17_000 / 3600)
    watched.look()
    assert only(watched).over_limit_s == pytest.approx(100)
    assert only(watched).beyond_reaction_s == 0
