"""L, firmware: what a local controller offers to the stations behind it.

Source: OCPP 2.0.1 part 2, L03 and L04.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from csms.ocpp.fields import given, optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers
from models.commands.publishing import PublishFirmware, UnpublishFirmware
from models.facts.publishing import PublishAnswered, PublishReported, Unpublished


def publish_reported(
    request: v201.PublishFirmwareStatusNotificationRequest
    | v21.PublishFirmwareStatusNotificationRequest,
    hearing: Hearing,
) -> PublishReported:
    """Returns how far a controller is with firmware that it is to offer."""
    return PublishReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        status=request.status,
        request_id=given(request.request_id),
        locations=tuple(request.location or ()),
    )


def _publish(command: PublishFirmware) -> msgspec.Struct:
    return v201.PublishFirmwareRequest(
        location=command.location,
        checksum=command.checksum,
        request_id=command.request_id,
        retries=optional(command.retries),
        retry_interval=optional(command.retry_interval_s),
    )


def _publishing(command: PublishFirmware, response: Mapping[str, Any]) -> Outcome:
    read = by_status(command, response)

    def told(station: str, at: datetime) -> PublishAnswered:
        return PublishAnswered(
            station=station,
            received_at=at,
            request_id=command.request_id,
            accepted=read.status == "accepted",
            detail=read.detail,
        )

    return msgspec.structs.replace(read, tells=told)


def _unpublish(command: UnpublishFirmware) -> msgspec.Struct:
    return v201.UnpublishFirmwareRequest(checksum=command.checksum)


def _unpublished(command: UnpublishFirmware, response: Mapping[str, Any]) -> Outcome:
    """What the controller does not have it does not offer either."""
    status = str(response.get("status"))
    if status == "DownloadOngoing":
        return Outcome(status="rejected", detail=status)

    def told(station: str, at: datetime) -> Unpublished:
        return Unpublished(station=station, received_at=at, checksum=command.checksum)

    return Outcome(status="accepted", detail=status, tells=told)


BLOCK = Block(
    "L. Firmware management: local controllers",
    heard=(
        Heard(
            v201.PublishFirmwareStatusNotificationRequest,
            publish_reported,
            PublishReported,
            nothing(v201.PublishFirmwareStatusNotificationResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(PublishFirmware, _publish, _publishing, ("PublishFirmware",)),
        Said(UnpublishFirmware, _unpublish, _unpublished, ("UnpublishFirmware",)),
    ),
    sent=("PublishFirmware", "UnpublishFirmware"),
)
