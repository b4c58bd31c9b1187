"""Facts about who charges before others, and about limits that change as they run (2.1)."""

from __future__ import annotations

from models.facts import Fact
from models.schedules import ScheduleUpdate


class PriorityReported(Fact, frozen=True, gc=False, kw_only=True):
    """A transaction has priority, or has it no longer: a driver's wish, or ours, that was taken."""

    ocpp_transaction_id: str
    activated: bool


class SchedulePulled(Fact, frozen=True, gc=False, kw_only=True):
    """A station asks how to go on with a dynamic profile."""

    profile_id: int


class ScheduleTold(Fact, frozen=True, gc=False, kw_only=True):
    """A station has been told how to go on with a dynamic profile (made by the courier)."""

    profile_id: int
    evse_id: int | None
    update: ScheduleUpdate
    refused: str | None = None
    """The station's word, where it did not take it."""
