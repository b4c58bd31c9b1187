"""Lists: one page at a time by keyset, so that pages stay right while rows come and go.

A cursor holds the sort and the last row's place in it; clients treat it as opaque. Offsets are not
offered: they skip and repeat rows under writes and grow slow.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar, cast

import msgspec
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from csms.web.body import check_json
from csms.web.documents import Instant
from csms.web.problem import bad_field
from models.errors import BadInput
from models.tables.base import Kept, UtcInstant, from_micros, to_micros

LIMIT_DEFAULT = 50
LIMIT_MAX = 500
CURSOR_LENGTH_MAX = 1000
_PERIODS = (("since", "until"), ("from_", "to"))
"""What lists call the ends of the time that they are about."""

Row = TypeVar("Row")
KeptRow = TypeVar("KeptRow", bound=Kept)
Column = InstrumentedAttribute[Any]


class Filter(BaseModel):
    """What a query selects. Unknown parameters are refused, and times that run backwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        for begins, ends in _PERIODS:
            start, end = getattr(self, begins, None), getattr(self, ends, None)
            if start is not None and end is not None and end < start:
                names = {name: it.alias or name for name, it in type(self).model_fields.items()}
                raise bad_field(f"/{names[ends]}", f"lies before {names[begins]}")
        return self


class ListQuery(Filter):
    """The query of every list; features add their filters."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[str, Field(max_length=CURSOR_LENGTH_MAX)] | None = None
    sort: Annotated[str, Field(max_length=40, description="A field; -field: descending")] | None = (
        None
    )
    updated_since: Annotated[
        Instant | None, Field(description="What was changed, or came to be known, then or later.")
    ] = None


class KeptQuery(ListQuery):
    """The query of lists of kept resources."""

    external_id: str | None = None


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    sort: str
    value: str | int | float
    key: tuple[str | int, ...]


async def fetch_page(
    session: AsyncSession,
    statement: sa.Select[Row],
    query: ListQuery,
    *,
    sorts: Mapping[str, Column],
    key: Sequence[Column],
    updated: Sequence[Column],
    default: str | None = None,
) -> tuple[list[Row], str | None]:
    """Returns one page of rows and the cursor of the next, None at the end.

    Args:
        session: to read with.
        statement: selects one entity, with all filters but no order.
        query: the caller's limit, cursor and sort.
        sorts: what may be sorted by; columns that are never null.
        key: columns that are unique together and break ties.
        updated: columns that say when a row was changed last, whichever is the latest.
        default: the sort where the caller says none; None: the first of `sorts`.

    Raises:
        BadInput: for an unknown sort, or a cursor that is not of this list and sort.
    """
    sort = query.sort or default or next(iter(sorts))
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if name not in sorts:
        raise bad_field("/sort", f"allowed are {', '.join(sorts)}, each also with a minus")
    column = sorts[name]
    if query.updated_since is not None:
        since = query.updated_since
        statement = statement.where(sa.or_(*(each >= since for each in updated)))
    if query.cursor is not None:
        place = sa.tuple_(column, *key)
        here = sa.tuple_(*decode_cursor(query.cursor, sort, (column, *key)))
        statement = statement.where(place < here if descending else place > here)
    order = [each.desc() if descending else each.asc() for each in (column, *key)]
    statement = statement.order_by(*order).limit(query.limit + 1)
    rows = list((await session.execute(statement)).scalars())
    if len(rows) <= query.limit:
        return rows, None
    rows = rows[: query.limit]
    return rows, encode_cursor(sort, [getattr(rows[-1], each.key) for each in (column, *key)])


def filtered(statement: sa.Select[Row], query: ListQuery, *columns: Column) -> sa.Select[Row]:
    """Returns the rows that have what a query asks of these columns, each by the column's name.

    What its caller left out takes no row away; of what may be said several times each counts.
    """
    for column in columns:
        value = getattr(query, column.key)
        if isinstance(value, list):
            several = cast("list[Any]", value)
            statement = statement.where(column.in_(several)) if several else statement
        elif value is not None:
            statement = statement.where(column == value)
    return statement


def encode_cursor(sort: str, place: Sequence[Any]) -> str:
    """Returns the cursor of a row: its place by a sort, then by the key."""
    plain = [to_micros(value) if isinstance(value, datetime) else value for value in place]
    packed = msgspec.json.encode(_Cursor(sort, plain[0], tuple(plain[1:])))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_cursor(text: str, sort: str, columns: Sequence[Column]) -> list[sa.BindParameter[Any]]:
    """Returns the place that a cursor holds, bound to the columns it is of.

    Raises:
        BadInput: if it is no cursor of this list and sort.
    """
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(packed, type=_Cursor)
        values = [cursor.value, *cursor.key]
        check_json(values)
        if cursor.sort != sort:
            raise bad_field("/cursor", "belongs to another sort")
        return [_bound(value, column) for value, column in zip(values, columns, strict=True)]
    except (binascii.Error, ValueError, OverflowError, msgspec.MsgspecError, BadInput) as broken:
        if isinstance(broken, BadInput) and broken.errors[0].field == "/cursor":
            raise
        raise bad_field("/cursor", "is no cursor of this list") from None


def _bound(value: str | int | float, column: Column) -> sa.BindParameter[Any]:
    kind = column.type
    plain: Any = value
    if isinstance(kind, UtcInstant):
        if not isinstance(value, int):
            raise ValueError("no instant")  # noqa: TRY004 - to its caller, text that makes no sense
        plain = from_micros(value)
    elif isinstance(value, str) is not (kind.python_type is str):
        raise ValueError("another type")
    elif kind.python_type is int and not isinstance(value, int):
        raise ValueError("no whole number")
    return sa.bindparam(None, plain, kind)


async def kept_page(
    session: AsyncSession,
    statement: sa.Select[KeptRow],
    query: KeptQuery,
    kind: type[KeptRow],
    *more: Column,
) -> tuple[list[KeptRow], str | None]:
    """Returns one page of kept resources; see `fetch_page`.

    Args:
        session: to read with.
        statement: selects rows of `kind`, with the feature's own filters.
        query: the caller's.
        kind: the table.
        more: columns to sort by besides `id`, `created_at` and `updated_at`; never null.
    """
    statement = filtered(statement, query, kind.external_id)
    columns: list[Column] = [kind.id, kind.created_at, kind.updated_at, *more]
    sorts = {column.key: column for column in columns}
    return await fetch_page(
        session, statement, query, sorts=sorts, key=(columns[0],), updated=(kind.updated_at,)
    )
