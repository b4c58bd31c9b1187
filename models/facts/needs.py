"""Facts about what a car wants, told through its station (ISO 15118; OCPP 2.x, K15 to K17)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from models.facts import Fact


class NeedsReported(Fact, frozen=True, gc=False, kw_only=True):
    """What a car wants to be charged, by when, and what it can take or give."""

    evse_id: int
    measured_at: datetime
    transfer_mode: str
    """As OCPP names it: `AC_three_phase`, `DC_BPT` and so on."""
    departure_at: datetime | None = None
    energy_wh: float | None = None
    """What it wants in all."""
    soc_pct: float | None = None
    target_soc_pct: float | None = None
    capacity_wh: float | None = None
    max_power_w: float | None = None
    """What it can take at most."""
    max_discharge_w: float | None = None
    """What it can give at most (2.1)."""
    max_current_a: float | None = None
    """Per phase where it is AC."""
    max_voltage_v: float | None = None
    control_mode: str | None = None
    """Whether it keeps to schedules, or to what it is told from moment to moment (2.1)."""
    max_periods: int | None = None
    """How many periods a schedule of it can have."""
    parameters: dict[str, Any]
    """All that it said, as OCPP spells it."""


class SchedulePeriod(msgspec.Struct, frozen=True, gc=False):
    """From so many seconds on, this is the most that a car means to take."""

    start_s: int
    limit_w: float | None
    """None: it does not say."""


class CarScheduleReported(Fact, frozen=True, gc=False, kw_only=True):
    """How a car means to charge, within the limits that it was told."""

    evse_id: int
    base_at: datetime
    """What the periods count from."""
    rate_unit: Literal["W", "A"]
    """As it was said."""
    duration_s: int | None = None
    schedule_id: int
    selected_id: int | None = None
    """Of the schedule that it has chosen from those it was offered (2.1)."""
    periods: tuple[SchedulePeriod, ...]
