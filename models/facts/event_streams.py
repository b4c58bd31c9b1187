"""Facts about values that stations send all the time (periodic event streams; OCPP 2.1, N11)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from models.facts import Fact


class StreamState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A stream as a station tells of it."""

    stream_id: int
    monitor_id: int
    """Which of its monitors the values are of."""
    interval_s: int | None = None
    values_max: int | None = None


class StreamOpened(Fact, frozen=True, gc=False, kw_only=True):
    """A station is about to send values."""

    stream: StreamState


class StreamClosed(Fact, frozen=True, gc=False, kw_only=True):
    """A station sends no more values of a stream."""

    stream_id: int


class StreamAdjusted(Fact, frozen=True, gc=False, kw_only=True):
    """A station has taken another pace for a stream."""

    stream_id: int
    interval_s: int | None
    values_max: int | None


class StreamsListed(Fact, frozen=True, gc=False, kw_only=True):
    """A station has told all streams that are open; others are not any more."""

    streams: tuple[StreamState, ...]


class StreamValuesReported(Fact, frozen=True, gc=False, kw_only=True):
    """Values of a stream, the earliest first."""

    stream_id: int
    values: tuple[tuple[datetime, str], ...]
    """When, and what the variable was."""
    pending: int
    """How many more the station has."""
