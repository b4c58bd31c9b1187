"""Overrides as they are shown, and how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.web.documents import KeptShown
from models.states import OverrideEnd
from models.tables.planning import Override
from scheduler.overrides import OverrideKind

_SHOWN = (
    "id",
    "vehicle_id",
    "site_id",
    "kind",
    "power_w",
    "until",
    "ended_at",
    "ended_why",
    "replaces",
    "plan_id",
    "extra_cost",
    "currency",
    "external_id",
    "custom",
    "created_at",
    "updated_at",
)
_values = attrgetter(*_SHOWN)


class OverrideShown(KeptShown):
    """What somebody wants of a car until an instant, against what a plan would do by itself."""

    vehicle_id: str
    site_id: str
    """Where the car was when it began."""
    kind: OverrideKind
    power_w: float | None
    until: AwareDatetime
    active: bool
    ended_at: AwareDatetime | None
    ended_why: OverrideEnd | None
    """Null: it is active."""
    replaces: str | None
    """The override of the same car that it has ended."""
    plan_id: str | None
    """The first plan that goes by it; null: none was published yet."""
    extra_cost: Decimal | None
    """How much dearer that plan is than one without it; null: not known, or no such comparison."""
    currency: str | None


def override_resource(row: Override) -> dict[str, Any]:
    """Returns an override as the REST door and the events show it."""
    return {**dict(zip(_SHOWN, _values(row), strict=True)), "active": row.ended_at is None}


_IN_FORCE = (
    sa.select(Override)
    .where(Override.tenant_id == sa.bindparam("tenant"), Override.ended_at.is_(None))
    .where(Override.until > sa.bindparam("now"))
    .order_by(Override.created_at, Override.id)
)


async def overrides_in_force(
    session: AsyncSession, tenant: str, now: datetime
) -> Sequence[Override]:
    """Returns the overrides of a tenant that a plan has to go by."""
    return (await session.scalars(_IN_FORCE, {"tenant": tenant, "now": now})).all()


async def next_end(session: AsyncSession) -> datetime | None:
    """Returns when the next override is over; None: there is none."""
    query = sa.select(sa.func.min(Override.until)).where(Override.ended_at.is_(None))
    return await session.scalar(query)
