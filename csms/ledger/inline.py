"""SQLite in the calling thread, in the clothes of SQLAlchemy's asynchronous sessions.

aiosqlite runs each connection in a thread of its own; a virtual event loop can't know that such a
thread is at work, and its answers come at an unpredictable point of virtual time. These sessions
do the work at once, so that the same seed gives the same order of everything. Nor do they get
ready to wait, which for a small statement takes as long as to run it; and what they are asked again
and again goes straight to SQLite (`csms.ledger.straight`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import immutabledict

from csms.ledger.straight import NotStraight, Straight, by_key, straight_of

_WHOLE: Mapping[str, Any] = immutabledict({"prebuffer_rows": True})
"""Rows are made at once, as in any asynchronous session: they outlive it."""

_TURNS = 3
"""So many turns others take while an asynchronous session closes, which does it in a task of its
own: with fewer, a day would be played in another order than it was before."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection that stays open from session to session."""

    connection: sa.Connection
    driver: sqlite3.Connection


class Lines:
    """The connections of an engine that sessions take in turn.

    To have one from SQLAlchemy's pool, and begin and end by its events, takes half of what a small
    session takes.
    """

    def __init__(self, engine: sa.Engine, begin: str) -> None:
        """Takes an engine whose driver works in the calling thread, and how transactions begin."""
        self._engine = engine
        self._free: list[_Line] = []
        self.begin = begin
        self.dialect = engine.dialect

    def take(self) -> _Line:
        """Returns a line for one session alone."""
        if self._free:
            return self._free.pop()  # whose pages still hold
        connection = self._engine.connect()
        driver: Any = connection.connection.driver_connection
        return _Line(connection, driver)

    def give_back(self, line: _Line) -> None:
        """Takes a line back; what is not committed is given up.

        After a COMMIT that failed, SQLite is still within the transaction and SQLAlchemy believes
        that it is over: the write lock would be held for ever.
        """
        if line.driver.in_transaction:
            line.driver.rollback()
        self._free.append(line)

    def drop(self, line: _Line) -> None:
        """Closes a line on which something went wrong."""
        line.connection.invalidate()
        line.connection.close()

    def close(self) -> None:
        """Closes the lines that are free, and the engine."""
        while self._free:
            self._free.pop().connection.close()
        self._engine.dispose()


class InlineSession(AsyncSession):
    """An `AsyncSession` that never waits: what is asked for most is done without a greenlet.

    What is not here works as it does there, in more time.
    """

    def __init__(self, lines: Lines) -> None:
        """Takes the lines of a database whose driver works in the calling thread."""
        super().__init__(expire_on_commit=False)
        self._lines = lines
        self._line: _Line | None = lines.take()
        self._driver = self._line.driver
        self.sync_session.bind = self._line.connection

    async def begin_at_once(self) -> None:
        """Begins the transaction; SQLAlchemy finds it begun when it is asked for something."""
        if not self._driver.in_transaction:
            self._driver.execute(self._lines.begin)

    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Runs one statement; as of `AsyncSession`, and so are those below."""
        if not options and (straight := self._straight(statement, params)) is not None:
            try:
                return straight.result(self.sync_session, self._driver, params)
            except NotStraight:
                pass
        wanted = options.pop("execution_options", None)
        whole = _WHOLE if not wanted else immutabledict(wanted).union(_WHOLE)
        return self.sync_session.execute(statement, params, execution_options=whole, **options)

    async def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Returns the first column of the first row, or None."""
        if not options and (straight := self._straight(statement, params)) is not None:
            try:
                return straight.first(self.sync_session, self._driver, params)
            except NotStraight:
                pass
        return self.sync_session.scalar(statement, params, **options)

    def _straight(self, statement: Any, params: Any) -> Straight | None:
        """Returns a statement that goes straight to SQLite, with what was changed written."""
        if params is not None and not isinstance(params, Mapping):
            return None
        assert self._line is not None, "this session is closed"
        found = straight_of(statement, self._lines.dialect)
        if found is not None:
            if not self._driver.in_transaction:
                self._driver.execute(self._lines.begin)
            if self.sync_session.autoflush:
                self.sync_session.flush()
        return found

    async def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Returns the first column of each row."""
        return (await self.execute(statement, params, **options)).scalars()

    async def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Returns a row by its key, or None."""
        # SQLite locks no rows: who writes has locked all of them.
        if not options or options == {"with_for_update": True}:
            found = await self._by_key(entity, ident, anew=bool(options))
            if found is not None:
                return found
        return self.sync_session.get(entity, ident, **options)

    async def get_one(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Returns a row by its key, which has to be there."""
        if not options:
            found = await self._by_key(entity, ident)
            if found is not None:
                return found
        return self.sync_session.get_one(entity, ident, **options)

    async def _by_key(self, entity: Any, ident: Any, *, anew: bool = False) -> Any:
        """Returns a row by its key; None where there is none, or SQLAlchemy has to look for it.

        With `anew`, what the session holds already is left to SQLAlchemy to read again.
        """
        if isinstance(ident, dict | list):
            return None
        key: tuple[Any, ...] = (ident,)
        if isinstance(ident, tuple):
            key = cast("tuple[Any, ...]", ident)
        there = self.sync_session.identity_map.get((entity, key, None))
        if there is not None:
            return None if anew or sa.inspect(there).expired else there
        names = {f"key_{number}": part for number, part in enumerate(key)}
        return await self.scalar(by_key(entity), names)

    async def merge(self, instance: Any, **options: Any) -> Any:
        """Returns the row of this session that has the same key, with the same values."""
        return self.sync_session.merge(instance, **options)

    async def flush(self, objects: Any = None) -> None:
        """Writes what was changed."""
        self.sync_session.flush(objects)

    async def commit(self) -> None:
        """Makes the transaction durable."""
        self.sync_session.commit()
        if self._driver.in_transaction:  # of which SQLAlchemy knows nothing
            self._driver.commit()

    async def rollback(self) -> None:
        """Gives up what is not committed."""
        self.sync_session.rollback()
        if self._driver.in_transaction:
            self._driver.rollback()

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
