"""What cars have asked for and mean to do, as it is shown."""

from __future__ import annotations

from typing import Any

from models.tables.needs import EvNeeds, EvSchedule

_NEEDS = (
    *("station", "evse_id", "transaction_id", "received_at", "measured_at", "answer"),
    *("transfer_mode", "departure_at", "energy_wh", "soc_pct", "target_soc_pct", "capacity_wh"),
    *("max_power_w", "max_discharge_w", "max_current_a", "max_voltage_v", "control_mode"),
    *("max_periods", "parameters"),
)
_SCHEDULE = (
    *("station", "evse_id", "transaction_id", "received_at", "base_at", "answer", "rate_unit"),
    *("duration_s", "schedule_id", "selected_id", "periods", "limit_id", "exceeds_at"),
)


def needs_resource(row: EvNeeds) -> dict[str, Any]:
    """Returns what a car wanted."""
    return {name: getattr(row, name) for name in _NEEDS}


def schedule_resource(row: EvSchedule) -> dict[str, Any]:
    """Returns how a car meant to charge."""
    return {name: getattr(row, name) for name in _SCHEDULE}
