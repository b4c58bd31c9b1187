"""Sites: their circuits, roofs, measurements, forecasts and prices."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
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
    phase_limits_w: Mapped[list[Any] | None]
    """Of the import, on L1, L2 and L3; null: none."""
    pv_plants: Mapped[list[Any]] = mapped_column(default=list)
    """Each: `peak_power_w`, `tilt_deg`, `azimuth_deg` (180 = south)."""
    shared_plant_id: Mapped[str | None]
    """Of which plant it has a part, in place of roofs of its own; null: of none."""
    solar_share: Mapped[float | None]
    """Which part."""
    shared_roofs: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """That part of each roof of the plant, as in `pv_plants`."""
    battery: Mapped[dict[str, Any] | None]
    """As in a planning problem, or null."""
    flexible_loads: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """Each: `id`, `max_power_w`, `store_wh`, `loss_w`."""
    peak_price_per_kw: Mapped[Decimal] = mapped_column(
        default=Decimal(0), server_default=sa.text("'0'")
    )
    """Paid for the largest import of a month, the mean of a quarter of an hour."""
    co2_price_per_kg: Mapped[Decimal] = mapped_column(
        default=Decimal(0), server_default=sa.text("'0'")
    )
    """What a kilogram of CO2 of the import counts in plans."""
    move_price: Mapped[Decimal | None]
    """What it costs that staff moves a car between EVSEs once; null: nobody moves cars."""
    move_hours: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """When staff is there: each `days`, `start`, `end`, by the clocks of the site; none: always."""
    tariff_id: Mapped[str | None]
    master_pass: Mapped[str | None]
    """A group (`IdToken.parent`) whose tokens may end every transaction, and begin none."""
    plug_and_charge: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    """Whether contracts in cars (ISO 15118) are taken as tokens."""
    promise_probability: Mapped[float] = mapped_column(default=0.99, server_default=sa.text("0.99"))
    """How surely a booking from here is to be kept when it is accepted."""
    shadow: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether plans are made for it and nothing is commanded by them."""
    follow_surplus: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    """Whether cars follow the sun that is measured, between plans."""


class SharedPlant(Kept, Base):
    """A PV plant of which several sites have a part."""

    __tablename__ = "shared_plant"
    name: Mapped[str]
    pv_plants: Mapped[list[Any]]
    """As those of a site."""
    shares: Mapped[list[Any]]
    """Each: `site_id`, `share`; the site keeps its own, too."""
    key: Mapped[str] = mapped_column(default="fixed")
    """`fixed`, or `by_need`."""
    dealings: Mapped[list[Any]] = mapped_column(default=list)
    """How it was dealt and is, oldest first. Each: `since`, `key`, `site_ids`."""


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
    phase_limits_w: Mapped[list[Any] | None]
    """Of L1, L2 and L3; null: none."""


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


class SitePeak(Base):
    """The largest import of a site in a month, as its meter said so far."""

    __tablename__ = "site_peak"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    month: Mapped[datetime] = mapped_column(primary_key=True)
    """Its first instant, in the site's time zone."""
    import_w: Mapped[float]
    """The mean of a quarter of an hour."""
    start: Mapped[datetime]
    """When that began."""
    updated_at: Mapped[datetime]


class BatteryState(Base):
    """What was last reported of a site's battery."""

    __tablename__ = "battery_state"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    soc_wh: Mapped[float]
    power_w: Mapped[float | None]
    """Positive: it charges."""
    measured_at: Mapped[datetime]
    received_at: Mapped[datetime]


class FlexibleState(Base):
    """What was last reported of a load with a store, in the electricity that it takes."""

    __tablename__ = "flexible_state"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    load_id: Mapped[str] = mapped_column(primary_key=True)
    stored_wh: Mapped[float]
    power_w: Mapped[float | None]
    start: Mapped[datetime]
    """Of `demand_w`."""
    step_minutes: Mapped[int]
    demand_w: Mapped[list[Any]]
    """What is expected to be taken out of the store."""
    measured_at: Mapped[datetime]
    received_at: Mapped[datetime]


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
    """`own`, or as pushed and fetched forecasts name it."""
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
    asked_at: Mapped[datetime | None]
    """When a plug-in was last asked; NULL: the source is none."""
    told_at: Mapped[datetime | None]
    """When it last told something that is planned with."""
    failure: Mapped[str | None]
    """Why it did not the last time; NULL: it did."""
    failing_since: Mapped[datetime | None]


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
    ends_at: Mapped[datetime]
    """When its last step is over."""
    __table_args__ = (
        sa.Index(None, "site_id", "issued_at"),
        sa.Index(None, "site_id", "ends_at"),
    )
