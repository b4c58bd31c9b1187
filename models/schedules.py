"""How a charging schedule goes on that can be changed as it runs (OCPP 2.1, K28)."""

from __future__ import annotations

import msgspec


class ScheduleUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What changes in a schedule that runs; in the unit of its profile. None: as it is.

    A value without a phase is for all of them, or for L1 where others have one of their own.
    """

    limit: float | None = None
    limit_l2: float | None = None
    limit_l3: float | None = None
    discharge_limit: float | None = None
    """Not above 0, as all that flows out of the car."""
    discharge_limit_l2: float | None = None
    discharge_limit_l3: float | None = None
    setpoint: float | None = None
    """What is to flow, where a limit is what may."""
    setpoint_l2: float | None = None
    setpoint_l3: float | None = None
    setpoint_reactive: float | None = None
    setpoint_reactive_l2: float | None = None
    setpoint_reactive_l3: float | None = None
