from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from models.answers import TransactionAnswer
from models.tables.charging import Reading, Reconciliation, Transaction
from models.tables.fleet import Vehicle
from models.tables.ledger import Message
from models.tables.planning import PlanRequest
from tests.builders.small_house import NOON, small_house


async def test_a_whole_charge_is_kept_told_and_given_to_its_car(database_url: str) -> None:
    async with small_house(database_url) as house:
        answer = await house.submit(house.start_16("car-1"))
        assert answer == TransactionAnswer(1, token_status="Accepted")
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(2000.0, power_w=3600.0)))
        house.clock.later(minutes=1)
        await house.submit(house.stop_16(1, 2600.0))
        transaction = await house.one(Transaction)
        assert transaction.energy_wh == 1600.0
        assert transaction.stopped_at == NOON + timedelta(minutes=2)
        assert (transaction.vehicle_id, transaction.suspect) == ("car-1", [])
        assert transaction.power_w == 0.0
        reading = await house.one(Reading)
        assert (reading.energy_wh, reading.power_w, reading.suspect) == (2000.0, 3600.0, None)
        vehicle = await house.one(Vehicle, id="car-1")
        assert vehicle.soc_pct == pytest.approx(50.0 + 100 * 1600 * 0.9 / 16_000)
        assert (vehicle.source, vehicle.plugged_evse) == ("estimate", "A-1/1")
        assert await house.told() == [
            "transaction.started",
            "vehicle.state_changed",
            "transaction.updated",
            "vehicle.state_changed",
            "transaction.ended",
            "vehicle.state_changed",
        ]
        assert (await house.one(PlanRequest)).site_id == "A"
        messages = await house.rows(Message)
        assert [message.action for message in messages] == [
            "TransactionReported",
            "ReadingsReported",
            "TransactionReported",
        ]
        assert all(message.answer is not None for message in messages)


async def test_a_start_said_again_gets_its_number_again(database_url: str) -> None:
    async with small_house(database_url) as house:
        start = house.start_16()
        first = await house.submit(start, message_id="17")
        again = await house.submit(start, message_id="18")
        assert first == again
        assert len(await house.rows(Transaction)) == 1
        assert (await house.told()).count("transaction.started") == 1


async def test_a_start_like_one_that_has_ended_is_a_new_one_unless_word_by_word_the_same(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        start = house.start_16()
        await house.submit(start, message_id="17")
        await house.submit(house.stop_16(1, 1000.0))
        assert await house.submit(start, message_id="17") == TransactionAnswer(
            1, token_status="Accepted"
        )
        fresh = await house.submit(start, message_id="99")
        assert isinstance(fresh, TransactionAnswer)
        assert fresh.transaction_id != 1
        assert len(await house.rows(Transaction)) == 2


async def test_a_box_without_a_clock_may_start_twice_in_1970(database_url: str) -> None:
    async with small_house(database_url) as house:
        old = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
        start = house.start_16(at=old)
        assert await house.submit(start, message_id="1") == TransactionAnswer(
            1, token_status="Accepted"
        )
        house.clock.later(minutes=20)
        later = msgspec.structs.replace(start, received_at=house.clock.now())
        assert await house.submit(later, message_id="2") == TransactionAnswer(
            2, token_status="Accepted"
        )
        first, second = await house.rows(Transaction)
        assert "time-implausible" in first.suspect
        assert "time-implausible" in second.suspect
        assert second.started_at == house.clock.now()
        # The first was left running on the same connector; its end is made up and marked.
        assert first.stopped_at is not None
        assert "stop-missing" in first.suspect


async def test_numbers_are_never_given_twice(database_url: str) -> None:
    async with small_house(database_url) as house:
        numbers = []
        for minute in range(4):
            house.clock.later(minutes=minute + 1)
            answer = await house.submit(house.start_16("CAR-1", evse=minute + 1))
            assert isinstance(answer, TransactionAnswer)
            numbers.append(answer.transaction_id)
        assert numbers == [1, 2, 3, 4]


async def test_a_stop_said_again_changes_nothing(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        house.clock.later(minutes=5)
        stop = house.stop_16(1, 3000.0, readings=(house.read(2900.0, context="Transaction.End"),))
        first = await house.submit(stop)
        before = await house.one(Transaction)
        assert await house.submit(stop) == first
        after = await house.one(Transaction)
        assert (after.energy_wh, after.suspect) == (before.energy_wh, [])
        assert len(await house.rows(Reading)) == 1
        assert (await house.told()).count("transaction.ended") == 1


async def test_a_second_stop_that_says_otherwise_is_marked_and_the_first_is_kept(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        await house.submit(house.stop_16(1, 3000.0))
        other = house.stop_16(1, 9000.0)
        assert await house.submit(other) == TransactionAnswer()
        assert await house.submit(other) == TransactionAnswer()
        transaction = await house.one(Transaction)
        assert transaction.energy_wh == 2000.0
        assert transaction.suspect == ["second-stop"]
        assert (await house.one(Reconciliation)).kind == "second-stop"


async def test_meter_values_said_again_are_kept_once(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        house.clock.later(minutes=1)
        values = house.meter_16(1, house.read(1500.0))
        await house.submit(values)
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(2000.0)))
        late = msgspec.structs.replace(values, received_at=house.clock.now())
        await house.submit(late)
        assert [row.energy_wh for row in await house.rows(Reading)] == [1500.0, 2000.0]
        transaction = await house.one(Transaction)
        assert (transaction.energy_wh, transaction.suspect) == (1000.0, [])
        assert (await house.told()).count("transaction.updated") == 2


async def test_measurands_of_one_instant_may_come_in_several_messages(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(1500.0, other={"a": "1", "b": "1"})))
        more = house.read(None, power_w=3000.0, current_a=(13.0,), other={"b": "2", "c": "3"})
        await house.submit(house.meter_16(1, more))
        reading = await house.one(Reading)
        assert (reading.energy_wh, reading.power_w) == (1500.0, 3000.0)
        assert reading.current_a == [13.0]
        assert reading.other == {"a": "1", "b": "1", "c": "3"}


@pytest.mark.parametrize("number", ["-1", "0", "4711"])
async def test_what_is_said_of_a_number_we_never_gave_is_answered_and_listed_with_its_data(
    database_url: str, number: str
) -> None:
    async with small_house(database_url) as house:
        values = house.meter_16(number, house.read(1500.0))
        await house.submit(values)
        await house.submit(values)
        stop = house.stop_16(number, 2500.0, token="CAR-1")
        assert await house.submit(stop) == TransactionAnswer(token_status="Accepted")
        assert await house.submit(stop) == TransactionAnswer(token_status="Accepted")
        assert await house.rows(Transaction) == []
        kept = await house.rows(Reading, ocpp_transaction_id=number)
        assert sorted(row.energy_wh for row in kept) == [1500.0, 2500.0]
        listed = await house.rows(Reconciliation)
        assert [row.kind for row in listed] == ["transaction-unknown"] * 2
        assert all(row.raw for row in listed)


async def test_a_meter_that_runs_backwards_is_marked_and_takes_no_energy_away(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16(meter_wh=1000.0))
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(3000.0)))
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(10.0)))
        house.clock.later(minutes=1)
        await house.submit(house.stop_16(1, 20.0))
        transaction = await house.one(Transaction)
        assert transaction.energy_wh == 2000.0
        assert transaction.suspect == ["meter-backwards"]
        assert [row.suspect for row in await house.rows(Reading)] == [None, ["meter-backwards"]]


async def test_times_that_run_backwards_or_far_ahead_are_marked_and_kept(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        now = house.clock.later(minutes=5)
        await house.submit(house.meter_16(1, house.read(1500.0)))
        await house.submit(house.meter_16(1, house.read(1400.0, at=now - timedelta(minutes=3))))
        await house.submit(house.meter_16(1, house.read(1600.0, at=now + timedelta(days=3))))
        backwards, fine, ahead = await house.rows(Reading)
        assert backwards.suspect == ["time-backwards"]
        assert fine.suspect is None
        assert ahead.suspect == ["time-ahead"]
        transaction = await house.one(Transaction)
        assert transaction.energy_wh == 600.0
        assert transaction.last_reading_at == now


async def test_a_start_on_a_busy_connector_ends_the_one_before_and_its_late_stop_repairs_it(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16("CAR-1"))
        house.clock.later(minutes=30)
        await house.submit(house.start_16("CAR-2", meter_wh=5000.0))
        first, second = await house.rows(Transaction)
        assert (first.stop_reason, first.suspect) == ("Lost", ["stop-missing"])
        assert second.vehicle_id == "car-2"
        assert (await house.one(Vehicle, id="car-1")).plugged_evse is None
        assert (await house.one(Vehicle, id="car-2")).plugged_evse == "A-1/1"
        late = house.stop_16(1, 4800.0, at=NOON + timedelta(minutes=20))
        await house.submit(late)
        first = (await house.rows(Transaction))[0]
        assert (first.energy_wh, first.suspect) == (3800.0, [])
        assert first.stopped_at == NOON + timedelta(minutes=20)
        assert (await house.told()).count("transaction.repaired") == 2


async def test_readings_after_the_stop_are_kept_and_change_nothing(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.start_16())
        house.clock.later(minutes=1)
        await house.submit(house.stop_16(1, 2000.0))
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(9000.0, power_w=100.0)))
        transaction = await house.one(Transaction)
        assert (transaction.energy_wh, transaction.power_w) == (1000.0, 0.0)
        assert transaction.suspect == ["after-stop"]
        assert (await house.one(Reading)).energy_wh == 9000.0
