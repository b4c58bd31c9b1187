"""Half a day whose clouds are faster than its planner: the loop between plans takes the sun."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from csms import app
from csms.commands.virtual_days import play_days
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
CLOUDS = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0, 0], dtype=bool)
"""By five minutes: the sun comes back for ten to fifteen of them."""


def half_a_day(*, follow: bool) -> tuple[Truth, float]:
    """Plays it, and returns what happened and how much sun there was to spare, in Wh."""
    corner = load_scenario(CORNER)
    north = msgspec.structs.replace(corner.sites[0], follow_surplus=follow)
    calm = msgspec.structs.replace(corner.demand, trips_per_car_day=0.0)
    scenario = msgspec.structs.replace(
        corner,
        sites=(north,),
        demand=calm,
        start=datetime.fromisoformat("2026-06-16T10:00:00+02:00"),
        measure_every_minutes=5,
        meter_every_s=60,
        start_soc_pct=20,
    )
    world = World(scenario)
    world.end = world.start + timedelta(hours=6)
    place = world.places["north"]
    place.pv_w[:] = np.where(np.resize(CLOUDS, len(place.pv_w)), 5500.0, 900.0)
    truth = play_days(world, "plan", lambda _: None).truth
    bins = slice(0, 6 * 12)
    return truth, float(np.maximum(0.0, place.pv_w - place.load_w)[bins].sum()) / 12


def sun_in_cars_wh(truth: Truth) -> float:
    """Returns what the sun's surplus has given to cars, by quarters of an hour."""
    (site,) = truth.sites
    spare_w = np.maximum(0.0, np.subtract(site.pv_power_w, site.load_power_w))
    return float(np.minimum(spare_w, site.charging_power_w).sum()) / 4


def test_clouds_that_are_faster_than_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    # A planner that has more to plan than one corner of a town.
    monkeypatch.setattr(app, "REPLAN_GAP_SIMULATED", timedelta(minutes=15))
    (with_loop, _), (without, _) = half_a_day(follow=True), half_a_day(follow=False)
    for truth in (with_loop, without):
        assert truth.complaints == ()
        assert all(each.beyond_reaction_s == 0 for each in truth.circuits)
    assert sun_in_cars_wh(with_loop) > sun_in_cars_wh(without)
