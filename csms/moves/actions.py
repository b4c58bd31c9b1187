"""Changes of moves: a plan orders or withdraws them, staff makes or refuses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from csms.fleet.actions import StateReport, report_state
from csms.ledger.work import UnitOfWork
from csms.moves.queries import move_resource, open_moves, refused_cars
from csms.web.rows import change_row
from models.errors import Conflict
from models.states import MoveStatus
from models.tables.fleet import Vehicle
from models.tables.moves import MoveOrder

MOVES = "moves"
"""What units of work take turns at, so that no plan orders what staff is just telling of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A move that a plan wants."""

    site_id: str
    vehicle_id: str
    from_evse: str | None
    to_evse: str | None
    from_at: datetime
    to_at: datetime
    price: Decimal
    currency: str
    reasons: list[dict[str, Any]]

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What names the same move in one plan and in the next."""
        return self.vehicle_id, self.from_evse, self.to_evse


async def order_moves(
    work: UnitOfWork, wanted: Sequence[Wanted], *, plan_id: str, seen_at: datetime
) -> None:
    """Has the open moves of the tenant be those that a plan wants.

    A move that was ordered before keeps its id, whatever its time is now; once it may be made, it
    may be since then. What the plan does not want any more was done where the car stands there by
    now, else it is withdrawn.

    Args:
        work: the unit of work.
        wanted: at most one move for each car and pair of EVSEs.
        plan_id: whose they are.
        seen_at: as of when the plan knew where cars stand.
    """
    await work.take_turn(MOVES)
    left = {
        (row.vehicle_id, row.from_evse, row.to_evse): row
        for row in await open_moves(work.session, work.tenant)
    }
    if not wanted and not left:
        return
    names = {each.vehicle_id for each in wanted} | {key[0] for key in left}
    cars = {
        car.id: car
        for car in await work.session.scalars(sa.select(Vehicle).where(Vehicle.id.in_(names)))
    }
    refused = await refused_cars(work.session, work.tenant, work.now, since=seen_at)
    for each in wanted:
        row = left.get(each.key)
        car = cars.get(each.vehicle_id)
        if car is None or each.vehicle_id in refused or _has_come(car, each.site_id, each.to_evse):
            continue
        left.pop(each.key, None)
        if row is None:
            _add(work, each, plan_id)
            continue
        from_at = min(row.from_at, each.from_at) if each.from_at <= work.now else each.from_at
        if (row.from_at, row.to_at) != (from_at, each.to_at):
            values = {"from_at": from_at, "to_at": each.to_at, "reasons": each.reasons}
            change_row(work, row, {**values, "plan_id": plan_id})
            announce(work, row, "move.changed")
        else:
            row.reasons, row.plan_id = each.reasons, plan_id
    for row in left.values():
        car = cars.get(row.vehicle_id)
        come = car is not None and _has_come(car, row.site_id, row.to_evse)
        _settle(work, row, "done" if come else "withdrawn")


def _has_come(car: Vehicle, site_id: str, evse: str | None) -> bool:
    """Returns whether a car stands where it is to be moved."""
    return car.at_site_id == site_id and car.plugged_evse == evse


async def finish_move(work: UnitOfWork, row: MoveOrder, note: str | None) -> None:
    """Takes in that staff has moved a car: from now on it stands there.

    Who calls holds the turn at `MOVES`.

    Raises:
        Conflict: `move-over`, or `not-there` for a car that has left the site.
        BadInput: if the EVSE is gone.
    """
    _check_open(row)
    vehicle = await work.session.get(Vehicle, row.vehicle_id, with_for_update=True)
    assert vehicle is not None, "moves go with their cars"
    if vehicle.at_site_id != row.site_id:
        # Plugged in by this, it would be charged by plan, and who stands there would not.
        detail = f"the car {vehicle.id} is not at the site {row.site_id}"
        raise Conflict(detail, code="not-there")
    row.note = note
    _settle(work, row, "done")
    stands = StateReport(
        said=frozenset({"plugged_evse"}),
        measured_at=work.now,
        source="manual",
        plugged_evse=row.to_evse,
    )
    await report_state(work, vehicle, stands)
    work.request_plan(row.site_id, "move done")


def refuse_move(work: UnitOfWork, row: MoveOrder, note: str | None) -> None:
    """Takes in that staff can't move a car: the next plan leaves it where it is.

    Who calls holds the turn at `MOVES`.

    Raises:
        Conflict: `move-over`.
    """
    _check_open(row)
    row.note = note
    _settle(work, row, "refused")
    work.request_plan(row.site_id, "move refused")


def announce(work: UnitOfWork, row: MoveOrder, event: str) -> None:
    """Says what became true of a move."""
    resource = move_resource(row)
    work.emit(event, subject=f"move/{row.id}", resource=resource, site_id=row.site_id)


def _check_open(row: MoveOrder) -> None:
    if row.status != "open":
        raise Conflict(f"the move is over: {row.status}", code="move-over")


def _settle(work: UnitOfWork, row: MoveOrder, status: MoveStatus) -> None:
    change_row(work, row, {"status": status, "settled_at": work.now})
    announce(work, row, f"move.{status}")


def _add(work: UnitOfWork, wanted: Wanted, plan_id: str) -> None:
    row = MoveOrder(
        id=work.ids.new(),
        tenant_id=work.tenant,
        site_id=wanted.site_id,
        vehicle_id=wanted.vehicle_id,
        from_evse=wanted.from_evse,
        to_evse=wanted.to_evse,
        from_at=wanted.from_at,
        to_at=wanted.to_at,
        status="open",
        price=wanted.price,
        currency=wanted.currency,
        reasons=wanted.reasons,
        plan_id=plan_id,
        created_at=work.now,
        updated_at=work.now,
        version=1,
    )
    work.session.add(row)
    announce(work, row, "move.ordered")
