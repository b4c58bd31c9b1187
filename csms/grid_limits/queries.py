"""What is known of a site under a limit of the grid: what draws there, what holds it, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.energy.counting import forecasts_that_count
from csms.energy.queries import circuits_of
from csms.grid_limits.rules import Outlet
from csms.planning.boxes import above, by_itself_w, evse_name, least_power_w, safe_share_w
from csms.planning.queries import LIVE_BOOKINGS, LIVE_LIMITS
from csms.planning.rules import (
    REACTION_TIME,
    TOLERANCE_RATIO,
    TOLERANCE_W,
    is_cut,
    read_periods,
)
from csms.planning.snapshot import METERED_FRESH_FOR, STEP_MINUTES, alone_w
from csms.stations.rules import rated_power_w
from models.tables.booking import Booking
from models.tables.charging import ChargingLimit, Transaction
from models.tables.energy import Circuit, Site, SiteMeasurement
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.grid_limits import GridLimit
from models.tables.ledger import Command
from models.tables.stations import Evse, Station
from models.timeline import StepGrid, floor_to_step

_WENT_WRONG = ("failed", "expired", "unknown")
"""States of a command after which its limit can't be counted on."""


@dataclass(frozen=True, slots=True)
class Held:
    """The newest limit of a transaction, and what its station has said to it."""

    limit: ChargingLimit
    command_state: str | None
    outcome: str | None

    def is_cut(self, now: datetime) -> bool:
        """Returns whether the box is to hold now what the grid has cut."""
        return _holds(self.limit, now) and is_cut(read_periods(self.limit.periods), now)

    @property
    def unable(self) -> str | None:
        """Why it can't be counted on; None: it can."""
        if self.limit.state == "disobeyed":
            return "disobeyed"
        if self.limit.state == "unknown" or self.command_state in _WENT_WRONG:
            return "unanswered"
        if self.limit.state == "rejected" or self.outcome not in (None, "accepted"):
            return "rejected"
        return None


@dataclass(frozen=True, slots=True)
class Open:
    """An open transaction, with all that decides how far it can give way."""

    transaction: Transaction
    evse: Evse
    station: Station
    held: Held | None
    outlet: Outlet
    phases: int
    """On how many the car charges: who counts in amperes is told of so many."""


@dataclass(frozen=True, slots=True)
class SiteNow:
    """A site as it stands."""

    site: Site
    circuits: Sequence[Circuit]
    limits: Sequence[GridLimit]
    """In force, those on circuits first."""
    open: Sequence[Open]
    stations: Sequence[str]
    alone_w: float
    """What it draws from the grid without its cars: as measured, else as forecast with caution."""

    def below(self, limit: GridLimit) -> list[Open]:
        """Returns the transactions that a limit is about."""
        if limit.circuit_id is None:
            return [*self.open]
        return [each for each in self.open if limit.circuit_id in each.outlet.circuits]

    def others_w(self, limit: GridLimit) -> float:
        """Returns what a limit has to bear beside cars, in W."""
        if limit.circuit_id is None:
            return self.alone_w
        return sum(e.unmanaged_load_w for e in self.circuits if e.id == limit.circuit_id)


async def limits_in_force(
    session: AsyncSession, site_id: str, now: datetime
) -> Sequence[GridLimit]:
    """Returns the limits of the grid that a site is under, those on circuits first."""
    rows = await session.scalars(
        sa.select(GridLimit)
        .where(GridLimit.site_id == site_id, GridLimit.begun_at.is_not(None))
        .where(GridLimit.ended_at.is_(None), GridLimit.end > now)
        .order_by(GridLimit.circuit_id.is_(None), GridLimit.start, GridLimit.id)
    )
    return rows.all()


async def next_turn(session: AsyncSession) -> datetime | None:
    """Returns when the next limit begins or is over; None: there is none."""
    begins = sa.select(sa.func.min(GridLimit.start)).where(
        GridLimit.ended_at.is_(None), GridLimit.begun_at.is_(None)
    )
    ends = sa.select(sa.func.min(GridLimit.end)).where(GridLimit.ended_at.is_(None))
    found = [await session.scalar(begins), await session.scalar(ends)]
    return min((each for each in found if each is not None), default=None)


async def site_now(session: AsyncSession, site: Site, now: datetime) -> SiteNow:
    """Returns what is known of a site at `now`."""
    limits = await limits_in_force(session, site.id, now)
    stations = {
        row.identity: row
        for row in await session.scalars(
            sa.select(Station)
            .where(Station.site_id == site.id, Station.approval == "accepted")
            .order_by(Station.identity)
        )
    }
    evses = {
        evse_name(row): row
        for row in await session.scalars(
            sa.select(Evse).where(Evse.station.in_(stations), Evse.evse_id > 0)
        )
    }
    transactions = await session.scalars(
        sa.select(Transaction)
        .where(Transaction.station.in_(stations), Transaction.stopped_at.is_(None))
        .order_by(Transaction.started_at, Transaction.id)
    )
    # A later one on the same EVSE is the one that is true.
    at_evse = {evse_name(row): row for row in transactions if evse_name(row) in evses}
    held = await _held(session, stations)
    cars = await _cars(session, [row.vehicle_id for row in at_evse.values() if row.vehicle_id])
    circuits = (await circuits_of(session, [site.id]))[site.id]
    parents = {each.id: each.parent for each in circuits}
    outlets = Counter(evse.station for evse in evses.values())
    found: list[Open] = []
    for name, row in at_evse.items():
        evse, station = evses[name], stations[row.station]
        mine = held.get((row.station, row.ocpp_transaction_id))
        look = _Look(row, evse, station, mine, cars.get(row.vehicle_id or ""), now)
        safe_w = safe_share_w(station, outlets[station.identity], look.rated_w)
        outlet = look.outlet(look.rated_w if safe_w is None else safe_w, parents)
        found.append(Open(row, evse, station, mine, outlet, look.phases))
    metered_w = sum(each.transaction.power_w or 0.0 for each in found)
    alone = await _alone_w(session, site, now, metered_w) if limits else 0.0
    return SiteNow(site, circuits, limits, found, tuple(stations), alone)


@dataclass(frozen=True, slots=True)
class _Car:
    max_ac_power_w: float
    max_dc_power_w: float
    ac_phases: int
    need_wh: float
    """At the charger, for its next trip."""
    leaves_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at one transaction."""

    row: Transaction
    evse: Evse
    station: Station
    held: Held | None
    car: _Car | None
    now: datetime

    @property
    def rated_w(self) -> float:
        """The most that EVSE and car can do together."""
        rated_w = rated_power_w(self.evse.max_power_w, self.evse.phases)
        if self.car is None:
            return rated_w
        is_dc = self.evse.current_type == "DC"
        return min(rated_w, self.car.max_dc_power_w if is_dc else self.car.max_ac_power_w)

    @property
    def phases(self) -> int:
        """On how many phases the car charges; on all of the EVSE where it is not known."""
        if self.car is None or self.evse.current_type == "DC":
            return self.evse.phases
        return min(self.evse.phases, self.car.ac_phases)

    def outlet(self, safe_w: float, parents: Mapping[str, str | None]) -> Outlet:
        """Returns it as the rules see it; `safe_w` holds where nothing else does."""
        unable, read_at = self._unable(), self.row.last_reading_at
        safe_w = min(safe_w, self.rated_w)
        allowed_w, since = self._allowed(safe_w)
        fresh = read_at is not None and self.now - read_at <= METERED_FRESH_FOR
        metered_w = self.row.power_w if fresh else None
        settled = metered_w is not None and read_at is not None and read_at >= since + REACTION_TIME
        most_w, drawn_w = allowed_w, min(allowed_w, allowed_w if metered_w is None else metered_w)
        if unable == "offline":
            limit = None if self.held is None else self.held.limit
            most_w = drawn_w = max(metered_w or 0.0, by_itself_w(limit, safe_w, self.now))
        elif unable is not None:
            most_w = drawn_w = self.rated_w if metered_w is None else metered_w
        elif settled and metered_w is not None:
            drawn_w = metered_w
            if metered_w > allowed_w * (1 + TOLERANCE_RATIO) + TOLERANCE_W:
                unable, most_w = "over its limit", metered_w
        return Outlet(
            name=evse_name(self.row),
            most_w=most_w,
            least_w=min(least_power_w(self.evse), self.rated_w),
            circuits=frozenset(above(self.evse.circuit_id, parents)),
            spare_h=self._spare_h(),
            drawn_w=drawn_w,
            read_at=read_at if fresh else None,
            unable=unable,
        )

    def _allowed(self, safe_w: float) -> tuple[float, datetime]:
        """Returns what may flow now, and since when."""
        if self.held is not None and _holds(self.held.limit, self.now):
            limit = self.held.limit
            running = [e for e in read_periods(limit.periods) if e.from_at <= self.now]
            if running:
                # Until it has answered, a station has not begun to take its time.
                since = max(limit.settled_at or self.now, running[-1].from_at)
                return min(self.rated_w, running[-1].limit_w), since
        return safe_w, self.row.started_at

    def _unable(self) -> str | None:
        if not self.station.online:
            return "offline"
        if self.row.priority_charging:
            return "priority"
        return None if self.held is None else self.held.unable

    def _spare_h(self) -> float:
        car = self.car
        if car is None or car.leaves_at is None or self.rated_w <= 0:
            return float("inf")
        return (car.leaves_at - self.now) / timedelta(hours=1) - car.need_wh / self.rated_w


def _holds(limit: ChargingLimit, now: datetime) -> bool:
    return limit.valid_to is not None and limit.valid_to > now


async def _held(
    session: AsyncSession, stations: Mapping[str, Station]
) -> dict[tuple[str, str], Held]:
    """Returns the newest limit of each open transaction, by station and OCPP's id."""
    rows = await session.execute(
        sa.select(ChargingLimit, Command.state, Command.outcome)
        .join(
            Transaction,
            sa.and_(
                Transaction.station == ChargingLimit.station,
                Transaction.ocpp_transaction_id == ChargingLimit.ocpp_transaction_id,
            ),
        )
        .outerjoin(Command, Command.id == ChargingLimit.command_id)
        .where(ChargingLimit.station.in_(stations), Transaction.stopped_at.is_(None))
        .where(ChargingLimit.purpose == "transaction", ChargingLimit.state.in_(LIVE_LIMITS))
        .order_by(ChargingLimit.created_at, ChargingLimit.id)
    )
    return {
        (limit.station, limit.ocpp_transaction_id or ""): Held(limit, state, outcome)
        for limit, state, outcome in rows
    }


async def _cars(session: AsyncSession, vehicle_ids: Sequence[str]) -> dict[str, _Car]:
    """Returns what is to be known of cars, with the next trip of each."""
    trips: dict[str, Booking] = {}
    for booking in await session.scalars(
        sa.select(Booking)
        .where(Booking.vehicle_id.in_(vehicle_ids), Booking.status.in_(LIVE_BOOKINGS))
        .order_by(Booking.start.desc())
    ):
        if booking.vehicle_id is not None and booking.status in {"confirmed", "at_risk"}:
            trips[booking.vehicle_id] = booking
    rows = await session.execute(
        sa.select(Vehicle, VehicleModel)
        .join(VehicleModel, Vehicle.model_id == VehicleModel.id)
        .where(Vehicle.id.in_(vehicle_ids))
    )
    return {car.id: _car(car, model, trips.get(car.id)) for car, model in rows}


def _car(car: Vehicle, model: VehicleModel, trip: Booking | None) -> _Car:
    need_wh = 0.0
    if trip is not None:
        held_wh = model.battery_capacity_wh * (car.soc_pct or 0.0) / 100
        floor_wh = model.battery_capacity_wh * model.min_soc_pct / 100
        drive_wh = trip.distance_km * model.consumption_wh_per_km
        need_wh = max(0.0, floor_wh + drive_wh - held_wh) / model.charge_efficiency
    leaves_at = None if trip is None else trip.start
    return _Car(model.max_ac_power_w, model.max_dc_power_w, model.ac_phases, need_wh, leaves_at)


async def _alone_w(session: AsyncSession, site: Site, now: datetime, cars_w: float) -> float:
    """Returns what a site draws from the grid without its cars."""
    measured_w = await metered_alone_w(session, site, now, cars_w)
    if measured_w is not None:
        return measured_w
    grid = StepGrid(floor_to_step(now, STEP_MINUTES), STEP_MINUTES, 1)
    known = await forecasts_that_count(session, [site.id], now)
    return float(alone_w(known, site, grid)[0])


async def metered_alone_w(
    session: AsyncSession, site: Site, now: datetime, cars_w: float
) -> float | None:
    """Returns what a site's meters last said that it draws without its cars, in W.

    Args:
        session: to read with.
        site: whose meters.
        now: the present; what was said long before it does not count, and None is returned.
        cars_w: what its cars draw.
    """
    newest = await newest_measurement(session, site.id, now)
    if newest is None or newest.measured_at <= now - METERED_FRESH_FOR:
        return None
    alone = metered_without_cars_w(site, newest)
    if alone is None and newest.grid_power_w is not None:
        return newest.grid_power_w - cars_w
    return alone


def metered_without_cars_w(site: Site, row: SiteMeasurement) -> float | None:
    """Returns building less sun as they were metered; None: the building was not.

    Its part of a shared plant comes over the grid, too.
    """
    if row.load_power_w is None:
        return None
    behind = site.shared_plant_id is None
    return row.load_power_w - (row.pv_power_w or 0.0 if behind else 0.0)


async def newest_measurement(
    session: AsyncSession, site_id: str, at: datetime
) -> SiteMeasurement | None:
    """Returns what the meters of a site said last, up to `at`."""
    return await session.scalar(
        sa.select(SiteMeasurement)
        .where(SiteMeasurement.site_id == site_id, SiteMeasurement.measured_at <= at)
        .order_by(SiteMeasurement.measured_at.desc())
        .limit(1)
    )
