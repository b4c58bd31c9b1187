from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.answers import TokenAnswer, TransactionAnswer
from models.commands import StartCharging, encode_command
from models.tables.access import IdToken
from models.tables.booking import Booking
from models.tables.charging import Reconciliation, Transaction
from models.tables.fleet import Vehicle
from models.tables.ledger import Command
from tests.builders.small_house import NOON, SmallHouse, small_house


async def change(house: SmallHouse, table: Any, key: str, **values: Any) -> None:
    async with house.db.write(house.clock, house.ids) as work:
        row = await work.session.get(table, key)
        for name, value in values.items():
            setattr(row, name, value)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, "Accepted"),
        ({"status": "Blocked"}, "Blocked"),
        ({"expires_at": NOON}, "Expired"),
        ({"expires_at": NOON + timedelta(seconds=1)}, "Accepted"),
    ],
)
async def test_a_token_is_answered_by_what_is_known_of_it(
    sqlite_url: str, values: dict[str, Any], status: Any
) -> None:
    async with small_house(sqlite_url) as house:
        await change(house, IdToken, "car-1", parent="FLEET", **values)
        answer = await house.submit(house.ask("cAr-1"))
        expires = values.get("expires_at")
        assert answer == TokenAnswer(status, expires_at=expires, group_token="FLEET")


async def test_an_unknown_token_is_unknown_but_its_start_gets_a_number(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        assert await house.submit(house.ask("who")) == TokenAnswer("Unknown")
        assert await house.submit(house.start_16("who")) == TransactionAnswer(
            1, token_status="Unknown"
        )


async def test_a_driver_s_token_finds_the_car_of_the_trip(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(trip("b-1", "car-2", status="active", started_at=NOON))
        await house.submit(house.start_16("ANNA"))
        transaction = await house.one(Transaction)
        assert (transaction.vehicle_id, transaction.driver_id) == ("car-2", "anna")


async def test_a_driver_s_token_finds_the_car_of_the_trip_that_has_just_ended(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        await house.add(
            trip("b-1", "car-1", status="returned", returned_at=NOON - timedelta(hours=2)),
            trip("b-2", "car-2", status="returned", returned_at=NOON - timedelta(minutes=2)),
        )
        await house.submit(house.start_16("ANNA"))
        assert (await house.one(Transaction)).vehicle_id == "car-2"


async def test_without_a_telling_token_the_plugged_car_is_it(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await change(house, Vehicle, "car-2", plugged_evse="A-1/1")
        await house.submit(house.start_16("who"))
        assert (await house.one(Transaction)).vehicle_id == "car-2"


async def test_the_only_car_that_has_just_come_back_is_it(database_url: str) -> None:
    async with small_house(database_url) as house:
        back = NOON - timedelta(minutes=5)
        await change(house, Vehicle, "car-2", at_site_id="A", returned_at=back)
        await house.submit(house.start_16("ANNA"))
        assert (await house.one(Transaction)).vehicle_id == "car-2"
        assert (await house.one(Vehicle, id="car-2")).plugged_evse == "A-1/1"


async def test_two_cars_that_have_just_come_back_leave_it_open_and_listed(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        for car in ("car-1", "car-2"):
            await change(house, Vehicle, car, at_site_id="A", returned_at=NOON)
        await house.submit(house.start_16("ANNA"))
        assert (await house.one(Transaction)).vehicle_id is None
        assert (await house.one(Reconciliation)).kind == "vehicle-unknown"


async def test_a_car_that_came_back_long_ago_is_not_taken_for_it(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        back = NOON - timedelta(minutes=31)
        await change(house, Vehicle, "car-2", at_site_id="A", returned_at=back)
        await house.submit(house.start_16("ANNA"))
        assert (await house.one(Transaction)).vehicle_id is None


async def test_a_car_s_token_in_use_elsewhere_right_now_is_told(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16("CAR-1"))
        house.clock.later(minutes=1)
        other = await house.submit(house.start_16("CAR-1", station="A-2"))
        assert isinstance(other, TransactionAnswer)
        assert other.token_status == "ConcurrentTx"
        assert (await house.one(Vehicle, id="car-1")).plugged_evse == "A-1/1"
        house.clock.later(minutes=20)
        third = await house.submit(house.start_16("CAR-1", station="A-2", evse=2))
        assert isinstance(third, TransactionAnswer)
        assert third.token_status == "Accepted"


async def test_a_remote_start_of_ours_is_found_again(database_url: str) -> None:
    async with small_house(database_url) as house:
        for number, token in ((7, "CAR-1"), (8, "CAR-2")):
            order = StartCharging(evse_id=1, id_token=token, remote_start_id=number)
            await house.add(command(f"c-{number}", order))
        await house.submit(house.start_16("CAR-2"))
        await house.submit(house.event_2x("started", 0, remote_start_id=7, evse=2))
        by_number = {row.ocpp_transaction_id: row for row in await house.rows(Transaction)}
        assert by_number["1"].command_id == "c-8"
        assert by_number["tx-a"].command_id == "c-7"


async def test_a_first_state_of_charge_far_from_the_estimate_asks_for_a_plan(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.start_16("CAR-1"))
        wished = []
        house.db.on_commit(lambda outcome: wished.extend(outcome.sites))
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(1100.0, soc_pct=51.0)))
        assert wished == []
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(1200.0, soc_pct=30.0)))
        assert wished == [("default", "A")]
        assert (await house.one(Vehicle, id="car-1")).soc_pct == 30.0


async def test_a_connector_that_is_free_holds_no_car(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16("CAR-1"))
        house.clock.later(minutes=5)
        await house.submit(house.stop_16(1, 1500.0))
        house.clock.later(minutes=5)
        await house.submit(house.status("Available"))
        assert (await house.one(Vehicle, id="car-1")).plugged_evse is None


async def test_old_news_of_a_free_connector_unplugs_nobody(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await change(house, Vehicle, "car-1", plugged_evse="A-1/1", measured_at=NOON)
        await house.submit(house.status("Available", at=NOON - timedelta(minutes=1)))
        assert (await house.one(Vehicle, id="car-1")).plugged_evse == "A-1/1"


def trip(booking_id: str, vehicle_id: str, **more: Any) -> Booking:
    return Booking(
        id=booking_id,
        driver_id="anna",
        pickup_site_id="A",
        dropoff_site_id="A",
        start=NOON,
        end=NOON + timedelta(hours=1),
        distance_km=10,
        vehicle_id=vehicle_id,
        created_at=NOON,
        updated_at=NOON,
        **more,
    )


def command(command_id: str, order: StartCharging, state: str = "answered") -> Command:
    return Command(
        id=command_id,
        station="A-1",
        kind="StartCharging",
        body=encode_command(order).decode(),
        origin="api",
        state=state,
        created_at=NOON,
        expires_at=NOON + timedelta(minutes=1),
    )
