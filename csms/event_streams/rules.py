"""What is known of a stream, after what its station has told."""

from __future__ import annotations

from datetime import datetime

import msgspec

from models.facts.event_streams import StreamState, StreamValuesReported


class StreamRow(msgspec.Struct, frozen=True):
    """A stream; see `models.tables.event_streams.EventStream`."""

    station: str
    stream_id: int
    monitor_id: int | None
    interval_s: int | None
    values_max: int | None
    opened_at: datetime
    closed_at: datetime | None
    told: int
    pending: int
    last_value_at: datetime | None
    updated_at: datetime


def rate_per_minute(told: int, opened_at: datetime, last_at: datetime | None) -> float | None:
    """Returns how many values a minute have come; None before there is a minute to count by."""
    gone_s = 0.0 if last_at is None else (last_at - opened_at).total_seconds()
    return round(told * 60.0 / gone_s, 2) if gone_s >= 1.0 else None


def opened(station: str, stream: StreamState, now: datetime) -> StreamRow:
    """Returns a stream that was opened, also where one of its number was open before."""
    return StreamRow(
        station=station,
        stream_id=stream.stream_id,
        monitor_id=stream.monitor_id,
        interval_s=stream.interval_s,
        values_max=stream.values_max,
        opened_at=now,
        closed_at=None,
        told=0,
        pending=0,
        last_value_at=None,
        updated_at=now,
    )


def listed(former: StreamRow | None, station: str, stream: StreamState, now: datetime) -> StreamRow:
    """Returns a stream that its station says is open."""
    if former is None or former.closed_at is not None:
        return opened(station, stream, now)
    return msgspec.structs.replace(
        former,
        monitor_id=stream.monitor_id,
        interval_s=stream.interval_s,
        values_max=stream.values_max,
        updated_at=now,
    )


def closed(former: StreamRow, now: datetime) -> StreamRow:
    """Returns a stream of which no more comes."""
    if former.closed_at is not None:
        return former
    return msgspec.structs.replace(former, closed_at=now, pending=0, updated_at=now)


def told(former: StreamRow | None, fact: StreamValuesReported) -> StreamRow:
    """Returns a stream after some values; one that speaks is open, whatever was known of it."""
    now = fact.received_at
    if former is None or former.closed_at is not None:
        former = StreamRow(
            station=fact.station,
            stream_id=fact.stream_id,
            monitor_id=former and former.monitor_id,
            interval_s=former and former.interval_s,
            values_max=former and former.values_max,
            opened_at=now,
            closed_at=None,
            told=0,
            pending=0,
            last_value_at=None,
            updated_at=now,
        )
    return msgspec.structs.replace(
        former,
        told=former.told + len(fact.values),
        pending=fact.pending,
        last_value_at=now,
        updated_at=now,
    )
