"""The keeper of lists: brings the house's tokens into stations, and finds out what they hold.

A station whose record wants it (`local_list`) keeps a copy of the tokens, so that it can judge by
itself while it has no connection. The keeper compares what each station holds with what it is to
hold, whenever either may have changed: tokens, after a short time in which changes gather; the
station, each time it has come back. What it knows of a list is a row (`LocalList`); what is under
way is kept in memory, because after a restart each station comes back and is asked anew. The rules
of it are in `csms.access.rules`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.access.actions import announce_list, change_list
from csms.access.queries import (
    all_tokens,
    list_state,
    room_of,
    switched_off,
)
from csms.access.rules import (
    NOT_THERE,
    NOTHING,
    ListState,
    TokenState,
    as_it_should_be,
    message_refused,
    message_sent,
    message_taken,
    next_expiry,
    next_message,
    not_for_it,
    tried_afresh,
    tried_once_more,
    unanswered,
    version_told,
    wanted_list,
)
from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from models.alarm import Alarm
from models.clocks import Activity, Clock
from models.commands import ReadLocalListVersion, VariableWrite, WriteVariables
from models.commands.base import VariableName
from models.ids import IdMaker
from models.tables.access import LocalList
from models.tables.stations import Station

GATHERING = timedelta(seconds=5)
"""How long changes of tokens gather before stations are told."""
RETRY = timedelta(minutes=15)
"""After how long a list that a station has refused is tried once more."""
_EXPIRES_S = 60.0
_WAITS = "waits for the station to come"
_TOKENS = frozenset(
    {
        "id_token.created",
        "id_token.updated",
        "id_token.deleted",
        "vehicle.deleted",
        "driver.deleted",
    }
)
_STATIONS = frozenset({"station.created", "station.approved", "station.updated"})
_COMMANDS = frozenset({"command.answered", "command.failed"})

_log = structlog.get_logger("lists")


class _StationNote(msgspec.Struct):
    """What this module reads of a station's resource."""

    online: bool
    local_list: bool = False


class _CommandNote(msgspec.Struct):
    id: str
    state: str = ""
    outcome: str | None = None
    error_code: str | None = None
    detail: str | None = None
    list_version: int | None = None

    @property
    def is_silence(self) -> bool:
        """Whether it may have been done, or was never sent."""
        return self.state in {"unknown", "expired"} or self.error_code == "Expired"

    @property
    def has_no_list(self) -> bool:
        """Whether the station says that there is no such thing in it."""
        return self.outcome == "not-supported" or self.error_code in NOT_THERE

    @property
    def why(self) -> str:
        """What the station said, or that it said nothing."""
        return self.detail or self.error_code or "the station did not say why"


class _ListNote(msgspec.Struct):
    station: str


class ListKeeper:
    """Keeps the lists of all stations that are to have one."""

    follows = frozenset(
        {
            "station.connected",
            "station.caught_up",
            "station.deleted",
            "local_list.requested",
            *_STATIONS,
            *_TOKENS,
            *_COMMANDS,
        }
    )

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._tenants: dict[str, str] = {}
        """Of the stations that have a list, or are to have one."""
        self._known: set[str] = set()
        """Stations that have told, on this connection, which version they hold."""
        self._asked: dict[str, tuple[str, bool]] = {}
        """Commands under way: their station, and whether they ask for its version."""
        self._busy: set[str] = set()
        """Stations with a command under way: each has one at a time."""
        self._turn = asyncio.Lock()
        """An alarm does not come between a note and what follows from it."""
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="lists")

    async def start(self) -> None:
        """Finds the stations that have a list; each is asked as it comes."""
        query = (
            sa.select(Station.identity, Station.tenant_id)
            .outerjoin(LocalList, LocalList.station == Station.identity)
            .where(Station.local_list | LocalList.station.is_not(None))
        )
        async with self._db.read() as session:
            for identity, tenant in await session.execute(query):
                self._tenants[identity] = tenant
        if self._tenants:
            self._alarm.set(self._clock.now() + GATHERING)

    async def stop(self) -> None:
        """Stops; what is under way is found out when stations come back."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        async with self._turn:
            if note.type in _COMMANDS:
                await self._settled(note)
            elif note.type in _TOKENS:
                await self._tokens_changed(note.tenant)
            elif note.type == "local_list.requested":
                await self._ask(msgspec.json.decode(note.resource, type=_ListNote).station)
            else:
                await self._station_changed(note, note.subject.removeprefix("station/"))

    async def _station_changed(self, note: EventNote, identity: str) -> None:
        if note.type in {"station.connected", "station.deleted"}:
            self._known.discard(identity)
        if note.type == "station.deleted":
            self._tenants.pop(identity, None)
            return
        if note.type == "station.caught_up":
            await self._ask(identity)
        elif note.type in _STATIONS:
            station = msgspec.json.decode(note.resource, type=_StationNote)
            if station.local_list:
                self._tenants.setdefault(identity, note.tenant)
            if station.online and identity not in self._known:
                await self._ask(identity)
            elif identity in self._tenants:
                await self._further(identity, await self._tokens_of(note.tenant))

    async def _tokens_changed(self, tenant: str) -> None:
        """Says that lists are behind, and waits a little for more changes."""
        if tenant not in self._tenants.values():
            return
        self._alarm.set(self._clock.now() + GATHERING)
        async with self._db.write(self._clock, self._ids, actor="lists", tenant=tenant) as work:
            await work.session.execute(
                sa.update(LocalList)
                .where(LocalList.tenant_id == tenant, LocalList.state == "synced")
                .values(state="pending", why="tokens have changed", changed_at=work.now)
            )

    # -- one station ---------------------------------------------------------------------------

    async def _ask(self, identity: str) -> None:
        """Begins afresh with a station: it is asked what it holds, and all else follows."""
        if identity not in self._tenants:
            return
        async with self._work(identity) as work:
            found = await _station_and_list(work, identity)
            if found is None:
                return
            station, row = found
            why = "the station is asked what it holds" if station.online else _WAITS
            self._keep(work, station, row, tried_afresh(list_state(row), why))
            asks = station.online and identity not in self._busy
        if asks:
            await self._ask_version(identity)

    async def _ask_version(self, identity: str) -> None:
        async with self._work(identity) as work:
            order = ReadLocalListVersion()
            command_id = work.order(order, station=identity, origin="rule", expires_in_s=_EXPIRES_S)
        self._remember(command_id, identity, asks_version=True)

    async def _further(self, identity: str, tokens: Sequence[TokenState]) -> None:
        """Sends a station the next message about its list, if there is one to be sent."""
        if identity in self._busy:
            return
        command_id = None
        async with self._work(identity) as work:
            found = await _station_and_list(work, identity)
            if found is None:
                return
            station, row = found
            known = list_state(row)
            room = await room_of(work.session, station)
            wanted = wanted_list(tokens, room, work.now) if station.local_list else NOTHING
            message = next_message(known, wanted, room)
            expires_at = next_expiry(wanted, work.now)
            here = station.online and identity in self._known
            if message is None and not station.local_list and known.sending is None:
                await work.session.delete(row)
                self._tenants.pop(identity, None)
            elif here and message is not None and known.may_send:
                command_id = work.order(
                    message, station=identity, origin="rule", expires_in_s=_EXPIRES_S
                )
                self._keep(work, station, row, message_sent(known, message))
            elif here and message is None and known.sending is None and known.state == "pending":
                self._keep(work, station, row, as_it_should_be(known, wanted))
            elif message is not None and known.state == "synced":
                behind = msgspec.structs.replace(known, state="pending", why=_WAITS)
                self._keep(work, station, row, behind)
        if command_id is not None:
            self._remember(command_id, identity, asks_version=False)
        if expires_at is not None:
            self._alarm.set(expires_at)

    def _remember(self, command_id: str, identity: str, *, asks_version: bool) -> None:
        self._asked[command_id] = (identity, asks_version)
        self._busy.add(identity)

    async def _settled(self, note: EventNote) -> None:
        """Takes what became of a command, if it is one of ours, and goes on from there."""
        asked = self._asked.pop(note.subject.removeprefix("command/"), None)
        if asked is None:
            return
        identity, asks_version = asked
        self._busy.discard(identity)
        if identity not in self._tenants:
            return
        told = msgspec.json.decode(note.resource, type=_CommandNote)
        async with self._work(identity) as work:
            found = await _station_and_list(work, identity)
            if found is None:
                return
            station, row = found
            after = self._answered(station, list_state(row), told, asks_version=asks_version)
            if station.local_list and told.list_version is not None:
                # By now it has told its settings: they are asked for at its boot.
                await _switch_on(work, identity)
            self._keep(work, station, row, after)
        if after.state == "failed":
            self._alarm.set(self._clock.now() + RETRY)
        elif station.online and after.state == "pending":
            if identity in self._known:
                await self._further(identity, await self._tokens_of(self._tenants[identity]))
            else:
                await self._ask_version(identity)

    def _answered(
        self, station: Station, before: ListState, told: _CommandNote, *, asks_version: bool
    ) -> ListState:
        """Returns a list after what became of a command about it."""
        identity = station.identity
        if told.is_silence:
            self._known.discard(identity)
            return unanswered(before, told.why) if station.online else before
        if told.has_no_list:
            return not_for_it(before, told.why)
        if not asks_version:
            return _message_answered(before, told, surely=identity in self._known)
        if told.list_version is None:
            return unanswered(before, told.why)
        self._known.add(identity)
        return version_told(before, told.list_version)

    def _work(self, identity: str) -> AbstractAsyncContextManager[UnitOfWork]:
        tenant = self._tenants[identity]
        return self._db.write(self._clock, self._ids, actor="lists", tenant=tenant)

    def _keep(self, work: UnitOfWork, station: Station, row: LocalList, after: ListState) -> None:
        """Writes down what is known of a list, and says so when it has come to something."""
        before = list_state(row)
        if after == before:
            return
        change_list(row, after, work.now)
        if after.state in {before.state, "pending"}:
            return
        event = "local_list.synced" if after.state == "synced" else "local_list.failed"
        announce_list(work, event, station, row)

    async def _tokens_of(self, tenant: str) -> Sequence[TokenState]:
        async with self._db.read() as session:
            return await all_tokens(session, tenant)

    # -- all stations, now and then ------------------------------------------------------------

    async def _ring(self) -> None:
        async with self._turn:
            try:
                await self._go_round()
            except Exception:  # noqa: BLE001 - one bad round must not end the rounds
                _log.exception("lists_waiting")
                self._alarm.set(self._clock.now() + RETRY)

    async def _go_round(self) -> None:
        """Brings all lists further."""
        for tenant in sorted(set(self._tenants.values())):
            tokens = await self._tokens_of(tenant)
            for identity in [each for each, owner in self._tenants.items() if owner == tenant]:
                if await self._must_ask(identity):
                    await self._ask_version(identity)
                else:
                    await self._further(identity, tokens)

    async def _must_ask(self, identity: str) -> bool:
        """Gives a list that failed one more try; returns whether it begins with a question."""
        if identity in self._busy:
            return False
        async with self._work(identity) as work:
            found = await _station_and_list(work, identity)
            if found is None:
                return False
            station, row = found
            before = list_state(row)
            self._keep(work, station, row, tried_once_more(before))
            # One that has just come is asked once it has told what it had queued.
            return before.state == "failed" and station.online and identity not in self._known


def _message_answered(before: ListState, told: _CommandNote, *, surely: bool) -> ListState:
    """Returns a list after an answer to a message.

    Where the station has come anew since the message was written (not `surely`), nobody knows what
    the list was that it changed.
    """
    if before.sending is None:
        return before
    if told.outcome != "accepted":
        return message_refused(before, told.why)
    after = message_taken(before)
    return after if surely else msgspec.structs.replace(after, full_wanted=True)


async def _station_and_list(work: UnitOfWork, identity: str) -> tuple[Station, LocalList] | None:
    """Returns a station with the row of its list, which is made where there is none yet."""
    station = await work.session.get(Station, identity)
    if station is None:
        return None
    row = await work.session.get(LocalList, identity, with_for_update=True)
    if row is None:
        row = LocalList(station=identity, tenant_id=station.tenant_id)
        change_list(row, ListState(why=_WAITS), work.now)
        work.session.add(row)
    return station, row


async def _switch_on(work: UnitOfWork, identity: str) -> None:
    """Switches on what a station has told to be off and can't judge by its list without."""
    for component, variable in await switched_off(work.session, identity):
        name = VariableName(name=variable, component=component or None)
        order = WriteVariables(values=(VariableWrite(variable=name, value="true"),))
        work.order(order, station=identity, origin="rule", expires_in_s=_EXPIRES_S)
