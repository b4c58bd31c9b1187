"""A scenario with a history: what is refused, what is played, and what changes make of it."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.errors import BadInput
from simulators.changes import changed, changes_of
from simulators.happenings import Asks
from simulators.replayed import prices_at
from simulators.scenario import Scenario, scenario_of
from simulators.world import World

CORNER = Path(__file__).parents[2] / "fixtures" / "scenarios" / "corner.toml"
START = datetime(2026, 6, 15, 22, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUN = tuple(float(max(0, 40 - abs(step - 48)) * 100) for step in range(96))
LOAD = tuple(float(200 + step) for step in range(96))


def booked(hour: float, **fields: Any) -> dict[str, Any]:
    """Returns a booking from north that begins so many hours after the start."""
    start = START + hour * HOUR
    return {
        "asked_at": (start - HOUR).isoformat(),
        "start": start.isoformat(),
        "end": (start + 2 * HOUR).isoformat(),
        "driver": 1,
        "pickup_site": "north",
        "dropoff_site": "south",
        "distance_km": 12.0,
    } | fields


def document(*bookings: dict[str, Any], **north: Any) -> dict[str, Any]:
    """Returns the corner with a day that has been, of which north was measured."""
    town = tomllib.loads(CORNER.read_text())
    town["sites"][0]["history"] = {"pv_power_w": SUN, "load_power_w": LOAD} | north
    return town | {
        "start": town["start"].isoformat(),
        "history": {"bookings": list(bookings)},
    }


def corner(*bookings: dict[str, Any], **north: Any) -> Scenario:
    return scenario_of(document(*bookings, **north), source="corner")


def series_w(world: World, site: str, name: str) -> np.ndarray[Any, Any]:
    return getattr(world.places[site], name).reshape(-1, 3).mean(axis=1)


def test_what_was_measured_is_played_and_the_rest_is_drawn() -> None:
    past = World(corner(), seed=3)
    drawn = World(scenario_of(document() | {"history": None}, source="corner"), seed=3)
    assert series_w(past, "north", "pv_w").tolist() == list(SUN)
    assert series_w(past, "north", "load_w").tolist() == list(LOAD)
    assert (past.places["south"].pv_w == drawn.places["south"].pv_w).all()


def test_people_ask_when_they_asked() -> None:
    early = booked(3, asked_at=(START - 30 * HOUR).isoformat(), returns_after_minutes=-20)
    world = World(corner(booked(9), early, booked(12, cancels_before_minutes=30)))
    world.advance(world.end)
    wishes = [each.wish for each in world.due() if isinstance(each, Asks)]
    asked = [(wish.asked_at - START) / HOUR for wish in wishes]
    assert asked == [5 / 60, 8, 11], "who asked before, at the beginning"
    first = wishes[0]
    assert (first.start, first.pickup_site_id, first.dropoff_site_id) == (
        START + 3 * HOUR,
        "north",
        "south",
    )
    assert first.habits.returns_after_minutes == -20
    assert wishes[2].habits.cancels_before_minutes == 30


def test_prices_are_those_of_the_day_and_go_on_as_on_its_last() -> None:
    prices = [0.1] * 48 + [-0.02] * 48
    scenario = corner(import_price_per_kwh=prices)
    site = scenario.sites[0]
    found = prices_at(scenario, site, START + 6 * HOUR, 3 * 96)
    assert found.import_price_per_kwh[:96] == tuple(prices[24:] + prices[:24])
    assert found.import_price_per_kwh[96:192] == found.import_price_per_kwh[:96]
    assert set(found.export_price_per_kwh) == {0.06}, "nothing else is known"
    assert len(found.import_co2_g_per_kwh) == 3 * 96


def change(**fields: Any) -> tuple[Scenario, Scenario]:
    before = corner(import_price_per_kwh=[0.2] * 96, export_price_per_kwh=[0.08] * 96)
    return before, changed(before, changes_of(fields, source="changes"), source="changes")


def test_another_roof_has_the_measured_sky() -> None:
    before, other = change(pv=[{"site": "north", "factor": 3}])
    today, then = (series_w(World(each), "north", "pv_w") for each in (before, other))
    assert then.sum() == pytest.approx(3 * today.sum(), rel=1e-6)
    _, none = change(pv=[{"site": "north", "factor": 0}])
    assert series_w(World(none), "north", "pv_w").sum() == 0
    _, more = change(pv=[{"site": "north", "added_peak_power_w": 6000, "azimuth_deg": 90}])
    assert series_w(World(more), "north", "pv_w").sum() > 1.5 * today.sum()


def test_another_weather_is_drawn() -> None:
    _, other = change(weather=["overcast"])
    assert series_w(World(other), "north", "pv_w").sum() < 0.6 * sum(SUN)
    assert series_w(World(other), "north", "load_w").tolist() == list(LOAD)


def test_another_tariff_and_another_building() -> None:
    fields: dict[str, Any] = {
        "prices": {"import_factor": 1.5, "export_price_per_kwh": 0.01},
        "buildings": [{"site": "north", "load_factor": 0.5}],
    }
    _, other = change(**fields)
    found = prices_at(other, other.sites[0], START, 96)
    assert set(found.import_price_per_kwh) == {0.2 * 1.5}
    assert set(found.export_price_per_kwh) == {0.01}
    assert series_w(World(other), "north", "load_w")[10] == pytest.approx(LOAD[10] / 2)
    _, hours = change(prices={"import_price_per_kwh": [0.5] * 24})
    assert set(prices_at(hours, hours.sites[0], START, 96).import_price_per_kwh) == {0.5}


@pytest.mark.parametrize(
    ("wrong", "field", "word"),
    [
        (document(pv_power_w=[1.0] * 95), "/sites/0/history/pv_power_w", "has 95 steps"),
        (document(load_power_w=[-1.0] * 96), "/sites/0/history/load_power_w/0", "Expected"),
        (document(booked(5, pickup_site="moon")), "/history/bookings/0/pickup_site", "unknown"),
        (document(booked(5, end=START.isoformat())), "/history/bookings/0/end", "not after"),
        (document(booked(5, start="2026-06-16T09:00:00")), "/history/bookings/0/start", "zone"),
        (document(booked(5, driver=0)), "/history/bookings/0/driver", "Expected"),
    ],
)
def test_a_wrong_history_is_refused_with_its_place(
    wrong: dict[str, Any], field: str, word: str
) -> None:
    with pytest.raises(BadInput) as refused:
        scenario_of(wrong, source="corner")
    (error,) = refused.value.errors
    assert error.field == field
    assert word in error.detail


def test_a_count_that_no_report_has_words_for_is_refused() -> None:
    wrong = document()
    wrong["history"]["counts"] = {"odd.phase_limits": 1, "odd.x": 1, "trips": 3, "later": 4}
    with pytest.raises(BadInput, match=r"unknown count 'odd\.x', must be one of odd\.batter") as no:
        scenario_of(wrong, source="corner")
    assert [each.field for each in no.value.errors] == ["/history/counts"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"days": 2}, "/days"),
        ({"start": START + timedelta(days=1)}, "/start"),
        ({"faults": ("forecast-error",)}, "/faults"),
    ],
)
def test_only_days_that_have_been_are_played(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        World(corner(), **asked)
    assert [each.field for each in refused.value.errors] == [field]


def test_a_scenario_with_a_history_is_written_and_read_the_same() -> None:
    scenario = corner(booked(9))
    assert scenario_of(msgspec.json.decode(msgspec.json.encode(scenario)), source="x") == scenario
