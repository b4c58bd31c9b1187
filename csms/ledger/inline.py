"""SQLite in the calling thread, in the clothes of SQLAlchemy's asynchronous sessions.

aiosqlite runs each connection in a thread of its own; a virtual event loop can't know that such a
thread is at work, and its answers come at an unpredictable point of virtual time. These sessions
do the work at once, so that the same seed gives the same order of everything. Nor do they get
ready to wait, which for a small statement takes as long as to run it, nor connect anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import immutabledict

_WHOLE: Mapping[str, Any] = immutabledict({"prebuffer_rows": True})
"""Rows are made at once, as in any asynchronous session: they outlive it."""

_TURNS = 3
"""So many turns others take while an asynchronous session closes, which does it in a task of its
own: with fewer, a day would be played in another order than it was before."""


class Lines:
    """The connections of an engine that sessions take in turn, and that stay open.

    To have one from the engine's pool and to give it back takes a third of what a small session
    takes.
    """

    def __init__(self, engine: sa.Engine) -> None:
        """Takes an engine whose driver works in the calling thread."""
        self._engine = engine
        self._free: list[sa.Connection] = []

    def take(self) -> sa.Connection:
        """Returns a connection for one session alone: the last used, whose pages still hold."""
        return self._free.pop() if self._free else self._engine.connect()

    def give_back(self, line: sa.Connection) -> None:
        """Takes one back that a session has ended with.

        After a COMMIT that failed, SQLite is still within the transaction and SQLAlchemy is not
        sure: the write lock would be held for ever. Such a connection is closed.
        """
        driver: Any = line.connection.driver_connection
        if driver.in_transaction:
            self.drop(line)
        else:
            self._free.append(line)

    def drop(self, line: sa.Connection) -> None:
        """Closes one on which something went wrong."""
        line.invalidate()
        line.close()

    def close(self) -> None:
        """Closes those that are free, and the engine."""
        while self._free:
            self._free.pop().close()
        self._engine.dispose()


class InlineSession(AsyncSession):
    """An `AsyncSession` that never waits: what is asked for most is done without a greenlet.

    What is not here works as it does there, in more time.
    """

    def __init__(self, lines: Lines) -> None:
        """Takes the connections of a database whose driver works in the calling thread."""
        super().__init__(expire_on_commit=False)
        self._lines = lines
        self._line: sa.Connection | None = lines.take()
        self.sync_session.bind = self._line

    async def begin_at_once(self) -> None:
        """Begins the transaction."""
        self.sync_session.connection()

    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Runs one statement; as of `AsyncSession`, and so are those below."""
        wanted = options.pop("execution_options", None)
        whole = _WHOLE if not wanted else immutabledict(wanted).union(_WHOLE)
        return self.sync_session.execute(statement, params, execution_options=whole, **options)

    async def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Returns the first column of the first row, or None."""
        return self.sync_session.scalar(statement, params, **options)

    async def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Returns the first column of each row."""
        return (await self.execute(statement, params, **options)).scalars()

    async def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Returns a row by its key, or None."""
        return self.sync_session.get(entity, ident, **options)

    async def get_one(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Returns a row by its key, which has to be there."""
        return self.sync_session.get_one(entity, ident, **options)

    async def merge(self, instance: Any, **options: Any) -> Any:
        """Returns the row of this session that has the same key, with the same values."""
        return self.sync_session.merge(instance, **options)

    async def flush(self, objects: Any = None) -> None:
        """Writes what was changed."""
        self.sync_session.flush(objects)

    async def commit(self) -> None:
        """Makes the transaction durable."""
        self.sync_session.commit()

    async def rollback(self) -> None:
        """Gives up what is not committed."""
        self.sync_session.rollback()

    async def close(self) -> None:
        """Gives up what is not committed, and the connection back, for others to use."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            self.sync_session.close()
        except BaseException:
            self._lines.drop(line)
            raise
        finally:
            self.sync_session.bind = None
        self._lines.give_back(line)

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        for _turn in range(_TURNS):
            await asyncio.sleep(0)
