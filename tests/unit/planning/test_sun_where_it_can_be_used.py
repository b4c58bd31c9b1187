"""What a plant deals by need is expected where cars can use it: there, and as the grid allows."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from csms.planning.elsewhere import dealt_by_need
from models.timeline import StepGrid
from scheduler.plan import Charging
from scheduler.problem import Circuit, Site, Vehicle
from tests.builders.problems import START, evse, site, vehicle

STEPS = 16
GRID = StepGrid(START, 15, STEPS)
QUARTER = timedelta(minutes=15)


def a_trip(start: int, end: int, to: str = "A", status: str = "confirmed") -> Any:
    return SimpleNamespace(
        vehicle_id="car-1",
        status=status,
        start=START + start * QUARTER,
        end=START + end * QUARTER,
        dropoff_site_id=to,
    )


def sun_w(
    a: dict[str, Any] | None = None,
    *,
    cars: tuple[Vehicle, ...] | None = None,
    trips: tuple[Any, ...] = (),
    charging: tuple[Charging, ...] = (),
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What A and B are dealt of 6 kW, by halves where nobody can use it; a car is at each."""
    outlets = {name: (evse(f"{name}-1"), evse(f"{name}-2")) for name in "AB"}
    plant = {"steps": STEPS, "pv_power_w": (3_000.0,) * STEPS, "pv_high_power_w": (4e3,) * STEPS}
    sites: list[Site] = [
        site("A", **plant, **({"evses": outlets["A"]} | (a or {}))),
        site("B", **plant, evses=outlets["B"]),
    ]
    there = cars or (car(), vehicle("car-2", site="B", evse="B-1", max_ac_power_w=3_000.0))
    rows: Any = SimpleNamespace(
        by_need={"A": "P", "B": "P"},
        bookings=trips,
        before=SimpleNamespace(start=START, charging=charging) if charging else None,
    )
    found = dealt_by_need(sites, there, rows, GRID)
    for each in found:
        assert np.all(np.array(each.pv_high_power_w) >= np.array(each.pv_power_w) - 1e-9)
    of_a, of_b = (np.array(each.pv_power_w) for each in found)
    assert of_a + of_b == pytest.approx(np.full(STEPS, 6_000.0))
    return of_a, of_b


def car(**changes: Any) -> Vehicle:
    return vehicle(**{"evse": "A-1", "max_ac_power_w": 3_000.0, **changes})


def test_where_no_car_stands_none_is_expected_to_draw() -> None:
    both = sun_w()
    assert both[0] == pytest.approx(both[1])
    # At B alone 3 kW can be used, and the rest is sold by halves.
    only_b = vehicle("car-2", site="B", evse="B-1", max_ac_power_w=3_000.0)
    of_a, of_b = sun_w(cars=(only_b,))
    assert (of_a[0], of_b[0]) == pytest.approx((1_500.0, 4_500.0))
    full = car(soc_wh=16_000.0)
    assert sun_w(cars=(full, only_b))[0] == pytest.approx(of_a)
    away = car(available_from=STEPS, evse=None)
    assert sun_w(cars=(away, only_b))[0] == pytest.approx(of_a)


def test_cars_count_while_they_are_there_by_their_bookings() -> None:
    of_a, _ = sun_w(trips=(a_trip(4, 8), a_trip(0, 2, status="cancelled")))
    assert of_a == pytest.approx(np.array([3_000.0] * 4 + [1_500.0] * 4 + [3_000.0] * 8))
    of_a, of_b = sun_w(trips=(a_trip(4, 8, to="B"),))
    # Both cars are at B in the end, and take all.
    assert of_a == pytest.approx(np.array([3_000.0] * 4 + [1_500.0] * 4 + [0.0] * 8))
    assert of_b[-1] == pytest.approx(6_000.0)


@pytest.mark.parametrize(
    "cut",
    [
        {"import_limit_w": 0.0},
        {"import_limit_w": 5_000.0, "load_power_w": (5_000.0,) * STEPS},
        {
            "circuits": (Circuit("top", None, 20e3, load_w=((20e3,) * STEPS,)),),
            "evses": (evse("A-1", circuit="top"), evse("A-2", circuit="top")),
        },
        {
            "circuits": (Circuit("top", None, 20e3), Circuit("left", "top", 0.0)),
            "evses": (evse("A-1", circuit="left"), evse("A-2", circuit="left")),
        },
        {"evses": (evse("A-1", unavailable=((0, STEPS),)),)},
    ],
)
def test_what_a_site_is_not_allowed_to_draw_is_dealt_to_the_other(cut: dict[str, Any]) -> None:
    before = (Charging("car-1", "A-1", 0, STEPS, 3_000.0),)
    needed_w = 5_000.0 if "load_power_w" in cut else 0.0
    for charging in ((), before):
        _, of_b = sun_w(cut, charging=charging)
        left_w = 6_000.0 - needed_w
        expected_w = 1_000.0 if needed_w else 3_000.0 + (left_w - 3_000.0) / 2
        assert of_b == pytest.approx(np.full(STEPS, expected_w))


def test_a_limit_of_the_grid_counts_in_its_time() -> None:
    taken_w = tuple(20e3 - (1_000.0 if 4 <= step < 8 else 20e3) for step in range(STEPS))
    limited = {
        "circuits": (Circuit("A (limit of the grid)", None, 20e3, load_w=(taken_w,)),),
        "evses": tuple(evse(f"A-{n}", circuit="A (limit of the grid)") for n in (1, 2)),
    }
    of_a, of_b = sun_w(limited)
    expected_w = [3_000.0] * 4 + [1_000.0 + 2_000.0 / 2] * 4 + [3_000.0] * 8
    assert of_a == pytest.approx(np.array(expected_w))
    assert of_b[5] == pytest.approx(4_000.0)
