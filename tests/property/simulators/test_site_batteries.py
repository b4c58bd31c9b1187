"""A battery of a site takes what is left, gives what is short, and makes no energy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.battery import SiteBattery
from simulators.scenario import BatterySpec

specs = st.builds(
    BatterySpec,
    capacity_wh=st.floats(1, 1e6),
    max_power_w=st.floats(1, 1e6),
    efficiency=st.floats(0.1, 1),
)
flows = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e5), st.integers(1, 60)), min_size=1, max_size=40
)


@given(specs, flows)
def test_any_battery_keeps_to_physics(
    spec: BatterySpec, flows: list[tuple[float, float, int]]
) -> None:
    battery = SiteBattery(spec, len(flows))
    taken_wh = given_wh = cars_wh = 0.0
    for step, (rest_w, drawn_wh, minutes) in enumerate(flows):
        hours, cars_wh = minutes / 60, cars_wh + drawn_wh
        net_w = rest_w + drawn_wh / hours
        power_w = battery.run(rest_w, cars_wh, hours=hours, step=step)
        slack_w = 1e-6 * max(1.0, abs(net_w), cars_wh / hours)
        assert abs(power_w) <= spec.max_power_w + slack_w
        if net_w < -slack_w:
            assert 0 <= power_w <= -net_w + slack_w, "only what would be sold"
        elif net_w > slack_w:
            assert -net_w - slack_w <= power_w <= 0, "only what would be bought"
        taken_wh += max(0.0, power_w) * hours
        given_wh += max(0.0, -power_w) * hours
        stored_wh = battery.truth().stored_wh
        assert -1e-3 <= stored_wh <= spec.capacity_wh + 1e-3
    kept_wh = taken_wh * spec.efficiency - given_wh / spec.efficiency
    assert battery.truth().stored_wh == pytest.approx(kept_wh, rel=1e-6, abs=0.01)
    assert battery.take_wh() == pytest.approx(taken_wh - given_wh, rel=1e-6, abs=0.01)
    assert battery.take_wh() == 0
