"""Changes of overrides: one begins, ends, and what it costs becomes known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from csms.ledger.work import UnitOfWork
from csms.overrides.queries import override_resource
from csms.web.rows import add_row, change_row
from models.errors import Conflict
from models.states import OverrideEnd
from models.tables.fleet import Vehicle
from models.tables.planning import Override

OVERRIDES = "overrides"
"""What units of work take turns at, so that a car has one override at a time."""


async def override(
    work: UnitOfWork,
    vehicle: Vehicle,
    *,
    override_id: str | None,
    until: datetime,
    values: Mapping[str, Any],
) -> Override:
    """Begins an override of a car, in the place of the one that it has.

    Args:
        work: the unit of work.
        vehicle: whose charging is overridden.
        override_id: given by the creator; None: one is made.
        until: when it ends.
        values: `kind`, `power_w` and what the caller attaches.

    Raises:
        Conflict: `already-exists`.
    """
    await work.take_turn(OVERRIDES)
    row = Override(
        id=override_id or work.ids.new(),
        tenant_id=work.tenant,
        vehicle_id=vehicle.id,
        site_id=vehicle.at_site_id or vehicle.site_id,
        until=until,
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **values,
    )
    former = sa.select(Override).where(
        Override.vehicle_id == vehicle.id, Override.ended_at.is_(None)
    )
    for each in (await work.session.scalars(former)).all():
        end(work, each, "replaced")
        row.replaces = each.id
    await add_row(work, row, row.id)
    announce(work, row, "override.created")
    return row


def end(work: UnitOfWork, row: Override, why: OverrideEnd) -> None:
    """Ends an override.

    Raises:
        Conflict: `override-over`.
    """
    if row.ended_at is not None:
        raise Conflict(f"the override is over: {row.ended_why}", code="override-over")
    change_row(work, row, {"ended_at": work.now, "ended_why": why})
    announce(work, row, "override.ended")


async def price(
    work: UnitOfWork, override_id: str, *, plan_id: str, extra_cost: Decimal | None, currency: str
) -> None:
    """Notes the first plan that goes by an override, and how much dearer that is."""
    row = await work.session.get(Override, override_id, with_for_update=True)
    if row is None:
        return
    values = {"plan_id": plan_id, "extra_cost": extra_cost}
    change_row(work, row, {**values, "currency": None if extra_cost is None else currency})
    announce(work, row, "override.planned")


def announce(work: UnitOfWork, row: Override, event: str) -> None:
    """Says what became true of an override."""
    work.emit(
        event,
        subject=f"override/{row.id}",
        resource=override_resource(row),
        site_id=row.site_id,
    )
