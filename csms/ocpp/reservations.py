"""Reservations in the words of OCPP 1.6 (sections 5.2 and 5.13)."""

from __future__ import annotations

import msgspec

from csms.ocpp.fields import optional, wire_time
from csms.ocpp.table import Block, Said, by_status
from csms.ocpp.wire import v16
from models import commands
from models.errors import BadInput


def _reserve(command: commands.ReserveEvse) -> msgspec.Struct:
    """Connector 0 is whichever connector of the station (OCPP 1.6 section 5.13)."""
    if command.connector_type:
        raise BadInput("OCPP 1.6 reserves no type of connector")
    return v16.ReserveNowRequest(
        connector_id=command.evse_id or 0,
        expiry_date=wire_time(command.expires_at),
        id_tag=command.id_token,
        parent_id_tag=optional(command.group_token and command.group_token[:20]),
        reservation_id=command.reservation_id,
    )


def _cancel_reservation(command: commands.CancelReservation) -> msgspec.Struct:
    return v16.CancelReservationRequest(reservation_id=command.reservation_id)


BLOCK = Block(
    "Reservation",
    said=(
        Said(commands.ReserveEvse, _reserve, by_status, ("ReserveNow",)),
        Said(commands.CancelReservation, _cancel_reservation, by_status, ("CancelReservation",)),
    ),
    sent=("CancelReservation", "ReserveNow"),
)
