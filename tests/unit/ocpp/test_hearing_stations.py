"""What the messages of a charging day mean, version by version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csms.ocpp.table import Refusal, Understood
from csms.ocpp.versions import dialect_of
from csms.ocpp.wire import v21, v201
from models import answers, facts
from models.facts import Reading

NOW = datetime(2026, 6, 15, 12, 0, 30, tzinfo=UTC)
AT = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
REQUESTS = {"ocpp2.0.1": v201.REQUESTS, "ocpp2.1": v21.REQUESTS}
ON_2X = pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])


def heard(subprotocol: str, action: str, payload: Any, *, strict: bool = False) -> Any:
    raw = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    return dialect_of(subprotocol).hear(action, raw, "CP-1", NOW, strict=strict, accepted=True)


def fact_of(subprotocol: str, action: str, payload: Any) -> Any:
    understood = heard(subprotocol, action, payload)
    assert isinstance(understood, Understood), understood
    return understood.fact


def answered(subprotocol: str, fact: facts.Fact, answer: answers.Answer) -> Any:
    return msgspec.json.decode(dialect_of(subprotocol).answer(fact, answer))


def test_a_16_boot_tells_the_box_and_is_answered_with_time_and_interval() -> None:
    fact = fact_of(
        "ocpp1.6",
        "BootNotification",
        {"chargePointVendor": "V", "chargePointModel": "M", "chargeBoxSerialNumber": "S"},
    )
    assert fact == facts.BootReported(
        station="CP-1", received_at=NOW, vendor="V", model="M", serial_number="S"
    )
    told = answered("ocpp1.6", fact, answers.BootAnswer("Pending", 10, NOW))
    assert told == {"status": "Pending", "interval": 10, "currentTime": "2026-06-15T12:00:30Z"}


def test_16_connectors_are_evses_and_connector_0_is_the_station() -> None:
    payload = {"connectorId": 2, "status": "SuspendedEV", "errorCode": "NoError"}
    fact = fact_of("ocpp1.6", "StatusNotification", payload)
    assert (fact.evse_id, fact.connector_id, fact.error_code) == (2, 1, None)
    assert fact.measured_at == NOW
    payload = {"connectorId": 0, "status": "Faulted", "errorCode": "GroundFailure"}
    fact = fact_of("ocpp1.6", "StatusNotification", payload)
    assert (fact.evse_id, fact.connector_id, fact.error_code) == (0, 0, "GroundFailure")


def test_16_start_has_no_id_until_it_is_answered_with_one() -> None:
    payload = {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 1000,
        "timestamp": "2026-06-15T14:00:00+02:00",
        "reservationId": 9,
    }
    fact = fact_of("ocpp1.6", "StartTransaction", payload)
    assert (fact.kind, fact.scheme, fact.ocpp_transaction_id) == ("started", "1.6", None)
    assert (fact.evse_id, fact.connector_id, fact.id_token) == (1, 1, "TAG")
    assert (fact.meter_wh, fact.measured_at, fact.reservation_id) == (1000.0, AT, 9)
    told = answered("ocpp1.6", fact, answers.TransactionAnswer(77, "Unknown"))
    assert told == {"transactionId": 77, "idTagInfo": {"status": "Invalid"}}
    with pytest.raises(TypeError):
        answered("ocpp1.6", fact, answers.EMPTY)


def test_16_stop_carries_its_data_and_needs_no_token() -> None:
    payload = {
        "transactionId": 77,
        "meterStop": 5000,
        "timestamp": "2026-06-15T12:00:00Z",
        "transactionData": [
            {"timestamp": "2026-06-15T11:59:00Z", "sampledValue": [{"value": "4.9", "unit": "kWh"}]}
        ],
    }
    fact = fact_of("ocpp1.6", "StopTransaction", payload)
    assert (fact.kind, fact.ocpp_transaction_id, fact.meter_wh) == ("ended", "77", 5000.0)
    assert (fact.evse_id, fact.id_token, fact.stop_reason) == (None, None, "Local")
    assert fact.readings == (Reading(AT - timedelta(minutes=1), energy_wh=4900.0),)
    assert answered("ocpp1.6", fact, answers.TransactionAnswer()) == {}
    assert answered("ocpp1.6", fact, answers.EMPTY) == {}
    told = answered("ocpp1.6", fact, answers.TransactionAnswer(None, "Expired", AT, "G" * 30))
    assert told == {
        "idTagInfo": {
            "status": "Expired",
            "expiryDate": "2026-06-15T12:00:00Z",
            "parentIdTag": "G" * 20,
        }
    }


def test_16_meter_values_of_no_transaction() -> None:
    payload = {
        "connectorId": 0,
        "meterValue": [{"timestamp": "2026-06-15T12:00:00Z", "sampledValue": [{"value": "7"}]}],
    }
    fact = fact_of("ocpp1.6", "MeterValues", payload)
    assert (fact.evse_id, fact.ocpp_transaction_id) == (0, None)
    assert fact.readings == (Reading(AT, energy_wh=7.0),)


def test_16_authorise_tells_only_what_16_knows() -> None:
    fact = fact_of("ocpp1.6", "Authorize", {"idTag": "TAG"})
    assert fact == facts.TokenPresented(
        station="CP-1", received_at=NOW, scheme="1.6", id_token="TAG"
    )
    told = [
        answered("ocpp1.6", fact, answers.TokenAnswer(status))["idTagInfo"]["status"]
        for status in ("Accepted", "Blocked", "Expired", "ConcurrentTx", "Unknown", "NoCredit")
    ]
    assert told == ["Accepted", "Blocked", "Expired", "ConcurrentTx", "Invalid", "Invalid"]


@ON_2X
def test_a_2x_boot_tells_the_box_and_its_reason_and_is_answered_alike(subprotocol: str) -> None:
    payload = {
        "reason": "PowerUp",
        "chargingStation": {"vendorName": "V", "model": "M", "modem": {"iccid": "1"}},
    }
    fact = fact_of(subprotocol, "BootNotification", payload)
    assert fact == facts.BootReported(
        station="CP-1", received_at=NOW, vendor="V", model="M", reason="PowerUp", iccid="1"
    )
    told = answered(subprotocol, fact, answers.BootAnswer("Accepted", 300, NOW))
    assert told == {"status": "Accepted", "interval": 300, "currentTime": "2026-06-15T12:00:30Z"}


@ON_2X
def test_2x_transaction_events(subprotocol: str) -> None:
    payload = {
        "eventType": "Started",
        "timestamp": "2026-06-15T12:00:00Z",
        "triggerReason": "RemoteStart",
        "seqNo": 0,
        "offline": True,
        "numberOfPhasesUsed": 3,
        "transactionInfo": {"transactionId": "T", "chargingState": "Charging", "remoteStartId": 4},
        "evse": {"id": 2, "connectorId": 1},
        "idToken": {"idToken": "TAG", "type": "ISO14443"},
    }
    fact = fact_of(subprotocol, "TransactionEvent", payload)
    assert fact == facts.TransactionReported(
        station="CP-1",
        received_at=NOW,
        kind="started",
        scheme="2.x",
        measured_at=AT,
        ocpp_transaction_id="T",
        evse_id=2,
        connector_id=1,
        id_token="TAG",
        token_type="ISO14443",
        seq_no=0,
        trigger="RemoteStart",
        charging_state="Charging",
        offline=True,
        remote_start_id=4,
    )
    told = answered(subprotocol, fact, answers.TransactionAnswer(5, "Unknown"))
    assert told == {"idTokenInfo": {"status": "Unknown"}}
    assert answered(subprotocol, fact, answers.TransactionAnswer()) == {}
    assert answered(subprotocol, fact, answers.EMPTY) == {}


@ON_2X
def test_2x_no_authorisation_is_no_token(subprotocol: str) -> None:
    payload = {
        "eventType": "Ended",
        "timestamp": "2026-06-15T12:00:00Z",
        "triggerReason": "EVDeparted",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "T", "stoppedReason": "EVDisconnected"},
        "idToken": {"idToken": "", "type": "NoAuthorization"},
    }
    fact = fact_of(subprotocol, "TransactionEvent", payload)
    assert (fact.kind, fact.id_token, fact.stop_reason) == ("ended", None, "EVDisconnected")


@ON_2X
def test_2x_status_and_meter_values_and_security(subprotocol: str) -> None:
    payload: dict[str, Any] = {
        "timestamp": "2026-06-15T12:00:00Z",
        "connectorStatus": "Occupied",
        "evseId": 1,
        "connectorId": 2,
    }
    fact = fact_of(subprotocol, "StatusNotification", payload)
    assert (fact.evse_id, fact.connector_id, fact.status) == (1, 2, "Occupied")
    payload = {
        "evseId": 1,
        "meterValue": [{"timestamp": "2026-06-15T12:00:00Z", "sampledValue": [{"value": 7}]}],
    }
    assert fact_of(subprotocol, "MeterValues", payload).readings == (Reading(AT, energy_wh=7.0),)
    payload = {"type": "TamperDetectionActivated", "timestamp": "2026-06-15T12:00:00Z"}
    fact = fact_of(subprotocol, "SecurityEventNotification", payload)
    assert (fact.kind, fact.measured_at, fact.source) == ("TamperDetectionActivated", AT, "station")


@ON_2X
def test_2x_reports_have_a_state_for_each_attribute(subprotocol: str) -> None:
    payload = {
        "requestId": 5,
        "generatedAt": "2026-06-15T12:00:00Z",
        "seqNo": 1,
        "tbc": True,
        "reportData": [
            {
                "component": {"name": "EVSE", "evse": {"id": 1}},
                "variable": {"name": "Power"},
                "variableAttribute": [
                    {"value": "7400", "mutability": "ReadOnly"},
                    {"type": "MaxSet", "value": "11000"},
                ],
            }
        ],
    }
    fact = fact_of(subprotocol, "NotifyReport", payload)
    assert (fact.request_id, fact.seq_no, fact.last, fact.measured_at) == (5, 1, False, AT)
    first, second = fact.variables
    assert (first.component, first.evse_id, first.name, first.value, first.read_only) == (
        "EVSE",
        1,
        "Power",
        "7400",
        True,
    )
    assert (first.attribute, second.attribute, second.read_only) == ("Actual", "MaxSet", False)


def test_data_transfer_carries_text_on_16_and_json_on_2x() -> None:
    fact = fact_of("ocpp1.6", "DataTransfer", {"vendorId": "V", "messageId": "M", "data": "{x"})
    assert (fact.vendor_id, fact.message_id, fact.data) == ("V", "M", "{x")
    told = answered("ocpp1.6", fact, answers.DataAnswer("Accepted", "text"))
    assert told == {"status": "Accepted", "data": "text"}
    fact = fact_of("ocpp2.0.1", "DataTransfer", {"vendorId": "V", "data": {"a": [1, "é"]}})
    assert fact.data == '{"a":[1,"é"]}'
    told = answered("ocpp2.0.1", fact, answers.DataAnswer("Accepted", '{"b":2}'))
    assert told == {"status": "Accepted", "data": {"b": 2}}


@pytest.mark.parametrize(
    ("subprotocol", "action", "payload"),
    [
        ("ocpp1.6", "DiagnosticsStatusNotification", {"status": "UploadFailed"}),
        ("ocpp1.6", "LogStatusNotification", {"status": "PermissionDenied", "requestId": 4}),
        ("ocpp2.0.1", "LogStatusNotification", {"status": "AcceptedCanceled", "requestId": 4}),
        ("ocpp2.1", "LogStatusNotification", {"status": "Idle"}),
    ],
)
def test_how_far_the_upload_of_a_log_is(
    subprotocol: str, action: str, payload: dict[str, Any]
) -> None:
    fact = fact_of(subprotocol, action, payload)
    assert fact == facts.LogReported(
        station="CP-1",
        received_at=NOW,
        status=payload["status"],
        request_id=payload.get("requestId"),
    )
    assert answered(subprotocol, fact, answers.EMPTY) == {}


@pytest.mark.parametrize(
    ("subprotocol", "action", "numbered"),
    [
        ("ocpp1.6", "FirmwareStatusNotification", False),
        ("ocpp1.6", "SignedFirmwareStatusNotification", True),
        ("ocpp2.0.1", "FirmwareStatusNotification", True),
        ("ocpp2.1", "FirmwareStatusNotification", True),
    ],
)
def test_how_far_new_firmware_is(subprotocol: str, action: str, numbered: bool) -> None:
    said = {"status": "Installing"} | ({"requestId": 9} if numbered else {})
    fact = fact_of(subprotocol, action, said)
    assert fact == facts.FirmwareReported(
        station="CP-1", received_at=NOW, status="Installing", request_id=9 if numbered else None
    )
    assert answered(subprotocol, fact, answers.EMPTY) == {}


def test_an_answer_of_the_wrong_kind_is_a_programmers_error() -> None:
    fact = fact_of("ocpp1.6", "Authorize", {"idTag": "TAG"})
    for wrong in (answers.EMPTY, answers.HeartbeatAnswer(NOW), answers.TransactionAnswer(1)):
        with pytest.raises(TypeError):
            answered("ocpp1.6", fact, wrong)


def test_times_are_told_in_milliseconds_at_most() -> None:
    fact = fact_of("ocpp1.6", "Heartbeat", {})
    told = answered("ocpp1.6", fact, answers.HeartbeatAnswer(AT.replace(microsecond=123_999)))
    assert told == {"currentTime": "2026-06-15T12:00:00.123Z"}


def test_nothing_that_is_refused_is_a_fact_and_nothing_else_is() -> None:
    assert isinstance(heard("ocpp1.6", "Authorize", {}), Refusal)
    assert isinstance(heard("ocpp1.6", "Authorize", {"idTag": "x"}), Understood)


def an_event(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "eventId": 1,
        "timestamp": "2026-06-15T12:00:00Z",
        "trigger": "Delta",
        "actualValue": "Faulted",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
        "variable": {"name": "AvailabilityState"},
    }
    return event | changes


def an_event_message(*events: dict[str, Any]) -> dict[str, Any]:
    return {"generatedAt": "2026-06-15T12:00:01Z", "seqNo": 0, "eventData": list(events)}


@ON_2X
def test_2x_an_availability_event_is_the_status_of_its_connector(subprotocol: str) -> None:
    other = an_event(variable={"name": "Temperature"}, actualValue="40")
    fact = fact_of(subprotocol, "NotifyEvent", an_event_message(other, an_event()))
    assert fact == facts.ConnectorReported(
        station="CP-1",
        received_at=NOW,
        evse_id=2,
        connector_id=1,
        status="Faulted",
        measured_at=AT,
        events=fact.events,
    )
    (kept,) = fact.events
    assert (kept.variable.name, kept.variable.value) == ("Temperature", "40")
    assert answered(subprotocol, fact, answers.EMPTY) == {}


@ON_2X
@pytest.mark.parametrize(
    "events",
    [
        [an_event(variable={"name": "Temperature"})],
        [an_event(actualValue="Melted")],
        [an_event(component={"name": "EVSE", "evse": {"id": 2}})],
        [an_event(component={"name": "Connector", "evse": {"id": 2}})],
        [an_event(component={"name": "Connector"})],
        [an_event(), an_event(eventId=2)],
    ],
)
def test_2x_every_other_event_is_kept(subprotocol: str, events: list[dict[str, Any]]) -> None:
    fact = fact_of(subprotocol, "NotifyEvent", an_event_message(*events))
    assert isinstance(fact, facts.EventsReported)
    assert len(fact.events) == len(events)
    assert answered(subprotocol, fact, answers.EMPTY) == {}


@pytest.mark.parametrize(
    ("subprotocol", "update"),
    [
        ("ocpp2.0.1", "Expired"),
        ("ocpp2.0.1", "Removed"),
        ("ocpp2.1", "Removed"),
        ("ocpp2.1", "NoTransaction"),
    ],
)
def test_2x_tells_that_a_reservation_is_over(subprotocol: str, update: Any) -> None:
    payload = {"reservationId": 7, "reservationUpdateStatus": update}
    fact = fact_of(subprotocol, "ReservationStatusUpdate", payload)
    assert fact == facts.ReservationReported(
        station="CP-1", received_at=NOW, reservation_id=7, update=update
    )
    assert answered(subprotocol, fact, answers.EMPTY) == {}
