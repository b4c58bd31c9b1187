"""N, diagnostics: logs, monitoring and events.

A station may tell the status of a connector by NotifyEvent instead of StatusNotification, which
2.1 calls deprecated; that one event is understood, all others are kept.
"""

from __future__ import annotations

from typing import cast, get_args

from msgspec import UNSET

from csms.ocpp.blocks.availability import STATUS_KEPT
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard
from csms.ocpp.wire import v21, v201
from models import answers, facts

_STATUSES = frozenset(get_args(v201.ConnectorStatusEnumType))


def event_reported(
    request: v201.NotifyEventRequest | v21.NotifyEventRequest, hearing: Hearing
) -> facts.ConnectorReported | facts.NoteReported:
    """Returns the status of the one connector that a NotifyEvent is about, else a note.

    Source: OCPP 2.0.1 part 2, G01.FR.01; part 1, the component Connector.
    """
    changes = [event for event in request.event_data if event.variable.name == "AvailabilityState"]
    if len(changes) == 1:
        event = changes[0]
        evse = event.component.evse
        known = event.component.name == "Connector" and event.actual_value in _STATUSES
        if known and evse is not UNSET and evse.connector_id is not UNSET:
            measured_at = hearing.instant(event.timestamp)
            return facts.ConnectorReported(
                station=hearing.station,
                received_at=hearing.received_at,
                suspect=hearing.suspect,
                evse_id=evse.id,
                connector_id=evse.connector_id,
                status=cast("facts.ConnectorStatus", event.actual_value),
                measured_at=measured_at,
            )
    return facts.NoteReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        action="NotifyEvent",
        payload=hearing.payload,
    )


BLOCK = Block(
    "N. Diagnostics",
    heard=(
        Heard(
            v201.NotifyEventRequest,
            event_reported,
            facts.ConnectorReported,
            STATUS_KEPT,
            answers.EmptyAnswer,
        ),
    ),
    notes=("LogStatusNotification", "NotifyCustomerInformation", "NotifyMonitoringReport"),
    sent=(
        "ClearVariableMonitoring",
        "CustomerInformation",
        "GetLog",
        "GetMonitoringReport",
        "SetMonitoringBase",
        "SetMonitoringLevel",
        "SetVariableMonitoring",
    ),
)
