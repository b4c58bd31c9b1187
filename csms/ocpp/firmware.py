"""Firmware updates in the words of OCPP 1.6: without a signature, and with one.

Source: OCPP 1.6 edition 2, sections 4.5 and 5.19 (UpdateFirmware, which has an empty answer and no
request id); "Improved security for OCPP 1.6-J" edition 3, L01 (SignedUpdateFirmware).
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
from models.errors import BadInput

HEARD = nothing(v16.FirmwareStatusNotificationResponse)
"""The answer to both notifications of how far an update is."""


def firmware_reported(
    request: v16.FirmwareStatusNotificationRequest, hearing: Hearing
) -> facts.FirmwareReported:
    """Returns what a FirmwareStatusNotification tells; it does not say of which update."""
    return facts.FirmwareReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
    )


def signed_firmware_reported(
    request: v16.SignedFirmwareStatusNotificationRequest, hearing: Hearing
) -> facts.FirmwareReported:
    """Returns what a SignedFirmwareStatusNotification tells."""
    return facts.FirmwareReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
        request_id=given(request.request_id),
    )


def update(command: upkeep.UpdateFirmware) -> msgspec.Struct:
    """Returns the request for an update: a signed one where there is a signature.

    Raises:
        BadInput: for a time of installation without a signature, which 1.6 can't say.
    """
    if command.signature is None or command.signing_certificate is None:
        if command.install_at is not None:
            raise BadInput("OCPP 1.6 has no time of installation without a signature")
        return v16.UpdateFirmwareRequest(
            location=command.location,
            retrieve_date=wire_time(command.retrieve_at),
            retries=optional(command.retries),
            retry_interval=optional(command.retry_interval_s),
        )
    return v16.SignedUpdateFirmwareRequest(
        request_id=command.request_id,
        retries=optional(command.retries),
        retry_interval=optional(command.retry_interval_s),
        firmware=v16.FirmwareType(
            location=command.location,
            retrieve_date_time=wire_time(command.retrieve_at),
            install_date_time=optional(command.install_at and wire_time(command.install_at)),
            signing_certificate=command.signing_certificate,
            signature=command.signature,
        ),
    )


def answered(command: upkeep.UpdateFirmware, response: Mapping[str, Any]) -> Outcome:
    """Returns what an answer means: an empty one accepts."""
    return by_status(command, response) if "status" in response else Outcome(status="accepted")
