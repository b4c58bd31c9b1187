"""The keeper of logs: brings together what stations answer and tell, and forgets what is too old.

All that it knows is rows: what a station tells lies in `log_notice` until it has been looked at.
`look` compares everything there is of one station by `csms.diagnostics.rules`, whatever has woken
it, so that after a restart it goes on as if there had been none.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.diagnostics.actions import delete_log, keep_log, take_station
from csms.diagnostics.queries import log_state, logs_of
from csms.diagnostics.rules import OPEN, LogState, addressed, answered, silent, told
from csms.diagnostics.store import UploadStore
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.updates.queries import fate_of
from models.alarm import Alarm
from models.clocks import Activity, Clock, RealClock, ticks
from models.ids import IdMaker
from models.rounds import Rounds
from models.tables.diagnostics import LogNotice, StationLog
from models.tables.stations import Station

RETRY = timedelta(minutes=1)
ROUND = timedelta(hours=1)
STEP_ROWS = 200

_log = structlog.get_logger("logs")


class _CommandNote(msgspec.Struct):
    """What this module reads of a command's resource; a limit that was not kept has no kind."""

    station: str
    kind: str = ""


class _LogNote(msgspec.Struct):
    station: str


class UploadKeeper:
    """Keeps the logs of all stations."""

    follows = frozenset(
        {"station_log.reported", "station_log.requested", "command.answered", "command.failed"}
    )

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        store: UploadStore,
        kept: timedelta | None,
    ) -> None:
        """Builds a keeper; `kept` None keeps logs for ever."""
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._store = store
        self._kept = kept
        self._rounds = Rounds(self._run, name="log-rounds")
        self._turn = asyncio.Lock()
        """The alarm does not come between a note and what follows from it."""
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="logs")

    async def start(self) -> None:
        """Goes on where a former process has stopped."""
        self._alarm.set(self._clock.now())
        self._rounds.begin()

    async def stop(self) -> None:
        """Stops; what comes meanwhile is looked at when it starts again."""
        await self._alarm.stop()
        await self._rounds.end()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type.startswith("command."):
            command = msgspec.json.decode(note.resource, type=_CommandNote)
            if command.kind != "UploadLog":
                return
            identity = command.station
        else:
            identity = msgspec.json.decode(note.resource, type=_LogNote).station
        async with self._turn:
            try:
                await self._look(identity, note.tenant)
            except Exception:
                # Nobody tells it again, and it may have been the station's last word.
                self._alarm.set(self._clock.now() + RETRY)
                raise

    async def forget(self) -> None:
        """Deletes logs that are too old, and files that belong to none."""
        while self._kept is not None and await self._forget_some(self._clock.now() - self._kept):
            pass
        query = sa.select(StationLog.id).where(StationLog.file_name.is_not(None))
        async with self._db.read() as session:
            known = list(await session.scalars(query))
        # Files have the age that the machine's clock gives them, also where life time is simulated.
        now_s = RealClock().now().timestamp()
        # In the loop, because no virtual clock can wait for a thread; there are few files.
        for path in self._store.strays(known, now_s):
            self._store.drop(path)

    async def _run(self) -> None:
        async for _ in ticks(self._clock, ROUND, anchor=self._clock.now()):
            with self._activity.busy():
                try:
                    await self.forget()
                except Exception:  # noqa: BLE001 - the next round tries again
                    _log.exception("logs_not_forgotten")

    async def _forget_some(self, before: object) -> int:
        """Deletes some logs of before an instant; returns how many."""
        query = (
            sa.select(StationLog.id, StationLog.tenant_id)
            .where(StationLog.created_at < before, StationLog.state.not_in(OPEN))
            .order_by(StationLog.created_at)
            .limit(STEP_ROWS)
        )
        async with self._db.read() as session:
            found = list(await session.execute(query))
        for log_id, tenant in found:
            async with self._db.write(self._clock, self._ids, actor="logs", tenant=tenant) as work:
                row = await work.session.get(StationLog, log_id)
                station = row and await work.session.get(Station, row.station)
                if row is not None and station is not None:
                    await delete_log(work, station, row)
            self._store.drop(self._store.path_of(log_id))
        return len(found)

    async def _ring(self) -> None:
        """Looks at all stations of which there is more to be known."""
        async with self._turn:
            try:
                await self._look_at_all()
            except Exception:  # noqa: BLE001 - one bad round must not end the rounds
                _log.exception("logs_waiting")
                self._alarm.set(self._clock.now() + RETRY)

    async def _look_at_all(self) -> None:
        logs = sa.select(StationLog.station).where(StationLog.state.in_(OPEN))
        notices = sa.select(LogNotice.station).where(LogNotice.handled.is_(False))
        query = sa.select(Station.identity, Station.tenant_id).where(
            Station.identity.in_(sa.union(logs, notices))
        )
        async with self._db.read() as session:
            found = sorted((each.identity, each.tenant_id) for each in await session.execute(query))
        for identity, tenant in found:
            await self._look(identity, tenant)

    async def _look(self, identity: str, tenant: str) -> None:
        """Finds out what follows for the logs of a station."""
        async with self._db.write(self._clock, self._ids, actor="logs", tenant=tenant) as work:
            await take_station(work, identity)
            station = await work.session.get(Station, identity)
            if station is None:
                return
            rows = await logs_of(work.session, identity)
            before = {row.id: log_state(row) for row in rows}
            known = await _told(work, identity, list(before.values()))
            for row in rows:
                after = await _judged(work, row, known[row.id])
                if after != before[row.id]:
                    await keep_log(work, station, row, after)
                if after.is_open:
                    self._alarm.set(after.expires_at)


async def _judged(work: UnitOfWork, row: StationLog, log: LogState) -> LogState:
    """Returns a log after its command and its silence."""
    if log.state == "requested":
        fate = await fate_of(work.session, row.command_id)
        if fate is not None:
            log = answered(log, fate, work.now)
    return silent(log, work.now)


async def _told(work: UnitOfWork, identity: str, logs: list[LogState]) -> dict[str, LogState]:
    """Returns logs after all that their station has told and was not looked at yet."""
    known = {each.id: each for each in logs}
    query = sa.select(LogNotice).where(LogNotice.station == identity, LogNotice.handled.is_(False))
    for notice in await work.session.scalars(query.order_by(LogNotice.id)):
        notice.handled = True
        asked_before = [each for each in known.values() if each.created_at <= notice.received_at]
        log = addressed(asked_before, notice.status, notice.request_id)
        if log is not None:
            notice.log_id = log.id
            known[log.id] = told(log, notice.status, notice.received_at)
    return known
