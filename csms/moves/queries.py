"""Moves as they are shown, and whom staff has refused to move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.web.documents import Shown
from csms.web.shown import ReasonShown
from models.states import MoveStatus
from models.tables.fleet import Vehicle
from models.tables.moves import MoveOrder
from scheduler.explaining.picture import Reason
from scheduler.explaining.told import Teller
from scheduler.explaining.words import Language

REFUSED_FOR = timedelta(hours=24)
"""How long a car is left where it is once staff has refused to move it, unless it leaves before."""

_SHOWN = (
    "id",
    "site_id",
    "vehicle_id",
    "from_evse",
    "to_evse",
    "from_at",
    "to_at",
    "status",
    "price",
    "currency",
    "note",
    "plan_id",
    "created_at",
    "updated_at",
    "settled_at",
)
_values = attrgetter(*_SHOWN)


class MoveShown(Shown):
    """A car that staff is to move, and until when."""

    id: str
    site_id: str
    vehicle_id: str
    from_evse: str | None
    """`IDENTITY/EVSE`; null: the car is parked without one."""
    to_evse: str | None
    from_at: AwareDatetime
    to_at: AwareDatetime
    status: MoveStatus
    price: Decimal
    currency: str
    reasons: list[ReasonShown]
    note: str | None
    """What staff says of it."""
    plan_id: str
    """The newest plan that wants it."""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    settled_at: AwareDatetime | None
    """When it was done, refused or withdrawn."""


def move_resource(row: MoveOrder, language: Language = "en") -> dict[str, Any]:
    """Returns a move as the REST door and the events show it."""
    told = Teller(language, row.currency).reasons(_reason(each) for each in row.reasons)
    return {**dict(zip(_SHOWN, _values(row), strict=True)), "reasons": told}


def _reason(document: Mapping[str, Any]) -> Reason:
    numbers = {
        name: datetime.fromisoformat(value) if name.endswith("_at") else value
        for name, value in document["numbers"].items()
    }
    return Reason(document["code"], numbers, document["says"])


_OPEN = (
    sa.select(MoveOrder)
    .where(MoveOrder.tenant_id == sa.bindparam("tenant"), MoveOrder.status == "open")
    .order_by(MoveOrder.from_at, MoveOrder.id)
)
_REFUSED = (
    sa.select(MoveOrder.vehicle_id)
    .join(Vehicle, Vehicle.id == MoveOrder.vehicle_id)
    .where(MoveOrder.tenant_id == sa.bindparam("tenant"), MoveOrder.status == "refused")
    .where(MoveOrder.settled_at > sa.bindparam("since"))
    .where(sa.or_(Vehicle.returned_at.is_(None), Vehicle.returned_at < MoveOrder.settled_at))
)


async def open_moves(session: AsyncSession, tenant: str) -> Sequence[MoveOrder]:
    """Returns what staff still is to do."""
    return (await session.scalars(_OPEN, {"tenant": tenant})).all()


async def refused_cars(
    session: AsyncSession, tenant: str, now: datetime, *, since: datetime | None = None
) -> frozenset[str]:
    """Returns the cars that staff has refused to move where they stand.

    Args:
        session: to read with.
        tenant: whose they are.
        now: the present.
        since: only what was refused after that.
    """
    first = now - REFUSED_FOR
    asked = {"tenant": tenant, "since": first if since is None else max(first, since)}
    return frozenset(await session.scalars(_REFUSED, asked))
