"""The unit of work: how everyone but the stations changes what is kept.

A door opens one (`Database.write`), actions change rows through its session and say what became
true, and the door commits it: rows, events, commands and plan requests become durable together or
not at all. Events get their numbers at the very end, under a lock, so that a reader of the outbox
never sees a later number before an earlier one. What stations report takes another road, because it
is much more: see `csms.ledger.committer`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, NewType, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from csms.bus.base import EventNote
from models.clocks import Clock
from models.commands import AnyCommand, encode_command
from models.ids import IdMaker
from models.tables.ledger import Command, Event
from models.tables.planning import PlanRequest

Dialect = Literal["sqlite", "postgresql"]
ReadSession = NewType("ReadSession", AsyncSession)
"""A session of one consistent snapshot; what is changed in it is never committed."""
WriteSession = NewType("WriteSession", ReadSession)
"""A session whose changes its unit of work commits; good wherever a `ReadSession` is wanted."""

OUTBOX_LOCK = 5_201_100
"""PostgreSQL advisory lock: who holds it may number events and must commit at once."""
TURN_LOCK = 5_201_101
"""First half of the PostgreSQL advisory locks of `UnitOfWork.take_turn`."""

_JSON = msgspec.json.Encoder()
_LAST_EVENT = sa.select(sa.func.coalesce(sa.func.max(Event.id), 0))
_TELL = sa.insert(cast("sa.Table", Event.__table__))


@cache
def _asking(dialect: Dialect, names: tuple[str, ...]) -> Any:
    """Returns the statement that asks for a plan, setting these columns; made once."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    made = insert(cast("sa.Table", PlanRequest.__table__))
    changed = {name: made.excluded[name] for name in names}
    return made.on_conflict_do_update(index_elements=["site_id"], set_=changed)


class Committed(msgspec.Struct, frozen=True):
    """What a transaction has made true, for the relay."""

    events: tuple[EventNote, ...] = ()
    stations: tuple[tuple[str, str], ...] = ()
    """(tenant, station) for which commands were queued."""
    sites: tuple[tuple[str, str], ...] = ()
    """(tenant, site) that want a new plan."""


class _Pending(msgspec.Struct, frozen=True):
    """An event that has no number yet."""

    type: str
    subject: str
    site_id: str | None
    resource: bytes


class UnitOfWork:
    """One transaction of one actor: its session, its instant and what it will announce."""

    def __init__(
        self,
        session: WriteSession,
        *,
        clock: Clock,
        ids: IdMaker,
        actor: str,
        tenant: str,
        dialect: Dialect,
    ) -> None:
        self.session = session
        self.now: datetime = clock.now()
        """The instant of everything in this transaction."""
        self.ids = ids
        self.actor = actor
        self.tenant = tenant
        self._dialect = dialect
        self._events: list[_Pending] = []
        self._stations: dict[str, None] = {}
        self._sites: dict[str, tuple[str, float | None]] = {}

    async def take_turn(self, what: str) -> None:
        """Waits for the tenant's turn at `what`, and holds it to the end of the unit of work.

        Taken before anything is read that the decision depends on, it makes deciding and writing
        one step, also over several nodes. On SQLite all units of work take turns anyway.
        """
        if self._dialect == "postgresql":
            number = zlib.crc32(f"{self.tenant}/{what}".encode()) - 2**31
            lock = sa.func.pg_advisory_xact_lock(
                sa.cast(TURN_LOCK, sa.Integer), sa.cast(number, sa.Integer)
            )
            await self.session.execute(sa.select(lock))

    def emit(
        self,
        type: str,  # noqa: A002 - the word of the contract
        *,
        subject: str,
        resource: Mapping[str, Any] | msgspec.Struct,
        site_id: str | None = None,
    ) -> None:
        """Says what became true; the resource is taken as it is now.

        Args:
            type: one of the names in `docs/reference/events.md`, such as `booking.confirmed`.
            subject: `kind/id` of the thing it is about.
            resource: the whole thing, as the REST door shows it.
            site_id: the site it concerns, for filters.
        """
        self._events.append(_Pending(type, subject, site_id, _JSON.encode(resource)))

    def order(
        self,
        command: AnyCommand,
        *,
        station: str,
        origin: str,
        expires_in_s: float = 60,
        kind: str | None = None,
    ) -> str:
        """Queues a command for a station and returns its id.

        Args:
            command: what the station shall do.
            station: its identity.
            origin: `api`, `plan` or `rule`.
            expires_in_s: after this long in the queue it is not sent any more.
            kind: of the command that this one stands for; None: its own.
        """
        command_id = self.ids.new()
        self.session.add(
            Command(
                id=command_id,
                tenant_id=self.tenant,
                station=station,
                kind=kind or type(command).__name__,
                body=encode_command(command).decode(),
                origin=origin,
                state="queued",
                created_at=self.now,
                expires_at=self.now + timedelta(seconds=expires_in_s),
            )
        )
        self._stations[station] = None
        return command_id

    def request_plan(self, site_id: str, reason: str, *, time_limit_s: float | None = None) -> None:
        """Asks for a new plan of a site; several wishes before the next plan are one.

        With `time_limit_s` it is bettered for so long once it is published.
        """
        _, before_s = self._sites.get(site_id, (reason, None))
        self._sites[site_id] = reason, before_s if time_limit_s is None else time_limit_s

    async def finish(self) -> Committed:
        """Writes what was announced, for the transaction's owner to commit right after."""
        await self.session.flush()
        for site_id, (reason, time_limit_s) in sorted(self._sites.items()):
            await self._upsert_plan_request(site_id, reason, time_limit_s)
        events = await self._number_events()
        return Committed(
            events=events,
            stations=tuple((self.tenant, station) for station in self._stations),
            sites=tuple((self.tenant, site) for site in sorted(self._sites)),
        )

    async def _upsert_plan_request(
        self, site_id: str, reason: str, time_limit_s: float | None
    ) -> None:
        row: dict[str, Any] = {"reason": reason, "requested_at": self.now}
        if time_limit_s is not None:  # else one that was asked for before stays
            row["time_limit_s"] = time_limit_s
        asking = _asking(self._dialect, tuple(row))
        await self.session.execute(asking, {"site_id": site_id, **row})

    async def _number_events(self) -> tuple[EventNote, ...]:
        if not self._events:
            return ()
        if self._dialect == "postgresql":
            await self.session.execute(sa.select(sa.func.pg_advisory_xact_lock(OUTBOX_LOCK)))
        last = await self.session.scalar(_LAST_EVENT)
        assert last is not None
        notes = tuple(
            EventNote(
                id=number,
                time=self.now,
                type=event.type,
                tenant=self.tenant,
                site_id=event.site_id,
                subject=event.subject,
                resource=event.resource,
            )
            for number, event in enumerate(self._events, start=last + 1)
        )
        await self.session.execute(
            _TELL,
            [
                {
                    "id": note.id,
                    "time": note.time,
                    "type": note.type,
                    "tenant_id": note.tenant,
                    "site_id": note.site_id,
                    "subject": note.subject,
                    "resource": note.resource.decode(),
                }
                for note in notes
            ],
        )
        return notes
