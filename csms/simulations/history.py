"""What a tenant's own rows tell of some days: read once, before a scenario is drawn from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from csms.energy.prices import prices_between
from csms.energy.queries import circuits_of
from csms.ledger.work import ReadSession
from csms.simulations.filling import READING_MAX, step_means
from csms.simulations.rules import SITES_MAX, Span
from csms.web.problem import bad_field
from models.tables.booking import Booking
from models.tables.charging import Transaction
from models.tables.energy import Circuit, PriceSeries, Site, SiteMeasurement
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.stations import Evse, Station
from simulators.past import BOOKINGS_MAX

Floats = npt.NDArray[np.float64]
PLUGGED_WITHIN = timedelta(days=1)
"""After the last day, in which cars that came back may have been plugged in."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the meters of a site said; the mean of each step, NaN where nothing."""

    pv_power_w: Floats
    load_power_w: Floats


@dataclass(frozen=True, slots=True)
class Rows:
    """All that a scenario is drawn from; each list in an order that does not change."""

    sites: Sequence[Site]
    circuits: dict[str, list[Circuit]]
    stations: Sequence[Station]
    evses: dict[str, list[Evse]]
    models: Sequence[VehicleModel]
    vehicles: Sequence[Vehicle]
    bookings: Sequence[Booking]
    """That started in the span, in the order in which they were made."""
    under_way: int
    """Bookings that started before the span and ended in it, or later."""
    plugged_at: dict[str, list[datetime]]
    """When transactions of each car began."""
    prices: dict[str, list[PriceSeries]]
    """By site, in the order of their issue."""
    measured: dict[str, Measured]
    """By site."""


async def read_history(session: ReadSession, tenant: str, span: Span) -> Rows:
    """Returns what is stored of a tenant's days.

    Raises:
        BadInput: for more than a simulation may have, naming `/history`.
    """
    sites = (
        await session.scalars(sa.select(Site).where(Site.tenant_id == tenant).order_by(Site.id))
    ).all()
    if len(sites) > SITES_MAX:
        raise bad_field("/history", f"there are {len(sites)} sites, allowed are {SITES_MAX}")
    names = [site.id for site in sites]
    stations = await _stations(session, tenant, names)
    models = sa.select(VehicleModel).where(VehicleModel.tenant_id == tenant)
    vehicles = sa.select(Vehicle).where(Vehicle.tenant_id == tenant)
    bookings, under_way = await _bookings(session, tenant, span)
    return Rows(
        sites=sites,
        circuits=await circuits_of(session, names),
        stations=stations,
        evses=await _evses(session, [each.identity for each in stations]),
        models=(await session.scalars(models.order_by(VehicleModel.id))).all(),
        vehicles=(await session.scalars(vehicles.order_by(Vehicle.id))).all(),
        bookings=bookings,
        under_way=under_way,
        plugged_at=await _plugged(session, tenant, span),
        prices=await _prices(session, names, span),
        measured={name: await _measured(session, name, span) for name in names},
    )


async def _stations(session: ReadSession, tenant: str, sites: Sequence[str]) -> Sequence[Station]:
    query = (
        sa.select(Station)
        .where(Station.tenant_id == tenant, Station.approval == "accepted")
        .where(Station.site_id.in_(sites))
        .order_by(Station.identity)
    )
    return (await session.scalars(query)).all()


async def _evses(session: ReadSession, stations: Sequence[str]) -> dict[str, list[Evse]]:
    found: dict[str, list[Evse]] = {identity: [] for identity in stations}
    query = sa.select(Evse).where(Evse.station.in_(stations))
    for row in await session.scalars(query.order_by(Evse.station, Evse.evse_id)):
        found[row.station].append(row)
    return found


async def _bookings(session: ReadSession, tenant: str, span: Span) -> tuple[Sequence[Booking], int]:
    mine = sa.select(Booking).where(Booking.tenant_id == tenant)
    query = (
        mine.where(Booking.start > span.start, Booking.start < span.end)
        .order_by(Booking.created_at, Booking.id)
        .limit(BOOKINGS_MAX + 1)
    )
    rows = (await session.scalars(query)).all()
    if len(rows) > BOOKINGS_MAX:
        raise bad_field("/history", f"there are more bookings than {BOOKINGS_MAX} in these days")
    before = sa.select(sa.func.count()).where(
        Booking.tenant_id == tenant, Booking.start <= span.start, Booking.end > span.start
    )
    return rows, await session.scalar(before.select_from(Booking)) or 0


async def _plugged(session: ReadSession, tenant: str, span: Span) -> dict[str, list[datetime]]:
    query = (
        sa.select(Transaction.vehicle_id, Transaction.started_at)
        .where(Transaction.tenant_id == tenant)
        .where(
            Transaction.started_at >= span.start,
            Transaction.started_at < span.end + PLUGGED_WITHIN,
        )
        .order_by(Transaction.started_at, Transaction.id)
    )
    found: dict[str, list[datetime]] = {}
    for vehicle_id, started_at in await session.execute(query):
        if vehicle_id is not None:
            found.setdefault(vehicle_id, []).append(started_at)
    return found


async def _prices(
    session: ReadSession, sites: Sequence[str], span: Span
) -> dict[str, list[PriceSeries]]:
    found: dict[str, list[PriceSeries]] = {site: [] for site in sites}
    for row in await prices_between(session, sites, span.start, span.end):
        if row.start < span.end and row.ends_at > span.start:  # not only the newest
            found[row.site_id].append(row)
    return found


async def _measured(session: ReadSession, site: str, span: Span) -> Measured:
    query = (
        sa.select(
            SiteMeasurement.measured_at, SiteMeasurement.pv_power_w, SiteMeasurement.load_power_w
        )
        .where(SiteMeasurement.site_id == site)
        .where(SiteMeasurement.measured_at > span.start - READING_MAX)
        .where(SiteMeasurement.measured_at <= span.end)
        .order_by(SiteMeasurement.measured_at)
    )
    rows = (await session.execute(query)).all()

    def means() -> Measured:
        return Measured(
            step_means([(at, pv_w) for at, pv_w, _ in rows], span.grid),
            step_means([(at, load_w) for at, _, load_w in rows], span.grid),
        )

    # A month of minutes takes a second, in which nobody else would be answered.
    return await asyncio.to_thread(means)
