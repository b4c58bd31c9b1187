"""O, display messages: what a station shows on its screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET

from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.inquiries import report_promised
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers
from models.commands import displays
from models.facts.displays import DisplayAnswered, DisplayMessage, DisplaysReported

_GONE = "Unknown"
"""The message that was to go is not there, or there is nothing to report."""


def displays_reported(
    request: v201.NotifyDisplayMessagesRequest | v21.NotifyDisplayMessagesRequest,
    hearing: Hearing,
) -> DisplaysReported:
    """Returns one part of what a station shows."""
    messages = tuple(_message(each, hearing) for each in request.message_info or ())
    return DisplaysReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        request_id=request.request_id,
        last=not request.tbc,
        messages=messages,
    )


def _message(info: v201.MessageInfoType | v21.MessageInfoType, hearing: Hearing) -> DisplayMessage:
    start, end = info.start_date_time, info.end_date_time
    return DisplayMessage(
        message_id=info.id,
        priority=info.priority,
        state=given(info.state),
        start_at=None if start is UNSET else hearing.instant(start),
        end_at=None if end is UNSET else hearing.instant(end),
        ocpp_transaction_id=given(info.transaction_id),
        format=info.message.format,
        language=given(info.message.language),
        content=info.message.content,
    )


def _show(command: displays.ShowMessage) -> msgspec.Struct:
    message = command.message
    # What 2.1 has beyond 2.0.1 is judged by the schema of the station's own version.
    return v21.SetDisplayMessageRequest(
        message=v21.MessageInfoType(
            id=message.message_id,
            priority=cast("v21.MessagePriorityEnumType", message.priority),
            state=cast("v21.MessageStateEnumType", optional(message.state)),
            start_date_time=optional(message.start_at and wire_time(message.start_at)),
            end_date_time=optional(message.end_at and wire_time(message.end_at)),
            transaction_id=optional(message.ocpp_transaction_id),
            message=v21.MessageContentType(
                format=cast("v21.MessageFormatEnumType", message.format),
                language=optional(message.language),
                content=message.content,
            ),
        )
    )


def _shown(command: displays.ShowMessage, response: Mapping[str, Any]) -> Outcome:
    read = by_status(command, response)
    refused = read.status == "unknown"  # each reason to refuse is a status of its own
    return msgspec.structs.replace(
        read,
        status="rejected" if refused else read.status,
        tells=_told(
            command.message.message_id, "show", read.detail, accepted=read.status == "accepted"
        ),
    )


def _clear(command: displays.ClearMessage) -> msgspec.Struct:
    return v201.ClearDisplayMessageRequest(id=command.message_id)


def _cleared(command: displays.ClearMessage, response: Mapping[str, Any]) -> Outcome:
    """One that the station does not know is gone as well."""
    read = by_status(command, response)
    if response.get("status") == _GONE:
        read = msgspec.structs.replace(read, status="accepted")
    told = _told(command.message_id, "clear", read.detail, accepted=read.status == "accepted")
    return msgspec.structs.replace(read, tells=told)


def _told(
    message_id: int, wish: Literal["show", "clear"], detail: str, *, accepted: bool
) -> Callable[[str, datetime], DisplayAnswered]:
    def fact(station: str, at: datetime) -> DisplayAnswered:
        return DisplayAnswered(
            station=station,
            received_at=at,
            message_id=message_id,
            wish=wish,
            accepted=accepted,
            detail=detail,
        )

    return fact


def _read(command: displays.ReadMessages) -> msgspec.Struct:
    return v201.GetDisplayMessagesRequest(request_id=command.request_id)


BLOCK = Block(
    "O. Display messages",
    heard=(
        Heard(
            v201.NotifyDisplayMessagesRequest,
            displays_reported,
            DisplaysReported,
            nothing(v201.NotifyDisplayMessagesResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(displays.ShowMessage, _show, _shown, ("SetDisplayMessage",)),
        Said(displays.ClearMessage, _clear, _cleared, ("ClearDisplayMessage",)),
        Said(
            displays.ReadMessages,
            _read,
            report_promised("displays", _GONE),
            ("GetDisplayMessages",),
        ),
    ),
    sent=("ClearDisplayMessage", "GetDisplayMessages", "SetDisplayMessage"),
)
