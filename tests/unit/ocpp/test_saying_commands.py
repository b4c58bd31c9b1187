"""What commands become in each version, and what the stations' responses mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from csms.ocpp.versions import DIALECTS, dialect_of
from models import commands
from models.commands import LimitPeriod
from models.commands.base import VariableName
from models.errors import BadInput
from models.facts import VariableState

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
ON_2X = pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
EVERYWHERE = pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
POWER = VariableName(name="Power", component="EVSE", evse_id=1)
A_LIMIT = commands.SetLimit(
    evse_id=2,
    purpose="transaction",
    ocpp_transaction_id="77",
    profile_id=5,
    stack_level=3,
    periods=(LimitPeriod(0, 3700.0), LimitPeriod(900, 0.0, 1)),
    duration_s=1800,
    start_at=NOON,
)


def said(subprotocol: str, command: commands.AnyCommand) -> tuple[str, Any]:
    action, payload = dialect_of(subprotocol).say(command)
    return action, msgspec.json.decode(payload)


def outcome(subprotocol: str, command: commands.AnyCommand, response: Any) -> Any:
    raw = response if isinstance(response, bytes) else msgspec.json.encode(response)
    return dialect_of(subprotocol).outcome(command, raw)


def test_each_command_has_its_request_of_16() -> None:
    start = commands.StartCharging(evse_id=2, id_token="TAG", remote_start_id=9)
    assert said("ocpp1.6", start) == (
        "RemoteStartTransaction",
        {"connectorId": 2, "idTag": "TAG"},
    )
    stop = commands.StopCharging(ocpp_transaction_id="77")
    assert said("ocpp1.6", stop) == ("RemoteStopTransaction", {"transactionId": 77})
    away = commands.ChangeAvailability(operative=False)
    assert said("ocpp1.6", away) == (
        "ChangeAvailability",
        {"connectorId": 0, "type": "Inoperative"},
    )
    assert said("ocpp1.6", commands.Unlock(evse_id=2)) == ("UnlockConnector", {"connectorId": 2})
    assert said("ocpp1.6", commands.Reset()) == ("Reset", {"type": "Soft"})
    assert said("ocpp1.6", commands.Reset(kind="immediate")) == ("Reset", {"type": "Hard"})
    trigger = commands.TriggerMessage(message="MeterValues", evse_id=1)
    assert said("ocpp1.6", trigger) == (
        "TriggerMessage",
        {"requestedMessage": "MeterValues", "connectorId": 1},
    )
    log = commands.TriggerMessage(message="LogStatusNotification")
    assert said("ocpp1.6", log)[0] == "ExtendedTriggerMessage"
    assert said("ocpp1.6", commands.ReadVariables()) == ("GetConfiguration", {})
    assert said("ocpp1.6", commands.ReadVariables(names=(POWER,))) == (
        "GetConfiguration",
        {"key": ["Power"]},
    )
    write = commands.WriteVariables(values=(commands.VariableWrite(variable=POWER, value="1"),))
    assert said("ocpp1.6", write) == ("ChangeConfiguration", {"key": "Power", "value": "1"})


@ON_2X
def test_each_command_has_its_request_of_2x(subprotocol: str) -> None:
    start = commands.StartCharging(evse_id=2, id_token="TAG", remote_start_id=9)
    assert said(subprotocol, start) == (
        "RequestStartTransaction",
        {"evseId": 2, "remoteStartId": 9, "idToken": {"idToken": "TAG", "type": "Central"}},
    )
    stop = commands.StopCharging(ocpp_transaction_id="T")
    assert said(subprotocol, stop) == ("RequestStopTransaction", {"transactionId": "T"})
    away = commands.ChangeAvailability(evse_id=1, operative=True)
    assert said(subprotocol, away) == (
        "ChangeAvailability",
        {"evse": {"id": 1}, "operationalStatus": "Operative"},
    )
    unlock = commands.Unlock(evse_id=2, connector_id=3)
    assert said(subprotocol, unlock) == ("UnlockConnector", {"evseId": 2, "connectorId": 3})
    reset = commands.Reset(kind="immediate", evse_id=1)
    assert said(subprotocol, reset) == ("Reset", {"type": "Immediate", "evseId": 1})
    trigger = commands.TriggerMessage(message="StatusNotification", evse_id=1)
    assert said(subprotocol, trigger) == (
        "TriggerMessage",
        {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}},
    )
    every = commands.ReadVariables(request_id=4)
    assert said(subprotocol, every) == (
        "GetBaseReport",
        {"requestId": 4, "reportBase": "FullInventory"},
    )
    named = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    assert said(subprotocol, commands.ReadVariables(names=(POWER,))) == (
        "GetVariables",
        {"getVariableData": [named]},
    )
    write = commands.WriteVariables(values=(commands.VariableWrite(variable=POWER, value="1"),))
    assert said(subprotocol, write) == (
        "SetVariables",
        {"setVariableData": [named | {"attributeValue": "1"}]},
    )


def test_a_limit_is_a_profile_of_16() -> None:
    assert said("ocpp1.6", A_LIMIT) == (
        "SetChargingProfile",
        {
            "connectorId": 2,
            "csChargingProfiles": {
                "chargingProfileId": 5,
                "transactionId": 77,
                "stackLevel": 3,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    "duration": 1800,
                    "startSchedule": "2026-06-15T12:00:00Z",
                    "chargingRateUnit": "W",
                    "chargingSchedulePeriod": [
                        {"startPeriod": 0, "limit": 3700.0},
                        {"startPeriod": 900, "limit": 0.0, "numberPhases": 1},
                    ],
                },
            },
        },
    )


@ON_2X
def test_a_limit_is_a_profile_of_2x(subprotocol: str) -> None:
    action, payload = said(subprotocol, A_LIMIT)
    profile = payload["chargingProfile"]
    assert (action, payload["evseId"], profile["id"]) == ("SetChargingProfile", 2, 5)
    assert profile["transactionId"] == "77"
    assert profile["chargingProfilePurpose"] == "TxProfile"
    assert [schedule["id"] for schedule in profile["chargingSchedule"]] == [5]
    periods = profile["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert [period["limit"] for period in periods] == [3700.0, 0.0]


@EVERYWHERE
@pytest.mark.parametrize(
    ("limit_w", "phases", "limit_a"),
    [(3680.0, 1, 16.0), (3679.0, 1, 15.9), (11040.0, 3, 16.0), (22080.0, 3, 32.0), (0.0, 3, 0.0)],
)
def test_amperes_are_per_phase_and_never_more_than_asked(
    subprotocol: str, limit_w: float, phases: int, limit_a: float
) -> None:
    limit = commands.SetLimit(
        evse_id=0,
        purpose="default",
        profile_id=1,
        periods=(LimitPeriod(0, limit_w),),
        rate_unit="A",
        phases=phases,
    )
    payload = said(subprotocol, limit)[1]
    profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
    schedule = profile["chargingSchedule"]
    schedule = schedule if isinstance(schedule, dict) else schedule[0]
    assert profile["chargingProfileKind"] == "Relative"
    assert profile["chargingProfilePurpose"] == "TxDefaultProfile"
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": limit_a}]
    assert limit_a * phases * 230 <= limit_w


def test_the_stations_own_limit_has_a_name_in_each_version() -> None:
    limit = commands.SetLimit(
        evse_id=0, purpose="station", profile_id=1, periods=(LimitPeriod(0, 9e3),), start_at=NOON
    )
    profile = said("ocpp1.6", limit)[1]["csChargingProfiles"]
    assert profile["chargingProfilePurpose"] == "ChargePointMaxProfile"
    profile = said("ocpp2.0.1", limit)[1]["chargingProfile"]
    assert profile["chargingProfilePurpose"] == "ChargingStationMaxProfile"


@pytest.mark.parametrize(
    "wrong",
    [
        {"periods": ()},
        {"periods": (LimitPeriod(60, 1.0),)},
        {"periods": (LimitPeriod(0, 1.0), LimitPeriod(0, 2.0))},
        {"ocpp_transaction_id": None},
        {"purpose": "default"},
        {"evse_id": 0},
        {"purpose": "station", "ocpp_transaction_id": None, "evse_id": 0, "start_at": None},
    ],
)
def test_a_limit_that_makes_no_sense_can_not_be_made(wrong: dict[str, Any]) -> None:
    fields = {name: getattr(A_LIMIT, name) for name in A_LIMIT.__struct_fields__}
    with pytest.raises(ValueError, match="limit"):
        commands.SetLimit(**fields | wrong)


def test_limits_are_cleared_by_id_or_by_what_they_are_for() -> None:
    one = commands.ClearLimit(profile_id=5)
    assert said("ocpp1.6", one) == ("ClearChargingProfile", {"id": 5})
    assert said("ocpp2.1", one) == ("ClearChargingProfile", {"chargingProfileId": 5})
    kind = commands.ClearLimit(evse_id=1, purpose="station", stack_level=2)
    assert said("ocpp1.6", kind)[1] == {
        "connectorId": 1,
        "chargingProfilePurpose": "ChargePointMaxProfile",
        "stackLevel": 2,
    }
    assert said("ocpp2.0.1", kind)[1]["chargingProfileCriteria"] == {
        "evseId": 1,
        "chargingProfilePurpose": "ChargingStationMaxProfile",
        "stackLevel": 2,
    }
    for subprotocol in ("ocpp1.6", "ocpp2.0.1"):
        nothing_there = outcome(subprotocol, one, {"status": "Unknown"})
        assert (nothing_there.status, nothing_there.detail) == ("accepted", "Unknown")


@EVERYWHERE
def test_a_limit_is_read_back_in_watts(subprotocol: str) -> None:
    read = commands.ReadLimit(evse_id=1, duration_s=600, rate_unit="A")
    action, payload = said(subprotocol, read)
    assert action == "GetCompositeSchedule"
    assert payload["duration"] == 600
    periods = [
        {"startPeriod": 0, "limit": 16.0, "numberPhases": 1},
        {"startPeriod": 300, "limit": 10.0},
    ]
    schedule: dict[str, Any] = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    if subprotocol == "ocpp1.6":
        response = {"status": "Accepted", "chargingSchedule": schedule}
    else:
        more = {"evseId": 1, "duration": 600, "scheduleStart": "2026-06-15T12:00:00Z"}
        response = {"status": "Accepted", "schedule": schedule | more}
    told = outcome(subprotocol, read, response)
    assert told.faults == ()
    assert told.periods == (LimitPeriod(0, 3680.0, 1), LimitPeriod(300, 6900.0))


def test_what_a_version_can_not_say_is_refused_before_it_is_sent() -> None:
    two = commands.VariableWrite(variable=POWER, value="1")
    for command in (
        commands.TriggerMessage(message="TransactionEvent"),
        commands.Reset(evse_id=1),
        commands.WriteVariables(values=(two, two)),
        commands.StopCharging(ocpp_transaction_id="not-a-number"),
        commands.StartCharging(evse_id=1, id_token="x" * 21, remote_start_id=1),
    ):
        with pytest.raises(BadInput):
            dialect_of("ocpp1.6").say(command)
    nameless = VariableName(name="Power")
    for command in (
        commands.ReadVariables(names=(nameless,)),
        commands.StopCharging(ocpp_transaction_id="x" * 37),
    ):
        with pytest.raises(BadInput):
            dialect_of("ocpp2.0.1").say(command)


def test_raw_commands_go_out_as_they_are_and_are_read_by_their_status() -> None:
    raw = commands.RawCommand(action="ClearCache", payload={})
    for dialect in DIALECTS:
        assert dialect.say(raw) == ("ClearCache", b"{}")
        assert dialect.outcome(raw, b'{"status":"Rejected"}').status == "rejected"


@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("Accepted", "accepted"),
        ("Scheduled", "scheduled"),
        ("Rejected", "rejected"),
        ("Whatever", "unknown"),
    ],
)
@EVERYWHERE
def test_the_status_is_what_a_response_means(subprotocol: str, status: str, means: str) -> None:
    command = commands.ChangeAvailability(operative=True)
    told = outcome(subprotocol, command, {"status": status})
    assert told.status == means
    assert [fault.field for fault in told.faults] == (["/status"] if means == "unknown" else [])


@EVERYWHERE
@pytest.mark.parametrize("response", [b"", b"[]", b"null", b'"x"', b'{"a":NaN}', b"{}", b"[" * 99])
def test_an_unreadable_response_means_nothing_and_breaks_nothing(
    subprotocol: str, response: bytes
) -> None:
    for command in (commands.Reset(), A_LIMIT, commands.Unlock(evse_id=1)):
        assert outcome(subprotocol, command, response).status == "unknown"


@EVERYWHERE
@pytest.mark.parametrize(
    "response",
    [
        {"configurationKey": 5, "getVariableResult": 5, "setVariableResult": {}},
        {"configurationKey": [5], "getVariableResult": [5], "setVariableResult": ["x"]},
        {"unknownKey": 5, "status": ["x"], "statusInfo": 7, "chargingSchedule": [], "schedule": 1},
        {"schedule": {"chargingSchedulePeriod": [1, {"startPeriod": "x", "limit": None}]}},
    ],
)
def test_an_absurd_response_breaks_nothing(subprotocol: str, response: dict[str, Any]) -> None:
    for command in (
        commands.ReadVariables(names=(POWER,)),
        commands.WriteVariables(values=(commands.VariableWrite(variable=POWER, value="1"),)),
        commands.ReadLimit(evse_id=1, duration_s=60),
        commands.Reset(),
    ):
        told = outcome(subprotocol, command, response)
        assert told.faults != ()
        assert all(isinstance(state.value, str) for state in told.variables)


def test_settings_are_read_back() -> None:
    response = {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": ["Nonsense"],
    }
    told = outcome("ocpp1.6", commands.ReadVariables(), response)
    assert told.variables == (VariableState(name="HeartbeatInterval", value="300"),)
    assert told.detail == "unknown: Nonsense"
    result = {
        "attributeStatus": "Accepted",
        "attributeValue": "7400",
        "component": {"name": "EVSE"},
        "variable": {"name": "Power"},
    }
    told = outcome(
        "ocpp2.0.1", commands.ReadVariables(names=(POWER,)), {"getVariableResult": [result]}
    )
    assert told.variables == (
        VariableState(name="Power", component="EVSE", evse_id=1, value="7400"),
    )


@ON_2X
@pytest.mark.parametrize(
    ("statuses", "means"),
    [
        (["Accepted", "Accepted"], "accepted"),
        (["Accepted", "RebootRequired"], "scheduled"),
        (["Accepted", "UnknownVariable"], "rejected"),
        (["Rejected", "RebootRequired"], "rejected"),
    ],
)
def test_several_writes_are_accepted_only_if_all_are(
    subprotocol: str, statuses: list[str], means: str
) -> None:
    writes = tuple(commands.VariableWrite(variable=POWER, value="1") for _ in statuses)
    results = [
        {
            "attributeStatus": status,
            "component": {"name": "EVSE"},
            "variable": {"name": "Power"},
        }
        for status in statuses
    ]
    told = outcome(
        subprotocol, commands.WriteVariables(values=writes), {"setVariableResult": results}
    )
    assert (told.status, told.detail) == (means, ", ".join(statuses))


def test_raw_requests_are_checked_by_the_stations_own_version() -> None:
    dialect = dialect_of("ocpp1.6")
    assert dialect.validate_request("Reset", {"type": "Hard"}) == []
    (error,) = dialect.validate_request("Reset", {"type": "Gently"})
    assert error.field == "/type"
    fields = {error.field for error in dialect.validate_request("Reset", {"kind": "Hard"})}
    assert fields == {"/type", "/kind"}
    assert dialect.validate_request("Reset", ["Hard"])[0].field == ""
    for poison in ({"type": "a\x00"}, {"type": float("nan")}, {"type": 2**70}, {"type": object()}):
        assert dialect.validate_request("Reset", poison) != []
    when = {"retrieveDate": "tomorrow", "location": "https://example.org/fw"}
    assert [error.field for error in dialect.validate_request("UpdateFirmware", when)] == [
        "/retrieveDate"
    ]
    for nobody in ("BootNotification", "RequestStartTransaction", "Nonsense", ""):
        with pytest.raises(BadInput):
            dialect.validate_request(nobody, {})


def test_commands_survive_being_stored() -> None:
    for command in (
        A_LIMIT,
        commands.ReadVariables(names=(POWER,)),
        commands.RawCommand(action="A", payload={"b": [1, None]}),
        commands.ClearLimit(),
    ):
        assert commands.decode_command(commands.encode_command(command)) == command


A_LIST = commands.SendLocalList(
    version=7,
    full=False,
    tokens=(
        commands.ListedToken(
            id_token="TAG",
            token_type="ISO14443",
            status="NotAtThisTime",
            expires_at=NOON,
            parent="CREW",
        ),
        commands.ListedToken(id_token="GONE", token_type="MyOwn"),
    ),
)


def test_16_is_told_a_list_of_tokens() -> None:
    info = {"status": "Invalid", "expiryDate": "2026-06-15T12:00:00Z", "parentIdTag": "CREW"}
    assert said("ocpp1.6", A_LIST) == (
        "SendLocalList",
        {
            "listVersion": 7,
            "updateType": "Differential",
            "localAuthorizationList": [{"idTag": "TAG", "idTagInfo": info}, {"idTag": "GONE"}],
        },
    )
    empty = commands.SendLocalList(version=8, full=True, tokens=())
    assert said("ocpp1.6", empty)[1]["updateType"] == "Full"


@ON_2X
def test_2x_is_told_a_list_of_tokens(subprotocol: str) -> None:
    info = {
        "status": "NotAtThisTime",
        "cacheExpiryDateTime": "2026-06-15T12:00:00Z",
        "groupIdToken": {"idToken": "CREW", "type": "Central"},
    }
    listed = [
        {"idToken": {"idToken": "TAG", "type": "ISO14443"}, "idTokenInfo": info},
        {"idToken": {"idToken": "GONE", "type": "Central"}},
    ]
    assert said(subprotocol, A_LIST) == (
        "SendLocalList",
        {"versionNumber": 7, "updateType": "Differential", "localAuthorizationList": listed},
    )
    empty = commands.SendLocalList(version=8, full=True, tokens=())
    assert said(subprotocol, empty)[1] == {"versionNumber": 8, "updateType": "Full"}


@EVERYWHERE
def test_a_list_is_taken_or_not(subprotocol: str) -> None:
    told = outcome(subprotocol, A_LIST, {"status": "Accepted"})
    assert told.status == "accepted"
    for refusal in ("Failed", "VersionMismatch"):
        told = outcome(subprotocol, A_LIST, {"status": refusal})
        assert (told.status, told.detail) == ("rejected", refusal)


@EVERYWHERE
def test_the_version_of_a_list_is_read(subprotocol: str) -> None:
    ask = commands.ReadLocalListVersion()
    assert said(subprotocol, ask) == ("GetLocalListVersion", {})
    field = "listVersion" if subprotocol == "ocpp1.6" else "versionNumber"
    told = outcome(subprotocol, ask, {field: 41})
    assert (told.status, told.list_version) == ("accepted", 41)
    assert outcome(subprotocol, ask, {field: "x"}).status == "unknown"


def test_a_16_station_tells_by_its_version_that_it_has_no_list() -> None:
    told = outcome("ocpp1.6", commands.ReadLocalListVersion(), {"listVersion": -1})
    assert (told.status, told.list_version) == ("not-supported", None)
    told = outcome("ocpp1.6", A_LIST, {"status": "NotSupported"})
    assert told.status == "not-supported"


@EVERYWHERE
def test_stations_are_told_to_forget(subprotocol: str) -> None:
    assert said(subprotocol, commands.ClearCache()) == ("ClearCache", {})
    told = outcome(subprotocol, commands.ClearCache(), {"status": "Rejected"})
    assert told.status == "rejected"


A_WISH = commands.ReserveEvse(
    reservation_id=7,
    evse_id=2,
    id_token="CARD",
    token_type="ISO14443",
    group_token="FAMILY",
    expires_at=NOON,
)


def test_16_reserves_a_connector() -> None:
    assert said("ocpp1.6", A_WISH) == (
        "ReserveNow",
        {
            "connectorId": 2,
            "expiryDate": "2026-06-15T12:00:00Z",
            "idTag": "CARD",
            "parentIdTag": "FAMILY",
            "reservationId": 7,
        },
    )
    whichever = msgspec.structs.replace(A_WISH, evse_id=None, group_token=None)
    action, payload = said("ocpp1.6", whichever)
    assert (action, payload["connectorId"]) == ("ReserveNow", 0)
    assert "parentIdTag" not in payload
    typed = msgspec.structs.replace(whichever, connector_type="sType2")
    with pytest.raises(BadInput, match="no type of connector"):
        said("ocpp1.6", typed)


@ON_2X
def test_2x_reserves_an_evse(subprotocol: str) -> None:
    assert said(subprotocol, A_WISH) == (
        "ReserveNow",
        {
            "id": 7,
            "expiryDateTime": "2026-06-15T12:00:00Z",
            "evseId": 2,
            "idToken": {"idToken": "CARD", "type": "ISO14443"},
            "groupIdToken": {"idToken": "FAMILY", "type": "Central"},
        },
    )
    typed = msgspec.structs.replace(A_WISH, evse_id=None, connector_type="sType2")
    _, payload = said(subprotocol, typed)
    assert payload["connectorType"] == "sType2"
    assert "evseId" not in payload


@EVERYWHERE
def test_reservations_are_cancelled_and_answers_read(subprotocol: str) -> None:
    cancel = commands.CancelReservation(reservation_id=7)
    assert said(subprotocol, cancel) == ("CancelReservation", {"reservationId": 7})
    assert outcome(subprotocol, cancel, {"status": "Rejected"}).status == "rejected"
    assert outcome(subprotocol, A_WISH, {"status": "Accepted"}).status == "accepted"
    for status in ("Faulted", "Occupied", "Rejected", "Unavailable"):
        told = outcome(subprotocol, A_WISH, {"status": status})
        assert (told.status, told.detail) == ("rejected", status)
    for command in (A_WISH, cancel):
        assert commands.decode_command(commands.encode_command(command)) == command
