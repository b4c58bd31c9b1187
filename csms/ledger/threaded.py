"""SQLite in a thread of its own, that leaves no transaction open when it closes.

aiosqlite hands each statement to a thread and lets whoever waits for it be cancelled; the thread
runs it all the same. So a BEGIN whose waiter was cancelled opens a transaction, SQLAlchemy closes
the connection, and SQLite keeps it open, and the file locked, as long as a statement of it lives:
be it in the traceback of the one who was cancelled.
"""

# aiosqlite leaves the types of its futures open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from functools import partial
from typing import Any

import aiosqlite

_CHUNK = 64


class ThreadedConnection(aiosqlite.Connection):
    """An aiosqlite connection that rolls back before it closes."""

    async def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(ValueError, sqlite3.Error):  # it is closed already, or broken
            await self.rollback()
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
