"""Which of several services on one database leads, and which of them live.

Any number of services may share a PostgreSQL database: each has doors of its own. What goes on by
itself (plans, limits, watches, simulations, clearing up after the dead) is one service's at a time.
It leads that holds an advisory lock; a second lock of its own says that a service lives. Both are a
session's, so that the database drops them when their holder dies, however it dies. An SQLite file
has one service (`csms.ledger.lock`), which leads from the start and is number 0. What the one that
leads does is not here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from random import SystemRandom

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from csms.ledger.database import Database, away, lone_engine, unreachable
from models.clocks import WireClock
from models.errors import Unavailable

LOOK_S = 1.0
"""How often is looked who leads and who lives."""
ANSWER_S = 5.0
"""A database that takes longer for so little is away."""
GONE_S = 3.0
"""Who has not been among the living for so long is dead; one that has lost its session comes back,
and says anew which stations it has."""
TRIES = 5
"""Who leads and can't do so, as often as this one after the other, lets another try."""
STEP_BACK_S = 10.0
"""So long it does not claim the lead again."""
LEAD_LOCK = 0x4C454144
"""PostgreSQL advisory lock (first half; the second is 0): who holds it leads."""
ALIVE_LOCK = 0x4C495645
"""First half of the advisory locks of those that live; the second is their number."""
_NUMBERS = 2**31 - 1
_NAME_MAX = 63
"""PostgreSQL cuts names of applications here."""

_log = structlog.get_logger("lead")
_HELD = (
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
    " AND l.granted AND l.objsubid = 2"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Lead:
    """This service's place among those on its database."""

    def __init__(self, db: Database, *, node: str, wire: WireClock) -> None:
        """Takes the database, and the name by which others are told of this service."""
        self._wire = wire
        self._node = node
        alone = db.dialect == "sqlite"
        self.number = 0
        """Of this service, among all that have been on the database: of each session a new one."""
        self.held = alone
        """Whether this service leads."""
        self.holder = node if alone else ""
        """Who leads, as far as is known."""
        self.alive: frozenset[int] = frozenset()
        """The numbers of those that live; on SQLite nobody but us does, and none is told."""
        name = f"heliofleet {node} ({socket.gethostname()}, process {os.getpid()})"
        self._engine: AsyncEngine | None = None if alone else lone_engine(db, name[:_NAME_MAX])
        self._connection: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._claimed = self.held, self.number
        """Whether we led at first, and our number then: what those have begun with who watch."""
        self._looking = asyncio.Lock()
        """Held for each look: one that is broken off loses its session, and our locks with it."""
        self._failed = 0
        """Times in a row that our leading has failed."""
        self._claims_from_s = 0.0
        """Till then another may lead."""
        self._missed: dict[int, float] = {}
        """Since when those whom somebody has asked for have not been among the living."""
        self._unsure = False
        """Not all is done for what was told last, as of one that may be dead: it is told again."""

    @property
    def others(self) -> frozenset[int]:
        """The numbers of those that live beside us."""
        return self.alive - {self.number}

    async def claim(self) -> None:
        """Says that this service lives, and leads if nobody else does.

        Raises:
            Unavailable: if the database is away.
        """
        if self._engine is not None:
            await self._look()
            self._claimed = self.held, self.number
            if not self.held:
                _log.warning("standing_by", leads=self.holder)

    async def dead(self, numbers: Collection[int]) -> Collection[int]:
        """Looks anew who lives; returns those of the services with these numbers that are dead.

        Where one has not been missed for long enough, those who watch are called again.

        Raises:
            Unavailable: if the database is away.
        """
        if self._engine is None or not numbers:
            return numbers
        await self._look()
        now_s = self._wire.monotonic()
        missed = frozenset(numbers) - self.alive
        for number in missed:
            self._missed.setdefault(number, now_s)
        dead = frozenset(each for each in missed if now_s - self._missed[each] >= GONE_S)
        self._unsure = self._unsure or dead != missed
        return dead

    def watch(
        self, *, changed: Callable[[], Awaitable[None]], renamed: Callable[[int], Awaitable[None]]
    ) -> None:
        """From now on tells of changes.

        Args:
            changed: called when this service begins or ceases to lead, and when another has come
                or gone. Called again soon if it raises, or has asked for one that may be `dead`.
            renamed: called with the new number of this service when it may have passed for dead.
                When it has ceased to lead as well, `changed` comes first, and must let go of what
                is the leader's before it waits for the database.
        """
        if self._engine is not None:
            self._task = asyncio.get_running_loop().create_task(
                self._watch(changed, renamed), name="lead"
            )

    async def rest(self) -> None:
        """Tells of nothing any more; whether this service leads stays as it is."""
        if self._task is not None:
            async with self._looking:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def close(self) -> None:
        """Gives up the lead, and its place among the living."""
        await self.rest()
        if self._engine is not None:
            await self._drop()
            await self._engine.dispose()

    async def _watch(
        self, changed: Callable[[], Awaitable[None]], renamed: Callable[[int], Awaitable[None]]
    ) -> None:
        led, number = self._claimed
        told = (led, self.alive)
        while True:
            await self._wire.sleep(LOOK_S)
            try:
                known = await self._look_again()
                if led and not self.held:
                    # Another may lead already, whether we can see it or not.
                    _log.warning("standing_by", leads=self.holder)
                    await changed()
                    told, led = (False, told[1]), False
                if not known:
                    continue
                if self.number != number:
                    await renamed(self.number)
                    number = self.number
                now = (self.held, self.alive)
                if now != told or self._unsure:
                    self._unsure = False
                    if now[0] != told[0]:
                        _log.warning("leads", leads=self.holder)
                    led = now[0]  # whatever comes of it, something may have begun
                    await self._lead_by(changed)
                    told = now
            except Unavailable as error:
                _log.warning("lead_unknown", error=error.detail)
            except Exception:  # noqa: BLE001 - nobody else would look again
                _log.exception("lead_failed")

    async def _lead_by(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Tells of a change; gives the lead away when that has failed too often while we lead."""
        try:
            await changed()
        except Exception:
            self._unsure = True  # so that it is told again
            self._failed += self.held
            if self._failed >= TRIES:
                _log.warning("steps_back", failed=self._failed)
                self._failed = 0
                self._claims_from_s = self._wire.monotonic() + STEP_BACK_S
            raise
        self._failed = 0

    async def _look_again(self) -> bool:
        """Looks, and once more if that has lost the session; returns whether anything was seen.

        One that was only cut is open again at once, and what goes on here need not end for it.
        """
        for _ in range(2):
            had_one = self._connection is not None
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - however it was lost, it is lost
                _log.warning("lead_unknown", error=str(error))
                if not had_one:
                    break
            else:
                return True
        return False

    async def _look(self) -> None:
        """Finds out who lives and who leads; takes the lead where nobody has it."""
        async with self._looking, self._session() as connection:
            claims = self._wire.monotonic() >= self._claims_from_s
            taken = claims and await connection.scalar(
                sa.text("SELECT pg_try_advisory_lock(:kind, 0)"), {"kind": LEAD_LOCK}
            )
            if self.held and (taken or not claims):  # locks are counted
                await connection.execute(
                    sa.text("SELECT pg_advisory_unlock(:kind, 0)"), {"kind": LEAD_LOCK}
                )
            rows = await connection.execute(
                sa.text(f"SELECT l.classid, l.objid, a.application_name {_HELD}")
            )
            locks = [(int(kind), int(number), str(name)) for kind, number, name in rows]
        self.held = bool(taken)
        self.alive = frozenset(number for kind, number, _ in locks if kind == ALIVE_LOCK)
        for number in self.alive & self._missed.keys():
            del self._missed[number]
        self.holder = next((name for kind, _, name in locks if kind == LEAD_LOCK), "")

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[AsyncConnection]:
        """Gives the one session that our locks are of; a new one where the last was lost."""
        assert self._engine is not None
        try:
            with away(), unreachable():
                async with asyncio.timeout(ANSWER_S):
                    if self._connection is None:
                        self._connection = await self._engine.connect()
                        # What others have been told of the dead is not to be taken for news of us.
                        self.number = SystemRandom().randrange(1, _NUMBERS)
                        await self._connection.execute(
                            sa.text("SELECT pg_advisory_lock(:kind, :number)"),
                            {"kind": ALIVE_LOCK, "number": self.number},
                        )
                    yield self._connection
        except DBAPIError as error:  # such as that it takes no more connections
            await self._drop()
            raise Unavailable(f"the database refuses: {error.orig}") from error
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self.held, self.holder = False, ""  # to be taken anew, if nobody else has taken it
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be broken, which is all the same
                await connection.invalidate()
                await connection.close()
