"""Groups of rows that a station adds to have a bound: what has ended first makes room."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from csms.charging.intake.held import OUTSIDE_MAX, PERIODS_MAX, SCHEDULES_MAX
from csms.displays.intake import MESSAGES_MAX
from csms.event_streams.intake import STREAMS_MAX
from csms.ledger.batch import MessageNote
from models.answers import VerdictAnswer
from models.facts.displays import DisplayMessage, DisplaysReported
from models.facts.event_streams import (
    StreamClosed,
    StreamOpened,
    StreamState,
    StreamValuesReported,
)
from models.facts.held_limits import (
    HeldLimit,
    HeldLimitsReported,
    HeldPeriod,
    HeldSchedule,
    OutsideLimitCleared,
    OutsideLimitReported,
)
from models.tables.displays import DisplayMessage as DisplayRow
from models.tables.event_streams import EventStream, StreamValue
from models.tables.held_limits import HeldLimit as HeldRow
from models.tables.held_limits import OutsideLimit
from models.tables.inquiries import Inquiry
from models.tables.ledger import Quarantine
from tests.builders.small_house import NOON, SmallHouse, small_house


async def count(house: SmallHouse, table: type) -> int:
    async with house.db.read() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def question(subject: str, request_id: int, asked_at: datetime = NOON) -> Inquiry:
    return Inquiry(
        id=f"{subject}-{request_id}",
        tenant_id="default",
        station="A-1",
        subject=subject,
        request_id=request_id,
        asked={},
        command_id="c",
        whole=True,
        state="coming",
        parts=0,
        asked_at=asked_at,
        heard_at=asked_at,
    )


def a_limit(source: str, *schedules: int) -> OutsideLimitReported:
    """A limit with schedules of so many periods."""
    return OutsideLimitReported(
        station="A-1",
        received_at=NOON,
        source=source,
        evse_id=0,
        grid_critical=None,
        local_generation=None,
        schedules=tuple(
            HeldSchedule(
                start_at=NOON,
                duration_s=None,
                rate_unit="W",
                periods=tuple(HeldPeriod(start_s=n, limit_w=5_000.0) for n in range(periods)),
            )
            for periods in schedules
        ),
    )


async def test_limits_from_elsewhere_have_a_bound(database_url: str) -> None:
    async with small_house(database_url) as house:
        for number in range(OUTSIDE_MAX + 1):
            note = MessageNote("in", "NotifyChargingLimit", f"m{number}", b"{}")
            await house.intake.enqueue(a_limit(f"S{number}", 1), note)
        assert note.outcome == "quarantined"
        assert await count(house, OutsideLimit) == OUTSIDE_MAX
        # What is known may change, and what is over makes room.
        await house.submit(a_limit("S3", 2))
        cleared = OutsideLimitCleared(station="A-1", received_at=NOON, source="S3", evse_id=None)
        await house.submit(cleared)
        await house.submit(a_limit("new", 1))
        async with house.db.read() as session:
            sources = set(await session.scalars(sa.select(OutsideLimit.source)))
        assert len(sources) == OUTSIDE_MAX
        assert ("new" in sources, "S3" in sources) == (True, False)
        await house.submit(a_limit("S3", 1))
        assert await count(house, OutsideLimit) == OUTSIDE_MAX


async def test_so_much_of_a_limit_from_elsewhere_is_read(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        for told, kept, cut in (
            ([2, 3], [2, 3], False),
            ([1] * (SCHEDULES_MAX + 1), [1] * SCHEDULES_MAX, True),
            ([1000, 1000, 1000], [1000, PERIODS_MAX - 1000], True),
        ):
            await house.submit(a_limit("EMS", *told))
            async with house.db.read() as session:
                row = (await session.scalars(sa.select(OutsideLimit))).one()
            assert [len(each["periods"]) for each in row.schedules] == kept
            assert row.schedules[-1].get("cut", False) is cut
            assert ("cut" in row.schedules[0], house.heard[-1].type) == (
                False,
                "outside_limit.changed",
            )


def shown(number: int, request_id: int, *, last: bool = False) -> DisplaysReported:
    message = DisplayMessage(message_id=number, priority="InFront", format="UTF8", content="Hi")
    return DisplaysReported(
        station="A-1", received_at=NOON, request_id=request_id, last=last, messages=(message,)
    )


async def test_screens_are_told_of_by_who_was_asked_and_up_to_a_bound(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(shown(1, 77))
        assert await count(house, DisplayRow) == 0
        await house.add(question("displays", 1001))
        for number in range(MESSAGES_MAX + 5):
            await house.submit(shown(number, 1001))
        assert await count(house, DisplayRow) == MESSAGES_MAX
        await house.submit(shown(3, 1001, last=True))
        await house.submit(shown(900, 1001))
        assert await count(house, DisplayRow) == MESSAGES_MAX
        # A later report finds that they are gone: then there is room.
        house.clock.later(hours=1)
        await house.add(question("displays", 1002, house.clock.now()))
        house.clock.later(seconds=1)
        await house.submit(shown(3, 1002, last=True))
        await house.add(question("displays", 1003, house.clock.now()))
        await house.submit(shown(900, 1003))
        async with house.db.read() as session:
            numbers = set(await session.scalars(sa.select(DisplayRow.message_id)))
        assert (len(numbers), {3, 900} <= numbers) == (MESSAGES_MAX, True)
        assert await count(house, Quarantine) == 0


def held(number: int, request_id: int) -> HeldLimitsReported:
    limit = HeldLimit(
        profile_id=number,
        purpose="default",
        stack_level=0,
        kind="Absolute",
        recurrence=None,
        valid_from=None,
        valid_to=None,
        ocpp_transaction_id=None,
        schedules=(),
    )
    return HeldLimitsReported(
        station="A-1",
        received_at=NOON,
        request_id=request_id,
        last=False,
        evse_id=0,
        source="EMS",
        limits=(limit,),
    )


async def test_held_limits_are_told_by_who_was_asked_and_up_to_a_bound(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(held(1, 77))
        assert await count(house, HeldRow) == 0
        await house.add(question("limits", 1001))
        for number in range(205):
            await house.submit(held(number, 1001))
        assert await count(house, HeldRow) == 200
        assert await count(house, Quarantine) == 0


def opened(number: int) -> StreamOpened:
    stream = StreamState(stream_id=number, monitor_id=1)
    return StreamOpened(station="A-1", received_at=NOON, stream=stream)


async def test_streams_have_a_bound_and_so_have_their_values(database_url: str) -> None:
    async with small_house(database_url) as house:
        answers = [await house.submit(opened(number)) for number in range(STREAMS_MAX + 1)]
        assert answers[-2:] == [VerdictAnswer(accepted=True), VerdictAnswer(accepted=False)]
        for number in (3, 5_000):
            values = StreamValuesReported(
                station="A-1",
                received_at=NOON,
                stream_id=number,
                values=((NOON, "1"),),
                pending=0,
            )
            await house.submit(values)
        assert (await count(house, EventStream), await count(house, StreamValue)) == (
            STREAMS_MAX,
            1,
        )
        later = NOON + timedelta(minutes=1)
        await house.submit(StreamClosed(station="A-1", received_at=later, stream_id=7))
        assert await house.submit(opened(5_001)) == VerdictAnswer(accepted=True)
        async with house.db.read() as session:
            numbers = set(await session.scalars(sa.select(EventStream.stream_id)))
        assert (len(numbers), 7 in numbers, 5_001 in numbers) == (STREAMS_MAX, False, True)
