"""Lists of tokens in stations, through real sockets: kept alike, and judged by when we are away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.access.reactions import caches, lists
from csms.access.reactions.caches import CacheSweeper
from csms.access.reactions.lists import ListKeeper
from csms.gateway.limits import Limits
from models.tables.access import IdToken, LocalList
from models.tables.charging import Transaction
from models.tables.ledger import Event, Message
from models.tables.stations import Station, StationVariable
from simulators.notices import Ask
from simulators.station import Station as Box
from tests.builders.played_line import PlayedLine
from tests.builders.stations import a_car, a_kind
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import Rig, boot, encode, rig

VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
UNSUPPORTED = sa.select(LocalList).where(LocalList.state == "unsupported")
LIMITS = Limits(dry_s=0.2, call_s=20.0, call_quiet_s=0.2, close_s=0.3, sweep_s=0.02)


class Played:
    """A house with a keeper of lists, and a simulated station on a real socket."""

    def __init__(self, house: Rig, box: Box, line: PlayedLine) -> None:
        self.house = house
        self.box = box
        self.line = line
        self.saying = True

    async def live(self) -> None:
        """Says what the station has to say, as its driver would."""
        while True:
            if self.saying and self.line.due():
                await self.line.drain()
            await asyncio.sleep(0.005)

    async def token(self, text: str, **columns: Any) -> None:
        """Creates a token, or changes it."""
        now = self.house.clock.now()
        async with self.house.db.write(self.house.clock, self.house.ids) as work:
            query = sa.select(IdToken).where(IdToken.token_key == text.lower())
            row = (await work.session.execute(query)).scalar()
            event = "id_token.created" if row is None else "id_token.updated"
            if row is None:
                kept: dict[str, Any] = {
                    "created_at": now,
                    "updated_at": now,
                    "tenant_id": "default",
                }
                values: dict[str, Any] = {"type": "ISO14443", "status": "Accepted"}
                row = IdToken(id=text, id_token=text, token_key=text.lower(), **kept, **values)
                work.session.add(row)
            for name, value in columns.items():
                setattr(row, name, value)
            work.emit(event, subject=f"id_token/{text}", resource={"status": row.status})

    async def gone(self, text: str) -> None:
        """Deletes a token."""
        async with self.house.db.write(self.house.clock, self.house.ids) as work:
            await work.session.execute(sa.delete(IdToken).where(IdToken.id == text))
            work.emit("id_token.deleted", subject=f"id_token/{text}", resource={})

    async def list(self) -> LocalList | None:
        async with self.house.db.read() as session:
            return await session.get(LocalList, "ST-1")

    async def until(self, condition: Callable[[LocalList], bool], seconds: float = 60) -> LocalList:
        """Returns what is known of the list once it is so."""
        row = None
        try:
            async with asyncio.timeout(seconds):
                while (row := await self.list()) is None or not condition(row):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            shown = row and {name: getattr(row, name) for name in row.__table__.columns.keys()}  # noqa: SIM118
            raise AssertionError(shown) from None
        return row

    async def alike(self) -> LocalList:
        """Returns what is known of the list once both sides agree that it is as it should be."""
        box = self.box.whitelist
        row = await self.until(lambda row: row.state == "synced" and row.version == box.version)
        assert set(row.held) == {entry.token.lower() for entry in box.entries}
        return row

    def listed(self) -> dict[str, str | None]:
        """Returns what the station has on its list."""
        return {entry.token: entry.status for entry in self.box.whitelist.entries}

    async def sent(self) -> list[tuple[str, bool]]:
        """Returns the lists that were sent: their kind, and whether the station took it."""
        rows = await self.house.rows(
            sa.select(Message)
            .where(Message.action == "SendLocalList", Message.direction == "out")
            .order_by(Message.id)
        )
        return [
            ("full" if '"Full"' in row.payload else "changes", '"Accepted"' in (row.answer or ""))
            for row in rows
        ]

    async def events(self) -> list[str]:
        query = sa.select(Event.type).where(Event.subject == "local_list/ST-1").order_by(Event.id)
        return await self.house.rows(query)

    def room(self, name: str, number: str) -> None:
        """Makes a box that takes more or less, which no central system could."""
        variable = self.box.variables.get(name)
        assert variable is not None
        variable.value = number

    async def cut(self) -> None:
        """Breaks the connection."""
        self.line.cut = True
        await self.line.hang_up()

    async def stale(self, *, wanted: bool) -> None:
        """Returns once the station is known to remember what may hold no more, or not to."""
        async with asyncio.timeout(60):
            while ((await self.house.station("ST-1")).cache_stale_at is not None) is not wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def back(self) -> None:
        """Connects again."""
        self.line.cut = False
        assert await self.line.dial()


@asynccontextmanager
async def played(
    directory: Path, version: str, *, url: str | None = None, local_list: bool = True
) -> AsyncIterator[Played]:
    async with rig(directory, limits=LIMITS, url=url) as house:
        password = await house.add_station("ST-1", local_list=local_list)
        keeper = ListKeeper(db=house.db, clock=house.clock, ids=house.ids, activity=house.activity)
        await keeper.start()
        house.bus.subscribe("lists", keeper.follows, keeper.heard)
        sweeper = CacheSweeper(
            db=house.db, clock=house.clock, ids=house.ids, activity=house.activity
        )
        await sweeper.start()
        house.bus.subscribe("caches", sweeper.follows, sweeper.heard)
        box = Box("ST-1", a_kind(subprotocol=version), now=house.clock.now())
        line = PlayedLine(box, house.port, password, now=house.clock.now)
        it = Played(house, box, line)
        box.boot("PowerUp", house.clock.now())
        try:
            async with line.played(it.live):
                await it.token("GOOD", parent="CREW")
                await it.token("BAD", status="Blocked")
                yield it
        finally:
            await keeper.stop()
            await sweeper.stop()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lists, caches):
        monkeypatch.setattr(module, "GATHERING", timedelta(seconds=0.1))


@VERSIONS
async def test_a_new_station_gets_all_tokens_and_then_only_changes(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        await it.back()
        row = await it.alike()
        assert it.listed() == {"GOOD": "Accepted", "BAD": "Blocked"}
        assert {entry.parent for entry in it.box.whitelist.entries} == {"CREW", None}
        assert (row.version, row.why) == (1, None)
        await it.token("NEW")
        await it.token("GOOD", status="Blocked")
        await it.until(lambda row: row.version == 2)
        await it.alike()
        assert it.listed() == {"GOOD": "Blocked", "BAD": "Blocked", "NEW": "Accepted"}
        await it.gone("BAD")
        await it.until(lambda row: row.version == 3)
        await it.alike()
        assert it.listed() == {"GOOD": "Blocked", "NEW": "Accepted"}
        assert await it.sent() == [("changes", True)] * 3
        assert set(await it.events()) == {"local_list.synced"}


@VERSIONS
async def test_a_station_without_connection_judges_by_its_list_and_accounts_for_it_later(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        await it.back()
        await it.alike()
        it.box.variables.set("AllowOfflineTxForUnknownId", "false")
        await it.cut()
        now = it.house.clock.now
        car = a_car(token="GOOD")
        it.box.plug(1, car, now())
        for stranger in ("BAD", "NOBODY"):
            it.box.present(1, stranger, now())
            assert not it.box.evses[1].energised
        it.box.present(1, "good", now())
        assert it.box.evses[1].energised
        it.box.advance(now())
        await asyncio.sleep(0.05)
        it.box.unplug(1, now())
        await it.back()
        query = sa.select(Transaction).where(Transaction.stopped_at.is_not(None))
        async with asyncio.timeout(60):
            while not (rows := await it.house.rows(query)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        (row,) = rows
        assert (row.station, row.id_token, row.token_status) == ("ST-1", "good", "Accepted")
        assert row.started_at <= row.stopped_at


@VERSIONS
async def test_a_list_that_does_not_go_into_one_message_is_sent_in_parts(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        for number in range(45):
            await it.token(f"T-{number:02}")
        await it.back()
        await it.until(lambda row: len(row.held) == 47)
        await it.alike()
        assert [kind for kind, taken in await it.sent() if taken] == ["changes"] * 3


@VERSIONS
async def test_a_station_that_lost_its_list_is_given_the_whole_anew(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        await it.back()
        await it.alike()
        await it.cut()
        it.box.whitelist.forget()
        await it.back()
        await it.until(lambda row: row.version == 2)
        await it.alike()
        assert it.listed() == {"GOOD": "Accepted", "BAD": "Blocked"}
        assert await it.sent() == [("changes", True), ("full", True)]


@VERSIONS
async def test_a_change_that_the_station_refuses_becomes_a_whole_list(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        await it.back()
        await it.alike()
        # Somebody else has written to the box: the next change is no longer newer.
        it.box.whitelist.version = 9
        await it.token("NEW")
        await it.until(lambda row: len(row.held) == 3)
        await it.alike()
        assert await it.sent() == [("changes", True), ("changes", False), ("full", True)]


@VERSIONS
async def test_no_more_tokens_are_sent_than_the_station_has_room_for(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        it.room("LocalAuthListMaxLength", "3")
        for number in range(4):
            await it.token(f"T-{number}")
        await it.back()
        row = await it.alike()
        assert it.listed() == dict.fromkeys(("GOOD", "T-0", "T-1"), "Accepted")
        assert row.why == "3 of 6 tokens fit on the station's list"


@VERSIONS
async def test_a_station_that_is_to_have_no_list_any_more_is_left_with_an_empty_one(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        await it.back()
        await it.alike()
        async with it.house.db.write(it.house.clock, it.house.ids) as work:
            station = await work.session.get(Station, "ST-1")
            assert station is not None
            station.local_list = False
            note = {"identity": "ST-1", "approval": "pending", "online": True, "local_list": False}
            work.emit("station.updated", subject="station/ST-1", resource=note)
        async with asyncio.timeout(60):
            while await it.list() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert it.listed() == {}


async def test_lists_are_kept_on_both_databases(database_url: str, tmp_path: Path) -> None:
    async with played(tmp_path, "ocpp2.0.1", url=database_url) as it:
        await it.back()
        await it.alike()
        await it.token("NEW")
        await it.until(lambda row: row.version == 2)
        await it.cut()
        it.box.whitelist.forget()
        await it.back()
        await it.until(lambda row: row.version == 3)
        row = await it.alike()
        assert row.held["new"] == {
            "id_token": "NEW",
            "token_type": "ISO14443",
            "status": "Accepted",
        }
        query = sa.select(StationVariable).where(StationVariable.variable == "Entries")
        (entries,) = await it.house.rows(query)
        assert (entries.value, entries.characteristics) == ("0", {"max_limit": 500.0})


async def test_a_list_that_a_station_has_switched_off_is_switched_on(tmp_path: Path) -> None:
    async with played(tmp_path, "ocpp1.6") as it:
        assert it.box.variables.set("LocalAuthListEnabled", "false") == "Accepted"
        await it.back()
        await it.alike()
        setting = it.box.variables.get("LocalAuthListEnabled")
        assert setting is not None
        await eventually(lambda: setting.value == "true")


@pytest.mark.parametrize("answer", [{"listVersion": -1}, None])
async def test_a_station_that_has_no_list_is_told_from_one_that_fails(
    tmp_path: Path, answer: Any
) -> None:
    async with played(tmp_path, "ocpp1.6", local_list=False) as it:
        password = await it.house.add_station("CP-2", local_list=True)
        async with it.house.db.write(it.house.clock, it.house.ids) as work:
            note = {
                "identity": "CP-2",
                "approval": "accepted",
                "online": False,
                "local_list": True,
            }
            work.emit("station.created", subject="station/CP-2", resource=note)
        link = await it.house.dial("CP-2", password)
        await boot(link)
        while (frame := msgspec.json.decode(await link.recv()))[2] != "GetLocalListVersion":
            await link.send(encode([3, frame[1], {}]))
        error: list[Any] = [4, frame[1], "NotImplemented", "no such thing", {}]
        await link.send(encode(error if answer is None else [3, frame[1], answer]))
        async with asyncio.timeout(60):
            while not (rows := await it.house.rows(UNSUPPORTED)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert [(row.station, row.why) for row in rows] == [
            ("CP-2", "no such thing" if answer is None else "list version -1")
        ]


async def test_a_station_that_refuses_its_list_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with played(tmp_path, "ocpp1.6") as it:
        it.room("SendLocalListMaxLength", "0")
        await it.back()
        row = await it.until(lambda row: row.state == "failed")
        assert row.why == "Failed"
        assert await it.sent() == [("changes", False), ("full", False)]
        assert await it.events() == ["local_list.failed"]
        it.room("SendLocalListMaxLength", "20")
        await it.token("NEW")
        await it.alike()
        assert it.listed()["NEW"] == "Accepted"


async def test_a_token_that_expires_is_listed_as_expired(tmp_path: Path) -> None:
    async with played(tmp_path, "ocpp1.6") as it:
        await it.token("GOOD", expires_at=it.house.clock.now() + timedelta(seconds=2.5))
        await it.back()
        await it.alike()
        assert it.listed()["GOOD"] == "Accepted"
        await it.until(lambda row: row.held.get("good", {}).get("status") == "Expired")
        await it.alike()
        assert it.listed()["GOOD"] == "Expired"


async def forgotten(it: Played, wanted: int) -> None:
    """Waits until the station has been told so often to forget, and nothing is left to be told."""
    told = sa.select(Message).where(Message.action == "ClearCache", Message.outcome == "result")
    async with asyncio.timeout(60):
        while len(await it.house.rows(told)) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        while (await it.house.station("ST-1")).cache_stale_at is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert len(await it.house.rows(told)) == wanted


@VERSIONS
async def test_a_blocked_token_is_forgotten_by_stations_also_by_those_that_were_away(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version, local_list=False) as it:
        it.box.variables.set("AllowOfflineTxForUnknownId", "false")
        await it.back()
        now = it.house.clock.now
        it.box.outbox.append(Ask(1, "GOOD"))
        async with asyncio.timeout(60):
            while not it.box.whitelist.lets("GOOD", now()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await it.token("GOOD", parent="OTHER")
        await it.token("GOOD", status="Blocked")
        await forgotten(it, 1)
        assert not it.box.whitelist.lets("GOOD", now())
        it.box.whitelist.remember("BAD", accepted=True)
        await it.cut()
        await it.gone("BAD")
        await it.back()
        await forgotten(it, 2)
        assert not it.box.whitelist.lets("BAD", now())


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
async def test_a_station_that_has_switched_its_cache_off_is_not_bothered(
    tmp_path: Path, version: str
) -> None:
    async with played(tmp_path, version) as it:
        it.box.variables.set("AuthorizationCacheEnabled", "false")
        await it.back()
        await it.alike()
        await it.token("GOOD", status="Blocked")
        await it.until(lambda row: row.version == 2)
        await asyncio.sleep(0.2)
        told = sa.select(Message).where(Message.action == "ClearCache")
        assert await it.house.rows(told) == []


async def test_caches_are_cleared_on_both_databases(database_url: str, tmp_path: Path) -> None:
    async with played(tmp_path, "ocpp2.1", url=database_url) as it:
        await it.back()
        await it.alike()
        await it.cut()
        await eventually(lambda: not it.house.gateway.online("ST-1"))
        await it.gone("BAD")
        await it.stale(wanted=True)
        await it.back()
        await forgotten(it, 1)
        await it.stale(wanted=False)
