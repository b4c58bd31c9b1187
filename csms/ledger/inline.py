"""SQLite in the calling thread, in the clothes of aiosqlite.

aiosqlite runs each connection in a thread of its own; a virtual event loop can't know that such a
thread is at work, and its answers come at an unpredictable point of virtual time. This connection
does the work at once, so that the same seed gives the same order of everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Self


class InlineCursor:
    """The part of `aiosqlite.Cursor` that SQLAlchemy uses."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._cursor.close()

    @property
    def description(self) -> Any:
        """Columns of the result, as DB-API says."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """Rows touched, as DB-API says."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """Row id of the last insert."""
        return self._cursor.lastrowid

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> InlineCursor:
        """Runs one statement."""
        self._cursor.execute(sql, parameters)
        return self

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> InlineCursor:
        """Runs one statement for each row."""
        self._cursor.executemany(sql, rows)
        return self

    async def fetchall(self) -> list[Any]:
        """Returns what is left of the result."""
        return self._cursor.fetchall()

    async def fetchone(self) -> Any:
        """Returns the next row of the result, or None."""
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Returns the next rows of the result."""
        return self._cursor.fetchmany(self._cursor.arraysize if size is None else size)

    async def close(self) -> None:
        """Frees the statement."""
        self._cursor.close()


class InlineConnection:
    """The part of `aiosqlite.Connection` that SQLAlchemy uses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._conn = connection

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._conn.in_transaction

    def begin(self, statement: str) -> None:
        """Begins a transaction, without the long way through SQLAlchemy."""
        self._conn.execute(statement)

    def cursor(self) -> InlineCursor:
        """Returns a new cursor."""
        return InlineCursor(self._conn.cursor())

    async def create_function(
        self,
        name: str,
        num_params: int,
        func: Callable[..., Any],
        deterministic: bool = False,  # noqa: FBT001, FBT002 - aiosqlite's signature
    ) -> None:
        """Registers a function of Python's with SQLite."""
        self._conn.create_function(name, num_params, func, deterministic=deterministic)

    async def commit(self) -> None:
        """Makes the transaction durable."""
        self._conn.commit()

    async def rollback(self) -> None:
        """Gives the transaction up."""
        self._conn.rollback()

    async def close(self) -> None:
        """Closes the file."""
        self._connection = None
        self._conn.close()

    def stop(self) -> None:
        """Closes the file, from wherever it is called."""
        self._connection = None
        self._conn.close()


async def connect_inline(path: str, **options: Any) -> InlineConnection:
    """Opens a SQLite file for use in the calling thread.

    Raises:
        sqlite3.OperationalError: if the file can't be opened.
    """
    return InlineConnection(sqlite3.connect(path, check_same_thread=False, **options))
