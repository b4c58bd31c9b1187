"""Logs of stations in the words of OCPP 1.6: diagnostics, and the log of the security extensions.

Source: OCPP 1.6 edition 2, sections 5.8, 6.23 and 6.24 (GetDiagnostics has no request id, and an
answer without a file name says that there is nothing to bring); "Improved security for OCPP 1.6-J"
edition 3, N01 (GetLog).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Outcome, by_status, nothing
from csms.ocpp.wire import v16
from models import facts
from models.commands import upkeep

HEARD = nothing(v16.LogStatusNotificationResponse)
"""The answer to both notifications of how far an upload is."""


def diagnostics_reported(
    request: v16.DiagnosticsStatusNotificationRequest, hearing: Hearing
) -> facts.LogReported:
    """Returns what a DiagnosticsStatusNotification tells; it does not say of which upload."""
    return facts.LogReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
    )


def log_reported(request: v16.LogStatusNotificationRequest, hearing: Hearing) -> facts.LogReported:
    """Returns what a LogStatusNotification tells."""
    return facts.LogReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
        request_id=given(request.request_id),
    )


def upload(command: upkeep.UploadLog) -> msgspec.Struct:
    """Returns the request for a log: GetDiagnostics, or GetLog for one of security."""
    oldest = optional(command.from_at and wire_time(command.from_at))
    latest = optional(command.until_at and wire_time(command.until_at))
    if command.kind == "diagnostics":
        return v16.GetDiagnosticsRequest(
            location=command.location,
            retries=optional(command.retries),
            retry_interval=optional(command.retry_interval_s),
            start_time=oldest,
            stop_time=latest,
        )
    return v16.GetLogRequest(
        log=v16.LogParametersType(
            remote_location=command.location, oldest_timestamp=oldest, latest_timestamp=latest
        ),
        log_type="SecurityLog",
        request_id=command.request_id,
        retries=optional(command.retries),
        retry_interval=optional(command.retry_interval_s),
    )


def answered(command: upkeep.UploadLog, response: Mapping[str, Any]) -> Outcome:
    """Returns what an answer means."""
    if command.kind == "security":
        return by_status(command, response)
    if response.get("fileName"):
        return Outcome(status="accepted")
    return Outcome(status="rejected", detail="the station has nothing of the kind")
