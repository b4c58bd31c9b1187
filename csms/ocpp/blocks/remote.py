"""F, remote control: starting, stopping, unlocking and asking for messages."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.blocks.authorization import token_of
from csms.ocpp.fields import optional
from csms.ocpp.table import Block, Said, by_status
from csms.ocpp.wire import v201
from models import commands


def _start(command: commands.StartCharging) -> msgspec.Struct:
    return v201.RequestStartTransactionRequest(
        evse_id=optional(command.evse_id),
        remote_start_id=command.remote_start_id,
        id_token=token_of(command.id_token, command.token_type),
    )


def _stop(command: commands.StopCharging) -> msgspec.Struct:
    return v201.RequestStopTransactionRequest(transaction_id=command.ocpp_transaction_id)


def _unlock(command: commands.Unlock) -> msgspec.Struct:
    return v201.UnlockConnectorRequest(evse_id=command.evse_id, connector_id=command.connector_id)


def _trigger(command: commands.TriggerMessage) -> msgspec.Struct:
    evse: v201.EVSEType | UnsetType = UNSET
    if command.evse_id:
        # A status is of a connector, so 2.x wants to know which one (F06.FR.12).
        connector_id: int | UnsetType = UNSET
        if command.message == "StatusNotification":
            connector_id = command.connector_id or 1
        evse = v201.EVSEType(id=command.evse_id, connector_id=connector_id)
    message = command.message
    return v201.TriggerMessageRequest(
        requested_message=(
            "SignChargingStationCertificate" if message == "SignCertificate" else message
        ),
        evse=evse,
    )


BLOCK = Block(
    "F. Remote control",
    said=(
        Said(commands.StartCharging, _start, by_status, ("RequestStartTransaction",)),
        Said(commands.StopCharging, _stop, by_status, ("RequestStopTransaction",)),
        Said(commands.Unlock, _unlock, by_status, ("UnlockConnector",)),
        Said(commands.TriggerMessage, _trigger, by_status, ("TriggerMessage",)),
    ),
    sent=(
        "RequestStartTransaction",
        "RequestStopTransaction",
        "TriggerMessage",
        "UnlockConnector",
    ),
)
