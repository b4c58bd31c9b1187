"""The ledger of sun: who drew what the roof gave, quarter by quarter, each counted once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from csms.charging.reactions import FOLLOWED, SunLedger
from csms.charging.sunshine import (
    drawn_between,
    drawn_by_span,
    metered_by_span,
)
from csms.energy.actions import store_measurements
from csms.energy.sharing import create_shared_plant, store_shared_measurements
from models.tables.charging import Transaction
from models.tables.energy import SharedPlant, Site
from tests.builders.small_house import NOON, SmallHouse, small_house


@asynccontextmanager
async def sunny_house(url: str) -> AsyncIterator[tuple[SmallHouse, SunLedger]]:
    """A house whose ledger of sun follows what is measured; its own clock is not started."""
    async with small_house(url) as house:
        sun = SunLedger(db=house.db, clock=house.clock, ids=house.ids, activity=house.activity)
        house.bus.subscribe("sun", FOLLOWED, sun.heard)
        yield house, sun


async def measure(
    house: SmallHouse, pv_w: float, load_w: float | None = None, at: datetime | None = None
) -> None:
    async with house.db.write(house.clock, house.ids) as work:
        site = await work.session.get(Site, "A")
        assert site is not None
        values = {"pv_power_w": pv_w, "load_power_w": load_w, "grid_power_w": None}
        await store_measurements(work, site, [{"measured_at": at or house.clock.now(), **values}])
    await house.activity.quiet()


async def charge(
    house: SmallHouse, *, minutes: float, power_w: float, ocpp_id: str = "tx-a", evse: int = 1
) -> None:
    """A transaction begins and charges for so long; the clock moves with it."""
    begun = house.clock.now()
    first = house.read(1000.0, power_w=power_w)
    await house.submit(house.event_2x("started", 0, first, ocpp_id=ocpp_id, evse=evse))
    house.clock.later(minutes=minutes)
    wh = 1000.0 + power_w * (house.clock.now() - begun) / timedelta(hours=1)
    last = house.read(wh, power_w=power_w)
    await house.submit(house.event_2x("updated", 1, last, ocpp_id=ocpp_id, evse=evse))


async def solar_wh(house: SmallHouse, ocpp_id: str = "tx-a") -> float:
    return (await house.one(Transaction, ocpp_transaction_id=ocpp_id)).solar_wh


async def test_the_sun_of_the_running_quarter_shows_as_soon_as_it_is_measured(
    database_url: str,
) -> None:
    async with sunny_house(database_url) as (house, _):
        await charge(house, minutes=3, power_w=4000)
        await measure(house, pv_w=6000, load_w=1000)
        assert await solar_wh(house) == pytest.approx(200)


async def test_what_a_transaction_told_before_its_evse_was_known_is_its_own(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        told = [(0, 1000.0, 0), (5, 1400.0, 0), (10, 1900.0, 1), (15, 2100.0, 1)]
        for number, (minute, wh, evse) in enumerate(told):
            house.clock.later(minutes=minute - told[max(number - 1, 0)][0])
            kind = "updated" if number else "started"
            await house.submit(house.event_2x(kind, number, house.read(wh), evse=evse))
        edges = [NOON + timedelta(minutes=each) for each in (0, 6, 16)]
        async with house.db.read() as session:
            drawn = await drawn_by_span(session, edges, None)
    assert [[each.energy_wh for each in some] for some in drawn] == [[400.0], [700.0]]


async def test_what_the_roof_does_not_cover_is_no_sun(database_url: str) -> None:
    async with sunny_house(database_url) as (house, _sun):
        await charge(house, minutes=3, power_w=4000)
        await measure(house, pv_w=2000, load_w=1000)
        assert await solar_wh(house) == pytest.approx(50)
        house.clock.later(minutes=3)
        await measure(house, pv_w=0, load_w=3000)
        assert await solar_wh(house) == 0.0


async def test_a_quarter_is_shared_again_without_being_counted_twice(database_url: str) -> None:
    async with sunny_house(database_url) as (house, sun):
        await charge(house, minutes=3, power_w=4000)
        await measure(house, pv_w=6000)
        house.clock.instant = NOON + timedelta(minutes=17)
        for _ in range(2):
            await sun.share(NOON)
        assert await solar_wh(house) == pytest.approx(200)


async def test_the_part_of_a_shared_plant_is_the_sun_of_its_building(sqlite_url: str) -> None:
    """Of 24 kW a quarter counts here: 6 kW, less 1 kW of the building; the car draws 8 kW."""
    async with sunny_house(sqlite_url) as (house, _):
        await charge(house, minutes=3, power_w=8000)
        async with house.db.write(house.clock, house.ids) as work:
            site = await work.session.get(Site, "A")
            assert site is not None
            site.pv_plants = []
            roof = {"peak_power_w": 30_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
            shares = [{"site_id": "A", "share": 0.25}]
            values = {"name": "School", "pv_plants": [roof], "shares": shares, "custom": {}}
            plant = await create_shared_plant(work, "P", values)
            load = {"measured_at": house.clock.now(), "load_power_w": 1000.0}
            await store_measurements(work, site, [load])
            said = [{"measured_at": house.clock.now(), "pv_power_w": 24_000.0}]
            await store_shared_measurements(work, plant, said)
        await house.activity.quiet()
        assert await solar_wh(house) == pytest.approx(250)


async def test_by_need_a_car_has_the_sun_that_the_other_building_leaves(database_url: str) -> None:
    """Of 24 kW A has a quarter and B the rest. A's car draws 8 kW and its building 1, B's takes 3;
    then B's takes 27, and A is dealt by what it draws: a quarter of all."""
    async with sunny_house(database_url) as (house, _):
        await house.add(a_second_site())
        async with house.db.write(house.clock, house.ids) as work:
            site = await work.session.get(Site, "A")
            assert site is not None
            site.pv_plants = []
            roof = {"peak_power_w": 30_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
            shares = [{"site_id": "A", "share": 0.25}, {"site_id": "B", "share": 0.75}]
            values = {"name": "School", "pv_plants": [roof], "shares": shares, "custom": {}}
            await create_shared_plant(work, "P", {**values, "key": "by_need"})
        await charge(house, minutes=3, power_w=8000)
        for load_w, sun_wh in ((3_000.0, 400.0), (27_000.0, 250.0)):
            async with house.db.write(house.clock, house.ids) as work:
                plant = await work.session.get_one(SharedPlant, "P")
                said = [{"measured_at": house.clock.now(), "pv_power_w": 24_000.0}]
                await store_shared_measurements(work, plant, said)
                for site_id, building_w in (("A", 1_000.0), ("B", load_w)):
                    site = await work.session.get_one(Site, site_id)
                    load = {"measured_at": house.clock.now(), "load_power_w": building_w}
                    await store_measurements(work, site, [load])
            await house.activity.quiet()
            assert await solar_wh(house) == pytest.approx(sun_wh)


async def test_many_quarters_are_read_at_once(database_url: str) -> None:
    """A car charges with 4 kW for 20 minutes; the roof gives 6 kW, and is then silent."""
    async with small_house(database_url) as house:
        await charge(house, minutes=10, power_w=4000)
        await measure(house, pv_w=6000, load_w=1000)
        house.clock.later(minutes=10)
        last = house.read(1000.0 + 4000.0 / 3, power_w=4000)
        await house.submit(house.event_2x("ended", 2, last, ocpp_id="tx-a"))
        edges = [NOON + number * timedelta(minutes=15) for number in range(-2, 6)]
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        async with house.db.read() as session:
            connection = await session.connection()
            sa.event.listen(connection.sync_connection, "before_cursor_execute", note)
            drawn = await drawn_by_span(session, edges, {"A"})
            metered = await metered_by_span(session, edges, {"A"})
            assert len(statements) == 4
            sa.event.remove(connection.sync_connection, "before_cursor_execute", note)
            for place, (start, end) in enumerate(pairwise(edges)):
                assert drawn[place] == await drawn_between(session, start, end, {"A"})
                (alone,) = await metered_by_span(session, (start, end), {"A"})
                assert metered[place] == alone
    by_quarter = [round(sum(each.energy_wh for each in quarter), 1) for quarter in drawn]
    assert sum(by_quarter) == pytest.approx(4000 / 3, abs=0.2)
    assert by_quarter[:2] == by_quarter[4:6] == [0.0, 0.0]
    # What the meter says speaks back a quarter of an hour, over the edge.
    sun_wh = [each["A"].sun_wh if each else None for each in metered]
    assert sun_wh == [None, *(pytest.approx(wh) for wh in (500, 1000)), *[None] * 4]


def a_second_site() -> Site:
    return Site(
        id="B",
        tenant_id="default",
        name="Bridge",
        latitude=45.7,
        longitude=4.8,
        timezone="Europe/Paris",
        import_limit_w=90_000,
        export_limit_w=90_000,
        version=1,
        created_at=NOON,
        updated_at=NOON,
    )


async def test_a_measurement_just_after_the_quarter_speaks_of_it_too(database_url: str) -> None:
    async with sunny_house(database_url) as (house, _):
        house.clock.instant = NOON + timedelta(minutes=12)
        await charge(house, minutes=3, power_w=4000)
        house.clock.later(seconds=5)
        await measure(house, pv_w=6000)
        assert await solar_wh(house) == pytest.approx(200)


async def test_sun_that_nobody_has_measured_is_not_counted(database_url: str) -> None:
    async with sunny_house(database_url) as (house, sun):
        await charge(house, minutes=15, power_w=4000)
        await measure(house, pv_w=2000, at=NOON + timedelta(minutes=6))
        house.clock.later(minutes=2)
        await sun.share(NOON)
        assert await solar_wh(house) == pytest.approx(200)


async def test_quarters_add_up(database_url: str) -> None:
    async with sunny_house(database_url) as (house, sun):
        await charge(house, minutes=15, power_w=3000)
        await measure(house, pv_w=1000)
        house.clock.later(minutes=5)
        await house.submit(house.event_2x("updated", 2, house.read(2000.0, power_w=3000)))
        await measure(house, pv_w=9000)
        house.clock.later(minutes=12)
        await sun.share(NOON)
        await sun.share(NOON + timedelta(minutes=15))
        assert await solar_wh(house) == pytest.approx(250 + 250)


async def test_cars_that_charge_at_once_share_by_their_energy(database_url: str) -> None:
    async with sunny_house(database_url) as (house, _):
        await charge(house, minutes=3, power_w=6000, ocpp_id="tx-a")
        house.clock.instant = NOON
        await charge(house, minutes=3, power_w=2000, ocpp_id="tx-b", evse=2)
        await measure(house, pv_w=4000)
        assert await solar_wh(house, "tx-a") == pytest.approx(150)
        assert await solar_wh(house, "tx-b") == pytest.approx(50)


async def test_a_late_measurement_shares_its_quarter_again(database_url: str) -> None:
    async with sunny_house(database_url) as (house, sun):
        await charge(house, minutes=3, power_w=4000)
        house.clock.instant = NOON + timedelta(minutes=40)
        await sun.share(NOON)
        assert await solar_wh(house) == 0.0
        await measure(house, pv_w=6000, at=NOON + timedelta(minutes=3))
        assert await solar_wh(house) == pytest.approx(200)


async def test_a_service_that_was_down_shares_what_it_has_missed(database_url: str) -> None:
    async with sunny_house(database_url) as (house, sun):
        await charge(house, minutes=3, power_w=4000)
        await measure(house, pv_w=800)
        assert await solar_wh(house) == pytest.approx(40)
        house.clock.instant = NOON + timedelta(minutes=15)
        await measure(house, pv_w=800)
        assert await solar_wh(house) == pytest.approx(40)
        house.clock.instant = NOON + timedelta(hours=2)
        await sun.catch_up()
        assert await solar_wh(house) == pytest.approx(200)
