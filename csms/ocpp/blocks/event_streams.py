"""N, periodic event streams: values that a station sends all the time (2.1).

Source: OCPP 2.1 part 2, N11 to N14.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.ocpp.fields import given, optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.repair import whole_numbers
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing
from csms.ocpp.wire import v21
from models import answers
from models.commands import event_streams as commands
from models.facts import Fact
from models.facts import event_streams as facts
from models.timeline import shifted

_FARTHEST_S = 366 * 86_400.0
"""A value is hardly a year from its stream's base."""


def _opened(request: v21.OpenPeriodicEventStreamRequest, hearing: Hearing) -> facts.StreamOpened:
    return facts.StreamOpened(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        stream=_state(request.constant_stream_data),
    )


def _state(data: v21.ConstantStreamDataType) -> facts.StreamState:
    return facts.StreamState(
        stream_id=data.id,
        monitor_id=data.variable_monitoring_id,
        interval_s=given(data.params.interval),
        values_max=given(data.params.values),
    )


def _open_answer(
    fact: facts.StreamOpened,  # noqa: ARG001 - the form of all answers
    answer: answers.VerdictAnswer,
) -> msgspec.Struct:
    return v21.OpenPeriodicEventStreamResponse(status="Accepted" if answer.accepted else "Rejected")


def _closed(request: v21.ClosePeriodicEventStreamRequest, hearing: Hearing) -> facts.StreamClosed:
    return facts.StreamClosed(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        stream_id=request.id,
    )


def _values(
    request: v21.NotifyPeriodicEventStreamRequest, hearing: Hearing
) -> facts.StreamValuesReported:
    base_at = hearing.instant(request.basetime)
    return facts.StreamValuesReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        stream_id=request.id,
        values=tuple((_instant(base_at, each.t), each.v) for each in request.data),
        pending=request.pending,
    )


def _instant(base_at: datetime, offset_s: float) -> datetime:
    return shifted(base_at, max(-_FARTHEST_S, min(offset_s, _FARTHEST_S)))


def _adjust(command: commands.AdjustStream) -> msgspec.Struct:
    return v21.AdjustPeriodicEventStreamRequest(
        id=command.stream_id,
        params=v21.PeriodicEventStreamParamsType(
            interval=optional(command.interval_s), values=optional(command.values_max)
        ),
    )


def _adjusted(command: commands.AdjustStream, response: Mapping[str, Any]) -> Outcome:
    outcome = by_status(command, response)

    def told(station: str, at: datetime) -> Fact:
        return facts.StreamAdjusted(
            station=station,
            received_at=at,
            stream_id=command.stream_id,
            interval_s=command.interval_s,
            values_max=command.values_max,
        )

    return msgspec.structs.replace(outcome, tells=told) if outcome.status == "accepted" else outcome


def _read(_command: commands.ReadStreams) -> msgspec.Struct:
    return v21.GetPeriodicEventStreamRequest()


def _listed(_command: commands.ReadStreams, response: Mapping[str, Any]) -> Outcome:
    streams = tuple(
        _state(msgspec.convert(whole_numbers(each), v21.ConstantStreamDataType))
        for each in cast("list[dict[str, Any]]", response.get("constantStreamData") or [])
    )

    def told(station: str, at: datetime) -> Fact:
        return facts.StreamsListed(station=station, received_at=at, streams=streams)

    return Outcome(status="accepted", tells=told)


BLOCK = Block(
    "N. Diagnostics: periodic event streams (2.1)",
    heard=(
        Heard(
            v21.OpenPeriodicEventStreamRequest,
            _opened,
            facts.StreamOpened,
            _open_answer,
            answers.VerdictAnswer,
        ),
        Heard(
            v21.ClosePeriodicEventStreamRequest,
            _closed,
            facts.StreamClosed,
            nothing(v21.ClosePeriodicEventStreamResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v21.NotifyPeriodicEventStreamRequest,
            _values,
            facts.StreamValuesReported,
            # It is a SEND: nobody is told this.
            nothing(v21.ClosePeriodicEventStreamResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(commands.AdjustStream, _adjust, _adjusted, ("AdjustPeriodicEventStream",)),
        Said(commands.ReadStreams, _read, _listed, ("GetPeriodicEventStream",)),
    ),
    sent=("AdjustPeriodicEventStream", "GetPeriodicEventStream"),
)
