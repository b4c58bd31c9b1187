"""Glances: one small statement that looks something up by its key, where every hand-over counts.

SQLite answers such a statement out of memory in 20 us; to have a thread of its own do it, and to
wait for that, costs ten times as much. So it is done in the thread of the event loop, over a
connection that waits for nobody. What is not answered at once, because the file is locked or away,
is asked again over the readers' threads, which may wait. Each glance sees all that was committed
before it, and keeps nothing for the next. Not for what counts or searches rows: that takes time, in
which nobody else is answered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError


class Glances:
    """A connection to a SQLite file for the thread of the event loop; opened when first used."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Takes what opens the file, for reading, with a connection that is not waited for."""
        self._engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
        self._connection: sa.Connection | None = None

    def rows(
        self, statement: sa.Executable, parameters: Mapping[str, Any]
    ) -> Sequence[sa.Row[Any]] | None:
        """Returns the rows of a result; None where they can't be had at once."""
        try:
            if self._connection is None:
                opened = self._engine.connect()
                self._connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            return self._connection.execute(statement, parameters).all()
        except (DBAPIError, sqlite3.Error):
            self.close()
            return None

    def close(self) -> None:
        """Closes the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
