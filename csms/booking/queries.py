"""What booking reads: the cars and promises of a tenant, and bookings as they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.booking.outlets import Outlets, charger_of, read_outlets
from csms.booking.rules import (
    LATE_BY,
    ON_THE_ROAD,
    OPEN,
    PLUG_IN_WITHIN,
    Surplus,
    outlet_power_w,
)
from csms.booking.told import in_words, told_kept
from csms.energy.counting import forecasts_that_count
from csms.ledger.work import ReadSession
from csms.stations.rules import OUT_OF_SERVICE
from models.tables.booking import Booking
from models.tables.charging import Transaction
from models.tables.energy import Forecast, Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.stations import Connector, Evse, Station
from scheduler.explaining.words import Language
from scheduler.reach import CarState, Promise
from scheduler.straying import DrivenTrip, Margin, Straying, learn

SUN_HISTORY = timedelta(days=7)
"""How far back a car's charging tells where the energy in it came from."""
UNKNOWN_SOC_PCT = 30.0
"""What a car whose charge is not known is taken to hold."""
USUAL_PROBABILITY = 0.99
"""What a promise is to be kept with where no site says otherwise."""
LEARN_FROM = timedelta(days=60)
"""How far back trips tell how trips stray: what is older was another season."""
LEARN_FROM_TRIPS = 500
"""No more than the newest of these."""
LEAST_TOLD_SHARE = 0.03
"""A trip that takes less of a battery tells nothing: charges are told in percents of it."""

_TENANT: sa.BindParameter[str] = sa.bindparam("tenant")
_PROMISES = (
    sa.select(Booking)
    .where(Booking.tenant_id == _TENANT, Booking.vehicle_id.is_not(None))
    .where(Booking.status.in_(OPEN + ON_THE_ROAD))
    .order_by(Booking.start, Booking.id)
)
_MODELS = sa.select(VehicleModel).where(
    VehicleModel.id.in_(sa.select(Vehicle.model_id).where(Vehicle.tenant_id == _TENANT))
)

_CARS = (
    sa.select(
        Vehicle.id,
        Vehicle.model_id,
        Vehicle.site_id,
        Vehicle.at_site_id,
        Vehicle.plugged_evse,
        Vehicle.soc_pct,
        Vehicle.returned_at,
    )
    .where(Vehicle.tenant_id == _TENANT)
    .order_by(Vehicle.id)
)
_OUT = (
    sa.select(Connector.station, Connector.evse_id)
    .where(Connector.status.in_(OUT_OF_SERVICE))
    .subquery()
)
_IN_SERVICE = (
    sa.select(Evse.station, Evse.evse_id)
    .join(Station, Station.identity == Evse.station)
    .outerjoin(_OUT, (_OUT.c.station == Evse.station) & (_OUT.c.evse_id == Evse.evse_id))
    .where(Station.site_id == sa.bindparam("site"), Evse.evse_id > 0, _OUT.c.station.is_(None))
    .order_by(Station.online.desc(), Evse.current_type, Evse.station, Evse.evse_id)
)
_PLUGGED = sa.select(Vehicle.plugged_evse).where(
    Vehicle.tenant_id == _TENANT, Vehicle.plugged_evse.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Caution:
    """How trips stray, and what promises keep free for it."""

    straying: Straying
    margins: Mapping[str, Margin]
    """By the site where a trip begins."""

    @property
    def widest(self) -> Margin:
        """The margin of the promises that are to be the surest."""
        surest = min(self.margins.values(), key=lambda margin: margin.risk, default=None)
        return surest or self.straying.margin(USUAL_PROBABILITY)


class KnownCar(NamedTuple):
    """What rows tell of a car that matters to what can be promised."""

    id: str
    model_id: str
    site_id: str
    at_site_id: str | None
    plugged_evse: str | None
    soc_pct: float | None
    returned_at: datetime | None


class Away(NamedTuple):
    """The trip that a car is on."""

    vehicle_id: str
    dropoff_site_id: str
    start: datetime
    end: datetime
    distance_km: float


class BookingSeen(NamedTuple):
    """Of a booking, what the calendar is made of; by the names of its columns."""

    id: str
    version: int
    status: str
    vehicle_id: str | None
    pickup_site_id: str
    dropoff_site_id: str
    start: datetime
    end: datetime
    distance_km: float


@dataclass(frozen=True, slots=True)
class Ground:
    """What all cars are measured by; every car is another one where this changes."""

    models: Mapping[str, VehicleModel]
    powers_w: Mapping[str, Mapping[str, float]]
    """What cars can count on, by model and site."""
    outlets: Outlets
    caution: Caution
    margin: Margin
    """The widest of the caution."""
    places: Mapping[str, str] | None = None
    """By EVSE, the place of those at which limits of the grid leave other than at their site."""

    @classmethod
    def of(cls, models: Sequence[VehicleModel], outlets: Outlets, caution: Caution) -> Self:
        """Returns what cars of these models are measured by."""
        powers_w = {model.id: outlets.site_powers_w(model) for model in models}
        return cls({each.id: each for each in models}, powers_w, outlets, caution, caution.widest)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The cars and open promises of a tenant, as admission needs them."""

    cars: Sequence[CarState]
    promises: Sequence[Promise]
    spaces: Mapping[str, int]
    """How many cars can be plugged in at once, by site that has chargers."""
    known: Mapping[str, KnownCar]
    away: Mapping[str, Away]
    """By booking, those whose trips begin later after those that begin sooner."""
    ground: Ground
    full: Set[str]
    """As `full_sites`."""


def booking_resource(row: Booking, language: Language = "en") -> dict[str, Any]:
    """Returns a booking as the REST door and the events show it, told in a language."""
    why = told_kept(row.reasons, row.bound_by, row.probability_ready, language)
    return {**booking_fields(row), "explanation": why}


def booking_fields(row: Booking) -> dict[str, Any]:
    """Returns a booking without its explanation."""
    return {
        "id": row.id,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "driver_id": row.driver_id,
        "pickup_site_id": row.pickup_site_id,
        "dropoff_site_id": row.dropoff_site_id,
        "start": row.start,
        "end": row.end,
        "distance_km": row.distance_km,
        "vehicle_class": row.vehicle_class,
        "status": row.status,
        "vehicle_id": row.vehicle_id,
        "expected_soc_pct": row.expected_soc_pct,
        "probability_ready": row.probability_ready,
        "probability": row.probability,
        "bound_by": row.bound_by,
        "solar_share": row.solar_share,
        "reasons": in_words(row.reasons),
        "started_at": row.started_at,
        "returned_at": row.returned_at,
        "cancelled_at": row.cancelled_at,
        "used_wh": row.used_wh,
    }


_DRIVEN = (
    sa.select(
        Booking.vehicle_id,
        Booking.used_wh,
        Booking.distance_km * VehicleModel.consumption_wh_per_km,
        VehicleModel.battery_capacity_wh,
        Booking.end,
        Booking.returned_at,
    )
    .join(Vehicle, Booking.vehicle_id == Vehicle.id)
    .join(VehicleModel, Vehicle.model_id == VehicleModel.id)
    .where(Booking.tenant_id == sa.bindparam("tenant"), Booking.status == "returned")
    .where(Booking.start >= sa.bindparam("since"))
    .order_by(Booking.start.desc(), Booking.id)
    .limit(LEARN_FROM_TRIPS)
)
_PROMISED = (
    sa.select(Site.id, Site.promise_probability)
    .where(Site.tenant_id == sa.bindparam("tenant"))
    .order_by(Site.id)
)


async def read_caution(session: AsyncSession, *, tenant: str, now: datetime) -> Caution:
    """Returns how trips stray, by those that are over, and what the sites' promises keep free."""
    trips = await session.execute(_DRIVEN, {"tenant": tenant, "since": now - LEARN_FROM})
    straying = _straying(tuple([tuple(row) for row in trips]))
    sites = await session.execute(_PROMISED, {"tenant": tenant})
    asked = {site_id: probability for site_id, probability in sites}  # noqa: C416 - Rows
    margins = {each: straying.margin(each) for each in sorted(set(asked.values()))}
    return Caution(straying, {site_id: margins[each] for site_id, each in asked.items()})


@lru_cache(maxsize=8)
def _straying(trips: tuple[tuple[Any, ...], ...]) -> Straying:
    """Returns how trips stray; a few are over between two plans, and hundreds are learnt from."""
    return learn(
        DrivenTrip(
            vehicle_id=vehicle_id,
            used_ratio=used_wh / trip_wh
            if used_wh is not None and trip_wh >= LEAST_TOLD_SHARE * capacity_wh
            else None,
            late_s=None if returned_at is None else (returned_at - end).total_seconds(),
        )
        for vehicle_id, used_wh, trip_wh, capacity_wh, end, returned_at in trips
        if vehicle_id is not None
    )


async def read_fleet(
    session: ReadSession, *, tenant: str, now: datetime, caution: Caution
) -> Fleet:
    """Returns all cars with their promises at `now`.

    A car on the road is free when its booking ends with what the trip will have left in it, at
    worst. One that is late is free when it will be back with the probability that the surest of
    the promises need, half an hour from now at the earliest.
    """
    bookings = (await session.scalars(_PROMISES, {"tenant": tenant})).all()
    known = await read_cars(session, tenant=tenant)
    models = await session.scalars(_MODELS, {"tenant": tenant})
    ground = Ground.of(models.all(), await read_outlets(session, tenant=tenant), caution)
    away = {row.id: away_of(row) for row in bookings if row.status in ON_THE_ROAD}
    trips = trips_of(away)
    full = full_sites(known.values(), trips, ground.outlets)
    return Fleet(
        cars=[car_state(car, trips.get(car.id), now, ground, full) for car in known.values()],
        promises=[promise_of(each, now) for each in bookings if each.status in OPEN],
        spaces=ground.outlets.spaces,
        known=known,
        away=away,
        ground=ground,
        full=full,
    )


def full_sites(
    cars: Iterable[KnownCar], trips: Mapping[str, Away], outlets: Outlets
) -> frozenset[str]:
    """Returns the sites at which every EVSE has a car, and nobody makes room for another one."""
    taken = Counter(
        car.at_site_id or car.site_id
        for car in cars
        if car.plugged_evse in outlets.working and car.id not in trips
    )
    return frozenset(
        site_id
        for site_id, spaces in outlets.spaces.items()
        if site_id in outlets.unstaffed and taken[site_id] >= spaces
    )


def trips_of(away: Mapping[str, Away]) -> dict[str, Away]:
    """Returns the trip that each car is on, by car: the one that began last."""
    in_order = sorted(away.items(), key=lambda item: (item[1].start, item[0]))
    return {trip.vehicle_id: trip for _, trip in in_order}


async def read_cars(session: ReadSession, *, tenant: str) -> dict[str, KnownCar]:
    """Returns what rows tell of all cars, by their ids, in that order."""
    rows = await session.execute(_CARS, {"tenant": tenant})
    return {row.id: KnownCar(*row) for row in rows}


def away_of(row: Booking | BookingSeen) -> Away:
    """Returns a booking that is on the road."""
    assert row.vehicle_id is not None
    return Away(
        vehicle_id=row.vehicle_id,
        dropoff_site_id=row.dropoff_site_id,
        start=row.start,
        end=row.end,
        distance_km=row.distance_km,
    )


def car_state(
    car: KnownCar, trip: Away | None, now: datetime, ground: Ground, full: Set[str]
) -> CarState:
    """Returns a car as admission sees it: where and when it is free, and how charged.

    Args:
        car: what is known of it.
        trip: the one it is on.
        now: the present.
        ground: what it is measured by.
        full: sites at which no EVSE is left for a car that has none.
    """
    straying, margin = ground.caution.straying, ground.margin
    model, powers_w = ground.models[car.model_id], ground.powers_w[car.model_id]
    wh_per_km = model.consumption_wh_per_km * straying.expected_factor(car.id)
    capacity_wh = model.battery_capacity_wh
    soc_pct = UNKNOWN_SOC_PCT if car.soc_pct is None else car.soc_pct
    soc_wh = min(capacity_wh, capacity_wh * soc_pct / 100)
    site_id, free_from = car.at_site_id or car.site_id, now
    power_w = powers_w.get(site_id, model.max_ac_power_w)
    place = None
    if trip is not None:
        site_id = trip.dropoff_site_id
        free_from = trip.end
        if trip.end <= now:
            late_s = (now - trip.end).total_seconds()
            latest_s = straying.latest_s(margin.risk, already_s=late_s)
            # Who asks adds what a car may be late that is still expected by its booked end.
            more_s = latest_s - late_s - margin.lost_s
            free_from = now + max(LATE_BY, timedelta(seconds=more_s))
        soc_wh = max(0.0, soc_wh - trip.distance_km * wh_per_km * margin.energy_factor)
        power_w = powers_w.get(site_id, model.max_ac_power_w)
    elif car.plugged_evse is not None and car.plugged_evse in ground.outlets.evses:
        outlet = ground.outlets.evses[car.plugged_evse]
        place = (ground.places or {}).get(car.plugged_evse)
        power_w = 0.0
        if outlet is not None:
            power_w = outlet_power_w(outlet, charger_of(model))
    elif site_id in full or (
        car.returned_at is not None and now - car.returned_at > PLUG_IN_WITHIN
    ):
        power_w = 0.0
    return CarState(
        vehicle_id=car.id,
        vehicle_class=model.vehicle_class,
        site_id=site_id,
        free_from=free_from,
        soc_wh=soc_wh,
        capacity_wh=capacity_wh,
        min_soc_wh=capacity_wh * model.min_soc_pct / 100,
        max_soc_wh=capacity_wh,
        charge_power_w=power_w,
        charge_efficiency=model.charge_efficiency,
        consumption_wh_per_km=wh_per_km,
        site_power_w=powers_w,
        place=place,
    )


def promise_of(row: Booking | BookingSeen, now: datetime) -> Promise:
    """Returns an open booking as a promise; one that should have begun begins now."""
    assert row.vehicle_id is not None
    start = max(row.start, now)
    return Promise(
        booking_id=row.id,
        vehicle_id=row.vehicle_id,
        pickup_site=row.pickup_site_id,
        dropoff_site=row.dropoff_site_id,
        start=start,
        end=max(row.end, start + timedelta(minutes=1)),
        distance_km=row.distance_km,
        reserve_km=0.0,
    )


async def evses_of_site(session: ReadSession, site_id: str) -> list[str]:
    """Returns the EVSEs of a site that are in service, as `IDENTITY/EVSE`.

    Those that can be heard come first, slow ones before fast ones.
    """
    rows = await session.execute(_IN_SERVICE, {"site": site_id})
    return [f"{station}/{evse_id}" for station, evse_id in rows]


async def plugged_evses(session: ReadSession, *, tenant: str) -> list[str]:
    """Returns the EVSEs that cars are known to hold."""
    rows = await session.scalars(_PLUGGED, {"tenant": tenant})
    return [each for each in rows if each is not None]


async def read_surplus(session: ReadSession, site_id: str, now: datetime) -> Surplus | None:
    """Returns what a site's forecasts leave of its sun; None without a forecast of it."""
    found = await forecasts_that_count(session, [site_id], now)
    suns, loads = found.get((site_id, "pv"), ()), found.get((site_id, "load"), ())
    if not suns:
        return None
    sun = suns[0]
    step = timedelta(minutes=sun.step_minutes)
    power_w = [
        max(0.0, sun_w - (_value_at(loads[0], sun.start + number * step) if loads else 0.0))
        for number, sun_w in enumerate(sun.q50_w)
    ]
    return Surplus(sun.start, sun.step_minutes, power_w)


def _value_at(forecast: Forecast, instant: datetime) -> float:
    """The median at an instant; where the forecast does not reach, its nearest value."""
    if not forecast.q50_w:
        return 0.0
    place = (instant - forecast.start) // timedelta(minutes=forecast.step_minutes)
    return forecast.q50_w[min(max(place, 0), len(forecast.q50_w) - 1)]


async def solar_share_held(session: ReadSession, vehicle_id: str, now: datetime) -> float | None:
    """Returns the share of sun in what a car has charged of late; None: nothing at all."""
    row = (
        await session.execute(
            sa.select(sa.func.sum(Transaction.solar_wh), sa.func.sum(Transaction.energy_wh)).where(
                Transaction.vehicle_id == vehicle_id, Transaction.started_at >= now - SUN_HISTORY
            )
        )
    ).one()
    solar_wh, energy_wh = row[0] or 0.0, row[1] or 0.0
    return round(min(1.0, solar_wh / energy_wh), 3) if energy_wh > 0 else None
