"""What limits stations hold, whoever has put them there, and limits from elsewhere (2.x)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from models.facts import Fact


class HeldPeriod(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """From `start_s` after the schedule's start on."""

    start_s: int
    limit_w: float | None
    """None: this period has none."""
    phases: int | None = None


class HeldSchedule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A limit over time.

    What is told in A counts at the nominal voltage, for three phases where it does not say.
    """

    start_at: datetime | None
    """None: it begins with the transaction, or has begun."""
    duration_s: int | None
    """None: until it is replaced."""
    rate_unit: str
    """In which it was told: W or A."""
    periods: tuple[HeldPeriod, ...]


class HeldLimit(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One limit in a station's box."""

    profile_id: int
    purpose: str
    """`transaction`, `default`, `station`, `external`, `priority` or `local-generation`."""
    stack_level: int
    kind: str
    """Absolute, Recurring, Relative or Dynamic (2.1)."""
    recurrence: str | None
    """Daily or Weekly."""
    valid_from: datetime | None
    valid_to: datetime | None
    ocpp_transaction_id: str | None
    schedules: tuple[HeldSchedule, ...]


class HeldLimitsReported(Fact, frozen=True, gc=False, kw_only=True):
    """One part of the limits that a station holds."""

    request_id: int
    last: bool
    evse_id: int
    source: str
    """Who has set them: CSO (us), EMS, SO and so on."""
    limits: tuple[HeldLimit, ...]


class OutsideLimitReported(Fact, frozen=True, gc=False, kw_only=True):
    """Somebody else limits a station: an energy manager, or who runs the grid."""

    source: str
    evse_id: int
    grid_critical: bool | None
    local_generation: bool | None
    """2.1: the limit is what a roof or the like gives."""
    schedules: tuple[HeldSchedule, ...]
    """Empty: it does not say how much."""


class OutsideLimitCleared(Fact, frozen=True, gc=False, kw_only=True):
    """A limit from elsewhere is over."""

    source: str
    evse_id: int | None
    """None: wherever it held."""
