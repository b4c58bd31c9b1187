"""Streams and their values, as they are shown."""

from __future__ import annotations

from typing import Any

from csms.event_streams.rules import rate_per_minute
from models.tables.event_streams import EventStream, StreamValue


def stream_resource(row: EventStream) -> dict[str, Any]:
    """Returns a stream of a station."""
    return {
        "id": row.stream_id,
        "station": row.station,
        "monitor_id": row.monitor_id,
        "interval_s": row.interval_s,
        "values_max": row.values_max,
        "open": row.closed_at is None,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "told": row.told,
        "rate_per_minute": rate_per_minute(row.told, row.opened_at, row.last_value_at),
        "pending": row.pending,
        "last_value_at": row.last_value_at,
        "updated_at": row.updated_at,
    }


def value_resource(row: StreamValue) -> dict[str, Any]:
    """Returns one value of a stream."""
    return {
        "id": str(row.id),
        "measured_at": row.measured_at,
        "received_at": row.received_at,
        "value": row.value,
    }
