"""What becomes of a limit: settled by the station's answer, judged by what the meter says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.planning.reactions import FOLLOWED, LimitKeeper
from csms.planning.rules import Period
from csms.stations.actions import announce_station
from csms.stations.reactions import StationHost
from models.commands import LimitPeriod, SetLimit
from models.errors import Unavailable
from models.facts import CommandSent, CommandSettled, StationCaughtUp
from models.tables.charging import ChargingLimit
from models.tables.ledger import Command
from models.tables.planning import PlanRequest
from models.tables.stations import Station
from tests.builders.small_house import NOON, SmallHouse, small_house

_SAME = (
    "site_id",
    "station",
    "ocpp_transaction_id",
    "purpose",
    "created_at",
    "valid_to",
    "periods",
)


@asynccontextmanager
async def watched_house(url: str) -> AsyncIterator[tuple[SmallHouse, str]]:
    """A charging car whose station was sent a pause; gives the command's id."""
    async with small_house(url) as house:
        keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.ids)
        await keeper.start()
        house.bus.subscribe("limits", FOLLOWED, keeper.heard, keeper.rest)
        await house.submit(house.event_2x("started", 0, token="CAR-1"))
        limit = SetLimit(
            evse_id=1,
            purpose="transaction",
            ocpp_transaction_id="tx-a",
            profile_id=11,
            stack_level=1,
            periods=(LimitPeriod(0, 0.0),),
            start_at=NOON,
        )
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(PlanRequest))
            command_id = work.order(limit, station="A-1", origin="plan")
            work.session.add(
                ChargingLimit(
                    id="limit-1",
                    site_id="A",
                    station="A-1",
                    evse_id=1,
                    ocpp_transaction_id="tx-a",
                    purpose="transaction",
                    created_at=NOON,
                    valid_to=NOON + timedelta(hours=4),
                    periods=[Period(NOON, 0.0, ("SUN",)).document()],
                    state="queued",
                    command_id=command_id,
                )
            )
        yield house, command_id


async def settle(house: SmallHouse, command_id: str, **answer: Any) -> None:
    sent = CommandSent(station="A-1", received_at=house.clock.now(), command_id=command_id, epoch=1)
    await house.submit(sent)
    settled = CommandSettled(
        station="A-1", received_at=house.clock.now(), command_id=command_id, **answer
    )
    await house.submit(settled)
    await house.activity.quiet()


async def meter(house: SmallHouse, number: int, power_w: float) -> None:
    house.clock.later(seconds=60)
    await house.submit(
        house.event_2x("updated", number, house.read(1000.0 + 10 * number, power_w=power_w))
    )
    await house.activity.quiet()


async def state(house: SmallHouse) -> str:
    return (await house.one(ChargingLimit)).state


async def test_a_limit_that_is_accepted_and_kept_is_obeyed(database_url: str) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, state="answered", outcome="accepted", response="{}")
        assert await state(house) == "accepted"
        await meter(house, 1, 3700.0)  # within the reaction time
        assert await state(house) == "accepted"
        await meter(house, 2, 0.0)
        await meter(house, 3, 40.0)
        assert await state(house) == "obeyed"
        assert await house.rows(PlanRequest) == []


async def test_limits_that_are_answered_together_replace_those_before_them_each(
    database_url: str,
) -> None:
    async with watched_house(database_url) as (house, first):
        async with house.db.write(house.clock, house.ids) as work:
            former = await work.session.get_one(ChargingLimit, "limit-1")
            same = {name: getattr(former, name) for name in _SAME}
            commands = [first, *(work.ids.new() for _ in range(3))]
            # The second is of the same instant as the first, the others of another EVSE.
            for number, evse_id in ((2, 1), (3, 2), (4, 2)):
                row = ChargingLimit(id=f"limit-{number}", command_id=commands[number - 1], **same)
                row.evse_id, row.state = evse_id, "sent"
                work.session.add(row)
        keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.ids)
        for command_id in (commands[0], commands[2], commands[1]):
            told = {"id": command_id, "kind": "SetLimit", "state": "answered"}
            resource = msgspec.json.encode({**told, "outcome": "accepted"})
            subject = f"command/{command_id}"
            await keeper.heard(
                EventNote(1, NOON, "command.answered", "default", "A", subject, resource)
            )
        await keeper.rest()
        states = {row.id: row.state for row in await house.rows(ChargingLimit)}
    assert states == {
        "limit-1": "superseded",
        "limit-2": "accepted",
        "limit-3": "accepted",
        "limit-4": "superseded",
    }


async def test_a_limit_that_the_meter_belies_is_disobeyed_and_planned_around(
    database_url: str,
) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, state="answered", outcome="accepted", response="{}")
        for number in range(1, 5):
            await meter(house, number, 3700.0)
        row = await house.one(ChargingLimit)
        assert (row.state, row.detail) == ("disobeyed", "metered 3700 W under a limit of 0 W")
        assert "command.failed" in await house.told()
        assert (await house.one(PlanRequest)).site_id == "A"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"state": "answered", "outcome": "rejected", "response": "{}"}, "rejected"),
        ({"state": "failed", "error_code": "InternalError"}, "rejected"),
    ],
)
async def test_a_limit_that_is_rejected_asks_for_another_plan(
    database_url: str, answer: dict[str, Any], expected: str
) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, **answer)
        assert await state(house) == expected
        assert (await house.one(PlanRequest)).site_id == "A"


async def test_a_second_rejection_waits_for_the_plan_of_the_clock(database_url: str) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, state="answered", outcome="rejected", response="{}")
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(PlanRequest))
        again = await order_plan_limit(house, 1500.0, minutes=60)
        await settle(house, again, state="answered", outcome="rejected", response="{}")
        assert [row.state for row in await house.rows(ChargingLimit)] == ["rejected", "rejected"]
        assert await house.rows(PlanRequest) == []


async def go_online(house: SmallHouse) -> None:
    async with house.db.write(house.clock, house.ids) as work:
        station = await work.session.get(Station, "A-1")
        assert station is not None
        station.online, station.epoch = True, 3


async def ordered(house: SmallHouse, kind: str) -> list[str]:
    await house.activity.quiet()
    return [row.id for row in await house.rows(Command, kind=kind, state="queued")]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"outcome": "accepted", "limits": ((0, 0.0),)}, "accepted"),
        ({"outcome": "accepted", "limits": ((0, 3700.0),)}, "superseded"),
        ({"outcome": "accepted"}, "superseded"),
        ({"outcome": "rejected"}, "unknown"),
    ],
)
async def test_a_limit_met_with_silence_is_read_back_before_it_is_planned_anew(
    database_url: str, told: dict[str, Any], expected: str
) -> None:
    async with watched_house(database_url) as (house, command_id):
        await go_online(house)
        await settle(house, command_id, state="unknown")
        assert await state(house) == "unknown"
        assert await house.rows(PlanRequest) == []
        (reading,) = await ordered(house, "ReadLimit")
        await settle(house, reading, state="answered", response="{}", **told)
        assert await state(house) == expected
        assert (await house.one(PlanRequest)).reason == "limits-read-back"


async def test_a_limit_that_is_lost_with_the_connection_is_read_back_when_the_station_is_back(
    database_url: str,
) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, state="unknown")
        assert await ordered(house, "ReadLimit") == []
        await go_online(house)
        back = StationCaughtUp(station="A-1", received_at=house.clock.now(), epoch=3)
        await house.submit(back)
        (reading,) = await ordered(house, "ReadLimit")
        # Its word of an older connection is none.
        await house.submit(msgspec.structs.replace(back, epoch=2))
        assert await ordered(house, "ReadLimit") == [reading]
        answer = {"outcome": "accepted", "limits": ((0, 0.0),)}
        await settle(house, reading, state="answered", response="{}", **answer)
        assert await state(house) == "accepted"
        assert (await house.one(PlanRequest)).reason == "limits-read-back"


async def test_a_station_that_comes_back_without_a_limit_is_planned_for_at_once(
    database_url: str,
) -> None:
    async with watched_house(database_url) as (house, _):
        await house.submit(house.event_2x("ended", 1))
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(PlanRequest))
        await go_online(house)
        await house.submit(StationCaughtUp(station="A-1", received_at=house.clock.now(), epoch=3))
        await house.activity.quiet()
        assert (await house.one(PlanRequest)).reason == "station-came-back"


@asynccontextmanager
async def safe_house(url: str, limit_w: float = 2000.0) -> AsyncIterator[SmallHouse]:
    """A station with two EVSEs and a safe limit in its box, and a car that it charges."""
    async with small_house(url) as house:
        keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.ids)
        await keeper.start()
        house.bus.subscribe("limits", FOLLOWED, keeper.heard, keeper.rest)
        host = StationHost(db=house.db, clock=house.clock, ids=house.ids)
        house.bus.subscribe("stations", host.follows, host.heard)
        async with house.db.write(house.clock, house.ids) as work:
            station = await work.session.get(Station, "A-1")
            assert station is not None
            station.online, station.safe_limit_w = True, 2 * limit_w
        for evse in (0, 1, 2):
            await house.submit(house.status("Available", evse=evse))
        await house.submit(house.boot())
        await house.activity.quiet()
        await accept(house, "SetLimit")
        await house.submit(house.event_2x("started", 0, token="CAR-1"))
        yield house


async def accept(house: SmallHouse, kind: str) -> None:
    for command in await house.rows(Command, state="queued", kind=kind):
        await settle(house, command.id, state="answered", outcome="accepted", response="{}")


async def safe_limits(house: SmallHouse) -> list[ChargingLimit]:
    return await house.rows(ChargingLimit, purpose="default")


async def test_a_safe_limit_is_a_limit_like_any_other_and_obeyed_where_it_is_kept(
    database_url: str,
) -> None:
    async with safe_house(database_url) as house:
        (row,) = await safe_limits(house)
        assert (row.station, row.evse_id, row.site_id, row.state) == ("A-1", 0, "A", "accepted")
        # The status of the station as a whole (EVSE 0) makes no third outlet of it.
        assert [(p["limit_w"], p["reasons"]) for p in row.periods] == [(2000.0, ["SAFE_LIMIT"])]
        await meter(house, 1, 1990.0)
        await meter(house, 2, 1990.0)
        assert [row.state for row in await safe_limits(house)] == ["obeyed"]


async def test_a_safe_limit_that_the_meter_belies_is_disobeyed(database_url: str) -> None:
    async with safe_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(PlanRequest))
        for number in range(1, 6):
            await meter(house, number, 3700.0)
        (row,) = await safe_limits(house)
        assert row.state == "disobeyed"
        assert row.detail == "metered 3700 W under a limit of 2000 W on EVSE 1"
        alarms = [note.subject for note in house.heard if note.type == "command.failed"]
        assert alarms == [f"limit/{row.id}"]
        assert (await house.one(PlanRequest)).site_id == "A"


async def test_one_sample_over_the_safe_limit_does_not_condemn(database_url: str) -> None:
    async with safe_house(database_url) as house:
        for number, power_w in enumerate((1900.0, 3700.0, 1900.0, 3700.0, 1900.0), 1):
            await meter(house, number, power_w)
        assert [row.state for row in await safe_limits(house)] == ["obeyed"]


async def order_plan_limit(house: SmallHouse, limit_w: float, minutes: int) -> str:
    limit = SetLimit(
        evse_id=1,
        purpose="transaction",
        ocpp_transaction_id="tx-a",
        profile_id=11,
        stack_level=1,
        periods=(LimitPeriod(0, limit_w),),
        start_at=house.clock.now(),
    )
    async with house.db.write(house.clock, house.ids) as work:
        command_id = work.order(limit, station="A-1", origin="plan")
        work.session.add(
            ChargingLimit(
                id=f"plan-{limit_w}",
                site_id="A",
                station="A-1",
                evse_id=1,
                ocpp_transaction_id="tx-a",
                purpose="transaction",
                created_at=work.now,
                valid_to=work.now + timedelta(minutes=minutes),
                periods=[Period(work.now, limit_w, ("SUN",)).document()],
                state="queued",
                command_id=command_id,
            )
        )
    return command_id


async def test_a_limit_of_a_plan_goes_before_the_safe_limit_for_its_time_only(
    database_url: str,
) -> None:
    async with safe_house(database_url) as house:
        command_id = await order_plan_limit(house, 3700.0, minutes=4)
        await settle(house, command_id, state="answered", outcome="accepted", response="{}")
        for number in range(1, 5):
            await meter(house, number, 3700.0)
        assert [row.state for row in await safe_limits(house)] == ["accepted"]
        row = await house.one(ChargingLimit, purpose="transaction")
        assert row.state == "obeyed"
        assert row.obeyed_at is not None
        # The plan's time is over; the box has the reaction time to fall back.
        for number in range(5, 8):
            await meter(house, number, 3700.0)
        assert [row.state for row in await safe_limits(house)] == ["disobeyed"]


async def test_while_nobody_knows_what_the_box_holds_the_safe_limit_is_not_judged(
    database_url: str,
) -> None:
    async with safe_house(database_url) as house:
        await settle(house, await order_plan_limit(house, 3700.0, minutes=60), state="unknown")
        for number in range(1, 5):
            await meter(house, number, 3700.0)
        assert [row.state for row in await safe_limits(house)] == ["accepted"]


async def test_a_safe_limit_that_is_taken_back_is_not_watched_any_more(database_url: str) -> None:
    async with safe_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            station = await work.session.get(Station, "A-1")
            assert station is not None
            station.safe_limit_w = None
            await announce_station(work, "station.updated", station)
        await house.activity.quiet()
        await accept(house, "ClearLimit")
        assert [row.kind for row in await house.rows(Command)][-1] == "ClearLimit"
        for number in range(1, 6):
            await meter(house, number, 3700.0)
        assert [row.state for row in await safe_limits(house)] == ["superseded"]


async def test_answers_that_could_not_be_written_down_are_not_lost(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_house(sqlite_url) as house:
        keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.ids)
        await keeper.start()
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(
                ChargingLimit(
                    id="limit-1",
                    site_id="A",
                    station="A-1",
                    evse_id=1,
                    purpose="default",
                    created_at=NOON,
                    periods=[Period(NOON, 0.0).document()],
                    state="queued",
                    command_id="c-1",
                )
            )
        resource = b'{"id":"c-1","kind":"SetLimit","state":"answered","outcome":"accepted"}'
        note = EventNote(1, NOON, "command.answered", "default", "A", "command/c-1", resource)

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("the database is away")

        with monkeypatch.context() as patch:
            patch.setattr(house.db, "write", away)
            await keeper.heard(note)
            with pytest.raises(Unavailable):
                await keeper.rest()
        await keeper.rest()
        assert [row.state for row in await safe_limits(house)] == ["accepted"]


async def test_safe_limits_in_boxes_are_watched_after_a_restart(database_url: str) -> None:
    async with safe_house(database_url) as house:
        keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.ids)
        await keeper.start()
        for number in range(1, 5):
            await meter(house, number, 3700.0)
            note = [each for each in house.heard if each.type == "transaction.updated"][-1]
            await keeper.heard(note)
        assert [row.state for row in await safe_limits(house)] == ["disobeyed"]


async def test_the_answer_to_a_command_is_told_with_its_meaning(database_url: str) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, state="answered", outcome="accepted", response="{}")
        assert (await house.one(Command)).outcome == "accepted"
        told = [note for note in house.heard if note.type == "command.answered"]
        assert b'"outcome":"accepted"' in bytes(told[0].resource)
