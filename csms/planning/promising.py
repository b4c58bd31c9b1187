"""What a plan means for bookings: their promises, and what drivers are told.

Not through the mapper of tables: where a plan changes 500 bookings that takes 50 ms, in which
nobody else is answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update

from csms.booking.actions import BOOKINGS
from csms.booking.queries import booking_resource
from csms.booking.rules import ON_THE_ROAD, told_chance
from csms.booking.told import Kept, planned_reasons, unserved_reasons
from csms.ledger.work import UnitOfWork
from csms.planning.queries import LIVE_BOOKINGS
from csms.planning.snapshot import HORIZON, Snapshot
from models.tables.base import Base
from models.tables.booking import Booking
from scheduler.plan import Assignment, Plan, Unserved
from scheduler.problem import Vehicle
from scheduler.straying import Chance


class _Live(msgspec.Struct):
    """Of a live booking, what a plan goes by and what it may change; as its columns are named."""

    id: str
    version: int
    updated_at: datetime
    distance_km: float
    status: str
    vehicle_id: str | None
    expected_soc_pct: float | None
    probability_ready: float | None
    bound_by: str | None
    solar_share: float | None
    reasons: list[Kept]


_LIVE = (
    select(*(getattr(Booking, name) for name in _Live.__struct_fields__))
    .where(Booking.tenant_id == bindparam("tenant"), Booking.status.in_(LIVE_BOOKINGS))
    .where(Booking.start < bindparam("until"))
    .order_by(Booking.start, Booking.id)
)
"""The live bookings within the plan's horizon, as they stand at its publication."""
_TABLE = Base.metadata.tables[Booking.__tablename__]
_CHANGE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("its_id"))
    .values({name: bindparam(f"its_{name}") for name in _Live.__struct_fields__ if name != "id"})
)


async def update_bookings(work: UnitOfWork, snapshot: Snapshot, plan: Plan) -> None:
    """Writes down what a plan promises; drivers hear of another car, and of risks."""
    await work.take_turn(BOOKINGS)
    vehicles = {vehicle.id: vehicle for vehicle in snapshot.problem.vehicles}
    assigned = {each.booking: each for each in plan.assignments}
    unserved = {each.booking: each for each in plan.unserved}
    solar = _solar_shares(snapshot, plan)
    chances = _chances(snapshot, plan)
    ahead = {"tenant": work.tenant, "until": snapshot.now + HORIZON}
    now = [_Live(*row) for row in await work.session.execute(_LIVE, ahead)]
    known = {each.id: each.version for each in snapshot.rows.bookings}
    # Cars are moved all together or not at all: a promise that was made, begun or given up while
    # we were planning may need the car that a move takes. The next plan sees it as it is.
    may_move = known == {booking.id: booking.version for booking in now}
    changes: list[dict[str, Any]] = []
    told: list[str] = []
    for booking in now:
        before = msgspec.structs.astuple(booking)
        hears = False
        if known.get(booking.id) != booking.version:
            continue
        if booking.id in assigned:
            assignment = assigned[booking.id]
            if not may_move and booking.vehicle_id != assignment.vehicle:
                continue
            vehicle, chance = vehicles[assignment.vehicle], chances[booking.id]
            hears = _promise(booking, assignment, vehicle, solar, chance)
        elif booking.id in unserved:
            hears = _endanger(booking, unserved[booking.id])
        if msgspec.structs.astuple(booking) != before:
            booking.version, booking.updated_at = booking.version + 1, work.now
            fields = msgspec.structs.asdict(booking)
            changes.append({f"its_{name}": fields[name] for name in fields})
        if hears:
            told.append(booking.id)
    if changes:
        await work.session.execute(_CHANGE, changes)
    await _tell(work, told)


async def _tell(work: UnitOfWork, booking_ids: Sequence[str]) -> None:
    """Says what has become of bookings, as they stand now, in this order."""
    if not booking_ids:
        return
    rows = await work.session.scalars(select(Booking).where(Booking.id.in_(booking_ids)))
    bookings = {row.id: row for row in rows}
    for booking in (bookings[booking_id] for booking_id in booking_ids):
        work.emit(
            f"booking.{booking.status}",
            subject=f"booking/{booking.id}",
            resource=booking_resource(booking),
            site_id=booking.pickup_site_id,
        )


def _chances(snapshot: Snapshot, plan: Plan) -> dict[str, Chance]:
    """Returns, by booking, how surely the car that the plan gives it is ready for it."""
    rows = {booking.id: booking for booking in snapshot.rows.bookings}
    vehicles = {vehicle.id: vehicle for vehicle in snapshot.problem.vehicles}
    straying = snapshot.rows.caution.straying
    before = {row.vehicle_id: row for row in snapshot.rows.bookings if row.status in ON_THE_ROAD}
    found: dict[str, Chance] = {}
    for each in sorted(plan.assignments, key=lambda each: (rows[each.booking].start, each.booking)):
        row, vehicle = rows[each.booking], vehicles[each.vehicle]
        usable_wh = each.soc_at_start_wh - vehicle.min_soc_wh
        ratio = usable_wh / max(1.0, row.distance_km * vehicle.consumption_wh_per_km)
        trip, pause_s, already_s = before.get(each.vehicle), None, 0.0
        if trip is not None:
            pause_s = (row.start - trip.end).total_seconds()
            if trip.status in ON_THE_ROAD:
                already_s = (snapshot.now - trip.end).total_seconds()
        found[row.id] = straying.chance(ratio, pause_s, already_s=already_s)
        before[each.vehicle] = row
    return found


def _promise(
    booking: _Live,
    assignment: Assignment,
    vehicle: Vehicle,
    solar: Mapping[str, float],
    chance: Chance,
) -> bool:
    """Writes what the plan promises; returns whether the driver should hear of it."""
    trip_wh = booking.distance_km * vehicle.consumption_wh_per_km
    slack_wh = assignment.soc_at_start_wh - vehicle.min_soc_wh - trip_wh
    told = booking.vehicle_id != assignment.vehicle or booking.status == "at_risk"
    soc_pct = round(100 * assignment.soc_at_start_wh / vehicle.capacity_wh, 1)
    booking.expected_soc_pct = soc_pct
    booking.probability_ready = told_chance(chance.probability)
    booking.bound_by = chance.bound_by
    booking.solar_share = solar.get(booking.id, booking.solar_share)
    booking.vehicle_id = assignment.vehicle
    booking.status = "confirmed"
    booking.reasons = planned_reasons(vehicle.id, soc_pct, slack_wh, booking.solar_share)
    return told


def _endanger(booking: _Live, unserved: Unserved) -> bool:
    changed = booking.status != "at_risk"
    booking.status = "at_risk"
    booking.reasons = unserved_reasons(unserved)
    booking.probability_ready, booking.bound_by = 0.0, None
    return changed


def _solar_shares(snapshot: Snapshot, plan: Plan) -> dict[str, float]:
    """Returns, by booking, the share that its site's surplus covers of what the car charges for it.

    That is what it charges between its trip before and this one. A booking for which nothing is
    to be charged is not in it.
    """
    problem = snapshot.problem
    starts = {booking.id: booking.start_step for booking in problem.bookings}
    trips: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for assignment in plan.assignments:
        trips[assignment.vehicle].append((starts[assignment.booking], assignment.booking))
    surplus_share = _surplus_shares(snapshot, plan)
    evse_sites = {evse.id: site.id for site in problem.sites for evse in site.evses}
    solar: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for entry in plan.charging:
        ahead = sorted(trip for trip in trips[entry.vehicle] if trip[0] >= entry.to_step)
        if not ahead or entry.power_w <= 0:
            continue
        booking_id = ahead[0][1]
        for step in range(entry.from_step, entry.to_step):
            total[booking_id] += entry.power_w
            solar[booking_id] += entry.power_w * surplus_share[evse_sites[entry.evse]][step]
    return {booking_id: round(solar[booking_id] / total[booking_id], 3) for booking_id in total}


def _surplus_shares(snapshot: Snapshot, plan: Plan) -> dict[str, list[float]]:
    """Returns, by site and step, the share of the cars' power that the sun's surplus covers."""
    problem = snapshot.problem
    evse_sites = {evse.id: site.id for site in problem.sites for evse in site.evses}
    charging_w = {site.id: [0.0] * problem.steps for site in problem.sites}
    for entry in plan.charging:
        for step in range(entry.from_step, entry.to_step):
            charging_w[evse_sites[entry.evse]][step] += max(0.0, entry.power_w)
    return {
        site.id: [
            min(1.0, max(0.0, sun_w - load_w) / drawn_w) if drawn_w > 0 else 0.0
            for sun_w, load_w, drawn_w in zip(
                site.pv_power_w, site.load_power_w, charging_w[site.id], strict=True
            )
        ]
        for site in problem.sites
    }
