"""The relay: carries what was committed from the outbox to the bus, in order, at least once.

Within one process it works from the memory of what was just committed. It reads the outbox where
its memory has a hole: after a start, when another process has written, or when it has fallen
behind. How far it has come is kept now and then, so that after a crash some events are told twice,
none never; subscribers are idempotent. A timer sweeps for commands and plan requests that other
processes have written.
"""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from csms.bus.base import COMMAND_QUEUED, PLAN_REQUESTED, Bus, EventNote
from csms.ledger.database import Database
from csms.ledger.work import Committed, ReadSession
from models.clocks import Activity, Clock, WireClock
from models.errors import Unavailable
from models.ids import IdMaker
from models.tables.energy import Site
from models.tables.ledger import Command, Event, HouseFact
from models.tables.planning import PlanRequest

SWEEP_S = 1.0
"""How often the tables are read for what other processes have written."""
_SAVE_EVERY_S = 5.0
_PAGE = 500
_CURSOR = "relay"
"""Of the house: what of the outbox the service that leads has told."""
_MEMORY_LIMIT = 10_000
"""Events kept in memory for the bus; beyond it they are read from the outbox again."""

_log = structlog.get_logger("relay")


class Relay:
    """Publishes the outbox of one database on one bus."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        *,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        wire: WireClock,
    ) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._wire = wire
        self._cursor = 0
        self._saved = 0
        self._saved_s = 0.0
        self.leads = True
        """Whether this service keeps how far it has come."""
        self._found = False
        self._back_to: int | None = None
        """From where on all is to be told again."""
        self._events: list[EventNote] = []
        self._stations: dict[tuple[str, str], None] = {}
        self._sites: dict[tuple[str, str], None] = {}
        self._sweep = False
        self._woken = asyncio.Event()
        self._busy = False
        self._tasks: list[asyncio.Task[None]] = []
        db.on_commit(self.committed)

    @property
    def cursor(self) -> int:
        """Number of the last event that was published."""
        return self._cursor

    async def find_place(self, *, leads: bool = True) -> None:
        """Finds out where the last run stopped (the first one: now), without telling anything yet.

        Args:
            leads: False: another service on this database does what goes on by itself, and keeps
                how far it has come; this one begins with what happens from now on.

        Raises:
            Unavailable: if the database is away.
        """
        self.leads = leads
        kept = await self._kept() if leads else None
        if kept is None:
            async with self._db.read() as session:
                kept = await session.scalar(sa.select(sa.func.max(Event.id))) or 0
        self._cursor = kept
        self._saved = self._cursor
        self._found = True

    async def start(self) -> None:
        """Tells what has happened since its place, and from now on, to those who listen by now.

        On a virtual clock (`Database.inline`) nobody else writes, so that nothing is swept.
        """
        if not self._found:
            await self.find_place()
        self._saved_s = self._wire.monotonic()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._run(), name="relay"))
        self._wake(sweep=True)
        if not self._db.inline:
            self._tasks.append(loop.create_task(self._tick(), name="relay-sweep"))

    async def close(self) -> None:
        """Stops, and keeps how far it has come."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._busy:
            self._busy = False
            self._activity.end()
        await self._save()

    async def take_over(self) -> None:
        """Tells again what the service that has led may have left untold.

        Raises:
            Unavailable: if the database is away.
        """
        kept = await self._kept()
        if kept is not None:
            self._back_to = kept
        self.leads = True
        self._wake(sweep=True)

    def hand_over(self) -> None:
        """Leaves it to another service to keep how far it has come."""
        self.leads = False

    async def _kept(self) -> int | None:
        async with self._db.read() as session:
            kept = await session.get(HouseFact, _CURSOR)
        return None if kept is None else int(kept.value["cursor"])

    def committed(self, outcome: Committed) -> None:
        """Takes note of what a transaction of this process has made true."""
        self._events.extend(outcome.events)
        if len(self._events) > _MEMORY_LIMIT:
            self._events.clear()
            self._sweep = True
        self._stations.update(dict.fromkeys(outcome.stations))
        self._sites.update(dict.fromkeys(outcome.sites))
        self._wake()

    def _wake(self, *, sweep: bool = False) -> None:
        self._sweep = self._sweep or sweep
        if not self._busy:
            self._busy = True
            self._activity.begin()
        self._woken.set()

    async def _tick(self) -> None:
        while True:
            await self._wire.sleep(SWEEP_S)
            self._sweep = True
            self._woken.set()

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._pump()
            except Unavailable as error:
                _log.warning("relay_waits", error=error.detail)
                await self._wire.sleep(SWEEP_S)
                self._wake(sweep=True)
                continue
            if self._busy and not self._woken.is_set():
                self._busy = False
                self._activity.end()

    async def _pump(self) -> None:
        """Publishes all there is: events first, then wake-ups."""
        sweep, self._sweep = self._sweep, False
        if self._back_to is not None:
            self._cursor = self._saved = min(self._cursor, self._back_to)
            self._back_to = None
        # A look into the outbox may have found some of them already.
        fresh = (event for event in self._events if event.id > self._cursor)
        events = sorted(fresh, key=lambda event: event.id)
        self._events = []
        whole = bool(events) and self._cursor + 1 == events[0].id
        if whole and events[-1].id - self._cursor == len(events):
            await self._publish(events)
            events = []
        if sweep or events:
            await self._catch_up()
        if sweep:
            await self._look_for_work()
        stations, self._stations = self._stations, {}
        sites, self._sites = self._sites, {}
        now = self._clock.now()
        wakes = [
            EventNote(0, now, COMMAND_QUEUED, tenant, None, f"station/{station}", b"{}")
            for tenant, station in stations
        ]
        wakes += [
            EventNote(0, now, PLAN_REQUESTED, tenant, site, f"site/{site}", b"{}")
            for tenant, site in sites
        ]
        if wakes:
            await self._bus.publish(wakes)
        if self._wire.monotonic() - self._saved_s > _SAVE_EVERY_S and not self._db.inline:
            await self._save()

    async def _publish(self, events: list[EventNote]) -> None:
        await self._bus.publish(events)
        self._cursor = events[-1].id

    async def _catch_up(self) -> None:
        """Publishes from the outbox what lies beyond the cursor."""
        while True:
            async with self._db.read() as session:
                rows = await _events_after(session, self._cursor)
            if rows:
                await self._publish(rows)
            if len(rows) < _PAGE:
                return

    async def _look_for_work(self) -> None:
        async with self._db.read() as session:
            queued = await session.execute(
                sa.select(Command.tenant_id, Command.station)
                .where(Command.state == "queued")
                .distinct()
            )
            for tenant, station in queued:
                self._stations[tenant, station] = None
            wanted = await session.execute(
                sa.select(Site.tenant_id, PlanRequest.site_id).join(
                    Site, Site.id == PlanRequest.site_id
                )
            )
            for tenant, site in wanted:
                self._sites[tenant, site] = None

    async def _save(self) -> None:
        self._saved_s = self._wire.monotonic()
        # What is to be told again has not been told as long as it is not taken up.
        cursor = self._cursor if self._back_to is None else min(self._cursor, self._back_to)
        if cursor == self._saved or not self.leads:
            return
        async with self._db.write(self._clock, self._ids) as work:
            await work.session.merge(HouseFact(name=_CURSOR, value={"cursor": cursor}))
        self._saved = cursor


async def _events_after(session: ReadSession, cursor: int) -> list[EventNote]:
    rows = await session.execute(
        sa.select(
            Event.id,
            Event.time,
            Event.type,
            Event.tenant_id,
            Event.site_id,
            Event.subject,
            Event.resource,
        )
        .where(Event.id > cursor)
        .order_by(Event.id)
        .limit(_PAGE)
    )
    return [EventNote(*row[:6], row.resource.encode()) for row in rows]
