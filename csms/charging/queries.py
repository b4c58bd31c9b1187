"""What others may know of transactions and their readings.

The `*_resource` functions make what events carry and the REST door shows. They take the ORM's rows
and the structs of `csms.charging.rules` alike: both have the columns' names.
"""

from __future__ import annotations

from typing import Any

_SHOWN_TRANSACTION = (
    "id",
    "station",
    "evse_id",
    "connector_id",
    "ocpp_transaction_id",
    "started_at",
    "stopped_at",
    "received_at",
    "updated_at",
    "meter_start_wh",
    "meter_last_wh",
    "energy_wh",
    "solar_wh",
    "power_w",
    "soc_pct",
    "last_reading_at",
    "charging_state",
    "stop_reason",
    "id_token",
    "token_status",
    "vehicle_id",
    "driver_id",
    "command_id",
    "suspect",
)
_SHOWN_READING = (
    "measured_at",
    "received_at",
    "evse_id",
    "context",
    "location",
    "energy_wh",
    "power_w",
    "current_a",
    "voltage_v",
    "soc_pct",
    "other",
    "suspect",
)


def transaction_resource(transaction: Any) -> dict[str, Any]:
    """Returns a transaction as the REST door shows it."""
    return {name: getattr(transaction, name) for name in _SHOWN_TRANSACTION}


def reading_resource(reading: Any) -> dict[str, Any]:
    """Returns a reading as the REST door shows it."""
    return {name: getattr(reading, name) for name in _SHOWN_READING}
