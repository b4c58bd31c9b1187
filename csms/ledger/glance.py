"""Glances: one small statement that looks something up by its key, where every hand-over counts.

SQLite answers such a statement out of memory in 20 us; to have a thread of its own do it, and to
wait for that, costs ten times as much, and so does SQLAlchemy's way from a statement to its rows.
So a glance goes straight to SQLite, in the thread of the event loop, over a connection that waits
for nobody. What is not answered at once, because the file is locked or away, is asked again over
the readers' threads, which may wait. Each glance sees all that was committed before it, and keeps
nothing for the next. Not for what counts or searches rows: that takes time, in which nobody else is
answered.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

_Convert = Callable[[Any], Any]
Lookup = sa.Select[*tuple[Any, ...]]
"""A statement that looks something up."""
_DIALECT = sqlite.dialect()
_named: Callable[..., Any] = namedtuple


class Glances:
    """A connection to a SQLite file for the thread of the event loop; opened when first used."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Takes what opens the file, for reading, with a connection that is not waited for."""
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._known: dict[Lookup, _Known] = {}

    def rows(self, statement: Lookup, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """Returns the rows of a result; None where they can't be had at once."""
        known = self._known.get(statement)
        if known is None:
            known = self._known[statement] = _Known(statement)
        try:
            if self._connection is None:
                self._connection = self._connect()
            return known.ask(self._connection, parameters)
        except sqlite3.Error:
            self.close()
            return None

    def close(self) -> None:
        """Closes the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Known:
    """A statement in SQLite's words, and what turns values into SQLite's and back."""

    def __init__(self, statement: Lookup) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        columns = statement.selected_columns
        self._sql = str(compiled)
        self._row: Any = _named("Glance", columns.keys(), rename=True)
        self._out = [_processor(column.type, "result") for column in columns]
        self._in: list[tuple[str, Any, _Convert | None]] = []
        """By place: the name of the parameter, the value that it has if nobody gives one, and what
        converts it."""
        for name in compiled.positiontup or ():
            convert = _processor(compiled.binds[name].type, "bind")
            self._in.append((name, compiled.params.get(name), convert))
        self._wanted = {name for name, *_ in self._in if compiled.binds[name].required}

    def ask(self, connection: sqlite3.Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Runs it."""
        assert parameters.keys() == self._wanted, f"the parameters are {self._wanted}"
        values = [
            value if convert is None else convert(value)
            for value, convert in (
                (parameters.get(name, usual), convert) for name, usual, convert in self._in
            )
        ]
        return [
            self._row._make(
                value if convert is None else convert(value)
                for value, convert in zip(row, self._out, strict=True)
            )
            for row in connection.execute(self._sql, values).fetchall()
        ]


def _processor(kind: sa.types.TypeEngine[Any], way: str) -> _Convert | None:
    own: Any = kind.dialect_impl(_DIALECT)
    return own.bind_processor(_DIALECT) if way == "bind" else own.result_processor(_DIALECT, None)
