"""OCPP 1.6 with the security extensions: every action, as rows.

What 1.6 says differently from the house: a connector is an EVSE with one connector; transactions
are numbered by us; a token has no type, no case and no more than 20 characters; settings have
names without components and are written one at a time.

Source: OCPP 1.6 edition 2 and its errata; "Improved security for OCPP 1.6-J" edition 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from csms.ocpp import certificates, firmware, logs, profiles, reservations, tokens
from csms.ocpp.dialects import Dialect
from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.readings import readings_16
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing
from csms.ocpp.wire import v16
from models import answers, commands, facts
from models.commands import upkeep
from models.errors import BadInput
from models.units import NOMINAL_VOLTAGE_V


def boot_reported(request: v16.BootNotificationRequest, hearing: Hearing) -> facts.BootReported:
    """Returns what a BootNotification tells."""
    return facts.BootReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        vendor=request.charge_point_vendor,
        model=request.charge_point_model,
        serial_number=given(request.charge_point_serial_number)
        or given(request.charge_box_serial_number),
        firmware_version=given(request.firmware_version),
        iccid=given(request.iccid),
        imsi=given(request.imsi),
        meter_type=given(request.meter_type),
        meter_serial_number=given(request.meter_serial_number),
    )


def boot_answer(_fact: facts.BootReported, answer: answers.BootAnswer) -> msgspec.Struct:
    """Returns the response to a BootNotification."""
    return v16.BootNotificationResponse(
        status=answer.status,
        current_time=wire_time(answer.now),
        interval=answer.interval_s,
    )


def heartbeat_reported(_request: v16.HeartbeatRequest, hearing: Hearing) -> facts.HeartbeatReported:
    """Returns that the station is alive."""
    return facts.HeartbeatReported(
        station=hearing.station, received_at=hearing.received_at, suspect=hearing.suspect
    )


def heartbeat_answer(
    _fact: facts.HeartbeatReported, answer: answers.HeartbeatAnswer
) -> msgspec.Struct:
    """Returns the response to a Heartbeat."""
    return v16.HeartbeatResponse(current_time=wire_time(answer.now))


def connector_reported(
    request: v16.StatusNotificationRequest, hearing: Hearing
) -> facts.ConnectorReported:
    """Returns what a StatusNotification tells; connector 0 is the station as a whole."""
    timestamp = given(request.timestamp)
    error_code = None if request.error_code == "NoError" else request.error_code
    measured_at = hearing.received_at if timestamp is None else hearing.instant(timestamp)
    return facts.ConnectorReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        evse_id=request.connector_id,
        connector_id=1 if request.connector_id else 0,
        status=request.status,
        measured_at=measured_at,
        error_code=error_code,
        info=given(request.info),
        vendor_error_code=given(request.vendor_error_code),
    )


def transaction_started(
    request: v16.StartTransactionRequest, hearing: Hearing
) -> facts.TransactionReported:
    """Returns what a StartTransaction tells; it has no id yet."""
    measured_at = hearing.instant(request.timestamp)
    return facts.TransactionReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        kind="started",
        scheme="1.6",
        measured_at=measured_at,
        evse_id=request.connector_id,
        connector_id=1,
        id_token=request.id_tag,
        meter_wh=float(request.meter_start),
        reservation_id=given(request.reservation_id),
    )


def transaction_ended(
    request: v16.StopTransactionRequest, hearing: Hearing
) -> facts.TransactionReported:
    """Returns what a StopTransaction tells; `Local` is the reason where none is given."""
    measured_at = hearing.instant(request.timestamp)
    readings = readings_16(request.transaction_data or (), hearing)
    return facts.TransactionReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        kind="ended",
        scheme="1.6",
        measured_at=measured_at,
        ocpp_transaction_id=str(request.transaction_id),
        id_token=given(request.id_tag),
        meter_wh=float(request.meter_stop),
        readings=readings,
        stop_reason=request.reason or "Local",
    )


def transaction_answer(
    fact: facts.TransactionReported, answer: answers.TransactionAnswer
) -> msgspec.Struct:
    """Returns the response to a StartTransaction or StopTransaction.

    Raises:
        TypeError: if a start is answered without a transaction id.
    """
    status = answer.token_status
    expiry_date = optional(answer.expires_at and wire_time(answer.expires_at))
    parent = optional(answer.group_token and answer.group_token[:20])
    if fact.kind == "started":
        if answer.transaction_id is None:
            raise TypeError("a StartTransaction is answered with a transaction id")
        return v16.StartTransactionResponse(
            transaction_id=answer.transaction_id,
            id_tag_info=v16.StartTransactionResponseIdTagInfo(
                status=tokens.STATUS.get(status or "Invalid", "Invalid"),
                expiry_date=expiry_date,
                parent_id_tag=parent,
            ),
        )
    if status is None:
        return v16.StopTransactionResponse()
    return v16.StopTransactionResponse(
        id_tag_info=v16.StopTransactionResponseIdTagInfo(
            status=tokens.STATUS.get(status, "Invalid"),
            expiry_date=expiry_date,
            parent_id_tag=parent,
        )
    )


def readings_reported(request: v16.MeterValuesRequest, hearing: Hearing) -> facts.ReadingsReported:
    """Returns what a MeterValues tells."""
    transaction = given(request.transaction_id)
    readings = readings_16(request.meter_value, hearing)
    return facts.ReadingsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        scheme="1.6",
        evse_id=request.connector_id,
        ocpp_transaction_id=None if transaction is None else str(transaction),
        readings=readings,
    )


def data_received(request: v16.DataTransferRequest, hearing: Hearing) -> facts.DataReceived:
    """Returns what a DataTransfer carries."""
    return facts.DataReceived(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        vendor_id=request.vendor_id,
        message_id=given(request.message_id),
        data=given(request.data),
    )


def data_answer(_fact: facts.DataReceived, answer: answers.DataAnswer) -> msgspec.Struct:
    """Returns the response to a DataTransfer."""
    return v16.DataTransferResponse(status=answer.status, data=optional(answer.data))


def security_reported(
    request: v16.SecurityEventNotificationRequest, hearing: Hearing
) -> facts.SecurityReported:
    """Returns what a SecurityEventNotification tells."""
    measured_at = hearing.instant(request.timestamp)
    return facts.SecurityReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        kind=request.type,
        measured_at=measured_at,
        tech_info=given(request.tech_info),
    )


def _start(command: commands.StartCharging) -> msgspec.Struct:
    return v16.RemoteStartTransactionRequest(
        connector_id=optional(command.evse_id), id_tag=command.id_token
    )


def _stop(command: commands.StopCharging) -> msgspec.Struct:
    number = profiles.transaction_number(command.ocpp_transaction_id)
    return v16.RemoteStopTransactionRequest(transaction_id=number)


def _change_availability(command: commands.ChangeAvailability) -> msgspec.Struct:
    return v16.ChangeAvailabilityRequest(
        connector_id=command.evse_id or 0,
        type="Operative" if command.operative else "Inoperative",
    )


def _unlock(command: commands.Unlock) -> msgspec.Struct:
    return v16.UnlockConnectorRequest(connector_id=command.evse_id)


def _reset(command: commands.Reset) -> msgspec.Struct:
    if command.evse_id:
        raise BadInput("OCPP 1.6 resets the whole station only")
    return v16.ResetRequest(type="Hard" if command.kind == "immediate" else "Soft")


def _trigger(command: commands.TriggerMessage) -> msgspec.Struct:
    connector_id = optional(command.evse_id)
    if command.message == "TransactionEvent":
        raise BadInput("OCPP 1.6 has no TransactionEvent to trigger")
    if command.message == "SignCertificate":
        return v16.ExtendedTriggerMessageRequest(requested_message="SignChargePointCertificate")
    if command.message == "LogStatusNotification":
        return v16.ExtendedTriggerMessageRequest(
            requested_message=command.message, connector_id=connector_id
        )
    return v16.TriggerMessageRequest(requested_message=command.message, connector_id=connector_id)


def _read_variables(command: commands.ReadVariables) -> msgspec.Struct:
    return v16.GetConfigurationRequest(key=optional([name.name for name in command.names] or None))


def _variables_read(_command: commands.ReadVariables, response: Mapping[str, Any]) -> Outcome:
    keys = cast("list[dict[str, Any]]", response.get("configurationKey") or [])
    unknown = cast("list[str]", response.get("unknownKey") or [])
    variables = tuple(
        facts.VariableState(name=key["key"], value=key.get("value"), read_only=key["readonly"])
        for key in keys
    )
    detail = "unknown: " + ", ".join(unknown) if unknown else ""
    return Outcome(status="accepted", detail=detail, variables=variables)


def _write_variables(command: commands.WriteVariables) -> msgspec.Struct:
    if len(command.values) != 1:
        raise BadInput(f"OCPP 1.6 writes one setting at a time, not {len(command.values)}")
    write = command.values[0]
    return v16.ChangeConfigurationRequest(key=write.variable.name, value=write.value)


def _clear_limit(command: commands.ClearLimit) -> msgspec.Struct:
    return v16.ClearChargingProfileRequest(
        id=optional(command.profile_id),
        connector_id=optional(command.evse_id),
        charging_profile_purpose=optional(command.purpose and profiles.purpose_16(command.purpose)),
        stack_level=optional(command.stack_level),
    )


def _read_limit(command: commands.ReadLimit) -> msgspec.Struct:
    return v16.GetCompositeScheduleRequest(
        connector_id=command.evse_id,
        duration=command.duration_s,
        charging_rate_unit=command.rate_unit,
    )


def _limit_read(command: commands.ReadLimit, response: Mapping[str, Any]) -> Outcome:
    periods = profiles.composite(response.get("chargingSchedule"), voltage_v=NOMINAL_VOLTAGE_V)
    return msgspec.structs.replace(by_status(command, response), periods=periods)


CORE = Block(
    "Core",
    heard=(
        Heard(
            v16.BootNotificationRequest,
            boot_reported,
            facts.BootReported,
            boot_answer,
            answers.BootAnswer,
        ),
        Heard(
            v16.HeartbeatRequest,
            heartbeat_reported,
            facts.HeartbeatReported,
            heartbeat_answer,
            answers.HeartbeatAnswer,
            kind="heartbeat",
        ),
        Heard(
            v16.StatusNotificationRequest,
            connector_reported,
            facts.ConnectorReported,
            nothing(v16.StatusNotificationResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v16.AuthorizeRequest,
            tokens.token_presented,
            facts.TokenPresented,
            tokens.token_answer,
            answers.TokenAnswer,
        ),
        Heard(
            v16.StartTransactionRequest,
            transaction_started,
            facts.TransactionReported,
            transaction_answer,
            answers.TransactionAnswer,
        ),
        Heard(
            v16.StopTransactionRequest,
            transaction_ended,
            facts.TransactionReported,
            transaction_answer,
            answers.TransactionAnswer,
            precious=True,
        ),
        Heard(
            v16.MeterValuesRequest,
            readings_reported,
            facts.ReadingsReported,
            nothing(v16.MeterValuesResponse),
            answers.EmptyAnswer,
            precious=True,
        ),
        Heard(
            v16.DataTransferRequest,
            data_received,
            facts.DataReceived,
            data_answer,
            answers.DataAnswer,
        ),
    ),
    said=(
        Said(commands.StartCharging, _start, by_status, ("RemoteStartTransaction",)),
        Said(commands.StopCharging, _stop, by_status, ("RemoteStopTransaction",)),
        Said(commands.ChangeAvailability, _change_availability, by_status, ("ChangeAvailability",)),
        Said(commands.Unlock, _unlock, by_status, ("UnlockConnector",)),
        Said(commands.Reset, _reset, by_status, ("Reset",)),
        Said(
            commands.ReadVariables,
            _read_variables,
            _variables_read,
            ("GetConfiguration",),
            reads_raw=True,
        ),
        Said(commands.ClearCache, tokens.clear_cache, by_status, ("ClearCache",)),
        Said(commands.WriteVariables, _write_variables, by_status, ("ChangeConfiguration",)),
    ),
    sent=(
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "DataTransfer",
        "GetConfiguration",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "Reset",
        "UnlockConnector",
    ),
)
FIRMWARE = Block(
    "Firmware management",
    heard=(
        Heard(
            v16.FirmwareStatusNotificationRequest,
            firmware.firmware_reported,
            facts.FirmwareReported,
            firmware.HEARD,
            answers.EmptyAnswer,
        ),
        Heard(
            v16.DiagnosticsStatusNotificationRequest,
            logs.diagnostics_reported,
            facts.LogReported,
            logs.HEARD,
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(
            upkeep.UpdateFirmware,
            firmware.update,
            firmware.answered,
            ("UpdateFirmware", "SignedUpdateFirmware"),
        ),
        Said(upkeep.UploadLog, logs.upload, logs.answered, ("GetDiagnostics", "GetLog")),
    ),
    sent=("GetDiagnostics", "UpdateFirmware"),
)
SMART_CHARGING = Block(
    "Smart charging",
    said=(
        Said(commands.SetLimit, profiles.set_profile_16, by_status, ("SetChargingProfile",)),
        Said(commands.ClearLimit, _clear_limit, profiles.cleared, ("ClearChargingProfile",)),
        Said(commands.ReadLimit, _read_limit, _limit_read, ("GetCompositeSchedule",)),
    ),
    sent=("ClearChargingProfile", "GetCompositeSchedule", "SetChargingProfile"),
)
REMOTE_TRIGGER = Block(
    "Remote trigger",
    said=(
        Said(
            commands.TriggerMessage,
            _trigger,
            by_status,
            ("TriggerMessage", "ExtendedTriggerMessage"),
        ),
    ),
    sent=("TriggerMessage",),
)
SECURITY = Block(
    "Security extensions",
    heard=(
        Heard(
            v16.SecurityEventNotificationRequest,
            security_reported,
            facts.SecurityReported,
            nothing(v16.SecurityEventNotificationResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v16.SignedFirmwareStatusNotificationRequest,
            firmware.signed_firmware_reported,
            facts.FirmwareReported,
            firmware.HEARD,
            answers.EmptyAnswer,
        ),
        certificates.HEARD,
        Heard(
            v16.LogStatusNotificationRequest,
            logs.log_reported,
            facts.LogReported,
            logs.HEARD,
            answers.EmptyAnswer,
        ),
    ),
    said=certificates.SAID,
    sent=(
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    ),
)

V16 = Dialect(
    "ocpp1.6",
    "1.6",
    v16.REQUESTS,
    (
        CORE,
        FIRMWARE,
        tokens.LOCAL_LIST,
        reservations.BLOCK,
        SMART_CHARGING,
        REMOTE_TRIGGER,
        SECURITY,
    ),
)
