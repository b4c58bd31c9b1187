"""Making a plan true: store it, tell the bookings, and order the limits that it means.

Nothing here commits; the worker's unit of work does, so that a plan and its commands become
durable together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select, update

from csms.ledger.work import UnitOfWork
from csms.planning.boxes import is_unheard
from csms.planning.equipment import phases_used
from csms.planning.promising import update_bookings
from csms.planning.queries import (
    grid_limit_resource,
    grid_limits_ahead,
    limit_resource,
    plan_heading,
)
from csms.planning.rules import (
    SENT_AHEAD,
    Period,
    bears_trial,
    is_trial,
    limit_at,
    must_send,
    read_periods,
    wanted_periods,
)
from csms.planning.schedules import tell_schedules
from csms.planning.snapshot import HORIZON, Snapshot
from csms.planning.staffed import tell_staff
from csms.stations.rules import PLAN_STACK_LEVEL, plan_profile_id
from csms.web.rows import change_row
from models.commands import ClearLimit, LimitPeriod, SetLimit
from models.tables.base import Base
from models.tables.charging import ChargingLimit, Transaction
from models.tables.energy import Site
from models.tables.planning import Plan as PlanRow
from models.tables.planning import PlanRequest
from scheduler.plan import Charging, Plan, write_plan
from scheduler.problem import write_problem
from scheduler.rolling import Made

COMMAND_EXPIRES_S = 600
GRID_LIMITS = "grid limits"
"""What units of work take turns at, so that no plan lifts what a limit of the grid has cut."""

_REQUESTS = Base.metadata.tables[PlanRequest.__tablename__]
_ANSWERED = delete(_REQUESTS).where(_REQUESTS.c.requested_at <= bindparam("until"))
"""No request is among the rows at hand."""
_SHADOWS = select(Site.id).where(Site.tenant_id == bindparam("tenant"), Site.shadow.is_(True))


async def publish(
    work: UnitOfWork,
    snapshot: Snapshot,
    made: Made,
    *,
    trigger: str,
    time_limit_s: float | None = None,
) -> PlanRow:
    """Stores a plan, updates the promises of bookings and orders the limits that changed.

    Returns the stored plan. Emits `plan.published`, `booking.at_risk` or `booking.confirmed` where
    a promise changed, and `site.limit_changed` never: limits of a plan are in the plan.
    """
    problem, plan = snapshot.problem, made.plan
    row = PlanRow(
        id=work.ids.new(),
        tenant_id=work.tenant,
        created_at=work.now,
        start=problem.start,
        step_minutes=problem.step_minutes,
        steps=problem.steps,
        status=plan.status,
        cost=plan.cost,
        lower_bound=plan.lower_bound,
        currency=problem.currency,
        made_by=made.level,
        kept_cars=made.kept_cars,
        solvers=list(made.solvers),
        time_limit_s=time_limit_s,
        trigger=trigger,
        forecast_source=snapshot.forecast_source,
        left_out=[each.document() for each in snapshot.left_out],
        site_ids=[site.id for site in problem.sites],
        shadow_site_ids=[site.id for site in snapshot.rows.sites if site.shadow],
        problem=snapshot.document or write_problem(problem).decode(),
        document=write_plan(plan).decode(),
    )
    work.session.add(row)
    await update_bookings(work, snapshot, plan)
    held_back = await _note_grid_limits(work, snapshot, plan, row.id)
    held_back |= await _changed_shadows(work, snapshot)
    limits = await _order_limits(work, snapshot, plan, row.id, held_back)
    await work.session.execute(_ANSWERED, {"until": snapshot.now})
    await tell_staff(work, problem, snapshot.rows, plan, plan_id=row.id, seen_at=snapshot.now)
    work.emit(
        "plan.published",
        subject=f"plan/{row.id}",
        resource={**plan_heading(row, limits), **_outline(plan)},
    )
    tell_schedules(work, row, problem, plan)
    return row


def _outline(plan: Plan) -> dict[str, Any]:
    """Returns what an event tells of a plan: all but its long lists."""
    short = msgspec.to_builtins(replace(plan, stays=(), charging=(), sites=()))
    return {name: short[name] for name in short if name not in ("stays", "charging", "sites")}


async def _note_grid_limits(
    work: UnitOfWork, snapshot: Snapshot, plan: Plan, plan_id: str
) -> set[str]:
    """Notes with the limits of the grid what the first plan that goes by them costs.

    Returns:
        The sites where such a limit was set or has ended while we were planning: what this plan
        would send there was made for another day. The next plan is asked for already.
    """
    await work.take_turn(GRID_LIMITS)
    ahead = await grid_limits_ahead(work.session, work.tenant, work.now, work.now + HORIZON)
    now = {row.id: row for row in ahead}
    known = {row.id: row for row in snapshot.rows.grid_limits if row.end > work.now}
    changed = {(now.get(name) or known[name]).site_id for name in now.keys() ^ known.keys()}
    unserved = {each.booking for each in plan.unserved}
    for row in now.values():
        if row.site_id in changed or row.plan_id is not None:
            continue
        lost = [
            booking.id
            for booking in snapshot.rows.bookings
            if booking.id in unserved
            and booking.status == "confirmed"
            and booking.pickup_site_id == row.site_id
        ]
        change_row(work, row, {"plan_id": plan_id, "bookings_at_risk": lost})
        work.emit(
            "grid_limit.planned",
            subject=f"grid-limit/{row.id}",
            resource=grid_limit_resource(row),
            site_id=row.site_id,
        )
    return changed


async def _changed_shadows(work: UnitOfWork, snapshot: Snapshot) -> set[str]:
    """Returns the sites that came into the shadow, or out of it, while we were planning."""
    rows = await work.session.scalars(_SHADOWS, {"tenant": work.tenant})
    return {*rows} ^ {site.id for site in snapshot.rows.sites if site.shadow}


@dataclass(frozen=True, slots=True)
class _Wish:
    """A limit that a plan wants for a transaction."""

    transaction: Transaction
    periods: Sequence[Period]
    until: datetime
    site_id: str
    held: ChargingLimit | None
    """What its box was last sent for it."""

    def rise_w(self, now: datetime) -> float:
        """Returns by how much it is above what its box may draw now, or draws without a limit."""
        before_w = None if self.held is None else limit_at(read_periods(self.held.periods), now)
        if before_w is None:
            before_w = self.transaction.power_w or 0.0
        return self.periods[0].limit_w - before_w


async def _order_limits(
    work: UnitOfWork, snapshot: Snapshot, plan: Plan, plan_id: str, held_back: Set[str]
) -> list[ChargingLimit]:
    problem, now = snapshot.problem, snapshot.now
    phases = phases_used(snapshot.rows, {car.id: car.ac_phases for car in problem.vehicles})
    overrides = {car.id: car.overrides for car in problem.vehicles}
    shadows = {site.id for site in snapshot.rows.sites if site.shadow}
    ends = {each.vehicle_id: each.until for each in snapshot.rows.overrides}
    by_vehicle: dict[str, list[Charging]] = defaultdict(list)
    for entry in plan.charging:
        by_vehicle[entry.vehicle].append(entry)
    wishes: list[_Wish] = []
    for vehicle_id, transaction in snapshot.transactions.items():
        name = f"{transaction.station}/{transaction.evse_id}"
        station = snapshot.rows.stations.get(transaction.station)
        if station is None or name in snapshot.lying or is_unheard(station):
            continue  # who comes back is asked what it holds, and planned for
        if station.site_id in held_back:
            continue
        held = snapshot.limits.get(name)
        if held is not None and held.ocpp_transaction_id != transaction.ocpp_transaction_id:
            held = None
        in_shadow = station.site_id in shadows
        if in_shadow and vehicle_id not in ends:
            await _let_go(work, snapshot, held)
            continue
        entries = [each for each in by_vehicle[vehicle_id] if each.evse == name]
        wanted = overrides.get(vehicle_id, ())
        periods: Sequence[Period] = wanted_periods(entries, problem.grid, now, wanted)
        until = min(periods[0].from_at + SENT_AHEAD, problem.grid.end)
        if in_shadow:
            until = min(until, ends[vehicle_id])  # what people want is done, and no more than that
            periods = [each for each in periods if each.from_at < until]
        if held is not None and _suffices(held, periods, until, now):
            continue
        wishes.append(_Wish(transaction, periods, until, station.site_id or "", held))
    # Each station takes one command after the other: what frees a circuit goes before what uses it.
    return [
        order_limit(
            work,
            wish.transaction,
            wish.periods,
            phases=phases.get(wish.transaction.id, 1),
            valid_to=wish.until,
            plan_id=plan_id,
            site_id=wish.site_id,
        )
        for wish in sorted(wishes, key=lambda wish: wish.rise_w(now))
    ]


def _suffices(
    held: ChargingLimit, wanted: Sequence[Period], until: datetime, now: datetime
) -> bool:
    """Returns whether a box that holds a limit needs no other one."""
    if held.state in {"rejected", "unknown", "disobeyed"}:
        return False
    in_box, valid_to = read_periods(held.periods), held.valid_to
    if bears_trial(in_box, valid_to, wanted, now):
        return True  # the check puts back what it has found, and asks for a plan
    if valid_to is not None and until <= valid_to:
        valid_to = now + SENT_AHEAD  # nothing is wanted beyond that
    return not must_send(in_box, valid_to, wanted, now)


async def _let_go(work: UnitOfWork, snapshot: Snapshot, held: ChargingLimit | None) -> None:
    """Takes a plan's limit out of a box where plans command nothing any more."""
    if held is None or held.state not in {"queued", "sent", "accepted", "obeyed", "unknown"}:
        return
    if held.valid_to is None or held.valid_to <= snapshot.now:
        return
    limited = {row.site_id for row in snapshot.rows.grid_limits if row.begun_at is not None}
    if is_trial(read_periods(held.periods)) or held.site_id in limited:
        return  # a check and the grid command all the same
    clear = ClearLimit(profile_id=plan_profile_id(held.evse_id))
    work.order(clear, station=held.station, origin="plan", expires_in_s=COMMAND_EXPIRES_S)
    await work.session.execute(
        update(ChargingLimit)
        .where(ChargingLimit.id == held.id)
        .values(state="superseded", detail="plans command nothing here any more")
        .execution_options(synchronize_session=False)
    )


def order_limit(
    work: UnitOfWork,
    transaction: Transaction,
    periods: Sequence[Period],
    *,
    phases: int,
    valid_to: datetime,
    plan_id: str | None,
    site_id: str,
) -> ChargingLimit:
    """Orders a limit of a transaction, with the row that tells what becomes of it.

    Args:
        work: the unit of work.
        transaction: whose limit it is.
        periods: what it may draw, from the first one on.
        phases: of its EVSE, for stations that count in amperes.
        valid_to: until when the last of them holds.
        plan_id: whose limit this is; None: no plan's.
        site_id: where that is.
    """
    start = periods[0].from_at
    command = SetLimit(
        evse_id=transaction.evse_id,
        purpose="transaction",
        ocpp_transaction_id=transaction.ocpp_transaction_id,
        profile_id=plan_profile_id(transaction.evse_id),
        stack_level=PLAN_STACK_LEVEL,
        periods=tuple(
            LimitPeriod(int((each.from_at - start).total_seconds()), each.limit_w)
            for each in periods
        ),
        duration_s=int((valid_to - start).total_seconds()),
        start_at=start,
        tx_started_at=transaction.started_at,
        phases=phases,
    )
    command_id = work.order(
        command,
        station=transaction.station,
        origin="rule" if plan_id is None else "plan",
        expires_in_s=COMMAND_EXPIRES_S,
    )
    limit = ChargingLimit(
        id=work.ids.new(),
        tenant_id=work.tenant,
        plan_id=plan_id,
        site_id=site_id,
        station=transaction.station,
        evse_id=transaction.evse_id,
        ocpp_transaction_id=transaction.ocpp_transaction_id,
        purpose="transaction",
        created_at=work.now,
        valid_to=valid_to,
        periods=[each.document() for each in periods],
        state="queued",
        command_id=command_id,
    )
    work.session.add(limit)
    return limit


def condemn(
    work: UnitOfWork, limit: ChargingLimit, *, evse_id: int, power_w: float, limit_w: float
) -> None:
    """Marks a limit as disobeyed, raises the alarm and asks for a plan that reckons with it.

    Args:
        work: the unit of work.
        limit: what was not kept.
        evse_id: where it was not; a safe limit holds for every EVSE of its station.
        power_w: what was metered.
        limit_w: what was allowed.
    """
    limit.state = "disobeyed"
    limit.settled_at = work.now
    where = "" if limit.evse_id == evse_id else f" on EVSE {evse_id}"
    limit.detail = f"metered {power_w:.0f} W under a limit of {limit_w:.0f} W{where}"
    work.emit(
        "command.failed",
        subject=f"limit/{limit.id}",
        resource=limit_resource(limit),
        site_id=limit.site_id,
    )
    work.request_plan(limit.site_id, "limit-disobeyed")
