"""H, reservation: EVSEs that a station keeps free for a token."""

from __future__ import annotations

from typing import cast

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.blocks.authorization import token_of
from csms.ocpp.fields import optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers, commands, facts


def reservation_reported(
    request: v201.ReservationStatusUpdateRequest | v21.ReservationStatusUpdateRequest,
    hearing: Hearing,
) -> facts.ReservationReported:
    """Returns what has become of a reservation."""
    return facts.ReservationReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        reservation_id=request.reservation_id,
        update=request.reservation_update_status,
    )


def _reserve(command: commands.ReserveEvse) -> msgspec.Struct:
    group: v201.IdTokenType | UnsetType = UNSET
    if command.group_token is not None:
        group = token_of(command.group_token, None)
    connector = cast("v201.ConnectorEnumType | UnsetType", optional(command.connector_type))
    return v201.ReserveNowRequest(
        id=command.reservation_id,
        expiry_date_time=wire_time(command.expires_at),
        connector_type=connector,
        id_token=token_of(command.id_token, command.token_type),
        evse_id=optional(command.evse_id),
        group_id_token=group,
    )


def _cancel(command: commands.CancelReservation) -> msgspec.Struct:
    return v201.CancelReservationRequest(reservation_id=command.reservation_id)


BLOCK = Block(
    "H. Reservation",
    heard=(
        Heard(
            v201.ReservationStatusUpdateRequest,
            reservation_reported,
            facts.ReservationReported,
            nothing(v201.ReservationStatusUpdateResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(commands.ReserveEvse, _reserve, by_status, ("ReserveNow",)),
        Said(commands.CancelReservation, _cancel, by_status, ("CancelReservation",)),
    ),
    sent=("CancelReservation", "ReserveNow"),
)
