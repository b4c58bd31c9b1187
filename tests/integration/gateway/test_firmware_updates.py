"""Firmware updates through real sockets: asked for, told, and found out after trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.gateway.limits import Limits
from csms.updates.actions import request_update
from csms.updates.queries import FirmwareChange
from csms.updates.reactions.firmware import UpdateKeeper
from models.errors import Conflict
from models.tables.ledger import Event
from models.tables.stations import Station
from models.tables.updates import FirmwareNotice, FirmwareUpdate
from simulators.notices import FirmwareNote
from simulators.station import Station as Box
from simulators.triggers import triggered
from tests.builders.played_line import PlayedLine
from tests.builders.stations import a_kind
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import Rig, rig

VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
LIMITS = Limits(dry_s=0.2, call_s=20.0, call_quiet_s=0.2, close_s=0.3, sweep_s=0.02)
LOCATION = "https://example.org/fw/box-4.1.0.bin"
SIGNED = {"signing_certificate": "PEM", "signature": "c2ln"}


class Played:
    """A house with a keeper of updates, and a simulated station on a real socket."""

    def __init__(self, house: Rig, box: Box, line: PlayedLine, keeper: UpdateKeeper) -> None:
        self.house = house
        self.box = box
        self.line = line
        self.keeper = keeper
        self.plays = True
        self.ahead = timedelta()
        """By how much the station's time is ahead of the house's."""

    async def live(self) -> None:
        """Plays the station, as its driver would."""
        while True:
            now = self.house.clock.now() + self.ahead
            if self.plays:
                self.box.speak_up(now)
            if not self.line.connected and not self.line.cut:
                await self.line.dial()
            if self.line.due():
                await self.line.drain()
            await self.line.do_reset()
            await asyncio.sleep(0.005)

    async def ask(self, **more: Any) -> FirmwareUpdate:
        async with self.house.db.write(self.house.clock, self.house.ids) as work:
            station = await work.session.get(Station, "ST-1")
            assert station is not None
            return await request_update(work, station, FirmwareChange(location=LOCATION, **more))

    async def until(self, condition: Callable[[FirmwareUpdate], bool]) -> FirmwareUpdate:
        """Returns the newest update once it is so."""
        row: FirmwareUpdate | None = None
        query = sa.select(FirmwareUpdate).order_by(FirmwareUpdate.request_id.desc()).limit(1)
        try:
            async with asyncio.timeout(60):
                while True:
                    row = next(iter(await self.house.rows(query)), None)
                    if row is not None and condition(row):
                        return row
                    await asyncio.sleep(0.02)
        except TimeoutError:
            shown = row and (row.state, row.status, row.why, row.firmware_after)
            raise AssertionError(shown) from None

    async def history(self, update_id: str | None) -> list[str]:
        query = sa.select(FirmwareNotice.status).where(FirmwareNotice.update_id == update_id)
        return await self.house.rows(query.order_by(FirmwareNotice.id))

    async def heard(self, update_id: str | None, words: list[str]) -> None:
        """Returns once the station has said this first of an update, or of none."""
        async with asyncio.timeout(60):
            while (await self.history(update_id))[: len(words)] != words:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def caught_up(self) -> None:
        """Returns once the house has been told that all is told: later it asks no more."""
        query = sa.select(Event.id).where(Event.type == "station.caught_up")
        async with asyncio.timeout(60):
            while not await self.house.rows(query):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def online(self, *, wanted: bool = True) -> None:
        query = sa.select(Station.online).where(Station.identity == "ST-1")
        async with asyncio.timeout(60):
            while (await self.house.rows(query)) != [wanted] or self.line.online is not wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def cut(self) -> None:
        """Breaks the connection."""
        self.line.cut = True
        await self.line.hang_up()
        await self.online(wanted=False)

    async def back(self) -> None:
        """Lets it connect again."""
        self.line.cut = False
        await self.online()


@asynccontextmanager
async def played(
    directory: Path, version: str, *quirks: str, url: str | None = None
) -> AsyncIterator[Played]:
    async with rig(directory, limits=LIMITS, url=url) as house:
        password = await house.add_station("ST-1")
        keeper = UpdateKeeper(
            db=house.db, clock=house.clock, ids=house.ids, activity=house.activity
        )
        await keeper.start()
        house.bus.subscribe("firmware", keeper.follows, keeper.heard)
        now = house.clock.now
        box = Box("ST-1", a_kind(subprotocol=version), now=now(), quirks=frozenset(quirks))
        box.firmware.download_s = box.firmware.install_s = 0.05
        line = PlayedLine(box, house.port, password, now=now)
        it = Played(house, box, line, keeper)
        box.boot("PowerUp", now())
        try:
            async with line.played(it.live):
                await it.online()
                await it.caught_up()
                yield it
        finally:
            await keeper.stop()


@VERSIONS
@pytest.mark.parametrize("signed", [False, True])
async def test_a_station_gets_new_firmware(
    tmp_path: Path, version: str, signed: bool, database_url: str
) -> None:
    async with played(tmp_path, version, url=database_url) as it:
        made = await it.ask(**(SIGNED if signed else {}))
        assert (made.state, made.firmware_before) == ("requested", "3.2.0")
        row = await it.until(lambda row: row.firmware_after is not None)
        assert (row.state, row.firmware_after, row.why) == ("installed", "4.1.0", None)
        row = await it.until(lambda row: row.status == "Installed")
        told = await it.history(row.id)
        wanted = ["Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed"]
        if signed:
            wanted.insert(2, "SignatureVerified")
        if version == "ocpp1.6" and not signed:
            wanted.remove("InstallRebooting")
        assert told == wanted
        subject = f"firmware_update/{row.id}"
        query = sa.select(Event.type).where(Event.subject == subject).order_by(Event.id)
        events = await it.house.rows(query)
        assert events[0] == "firmware_update.requested"
        assert events.count("firmware_update.ended") == 1
        # Having restarted it may be asked how far it is when all is over.
        assert set(await it.history(None)) <= {"Idle"}


@VERSIONS
@pytest.mark.parametrize(
    ("quirk", "signed", "why"),
    [
        ("fw-download-failed", False, "DownloadFailed"),
        ("fw-install-failed", False, "InstallationFailed"),
        ("fw-bad-signature", True, "InvalidSignature"),
    ],
)
async def test_what_goes_wrong_is_told(
    tmp_path: Path, version: str, quirk: str, signed: bool, why: str
) -> None:
    async with played(tmp_path, version, quirk) as it:
        await it.ask(**(SIGNED if signed else {}))
        row = await it.until(lambda row: row.ended_at is not None)
        assert (row.state, row.status, row.why) == ("failed", why, f"the station says {why}")
        again = await it.ask()
        assert again.request_id == row.request_id + 1


async def test_a_station_has_one_update_at_a_time(tmp_path: Path, database_url: str) -> None:
    async with played(tmp_path, "ocpp2.0.1", url=database_url) as it:
        it.plays = False
        await it.ask()
        with pytest.raises(Conflict, match="not over") as refused:
            await it.ask()
        assert refused.value.code == "update-running"


@VERSIONS
async def test_what_it_tells_unasked_is_kept(tmp_path: Path, version: str) -> None:
    async with played(tmp_path, version) as it:
        it.box.outbox.append(FirmwareNote("Downloading"))
        triggered(it.box, "FirmwareStatusNotification", None, it.house.clock.now())
        await it.heard(None, ["Downloading", "Idle"])


@VERSIONS
async def test_a_station_that_comes_back_says_how_far_it_is(tmp_path: Path, version: str) -> None:
    async with played(tmp_path, version) as it:
        it.box.firmware.download_s = 3600.0
        asked = await it.ask()
        await it.until(lambda row: row.status == "Downloading")
        await it.cut()
        await it.back()
        await it.heard(asked.id, ["Downloading", "Downloading"])
        it.ahead = timedelta(hours=1)
        await it.until(lambda row: row.state == "installed")


@VERSIONS
async def test_one_that_has_given_up_without_a_word_is_found_out(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version, "fw-download-failed") as it:
        it.box.firmware.download_s = 3600.0
        await it.ask()
        await it.until(lambda row: row.status == "Downloading")
        await it.cut()
        it.ahead = timedelta(hours=1)
        await eventually(lambda: it.box.firmware.present.word == "Idle")  # it fails unheard
        it.box.outbox.clear()
        await it.back()
        row = await it.until(lambda row: row.ended_at is not None)
        assert (row.state, row.why) == ("failed", "the station says Idle after Downloading")


async def test_what_came_while_nobody_looked_is_looked_at_after_a_restart(tmp_path: Path) -> None:
    async with played(tmp_path, "ocpp2.1") as it:
        it.plays = False
        await it.ask()
        await it.until(lambda row: row.state == "running")
        # As if the process had ended: the notes reach nobody.
        it.keeper.heard = None  # type: ignore[method-assign, assignment]
        house = it.house
        async with house.db.write(house.clock, house.ids) as work:
            now = house.clock.now()
            for word in ("Downloading", "Downloaded", "Installing", "Installed"):
                row = FirmwareNotice(
                    station="ST-1", status=word, request_id=1, received_at=now, handled=False
                )
                work.session.add(row)
                await work.session.flush()
        again = UpdateKeeper(db=house.db, clock=house.clock, ids=house.ids, activity=house.activity)
        await again.start()
        await it.until(lambda row: row.state == "installed")
        await again.stop()
