"""A car: its battery, what it takes from a charger, and what a trip takes from it.

The battery accepts the most that the car can take (its fast-charge power) up to 80 % and then
ever less, down to a tenth when full: a slow AC charge is held back only in the last percents, a
fast one from 80 % on, as in cars of this size. Where a car goes is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

TAPER_FROM = 0.80
TAPER_FLOOR = 0.10


@dataclass(slots=True)
class Car:
    """One car; changed only by the world."""

    id: str
    model_id: str
    vehicle_class: str
    token: str
    """What its card says to a station."""
    capacity_wh: float
    max_ac_power_w: float
    max_dc_power_w: float
    consumption_wh_per_km: float
    charge_efficiency: float
    soc_wh: float
    odometer_km: float
    site_id: str | None
    """Where it stands; None on the road."""
    plug: tuple[str, int] | None = None
    """Station and EVSE that hold it, if any."""

    @property
    def soc_pct(self) -> float:
        """State of charge in percent, as exact as a good dashboard shows it."""
        return round(100 * self.soc_wh / self.capacity_wh, 1)

    def accepts_w(self, current_type: str) -> float:
        """Returns the most that the car would draw now from an unlimited EVSE, in watts."""
        level = self.soc_wh / self.capacity_wh
        if level >= 1:
            return 0.0
        most_w = max(self.max_dc_power_w, self.max_ac_power_w)
        if level > TAPER_FROM:
            left = (1 - level) / (1 - TAPER_FROM)
            most_w *= TAPER_FLOOR + (1 - TAPER_FLOOR) * left
        own_w = self.max_dc_power_w if current_type == "DC" else self.max_ac_power_w
        return min(own_w, most_w)

    def charge(self, power_w: float, seconds: float) -> float:
        """Stores what flows in and returns the energy drawn at the charger, in watt-hours."""
        drawn_wh = power_w * seconds / 3600
        room_wh = (self.capacity_wh - self.soc_wh) / self.charge_efficiency
        drawn_wh = min(drawn_wh, room_wh)
        self.soc_wh = min(self.capacity_wh, self.soc_wh + drawn_wh * self.charge_efficiency)
        return drawn_wh

    def trip_energy_wh(self, distance_km: float, factor: float) -> float:
        """Returns what a trip takes from the battery, given the driver's consumption factor."""
        return distance_km * self.consumption_wh_per_km * factor

    def drive(self, distance_km: float, energy_wh: float) -> None:
        """Puts a finished trip on the odometer and takes it from the battery (never below 0)."""
        self.odometer_km += distance_km
        self.soc_wh = max(0.0, self.soc_wh - energy_wh)
