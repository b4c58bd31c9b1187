"""Half a day at a place with more cars than EVSEs: staff moves what the service asks for."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from csms.commands.report.figures import judge
from csms.commands.virtual_days import play_days
from simulators.scenario import load_scenario
from simulators.shifts import Shift, StaffSpec
from simulators.world import World

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"


def test_staff_gives_cars_their_turns() -> None:
    """Without it car-03 stays as empty as it is, and a promise that counts on a turn is missed."""
    corner = load_scenario(CORNER)
    staff = StaffSpec(move_price=0.1, move_hours=(Shift("08:00", "14:00"),))
    north = msgspec.structs.replace(
        corner.sites[0], stations=corner.sites[0].stations[:1], cars=("city",) * 5, staff=staff
    )
    scenario = msgspec.structs.replace(
        corner,
        sites=(north,),
        start=datetime.fromisoformat("2026-06-16T06:00:00+02:00"),
        start_soc_pct=15,
        demand=msgspec.structs.replace(corner.demand, one_way_share=0.0, lead_hours=(3.0, 8.0)),
    )
    world = World(scenario)
    world.end = world.start + timedelta(hours=8)
    played = play_days(world, "plan", lambda _: None)
    truth = played.truth
    assert truth.complaints == ()
    made = [each for each in truth.moves if each.outcome == "made"]
    assert made
    assert all(8 <= each.at.astimezone(scenario.zone).hour < 14 for each in made)
    # Only the two that stood on EVSEs from the beginning are charged without staff.
    brought = {each.vehicle_id for each in made if each.to_evse is not None}
    charged = {car.id for car in truth.cars if sum(car.energy_wh) > 0}
    assert charged >= {"car-01", "car-02"} | brought
    assert brought - {"car-01", "car-02"}
    assert truth.outcomes()["missed"] == 0
    report = judge(truth, scenario, played.service, days=1, planner="plan").report
    assert report["moves"]["made"] == len(made)
    assert report["moves"]["cost"] == round(0.1 * len(made), 6)
