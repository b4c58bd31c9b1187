# ruff: noqa: SLF001 - what SQLAlchemy's own loader works with has no other names
# pyright: reportPrivateUsage=false
"""Statements that are asked again and again, straight to SQLite and straight back.

Of what SQLAlchemy takes to answer a small `SELECT`, nine tenths go into finding out, each time
anew, what it means: whether it was compiled before, which columns make which attributes, what turns
values into SQLite's and back. Of a statement object that comes a second time all that is found out
once and kept with it. What comes out is the same: rows, or objects of the same session, each there
once. What is not understood here (options, aliases, columns that are read later) is left to
SQLAlchemy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import Mapper, Session

from models.tables.base import UtcInstant, from_micros

_Convert = Callable[[Any], Any]
"""What makes a value of SQLite's one of ours, or the other way; no type of ours makes something of
NULL."""
_result: Any = IteratorResult
_LENGTHS = 64
"""Of so many lengths of its lists a statement is kept in SQLite's words."""
_known: WeakKeyDictionary[Any, Straight | None] = WeakKeyDictionary()
"""None: it came once, or is left to SQLAlchemy for good (`_left`)."""
_left: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
_by_key: dict[type[Any], Any] = {}


class NotStraight(Exception):
    """This is left to SQLAlchemy."""


def straight_of(statement: Any, dialect: Any) -> Straight | None:
    """Returns a statement as it is asked straight; None where it is not, or comes first."""
    try:
        known = _known[statement]
    except KeyError:
        if isinstance(statement, sa.SelectBase | sa.Update | sa.Delete):
            _known[statement] = None
        return None
    except TypeError:  # no object that can be remembered
        return None
    if known is None and statement not in _left:
        try:
            known = _known[statement] = _understood(statement, dialect)
        except (NotStraight, AttributeError):  # or another SQLAlchemy calls things otherwise
            _left[statement] = True
    return known


def by_key(entity: type[Any]) -> Any:
    """Returns the statement that finds a row by its key: parameters `key_0`, `key_1` and so on."""
    found = _by_key.get(entity)
    if found is None:
        mapper: Mapper[Any] = sa.inspect(entity)
        found = sa.select(entity)
        for number, column in enumerate(mapper.primary_key):
            found = found.where(column == sa.bindparam(f"key_{number}", type_=column.type))
        _by_key[entity] = found
    return found


class _Make(Protocol):
    """Makes a value of a part of a row."""

    def __call__(self, session: Any, row: tuple[Any, ...]) -> Any:
        """Returns it; the session has what was made before."""
        ...


@dataclass(frozen=True, slots=True)
class _Words:
    """A statement as SQLite reads it, for lists of certain lengths."""

    sql: str
    values: tuple[tuple[str, int | None, _Convert | None], ...]
    """By place: which parameter, which one of its list, and what converts it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change has come to, as SQLAlchemy calls it."""

    rowcount: int


class Straight:
    """A statement whose meaning is known."""

    def __init__(
        self, compiled: Any, makes: Sequence[_Make], names: Sequence[tuple[str, Any]]
    ) -> None:
        self._compiled = compiled
        self._makes = tuple(makes)
        self._is_single = len(makes) == 1 and isinstance(makes[0], _Object)
        self._metadata = SimpleResultMetaData(
            [name for name, _ in names], [extra for _, extra in names]
        )
        self._usual: dict[str, Any] = dict(compiled.params)
        self._lists = tuple(
            sorted(compiled.bind_names[bind] for bind in compiled.post_compile_params)
        )
        self._wanted = frozenset(
            name for bind, name in compiled.bind_names.items() if bind.required
        )
        self._names = frozenset(compiled.bind_names.values())
        self._changes = not makes
        self._words: dict[tuple[int, ...], _Words] = {}
        self._columns = tuple(
            (each.place, each.convert) for each in makes if isinstance(each, _Column)
        )
        self._is_flat = len(self._columns) == len(self._makes)
        self._converted = [
            (at, convert) for at, (_, convert) in enumerate(self._columns) if convert
        ]

    def result(
        self, session: Session, driver: sqlite3.Connection, params: Mapping[str, Any] | None
    ) -> Any:
        """Runs it, and returns all rows.

        Raises:
            NotStraight: if a parameter lacks, or a row is of an object that has to be read anew.
        """
        if self._changes:
            cursor = self._cursor(driver, params)
            changed = Changed(cursor.rowcount)
            cursor.close()
            return changed
        made = self._made(session, self._cursor(driver, params).fetchall())
        return _result(self._metadata, iter(made), _source_supports_scalars=self._is_single)

    def first(
        self, session: Session, driver: sqlite3.Connection, params: Mapping[str, Any] | None
    ) -> Any:
        """Runs it, and returns the first value of the first row; None without one.

        Raises:
            NotStraight: as `result`.
        """
        if self._changes:
            raise NotStraight
        cursor = self._cursor(driver, params)
        row = cursor.fetchone()
        cursor.close()
        return None if row is None else self._makes[0](session, row)

    def _cursor(
        self, driver: sqlite3.Connection, params: Mapping[str, Any] | None
    ) -> sqlite3.Cursor:
        given = self._usual if params is None else {**self._usual, **params}
        names = (params or {}).keys()
        if not self._wanted <= names or (self._changes and not names <= self._names):
            raise NotStraight  # SQLAlchemy says what lacks, or sets columns by their names
        for name in self._lists:
            if not isinstance(given[name], list | tuple):
                given = {**given, name: list(given[name])}
        lengths = tuple([len(given[name]) for name in self._lists])
        words = self._words.get(lengths)
        if words is None:
            words = self._spelled(given)
            if len(self._words) >= _LENGTHS:
                self._words.clear()
            self._words[lengths] = words
        values: list[Any] = []
        for name, number, convert in words.values:
            value = given[name] if number is None else given[name][number]
            values.append(value if convert is None else convert(value))
        return driver.execute(words.sql, values)

    def _spelled(self, given: Mapping[str, Any]) -> _Words:
        compiled = self._compiled
        expanded = compiled.construct_expanded_state(given)
        places: dict[str, tuple[str, int | None]] = {
            one: (name, number)
            for name, ones in expanded.parameter_expansion.items()
            for number, one in enumerate(ones)
        }
        converts = {**compiled._bind_processors, **expanded.processors}
        values: list[tuple[str, int | None, _Convert | None]] = []
        for name in expanded.positiontup or ():
            of, number = places.get(name, (name, None))
            values.append((of, number, converts.get(name)))
        return _Words(expanded.statement, tuple(values))

    def _made(self, session: Session, rows: list[tuple[Any, ...]]) -> list[Any]:
        if self._is_flat:
            if not self._converted:
                return rows
            return [self._flat(row) for row in rows]
        if self._is_single:
            make = self._makes[0]
            return [make(session, row) for row in rows]
        return [tuple([make(session, row) for make in self._makes]) for row in rows]

    def _flat(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for at, convert in self._converted:
            if (value := values[at]) is not None:
                values[at] = convert(value)
        return tuple(values)


class _Column:
    """A column by itself."""

    def __init__(self, place: int, convert: _Convert | None) -> None:
        self.place, self.convert = place, convert

    def __call__(self, session: Any, row: tuple[Any, ...]) -> Any:  # noqa: ARG002
        value = row[self.place]
        return value if self.convert is None or value is None else self.convert(value)


class _Object:
    """All columns of a table, as an object of the session that reads it."""

    def __init__(
        self,
        mapper: Mapper[Any],
        first: int,
        names: Sequence[str],
        converts: Sequence[_Convert | None],
    ) -> None:
        manager: Any = mapper.class_manager
        self._new = manager.new_instance
        self._class = mapper.class_
        self._slice = slice(first, first + len(names))
        self._names = tuple(names)
        self._all = frozenset(names)
        self._converts = [
            (name, convert) for name, convert in zip(names, converts, strict=True) if convert
        ]
        key_names = [mapper.get_property_by_column(each).key for each in mapper.primary_key]
        self._keys = [
            (first + names.index(name), converts[names.index(name)]) for name in key_names
        ]
        ((place, converted), *more) = self._keys
        self._key_at = place if converted is None and not more else None
        """Of most tables the key is one column, as it is."""

    def __call__(self, session: Any, row: tuple[Any, ...]) -> Any:
        at = self._key_at
        key = (self._class, self._key(row) if at is None else (row[at],), None)
        there = session.identity_map
        instance = there.get(key)
        if instance is not None:
            if not self._all <= instance.__dict__.keys():
                raise NotStraight
            return instance
        if None in key[1]:
            return None
        instance = self._new()
        values = instance.__dict__
        values.update(zip(self._names, row[self._slice], strict=False))
        for name, convert in self._converts:
            if (value := values[name]) is not None:
                values[name] = convert(value)
        state = instance._sa_instance_state
        state.key = key
        state.session_id = session.hash_key
        there._add_unpresent(state, key)
        return instance

    def _key(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            [
                value if convert is None or value is None else convert(value)
                for value, convert in [(row[at], convert) for at, convert in self._keys]
            ]
        )


def _understood(statement: Any, dialect: Any) -> Straight:
    """Finds out what a statement means.

    Raises:
        NotStraight: if that is more than what is done here.
    """
    if statement._execution_options or statement._with_options:
        raise NotStraight
    if not isinstance(statement, sa.SelectBase) and (
        statement._returning or statement._propagate_attrs
    ):
        raise NotStraight  # objects of the session may have to be changed, too
    compiled = statement.compile(dialect=dialect)
    columns = compiled._result_columns
    if compiled.literal_execute_params or compiled.update_prefetch:
        raise NotStraight
    if any(bind.callable is not None for bind in compiled.binds.values()):
        raise NotStraight
    if any(bind.key != name and not bind.unique for bind, name in compiled.bind_names.items()):
        raise NotStraight
    makes: list[_Make] = []
    names: list[tuple[str, Any]] = []
    converts = [_reader(each.type, dialect) for each in columns]
    at = 0
    parts = getattr(compiled.compile_state, "_entities", None)
    if parts is None:  # of columns alone
        makes += [_Column(place, convert) for place, convert in enumerate(converts)]
        names += [(each.keyname, each.objects) for each in columns]
        at = len(columns)
    for part in parts or ():
        names.append((part._label_name, part._extra_entities))
        mapper = getattr(part, "mapper", None)
        if mapper is None or not hasattr(part, "is_aliased_class"):
            makes.append(_Column(at, converts[at]))
            at += 1
            continue
        many = len(mapper.column_attrs)
        if not _is_plain(mapper) or part.is_aliased_class:
            raise NotStraight
        found = [_attribute(mapper, each) for each in columns[at : at + many]]
        if {*found} != {each.key for each in mapper.column_attrs}:
            raise NotStraight
        makes.append(_Object(mapper, at, found, converts[at : at + many]))
        at += many
    if at != len(columns):
        raise NotStraight
    return Straight(compiled, makes, names)


def _reader(kind: Any, dialect: Any) -> _Convert | None:
    """Returns what makes values of a type; most are instants, of which the latest are kept."""
    if isinstance(kind, UtcInstant):
        return from_micros
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _is_plain(mapper: Any) -> bool:
    """Returns whether an object is made of its columns alone, all of them read at once."""
    return (
        not mapper.relationships
        and not mapper.polymorphic_on
        and mapper.inherits is None
        and not mapper.version_id_col
        and len(mapper.attrs) == len(mapper.column_attrs)
        and not any(each.deferred for each in mapper.column_attrs)
        and not mapper.class_manager.dispatch.load
    )


def _attribute(mapper: Any, column: Any) -> str:
    """Returns which attribute a column of the result is.

    Raises:
        NotStraight: if it is none.
    """
    for each in column.objects:
        if isinstance(each, sa.Column) and mapper.local_table is each.table:
            return mapper.get_property_by_column(each).key
    raise NotStraight
