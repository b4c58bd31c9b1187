"""N, diagnostics: logs. What a station watches by itself is in `csms.ocpp.blocks.monitoring`."""

from __future__ import annotations

from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers, facts
from models.commands import upkeep


def log_reported(
    request: v201.LogStatusNotificationRequest | v21.LogStatusNotificationRequest,
    hearing: Hearing,
) -> facts.LogReported:
    """Returns what a LogStatusNotification tells."""
    return facts.LogReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
        request_id=given(request.request_id),
    )


def _upload_log(command: upkeep.UploadLog) -> v201.GetLogRequest:
    return v201.GetLogRequest(
        log=v201.LogParametersType(
            remote_location=command.location,
            oldest_timestamp=optional(command.from_at and wire_time(command.from_at)),
            latest_timestamp=optional(command.until_at and wire_time(command.until_at)),
        ),
        log_type="SecurityLog" if command.kind == "security" else "DiagnosticsLog",
        request_id=command.request_id,
        retries=optional(command.retries),
        retry_interval=optional(command.retry_interval_s),
    )


BLOCK = Block(
    "N. Diagnostics",
    heard=(
        Heard(
            v201.LogStatusNotificationRequest,
            log_reported,
            facts.LogReported,
            nothing(v201.LogStatusNotificationResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(Said(upkeep.UploadLog, _upload_log, by_status, ("GetLog",)),),
    sent=("GetLog",),
)
