"""A report says nothing of limits that were not asked for."""

from __future__ import annotations

import pytest

from models.commands.held_limits import SOURCES
from models.facts import Fact
from models.facts.held_limits import HeldLimit, HeldLimitsReported
from models.facts.inquiries import InquiryAnswered
from models.tables.held_limits import HeldLimit as HeldTable
from models.tables.inquiries import Inquiry
from tests.builders.small_house import SmallHouse, small_house


def told(
    house: SmallHouse, number: int, source: str, request_id: int, *, last: bool = True
) -> HeldLimitsReported:
    limit = HeldLimit(
        profile_id=number,
        purpose="external",
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
        received_at=house.clock.now(),
        request_id=request_id,
        last=last,
        evse_id=0,
        source=source,
        limits=(limit,),
    )


def empty(house: SmallHouse, request_id: int) -> InquiryAnswered:
    return InquiryAnswered(
        station="A-1",
        received_at=house.clock.now(),
        subject="limits",
        request_id=request_id,
        answer="empty",
        detail="",
    )


async def asked(house: SmallHouse, request_id: int) -> None:
    now = house.clock.later(minutes=1)
    await house.add(
        Inquiry(
            id=f"I-{request_id}",
            station="A-1",
            subject="limits",
            request_id=request_id,
            asked={},
            whole=True,
            command_id="C",
            state="asked" if request_id == 3 else "coming",
            asked_at=now,
            heard_at=now,
        )
    )
    house.clock.later(seconds=1)


@pytest.mark.parametrize("nothing", [True, False])
async def test_limits_of_sources_that_were_not_asked_for_are_not_gone(
    database_url: str, nothing: bool
) -> None:
    async with small_house(database_url) as house:
        await asked(house, 1)
        for number, source in enumerate((*SOURCES, "PeakShaver"), start=1):
            await house.submit(told(house, number, source, 1, last=number > len(SOURCES)))
        request_id = 3 if nothing else 2
        await asked(house, request_id)
        answer: Fact = empty(house, 3) if nothing else told(house, 9, "EMS", 2)
        await house.submit(answer)
        gone = {row.profile_id: row.gone for row in await house.rows(HeldTable)}
        still = {5: False} if nothing else {5: False, 9: False}
        assert gone == dict.fromkeys(range(1, 5), True) | still
