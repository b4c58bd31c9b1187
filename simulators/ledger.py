"""The world's ledger: who drew what, when, where, and what became of every request.

Written by the world and its driver as things happen; turned into a `scorecard.Truth` at the end.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from simulators.faults import Outage
from simulators.scorecard import (
    STEP_MINUTES,
    BookingTruth,
    CarTruth,
    MoveTruth,
    PlugTruth,
    TripTruth,
)
from simulators.station import Station
from simulators.vehicle import Car

STEP = timedelta(minutes=STEP_MINUTES)


@dataclass(slots=True)
class CarPage:
    """What is written down about one car."""

    car: Car
    soc_start_wh: float
    energy_wh: array[float]
    """In each step; doubles, since a day of hundreds of cars is many."""
    plugs: list[PlugTruth] = field(default_factory=list[PlugTruth])
    trips: list[TripTruth] = field(default_factory=list[TripTruth])
    plugged: PlugTruth | None = None
    """The plug that has not ended yet; its end is its beginning."""
    away_wh: float = 0.0
    """What the trip under way will take."""


class Ledger:
    """Everything that happened so far."""

    def __init__(
        self, cars: Iterable[Car], sites: tuple[str, ...], start: datetime, days: int
    ) -> None:
        self.start = start
        self.steps = days * 24 * 60 // STEP_MINUTES
        self.cars = {car.id: CarPage(car, car.soc_wh, _zeros(self.steps)) for car in cars}
        self.site_energy_wh = {site: _zeros(self.steps) for site in sites}
        self.bookings: dict[str, BookingTruth] = {}
        """By wish; a wish has one fate."""
        self.outages: list[Outage] = []
        self.moves: list[MoveTruth] = []
        self.drawn_wh = dict.fromkeys(sites, 0.0)
        """By the cars of each site since the start."""
        self._drawn_wh = dict.fromkeys(sites, 0.0)

    def drew(self, car: Car, site_id: str, at: datetime, energy_wh: float) -> None:
        """Notes energy that flowed into a car, in the step in which the piece began."""
        step = min(self.steps - 1, (at - self.start) // STEP)
        self.cars[car.id].energy_wh[step] += energy_wh
        self.site_energy_wh[site_id][step] += energy_wh
        self.drawn_wh[site_id] += energy_wh
        self._drawn_wh[site_id] += energy_wh

    def take_drawn_wh(self, site_id: str) -> float:
        """Returns what the cars of a site drew since the last call."""
        drawn_wh, self._drawn_wh[site_id] = self._drawn_wh[site_id], 0.0
        return drawn_wh

    def plugged(self, car: Car, site_id: str, station: Station, evse_id: int, at: datetime) -> None:
        """Notes that a car hangs on an EVSE with power."""
        kind = station.kind
        own_w = car.max_dc_power_w if kind.current_type == "DC" else car.max_ac_power_w
        self.cars[car.id].plugged = PlugTruth(
            site_id=site_id,
            evse_id=f"{station.identity}/{evse_id}",
            current_type=kind.current_type,
            from_at=at,
            to_at=at,
            max_power_w=min(kind.max_power_w, own_w),
            min_power_w=kind.min_power_w,
        )

    def unplugged(self, car: Car, at: datetime) -> None:
        """Notes that the cable is out, or dead."""
        page = self.cars[car.id]
        if page.plugged is not None and at > page.plugged.from_at:
            page.plugs.append(replace(page.plugged, to_at=at))
        page.plugged = None

    def departed(
        self,
        booking_id: str,
        car: Car,
        *,
        at: datetime,
        back_at: datetime,
        distance_km: float,
        energy_wh: float,
    ) -> None:
        """Notes a trip as it begins."""
        page = self.cars[car.id]
        page.trips.append(TripTruth(booking_id, at, back_at, distance_km, energy_wh))
        page.away_wh = energy_wh

    def arrived(self, car: Car, at: datetime) -> None:
        """Notes that a trip has ended."""
        page = self.cars[car.id]
        page.trips[-1] = replace(page.trips[-1], end=at)
        page.away_wh = 0.0

    def fate(self, booking: BookingTruth) -> None:
        """Notes what has become of a request so far; the last word counts."""
        self.bookings[booking.wish_id] = booking

    def truth_of_cars(self, min_soc_pct: float) -> tuple[CarTruth, ...]:
        """Returns the pages of all cars."""
        return tuple(
            CarTruth(
                id=page.car.id,
                vehicle_class=page.car.vehicle_class,
                capacity_wh=page.car.capacity_wh,
                min_soc_wh=page.car.capacity_wh * min_soc_pct / 100,
                max_soc_wh=page.car.capacity_wh,
                soc_start_wh=page.soc_start_wh,
                soc_end_wh=page.car.soc_wh - page.away_wh,
                charge_efficiency=page.car.charge_efficiency,
                max_ac_power_w=page.car.max_ac_power_w,
                max_dc_power_w=page.car.max_dc_power_w,
                plugs=tuple(page.plugs),
                trips=tuple(page.trips),
                energy_wh=tuple(page.energy_wh),
            )
            for page in self.cars.values()
        )

    def close(self, at: datetime) -> None:
        """Ends all plugs that have not ended."""
        for page in self.cars.values():
            self.unplugged(page.car, at)


def _zeros(steps: int) -> array[float]:
    return array("d", bytes(8 * steps))
