from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.answers import TransactionAnswer
from models.tables.access import IdToken
from models.tables.charging import Reading, Reconciliation, Transaction, TransactionMessage
from models.tables.fleet import Vehicle
from models.tables.ledger import Quarantine
from tests.builders.small_house import NOON, small_house

ACCEPTED = TransactionAnswer(token_status="Accepted")
SILENT = TransactionAnswer()


async def test_a_charge_with_state_of_charge_is_kept_and_told(database_url: str) -> None:
    async with small_house(database_url) as house:
        begin = house.read(1000.0, context="Transaction.Begin", soc_pct=40.0)
        assert await house.submit(house.event_2x("started", 0, begin, token="CAR-1")) == ACCEPTED
        house.clock.later(minutes=10)
        await house.submit(
            house.event_2x("updated", 1, house.read(1600.0, power_w=3600.0, soc_pct=43.5))
        )
        house.clock.later(minutes=10)
        end = house.read(2200.0, context="Transaction.End", soc_pct=47.0)
        await house.submit(house.event_2x("ended", 2, end, stop_reason="EVDisconnected"))
        transaction = await house.one(Transaction)
        assert transaction.ocpp_transaction_id == "tx-a"
        assert (transaction.energy_wh, transaction.soc_pct) == (1200.0, 47.0)
        assert (transaction.stop_reason, transaction.seq_no) == ("EVDisconnected", 2)
        assert transaction.suspect == []
        vehicle = await house.one(Vehicle, id="car-1")
        assert (vehicle.soc_pct, vehicle.source) == (47.0, "charger")
        assert len(await house.rows(Reading)) == 3


async def test_values_of_one_instant_may_come_in_several_messages(database_url: str) -> None:
    async with small_house(database_url) as house:
        begin = house.read(1000.0, soc_pct=40.0)
        await house.submit(house.event_2x("started", 0, begin, token="CAR-1"))
        house.clock.later(minutes=10)
        await house.submit(house.event_2x("updated", 1, house.read(1600.0)))
        await house.submit(house.event_2x("updated", 2, house.read(soc_pct=43.5)))
        await house.submit(house.event_2x("updated", 3, house.read(power_w=3600.0)))
        transaction = await house.one(Transaction)
        assert (transaction.energy_wh, transaction.power_w) == (600.0, 3600.0)
        assert transaction.soc_pct == 43.5
        assert (await house.one(Vehicle, id="car-1")).soc_pct == 43.5
        assert len(await house.rows(Reading)) == 2


@pytest.mark.parametrize("kind", ["started", "updated", "ended"])
async def test_an_event_said_again_is_answered_alike_and_changes_nothing(
    database_url: str, kind: str
) -> None:
    async with small_house(database_url) as house:
        if kind != "started":
            await house.submit(house.event_2x("started", 0, token="CAR-1"))
        house.clock.later(minutes=1)
        event = house.event_2x(kind, 5, house.read(1500.0), token="CAR-1")
        first = await house.submit(event)
        before = await house.one(Transaction)
        told = len(await house.told())
        house.clock.later(minutes=1)
        assert await house.submit(event) == first
        after = await house.one(Transaction)
        assert after.updated_at == before.updated_at
        assert len(await house.told()) == told
        assert len(await house.rows(Reading)) == 1


async def test_a_number_used_for_two_contents_keeps_both_and_is_marked(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.event_2x("started", 0, house.read(1000.0), token="CAR-1"))
        house.clock.later(minutes=1)
        await house.submit(house.event_2x("updated", 1, house.read(1500.0)))
        house.clock.later(minutes=1)
        await house.submit(house.event_2x("updated", 1, house.read(1800.0)))
        transaction = await house.one(Transaction)
        assert transaction.energy_wh == 800.0
        assert transaction.suspect == ["seq-conflict"]
        assert len(await house.rows(Reading)) == 3
        assert len(await house.rows(TransactionMessage)) == 3
        assert (await house.one(Reconciliation)).kind == "seq-conflict"


async def test_a_gap_in_numbers_is_no_error(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.event_2x("started", 0, token="CAR-1"))
        await house.submit(house.event_2x("ended", 9))
        transaction = await house.one(Transaction)
        assert transaction.suspect == []
        assert transaction.stopped_at is not None


async def test_a_transaction_whose_start_was_lost_is_opened_by_what_comes_first(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.event_2x("updated", 3, house.read(1500.0), token="CAR-1"))
        transaction = await house.one(Transaction)
        assert transaction.suspect == ["start-missing"]
        assert transaction.vehicle_id == "car-1"
        late = house.event_2x("started", 0, at=NOON - timedelta(minutes=5))
        await house.submit(late)
        transaction = await house.one(Transaction)
        assert transaction.suspect == []
        assert transaction.started_at == NOON - timedelta(minutes=5)


async def test_a_token_shown_later_finds_the_car_then(database_url: str) -> None:
    async with small_house(database_url) as house:
        assert await house.submit(house.event_2x("started", 0)) == SILENT
        assert (await house.one(Transaction)).vehicle_id is None
        assert await house.submit(house.event_2x("updated", 1, token="car-1")) == ACCEPTED
        transaction = await house.one(Transaction)
        assert (transaction.vehicle_id, transaction.token_status) == ("car-1", "Accepted")
        assert (await house.one(Vehicle, id="car-1")).plugged_evse == "A-1/1"


def late_token(**columns: Any) -> IdToken:
    """A token that nobody knew when its transaction began."""
    kept: dict[str, Any] = {"created_at": NOON, "updated_at": NOON}
    return IdToken(id="late", id_token="LATE", token_key="late", type="ISO14443", **kept, **columns)


async def test_a_second_token_is_judged_though_the_first_was_refused(database_url: str) -> None:
    async with small_house(database_url) as house:
        refused = TransactionAnswer(token_status="Unknown")
        assert await house.submit(house.event_2x("started", 0, token="NOBODY")) == refused
        # Another writer: what was known in memory is read anew.
        await house.add(late_token(vehicle_id="car-2"))
        assert await house.submit(house.event_2x("updated", 1, token="LATE")) == ACCEPTED
        assert await house.rows(Quarantine) == []
        transaction = await house.one(Transaction)
        assert (transaction.id_token, transaction.token_status) == ("LATE", "Accepted")
        assert transaction.vehicle_id == "car-2"


async def test_a_token_that_opened_a_transaction_stays_its_token(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.event_2x("started", 0, token="ANNA"))
        await house.add(late_token())
        assert await house.submit(house.event_2x("updated", 1, token="LATE")) == ACCEPTED
        assert await house.rows(Quarantine) == []
        transaction = await house.one(Transaction)
        assert (transaction.id_token, transaction.driver_id) == ("ANNA", "anna")


async def test_an_id_used_again_for_another_charge_keeps_both_charges(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.event_2x("started", 0, house.read(1000.0), token="CAR-1"))
        house.clock.later(minutes=1)
        await house.submit(house.event_2x("ended", 1, house.read(1500.0)))
        house.clock.later(hours=3)
        await house.submit(house.event_2x("started", 0, house.read(1500.0), token="CAR-2"))
        house.clock.later(minutes=1)
        await house.submit(house.event_2x("ended", 1, house.read(1700.0)))
        first, second = sorted(await house.rows(Transaction), key=lambda row: row.started_at)
        assert first.ocpp_transaction_id == f"tx-a~{first.id}"
        assert (first.energy_wh, first.vehicle_id) == (500.0, "car-1")
        assert first.suspect == ["id-reused"]
        assert (second.energy_wh, second.vehicle_id, second.suspect) == (200.0, "car-2", [])
        kept = await house.rows(Reading, ocpp_transaction_id=first.ocpp_transaction_id)
        assert [row.energy_wh for row in kept] == [1000.0, 1500.0]
