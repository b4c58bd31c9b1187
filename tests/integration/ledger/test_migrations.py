from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from csms.ledger import migrate
from csms.ledger.database import Database
from models.errors import BadInput, Unavailable
from models.tables import Base
from models.tables.access import LocalList
from models.tables.charging import Reading, SunShare, Transaction
from models.tables.diagnostics import LogNotice, StationEvent, StationLog, StationMonitor
from models.tables.energy import BatteryState, PriceSeries, Site, SitePeak
from models.tables.fleet import VehicleModel
from models.tables.ledger import HouseFact
from models.tables.reservations import Reservation
from models.tables.security import StationCertificate
from models.tables.stations import Station
from models.tables.updates import Campaign, CampaignStation, FirmwareNotice, FirmwareUpdate
from tests.builders.reservations import a_reservation
from tests.builders.schema import differences
from tests.builders.small_house import SmallHouse, small_house


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("empty_postgres_url")


def test_up_makes_exactly_the_tables_of_the_models_and_down_takes_them_away(
    empty_url: str,
) -> None:
    assert migrate.current(empty_url) is None
    migrate.upgrade(empty_url)
    assert migrate.current(empty_url) == migrate.head()
    assert differences(empty_url) == []
    migrate.upgrade(empty_url)
    migrate.downgrade(empty_url, "base")
    assert migrate.current(empty_url) is None
    migrate.upgrade(empty_url)
    assert differences(empty_url) == []


def test_a_schema_that_is_behind_is_told_with_what_to_do(empty_url: str) -> None:
    with pytest.raises(migrate.SchemaBehind, match="heliofleet db upgrade"):
        migrate.check(empty_url)
    migrate.upgrade(empty_url)
    migrate.check(empty_url)


def test_a_schema_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'newer.db'}"
    migrate.upgrade(url)
    with sqlite3.connect(tmp_path / "newer.db") as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    file.close()
    for touch in (migrate.upgrade, migrate.check):
        with pytest.raises(migrate.SchemaAhead, match="has schema 9999, this program knows up to"):
            touch(url)
    assert migrate.current(url) == "9999"


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database, but long enough for the header of one" * 10)
    before = file.read_bytes()
    for touch in (migrate.upgrade, migrate.check):
        with pytest.raises(BadInput, match=r"notes\.txt is no SQLite database"):
            touch(f"sqlite:///{file}")
    assert file.read_bytes() == before


@pytest.mark.parametrize("place", [".", "none/fleet.db"])
def test_a_place_where_no_database_can_be_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(Unavailable, match=str(tmp_path)):
        migrate.upgrade(f"sqlite:///{tmp_path / place}")


async def test_migrations_run_beside_a_running_event_loop(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    assert await asyncio.to_thread(migrate.current, empty_url) == migrate.head()


async def test_data_survives_an_upgrade_that_has_nothing_to_do(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        await house.submit(house.meter_16(1, house.read(1500.0, other={"a": 1})))
        # In a thread: the house may be looking, and must be able to end that.
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert len(await house.rows(Transaction)) == 1
        assert (await house.one(Reading)).other == {"a": 1}


def test_a_change_that_fails_half_way_leaves_nothing(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic.operations import Operations

    real = Operations.create_table
    made: list[str] = []

    def failing(self: Operations, name: str, *columns: Any, **options: Any) -> Any:
        made.append(name)
        if len(made) == 5:
            raise RuntimeError("power cut")
        return real(self, name, *columns, **options)

    monkeypatch.setattr(Operations, "create_table", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        migrate.upgrade(empty_url)
    monkeypatch.undo()
    assert migrate.current(empty_url) is None
    migrate.upgrade(empty_url)
    assert differences(empty_url) == []


async def test_down_needs_no_empty_tables(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
    migrate.downgrade(database_url, "base")
    db = Database.open(database_url)
    async with db.write_engine.connect() as connection:
        names = await connection.run_sync(lambda each: sa.inspect(each).get_table_names())
    assert set(names) & set(Base.metadata.tables) == set()
    await db.close()


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.db", "postgresql://postgres@/x?host=/nowhere"]
)
def test_a_database_out_of_reach_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        migrate.current(url)


async def test_how_far_the_outbox_was_told_goes_on_under_the_houses_own_name(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.merge(HouseFact(name="relay", value={"cursor": 41}))
        await asyncio.to_thread(migrate.downgrade, database_url, "0034")
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.merge(HouseFact(name="relay/b", value={"cursor": 42}))
        facts = {each.name: each.value["cursor"] for each in await relays(house)}
        assert facts == {"relay/node-1": 41, "relay/b": 42}
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert {each.name: each.value["cursor"] for each in await relays(house)} == {"relay": 42}


async def relays(house: SmallHouse) -> list[HouseFact]:
    return [each for each in await house.rows(HouseFact) if each.name.startswith("relay")]


async def test_the_sun_that_transactions_had_is_kept_as_a_share(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.update(Transaction).values(solar_wh=420.0))
        await asyncio.to_thread(migrate.downgrade, database_url, "0001")
        await asyncio.to_thread(migrate.upgrade, database_url)
        share = await house.one(SunShare)
        assert (share.solar_wh, share.quarter) == (420.0, house.clock.now())


async def test_stations_that_were_there_are_to_have_no_list_of_tokens(database_url: str) -> None:
    async with small_house(database_url) as house:
        await asyncio.to_thread(migrate.downgrade, database_url, "0003")
        await asyncio.to_thread(migrate.upgrade, database_url)
        stations = await house.rows(Station)
        assert [row.local_list for row in stations] == [False, False]
        await house.add(LocalList(station="A-1", changed_at=house.clock.now()))
        await asyncio.to_thread(migrate.downgrade, database_url, "0003")
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert await house.rows(LocalList) == []


async def test_reservations_go_with_their_table_and_with_their_station(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(a_reservation(house.clock), a_reservation(house.clock, number=2))
        await asyncio.to_thread(migrate.downgrade, database_url, "0005")
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert await house.rows(Reservation) == []
        await house.add(
            a_reservation(house.clock), a_reservation(house.clock, number=2, station="A-2")
        )
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(Station).where(Station.identity == "A-1"))
        assert (await house.one(Reservation)).station == "A-2"


async def test_updates_and_campaigns_come_and_go_with_what_is_in_them(database_url: str) -> None:
    async with small_house(database_url) as house:
        now = house.clock.now()
        await asyncio.to_thread(migrate.downgrade, database_url, "0005")
        await asyncio.to_thread(migrate.upgrade, database_url)
        an_update: dict[str, Any] = {
            "station": "A-1",
            "command_id": "c",
            "location": "https://example.org/fw.bin",
            "retrieve_at": now,
            "created_at": now,
            "heard_at": now,
            "updated_at": now,
        }
        await house.add(FirmwareUpdate(id="u1", request_id=1, **an_update))
        with pytest.raises(sa.exc.IntegrityError):
            await house.add(FirmwareUpdate(id="u2", request_id=2, **an_update))
        await house.add(FirmwareUpdate(id="u3", request_id=2, state="failed", **an_update))
        await house.add(FirmwareNotice(station="A-1", status="Idle", received_at=now))
        a_campaign = Campaign(
            id="c1",
            name="all",
            kind="firmware",
            change={},
            selection={},
            wave_size=1,
            wave_pause_s=0,
            next_wave_at=now,
            ends_at=now,
            created_at=now,
            updated_at=now,
        )
        await house.add(a_campaign, CampaignStation(campaign_id="c1", station="A-1", position=0))
        assert len(await house.rows(FirmwareUpdate)) == 2
        await asyncio.to_thread(migrate.downgrade, database_url, "0005")
        await asyncio.to_thread(migrate.upgrade, database_url)
        for table in (FirmwareUpdate, FirmwareNotice, Campaign, CampaignStation):
            assert await house.rows(table) == []


async def test_stations_that_were_there_have_no_second_password_and_no_certificates(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await asyncio.to_thread(migrate.downgrade, database_url, "0009")
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert {row.next_password_hash for row in await house.rows(Station)} == {None}
        now = house.clock.now()
        held = StationCertificate(
            id="1", station="A-1", state="installed", created_at=now, updated_at=now
        )
        await house.add(held)
        await asyncio.to_thread(migrate.downgrade, database_url, "0009")
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert await house.rows(StationCertificate) == []


async def test_logs_and_monitors_of_stations_come_and_go_with_what_is_in_them(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        now = house.clock.now()
        await asyncio.to_thread(migrate.downgrade, database_url, "0010")
        await asyncio.to_thread(migrate.upgrade, database_url)
        a_log: dict[str, Any] = {
            "station": "A-1",
            "kind": "security",
            "command_id": "c",
            "created_at": now,
            "expires_at": now,
            "updated_at": now,
        }
        await house.add(StationLog(id="l1", request_id=1, **a_log))
        with pytest.raises(sa.exc.IntegrityError):
            await house.add(StationLog(id="l2", request_id=2, **a_log))
        await house.add(StationLog(id="l3", request_id=2, state="failed", **a_log))
        await house.add(LogNotice(station="A-1", status="Idle", received_at=now))
        a_place = {"station": "A-1", "component": "EVSE@1", "variable": "Power"}
        await house.add(
            StationMonitor(
                **a_place,
                monitor_id=7,
                kind="Delta",
                value=0.5,
                severity=3,
                tx_only=False,
                reported_at=now,
            )
        )
        an_event: dict[str, Any] = a_place | {
            "event_id": 1,
            "happened_at": now,
            "received_at": now,
            "trigger": "Delta",
            "notification": "CustomMonitor",
            "cleared": False,
        }
        await house.add(StationEvent(**an_event))
        with pytest.raises(sa.exc.IntegrityError):
            await house.add(StationEvent(**an_event))
        await asyncio.to_thread(migrate.downgrade, database_url, "0010")
        await asyncio.to_thread(migrate.upgrade, database_url)
        for table in (StationLog, LogNotice, StationMonitor, StationEvent):
            assert await house.rows(table) == []


async def test_sites_and_models_that_were_there_mean_what_they_meant(database_url: str) -> None:
    async with small_house(database_url) as house:
        await asyncio.to_thread(migrate.downgrade, database_url, "0021")
        await asyncio.to_thread(migrate.upgrade, database_url)
        for site in await house.rows(Site):
            assert (site.phase_limits_w, site.flexible_loads) == (None, [])
            assert (site.peak_price_per_kw, site.co2_price_per_kg) == (0, 0)
        models = await house.rows(VehicleModel)
        assert {(row.ac_phases, tuple(row.taper)) for row in models} == {(3, ())}
        now = house.clock.now()
        await house.add(
            SitePeak(site_id="A", month=now, import_w=1.0, start=now, updated_at=now),
            BatteryState(site_id="A", soc_wh=1.0, measured_at=now, received_at=now),
        )
        await asyncio.to_thread(migrate.downgrade, database_url, "0021")
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert await house.rows(SitePeak) == await house.rows(BatteryState) == []


async def test_prices_that_were_there_end_when_their_last_step_does(database_url: str) -> None:
    async with small_house(database_url) as house:
        now = house.clock.now()
        prices = PriceSeries(
            id="p",
            site_id="A",
            issued_at=now,
            start=now,
            step_minutes=30,
            currency="EUR",
            import_price_per_kwh=["0.2"] * 3,
            export_price_per_kwh=["0.1"] * 3,
            ends_at=now,
        )
        await house.add(prices)
        await asyncio.to_thread(migrate.downgrade, database_url, "0024")
        await asyncio.to_thread(migrate.upgrade, database_url)
        assert (await house.one(PriceSeries)).ends_at == now + timedelta(minutes=90)


async def test_an_upgrade_that_collides_with_a_service_that_runs_is_begun_anew(
    postgres_url: str,
) -> None:
    """It holds `plan` and wants `plan_request`, a reader the other way round: one must give way."""
    await asyncio.to_thread(migrate.downgrade, postgres_url, "0038")
    reader, looker = [await asyncpg.connect(postgres_url) for _ in range(2)]
    try:
        async with reader.transaction():
            await reader.fetch("SELECT count(*) FROM plan_request")
            upgraded = asyncio.create_task(asyncio.to_thread(migrate.upgrade, postgres_url))
            while not await looker.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not upgraded.done()
                await asyncio.sleep(0.01)
            await reader.fetch("SELECT count(*) FROM plan")
        await upgraded
    finally:
        await asyncio.gather(reader.close(), looker.close())
    assert migrate.current(postgres_url) == migrate.head()
