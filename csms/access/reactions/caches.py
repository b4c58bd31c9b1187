"""The sweeper of caches: stations forget what they were told of tokens that are no longer good.

A station may keep what it was told of tokens, and let people charge by it before it asks, or
without asking while it has no connection. When a token is blocked or deleted, each station is told
to forget what it knows: soon where it is connected, after a short time in which changes gather, and
else when it comes back. That a station is still to be told is an instant in its row.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.access.rules import NOT_THERE
from csms.bus.base import EventNote
from csms.ledger.database import Database
from models.clocks import Activity, Clock
from models.commands import ClearCache
from models.ids import IdMaker
from models.tables.stations import Station, StationVariable

GATHERING = timedelta(seconds=5)
"""How long changes of tokens gather before stations are told."""
_EXPIRES_S = 60.0
_SWITCHES = (("", "AuthorizationCacheEnabled"), ("AuthCacheCtrlr", "Enabled"))
"""Settings that tell, as component and variable, whether a station has a cache that it uses."""
_OWNERS = frozenset({"vehicle.deleted", "driver.deleted"})

_log = structlog.get_logger("caches")


class _TokenNote(msgspec.Struct):
    status: str = ""


class _CommandNote(msgspec.Struct):
    state: str = ""
    error_code: str | None = None


class CacheSweeper:
    """Has stations forget tokens that are no longer good."""

    follows = frozenset(
        {
            "id_token.updated",
            "id_token.deleted",
            "station.caught_up",
            "command.answered",
            "command.failed",
            *_OWNERS,
        }
    )

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._asked: dict[str, tuple[str, datetime]] = {}
        """Commands under way: their station, and since when what it then holds is fresh."""
        self._stale: set[str] = set()
        """Stations that are to be told; thousands may come back at once, and few are."""
        self._tenants: set[str] = set()
        """Whose stations are to be told when changes have gathered."""
        self._turn = asyncio.Lock()
        """What becomes of a command is not heard before the command is remembered."""
        self._gathering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Finds the stations that are still to be told."""
        query = sa.select(Station.identity).where(Station.cache_stale_at.is_not(None))
        async with self._db.read() as session:
            self._stale.update(await session.scalars(query))

    async def stop(self) -> None:
        """Stops; stations that were not told yet are told when they come back."""
        if self._gathering is not None:
            self._gathering.cancel()
            await asyncio.gather(self._gathering, return_exceptions=True)

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        async with self._turn:
            if note.type.startswith("command."):
                await self._settled(note)
            elif note.type == "station.caught_up":
                identity = note.subject.removeprefix("station/")
                if identity in self._stale:
                    await self._tell(note.tenant, identity)
            elif note.type != "id_token.updated" or _is_blocked(note):
                await self._mark(note.tenant)

    async def _mark(self, tenant: str) -> None:
        """Notes that what stations remember may be wrong, and waits a little for more."""
        async with self._db.write(self._clock, self._ids, actor="caches", tenant=tenant) as work:
            marked = await work.session.scalars(
                sa.update(Station)
                .where(Station.tenant_id == tenant, Station.approval == "accepted")
                .values(cache_stale_at=work.now)
                .returning(Station.identity)
                .execution_options(synchronize_session=False)
            )
            self._stale.update(marked)
        self._tenants.add(tenant)
        if self._gathering is None:
            due_at = self._clock.now() + GATHERING
            loop = asyncio.get_running_loop()
            self._gathering = loop.create_task(self._gather(due_at), name="caches")

    async def _gather(self, due_at: datetime) -> None:
        await self._clock.sleep_until(due_at)
        with self._activity.busy():
            async with self._turn:
                self._gathering = None
                tenants, self._tenants = sorted(self._tenants), set()
                for tenant in tenants:
                    try:
                        await self._tell(tenant)
                    except Exception:  # noqa: BLE001 - each is told when it comes back
                        _log.exception("caches_not_cleared", tenant=tenant)

    async def _tell(self, tenant: str, identity: str | None = None) -> None:
        """Tells stations that are here (all of a tenant, or this one) to forget, if they are to."""
        query = sa.select(Station.identity, Station.cache_stale_at).where(
            Station.tenant_id == tenant, Station.online, Station.cache_stale_at.is_not(None)
        )
        if identity is not None:
            query = query.where(Station.identity == identity)
        without = sa.select(StationVariable.station).where(
            sa.tuple_(StationVariable.component, StationVariable.variable).in_(_SWITCHES),
            sa.func.lower(StationVariable.value) == "false",
        )
        # An order takes the database's turn to write, which a boot without need is not to wait for.
        async with self._db.read() as session:
            rows = await session.execute(query.where(Station.identity.not_in(without)))
        under_way = set(self._asked.values())
        found = [(who, since) for who, since in rows if since and (who, since) not in under_way]
        if not found:
            return
        asked: dict[str, tuple[str, datetime]] = {}
        async with self._db.write(self._clock, self._ids, actor="caches", tenant=tenant) as work:
            for station, stale_at in found:
                order = ClearCache()
                command_id = work.order(
                    order, station=station, origin="rule", expires_in_s=_EXPIRES_S
                )
                asked[command_id] = (station, stale_at)
        self._asked |= asked

    async def _settled(self, note: EventNote) -> None:
        """Notes that a station has forgotten; one that refuses has nothing to forget."""
        asked = self._asked.pop(note.subject.removeprefix("command/"), None)
        if asked is None:
            return
        told = msgspec.json.decode(note.resource, type=_CommandNote)
        if told.state != "answered" and told.error_code not in NOT_THERE:
            return
        station, stale_at = asked
        async with self._db.write(
            self._clock, self._ids, actor="caches", tenant=note.tenant
        ) as work:
            cleared = await work.session.scalars(
                sa.update(Station)
                .where(Station.identity == station, Station.cache_stale_at <= stale_at)
                .values(cache_stale_at=None)
                .returning(Station.identity)
                .execution_options(synchronize_session=False)
            )
            self._stale.difference_update(cleared)


def _is_blocked(note: EventNote) -> bool:
    return msgspec.json.decode(note.resource, type=_TokenNote).status == "Blocked"
