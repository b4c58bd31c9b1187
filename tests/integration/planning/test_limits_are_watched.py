"""What becomes of a limit: settled by the station's answer, judged by what the meter says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from csms.planning.reactions import FOLLOWED, LimitKeeper
from csms.planning.rules import Period
from models.commands import LimitPeriod, SetLimit
from models.facts import CommandSent, CommandSettled
from models.tables.charging import ChargingLimit
from models.tables.ledger import Command
from models.tables.planning import PlanRequest
from tests.builders.small_house import NOON, SmallHouse, small_house


@asynccontextmanager
async def watched_house(url: str) -> AsyncIterator[tuple[SmallHouse, str]]:
    """A charging car whose station was sent a pause; gives the command's id."""
    async with small_house(url) as house:
        keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.ids)
        await keeper.start()
        house.bus.subscribe("limits", FOLLOWED, keeper.heard)
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
        ({"state": "failed", "error_code": "InternalError"}, "unknown"),
        ({"state": "unknown"}, "unknown"),
    ],
)
async def test_a_limit_that_is_not_accepted_asks_for_another_plan(
    database_url: str, answer: dict[str, Any], expected: str
) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, **answer)
        assert await state(house) == expected
        assert (await house.one(PlanRequest)).site_id == "A"


async def test_the_answer_to_a_command_is_told_with_its_meaning(database_url: str) -> None:
    async with watched_house(database_url) as (house, command_id):
        await settle(house, command_id, state="answered", outcome="accepted", response="{}")
        assert (await house.one(Command)).outcome == "accepted"
        told = [note for note in house.heard if note.type == "command.answered"]
        assert b'"outcome":"accepted"' in bytes(told[0].resource)
