"""Limits of energy managers and of the grid: how a plan takes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from csms.planning import outside
from csms.planning.queries import read_rows
from csms.planning.snapshot import Snapshot, snapshot_of
from models.facts.held_limits import (
    HeldPeriod,
    HeldSchedule,
    OutsideLimitCleared,
    OutsideLimitReported,
)
from models.tables.energy import Circuit
from models.tables.stations import Evse, Station
from scheduler.problem import check_problem
from tests.builders.small_house import NOON, SmallHouse, small_house

HOUR = timedelta(hours=1)


async def seen(house: SmallHouse, at: datetime = NOON) -> Snapshot:
    async with house.db.read() as session:
        rows = await read_rows(session, tenant="default", now=at, horizon=timedelta(hours=48))
    return snapshot_of(rows, at)


async def furnished(house: SmallHouse, *circuits: str) -> None:
    """Puts two EVSEs at A-1, each on one of these circuits."""
    async with house.db.write(house.clock, house.ids) as work:
        for circuit in sorted(set(circuits)):
            work.session.add(
                Circuit(site_id="A", id=circuit, limit_w=20_000.0, unmanaged_load_w=0.0)
            )
        await work.session.flush()
        for evse_id, circuit in enumerate(circuits, start=1):
            work.session.add(
                Evse(
                    station="A-1",
                    evse_id=evse_id,
                    circuit_id=circuit,
                    phases=1,
                    max_power_w=7_400.0,
                    current_type="AC",
                )
            )
        row = await work.session.get_one(Station, "A-1")
        row.online, row.last_seen, row.approval = True, NOON, "accepted"


def limited(*powers_w: float, evse_id: int = 0, source: str = "EMS", **more: Any) -> Any:
    """An hour for each of these powers, from noon on."""
    schedule = HeldSchedule(
        start_at=more.get("start_at", NOON),
        duration_s=3600 * len(powers_w),
        rate_unit="W",
        periods=tuple(
            HeldPeriod(start_s=3600 * hour, limit_w=power_w)
            for hour, power_w in enumerate(powers_w)
        ),
    )
    return OutsideLimitReported(
        station="A-1",
        received_at=NOON,
        source=source,
        evse_id=evse_id,
        grid_critical=None,
        local_generation=more.get("local_generation"),
        schedules=(schedule,) if powers_w else (),
    )


def evses(snapshot: Snapshot) -> dict[str, Any]:
    return {each.id: each for site in snapshot.problem.sites for each in site.evses}


def circuits(snapshot: Snapshot) -> dict[str, float]:
    return {c.id: c.limit_w for site in snapshot.problem.sites for c in site.circuits}


async def test_a_limit_on_a_station_is_a_circuit_of_its_own(database_url: str) -> None:
    async with small_house(database_url) as house:
        await furnished(house, "cars", "cars")
        before = (await seen(house)).problem
        await house.submit(limited(5_000.0, 9_000.0))
        snapshot = await seen(house)
        name = "A-1 (limit from elsewhere)"
        assert circuits(snapshot) == {"cars": 20_000.0, name: 5_000.0}
        assert {each.circuit for each in evses(snapshot).values()} == {name}
        assert [each.max_power_w for each in evses(snapshot).values()] == [7_400.0, 7_400.0]
        check_problem(snapshot.problem)
        # Each plan asks anew what is left in the coming quarter.
        assert circuits(await seen(house, NOON + HOUR))[name] == 9_000.0
        await house.submit(
            OutsideLimitCleared(station="A-1", received_at=NOON, source="EMS", evse_id=None)
        )
        assert (await seen(house)).problem == before


async def test_what_leaves_too_little_closes_the_evses_for_its_time(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "cars", "cars")
        await house.submit(limited(0.0, 9_000.0, 1_000.0))
        await house.submit(limited(3_000.0, evse_id=2, source="SO"))
        snapshot = await seen(house)
        assert evses(snapshot)["A-1/1"].unavailable == ((0, 4), (8, 12))
        assert evses(snapshot)["A-1/2"].max_power_w == 3_000.0
        assert circuits(snapshot) == {"cars": 20_000.0}


async def test_evses_of_several_circuits_share_it(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "left", "right")
        await house.submit(limited(5_000.0))
        snapshot = await seen(house)
        assert [each.max_power_w for each in evses(snapshot).values()] == [2_500.0, 2_500.0]
        assert set(circuits(snapshot)) == {"left", "right"}


async def test_what_says_nothing_sensible_changes_no_plan(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "cars", "cars")
        before = (await seen(house)).problem
        far = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
        for wrong in (limited(), limited(1.0, start_at=far), limited(5.0, evse_id=99)):
            await house.submit(wrong)
            assert (await seen(house)).problem == before


async def test_what_a_roof_gives_takes_nothing_away(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "cars", "cars")
        before = (await seen(house)).problem
        await house.submit(limited(0.0, 3_000.0, local_generation=True))
        assert (await seen(house)).problem == before


async def test_a_station_that_is_away_hides_no_later_limit(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "cars", "cars")
        await house.submit(limited(*[9_000.0] * 40, 0.0))
        async with house.db.write(house.clock, house.ids) as work:
            (await work.session.get_one(Station, "A-1")).online = False
        away, later = evses(await seen(house))["A-1/1"].unavailable
        assert (away[0], later) == (0, (160, 164))


async def test_a_limit_is_read_once_for_a_plan_and_not_for_evses_that_are_not_there(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "cars", "cars")
        for number in range(3):
            await house.submit(limited(9_000.0, evse_id=99, source=f"S{number}"))
        await house.submit(limited(*[8_000.0 - number for number in range(100)]))
        read: list[Any] = []

        def convert(value: Any, kind: Any) -> Any:
            read.append(value)
            return msgspec.convert(value, kind)

        monkeypatch.setattr(outside, "msgspec", SimpleNamespace(convert=convert))
        assert circuits(await seen(house))["A-1 (limit from elsewhere)"] == 8_000.0
        assert len(read) == 1


async def test_periods_count_in_the_order_of_time(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, "cars", "cars")
        fact = limited(0.0, 9_000.0, 0.0)
        (schedule,) = fact.schedules
        turned = msgspec.structs.replace(schedule, periods=schedule.periods[::-1])
        await house.submit(msgspec.structs.replace(fact, schedules=(turned,)))
        assert evses(await seen(house))["A-1/1"].unavailable == ((0, 4), (8, 12))
