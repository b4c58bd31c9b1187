"""What facts and time make of reservations, on both databases: in one batch, late, and twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import msgspec

from csms.ledger.database import Database
from csms.reservations.reactions import RETRY, ReservationKeeper
from models.answers import TransactionAnswer
from models.facts import CommandSettled, ReservationReported
from models.tables.ledger import Command
from models.tables.reservations import Reservation
from tests.builders.failing_database import FailingDatabase
from tests.builders.reservations import a_reservation
from tests.builders.small_house import NOON, SmallHouse, small_house


def over(house: SmallHouse, update: Any, number: int = 1, station: str = "A-1") -> Any:
    return ReservationReported(
        station=station, received_at=house.clock.now(), reservation_id=number, update=update
    )


async def news(house: SmallHouse) -> list[str]:
    return [event for event in await house.told() if event.startswith("reservation.")]


async def test_a_start_uses_it_once_and_its_repetition_nothing(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(a_reservation(house.clock), a_reservation(house.clock, number=2))
        start = msgspec.structs.replace(house.start_16(), reservation_id=1)
        first = await house.submit(start, message_id="m-1")
        assert await house.submit(start, message_id="m-1") == first
        used, other = await house.rows(Reservation)
        assert (used.state, used.to_release, used.version) == ("used", False, 2)
        assert used.transaction_id is not None
        assert other.state == "active"
        assert await news(house) == ["reservation.used"]


async def test_a_token_that_comes_after_the_cable_uses_it(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(a_reservation(house.clock))
        await house.submit(house.event_2x("started", 0, trigger="CablePluggedIn"))
        assert (await house.one(Reservation)).state == "active"
        # The second event names no EVSE: the transaction has it.
        await house.submit(house.event_2x("updated", 1, evse=None, token="car-1"))
        row = await house.one(Reservation)
        assert (row.state, row.to_release) == ("used", True)


async def test_a_stop_by_the_holder_is_no_start(database_url: str) -> None:
    async with small_house(database_url) as house:
        answer = await house.submit(house.start_16("ANNA"))
        assert isinstance(answer, TransactionAnswer)
        await house.add(a_reservation(house.clock))
        assert answer.transaction_id is not None
        await house.submit(house.stop_16(answer.transaction_id, 2000.0, token="CAR-1"))
        assert (await house.one(Reservation)).state == "active"


async def test_a_start_that_is_told_after_the_expiry_has_used_it(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(a_reservation(house.clock, state="expired", ended_at=NOON))
        house.clock.later(hours=1)
        start = house.start_16(at=NOON - timedelta(minutes=1))
        await house.submit(msgspec.structs.replace(start, reservation_id=1))
        assert (await house.one(Reservation)).state == "used"


async def test_of_several_ends_in_one_batch_the_first_counts(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(a_reservation(house.clock, station="A-2"))
        facts = [
            over(house, "Removed", station="A-2"),
            over(house, "Expired"),
            over(house, "Expired", number=99, station="pending"),
        ]
        await asyncio.gather(*(house.submit(fact) for fact in facts))
        await house.submit(over(house, "Expired", station="A-2"))
        row = await house.one(Reservation)
        assert (row.state, row.why) == ("lost", "the station has removed it")
        assert await news(house) == ["reservation.lost"]


async def test_a_connector_that_fails_ends_what_it_was_kept_for(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.status("Reserved"))
        await house.submit(house.status("Reserved", evse=2))
        await house.add(
            a_reservation(house.clock), a_reservation(house.clock, number=2, evse_id=None)
        )
        await house.submit(house.status("Faulted"))
        states = [row.state for row in await house.rows(Reservation)]
        assert states == ["lost", "active"]
        await house.submit(house.status("Unavailable", evse=2))
        states = [(row.state, row.to_release) for row in await house.rows(Reservation)]
        assert states == [("lost", True), ("lost", True)]


async def test_an_answer_to_a_command_is_the_reservations_answer(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(a_reservation(house.clock, state="requested"))
        body = {"type": "ReserveEvse", "reservation_id": 1, "id_token": "CAR-1", "evse_id": 1}
        await house.add(
            Command(
                id="c-1",
                station="A-1",
                kind="ReserveEvse",
                body=msgspec.json.encode({**body, "expires_at": NOON}).decode(),
                origin="api",
                state="sent",
                created_at=NOON,
                expires_at=NOON,
            )
        )
        told = CommandSettled(
            station="A-1",
            received_at=NOON,
            command_id="c-1",
            state="answered",
            outcome="rejected",
            response='{"status": "Occupied"}',
            detail="Occupied",
        )
        await asyncio.gather(house.submit(told), house.submit(told))
        row = await house.one(Reservation)
        assert (row.state, row.answer, row.to_release) == ("refused", "occupied", False)
        assert await news(house) == ["reservation.refused"]


async def test_what_could_not_expire_is_tried_again_after_a_while(database_url: str) -> None:
    async with small_house(database_url) as house:
        row = a_reservation(house.clock)
        due_at = row.expires_at
        await house.add(row)
        db = FailingDatabase(house.db, 0)
        keeper = ReservationKeeper(
            db=cast("Database", db), clock=house.clock, ids=house.ids, activity=house.activity
        )
        await keeper.start()
        db.failures = 3
        try:
            async with asyncio.timeout(60):
                while True:
                    if (await house.one(Reservation)).state == "expired":
                        break
                    await asyncio.sleep(0.01)
        finally:
            await keeper.stop()
        assert db.failures == 0
        assert house.clock.now() == due_at + 3 * RETRY
