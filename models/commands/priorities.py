"""Commands about who charges before others, and about limits that change as they run (2.1)."""

from __future__ import annotations

from models.commands.base import Command
from models.schedules import ScheduleUpdate


class UsePriority(Command, frozen=True, kw_only=True):
    """Let a transaction draw what its EVSE can give, whatever limits it has; or do so no longer."""

    ocpp_transaction_id: str
    activate: bool


class SetPriorityLimit(Command, frozen=True, kw_only=True):
    """Keep to this limit, and no other, where a transaction has priority."""

    evse_id: int
    profile_id: int
    limit_w: float


class UpdateSchedule(Command, frozen=True, kw_only=True):
    """Go on with a dynamic profile by these values."""

    profile_id: int
    update: ScheduleUpdate
    evse_id: int | None = None
    """Of the EVSE that the profile is for, where somebody has said so; not told to the station."""
