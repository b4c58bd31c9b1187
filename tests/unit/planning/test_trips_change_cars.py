"""Two trips change cars where one can't go, but never at the cost of a promise that comes later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csms.planning import exchanges
from csms.planning.exchanges import exchanged
from models.tables.booking import Booking
from models.timeline import StepGrid
from scheduler.problem import Vehicle
from tests.builders.problems import vehicle

NOW = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
GRID = StepGrid(NOW, 15, 96)


def trip(name: str, car: str, hours: tuple[float, float], km: float, **more: Any) -> Booking:
    """Returns a promise from A to A, unless said otherwise."""
    return Booking(
        **{
            "id": name,
            "vehicle_id": car,
            "status": "confirmed",
            "start": NOW + timedelta(hours=hours[0]),
            "end": NOW + timedelta(hours=hours[1]),
            "distance_km": km,
            "pickup_site_id": "A",
            "dropoff_site_id": "A",
            "vehicle_class": None,
            **more,
        }
    )


LAME, FULL = vehicle("lame", soc_wh=4000.0), vehicle("full", soc_wh=14_000.0)
"""Neither hangs at an outlet; from its next return on a car is taken to find one."""
FAR = trip("far", "lame", (2, 3.75), 50)
NEAR = trip("near", "full", (3, 4), 15)
BOTH = {"far": "full", "near": "lame"}


def changed(
    *more: Booking,
    far: Booking = FAR,
    near: Booking = NEAR,
    cars: tuple[Vehicle, ...] = (LAME, FULL),
    brought: dict[str, Vehicle] | None = None,
) -> dict[str, str]:
    """Returns which trips get which cars."""
    rows = sorted([far, near, *more], key=lambda row: row.start)
    found = exchanged(rows, GRID, NOW, {}, {"A": cars}, brought or {})
    return {name: car.id for name, car in found.items()}


def test_a_trip_gets_a_car_whose_own_trip_the_lame_one_can_make() -> None:
    assert changed() == BOTH


@pytest.mark.parametrize(("km", "made"), [(40, True), (60, False), (120, True)])
def test_a_later_trip_of_the_car_keeps_its_energy(km: float, *, made: bool) -> None:
    """One that the car could not make anyway speaks against nothing."""
    assert changed(trip("later", "full", (4.5, 6), km)) == (BOTH if made else {})


@pytest.mark.parametrize(("km", "made"), [(30, True), (70, False)])
def test_a_later_trip_of_the_lame_car_keeps_its_energy_too(km: float, *, made: bool) -> None:
    # It could have charged from an hour before on, had it come back from a trip.
    first = trip("first", "lame", (0.25, 0.5), 1)
    later = trip("later", "lame", (4.5, 6), km)
    lame = vehicle("lame", soc_wh=2000.0)
    far = trip("far", "lame", (1, 3.75), 50)
    cars = (lame, FULL)
    assert changed(first, later, far=far, cars=cars) == (BOTH if made else {})


def test_a_free_car_keeps_what_it_is_promised_for_later() -> None:
    free = vehicle("free", soc_wh=12_000.0)
    cars = (LAME, FULL, free)
    assert changed(cars=cars) == {"far": "free"}
    later = trip("later", "free", (4.5, 6), 70)
    assert changed(later, cars=cars) == {"far": "full", "near": "free"}, "for which it has enough"


def test_a_car_that_has_gone_elsewhere_by_then_is_not_there() -> None:
    free = vehicle("free", soc_wh=12_000.0)
    there = trip("there", "free", (0.5, 1), 5, dropoff_site_id="B")
    back = trip("back", "free", (1.25, 1.75), 5, pickup_site_id="B")
    cars = (LAME, FULL, free)
    assert changed(there, cars=cars) == BOTH
    assert changed(there, back, cars=cars) == {"far": "free"}


def test_who_would_be_elsewhere_for_a_later_trip_changes_with_nobody() -> None:
    later = trip("later", "full", (5, 6), 5)
    one_way = trip("far", "lame", (2, 3.75), 50, dropoff_site_id="B")
    assert changed(far=one_way) == BOTH
    assert changed(later, far=one_way) == {}
    on = trip("later", "full", (5, 6), 5, pickup_site_id="B")
    assert changed(on, near=trip("near", "full", (3, 4), 15, dropoff_site_id="B")) == {}


@pytest.mark.parametrize(("step", "made"), [(2, False), (7, True), (None, True)])
def test_nobody_changes_with_a_car_that_staff_is_still_to_bring(
    step: int | None, *, made: bool
) -> None:
    brought = {} if step is None else {"lame": replace(LAME, available_from=step)}
    assert changed(brought=brought) == (BOTH if made else {})


def test_of_many_pairs_that_could_change_few_are_looked_at_with_their_later_trips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    reckon = exchanges._Exchanges._made

    def counted(self: Any, car: Vehicle, trips: Any) -> dict[str, float]:
        made.append(car.id)
        return reckon(self, car, trips)

    monkeypatch.setattr(exchanges._Exchanges, "_made", counted)
    able = [vehicle(f"full-{n}", soc_wh=14_000.0) for n in range(20)]
    low = [vehicle(f"low-{n}", soc_wh=5000.0) for n in range(20)]
    trips = [trip(f"near-{n}", f"full-{n}", (3, 4), 15) for n in range(20)]
    later = [trip(f"later-{car.id}", car.id, (5, 6), 5) for car in (*able, *low)]
    found = changed(*trips[1:], *later, near=trips[0], cars=(LAME, *able, *low))
    # Those that are left with most; of like ones the last by name.
    assert found == {"far": "full-9", "near-9": "low-9"}
    assert len(made) <= 2 * len(able) + 2
