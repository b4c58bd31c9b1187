"""The keeper of the grid's limits: begins and ends each in time, and watches that it is kept.

Sites without a limit in force cost a look-up per event. Where one is, each thing that may change
what flows is a reason to look: a car comes, a meter speaks, a station refuses or is gone.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.grid_limits.actions import begin, end, is_kept, keep
from csms.grid_limits.queries import next_turn, site_now
from csms.ledger.database import Database
from csms.planning.actions import GRID_LIMITS
from models.alarm import Alarm
from models.clocks import Activity, Clock
from models.ids import IdMaker
from models.tables.energy import Site
from models.tables.grid_limits import GridLimit

RETRY = timedelta(seconds=10)
"""After how long what could not be begun, ended or kept is tried again."""
_OURS = frozenset({"grid_limit.created", "grid_limit.started", "grid_limit.ended"})

_log = structlog.get_logger("grid_limits")


class _CommandNote(msgspec.Struct):
    station: str = ""


class GridLimitKeeper:
    """Looks after the limits of the grid at all sites."""

    follows = _OURS | {
        "command.answered",
        "command.failed",
        "plan.published",
        "site.measured",
        "station.connected",
        "station.status_changed",
        "transaction.ended",
        "transaction.priority_changed",
        "transaction.started",
        "transaction.updated",
    }

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._limited: set[str] = set()
        """Sites under a limit."""
        self._stations: dict[str, str] = {}
        """Where the stations of these sites are."""
        self._due: set[str] = set()
        """Sites to look at when no more notes wait, and until that was done."""
        self._changed = False
        """Limits were set, have begun or ended: what is in force is not known any more."""
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="grid limits")

    async def start(self) -> None:
        """Finds what is in force; what was to begin or to end meanwhile does so at once."""
        await self._find_limited()
        self._due |= self._limited
        await self.rest()
        await self._wake_for_next()

    async def stop(self) -> None:
        """Stops; what begins or is over meanwhile is made good at the next start."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        site_id = note.site_id
        if note.type.startswith("command."):
            station = msgspec.json.decode(note.resource, type=_CommandNote).station
            site_id = self._stations.get(station)
        if note.type in _OURS:
            self._changed = True
        elif note.type == "plan.published":
            self._due |= self._limited
        if site_id is not None and (self._changed or site_id in self._limited):
            self._due.add(site_id)

    async def rest(self) -> None:
        """Looks at the sites where something has happened, each once.

        What fails is tried again: nobody else would cut who came meanwhile.
        """
        changed, self._changed = self._changed, False
        due, self._due = self._due, set()
        try:
            if changed:
                await self._find_limited()
                await self._wake_for_next()
                changed = False
            while due:
                await self._look(min(due))
                due.remove(min(due))
        except Exception:  # noqa: BLE001 - a database that is away comes back
            _log.exception("grid_limits_not_kept")
            self._changed |= changed
            self._due |= due
            self._alarm.set(self._clock.now() + RETRY)

    async def _look(self, site_id: str) -> None:
        if site_id not in self._limited:
            return
        async with self._db.read() as session:
            site = await session.get(Site, site_id)
            now = None if site is None else await site_now(session, site, self._clock.now())
        if now is None or not now.limits:
            return
        self._stations |= dict.fromkeys(now.stations, site_id)
        if not is_kept(now):
            await self._keep(site_id, now.site.tenant_id)

    async def _keep(self, site_id: str, tenant: str) -> None:
        async with self._db.write(
            self._clock, self._ids, actor="grid limits", tenant=tenant
        ) as work:
            await work.take_turn(GRID_LIMITS)
            site = await work.session.get_one(Site, site_id)
            now = await site_now(work.session, site, work.now)
            if now.limits:
                await keep(work, now)

    async def _find_limited(self) -> None:
        query = sa.select(GridLimit.site_id).where(
            GridLimit.begun_at.is_not(None), GridLimit.ended_at.is_(None)
        )
        async with self._db.read() as session:
            self._limited = set(await session.scalars(query))
        self._stations = {
            station: site_id
            for station, site_id in self._stations.items()
            if site_id in self._limited
        }

    async def _wake_for_next(self) -> None:
        async with self._db.read() as session:
            self._alarm.set(await next_turn(session))

    async def _ring(self) -> None:
        try:
            await self._turn()
            await self._wake_for_next()
        except Exception:  # noqa: BLE001 - the next one is to begin all the same
            _log.exception("grid_limits_not_turned")
            self._alarm.set(self._clock.now() + RETRY)
        await self.rest()

    async def _turn(self) -> None:
        """Ends what is over by our clock, and begins what is due."""
        now = self._clock.now()
        open_ones = sa.select(GridLimit).where(GridLimit.ended_at.is_(None))
        due = open_ones.where(
            sa.or_(
                GridLimit.end <= now, sa.and_(GridLimit.begun_at.is_(None), GridLimit.start <= now)
            )
        ).order_by(GridLimit.start, GridLimit.id)
        async with self._db.read() as session:
            tenants = sorted(
                set(
                    await session.scalars(due.with_only_columns(GridLimit.tenant_id).order_by(None))
                )
            )
        for tenant in tenants:
            async with self._db.write(
                self._clock, self._ids, actor="grid limits", tenant=tenant
            ) as work:
                await work.take_turn(GRID_LIMITS)
                mine = due.where(GridLimit.tenant_id == tenant)
                rows = (await work.session.scalars(mine)).all()
                by_site: dict[str, list[GridLimit]] = defaultdict(list)
                for row in rows:
                    if row.end <= work.now:
                        await end(work, row, "over")
                    else:
                        by_site[row.site_id].append(row)
                for site_id, beginning in by_site.items():
                    await begin(work, await work.session.get_one(Site, site_id), beginning)
