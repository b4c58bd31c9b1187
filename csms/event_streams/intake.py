"""Takes in streams and their values.

A value is a row, written with all others of its batch at once. Values say nothing that others are
told of by events; that a stream was opened or closed does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.event_streams.queries import stream_resource
from csms.event_streams.rules import StreamRow, closed, listed, opened, told
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer, VerdictAnswer
from models.facts import Fact
from models.facts.event_streams import (
    StreamAdjusted,
    StreamClosed,
    StreamOpened,
    StreamsListed,
    StreamValuesReported,
)
from models.tables.event_streams import EventStream, StreamValue


class ValueRow(msgspec.Struct, frozen=True):
    """One value of a stream."""

    station: str
    stream_id: int
    measured_at: datetime
    received_at: datetime
    value: str


_STREAMS = RowKind(
    EventStream.__table__,
    StreamRow,
    key=("station", "stream_id"),
    mutable=StreamRow.__struct_fields__[2:],
    often=("told", "pending", "last_value_at", "updated_at"),
)
STREAMS_MAX = 100
"""So many streams of a station are kept; of others neither they nor their values."""
_VALUES = RowKind(StreamValue.__table__, ValueRow, key=("id",))


class OpenedDecider:
    """A station is about to send values."""

    def load(self, batch: Batch, facts: Sequence[StreamOpened]) -> None:
        """Fetches the stream, if there was one of its number."""
        _load(batch, ((fact.station, fact.stream.stream_id) for fact in facts))

    def decide(self, batch: Batch, fact: StreamOpened, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Takes it: what is sent is kept, unless there are too many."""
        if not _has_room(batch, fact.station, fact.stream.stream_id):
            return VerdictAnswer(accepted=False)
        _keep(batch, fact, opened(fact.station, fact.stream, fact.received_at), "opened")
        return VerdictAnswer(accepted=True)


class ClosedDecider:
    """A station sends no more values."""

    def load(self, batch: Batch, facts: Sequence[StreamClosed]) -> None:
        """Fetches the stream."""
        _load(batch, ((fact.station, fact.stream_id) for fact in facts))

    def decide(self, batch: Batch, fact: StreamClosed, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Closes it; its values stay."""
        former = batch.rows(_STREAMS).get((fact.station, fact.stream_id))
        if former is not None and former.closed_at is None:
            _keep(batch, fact, closed(former, fact.received_at), "closed")
        return EMPTY


class AdjustedDecider:
    """A station has taken another pace."""

    def load(self, batch: Batch, facts: Sequence[StreamAdjusted]) -> None:
        """Fetches the stream."""
        _load(batch, ((fact.station, fact.stream_id) for fact in facts))

    def decide(self, batch: Batch, fact: StreamAdjusted, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what was given of the pace."""
        former = batch.rows(_STREAMS).get((fact.station, fact.stream_id))
        if former is not None:
            after = msgspec.structs.replace(
                former,
                interval_s=former.interval_s if fact.interval_s is None else fact.interval_s,
                values_max=former.values_max if fact.values_max is None else fact.values_max,
                updated_at=fact.received_at,
            )
            batch.rows(_STREAMS).put(after)
        return EMPTY


class ListedDecider:
    """A station has told all streams that are open."""

    def load(self, batch: Batch, facts: Sequence[StreamsListed]) -> None:
        """Fetches all streams of these stations."""
        _load(batch, ((fact.station, each.stream_id) for fact in facts for each in fact.streams))
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        batch.rows(_STREAMS).find(("station",), [fact.station for fact in facts])

    def decide(self, batch: Batch, fact: StreamsListed, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what is open, and closes the rest."""
        rows, now = batch.rows(_STREAMS), fact.received_at
        there = {each.stream_id for each in fact.streams}
        for stream in fact.streams:
            if not _has_room(batch, fact.station, stream.stream_id):
                continue
            former = rows.get((fact.station, stream.stream_id))
            after = listed(former, fact.station, stream, now)
            if former is None or former.closed_at is not None:
                _keep(batch, fact, after, "opened")
            else:
                rows.put(after)
        for former in rows.group(fact.station):
            if former.stream_id not in there and former.closed_at is None:
                _keep(batch, fact, closed(former, now), "closed")
        return EMPTY


class ValuesDecider:
    """A station sends values."""

    def load(self, batch: Batch, facts: Sequence[StreamValuesReported]) -> None:
        """Fetches the streams."""
        _load(batch, ((fact.station, fact.stream_id) for fact in facts))

    def decide(self, batch: Batch, fact: StreamValuesReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps them all."""
        rows = batch.rows(_STREAMS)
        if not _has_room(batch, fact.station, fact.stream_id):
            return EMPTY
        for measured_at, value in fact.values:
            row = ValueRow(fact.station, fact.stream_id, measured_at, fact.received_at, value)
            batch.add(_VALUES, row)
        rows.put(told(rows.get((fact.station, fact.stream_id)), fact))
        return EMPTY


def _load(batch: Batch, keys: Iterable[tuple[str, int]]) -> None:
    wanted = list(keys)
    batch.rows(BRIEFS).load(station for station, _ in wanted)
    rows = batch.rows(_STREAMS)
    rows.load(wanted)
    # Only who tells of a new one is asked how many there are: values come all the time.
    rows.find(("station",), {key[0] for key in wanted if rows.get(key) is None})


def _has_room(batch: Batch, station: str, stream_id: int) -> bool:
    """Returns whether a stream is kept; where there are too many, what was closed first goes."""
    return batch.rows(_STREAMS).make_room(
        (station, stream_id), STREAMS_MAX, lambda row: row.closed_at
    )


def _keep(batch: Batch, fact: Fact, row: StreamRow, what: str) -> None:
    batch.rows(_STREAMS).put(row)
    brief = batch.rows(BRIEFS).get(fact.station)
    if brief is not None:
        batch.emit(
            "event_stream.opened" if what == "opened" else "event_stream.closed",
            subject=f"station/{fact.station}",
            resource=stream_resource(cast("Any", row)),
            site_id=brief.site_id,
            tenant=brief.tenant_id,
        )
