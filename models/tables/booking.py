"""Bookings: the promise of a car with enough energy, at a place, for a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class Booking(Kept, Base):
    """A driver's claim on some car of a class, `[start, end)`, kept by one car at a time."""

    __tablename__ = "booking"
    driver_id: Mapped[str] = mapped_column(sa.ForeignKey("driver.id"), index=True)
    pickup_site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id"))
    dropoff_site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id"))
    start: Mapped[datetime]
    end: Mapped[datetime]
    distance_km: Mapped[float]
    vehicle_class: Mapped[str | None]
    status: Mapped[str]
    """See `models.states.BOOKING`."""
    vehicle_id: Mapped[str | None] = mapped_column(sa.ForeignKey("vehicle.id"), index=True)
    expected_soc_pct: Mapped[float | None]
    probability_ready: Mapped[float | None]
    """How surely the car is ready, as things stand."""
    probability: Mapped[float | None]
    """How surely the promise was to be kept when it was given."""
    bound_by: Mapped[str | None]
    """What stands against `probability_ready` most: `energy` or `return`."""
    solar_share: Mapped[float | None]
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    """As `csms.booking.told.Kept` says."""
    started_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    started_soc_pct: Mapped[float | None]
    """What the car held when the trip began, where somebody or something has told it."""
    used_wh: Mapped[float | None]
    """What the trip took from the battery, where it was told at both ends."""
    __table_args__ = (
        sa.Index(None, "status", "start"),
        sa.Index(None, "pickup_site_id", "start"),
    )
