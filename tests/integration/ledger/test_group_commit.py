from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from csms.charging.intake.kinds import TRANSACTIONS
from csms.intake import deciders
from csms.ledger.batch import Batch, MessageNote, Tables
from csms.ledger.bulk import Driver
from csms.ledger.committer import Poison
from csms.ledger.work import Committed
from models.answers import EMPTY, Answer, TransactionAnswer
from models.errors import Unavailable
from models.facts import NoteReported, ReadingsReported, TransactionReported
from models.tables.charging import Reading, Transaction
from models.tables.ledger import Message, Quarantine
from models.tables.stations import Station
from tests.builders.postgres import PostgresServer
from tests.builders.small_house import NOON, HandClock, SmallHouse, small_house


async def add_stations(house: SmallHouse, count: int) -> list[str]:
    names = [f"B-{number}" for number in range(count)]
    await house.add(
        *(Station(identity=n, site_id="A", created_at=NOON, updated_at=NOON) for n in names)
    )
    return names


async def test_an_answer_comes_after_the_commit_never_before(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.start_16())
        outside = sqlite3.connect(house.db.path)
        for number in range(20):
            house.clock.later(seconds=1)
            await house.submit(house.meter_16(1, house.read(1000.0 + number)))
            (count,) = outside.execute("SELECT count(*) FROM reading").fetchone()
            assert count == number + 1
        outside.close()


async def test_facts_of_many_stations_are_committed_together(database_url: str) -> None:
    async with small_house(database_url) as house:
        names = await add_stations(house, 50)
        commits = []
        house.db.on_commit(commits.append)
        answers = await asyncio.gather(
            *(house.submit(house.start_16(None, station=name)) for name in names)
        )
        numbers = sorted(answer.transaction_id for answer in answers)
        assert len(set(numbers)) == 50
        assert len(commits) <= 3
        assert len(await house.rows(Transaction)) == 50
        assert len(await house.rows(Message)) == 50


async def test_facts_of_one_station_are_decided_in_their_order(database_url: str) -> None:
    async with small_house(database_url) as house:
        start = house.intake.enqueue(house.start_16())
        house.clock.later(seconds=1)
        values = house.intake.enqueue(house.meter_16(1, house.read(1500.0)))
        house.clock.later(seconds=1)
        stop = house.intake.enqueue(house.stop_16(1, 2000.0))
        await asyncio.gather(start, values, stop)
        transaction = await house.one(Transaction)
        assert (transaction.energy_wh, transaction.suspect) == (1000.0, [])


class Stubborn:
    """Breaks while it decides."""

    def load(self, batch: Batch, facts: Sequence[Any]) -> None:
        pass

    def decide(self, batch: Batch, fact: Any, note: MessageNote | None) -> Answer:
        batch.emit("never.told", subject="x/y", resource={}, site_id=None, tenant="default")
        raise RuntimeError("a fault of ours")


async def test_a_batch_that_fails_is_split_until_only_the_guilty_fact_is_left(
    database_url: str,
) -> None:
    table = {**deciders(), NoteReported: BrokenInTheDatabase()}
    async with small_house(database_url, table=table) as house:
        names = await add_stations(house, 20)
        results = await asyncio.gather(
            *(
                house.submit(
                    NoteReported(station=name, received_at=NOON, action="x", payload=b"{}")
                )
                for name in names
            ),
            return_exceptions=True,
        )
        failed = [name for name, each in zip(names, results, strict=True) if each != EMPTY]
        assert failed == ["B-7"]
        assert isinstance(results[7], Poison)
        assert (await house.one(Quarantine)).station == "B-7"
        outcomes = {row.station: row.outcome for row in await house.rows(Message)}
        assert outcomes.pop("B-7") == "quarantined"
        assert set(outcomes.values()) == {"result"}
        assert len(outcomes) == 19


class BrokenInTheDatabase:
    """What it writes for B-7 is refused by the database only at the end of the batch."""

    def load(self, batch: Batch, facts: Sequence[NoteReported]) -> None:
        pass

    def decide(self, batch: Batch, fact: NoteReported, note: MessageNote | None) -> Answer:
        if fact.station == "B-7":
            batch.at_end("break", lambda: break_it(batch))
        return EMPTY


def break_it(batch: Batch) -> None:
    batch.driver.fetch("INSERT INTO house_fact (name, value) VALUES (NULL, NULL)")


async def test_a_fault_while_deciding_costs_one_fact_and_tells_nothing(database_url: str) -> None:
    table = {**deciders(), NoteReported: Stubborn()}
    async with small_house(database_url, table=table) as house:
        note = NoteReported(station="A-1", received_at=NOON, action="x", payload=b"{}")
        bad, good = await asyncio.gather(
            house.submit(note), house.submit(house.boot("A-2")), return_exceptions=True
        )
        assert isinstance(bad, Poison)
        assert not isinstance(good, BaseException)
        assert await house.told() == ["station.booted"]
        assert (await house.one(Quarantine)).reason == "RuntimeError: a fault of ours"


@pytest.mark.parametrize("which", ["stop", "values", "event"])
async def test_what_a_station_would_throw_away_is_accepted_even_when_it_is_quarantined(
    database_url: str, which: str
) -> None:
    table = {**deciders(), TransactionReported: Stubborn(), ReadingsReported: Stubborn()}
    async with small_house(database_url, table=table) as house:
        facts = {
            "stop": house.stop_16(1, 1.0, token="CAR-1"),
            "values": house.meter_16(1, house.read(1.0)),
            "event": house.event_2x("updated", 1, token="CAR-1"),
        }
        answers = {
            "stop": TransactionAnswer(token_status="Accepted"),
            "values": EMPTY,
            "event": TransactionAnswer(token_status="Accepted"),
        }
        assert await house.submit(facts[which]) == answers[which]
        assert (await house.one(Message)).outcome == "quarantined"
        assert (await house.one(Quarantine)).raw


async def test_a_start_that_can_t_be_kept_is_refused(sqlite_url: str) -> None:
    table = {**deciders(), TransactionReported: Stubborn()}
    async with small_house(sqlite_url, table=table) as house:
        with pytest.raises(Poison):
            await house.submit(house.start_16())


@pytest.mark.parametrize("text", ["nul \x00", "surrogate \ud800"])
async def test_text_that_no_database_takes_costs_one_fact_only(
    database_url: str, text: str
) -> None:
    async with small_house(database_url) as house:
        await add_stations(house, 3)
        poisoned = house.event_2x("started", 0, ocpp_id=text, station="B-1")
        bad, good = await asyncio.gather(
            house.submit(poisoned, payload=b"{}"),
            house.submit(house.event_2x("started", 0, station="B-2")),
        )
        assert isinstance(bad, TransactionAnswer)
        assert isinstance(good, TransactionAnswer)
        kept = await house.rows(Transaction, station="B-2")
        assert len(kept) == 1
        # Each text may be kept, or stand in quarantine; in any case it can be read back.
        assert len(await house.rows(Quarantine)) + len(await house.rows(Transaction)) == 2


async def test_numbers_that_no_database_takes_cost_one_fact_only(database_url: str) -> None:
    async with small_house(database_url) as house:
        answer = await house.submit(house.event_2x("started", 2**70))
        assert answer == TransactionAnswer()
        assert await house.rows(Transaction) == []
        assert (await house.one(Quarantine)).action == "TransactionReported"


async def test_while_the_database_is_locked_by_another_process_facts_wait(sqlite_url: str) -> None:
    async with small_house(sqlite_url, inline=True) as house:
        await house.submit(house.start_16())
        other = sqlite3.connect(house.db.path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        house.clock.later(seconds=1)
        waiting = house.intake.enqueue(house.meter_16(1, house.read(1500.0)))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        other.execute("ROLLBACK")
        other.close()
        assert await waiting == EMPTY
        assert len(await house.rows(Reading)) == 1


async def test_while_the_database_is_locked_by_another_process_the_loop_goes_on(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.start_16())
        other = sqlite3.connect(house.db.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        house.clock.later(seconds=1)
        waiting = house.intake.enqueue(house.meter_16(1, house.read(1500.0)))
        turns = 0
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            await asyncio.sleep(0.001)
            turns += 1
        # A loop that waited for the lock itself would have turned once.
        assert turns >= 20
        assert not waiting.done()
        other.execute("ROLLBACK")
        other.close()
        assert await waiting == EMPTY


async def test_a_station_that_can_t_be_told_silences_no_other(database_url: str) -> None:
    async with small_house(database_url) as house:
        names = await add_stations(house, 3)
        answered: list[str] = []

        def tell(name: str, answer: Answer | None, error: Exception | None) -> None:
            assert answer is not None
            assert error is None
            if name == names[1]:
                raise RuntimeError("its socket has gone")
            answered.append(name)

        for name in names:
            house.intake.hand_in(house.start_16(None, station=name), None, partial(tell, name))
        await house.committer.drain()
        assert answered == [names[0], names[2]]
        assert await house.submit(house.ask("card", station=names[1]))
        assert len(await house.rows(Transaction)) == 3


async def test_a_batch_that_is_cut_off_leaves_nothing_half_written(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.start_16())

        class Cut(BaseException):
            """As when a thread is told to end."""

        def cut_off(driver: Driver, _tables: Tables) -> Committed:
            driver.many("UPDATE charging_transaction SET energy_wh = ?", [(9.0,)])
            raise Cut

        host: Any = house.committer._host
        with pytest.raises(Cut):
            await host.run(cut_off)

        begun = threading.Event()

        def slow(driver: Driver, _tables: Tables) -> Committed:
            driver.many("UPDATE charging_transaction SET power_w = ?", [(7.0,)])
            begun.set()
            time.sleep(0.05)
            return Committed()

        # Who waits for a batch may go away; the batch itself is ended by its thread.
        task = asyncio.create_task(host.run(slow))
        await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        house.clock.later(seconds=1)
        await house.submit(house.meter_16(1, house.read(1500.0)))
        found = await house.one(Transaction)
        assert (found.energy_wh, found.power_w) == (500.0, 7.0)


async def test_an_ended_transaction_is_not_kept_in_memory_and_still_known(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        for number in range(1, 4):
            started = await house.submit(house.start_16())
            assert started == TransactionAnswer(number, token_status="Accepted")
            house.clock.later(seconds=1)
            await house.submit(house.meter_16(number, house.read(1500.0)))
            house.clock.later(seconds=1)
            await house.submit(house.stop_16(number, 2000.0))
            house.clock.later(seconds=1)
        host: Any = house.committer._host
        assert len(host._tables[TRANSACTIONS]) == 0
        await house.submit(house.meter_16(2, house.read(1600.0)))
        first, second, third = sorted(await house.rows(Transaction), key=lambda row: row.started_at)
        assert second.energy_wh == first.energy_wh == third.energy_wh == 1000.0
        assert second.suspect == ["after-stop"]


class Impatient:
    """Wire time in which every wait takes long."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds * 10
        await asyncio.sleep(0.001)


async def test_after_eight_seconds_without_a_database_facts_are_given_back(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url, inline=True) as house:
        await house.submit(house.start_16())
        house.committer._wire = Impatient()
        house.committer._host._connection.execute("PRAGMA busy_timeout=1")
        other = sqlite3.connect(house.db.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await house.submit(house.meter_16(1, house.read(1500.0)))
        other.execute("ROLLBACK")
        other.close()
        assert await house.submit(house.meter_16(1, house.read(1500.0))) == EMPTY


async def test_facts_wait_while_postgresql_is_away_and_are_kept_when_it_is_back(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with small_house(postgres_url) as house:
        await house.submit(house.start_16())
        house.clock.later(seconds=1)
        postgres_server.kill()
        waiting = house.intake.enqueue(house.meter_16(1, house.read(1500.0)))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        postgres_server.restart()
        assert await waiting == EMPTY
        assert len(await house.rows(Reading)) == 1


class FailingDisk:
    """A connection whose disk can't sync any more."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return self._real.execute(sql, *parameters)


async def test_after_a_failed_sync_nothing_more_is_acknowledged(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.boot())
        reasons: list[str] = []
        house.committer.on_broken = reasons.append
        host = house.committer._host
        host._connection = FailingDisk(host._connection)
        with pytest.raises(Unavailable):
            await house.submit(house.start_16())
        with pytest.raises(Unavailable):
            await house.submit(house.boot())
        assert len(reasons) == 1


async def test_the_house_is_busy_until_facts_are_answered_and_events_are_heard(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        heard_late = asyncio.Event()

        async def slow(_note: Any) -> None:
            await asyncio.sleep(0.05)
            heard_late.set()

        house.bus.subscribe("slow", {"station.booted"}, slow)
        future = house.intake.enqueue(house.boot())
        assert house.activity.count > 0
        await house.activity.quiet()
        assert future.done()
        assert heard_late.is_set()


async def test_what_others_write_in_between_is_seen_by_the_next_fact(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.start_16())
        other = sqlite3.connect(house.db.path)
        other.execute("UPDATE charging_transaction SET meter_last_wh = 5000, energy_wh = 4000")
        other.commit()
        other.close()
        house.clock.later(seconds=1)
        await house.submit(house.meter_16(1, house.read(5500.0)))
        assert (await house.one(Transaction)).energy_wh == 4500.0


async def test_the_same_facts_leave_the_same_rows_in_line_and_in_a_thread(
    sqlite_url: str, tmp_path: Any
) -> None:
    async def play(url: str, *, inline: bool) -> bytes:
        async with small_house(url, inline=inline) as house:
            assert isinstance(house.clock, HandClock)
            await house.submit(house.start_16())
            house.clock.later(minutes=1)
            await house.submit(house.meter_16(1, house.read(1500.0, soc_pct=60.0)))
            await house.submit(house.stop_16(1, 1600.0))
            await house.told()
            return msgspec.json.encode(house.heard)

    copy = tmp_path / "copy.db"
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), copy)
    assert await play(sqlite_url, inline=False) == await play(f"sqlite:///{copy}", inline=True)


async def test_what_another_writes_meanwhile_is_not_overwritten(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.boot())
        async with house.db.write(house.clock, house.ids) as work:
            station = await work.session.get(Station, "A-1", with_for_update=True)
            assert station is not None
            station.quirks = ["below-6a"]
            await work.session.flush()
            waiting = house.intake.enqueue(house.boot())
            await asyncio.sleep(0.3)
            assert not waiting.done()
        await waiting
        (station,) = [row for row in await house.rows(Station) if row.identity == "A-1"]
        assert station.quirks == ["below-6a"]
