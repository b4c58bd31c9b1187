"""Cars and the people who drive them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class VehicleModel(Kept, Base):
    """What cars of one model have in common."""

    __tablename__ = "vehicle_model"
    name: Mapped[str]
    vehicle_class: Mapped[str]
    battery_capacity_wh: Mapped[float]
    max_ac_power_w: Mapped[float]
    max_dc_power_w: Mapped[float] = mapped_column(default=0.0)
    consumption_wh_per_km: Mapped[float]
    charge_efficiency: Mapped[float] = mapped_column(default=0.9)
    min_soc_pct: Mapped[float] = mapped_column(default=10.0)
    """The reserve that a plan never spends."""
    ac_phases: Mapped[int] = mapped_column(default=3, server_default=sa.text("3"))
    """On how many its on-board charger can charge."""
    taper: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """Points `soc_pct`, `power_w` of the most power that the battery takes; empty: not known."""


class Vehicle(Kept, Base):
    """A car of the fleet, with the state it was last known in."""

    __tablename__ = "vehicle"
    model_id: Mapped[str] = mapped_column(sa.ForeignKey("vehicle_model.id"))
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id"), index=True)
    """Its home."""
    registration: Mapped[str | None]
    at_site_id: Mapped[str | None] = mapped_column(sa.ForeignKey("site.id"), index=True)
    """Where it stands; null while it is on the road."""
    soc_pct: Mapped[float | None]
    odometer_km: Mapped[float | None]
    plugged_evse: Mapped[str | None]
    """`IDENTITY/EVSE`, or null."""
    measured_at: Mapped[datetime | None]
    source: Mapped[str | None]
    """`manual`, `charger`, `push` or `estimate`."""
    returned_at: Mapped[datetime | None]
    """When its last return to a site was reported."""


class Driver(Kept, Base):
    """A person who books cars."""

    __tablename__ = "driver"
    name: Mapped[str]
    email: Mapped[str | None]
