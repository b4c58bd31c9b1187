"""How stations behave towards the grid, as it is shown."""

from __future__ import annotations

from typing import Any

from models.tables.grid import DerAlarm, DerControl

_CONTROL = (
    *("station", "control_id", "control_type", "is_default", "state", "detail", "wished"),
    *("wished_at", "reported", "reported_at", "superseded", "started", "started_at"),
    "updated_at",
)
_ALARM = (
    *("station", "control_type", "grid_event", "ended", "happened_at", "received_at", "info"),
)


def control_resource(row: DerControl) -> dict[str, Any]:
    """Returns a control of a station."""
    return {name: getattr(row, name) for name in _CONTROL}


def alarm_resource(row: DerAlarm) -> dict[str, Any]:
    """Returns something that the grid has done."""
    return {name: getattr(row, name) for name in _ALARM}
