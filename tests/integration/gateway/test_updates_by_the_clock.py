"""What the clock alone makes true of updates and campaigns, and what time waits for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from csms.updates.actions import CampaignWish, create_campaign, move_campaign
from csms.updates.queries import FirmwareChange, Selection
from csms.updates.reactions.campaigns import Conductor
from csms.updates.reactions.firmware import UpdateKeeper
from csms.updates.rules.campaigns import Window
from csms.updates.rules.firmware import SILENCE
from models.clocks import Activity, SteppedClock
from models.tables.ledger import Command
from models.tables.updates import Campaign, CampaignStation, FirmwareUpdate
from tests.integration.gateway.rig import Rig, rig

START = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHANGE = FirmwareChange(location="https://example.org/fw.bin")


@asynccontextmanager
async def conducted(house: Rig) -> AsyncIterator[None]:
    """Runs what keeps updates and conducts campaigns, as one process would."""
    parts: dict[str, Any] = {
        "db": house.db,
        "clock": house.clock,
        "ids": house.ids,
        "activity": house.activity,
    }
    keeper, conductor = UpdateKeeper(**parts), Conductor(**parts)
    await keeper.start()
    await conductor.start()
    ears = [
        house.bus.subscribe("firmware", keeper.follows, keeper.heard),
        house.bus.subscribe("campaigns", conductor.follows, conductor.heard, conductor.rest),
    ]
    try:
        yield
    finally:
        for ear in ears:
            await ear.close()
        await keeper.stop()
        await conductor.stop()


@asynccontextmanager
async def stepped(directory: Path) -> AsyncIterator[tuple[Rig, SteppedClock]]:
    activity = Activity()
    clock = SteppedClock(START, activity)
    async with rig(directory, clock=clock, activity=activity) as house:
        yield house, clock


async def begin(house: Rig, **more: Any) -> str:
    values: dict[str, Any] = {
        "name": "all",
        "selection": Selection(identities=("ST-1",)),
        "wave_count": 1,
        "wave_share": None,
        "wave_pause_s": 0,
        "max_failures": None,
        "max_failure_share": None,
        "window": None,
        "while_charging": False,
        "starts_at": None,
        "ends_at": START + 48 * HOUR,
    }
    async with house.db.write(house.clock, house.ids) as work:
        made = await create_campaign(work, CampaignWish(change=CHANGE, **values | more))
        return made.id


async def campaign(house: Rig) -> tuple[str, str, str | None]:
    """Returns the states of the campaign and of its station, and why."""
    (row,) = await house.rows(sa.select(Campaign))
    (member,) = await house.rows(sa.select(CampaignStation))
    return row.state, member.state, member.why


async def test_an_update_of_which_nothing_is_heard_has_failed_after_six_hours(
    tmp_path: Path,
) -> None:
    async with stepped(tmp_path) as (house, clock):
        await house.add_station("ST-1")
        values: dict[str, Any] = {"location": "https://example.org/fw.bin", "command_id": "c"}
        async with house.db.write(house.clock, house.ids) as work:
            times = dict.fromkeys(("retrieve_at", "created_at", "heard_at", "updated_at"), START)
            row = FirmwareUpdate(
                id="u1", station="ST-1", request_id=1, state="running", **values, **times
            )
            work.session.add(row)
        async with conducted(house):
            await clock.advance_to(START + SILENCE - timedelta(minutes=1))
            (row,) = await house.rows(sa.select(FirmwareUpdate))
            assert row.state == "running"
            await clock.advance_to(START + SILENCE)
            (row,) = await house.rows(sa.select(FirmwareUpdate))
            assert (row.state, row.why) == ("failed", "no news of it for 6 hours")


async def test_a_station_that_never_comes_is_missed_when_the_campaign_ends(tmp_path: Path) -> None:
    async with stepped(tmp_path) as (house, clock):
        await house.add_station("ST-1")
        async with conducted(house):
            await begin(house)
            await clock.advance_to(START + 47 * HOUR)
            assert await campaign(house) == ("running", "waiting", "offline")
        async with conducted(house):  # a restart keeps its end
            await clock.advance_to(START + 48 * HOUR)
        why = "the campaign ended before its turn: offline"
        assert await campaign(house) == ("finished", "missed", why)


async def test_a_window_is_waited_for_and_a_pause_outlasts_it(tmp_path: Path) -> None:
    window = Window(begins="22:00", until="23:00", timezone="UTC")
    async with stepped(tmp_path) as (house, clock):
        await house.add_station("ST-1", online=True)
        async with conducted(house):
            campaign_id = await begin(house, window=window)
            await clock.advance_to(START + 9 * HOUR)
            assert await campaign(house) == ("running", "waiting", None)
            async with house.db.write(house.clock, house.ids) as work:
                row = await work.session.get(Campaign, campaign_id)
                assert row is not None
                await move_campaign(work, row, "paused")
            await clock.advance_to(START + 12 * HOUR)
            assert await campaign(house) == ("paused", "waiting", None)
            async with house.db.write(house.clock, house.ids) as work:
                row = await work.session.get(Campaign, campaign_id)
                assert row is not None
                await move_campaign(work, row, "running")
            await clock.advance_to(START + 33 * HOUR)
            assert await campaign(house) == ("running", "waiting", None)
            await clock.advance_to(START + 34 * HOUR)
            assert (await campaign(house))[1] == "running"
            orders = await house.rows(sa.select(Command.kind))
            assert orders == ["UpdateFirmware"]


async def test_a_start_is_waited_for(tmp_path: Path) -> None:
    async with stepped(tmp_path) as (house, clock):
        await house.add_station("ST-1", online=True)
        async with conducted(house):
            await begin(house, starts_at=START + 5 * HOUR)
            await clock.advance_to(START + 4 * HOUR)
            assert await house.rows(sa.select(Command.kind)) == []
            await clock.advance_to(START + 5 * HOUR)
            assert (await campaign(house))[1] == "running"


async def test_one_that_could_not_be_asked_has_its_turn_again(tmp_path: Path) -> None:
    async with stepped(tmp_path) as (house, clock):
        await house.add_station("ST-1", online=True)  # and yet nobody is there
        async with conducted(house):
            await begin(house)
            await house.change_station("ST-1", online=False)
            await clock.advance_to(START + timedelta(minutes=5))
            assert await campaign(house) == ("running", "waiting", "offline")
            updates = await house.rows(sa.select(FirmwareUpdate.state))
            assert updates == ["unsent"]
