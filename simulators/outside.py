"""Limits that somebody beside the box sets: an energy manager, or who runs the grid (2.x).

The station obeys them as its own, and tells its central system.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulators.notices import Told
from simulators.profiles import Period, Profile, Purpose
from simulators.station import Station

OUTSIDE_ID = -1
"""Of the one limit from elsewhere that a station has at a time."""
_DURATION_S = 3600


def impose(station: Station, limit_w: float, at: datetime, *, source: str = "EMS") -> None:
    """Limits a whole station for an hour from `at` on."""
    station.set_profile(
        Profile(
            id=OUTSIDE_ID,
            evse_id=0,
            purpose=Purpose.EXTERNAL,
            stack_level=0,
            kind="Absolute",
            periods=(Period(0, limit_w),),
            received_at=at,
            start_at=at,
            duration_s=_DURATION_S,
        ),
        at,
    )
    schedule: dict[str, Any] = {
        "id": 1,
        "start_schedule": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration": _DURATION_S,
        "charging_rate_unit": "W",
        "charging_schedule_period": [{"start_period": 0, "limit": limit_w}],
    }
    limit = {"charging_limit_source": source, "is_grid_critical": source == "SO"}
    told = {"charging_limit": limit, "charging_schedule": [schedule], "evse_id": 0}
    station.outbox.append(Told("NotifyChargingLimit", told))


def release(station: Station, *, source: str = "EMS") -> None:
    """Takes such a limit away."""
    station.limits.clear(profile_id=OUTSIDE_ID, evse_id=None, purpose=None, stack_level=None)
    station.outbox.append(Told("ClearedChargingLimit", {"charging_limit_source": source}))
