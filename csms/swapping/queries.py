"""Batteries that were swapped, as it is shown."""

from __future__ import annotations

from typing import Any

from models.tables.swapping import BatterySwap


def swap_resource(row: BatterySwap) -> dict[str, Any]:
    """Returns one step of a swap."""
    return {
        "station": row.station,
        "request_id": row.request_id,
        "step": row.step,
        "id_token": row.id_token,
        "token_type": row.token_type,
        "batteries": row.batteries,
        "received_at": row.received_at,
    }
