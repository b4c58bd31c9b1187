"""The truth about a run: what really happened, step by step, whatever the service believed.

The world writes it down as it goes; reports and baselines are computed from it elsewhere. All
series have one value per step of 15 minutes from the start of the world, averages for power.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from models.timeline import StepGrid
from simulators.limits import LimitTruth

STEP_MINUTES = 15

Outcome = Literal["served", "missed", "cancelled", "open", "refused"]


@dataclass(frozen=True, slots=True)
class HeatTruth:
    """What kept a building warm."""

    heat_w: tuple[float, ...]
    electric_w: tuple[float, ...]
    """What a heat pump drew; it is part of the building's load."""
    fuel_w: tuple[float, ...]
    """What a boiler burnt."""
    fuel_price_per_kwh: float
    fuel_co2_g_per_kwh: float


@dataclass(frozen=True, slots=True)
class BatteryTruth:
    """What the battery of a site did."""

    power_w: tuple[float, ...]
    """Positive when it charges."""
    stored_wh: float
    """At the end."""


@dataclass(frozen=True, slots=True)
class SiteTruth:
    """A site: what sun and building did, what cars drew, and the prices."""

    id: str
    name: str
    pv_power_w: tuple[float, ...]
    load_power_w: tuple[float, ...]
    charging_power_w: tuple[float, ...]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    import_co2_g_per_kwh: tuple[float, ...]
    import_limit_w: float
    export_limit_w: float
    battery: BatteryTruth | None = None
    heat: HeatTruth | None = None


@dataclass(frozen=True, slots=True)
class PlugTruth:
    """A time in which a car hung on an EVSE that had power."""

    site_id: str
    evse_id: str
    """`IDENTITY/EVSE`."""
    current_type: str
    from_at: datetime
    to_at: datetime
    max_power_w: float
    """The least of car and EVSE."""
    min_power_w: float


@dataclass(frozen=True, slots=True)
class TripTruth:
    """A trip as it was driven; one under way at the end ends after it."""

    booking_id: str
    start: datetime
    end: datetime
    distance_km: float
    energy_wh: float
    """Taken from the battery."""
    priority: int = 1


@dataclass(frozen=True, slots=True)
class CarTruth:
    """A car: where it hung, where it went, what it drew."""

    id: str
    vehicle_class: str
    capacity_wh: float
    min_soc_wh: float
    max_soc_wh: float
    soc_start_wh: float
    soc_end_wh: float
    """At the end of the run; a car on the road counts with what it returns with."""
    charge_efficiency: float
    max_ac_power_w: float
    max_dc_power_w: float
    plugs: tuple[PlugTruth, ...]
    trips: tuple[TripTruth, ...]
    energy_wh: tuple[float, ...]
    """Drawn at the charger, per step."""


@dataclass(frozen=True, slots=True)
class BookingTruth:
    """A request for a car and what became of it."""

    booking_id: str | None
    wish_id: str
    driver_id: str
    asked_at: datetime
    start: datetime
    end: datetime
    pickup_site_id: str
    dropoff_site_id: str
    distance_km: float
    alternative: bool
    """Whether it is an alternative that was taken instead of what was asked."""
    outcome: Outcome
    vehicle_id: str | None
    reason: str
    """Why it was refused or missed; else empty."""
    could_have: tuple[str, ...] = ()
    """Cars that the oracle found for who came and got none (`simulators.oracle`)."""


@dataclass(frozen=True, slots=True)
class OutageTruth:
    """A station that was dead or alone."""

    kind: str
    station: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class MoveTruth:
    """A car that staff was asked to move."""

    site_id: str
    vehicle_id: str
    from_evse: str | None
    """`IDENTITY/EVSE`; None: it was parked without one."""
    to_evse: str | None
    at: datetime
    outcome: Literal["made", "refused"]
    price: float


@dataclass(frozen=True, slots=True)
class CircuitTruth:
    """A fuse, and what it had to bear."""

    id: str
    limit_w: float
    peak_w: float
    over_limit_s: float
    """How long more than the limit flowed."""
    beyond_reaction_s: float
    """How much of that came after a stretch as long as the slowest station takes to react."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that happened."""

    scenario: str
    seed: int
    faults: tuple[str, ...]
    quirks: dict[str, tuple[str, ...]]
    """Of stations that have any."""
    currency: str
    soc_value_per_kwh: float
    grid: StepGrid
    sites: tuple[SiteTruth, ...]
    cars: tuple[CarTruth, ...]
    bookings: tuple[BookingTruth, ...]
    limits: tuple[LimitTruth, ...]
    outages: tuple[OutageTruth, ...]
    circuits: tuple[CircuitTruth, ...]
    messages: dict[str, int] = field(default_factory=dict[str, int])
    """Calls in both directions, per OCPP version."""
    moves: tuple[MoveTruth, ...] = ()
    complaints: tuple[str, ...] = ()
    """What the service said or refused against the specification, in words."""

    def outcomes(self) -> Counter[Outcome]:
        """Returns how many requests ended how."""
        return Counter(booking.outcome for booking in self.bookings)
