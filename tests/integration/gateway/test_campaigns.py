"""Campaigns through real sockets: settings, firmware, absences, restarts, breaking off."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.gateway.limits import Limits
from csms.ledger.work import UnitOfWork
from csms.updates.actions import CampaignWish, create_campaign, request_update
from csms.updates.queries import ConfigurationChange, FirmwareChange, Selection, Setting
from csms.updates.reactions.campaigns import Conductor
from csms.updates.reactions.firmware import UpdateKeeper
from models.tables.ledger import Event
from models.tables.stations import Station
from models.tables.updates import Campaign, CampaignStation, FirmwareUpdate
from simulators.checks import Checks
from simulators.line import Line
from simulators.link import websocket_door
from simulators.station import Station as Box
from tests.builders.stations import a_kind
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import Rig, rig

LIMITS = Limits(dry_s=0.2, call_s=20.0, call_quiet_s=0.2, close_s=0.3, sweep_s=0.02)
VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
FIRMWARE = FirmwareChange(location="https://example.org/box-4.1.0.bin", firmware_version="4.1.0")
SETTINGS = ConfigurationChange(
    variables=(
        Setting(name="HeartbeatInterval", component="OCPPCommCtrlr", value="77"),
        Setting(name="WebSocketPingInterval", component="OCPPCommCtrlr", value="33"),
    )
)


class Fleet:
    """A house with a conductor, and three simulated stations on real sockets."""

    def __init__(self, house: Rig, lines: Sequence[Line]) -> None:
        self.house = house
        self.lines = lines
        self.boxes = [line.station for line in lines]
        self.keeper: UpdateKeeper
        self.conductor: Conductor

    async def conduct(self) -> None:
        """Starts what keeps updates and conducts campaigns, as a new process would."""
        house = self.house
        parts: dict[str, Any] = {
            "db": house.db,
            "clock": house.clock,
            "ids": house.ids,
            "activity": house.activity,
        }
        self.keeper, self.conductor = UpdateKeeper(**parts), Conductor(**parts)
        await self.keeper.start()
        await self.conductor.start()
        bus, follows = house.bus, self.conductor.follows
        self._ears = [
            bus.subscribe("firmware", self.keeper.follows, self.keeper.heard),
            bus.subscribe("campaigns", follows, self.conductor.heard, self.conductor.rest),
        ]

    async def leave(self) -> None:
        """Ends it, as a process that ends."""
        for ear in self._ears:
            await ear.close()
        await self.keeper.stop()
        await self.conductor.stop()

    async def talk(self, line: Line) -> None:
        while True:
            line.station.speak_up(self.house.clock.now())
            if not line.connected and not line.cut:
                await line.dial()
            if line.due():
                await line.drain()
            await line.do_reset()
            await asyncio.sleep(0.005)

    async def begin(self, change: Any, **more: Any) -> Campaign:
        values: dict[str, Any] = {
            "name": "all",
            "selection": Selection(vendor="V"),
            "wave_count": 2,
            "wave_share": None,
            "wave_pause_s": 0,
            "max_failures": None,
            "max_failure_share": None,
            "window": None,
            "while_charging": False,
            "starts_at": None,
            "ends_at": self.house.clock.now() + timedelta(minutes=5),
        }
        async with self.work() as work:
            return await create_campaign(work, CampaignWish(change=change, **values | more))

    def work(self) -> Any:
        return self.house.db.write(self.house.clock, self.house.ids)

    async def until(self, condition: Callable[[Campaign, Counter[str]], bool]) -> Campaign:
        """Returns the campaign once it is so."""
        states: Counter[str] = Counter()
        row: Campaign | None = None
        try:
            async with asyncio.timeout(60):
                while True:
                    (row,) = await self.house.rows(sa.select(Campaign))
                    members = await self.members()
                    states = Counter(each.state for each in members)
                    if condition(row, states):
                        return row
                    await asyncio.sleep(0.02)
        except TimeoutError:
            found = [(each.station, each.state, each.why) for each in await self.members()]
            raise AssertionError((row and (row.state, row.why), found)) from None

    async def members(self) -> list[CampaignStation]:
        query = sa.select(CampaignStation).order_by(CampaignStation.position)
        return await self.house.rows(query)

    async def online(self, identity: str, *, wanted: bool) -> None:
        query = sa.select(Station.online).where(Station.identity == identity)
        async with asyncio.timeout(60):
            while await self.house.rows(query) != [wanted]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def cut(self, number: int) -> None:
        self.lines[number].cut = True
        await self.lines[number].hang_up()
        await self.online(f"ST-{number}", wanted=False)


@asynccontextmanager
async def fleet(
    directory: Path, quirks: Sequence[str] = (), url: str | None = None
) -> AsyncIterator[Fleet]:
    async with rig(directory, limits=LIMITS, url=url) as house:
        checks, lines = Checks(), list[Line]()
        now = house.clock.now
        for number, version in enumerate(VERSIONS):
            password = await house.add_station(f"ST-{number}")
            kind = a_kind(subprotocol=version)
            box = Box(f"ST-{number}", kind, now=now(), quirks=frozenset(quirks))
            box.firmware.download_s = box.firmware.install_s = 0.05
            door = websocket_door(f"ws://127.0.0.1:{house.port}/ocpp")
            lines.append(Line(box, connect=door, password=password, now=now, checks=checks))
            box.boot("PowerUp", now())
        it = Fleet(house, lines)
        await it.conduct()
        talking = [asyncio.create_task(it.talk(line)) for line in lines]
        try:
            for line in lines:
                await eventually(lambda line=line: line.online)
                await it.online(line.station.identity, wanted=True)
            yield it
            assert checks.complaints == []
        finally:
            for task in talking:
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)
            for line in lines:
                await line.hang_up()
            await it.leave()


async def test_settings_reach_stations_of_all_versions(tmp_path: Path, database_url: str) -> None:
    async with fleet(tmp_path, url=database_url) as it:
        await it.begin(SETTINGS)
        row = await it.until(lambda row, _: row.ended_at is not None)
        assert (row.state, row.wave) == ("finished", 2)
        members = await it.members()
        assert [(each.state, each.wave, each.written) for each in members] == [
            ("done", 1, 2),
            ("done", 1, 2),
            ("done", 2, 2),
        ]
        for box in it.boxes:
            found = [box.variables.get(each.name) for each in SETTINGS.variables]
            assert [each and each.value for each in found] == ["77", "33"]
        subject = f"campaign/{row.id}"
        query = sa.select(Event.type).where(Event.subject == subject).order_by(Event.id)
        events = await it.house.rows(query)
        assert (events[0], events[-1]) == ("campaign.created", "campaign.finished")
        assert events.count("campaign.wave_started") == 2


async def test_what_stations_refuse_is_their_result(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        wrong = ConfigurationChange(
            variables=(*SETTINGS.variables, Setting(name="NoSuch", component="Box", value="1"))
        )
        await it.begin(wrong, max_failures=0, wave_count=1)
        row = await it.until(lambda row, _: row.ended_at is not None)
        assert (row.state, row.why) == ("aborted", "1 have failed; allowed are 0")
        members = await it.members()
        assert [each.state for each in members] == ["failed", "missed", "missed"]
        assert (members[0].why, members[0].written) == ("NotSupported", 2)


async def test_an_absent_station_is_done_when_it_is_back(tmp_path: Path, database_url: str) -> None:
    async with fleet(tmp_path, url=database_url) as it:
        await it.cut(1)
        await it.begin(FIRMWARE, wave_count=5)
        await it.until(lambda _, states: states == {"done": 2, "waiting": 1})
        assert (await it.members())[1].why == "offline"
        it.lines[1].cut = False
        row = await it.until(lambda row, _: row.ended_at is not None)
        assert row.state == "finished"
        assert [each.state for each in await it.members()] == ["done"] * 3
        assert {box.firmware.version for box in it.boxes} == {"4.1.0"}


async def test_a_campaign_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        for box in it.boxes:
            box.firmware.download_s = 0.6
        await it.begin(FIRMWARE, wave_count=1)
        await it.until(lambda _, states: states["running"] == 1)
        await it.leave()
        first = it.boxes[0]
        await eventually(lambda: first.firmware.version == "4.1.0" and it.lines[0].online)
        await asyncio.sleep(0.3)  # what it tells meanwhile nobody looks at
        await it.conduct()
        await it.until(lambda row, states: row.ended_at is not None and states["done"] == 3)
        updates = await it.house.rows(sa.select(FirmwareUpdate.station))
        assert sorted(updates) == ["ST-0", "ST-1", "ST-2"]


async def test_two_campaigns_never_meet_at_a_station(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        async with it.work() as work:
            await _update(work, "ST-0", later=True)
        await it.begin(FIRMWARE, wave_count=3)
        await it.until(lambda _, states: states == {"done": 2, "waiting": 1})
        assert (await it.members())[0].why == "another update is under way"


async def test_what_is_there_already_is_left_out(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        await it.house.change_station("ST-2", firmware_version="4.1.0")
        await it.begin(FIRMWARE)
        await it.until(lambda row, _: row.ended_at is not None)
        members = await it.members()
        assert [each.state for each in members] == ["done", "done", "skipped"]
        assert members[2].why == "it has 4.1.0 already"


@pytest.mark.parametrize("quirk", ["fw-install-failed"])
async def test_too_many_failures_break_it_off(tmp_path: Path, quirk: str) -> None:
    async with fleet(tmp_path, [quirk]) as it:
        await it.begin(FIRMWARE, wave_count=1, max_failures=None, max_failure_share=0.5)
        row = await it.until(lambda row, _: row.ended_at is not None)
        assert row.state == "aborted"
        assert [each.state for each in await it.members()] == ["failed", "failed", "missed"]


async def _update(work: UnitOfWork, identity: str, *, later: bool) -> None:
    station = await work.session.get(Station, identity)
    assert station is not None
    at = work.now + timedelta(hours=1) if later else None
    change = FirmwareChange(location="https://example.org/other.bin", retrieve_at=at)
    await request_update(work, station, change)
