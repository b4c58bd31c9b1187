"""A battery of a site follows its schedule, else the meter, keeps to physics, makes no energy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.battery import Setpoint, SiteBattery
from simulators.scenario import BatterySpec

START = datetime(2026, 6, 15, tzinfo=UTC)
specs = st.builds(
    BatterySpec,
    capacity_wh=st.floats(1, 1e6),
    max_power_w=st.floats(1, 1e6),
    efficiency=st.floats(0.1, 1),
)
wanted = st.none() | st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
"""The power that the plan wants, and what it expects at the grid; None: it says nothing."""
flows = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e5), st.integers(1, 60), wanted),
    min_size=1,
    max_size=40,
)


@given(specs, flows)
def test_any_battery_keeps_to_physics(
    spec: BatterySpec, flows: list[tuple[float, float, int, tuple[float, float] | None]]
) -> None:
    battery = SiteBattery(spec, len(flows))
    taken_wh = given_wh = cars_wh = 0.0
    now = START
    for step, (rest_w, drawn_wh, minutes, wish) in enumerate(flows):
        hours, cars_wh = minutes / 60, cars_wh + drawn_wh
        net_w = rest_w + drawn_wh / hours
        over = now + timedelta(minutes=minutes)
        battery.follow(() if wish is None else (Setpoint(now, over, *wish),))
        power_w = battery.run(rest_w, cars_wh, now=now, hours=hours, step=step)
        now = over
        slack_w = 1e-6 * max(1.0, abs(net_w), cars_wh / hours)
        assert abs(power_w) <= spec.max_power_w + slack_w
        if net_w < -slack_w:
            assert power_w >= 0, "nothing is given to be sold"
        elif net_w > slack_w:
            assert power_w >= -net_w - slack_w, "no more than would be bought"
        if wish is None or wish[0] <= 0:
            assert power_w <= max(0.0, -net_w) + slack_w, "nothing is bought to be stored"
        taken_wh += max(0.0, power_w) * hours
        given_wh += max(0.0, -power_w) * hours
        stored_wh = battery.truth().stored_wh
        assert -1e-3 <= stored_wh <= spec.capacity_wh + 1e-3
    kept_wh = taken_wh * spec.efficiency - given_wh / spec.efficiency
    assert battery.truth().stored_wh == pytest.approx(kept_wh, rel=1e-6, abs=0.01)
    assert battery.take_wh() == pytest.approx(taken_wh - given_wh, rel=1e-6, abs=0.01)
    assert battery.take_wh() == 0


@pytest.mark.parametrize(
    ("power_w", "grid_w", "net_w", "does_w"),
    [
        (3_000.0, 4_000.0, 1_000.0, 3_000.0),  # what is to be bought is bought
        (3_000.0, 4_000.0, -3_500.0, 3_500.0),  # and sun that is left over stored
        (3_000.0, 0.0, -2_000.0, 2_000.0),  # less sun than forecast: nothing is bought for it
        (3_000.0, 0.0, 500.0, 0.0),
        (0.0, 2_000.0, 2_000.0, 0.0),  # what is saved stays saved
        (0.0, -2_000.0, -2_500.0, 2_500.0),
        (-1_000.0, 0.0, 1_500.0, -1_500.0),  # what is covered wholly stays covered
        (-1_000.0, 500.0, 1_500.0, -1_000.0),
        (-1_000.0, 500.0, 700.0, -700.0),  # nothing is given to be sold
        (-1_000.0, 500.0, -700.0, 0.0),
    ],
)
def test_a_battery_does_what_the_plan_means(
    power_w: float, grid_w: float, net_w: float, does_w: float
) -> None:
    battery = SiteBattery(BatterySpec(10_000.0, 5_000.0, 1.0), 2)
    hour = timedelta(hours=1)
    battery.run(-5_000.0, 0.0, now=START, hours=1.0, step=0)
    battery.follow((Setpoint(START + hour, START + 2 * hour, power_w, grid_w),))
    assert battery.run(net_w, 0.0, now=START + hour, hours=1.0, step=0) == does_w
    assert battery.run(1_000.0, 0.0, now=START + 2 * hour, hours=1.0, step=1) == -1_000.0
