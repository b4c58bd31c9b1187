from __future__ import annotations

import asyncio
import sqlite3

import pytest

from csms.bus.base import COMMAND_QUEUED, PLAN_REQUESTED, EventNote
from csms.bus.local import QUEUE_LIMIT, LocalBus
from csms.ledger import relay as relay_module
from csms.ledger.work import Committed
from models.clocks import Activity
from models.commands import Reset
from models.tables.base import to_micros
from models.tables.ledger import HouseFact
from tests.builders.small_house import NOON, SmallHouse, small_house


def note(number: int, kind: str = "site.overloaded") -> EventNote:
    return EventNote(number, NOON, kind, "default", None, "site/A", b"{}")


async def emit(house: SmallHouse, count: int) -> None:
    async with house.db.write(house.clock, house.ids) as work:
        for _ in range(count):
            work.emit("site.overloaded", subject="site/A", resource={})


async def test_each_subscriber_hears_its_types_in_order() -> None:
    activity = Activity()
    bus = LocalBus(activity)
    heard: dict[str, list[int]] = {"all": [], "some": [], "wakes": []}

    def listener(name: str):
        async def hear(each: EventNote) -> None:
            await asyncio.sleep(0)
            heard[name].append(each.id)

        return hear

    bus.subscribe("all", None, listener("all"))
    bus.subscribe("some", {"b"}, listener("some"))
    bus.subscribe("wakes", {COMMAND_QUEUED}, listener("wakes"))
    await bus.publish([note(1, "a"), note(2, "b"), note(0, COMMAND_QUEUED), note(3, "b")])
    assert activity.count > 0
    await activity.quiet()
    assert heard == {"all": [1, 2, 3], "some": [2, 3], "wakes": [0]}
    await bus.close()


async def test_a_handler_that_fails_does_not_stop_the_others_or_itself() -> None:
    activity = Activity()
    bus = LocalBus(activity)
    heard: list[int] = []

    async def bad(each: EventNote) -> None:
        heard.append(each.id)
        raise RuntimeError("oh")

    bus.subscribe("bad", None, bad)
    await bus.publish([note(1), note(2)])
    await activity.quiet()
    assert heard == [1, 2]
    await bus.close()


async def test_what_is_left_for_later_is_done_once_when_no_more_notes_wait() -> None:
    activity = Activity()
    bus = LocalBus(activity)
    done: list[str] = []

    async def hear(each: EventNote) -> None:
        done.append(str(each.id))
        if each.id == 2:
            raise RuntimeError("oh")

    async def rest() -> None:
        assert activity.count > 0, "time must not go on before"
        done.append("rest")
        if done.count("rest") == 1:
            raise RuntimeError("oh")

    bus.subscribe("later", None, hear, rest)
    await bus.publish([note(1), note(2)])
    await activity.quiet()
    await bus.publish([note(3)])
    await activity.quiet()
    assert done == ["1", "2", "rest", "3", "rest"]
    await bus.close()


async def test_a_slow_subscriber_makes_the_publisher_wait_and_loses_nothing() -> None:
    activity = Activity()
    bus = LocalBus(activity)
    gate = asyncio.Event()
    heard: list[int] = []

    async def slow(each: EventNote) -> None:
        await gate.wait()
        heard.append(each.id)

    bus.subscribe("slow", None, slow)
    publishing = asyncio.create_task(bus.publish([note(n) for n in range(1, QUEUE_LIMIT + 50)]))
    await asyncio.sleep(0.01)
    assert not publishing.done()
    gate.set()
    await publishing
    await activity.quiet()
    assert heard == list(range(1, QUEUE_LIMIT + 50))
    await bus.close()


async def test_a_subscription_that_is_closed_hears_nothing_and_holds_nobody_up() -> None:
    activity = Activity()
    bus = LocalBus(activity)
    forever = asyncio.Event()

    async def stuck(_each: EventNote) -> None:
        await forever.wait()

    subscription = bus.subscribe("stuck", None, stuck)
    await bus.publish([note(1), note(2)])
    await asyncio.sleep(0)
    await subscription.close()
    await bus.publish([note(3)])
    await activity.quiet()
    assert activity.count == 0
    await bus.close()


async def test_a_subscriber_may_close_itself() -> None:
    activity = Activity()
    bus = LocalBus(activity)
    heard: list[int] = []

    async def once(each: EventNote) -> None:
        heard.append(each.id)
        await subscription.close()

    subscription = bus.subscribe("once", None, once)
    await bus.publish([note(1), note(2)])
    await asyncio.sleep(0.01)
    assert heard == [1]
    await activity.quiet()
    await bus.close()


async def test_events_are_told_once_and_in_order(database_url: str) -> None:
    async with small_house(database_url) as house:
        for count in (1, 5, 3):
            await emit(house, count)
        await house.told()
        assert [each.id for each in house.heard] == list(range(1, 10))
        assert house.relay.cursor == 9


async def test_queued_commands_and_wishes_wake_who_waits_for_them(database_url: str) -> None:
    async with small_house(database_url) as house:
        woken: list[str] = []

        async def hear(each: EventNote) -> None:
            woken.append(f"{each.type} {each.subject}")

        house.bus.subscribe("waker", {COMMAND_QUEUED, PLAN_REQUESTED}, hear)
        async with house.db.write(house.clock, house.ids) as work:
            work.order(Reset(), station="A-1", origin="api")
            work.request_plan("A", "x")
        await house.activity.quiet()
        assert woken == ["command.queued station/A-1", "plan.requested site/A"]


async def test_what_another_process_has_written_is_swept_up(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SWEEP_S", 0.02)
    async with small_house(sqlite_url) as house:
        woken: list[str] = []

        async def hear(each: EventNote) -> None:
            woken.append(each.subject)

        house.bus.subscribe("waker", {COMMAND_QUEUED, PLAN_REQUESTED}, hear)
        other = sqlite3.connect(house.db.path)
        now = to_micros(NOON)
        other.execute(
            "INSERT INTO event (id, time, type, tenant_id, subject, resource)"
            " VALUES (1, ?, 'site.overloaded', 'default', 'site/A', '{}')",
            (now,),
        )
        other.execute(
            "INSERT INTO command (id, tenant_id, station, kind, body, origin, state, created_at,"
            " expires_at) VALUES ('c', 'default', 'A-1', 'Reset', '{}', 'api', 'queued', ?, ?)",
            (now, now),
        )
        other.execute("INSERT INTO plan_request VALUES ('A', 'x', ?, NULL)", (now,))
        other.commit()
        other.close()
        await asyncio.sleep(0.3)
        assert [each.id for each in house.heard] == [1]
        assert set(woken) == {"station/A-1", "site/A"}
        # A later event of our own finds its place behind the other's.
        await emit(house, 1)
        await house.told()
        assert [each.id for each in house.heard] == [1, 2]


async def test_what_another_process_wrote_between_two_events_of_ours_is_told_between_them(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        other = sqlite3.connect(house.db.path)
        other.executemany(
            "INSERT INTO event (id, time, type, tenant_id, subject, resource)"
            " VALUES (?, ?, 'site.overloaded', 'default', 'site/A', '{}')",
            [(number, to_micros(NOON)) for number in (1, 2, 3)],
        )
        other.commit()
        other.close()
        house.relay.committed(Committed(events=(note(1), note(3))))
        await house.told()
        assert house.heard == [note(1), note(2), note(3)]


async def test_a_relay_that_starts_again_tells_what_it_has_not_told(database_url: str) -> None:
    async with small_house(database_url) as house:
        await emit(house, 2)
        await house.told()
        await house.relay.close()
        await emit(house, 3)
        again = SmallHouse(database_url)
        again.clock = house.clock
        await again.start()
        await again.told()
        assert [each.id for each in again.heard] == [3, 4, 5]
        await again.close()


async def test_what_has_happened_before_it_starts_is_told_to_those_who_listen_by_then(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await emit(house, 2)
        await house.told()
        await house.relay.close()
        await emit(house, 1)
        again = SmallHouse(database_url)
        again.clock = house.clock
        await again.relay.find_place()
        await emit(again, 1)  # as duties do when they begin
        await again.start()
        await again.told()
        assert [each.id for each in again.heard] == [3, 4]
        await again.close()


async def test_what_was_to_be_told_again_is_so_after_a_restart_in_between(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await emit(house, 2)
        await house.told()
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.merge(HouseFact(name="relay", value={"cursor": 1}))
        house.relay.hand_over()
        await house.relay.take_over()
        await house.relay.close()  # before it has taken that up
        again = SmallHouse(database_url)
        again.clock = house.clock
        await again.start()
        await again.told()
        assert [each.id for each in again.heard] == [2]
        await again.close()


async def test_a_relay_that_falls_behind_reads_the_outbox_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_MEMORY_LIMIT", 10)
    monkeypatch.setattr(relay_module, "_PAGE", 7)
    async with small_house(sqlite_url) as house:
        await emit(house, 30)
        await emit(house, 2)
        await house.told()
        assert [each.id for each in house.heard] == list(range(1, 33))
