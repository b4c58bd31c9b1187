"""Which cars staff can still bring to an outlet: no more than there are outlets that work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from csms.planning.queries import Rows
from csms.planning.staffed import brought_by_staff
from models.tables.booking import Booking
from models.timeline import StepGrid
from scheduler.problem import Evse, Vehicle
from tests.builders.problems import site, vehicle

NOW = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
GRID = StepGrid(NOW, 15, 192)
LAME = vehicle("lame", soc_wh=4000.0)
DEAD = ((0, GRID.steps),)


def outlet(name: str, power_w: float = 7400.0, **more: Any) -> Evse:
    return Evse(name, None, power_w, 1380.0, more.pop("current_type", "AC"), **more)


def brought(
    cars: Sequence[Vehicle],
    outlets: Sequence[Evse],
    hours: dict[str, float],
    *,
    km: float = 50,
    back_at: datetime = NOW - timedelta(days=1),
    refused: frozenset[str] = frozenset(),
) -> dict[str, float]:
    """Returns with what power cars are brought to an outlet that leave in so many hours."""
    model = SimpleNamespace(max_ac_power_w=7400.0, max_dc_power_w=50_000.0)
    rows = SimpleNamespace(
        vehicles=[
            (SimpleNamespace(id=car.id, returned_at=back_at, created_at=NOW), model) for car in cars
        ],
        bookings=[
            Booking(
                id=name,
                vehicle_id=name,
                status="confirmed",
                start=NOW + timedelta(hours=later),
                distance_km=km,
            )
            for name, later in sorted(hours.items(), key=lambda each: each[1])
        ],
        refused=refused,
    )
    place = site(steps=GRID.steps, evses=tuple(outlets), move_price=0.5, move_windows=((0, 192),))
    found = brought_by_staff(cars, [place], cast("Rows", rows), GRID, NOW)
    return {name: car.max_ac_power_w for name, car in found.items()}


def test_a_car_is_brought_to_an_outlet_that_works_and_has_no_more_than_its_power() -> None:
    hours = {"lame": 3}
    assert brought([LAME], [outlet("1", 2300.0)], hours) == {"lame": 2300.0}
    assert brought([LAME], [outlet("1", 22_000.0)], hours) == {"lame": 7400.0}
    fast = outlet("2", 30_000.0, current_type="DC")
    assert brought([LAME], [outlet("1"), fast], hours) == {"lame": 30_000.0}
    assert brought([LAME], [outlet("1", unavailable=DEAD)], hours) == {}
    assert brought([LAME], [outlet("1", unavailable=((8, 20),))], hours) == {}, "closed by then"
    assert brought([LAME], [], hours) == {}


def test_an_outlet_takes_one_car_and_first_the_one_that_leaves_first() -> None:
    cars = [LAME, vehicle("other", soc_wh=3000.0), vehicle("full", soc_wh=15_000.0)]
    hours = {"lame": 3, "other": 2, "full": 1}
    assert brought(cars, [outlet("1")], hours) == {"other": 7400.0}, "the full one needs none"
    both = [outlet("1", 2300.0), outlet("2")]
    assert brought(cars, both, hours) == {"other": 7400.0, "lame": 2300.0}


def test_who_needs_an_outlet_or_can_not_be_moved_keeps_it() -> None:
    there = vehicle("there", soc_wh=4000.0, evse="1")
    full = vehicle("there", soc_wh=15_000.0, evse="1")
    hours = {"lame": 3, "there": 9}
    assert brought([LAME, there], [outlet("1")], hours) == {}
    assert brought([LAME, full], [outlet("1")], hours) == {"lame": 7400.0}
    stays = frozenset({"there"})
    assert brought([LAME, full], [outlet("1")], hours, refused=stays) == {}
    assert brought([LAME], [outlet("1")], hours, refused=frozenset({"lame"})) == {}
    dead = vehicle("lame", soc_wh=4000.0, evse="2")
    outlets = [outlet("1"), outlet("2", unavailable=DEAD)]
    assert brought([dead], outlets, hours) == {"lame": 7400.0}


def test_who_has_just_come_back_plugs_in_without_staff() -> None:
    assert brought([LAME], [outlet("1")], {"lame": 3}, back_at=NOW) == {}
