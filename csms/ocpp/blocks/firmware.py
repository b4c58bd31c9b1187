"""L, firmware: updates that we ask for, and how far a station is with one.

What local controllers publish to the stations behind them is in `csms.ocpp.blocks.publishing`.
"""

from __future__ import annotations

from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers, facts
from models.commands import upkeep


def firmware_reported(
    request: v201.FirmwareStatusNotificationRequest | v21.FirmwareStatusNotificationRequest,
    hearing: Hearing,
) -> facts.FirmwareReported:
    """Returns what a FirmwareStatusNotification tells."""
    return facts.FirmwareReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
        request_id=given(request.request_id),
    )


def _update(command: upkeep.UpdateFirmware) -> v201.UpdateFirmwareRequest:
    return v201.UpdateFirmwareRequest(
        request_id=command.request_id,
        retries=optional(command.retries),
        retry_interval=optional(command.retry_interval_s),
        firmware=v201.FirmwareType(
            location=command.location,
            retrieve_date_time=wire_time(command.retrieve_at),
            install_date_time=optional(command.install_at and wire_time(command.install_at)),
            signing_certificate=optional(command.signing_certificate),
            signature=optional(command.signature),
        ),
    )


BLOCK = Block(
    "L. Firmware management",
    heard=(
        Heard(
            v201.FirmwareStatusNotificationRequest,
            firmware_reported,
            facts.FirmwareReported,
            nothing(v201.FirmwareStatusNotificationResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(Said(upkeep.UpdateFirmware, _update, by_status, ("UpdateFirmware",)),),
    sent=("UpdateFirmware",),
)
