"""Half a day whose clouds are faster than its planner: the loop between plans takes the sun."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from csms import app
from csms.commands.virtual_days import play_days
from csms.surplus.rules import SWITCHES_PER_HOUR
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
CLOUDS = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0, 0], dtype=bool)
"""By five minutes: the sun comes back for ten to fifteen of them."""


def play(hours: int, *, follow: bool) -> Truth:
    """Plays hours in which three cars with room for all the sun stand at a site."""
    corner = load_scenario(CORNER)
    scenario = msgspec.structs.replace(
        corner,
        sites=(msgspec.structs.replace(corner.sites[0], follow_surplus=follow),),
        demand=msgspec.structs.replace(corner.demand, trips_per_car_day=0.0),
        start=datetime.fromisoformat("2026-06-16T10:00:00+02:00"),
        measure_every_minutes=5,
        meter_every_s=60,
        start_soc_pct=20,
    )
    world = World(scenario)
    world.end = world.start + timedelta(hours=hours)
    pv_w = world.places["north"].pv_w
    pv_w[:] = np.where(np.resize(CLOUDS, len(pv_w)), 5500.0, 900.0)
    return play_days(world, "plan", lambda _: None).truth


def sun_in_cars_wh(truth: Truth) -> float:
    """Returns what the sun's surplus has given to cars, by quarters of an hour."""
    (site,) = truth.sites
    spare_w = np.maximum(0.0, np.subtract(site.pv_power_w, site.load_power_w))
    return float(np.minimum(spare_w, site.charging_power_w).sum()) / 4


def by_evse(truth: Truth) -> dict[tuple[str, int], list[float]]:
    """Returns the limits that each EVSE was sent, in their order."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for each in truth.limits:
        if each.evse_id > 0:
            found[each.station, each.evse_id].append(each.limit_w)
    return found


@pytest.mark.parametrize("hours", [3, pytest.param(6, marks=pytest.mark.soak)])
def test_cars_take_the_sun_between_clouds_that_are_faster_than_plans(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A planner that has more to plan than one corner of a town.
    monkeypatch.setattr(app, "REPLAN_GAP_SIMULATED", timedelta(minutes=15))
    with_loop, without = play(hours, follow=True), play(hours, follow=False)
    for truth in (with_loop, without):
        assert truth.complaints == ()
        assert all(each.beyond_reaction_s == 0 for each in truth.circuits)
    # Measured over six hours: 12.5 and 10.3 kWh.
    assert sun_in_cars_wh(with_loop) > 1.1 * sun_in_cars_wh(without)
    sent = by_evse(with_loop)
    assert sent
    for limits_w in sent.values():
        # Four plans an hour, and one correction for each time that the meters speak.
        assert len(limits_w) <= (4 + 12) * hours
        switches = sum((a > 0) != (b > 0) for a, b in pairwise(limits_w))
        assert switches <= (4 + SWITCHES_PER_HOUR) * hours
