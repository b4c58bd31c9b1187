"""What people and faults do in a town: bookings that stand, and what happens at an instant.

Pure data; `simulators.world` puts it on its time line, `simulators.driver` plays it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from simulators.faults import Outage
from simulators.people import Wish
from simulators.vehicle import Car

RANGE_KEPT_SHARE = 0.03
"""Nobody drives off who would come back with less than this share of the battery."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking that the service has accepted."""

    id: str
    wish: Wish
    start: datetime
    end: datetime
    pickup_site_id: str
    dropoff_site_id: str
    distance_km: float
    vehicle_class: str | None
    alternative: bool

    def needs_wh(self, car: Car) -> float:
        """Returns the Wh that the trip takes by the mean of a car, or in truth where that is more.

        The first is the range that the car shows to who comes for it; the second nobody knows.
        """
        return car.trip_energy_wh(self.distance_km, max(1.0, self.wish.habits.consumption_factor))


@dataclass(frozen=True, slots=True)
class Asks:
    """Somebody asks for a car."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class CallsOff:
    """Somebody cancels a booking."""

    booking: Booking


@dataclass(frozen=True, slots=True)
class Departs:
    """Somebody comes for a car; `attempt` counts from 0."""

    booking: Booking
    attempt: int


@dataclass(frozen=True, slots=True)
class Returns:
    """A car comes back."""

    booking: Booking
    car: Car
    energy_wh: float


@dataclass(frozen=True, slots=True)
class PlugsIn:
    """Somebody notices a car that was not plugged in."""

    car: Car
    returned_at: datetime


@dataclass(frozen=True, slots=True)
class Breaks:
    """An outage begins or ends."""

    outage: Outage
    begins: bool


Happening = Asks | CallsOff | Departs | Returns | PlugsIn | Breaks
