"""Rows of one tenant: found, referred to, added and removed, with the right error for each.

What is another tenant's is not there. Primary keys are unique over all tenants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from csms.ledger.work import UnitOfWork
from csms.web.problem import bad_field
from models.errors import Conflict, NotFound
from models.tables.base import Base

R = TypeVar("R", bound=Base)


async def find_row(session: AsyncSession, kind: type[R], key: str, tenant: str) -> R:
    """Returns a row to look at.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    return _own(await session.get(kind, key), kind, key, tenant)


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
        Conflict: `still-referenced`.
    """
    name = _name(type(row))
    await work.session.delete(row)
    try:
        # At once, because only here it is known that a broken reference is the caller's mistake.
        await work.session.flush()
    except IntegrityError:
        raise Conflict(f"something still refers to this {name}", code="still-referenced") from None


def change_row(work: UnitOfWork, row: Any, values: Mapping[str, Any]) -> None:
    """Sets columns of a kept row, and moves its version on."""
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    row.updated_at = work.now


def _own(row: R | None, kind: type[R], key: str, tenant: str) -> R:
    if row is None or cast("Any", row).tenant_id != tenant:
        raise NotFound(f"there is no {_name(kind)} {key}")
    return row


def _name(kind: type[Base]) -> str:
    return kind.__tablename__.replace("_", " ").removeprefix("charging ")
