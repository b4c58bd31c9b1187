"""What may be simulated, and what a process that does it says."""

from __future__ import annotations

import msgspec
import pytest

from csms.simulations.rules import CARS_MAX, EVSES_MAX, progress_of, reason_of, too_large
from simulators.changes import Changes, MoreCars, MoreStation
from simulators.scenario import load_scenario

CONFLUENCE = load_scenario("confluence")


def test_what_is_shipped_is_not_too_large() -> None:
    assert list(too_large(CONFLUENCE, Changes(), 31)) == []


def test_a_town_that_nobody_waits_for_is_named_by_its_place() -> None:
    site = CONFLUENCE.sites[0]
    crowded = msgspec.structs.replace(site, cars=("city-145",) * (CARS_MAX + 1))
    kinds = (msgspec.structs.replace(CONFLUENCE.station_kinds[0], evses=100),)
    stations = tuple(
        msgspec.structs.replace(site.stations[0], identity=f"X-{number}")
        for number in range(EVSES_MAX // 100 + 1)
    )
    busy = msgspec.structs.replace(CONFLUENCE.demand, trips_per_car_day=100.0)
    many = (MoreCars("nautique", "city-145", 300),)
    towns = [
        (msgspec.structs.replace(CONFLUENCE, sites=(crowded,)), Changes(), 1),
        (CONFLUENCE, Changes(add_cars=many), 1),
        (
            msgspec.structs.replace(
                CONFLUENCE,
                sites=(msgspec.structs.replace(site, stations=stations),),
                station_kinds=kinds,
            ),
            Changes(),
            1,
        ),
        (msgspec.structs.replace(CONFLUENCE, demand=busy), Changes(), 31),
    ]
    found = [next(iter(too_large(*town))).field for town in towns]
    assert found == [
        "/scenario/sites",
        "/changes/add_cars",
        "/scenario/sites",
        "/scenario/demand/trips_per_car_day",
    ]


def test_stations_that_are_added_count_by_their_evses() -> None:
    town = msgspec.structs.replace(
        CONFLUENCE,
        station_kinds=(
            *CONFLUENCE.station_kinds,
            msgspec.structs.replace(CONFLUENCE.station_kinds[0], id="huge", evses=100),
        ),
    )
    more = tuple(MoreStation("nautique", f"X-{number}", "huge") for number in range(6))
    found = list(too_large(town, Changes(add_stations=more), 1))
    assert [each.field for each in found] == ["/changes/add_stations"]
    strange = (MoreStation("nautique", "X", "unknown"),)
    assert list(too_large(town, Changes(add_stations=strange), 1)) == []


@pytest.mark.parametrize(
    ("line", "share"),
    [
        (b'{"progress": 0.25}\n', 0.25),
        (b'{"progress": 1.0}\n', 1.0),
        (b'{"progress": 9.0}\n', 1.0),
        (b'{"progress": nan}\n', None),
        (b"Energy, all in all\n", None),
        (b"", None),
    ],
)
def test_only_lines_of_progress_are_progress(line: bytes, share: float | None) -> None:
    assert progress_of(line) == share


def test_why_a_process_ended_badly_is_its_last_line() -> None:
    assert reason_of(2, ["warning", "heliofleet: no such scenario", ""]) == "no such scenario"
    assert reason_of(1, []) == "the process ended with 1"
    assert reason_of(-9, ["x"]) == "the process was ended by signal 9"
