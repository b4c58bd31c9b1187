# ruff: noqa: S608 - the text of statements is made of the names in `models.tables` alone
"""Rows in bulk: structs to and from the bare database driver, with SQL that is compiled once.

The batch of `csms.ledger.committer` reads and writes thousands of rows a second; the ORM would cost
ten times what the database does. A `RowKind` says how one struct stands in one table. The structs
carry the same Python values as the ORM's rows; the conversions to what the driver wants (integers
for instants on SQLite, JSON as text) are made here. Queries for people and actions are not here:
they use the ORM.
"""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import JSON, TypeEngine

from csms.ledger.work import Dialect
from models.tables.base import ExactDecimal, UtcInstant, from_micros, to_micros

Convert = Callable[[Any], Any]
R = TypeVar("R", bound=msgspec.Struct)

_JSON = msgspec.json.Encoder()
_PARSE = msgspec.json.Decoder()
_POSTGRESQL = postgresql.dialect()
_BETWEEN, _GAP = "\x1f", "\x1e"
"""What stands between texts that are sent as one, and for one that is missing."""
_GREATER: dict[Dialect, str] = {
    "postgresql": "greatest({0}, {1})",
    "sqlite": f"ifnull(max(ifnull({{0}}, {-(2**63)}), {{1}}), {{0}})",
}
"""Of what stands in a column and a new value; SQLite's `max` knows none beside one not known."""
_KEY_CHUNKS = (1, 4, 16, 64, 256)
"""Sizes of key lists on SQLite, so that few statements serve all batches."""


class Driver(Protocol):
    """A bare connection to either database, within one transaction."""

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""
        ...

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Runs one statement and returns its rows."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs one statement for each row."""
        ...


class SqliteDriver:
    """A `Driver` on the standard library's connection."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Runs one statement and returns its rows."""
        return self.connection.execute(sql, parameters).fetchall()

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs one statement for each row."""
        self.connection.executemany(sql, rows)


class PostgresDriver:
    """A `Driver` on SQLAlchemy's adaptation of asyncpg, within `run_sync`."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Runs one statement and returns its rows."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, tuple(parameters))
            return cursor.fetchall() if cursor.description else []
        finally:
            cursor.close()

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs one statement for each row."""
        cursor = self._connection.cursor()
        try:
            cursor.executemany(sql, rows)
        finally:
            cursor.close()


def placed(sql: str, dialect: Dialect) -> str:
    """Returns SQL written with `?` in the database's own style of placeholders."""
    if dialect == "sqlite":
        return sql
    head, *tail = sql.split("?")
    return head + "".join(f"${number}{part}" for number, part in enumerate(tail, start=1))


def _json_text(value: Any) -> str:
    return _JSON.encode(value).decode()


def _parse_json(value: Any) -> Any:
    return _PARSE.decode(value)


def _converters(kind: TypeEngine[Any], dialect: Dialect) -> tuple[Convert | None, Convert | None]:
    """Returns what turns a value of this type into the driver's form, and back."""
    if isinstance(kind, UtcInstant):
        return (to_micros, from_micros) if dialect == "sqlite" else (None, None)
    if isinstance(kind, ExactDecimal):
        return _decimal_text, Decimal
    if isinstance(kind, JSON):
        # SQLAlchemy has taught asyncpg to read JSON, but slowly: it is asked for as text.
        return _json_text, _parse_json
    if isinstance(kind, sa.Boolean) and dialect == "sqlite":
        return None, bool
    return None, None


def _taker(kind: RowKind[Any], dialect: Dialect, columns: Sequence[str]) -> Convert:
    """Returns what takes these columns of a row, in the driver's form."""
    take = operator.attrgetter(*columns)
    both = [_converters(kind.types[column], dialect) for column in columns]
    encode = [(place, to) for place, (to, _) in enumerate(both) if to is not None]

    def taken(row: Any) -> Sequence[Any]:
        values = list(take(row))
        for place, convert in encode:
            value = values[place]
            if value is not None:
                values[place] = convert(value)
        return values

    return taken


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


class RowKind(Generic[R]):
    """How the struct `R`, whose fields are columns, stands in a table."""

    def __init__(
        self,
        table: sa.FromClause,
        row: type[R],
        *,
        key: Sequence[str],
        mutable: Sequence[str] = (),
        often: Sequence[str] = (),
        rising: Sequence[str] = (),
        settled: Callable[[R], bool] | None = None,
        on_conflict: str | Mapping[Dialect, str] = "",
        merge: Callable[[Sequence[R]], R] | None = None,
    ) -> None:
        """Says how.

        Args:
            table: where rows stand.
            row: the struct.
            key: columns that tell rows apart.
            mutable: columns that `update` writes.
            often: those of them that most updates change. Where nothing else has changed, nothing
                else is written: SQLite rewrites each index that a statement names a column of,
                whether its value is another or not.
            rising: those of the mutable ones that only grow: an update leaves what is greater in
                the database, where others write them beside the batch.
            settled: whether a row is hardly asked for again once it is written; such rows are not
                kept in memory from batch to batch.
            on_conflict: the end of the INSERT, for both databases or for each.
            merge: makes one row of those that have one key, in their order, as `on_conflict` does:
                a row that is written again and again in one transaction costs more each time.
        """
        real = cast("sa.Table[Any]", table)
        self.name: str = real.name
        self.types: dict[str, TypeEngine[Any]] = {each.name: each.type for each in real.columns}
        self.row = row
        self.key = tuple(key)
        self.columns = tuple(row.__struct_fields__)
        self.mutable = tuple(mutable)
        self.often = tuple(often)
        self.rising = frozenset(rising)
        self.settled = settled
        self._seldom: Convert | None = None
        if often:
            self._seldom = operator.attrgetter(*(name for name in mutable if name not in often))
        self.on_conflict = on_conflict
        self.merge = merge
        self._key_of = operator.attrgetter(*self.key)
        self._compiled: dict[Dialect, _Compiled] = {}

    def key_of(self, row: R) -> Any:
        """Returns the key: a value, or a tuple where it has several columns."""
        return self._key_of(row)

    def on(self, dialect: Dialect) -> _Compiled:
        """Returns the SQL and the conversions for one database."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = _Compiled(cast("RowKind[Any]", self), dialect)
        return found

    def fetch(
        self, driver: Driver, by: Sequence[str], keys: Iterable[Any], only: str = ""
    ) -> list[R]:
        """Returns the rows whose columns `by` have one of these values, in no special order."""
        compiled = self.on(driver.dialect)
        found = compiled.select(driver, tuple(by), keys, only)
        return [compiled.to_row(values) for values in found]

    def insert(self, driver: Driver, rows: Sequence[R]) -> None:
        """Adds rows; what happens on a conflict was said when the kind was made."""
        if not rows:
            return
        compiled = self.on(driver.dialect)
        again: Sequence[R] = ()
        if self.merge is not None:
            rows = self._merged(rows, self.merge)
        elif compiled.merges:
            rows, again = self._apart(rows)
        compiled.insert.run(driver, rows)
        if again:
            compiled.insert.run_each(driver, again)

    def _merged(self, rows: Sequence[R], merge: Callable[[Sequence[R]], R]) -> Sequence[R]:
        """Returns rows no two of which have one key.

        Who repeats itself tens of thousands of times in one message is not to hold up all others:
        PostgreSQL took 4 CPU-seconds for 20,000 readings of one instant, which are one row.
        """
        if len(rows) == 1:
            return rows
        by_key: dict[Any, list[R]] = {}
        for row in rows:
            by_key.setdefault(self._key_of(row), []).append(row)
        if len(by_key) == len(rows):
            return rows
        return [merge(same) if len(same) > 1 else same[0] for same in by_key.values()]

    def _apart(self, rows: Sequence[R]) -> tuple[Sequence[R], Sequence[R]]:
        """Returns rows no two of which have one key, which PostgreSQL takes at once; the others."""
        first: dict[Any, R] = {}
        again = [row for row in rows if first.setdefault(self._key_of(row), row) is not row]
        return list(first.values()), again

    def delete(self, driver: Driver, key: Any) -> None:
        """Takes the row of a key away."""
        compiled = self.on(driver.dialect)
        driver.many(compiled.delete_sql, [compiled.to_key(key)])

    def update(self, driver: Driver, changes: Sequence[tuple[R, R | None]]) -> None:
        """Writes the mutable columns of rows that are there.

        Args:
            driver: of the open transaction.
            changes: each row as it is now, and as it stands in the database, if that is known.
        """
        if not changes:
            return
        compiled, seldom = self.on(driver.dialect), self._seldom
        slight: list[R] = []
        whole: list[R] = []
        for row, before in changes:
            if seldom is not None and before is not None and seldom(row) == seldom(before):
                slight.append(row)
            else:
                whole.append(row)
        if slight:
            compiled.slight.run(driver, slight)
        if whole:
            compiled.whole.run(driver, whole)


class Writing:
    """A statement that writes rows: run for each on SQLite, once for all of them on PostgreSQL.

    There each row that was sent by itself cost three times what it costs as one of many: it is
    bound, begun and ended for itself. Columns go as arrays, and texts as one text each that the
    database takes apart, since asyncpg looks at each element of an array in Python.
    """

    def __init__(
        self,
        dialect: Dialect,
        types: Mapping[str, TypeEngine[Any]],
        take: Convert,
        *,
        each: str,
        all_of: Callable[[str], str],
    ) -> None:
        """Takes the statement.

        Args:
            dialect: of the database.
            types: of the columns that rows bring, in their order.
            take: returns those columns of a row, in the driver's form.
            each: SQL for one row, with `?` for each column.
            all_of: makes SQL for many rows of what stands for them: `k`, with the columns' names.
        """
        self._take = take
        self._each = placed(each, dialect)
        self._at_once = ""
        if dialect == "postgresql":
            sent = [_sent_as(kind) for kind in types.values()]
            arrays = ", ".join(array for array, _ in sent)
            names = ", ".join(f'"{name}"' for name in types)
            fields = ", ".join(
                f'"{name}"{become}' for name, (_, become) in zip(types, sent, strict=True)
            )
            rows = f"(SELECT {fields} FROM unnest({arrays}) AS k({names})) AS k"
            self._at_once = placed(all_of(rows), dialect)
        self._texts = [_is_text(kind) for kind in types.values()]

    def run(self, driver: Driver, rows: Sequence[Any]) -> None:
        """Writes rows, of which there is at least one."""
        values = [self._take(row) for row in rows]
        if self._at_once:
            columns: list[Any] = list(zip(*values, strict=True))
            columns = [
                _joined(column) if is_text else column
                for column, is_text in zip(columns, self._texts, strict=True)
            ]
            if None not in columns:
                driver.fetch(self._at_once, columns)
                return
        driver.many(self._each, values)

    def run_each(self, driver: Driver, rows: Sequence[Any]) -> None:
        """Writes rows one after the other, on PostgreSQL too."""
        driver.many(self._each, [self._take(row) for row in rows])


def _is_text(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, (sa.String, JSON, ExactDecimal))


def _joined(texts: Sequence[str | None]) -> str | None:
    """Returns texts as one for `string_to_array`, or None where it would not be them again."""
    joined = _BETWEEN.join([_GAP if text is None else text for text in texts])
    sound = joined.count(_BETWEEN) == len(texts) - 1 and joined.count(_GAP) == texts.count(None)
    return joined if joined and sound else None


def _sent_as(kind: TypeEngine[Any]) -> tuple[str, str]:
    """Returns the array that a column is sent as to PostgreSQL, and how its elements become it."""
    if _is_text(kind):
        array = f"string_to_array(?::text, E'\\x{ord(_BETWEEN):02x}', E'\\x{ord(_GAP):02x}')"
        return array, "::jsonb" if isinstance(kind, JSON) else ""
    return f"?::{kind.compile(dialect=_POSTGRESQL)}[]", ""


def _update(kind: RowKind[Any], dialect: Dialect, columns: Sequence[str]) -> Writing:
    """Returns the UPDATE of some columns of rows that are found by their keys."""
    names = (*columns, *kind.key)

    def assigned(table: str, new: str) -> str:
        parts: list[str] = []
        for column in columns:
            name = f'"{column}"'
            value = new.format(name)
            if column in kind.rising:
                value = _GREATER[dialect].format(table + name, value)
            parts.append(f"{name} = {value}")
        return ", ".join(parts)

    one, many = assigned("", "?"), assigned("t.", "k.{}")
    match = " AND ".join(f'"{column}" = ?' for column in kind.key)
    join = " AND ".join(f't."{column}" = k."{column}"' for column in kind.key)
    return Writing(
        dialect,
        {name: kind.types[name] for name in names},
        _taker(kind, dialect, names),
        each=f'UPDATE "{kind.name}" SET {one} WHERE {match}',
        all_of=lambda rows: f'UPDATE "{kind.name}" AS t SET {many} FROM {rows} WHERE {join}',
    )


class _Compiled:
    """SQL and conversions of one `RowKind` on one database."""

    def __init__(self, kind: RowKind[Any], dialect: Dialect) -> None:
        self._kind = kind
        self._dialect: Dialect = dialect
        both = [_converters(kind.types[name], dialect) for name in kind.columns]
        self._decode = [(i, back) for i, (_, back) in enumerate(both) if back is not None]
        names = ", ".join(f'"{column}"' for column in kind.columns)
        marks = ", ".join("?" * len(both))
        clash = kind.on_conflict
        if not isinstance(clash, str):
            clash = clash[dialect]
        self.merges = dialect == "postgresql" and "DO UPDATE" in clash
        """A statement may not meet the same row twice."""
        self.insert = Writing(
            dialect,
            {name: kind.types[name] for name in kind.columns},
            _taker(kind, dialect, kind.columns),
            each=f'INSERT INTO "{kind.name}" ({names}) VALUES ({marks}) {clash}',
            all_of=lambda rows: (
                f'INSERT INTO "{kind.name}" ({names}) SELECT {names} FROM {rows} {clash}'
            ),
        )
        match = " AND ".join(f'"{column}" = ?' for column in kind.key)
        self.delete_sql = placed(f'DELETE FROM "{kind.name}" WHERE {match}', dialect)
        self.whole = _update(kind, dialect, kind.mutable)
        self.slight = _update(kind, dialect, kind.often) if kind.often else self.whole
        asked = {
            name: "::text" if dialect == "postgresql" and isinstance(kind.types[name], JSON) else ""
            for name in kind.columns
        }
        self._names = ", ".join(f't."{name}"{as_text}' for name, as_text in asked.items())
        self._selects: dict[tuple[tuple[str, ...], str, int], str] = {}

    def to_key(self, key: Any) -> Sequence[Any]:
        """Returns the columns of a key, in the driver's form."""
        parts = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)
        encode = (_converters(self._kind.types[name], self._dialect)[0] for name in self._kind.key)
        return [part if to is None else to(part) for part, to in zip(parts, encode, strict=True)]

    def to_row(self, values: Sequence[Any]) -> Any:
        """Returns the struct of one fetched row."""
        mutable = list(values)
        for place, convert in self._decode:
            value = mutable[place]
            if value is not None:
                mutable[place] = convert(value)
        return self._kind.row(*mutable)

    def select(
        self, driver: Driver, by: tuple[str, ...], keys: Iterable[Any], only: str
    ) -> Iterable[Any]:
        """Yields the raw rows whose columns `by` have one of these values."""
        distinct = dict.fromkeys(keys)
        wanted: list[tuple[Any, ...]] = [
            cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,) for key in distinct
        ]
        if not wanted:
            return
        converts = [_converters(self._kind.types[name], self._dialect)[0] for name in by]
        if any(converts):
            wanted = [
                tuple(v if c is None else c(v) for c, v in zip(converts, key, strict=True))
                for key in wanted
            ]
        if self._dialect == "postgresql":
            yield from driver.fetch(
                self._select_sql(by, only, 0), [list(c) for c in zip(*wanted, strict=True)]
            )
            return
        for start in range(0, len(wanted), _KEY_CHUNKS[-1]):
            chunk = wanted[start : start + _KEY_CHUNKS[-1]]
            size = next(size for size in _KEY_CHUNKS if size >= len(chunk))
            chunk += [(None,) * len(by)] * (size - len(chunk))
            yield from driver.fetch(
                self._select_sql(by, only, size), [value for key in chunk for value in key]
            )

    def _select_sql(self, by: tuple[str, ...], only: str, size: int) -> str:
        sql = self._selects.get((by, only, size))
        if sql is None:
            if self._dialect == "postgresql":
                arrays = ", ".join(f"?::{self._array_type(name)}[]" for name in by)
                names = ", ".join(f"k{i}" for i in range(len(by)))
                source = f"unnest({arrays}) AS k({names})"
                match = " AND ".join(f't."{name}" = k.k{i}' for i, name in enumerate(by))
                # What is judged by must not change until the end; SQLite has one writer.
                lock = " FOR NO KEY UPDATE OF t" if self._kind.mutable else ""
            else:
                marks = f"({', '.join('?' * len(by))})"
                source = f"(VALUES {', '.join([marks] * size)}) AS k"
                match = " AND ".join(f't."{name}" = k.column{i + 1}' for i, name in enumerate(by))
                lock = ""
            if only:
                match += f" AND {only}"
            table = f'"{self._kind.name}" AS t'
            sql = f"SELECT {self._names} FROM {source} CROSS JOIN {table} WHERE {match}{lock}"
            sql = placed(sql, self._dialect)
            self._selects[by, only, size] = sql
        return sql

    def _array_type(self, name: str) -> str:
        kind = self._kind.types[name]
        if isinstance(kind, UtcInstant):
            return "timestamptz"
        return "bigint" if isinstance(kind, sa.Integer) else "text"
