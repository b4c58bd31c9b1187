"""A scenario's battery is run by the service's own plan: night's energy for a dear evening."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from csms.commands.virtual_days import play_days
from simulators.scenario import BatterySpec, load_scenario
from simulators.world import World

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
BATTERY = BatterySpec(capacity_wh=10_000.0, max_power_w=4_000.0)


def test_a_battery_buys_at_night_what_the_evening_takes() -> None:
    corner = load_scenario(CORNER)
    # Without sun there is nothing to store but what is bought.
    north = msgspec.structs.replace(corner.sites[0], battery=BATTERY, pv_plants=())
    world = World(msgspec.structs.replace(corner, sites=(north,)))
    truth = play_days(world, "plan", lambda _: None).truth
    assert truth.complaints == ()
    site = truth.sites[0]
    assert site.battery is not None
    energy_kwh = np.array(site.battery.power_w) / 4000
    assert energy_kwh[:24].sum() > 1.0, "at 0.16 until six"
    assert energy_kwh[68:88].sum() < -1.0, "at 0.22 to 0.26 from five to ten"
    paid = float(energy_kwh @ site.import_price_per_kwh)
    assert paid < 0.16 * site.battery.stored_wh / 1000, "more than what is left is worth"
