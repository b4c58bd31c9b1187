"""Transactions that nobody ends are ended by rule, and a late end takes the made-up one's place."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from csms.reconciliation.reactions import Closer
from models.facts import ConnectionChanged
from models.tables.charging import Reconciliation, Transaction
from tests.builders.small_house import SmallHouse, small_house


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[SmallHouse]:
    async with small_house(database_url) as opened:
        await opened.submit(
            ConnectionChanged(station="A-1", received_at=opened.clock.now(), online=True, epoch=1)
        )
        yield opened


def closer(house: SmallHouse) -> Closer:
    made = Closer(
        db=house.db, clock=house.clock, ids=house.ids, activity=house.activity, tenant="default"
    )
    house.bus.subscribe("closer", made.follows, made.heard)
    return made


async def charged(house: SmallHouse) -> None:
    """A transaction of an hour, of which the station forgets the end."""
    await house.submit(house.status("Charging"))
    await house.submit(house.start_16())
    house.clock.later(minutes=60)
    await house.submit(house.meter_16(1, house.read(4000.0)))


async def test_a_zombie_is_ended_at_its_last_meter_value(house: SmallHouse) -> None:
    rounds = closer(house)
    await charged(house)
    last = house.clock.now()
    house.clock.later(minutes=5)
    await house.submit(house.status("Available"))
    house.clock.later(minutes=9)
    await rounds.look()
    assert (await house.one(Transaction)).stopped_at is None
    house.clock.later(minutes=1)
    await rounds.look()
    row = await house.one(Transaction)
    assert (row.stopped_at, row.energy_wh, row.stop_reason) == (last, 3000.0, "Lost")
    assert row.suspect == ["stop-missing"]
    oddity = await house.one(Reconciliation)
    assert (oddity.kind, oddity.transaction_id) == ("stop-missing", row.id)
    assert "transaction.repaired" in await house.told()
    await rounds.look()
    assert len(await house.rows(Reconciliation)) == 1


async def test_an_end_that_comes_late_takes_the_place_of_the_one_made_up(
    house: SmallHouse,
) -> None:
    rounds = closer(house)
    await charged(house)
    house.clock.later(minutes=5)
    end = house.clock.now()
    await house.submit(house.status("Available"))
    house.clock.later(minutes=10)
    await rounds.look()
    await house.submit(house.stop_16(1, 4200.0, at=end))
    row = await house.one(Transaction)
    assert (row.stopped_at, row.energy_wh, row.suspect) == (end, 3200.0, [])


async def test_who_is_away_or_still_metered_is_left_alone(house: SmallHouse) -> None:
    rounds = closer(house)
    await charged(house)
    house.clock.later(minutes=1)
    await house.submit(house.status("Available"))
    house.clock.later(minutes=5)
    await house.submit(house.meter_16(1, house.read(4500.0)))
    house.clock.later(hours=3)
    await rounds.look()
    assert (await house.one(Transaction)).stopped_at is None
    await house.submit(house.status("Available"))
    await house.submit(
        ConnectionChanged(station="A-1", received_at=house.clock.now(), online=False, epoch=1)
    )
    house.clock.later(hours=3)
    await rounds.look()
    assert (await house.one(Transaction)).stopped_at is None


async def test_what_says_nothing_for_a_week_is_ended(house: SmallHouse) -> None:
    rounds = closer(house)
    await charged(house)
    last = house.clock.now()
    house.clock.later(days=6)
    await rounds.look()
    assert (await house.one(Transaction)).stopped_at is None
    house.clock.later(days=1)
    await rounds.look()
    assert (await house.one(Transaction)).stopped_at == last
    assert (await house.one(Reconciliation)).kind == "never-ending"


async def test_more_energy_than_there_can_be_is_marked_and_listed(house: SmallHouse) -> None:
    rounds = closer(house)
    await house.submit(house.start_16())
    house.clock.later(minutes=30)
    await house.submit(house.stop_16(1, 1_001_000.0))
    await house.activity.quiet()
    await rounds.look()
    row = await house.one(Transaction)
    assert row.suspect == ["meter-implausible"]
    assert row.energy_wh == 1_000_000.0
    oddity = await house.one(Reconciliation)
    assert oddity.kind == "meter-implausible"
    assert oddity.detail == "1000.0 kWh is more than its EVSE can give in the time"
    await rounds.look()
    assert len(await house.rows(Reconciliation)) == 1


async def test_the_right_end_takes_the_place_of_a_guessed_one(house: SmallHouse) -> None:
    await house.submit(house.start_16())
    house.clock.later(minutes=30)
    await house.submit(house.stop_16(999, 5000.0))
    guessed = await house.one(Transaction)
    assert (guessed.stopped_at, guessed.energy_wh) == (house.clock.now(), 4000.0)
    assert set(guessed.suspect) == {"transaction-guessed", "stop-guessed"}
    house.clock.later(minutes=30)
    await house.submit(house.meter_16(1, house.read(8000.0)))
    house.clock.later(minutes=5)
    await house.submit(house.stop_16(1, 9000.0))
    row = await house.one(Transaction)
    assert (row.stopped_at, row.energy_wh) == (house.clock.now(), 8000.0)
    assert "stop-guessed" not in row.suspect
    assert "transaction.repaired" in await house.told()
