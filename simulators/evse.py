"""One EVSE: a cable, a meter, perhaps a car and a transaction, and the power that flows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from simulators.notices import ChargingState, ConnectorStatus, Sample, Transaction
from simulators.profiles import VOLTAGE_V
from simulators.scenario import StationKind
from simulators.vehicle import Car

DrawHook = Callable[[Car, datetime, float, float], None]
"""Told each piece of energy that flowed: car, when it began, its seconds, Wh at the EVSE."""
NOTEWORTHY_W = 50.0
"""A change of power by more than this makes a meter interesting again."""


@dataclass(slots=True)
class Evse:
    """Changed only by its station."""

    evse_id: int
    max_power_w: float
    min_power_w: float
    current_type: str
    phases: int
    reports_soc: bool
    operative: bool = True
    faulted: bool = False
    reserved: bool = False
    """Kept free for somebody."""
    car: Car | None = None
    transaction: Transaction | None = None
    finished: bool = False
    """The cable is in, but its transaction is over."""
    awaited: tuple[str, int | None, datetime] | None = None
    """Token, remote start id and deadline of a remote start that waits for a cable."""
    power_w: float = 0.0
    allowed_w: float = math.inf
    register_wh: float = 0.0
    changed_at: datetime | None = None
    """When the power last changed by a noteworthy amount."""
    told: tuple[ConnectorStatus, ChargingState] | None = None
    """The last status that was put into words."""

    @classmethod
    def of(cls, number: int, kind: StationKind) -> Self:
        """Returns a new EVSE of a kind of station."""
        return cls(
            number,
            kind.max_power_w,
            kind.min_power_w,
            kind.current_type,
            kind.phases,
            kind.reports_soc,
        )

    @property
    def energised(self) -> bool:
        """Whether a transaction is open under which power may flow."""
        return self.transaction is not None and self.transaction.authorised and self.car is not None

    def wants_w(self, allowed_w: float) -> float:
        """Returns what would flow under `allowed_w`: nothing below the least that a car can do."""
        if not self.energised or self.car is None:
            return 0.0
        wanted_w = min(self.max_power_w, self.car.accepts_w(self.current_type), allowed_w)
        # A car that tapers below the minimum still draws what it draws; only a limit cuts it off.
        return 0.0 if allowed_w < self.min_power_w else wanted_w

    def set_power(self, power_w: float, allowed_w: float, at: datetime) -> None:
        """Takes note of what flows from `at` on, and of what was allowed."""
        if abs(power_w - self.power_w) > NOTEWORTHY_W:
            self.changed_at = at
        self.power_w = power_w
        self.allowed_w = allowed_w

    def flow(self, seconds: float) -> float:
        """Lets the present power flow and returns the energy drawn, in watt-hours."""
        if self.car is None or self.power_w <= 0:
            return 0.0
        drawn_wh = self.car.charge(self.power_w, seconds)
        self.register_wh += drawn_wh
        return drawn_wh

    @property
    def charging_state(self) -> ChargingState:
        """The charging state in the words of OCPP 2.x."""
        if self.transaction is None:
            return "Idle"
        if not self.transaction.authorised:
            return "EVConnected"
        if self.power_w > 0:
            return "Charging"
        return "SuspendedEVSE" if self.allowed_w < self.min_power_w else "SuspendedEV"

    @property
    def status(self) -> ConnectorStatus:
        """The connector's status."""
        if self.transaction is not None:
            return "Occupied"
        if self.faulted:
            return "Faulted"
        if not self.operative:
            return "Unavailable"
        if self.car is not None:
            return "Finishing" if self.finished else "Preparing"
        return "Reserved" if self.reserved else "Available"

    @property
    def in_service(self) -> bool:
        """Whether it could serve a car."""
        return self.operative and not self.faulted

    @property
    def idle(self) -> bool:
        """Whether it could serve a car that came now."""
        return self.in_service and self.car is None and self.transaction is None

    def sample(self, at: datetime) -> Sample:
        """Returns what the meter shows."""
        soc_pct = None if self.car is None or not self.reports_soc else self.car.soc_pct
        return Sample(
            measured_at=at,
            energy_wh=int(self.register_wh),
            power_w=round(self.power_w, 1),
            current_a=round(self.power_w / (VOLTAGE_V * self.phases), 2),
            voltage_v=VOLTAGE_V,
            phases=self.phases,
            soc_pct=soc_pct,
        )
