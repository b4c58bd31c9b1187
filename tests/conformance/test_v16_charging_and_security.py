"""OCPP 1.6, triggers, smart charging, security: the certification programme's cases."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.builders.played_sessions import begun, ended, started_by
from tests.builders.played_station import ACCEPTED, PlayedStation, kept, now, played_station

REJECTED = {"status": "Rejected"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa",
    "issuerKeyHash": "bb",
    "serialNumber": "01",
}


def profile(number: int, purpose: str, **more: Any) -> dict[str, Any]:
    """Returns a charging profile of 6 A for five minutes."""
    schedule = {
        "duration": 300,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0, "numberPhases": 3}],
    }
    kind = "Absolute" if purpose == "TxDefaultProfile" else "Relative"
    if kind == "Absolute":
        schedule["startSchedule"] = now()
    return {
        "chargingProfileId": number,
        "stackLevel": 2,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


@pytest.mark.parametrize(
    ("requested", "action", "payload"),
    [
        ("MeterValues", "MeterValues", {"connectorId": 1, "meterValue": []}),
        ("Heartbeat", "Heartbeat", {}),
        ("StatusNotification", "StatusNotification", {}),
        (
            "DiagnosticsStatusNotification",
            "DiagnosticsStatusNotification",
            {"status": "Idle"},
        ),
        ("FirmwareStatusNotification", "FirmwareStatusNotification", {"status": "Idle"}),
        ("BootNotification", "BootNotification", {}),
    ],
)
async def test_tc_054_csms_trigger_message(
    cp: PlayedStation, requested: str, action: str, payload: Any
) -> None:
    """TriggerMessage of each kind, and the message that was asked for."""
    asked: dict[str, Any] = {"requestedMessage": requested}
    if requested in {"MeterValues", "StatusNotification"}:
        asked["connectorId"] = 1
    await cp.order("TriggerMessage", asked)
    if action == "BootNotification":
        assert (await cp.boot())["status"] == "Accepted"
    elif action == "StatusNotification":
        await cp.status("Available")
    elif action == "MeterValues":
        value = {"timestamp": now(), "sampledValue": [{"value": "1000", "context": "Trigger"}]}
        await cp.call(action, payload | {"meterValue": [value]})
    else:
        await cp.call(action, payload)


async def test_tc_055_csms_trigger_message_rejected(cp: PlayedStation) -> None:
    """TriggerMessage, answered Rejected."""
    asked = {"requestedMessage": "MeterValues", "connectorId": 1}
    await cp.order("TriggerMessage", asked, REJECTED)
    assert await kept(cp, "TriggerMessage") == [REJECTED]


async def test_tc_056_csms_central_smart_charging_tx_default_profile(cp: PlayedStation) -> None:
    """SetChargingProfile for all transactions to come."""
    asked = {"connectorId": 1, "csChargingProfiles": profile(41, "TxDefaultProfile")}
    await cp.order("SetChargingProfile", asked)
    assert await kept(cp, "SetChargingProfile") == [ACCEPTED]


async def test_tc_057_csms_central_smart_charging_tx_profile(cp: PlayedStation) -> None:
    """SetChargingProfile for a running transaction."""
    number = await begun(cp)
    wanted = profile(42, "TxProfile", transactionId=number)
    await cp.order("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": wanted})
    assert await kept(cp, "SetChargingProfile") == [ACCEPTED]


async def test_tc_059_csms_remote_start_with_charging_profile(cp: PlayedStation) -> None:
    """RemoteStartTransaction with a profile, and the transaction, which is shown to be its."""
    await cp.status("Preparing")
    asked = {"connectorId": 1, "idTag": "VALID", "chargingProfile": profile(43, "TxProfile")}
    await cp.order("RemoteStartTransaction", asked)
    number = await begun(cp)
    assert await started_by(cp) == asked
    await ended(cp, number)
    await begun(cp, "SIBLING")
    assert await started_by(cp) is None


async def test_tc_066_csms_get_composite_schedule(cp: PlayedStation) -> None:
    """GetCompositeSchedule, answered with the schedule."""
    asked = {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"}
    schedule = profile(0, "TxDefaultProfile")["chargingSchedule"]
    reply = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": now(),
        "chargingSchedule": schedule,
    }
    await cp.order("GetCompositeSchedule", asked, reply)
    assert await kept(cp, "GetCompositeSchedule") == [reply]


@pytest.mark.parametrize(
    "asked",
    [{"id": 41}, {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 2}],
)
async def test_tc_067_csms_clear_charging_profile(cp: PlayedStation, asked: Any) -> None:
    """ClearChargingProfile by id, and by criteria; Unknown the second time."""
    await cp.order("ClearChargingProfile", asked)
    await cp.order("ClearChargingProfile", asked, {"status": "Unknown"})
    assert await kept(cp, "ClearChargingProfile") == [{"status": "Unknown"}, ACCEPTED]


async def test_tc_075_1_csms_install_manufacturer_root_certificate(cp: PlayedStation) -> None:
    """InstallCertificate of the manufacturer's root."""
    asked = {"certificateType": "ManufacturerRootCertificate", "certificate": PEM}
    await cp.order("InstallCertificate", asked)
    assert await kept(cp, "InstallCertificate") == [ACCEPTED]


async def test_tc_075_2_csms_install_central_system_root_certificate(cp: PlayedStation) -> None:
    """InstallCertificate of the central system's root."""
    asked = {"certificateType": "CentralSystemRootCertificate", "certificate": PEM}
    await cp.order("InstallCertificate", asked)
    assert await kept(cp, "InstallCertificate") == [ACCEPTED]


async def test_tc_076_csms_delete_a_specific_certificate(cp: PlayedStation) -> None:
    """GetInstalledCertificateIds, and DeleteCertificate of one that was told."""
    reply = {"status": "Accepted", "certificateHashData": [HASHES]}
    asked = {"certificateType": "CentralSystemRootCertificate"}
    told = await cp.order("GetInstalledCertificateIds", asked, reply)
    (found,) = told["response"]["certificateHashData"]
    await cp.order("DeleteCertificate", {"certificateHashData": found})
    assert await kept(cp, "DeleteCertificate") == [ACCEPTED]


@pytest.mark.parametrize("kind", ["InvalidCentralSystemCertificate"])
async def test_tc_078_csms_invalid_central_system_certificate_event(
    cp: PlayedStation, kind: str
) -> None:
    """The security event of a station that turned our certificate down is answered and shown."""
    asked = {"certificateType": "CentralSystemRootCertificate", "certificate": PEM}
    await cp.order("InstallCertificate", asked, REJECTED)
    event = {"type": kind, "timestamp": now()}
    assert await cp.call("SecurityEventNotification", event) == {}
    await cp.house.activity.quiet()
    kept = (await cp.house.get("/stations/CP-1/security-events"))["items"]
    assert kind in {each["type"] for each in kept}


async def test_tc_079_csms_get_security_log(cp: PlayedStation) -> None:
    """GetLog of the security log, and its upload told."""
    log = {"remoteLocation": "https://files.example.org/in"}
    asked = {"log": log, "logType": "SecurityLog", "requestId": 7}
    await cp.order("GetLog", asked, {"status": "Accepted", "filename": "log.zip"})
    for status in ("Uploading", "Uploaded"):
        payload = {"status": status, "requestId": 7}
        assert await cp.call("LogStatusNotification", payload) == {}
    told = [each["payload"] for each in await cp.messages("LogStatusNotification")]
    assert {"status": "Uploaded", "requestId": 7} in told


async def test_tc_085_csms_basic_authentication(sqlite_url: str) -> None:
    """The right password lets in; a wrong one and a wrong name are answered with 401."""
    async with played_station(sqlite_url, "1.6", come=False) as cp:
        for wrong in ({"password": "wrong"}, {"user": "CP-2"}):
            with pytest.raises(InvalidStatus) as refusal:
                await cp.dial(**wrong)
            assert refusal.value.response.status_code == 401
        await cp.dial()
        assert (await cp.boot())["status"] == "Accepted"


async def test_tc_088_csms_web_socket_subprotocol_negotiation(sqlite_url: str) -> None:
    """Of several subprotocols one that both speak is chosen; of none that is known, none."""
    async with played_station(sqlite_url, "1.6", come=False) as cp:
        link = await cp.dial(subprotocols=["ocpp0.1", "ocpp1.6"])
        assert link.subprotocol == "ocpp1.6"
        assert (await cp.boot())["status"] == "Accepted"
        await cp.hang_up()
        link = await cp.dial(subprotocols=["ocpp0.1"])
        assert link.subprotocol is None


async def test_tc_073_csms_update_password(cp: PlayedStation) -> None:
    """A new key is written to the station, told to the house, and the only one that holds."""
    asked = {"key": "AuthorizationKey", "value": b"correct-horse-battery-1".hex()}
    await cp.order("ChangeConfiguration", asked)
    await cp.house.patch("/stations/CP-1", {"password": "correct-horse-battery-1"})
    await cp.house.activity.quiet()
    await cp.hang_up()
    with pytest.raises(InvalidStatus):
        await cp.dial()
    await cp.dial(password="correct-horse-battery-1")
    assert (await cp.boot())["status"] == "Accepted"
