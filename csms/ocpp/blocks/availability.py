"""G, availability: heartbeats, the status of connectors, and taking them out of service."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.fields import wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers, commands, facts


def heartbeat_reported(
    _request: v201.HeartbeatRequest | v21.HeartbeatRequest, hearing: Hearing
) -> facts.HeartbeatReported:
    """Returns that the station is alive."""
    return facts.HeartbeatReported(
        station=hearing.station, received_at=hearing.received_at, suspect=hearing.suspect
    )


def heartbeat_answer(
    _fact: facts.HeartbeatReported, answer: answers.HeartbeatAnswer
) -> msgspec.Struct:
    """Returns the response to a Heartbeat."""
    return v201.HeartbeatResponse(current_time=wire_time(answer.now))


def connector_reported(
    request: v201.StatusNotificationRequest | v21.StatusNotificationRequest, hearing: Hearing
) -> facts.ConnectorReported:
    """Returns what a StatusNotification tells."""
    measured_at = hearing.instant(request.timestamp)
    return facts.ConnectorReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        evse_id=request.evse_id,
        connector_id=request.connector_id,
        status=request.connector_status,
        measured_at=measured_at,
    )


def _change_availability(command: commands.ChangeAvailability) -> msgspec.Struct:
    evse: v201.EVSEType | UnsetType = (
        v201.EVSEType(id=command.evse_id) if command.evse_id else UNSET
    )
    return v201.ChangeAvailabilityRequest(
        operational_status="Operative" if command.operative else "Inoperative", evse=evse
    )


STATUS_KEPT = nothing(v201.StatusNotificationResponse)
"""The answer to a status, by whichever message it came: nothing but having been heard."""

BLOCK = Block(
    "G. Availability",
    heard=(
        Heard(
            v201.HeartbeatRequest,
            heartbeat_reported,
            facts.HeartbeatReported,
            heartbeat_answer,
            answers.HeartbeatAnswer,
            kind="heartbeat",
        ),
        Heard(
            v201.StatusNotificationRequest,
            connector_reported,
            facts.ConnectorReported,
            STATUS_KEPT,
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(commands.ChangeAvailability, _change_availability, by_status, ("ChangeAvailability",)),
    ),
    sent=("ChangeAvailability",),
)
