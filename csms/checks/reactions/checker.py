"""The checker: takes each check that is asked for through its steps, in a task of its own.

A check survives nothing: its station's leaving, a restart of the service or an error of ours ends
it, and somebody asks for another one. What it has put into the box is taken back at once where the
station is there; where it is not, it ends by itself, and the plan that follows the station's return
takes its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.checks.actions import add_quirks, end_check, forget_trials, put_back
from csms.checks.reactions import limiting, looking
from csms.checks.reactions.asking import Asker
from csms.checks.reactions.talk import Over, Pace, Talk, Task
from csms.checks.rules.verdict import verdict_of
from csms.ledger.database import Database
from models.clocks import Activity, Clock
from models.errors import Unavailable
from models.ids import IdMaker
from models.tables.checks import StationCheck
from models.tables.stations import Station

RETRY = timedelta(seconds=5)

_log = structlog.get_logger("checks")


class _StationNote(msgspec.Struct):
    identity: str
    online: bool = False


class _CheckNote(msgspec.Struct):
    id: str
    station: str
    evse_id: int
    limit_w: float | None
    apply: bool
    state: str


class Checker:
    """Does the checks of all stations."""

    follows = frozenset(
        {
            "command.answered",
            "command.failed",
            "station.connected",
            "station.deleted",
            "station.status_changed",
            "station_check.ended",
            "station_check.requested",
        }
    )

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        station_changed: Callable[[str], None],
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> None:
        """Takes where checks are kept, and how the gateway is told to read a record anew."""
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._station_changed = station_changed
        self._pace = pace
        self._asker = Asker(db=db, clock=clock, ids=ids, activity=activity)
        self._running: dict[str, tuple[Talk, asyncio.Task[None]]] = {}
        """By check."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Ends the checks that a former process has left; a new plan replaces what they tried."""
        query = sa.select(StationCheck.id, StationCheck.tenant_id).where(
            StationCheck.state == "running"
        )
        async with self._db.read() as session:
            found = list(await session.execute(query))
        for check_id, tenant in found:
            await self._end(check_id, tenant, None, "the service was restarted")

    async def stop(self) -> None:
        """Stops; the next start ends what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type.startswith("command."):
            self._asker.heard(note)
        elif note.type == "station_check.requested":
            self._begin(msgspec.json.decode(note.resource, type=_CheckNote), note.tenant)
        elif note.type == "station_check.ended":
            told = msgspec.json.decode(note.resource, type=_CheckNote)
            if told.state == "cancelled":
                await self._break_off(told.id, "it was cancelled")
        elif self._running:
            station = msgspec.json.decode(note.resource, type=_StationNote)
            why = "the connection was lost"
            if note.type == "station.connected":
                why = "the station has connected anew"
            elif note.type != "station.deleted" and station.online:
                return
            for check_id, (talk, _) in tuple(self._running.items()):
                if talk.task.station == station.identity:
                    await self._break_off(check_id, why)

    def _begin(self, told: _CheckNote, tenant: str) -> None:
        task = Task(told.id, tenant, told.station, told.evse_id, told.limit_w, told.apply)
        talk = Talk(
            task,
            db=self._db,
            clock=self._clock,
            ids=self._ids,
            activity=self._activity,
            asker=self._asker,
            pace=self._pace,
        )
        self._running[told.id] = talk, self._spawn(self._run(talk))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._activity.begin()
        task = asyncio.get_running_loop().create_task(work, name="check")
        self._tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._activity.end()

        task.add_done_callback(done)
        return task

    async def _run(self, talk: Talk) -> None:
        task = talk.task
        why: str | None = None
        try:
            sample = await looking.look(talk)
            await limiting.limit(talk, sample)
            await self._finish(talk)
        except Over as over:
            why = str(over)
        except Exception:  # noqa: BLE001 - one check must not end the checker
            _log.exception("check_failed", station=task.station, check=task.check_id)
            why = "an error of the service"
        self._running.pop(task.check_id, None)
        if why is not None:
            await self._end_at_last(talk, why)

    async def _finish(self, talk: Talk) -> None:
        """Writes down the verdict, and puts quirks on the record where that was wished for."""
        task = talk.task
        quirks = sorted({each.quirk for each in talk.findings if each.quirk is not None})
        async with self._db.write(
            self._clock, self._ids, actor="checks", tenant=task.tenant
        ) as work:
            row = await talk.row(work)
            station = await work.session.get(Station, task.station, with_for_update=True)
            if station is None:
                raise Over("the station is gone")
            applied = task.apply and bool(quirks)
            if applied:
                await add_quirks(work, station, quirks)
            for name, value in talk.values().items():
                setattr(row, name, value)
            row.verdict = verdict_of(talk.steps, talk.findings)
            row.applied = quirks if applied else []
            end_check(work, row, "done", site_id=station.site_id)
        if applied:
            self._station_changed(task.station)

    async def _break_off(self, check_id: str, why: str) -> None:
        running = self._running.pop(check_id, None)
        if running is None:
            return
        talk, task = running
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._spawn(self._end_at_last(talk, why))

    async def _end_at_last(self, talk: Talk, why: str) -> None:
        """Ends a check as soon as the database is there: nobody else would."""
        while True:
            try:
                await self._end(talk.task.check_id, talk.task.tenant, talk, why)
            except Unavailable as error:
                _log.warning("end_waiting", check=talk.task.check_id, error=error.detail)
                await talk.pause(RETRY)
            else:
                return

    async def _end(self, check_id: str, tenant: str, talk: Talk | None, why: str) -> None:
        """Writes down that a check was broken off, unless it is over, and takes back its limit."""
        async with self._db.write(self._clock, self._ids, actor="checks", tenant=tenant) as work:
            row = await work.session.get(StationCheck, check_id, with_for_update=True)
            station = row and await work.session.get(Station, row.station)
            if row is None or station is None:
                return
            if row.state == "running":
                end_check(work, row, "broken-off", site_id=station.site_id, why=why)
            if talk is not None and talk.held is not None and station.online:
                await put_back(work, talk.held)
            else:
                await forget_trials(work, station.identity, station.site_id)
