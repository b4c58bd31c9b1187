"""Sites: their circuits, roofs, measurements, forecasts and prices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class Site(Kept, Base):
    """A place with a grid connection where cars stand."""

    __tablename__ = "site"
    name: Mapped[str]
    latitude: Mapped[float]
    longitude: Mapped[float]
    timezone: Mapped[str]
    """IANA name."""
    holiday_region: Mapped[str | None]
    """Whose public holidays people keep, as ISO 3166-1 or -2: `FR`, `DE-BY`; null: none."""
    import_limit_w: Mapped[float]
    export_limit_w: Mapped[float]
    pv_plants: Mapped[list[Any]] = mapped_column(default=list)
    """Each: `peak_power_w`, `tilt_deg`, `azimuth_deg` (180 = south)."""
    battery: Mapped[dict[str, Any] | None]
    """As in a planning problem (DESIGN 4.6), or null."""
    tariff_id: Mapped[str | None]
    master_pass: Mapped[str | None]
    """A group (`IdToken.parent`) whose tokens may end every transaction, and begin none."""
    plug_and_charge: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    """Whether contracts in cars (ISO 15118) are taken as tokens."""


class Circuit(Base):
    """A fuse of a site; circuits form a forest."""

    __tablename__ = "circuit"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    parent: Mapped[str | None]
    limit_w: Mapped[float]
    unmanaged_load_w: Mapped[float] = mapped_column(default=0.0)
    """The most that loads we don't control may draw on this circuit."""


class SiteMeasurement(Base):
    """What the meters of a site said at an instant."""

    __tablename__ = "site_measurement"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    measured_at: Mapped[datetime] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    pv_power_w: Mapped[float | None]
    load_power_w: Mapped[float | None]
    """The building alone, without cars."""
    grid_power_w: Mapped[float | None]
    """Positive: import."""


class Forecast(Base):
    """A series of quantiles for one site, as it was issued."""

    __tablename__ = "forecast"
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id", ondelete="CASCADE"))
    kind: Mapped[str]
    """`pv` or `load`."""
    issued_at: Mapped[datetime]
    source: Mapped[str]
    start: Mapped[datetime]
    step_minutes: Mapped[int]
    q10_w: Mapped[list[Any]]
    q50_w: Mapped[list[Any]]
    q90_w: Mapped[list[Any]]
    doubts: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """Each: `code` and `detail` (`scheduler.forecast.quality.Doubt`); with any, it is left out."""
    __table_args__ = (sa.Index(None, "site_id", "kind", "issued_at"),)


class ForecastSource(Base):
    """How near those who forecast for a site have come to what was measured."""

    __tablename__ = "forecast_source"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    """`pv` or `load`."""
    source: Mapped[str] = mapped_column(primary_key=True)
    """`own`, or as pushed forecasts name it."""
    judged_at: Mapped[datetime]
    judged_until: Mapped[datetime]
    """Forecasts issued before are in the record."""
    hours: Mapped[float]
    """This and what follows: `scheduler.forecast.quality.Record`."""
    measured_wh: Mapped[float]
    error_wh: Mapped[float]
    persistence_error_wh: Mapped[float]
    excess_wh: Mapped[float]
    inside_hours: Mapped[float]
    doubts: Mapped[list[Any]] = mapped_column(default=list)
    """What the record says against it; with any, none of its forecasts counts."""


class PriceSeries(Base):
    """Prices per kWh of one site, as they were issued; later ones win where they overlap."""

    __tablename__ = "price_series"
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("site.id", ondelete="CASCADE"))
    issued_at: Mapped[datetime]
    start: Mapped[datetime]
    step_minutes: Mapped[int]
    currency: Mapped[str]
    import_price_per_kwh: Mapped[list[Any]]
    """Decimals as text."""
    export_price_per_kwh: Mapped[list[Any]]
    import_co2_g_per_kwh: Mapped[list[Any] | None]
    __table_args__ = (sa.Index(None, "site_id", "issued_at"),)
