"""Rows of one tenant: found, referred to, added and removed, with the right error for each.

What is another tenant's is not there. Primary keys are unique over all tenants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from csms.ledger.database import Database
from csms.ledger.glance import Lookup
from csms.ledger.work import UnitOfWork
from csms.web.problem import bad_field
from models.errors import Conflict, FieldError, NotFound, Reference, StillReferenced
from models.tables.base import Base

R = TypeVar("R", bound=Base)
TOLD_MOST = 10
"""So many are named of what refers to something."""


async def find_row(session: AsyncSession, kind: type[R], key: str, tenant: str) -> R:
    """Returns a row to look at.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    return _own(await session.get(kind, key), kind, key, tenant)


async def check_there(db: Database, kind: type[Base], key: str, tenant: str) -> None:
    """Lets what is there, and the tenant's, pass; a quick look without a session.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    if not await db.glance(_by_key(kind), key=key, tenant=tenant):
        raise _missing(kind, key)


@cache
def _by_key(kind: type[Base]) -> Lookup:
    table = Base.metadata.tables[kind.__tablename__]
    ids: sa.ColumnElement[Any] = next(iter(table.primary_key.columns))
    return sa.select(ids).where(
        ids == sa.bindparam("key"), table.c.tenant_id == sa.bindparam("tenant")
    )


async def find_for_change(work: UnitOfWork, kind: type[R], key: str) -> R:
    """Returns a row to change, locked until the end of the unit of work.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    row = await work.session.get(kind, key, with_for_update=True)
    return _own(row, kind, key, work.tenant)


async def check_reference(work: UnitOfWork, kind: type[Base], key: str | None, field: str) -> None:
    """Lets null and references to what is there pass.

    Raises:
        BadInput: naming `field`, if there is no such row.
    """
    if key is None:
        return
    try:
        await find_row(work.session, kind, key, work.tenant)
    except NotFound as missing:
        raise bad_field(field, missing.detail) from None


async def add_row(work: UnitOfWork, row: Base, key: str) -> None:
    """Adds a row.

    Raises:
        Conflict: `already-exists`.
    """
    kind = type(row)
    if await work.session.get(kind, key) is not None:
        raise Conflict(f"{_name(kind)} {key} is there already", code="already-exists")
    work.session.add(row)
    # At once, so that what refers to it in the same unit of work finds it there.
    await work.session.flush()


async def remove_row(work: UnitOfWork, row: Base) -> None:
    """Removes a row.

    Raises:
        StillReferenced: with what refers to it.
    """
    thing = f"this {_name(type(row))}"
    check_references(thing, await references_to(work.session, row))
    await work.session.delete(row)
    try:
        # At once, because only here it is known that a broken reference is the caller's mistake.
        await work.session.flush()
    except IntegrityError:  # it has come in this moment
        raise StillReferenced(thing, ()) from None


async def references_to(session: AsyncSession, row: Base) -> list[Reference]:
    """Returns what the database has that would be left without this row, kind by kind."""
    key = sa.inspect(row).identity
    assert key is not None
    found: list[Reference] = []
    for name, other in sorted(Base.metadata.tables.items()):
        refers = [
            column == key[0]
            for constraint in other.foreign_key_constraints
            if constraint.referred_table is type(row).__table__ and constraint.ondelete is None
            for column in constraint.columns
        ]
        if refers:
            ids: sa.ColumnElement[Any] = next(iter(other.primary_key.columns))
            found += await referring(session, name, ids, sa.or_(*refers))
    return found


async def referring(
    session: AsyncSession,
    kind: str,
    ids: sa.ColumnElement[Any] | orm.InstrumentedAttribute[Any],
    *where: sa.ColumnElement[bool],
) -> list[Reference]:
    """Returns the rows of a kind that meet a condition, as one reference; nothing: there is none.

    Args:
        session: to read with.
        kind: what they are.
        ids: the column of their names.
        where: which of them.
    """
    count = await session.scalar(sa.select(sa.func.count()).where(*where)) or 0
    if not count:
        return []
    first = await session.scalars(sa.select(ids).where(*where).order_by(ids).limit(TOLD_MOST))
    return [Reference(kind, tuple(map(str, first)), count)]


def check_references(
    thing: str, references: Sequence[Reference], errors: Sequence[FieldError] = ()
) -> None:
    """Lets a thing go that nothing refers to.

    Raises:
        StillReferenced: saying what does.
    """
    if references:
        raise StillReferenced(thing, references, errors)


def change_row(work: UnitOfWork, row: Any, values: Mapping[str, Any]) -> None:
    """Sets columns of a kept row, and moves its version on."""
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    row.updated_at = work.now


def _own(row: R | None, kind: type[R], key: str, tenant: str) -> R:
    if row is None or cast("Any", row).tenant_id != tenant:
        raise _missing(kind, key)
    return row


def _missing(kind: type[Base], key: str) -> NotFound:
    return NotFound(f"there is no {_name(kind)} {key}")


def _name(kind: type[Base]) -> str:
    return kind.__tablename__.replace("_", " ").removeprefix("charging ")
