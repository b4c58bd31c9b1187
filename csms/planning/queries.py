"""What planning reads: everything a plan depends on in one consistent look, and stored plans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BindParameter, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, undefer

from csms.booking.queries import Caution, read_caution
from csms.energy.counting import forecasts_that_count
from csms.energy.dealing import plants_by_need
from csms.energy.prices import prices_between
from csms.energy.queries import Equipment, read_equipment
from csms.moves.queries import refused_cars
from csms.overrides.queries import overrides_in_force
from models.commands import decode_command
from models.commands.priorities import SetPriorityLimit, UsePriority
from models.tables.booking import Booking
from models.tables.charging import ChargingLimit, Transaction
from models.tables.energy import Circuit, Forecast, PriceSeries, Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.grid_limits import GridLimit
from models.tables.held_limits import OutsideLimit
from models.tables.ledger import Command
from models.tables.planning import DynamicSchedule, Override, Plan, PlanRequest
from models.tables.stations import Connector, Evse, Station
from scheduler.plan import Charging, read_plan

_SHOWN_GRID_LIMIT = (
    "id",
    "site_id",
    "circuit_id",
    "limit_w",
    "start",
    "end",
    "reason",
    "source",
    "begun_at",
    "ended_at",
    "ended_why",
    "kept",
    "measured_w",
    "measured_at",
    "unable",
    "plan_id",
    "bookings_at_risk",
    "external_id",
    "custom",
    "created_at",
    "updated_at",
)
_FIRST = ("UsePriority", "SetPriorityLimit")
LIVE_BOOKINGS = ("confirmed", "at_risk", "active", "late")
LIVE_LIMITS = ("queued", "sent", "accepted", "obeyed", "disobeyed", "rejected", "unknown")
FIRST_STEP = timedelta(minutes=15)
"""The first step of a plan began this long ago at most."""
REMEMBERED_FOR = timedelta(days=7)
"""How long a box that broke a limit is taken to be able to do so again."""

# Put together once: for a fleet of 30 cars that took as long as to read it.
_TENANT: BindParameter[str] = bindparam("tenant")
_IDENTITIES: BindParameter[str] = bindparam("stations", expanding=True)
_SITES = select(Site).where(Site.tenant_id == _TENANT).order_by(Site.id)
_STATIONS = (
    select(Station)
    .where(Station.tenant_id == _TENANT, Station.site_id.is_not(None))
    .where(Station.approval == "accepted")
    .order_by(Station.identity)
)
_VEHICLES = (
    select(Vehicle, VehicleModel)
    .join(VehicleModel, Vehicle.model_id == VehicleModel.id)
    .where(Vehicle.tenant_id == _TENANT)
    .order_by(Vehicle.id)
)
_BOOKINGS = (
    select(Booking)
    .where(Booking.tenant_id == _TENANT, Booking.status.in_(LIVE_BOOKINGS))
    .where(Booking.start < bindparam("before"))
    .order_by(Booking.start, Booking.id)
)
_CIRCUITS = (
    select(Circuit)
    .where(Circuit.site_id.in_(bindparam("sites", expanding=True)))
    .order_by(Circuit.site_id, Circuit.id)
)
_EVSES = (
    select(Evse)
    .where(Evse.station.in_(_IDENTITIES), Evse.evse_id > 0)
    .order_by(Evse.station, Evse.evse_id)
)
_CONNECTORS = select(Connector).where(Connector.station.in_(_IDENTITIES))
_GRID_LIMITS = (
    select(GridLimit)
    .where(GridLimit.tenant_id == _TENANT, GridLimit.ended_at.is_(None))
    .where(GridLimit.end > bindparam("now"), GridLimit.start < bindparam("before"))
    .order_by(GridLimit.start, GridLimit.id)
)
_OUTSIDE = (
    select(OutsideLimit)
    .where(OutsideLimit.station.in_(_IDENTITIES), OutsideLimit.cleared_at.is_(None))
    .order_by(OutsideLimit.station, OutsideLimit.evse_id, OutsideLimit.source)
)
_OPEN = (
    select(Transaction)
    .where(Transaction.tenant_id == _TENANT, Transaction.stopped_at.is_(None))
    .order_by(Transaction.started_at, Transaction.id)
)
_LIVE = (
    select(ChargingLimit)
    .join(
        Transaction,
        and_(
            Transaction.station == ChargingLimit.station,
            Transaction.ocpp_transaction_id == ChargingLimit.ocpp_transaction_id,
        ),
    )
    .where(Transaction.tenant_id == _TENANT, Transaction.stopped_at.is_(None))
    .where(ChargingLimit.purpose == "transaction", ChargingLimit.state.in_(LIVE_LIMITS))
    .order_by(ChargingLimit.created_at, ChargingLimit.id)
)
_CAUGHT = (
    select(ChargingLimit.station)
    .where(ChargingLimit.tenant_id == _TENANT, ChargingLimit.state == "disobeyed")
    .where(ChargingLimit.settled_at >= bindparam("since"))
    .distinct()
)
_NEWEST = select(Plan).where(Plan.tenant_id == _TENANT).order_by(Plan.created_at.desc()).limit(1)
_NEWEST_WITHOUT_PROBLEM = _NEWEST.options(defer(Plan.problem, raiseload=True))
_NEWEST_ID = (
    select(Plan.id, Plan.start)
    .where(Plan.tenant_id == _TENANT)
    .order_by(Plan.created_at.desc())
    .limit(1)
)
_DOCUMENT = select(Plan.document).where(Plan.id == bindparam("plan"))
_WHOLE = (
    select(Plan)
    .options(defer(Plan.problem, raiseload=True), undefer(Plan.document))
    .where(Plan.id == bindparam("plan_id"))
    .execution_options(populate_existing=True)
)
_ASKED_FOR = (
    select(PlanRequest).join(Site, Site.id == PlanRequest.site_id).where(Site.tenant_id == _TENANT)
)


async def plans_asked_for(session: AsyncSession, *, tenant: str) -> Sequence[PlanRequest]:
    """Returns what has been asked for that no published plan has answered yet."""
    found = await session.scalars(_ASKED_FOR, {"tenant": tenant})
    return found.all()


@dataclass(frozen=True, slots=True)
class GoesFirst:
    """How a transaction has come by its priority, where we had a part in that."""

    told_at: datetime | None = None
    """When its station last took an order about it: what was metered before says nothing now."""
    limit_w: float | None = None
    """What it may draw, where somebody has said so."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a plan has cars charge, by EVSE."""

    start: datetime
    charging: Sequence[Charging]


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that one plan is made from, as it stood in the database at one instant."""

    sites: Sequence[Site]
    circuits: Sequence[Circuit]
    stations: Mapping[str, Station]
    evses: Sequence[Evse]
    connectors: Sequence[Connector]
    vehicles: Sequence[tuple[Vehicle, VehicleModel]]
    bookings: Sequence[Booking]
    transactions: Sequence[Transaction]
    """The open ones."""
    limits: Sequence[ChargingLimit]
    """What was sent for the transactions that are open and still counts, oldest first."""
    caught: frozenset[str]
    """Stations that broke a limit lately."""
    forecasts: Mapping[tuple[str, str], Sequence[Forecast]]
    """By site and kind; where the first says nothing, the next one counts."""
    prices: Sequence[PriceSeries]
    """Oldest issue first."""
    caution: Caution
    """How trips stray, and what promises keep free for it."""
    outside: Sequence[OutsideLimit] = ()
    """What others allow stations now."""
    first: Mapping[str, GoesFirst] = field(default_factory=dict[str, GoesFirst])
    """By their ids, the transactions that go before all others."""
    overrides: Sequence[Override] = ()
    """What somebody wants of cars until an instant that is still to come."""
    equipment: Equipment = field(default_factory=Equipment)
    refused: frozenset[str] = frozenset()
    """Cars that staff has refused to move where they stand."""
    grid_limits: Sequence[GridLimit] = ()
    """What the grid allows for a while, now or within the horizon."""
    by_need: Mapping[str, str] = field(default_factory=dict[str, str])
    """The plant that a site has a part of by need, by site."""
    before: Before | None = None
    """What the plan before has cars draw; None: there is none, or nobody asks."""


def schedule_resource(row: DynamicSchedule) -> dict[str, Any]:
    """Returns a dynamic profile as the REST door and the events show it."""
    return {
        "station": row.station,
        "profile_id": row.profile_id,
        "evse_id": row.evse_id,
        "told": row.told,
        "source": row.source,
        "state": row.state,
        "why": row.why,
        "changed_at": row.changed_at,
    }


async def read_rows(
    session: AsyncSession, *, tenant: str, now: datetime, horizon: timedelta
) -> Rows:
    """Returns everything that a plan from `now` over `horizon` depends on."""
    mine = {"tenant": tenant}
    sites = (await session.scalars(_SITES, mine)).all()
    site_ids = [site.id for site in sites]
    stations = (await session.scalars(_STATIONS, mine)).all()
    identities = [station.identity for station in stations]
    vehicles = (await session.execute(_VEHICLES, mine)).all()
    bookings = await bookings_ahead(session, tenant, now + horizon)
    transactions = await _open_transactions(session, tenant)
    by_need = await plants_by_need(session, tenant)
    return Rows(
        sites=sites,
        circuits=(await session.scalars(_CIRCUITS, {"sites": site_ids})).all(),
        stations={station.identity: station for station in stations},
        evses=(await session.scalars(_EVSES, {"stations": identities})).all(),
        connectors=(await session.scalars(_CONNECTORS, {"stations": identities})).all(),
        vehicles=[(vehicle, model) for vehicle, model in vehicles],
        bookings=bookings,
        transactions=transactions,
        first=await _going_first(session, transactions),
        overrides=await overrides_in_force(session, tenant, now),
        refused=await refused_cars(session, tenant, now),
        equipment=await read_equipment(session, sites, now),
        limits=await _live_limits(session, tenant),
        caught=await _caught_stations(session, tenant, now),
        forecasts=await forecasts_that_count(session, site_ids, now),
        prices=await prices_between(session, site_ids, now - FIRST_STEP, now + horizon),
        caution=await read_caution(session, tenant=tenant, now=now),
        outside=await _outside_limits(session, identities),
        grid_limits=await grid_limits_ahead(session, tenant, now, now + horizon),
        by_need=by_need,
        before=await _before(session, tenant) if by_need else None,
    )


async def bookings_ahead(session: AsyncSession, tenant: str, before: datetime) -> Sequence[Booking]:
    """Returns the live bookings that start before an instant, in the order of their start."""
    return (await session.scalars(_BOOKINGS, {"tenant": tenant, "before": before})).all()


async def _before(session: AsyncSession, tenant: str) -> Before | None:
    last = await current_plan(session, tenant=tenant)
    return None if last is None else Before(last.start, read_plan(last.document.encode()).charging)


async def grid_limits_ahead(
    session: AsyncSession, tenant: str, now: datetime, before: datetime
) -> Sequence[GridLimit]:
    """Returns the limits of the grid that are in force between `now` and `before`."""
    asked = {"tenant": tenant, "now": now, "before": before}
    return (await session.scalars(_GRID_LIMITS, asked)).all()


async def _outside_limits(
    session: AsyncSession, identities: Sequence[str]
) -> Sequence[OutsideLimit]:
    return (await session.scalars(_OUTSIDE, {"stations": list(identities)})).all()


async def _open_transactions(session: AsyncSession, tenant: str) -> Sequence[Transaction]:
    return (await session.scalars(_OPEN, {"tenant": tenant})).all()


async def _going_first(
    session: AsyncSession, transactions: Sequence[Transaction]
) -> dict[str, GoesFirst]:
    """Returns the transactions with priority, and what their stations were ordered about it."""
    first = {each.id: GoesFirst() for each in transactions if each.priority_charging}
    if not first:
        return first
    orders = await session.execute(
        select(Command.station, Command.body, Command.settled_at)
        .where(Command.kind.in_(_FIRST), Command.outcome == "accepted")
        .where(Command.station.in_({e.station for e in transactions if e.id in first}))
        .where(Command.created_at >= min(e.started_at for e in transactions if e.id in first))
        .order_by(Command.created_at, Command.id)
    )
    for station, body, settled_at in orders:
        command = decode_command(body)
        for each in transactions:
            if each.id not in first or each.station != station:
                continue
            if settled_at is None or settled_at < each.started_at:
                continue
            known = first[each.id]
            match command:
                case UsePriority(ocpp_transaction_id=name) if name == each.ocpp_transaction_id:
                    first[each.id] = replace(known, told_at=settled_at)
                case SetPriorityLimit(evse_id=evse_id) if evse_id == each.evse_id:
                    first[each.id] = GoesFirst(settled_at, command.limit_w)
                case _:
                    pass
    return first


async def _live_limits(session: AsyncSession, tenant: str) -> Sequence[ChargingLimit]:
    return (await session.scalars(_LIVE, {"tenant": tenant})).all()


async def _caught_stations(session: AsyncSession, tenant: str, now: datetime) -> frozenset[str]:
    asked = {"tenant": tenant, "since": now - REMEMBERED_FOR}
    return frozenset(await session.scalars(_CAUGHT, asked))


async def current_plan(
    session: AsyncSession, *, tenant: str, with_problem: bool = False
) -> Plan | None:
    """Returns the newest plan of a tenant, else but for its problem; None before the first."""
    newest = _NEWEST if with_problem else _NEWEST_WITHOUT_PROBLEM
    return await session.scalar(newest, {"tenant": tenant})


async def newest_plan(session: AsyncSession, *, tenant: str) -> tuple[str, datetime] | None:
    """Returns id and start of the newest plan of a tenant; None before the first."""
    row = (await session.execute(_NEWEST_ID, {"tenant": tenant})).first()
    return None if row is None else (row.id, row.start)


async def document_of(session: AsyncSession, plan_id: str) -> str:
    """Returns a plan that is there, as it is stored."""
    document = await session.scalar(_DOCUMENT, {"plan": plan_id})
    assert document is not None
    return document


async def whole_plans(
    session: AsyncSession, plan_ids: Sequence[str], size_max: int
) -> Sequence[Plan]:
    """Returns plans with their documents, as many of the first ones as fit together, one at least.

    Each is read by itself: those of 100 plans of thousands of cars are a gigabyte, and a database
    that is asked how long a text is reads it whole. The problems stay unread.

    Args:
        session: to read by.
        plan_ids: of plans, in the order wanted.
        size_max: how many characters their documents may have together.
    """
    found: list[Plan] = []
    room = size_max
    for plan_id in plan_ids:
        plan = (await session.scalars(_WHOLE, {"plan_id": plan_id})).one_or_none()
        if plan is None:
            continue
        room -= len(plan.document)
        if found and room < 0:
            break
        found.append(plan)
    return found


async def pickup_sites(session: AsyncSession, booking_ids: Collection[str]) -> dict[str, str]:
    """Returns where bookings begin, by id; those that were deleted are left out."""
    rows = await session.execute(
        select(Booking.id, Booking.pickup_site_id).where(Booking.id.in_(booking_ids))
    )
    return {row.id: row.pickup_site_id for row in rows}


async def limits_of_plan(session: AsyncSession, plan_id: str) -> Sequence[ChargingLimit]:
    """Returns the limits that a plan sent, in the order of their making."""
    rows = await session.scalars(
        select(ChargingLimit)
        .where(ChargingLimit.plan_id == plan_id)
        .order_by(ChargingLimit.created_at, ChargingLimit.id)
    )
    return rows.all()


def limit_resource(limit: ChargingLimit) -> dict[str, Any]:
    """Returns a limit as the REST door and the events show it."""
    return {
        "id": limit.id,
        "plan_id": limit.plan_id,
        "site_id": limit.site_id,
        "station": limit.station,
        "evse_id": limit.evse_id,
        "ocpp_transaction_id": limit.ocpp_transaction_id,
        "purpose": limit.purpose,
        "created_at": limit.created_at,
        "valid_to": limit.valid_to,
        "periods": limit.periods,
        "state": limit.state,
        "sent_at": limit.sent_at,
        "settled_at": limit.settled_at,
        "detail": limit.detail,
    }


def grid_limit_resource(row: GridLimit) -> dict[str, Any]:
    """Returns a limit of the grid as the REST door and the events show it."""
    begun = "scheduled" if row.begun_at is None else "active"
    return {
        **{name: getattr(row, name) for name in _SHOWN_GRID_LIMIT},
        "state": begun if row.ended_at is None else "ended",
    }


def plan_resource(
    plan: Plan, limits: Sequence[ChargingLimit], site_id: str | None = None
) -> dict[str, Any]:
    """Returns a stored plan as the REST door shows it: its document with its times.

    With `site_id`, only what concerns that site is shown.
    """
    # All of it goes out as it is stored: to read a list of plans cost a second for each day.
    document: dict[str, Any] = msgspec.json.decode(plan.document, type=dict[str, msgspec.Raw])
    if site_id is not None:
        document = msgspec.json.decode(plan.document)
        vehicles = {each["vehicle"] for each in document["stays"] if each["site"] == site_id}
        stays = [each for each in document["stays"] if each["site"] == site_id]
        evses = {each["evse"] for each in stays if each["evse"]}
        document["stays"] = stays
        document["charging"] = [c for c in document["charging"] if c["evse"] in evses]
        document["sites"] = [each for each in document["sites"] if each["id"] == site_id]
        if "moves" in document:
            document["moves"] = [each for each in document["moves"] if each["site"] == site_id]
        if "flexible" in document:
            mine = [each for each in document["flexible"] if each["id"].startswith(f"{site_id}/")]
            document["flexible"] = mine
        document["assignments"] = [
            each for each in document["assignments"] if each["vehicle"] in vehicles
        ]
    return {
        **plan_heading(plan, [each for each in limits if site_id in (None, each.site_id)]),
        **document,
    }


def plan_outline(plan: Plan) -> dict[str, Any]:
    """Returns what lists tell of a plan, without reading its document."""
    costs = {"cost": plan.cost, "lower_bound": plan.lower_bound}
    return {**plan_heading(plan, ()), "status": plan.status, **costs}


def plan_heading(plan: Plan, limits: Sequence[ChargingLimit]) -> dict[str, Any]:
    """Returns what is known of a stored plan beside its document."""
    return {
        "id": plan.id,
        "created_at": plan.created_at,
        "start": plan.start,
        "step_minutes": plan.step_minutes,
        "steps": plan.steps,
        "made_by": plan.made_by,
        "kept_cars": plan.kept_cars,
        "solvers": plan.solvers,
        "time_limit_s": plan.time_limit_s,
        "currency": plan.currency,
        "gap": None if plan.lower_bound is None else round(plan.cost - plan.lower_bound, 4),
        "trigger": plan.trigger,
        "forecast_source": plan.forecast_source,
        "left_out": plan.left_out,
        "site_ids": plan.site_ids,
        "shadow_site_ids": plan.shadow_site_ids,
        "limits": [limit_resource(limit) for limit in limits],
    }
