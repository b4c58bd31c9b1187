"""SQLite in a thread of its own, that leaves no transaction open when it closes.

aiosqlite hands each statement to a thread and lets whoever waits for it be cancelled; the thread
runs it all the same. So a BEGIN whose waiter was cancelled opens a transaction, SQLAlchemy closes
the connection, and SQLite keeps it open, and the file locked, as long as a statement of it lives:
be it in the traceback of the one who was cancelled.

Each hand-over costs more than a small statement itself, and aiosqlite makes four of them for one:
a cursor, the statement, its rows, the end of the cursor. Here all that is one.
"""

# aiosqlite leaves the types of its futures open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite

_CHUNK = 64


class ThreadedCursor:
    """The part of `aiosqlite.Cursor` that SQLAlchemy uses; it is over when `execute` is."""

    def __init__(self, connection: ThreadedConnection) -> None:
        self._connection = connection
        self.description: Any = None
        """Columns of the result, as DB-API says; so the next two."""
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Runs one statement, and takes all rows of its result."""
        return await self._run(lambda cursor: cursor.execute(sql, parameters))

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Self:
        """Runs one statement for each row."""
        return await self._run(lambda cursor: cursor.executemany(sql, rows))

    async def _run(self, work: Callable[[sqlite3.Cursor], object]) -> Self:
        await self._connection.hand_over(partial(self._work, work))
        return self

    def _work(
        self, work: Callable[[sqlite3.Cursor], object], connection: sqlite3.Connection
    ) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            work(cursor)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid

    async def fetchall(self) -> list[Any]:
        """Returns the rows of the result."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is left to be freed."""


class ThreadedConnection(aiosqlite.Connection):
    """An aiosqlite connection of few hand-overs, that rolls back before it closes."""

    _owed_begin: str | None = None
    _touched = False
    """Something was handed over since the last end of a transaction."""

    def cursor(self) -> ThreadedCursor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Returns a cursor; nothing is handed over for that."""
        return ThreadedCursor(self)

    async def hand_over(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Has the thread do some work with the connection, and waits for it."""
        self._touched = True
        await self._execute(self._begun, work, self._conn)

    def begin_with_next(self, begin: str) -> None:
        """Opens a transaction with the next statement; SQLite's snapshot is of then anyway."""
        self._owed_begin = begin

    def _begun(
        self, work: Callable[[sqlite3.Connection], None], connection: sqlite3.Connection
    ) -> None:
        if self._owed_begin is not None:
            connection.execute(self._owed_begin)
            self._owed_begin = None  # only now: nothing may be done outside of the transaction
        work(connection)

    async def commit(self) -> None:
        """Makes the transaction durable."""
        self._owed_begin = None
        if self._touched:
            await super().commit()
            self._touched = False

    async def rollback(self) -> None:
        """Gives the transaction up; SQLAlchemy asks for it twice."""
        self._owed_begin = None
        if self._touched:
            await super().rollback()
            self._touched = False

    async def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(ValueError, sqlite3.Error):  # it is closed already, or broken
            await super().rollback()
        await super().close()

    def stop(self) -> asyncio.Future[Any] | None:
        """As `close`, where nobody can wait for it."""
        if self._connection is not None:
            self._tx.put_nowait((None, self._connection.rollback))
        stopped: asyncio.Future[Any] | None = super().stop()
        return stopped


async def connect_threaded(path: str, **options: Any) -> aiosqlite.Connection:
    """Opens a file; `options` are those of `sqlite3.connect`."""
    connection = ThreadedConnection(partial(sqlite3.connect, path, **options), _CHUNK)
    # As SQLAlchemy does: a process that ends does not wait for it.
    connection._thread.daemon = True  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return await connection
