"""OCPP 2.0.1, blocks F and G: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.played_sessions import Session, meter, started_by, token_status
from tests.builders.played_station import PlayedStation, now

START = {"remoteStartId": 8, "idToken": {"idToken": "VALID", "type": "ISO14443"}, "evseId": 1}


async def remote(cs: PlayedStation, **reply: str) -> None:
    """Asks for a start as a user does."""
    await cs.order("RequestStartTransaction", START, {"status": "Accepted", **reply})


async def test_tc_f_01_csms_remote_start_cable_plugin_first(cs: PlayedStation) -> None:
    """RequestStartTransaction into a session that the cable has begun."""
    session = Session(cs)
    await cs.status("Occupied")
    await session.tell("Started", "CablePluggedIn", info={"chargingState": "EVConnected"})
    await remote(cs, transactionId=session.name)
    info = {"remoteStartId": 8, "chargingState": "Charging"}
    answer = await session.tell("Updated", "RemoteStart", token="VALID", info=info)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert (await session.shown())["id_token"] == "VALID"
    assert (await started_by(cs))["remoteStartId"] == 8


async def started(cs: PlayedStation) -> Session:
    """A session that begins by the request."""
    session = Session(cs)
    answer = await session.tell("Started", "RemoteStart", token="VALID", info={"remoteStartId": 8})
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert (await started_by(cs))["remoteStartId"] == 8
    return session


async def test_tc_f_02_csms_remote_start_first_authorize_is_true(cs: PlayedStation) -> None:
    """RequestStartTransaction, Authorize, and the session."""
    await remote(cs)
    assert await token_status(cs, "VALID") == "Accepted"
    session = await started(cs)
    await session.tell("Updated", "CablePluggedIn", info={"chargingState": "EVConnected"})


async def test_tc_f_03_csms_remote_start_first_authorize_is_false(cs: PlayedStation) -> None:
    """RequestStartTransaction, and the session without Authorize."""
    await remote(cs)
    session = await started(cs)
    await session.tell("Updated", "CablePluggedIn", info={"chargingState": "EVConnected"})


async def test_tc_f_04_csms_remote_start_first_cable_timeout(cs: PlayedStation) -> None:
    """RequestStartTransaction, and no cable in time: the session ends."""
    await remote(cs)
    session = await started(cs)
    await session.over("EVConnectTimeout", "Timeout")


@pytest.mark.parametrize("status", ["Unlocked", "UnlockFailed", "UnknownConnector"])
async def test_tc_f_06_csms_remote_unlock_connector(cs: PlayedStation, status: str) -> None:
    """UnlockConnector, and each answer of the station."""
    await cs.order("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": status})


async def trigger(cs: PlayedStation, message: str, evse: int | None = None) -> None:
    """TriggerMessage of an EVSE or of all."""
    asked: dict[str, Any] = {"requestedMessage": message}
    if evse is not None:
        asked["evse"] = {"id": evse} if message != "StatusNotification" else {"id": evse} | PLUG
    await cs.order("TriggerMessage", asked)


PLUG = {"connectorId": 1}


async def test_tc_f_11_csms_trigger_meter_values_specific_evse(cs: PlayedStation) -> None:
    """MeterValues of one EVSE."""
    await trigger(cs, "MeterValues", 1)
    await cs.call("MeterValues", {"evseId": 1, "meterValue": [meter(1000, "Trigger")]})


async def test_tc_f_12_csms_trigger_meter_values_all_evse(cs: PlayedStation) -> None:
    """MeterValues of every EVSE."""
    await trigger(cs, "MeterValues")
    for evse in (1, 2):
        await cs.call("MeterValues", {"evseId": evse, "meterValue": [meter(1000, "Trigger")]})


async def test_tc_f_13_csms_trigger_transaction_event_specific_evse(cs: PlayedStation) -> None:
    """TransactionEvent of the session at one EVSE."""
    session = Session(cs)
    await session.charging()
    await trigger(cs, "TransactionEvent", 1)
    await session.tell("Updated", "Trigger", meterValue=[meter(1200, "Trigger")])


async def test_tc_f_14_csms_trigger_transaction_event_all_evse(cs: PlayedStation) -> None:
    """TransactionEvent of every session."""
    sessions = [Session(cs, "tx-1", 1), Session(cs, "tx-2", 2)]
    for session, token in zip(sessions, ("VALID", "OTHER"), strict=True):
        await session.charging(token)
    await trigger(cs, "TransactionEvent")
    for session in sessions:
        await session.tell("Updated", "Trigger", info={"chargingState": "Charging"})


async def test_tc_f_15_csms_trigger_log_status_notification_idle(cs: PlayedStation) -> None:
    """LogStatusNotification, Idle."""
    await trigger(cs, "LogStatusNotification")
    assert await cs.call("LogStatusNotification", {"status": "Idle"}) == {}


async def test_tc_f_18_csms_trigger_firmware_status_notification_idle(cs: PlayedStation) -> None:
    """FirmwareStatusNotification, Idle."""
    await trigger(cs, "FirmwareStatusNotification")
    assert await cs.call("FirmwareStatusNotification", {"status": "Idle"}) == {}


async def test_tc_f_20_csms_trigger_heartbeat(cs: PlayedStation) -> None:
    """Heartbeat."""
    await trigger(cs, "Heartbeat")
    assert (await cs.call("Heartbeat", {}))["currentTime"].endswith("Z")


async def test_tc_f_23_csms_trigger_status_notification_available(cs: PlayedStation) -> None:
    """StatusNotification of one connector, Available."""
    await trigger(cs, "StatusNotification", 1)
    await cs.status("Available")
    assert await cs.shown() == "Available"


async def test_tc_f_24_csms_trigger_status_notification_occupied(cs: PlayedStation) -> None:
    """StatusNotification of one connector, Occupied."""
    await trigger(cs, "StatusNotification", 1)
    await cs.status("Occupied")
    assert await cs.shown() == "Occupied"


async def test_tc_f_27_csms_trigger_not_implemented(cs: PlayedStation) -> None:
    """TriggerMessage, answered NotImplemented."""
    asked = {"requestedMessage": "PublishFirmwareStatusNotification"}
    await cs.order("TriggerMessage", asked, {"status": "NotImplemented"})


@pytest.mark.parametrize("status", ["Available", "Occupied", "Reserved", "Unavailable", "Faulted"])
async def test_tc_g_01_csms_status_notification(cs: PlayedStation, status: str) -> None:
    """Each status of a connector is answered and shown."""
    assert await cs.status(status) == {}
    assert await cs.shown() == status


STATION: dict[str, Any] = {}
EVSE = {"evse": {"id": 1}}
CONNECTOR = {"evse": {"id": 1, "connectorId": 1}}


async def changes(cs: PlayedStation, where: dict[str, Any], wanted: str) -> None:
    """ChangeAvailability, and the status that follows."""
    await cs.order("ChangeAvailability", {"operationalStatus": wanted, **where})
    status = "Available" if wanted == "Operative" else "Unavailable"
    for evse in (1,) if where else (1, 2):
        await cs.status(status, evse)
        assert await cs.shown(evse) == status


async def test_tc_g_03_csms_change_availability_evse_inoperative(cs: PlayedStation) -> None:
    """An EVSE is put out of service."""
    await changes(cs, EVSE, "Inoperative")


async def test_tc_g_04_csms_change_availability_evse_operative(cs: PlayedStation) -> None:
    """An EVSE is put into service."""
    await changes(cs, EVSE, "Operative")


async def test_tc_g_05_csms_change_availability_station_inoperative(cs: PlayedStation) -> None:
    """The station is put out of service."""
    await changes(cs, STATION, "Inoperative")


async def test_tc_g_06_csms_change_availability_station_operative(cs: PlayedStation) -> None:
    """The station is put into service."""
    await changes(cs, STATION, "Operative")


async def test_tc_g_07_csms_change_availability_connector_inoperative(cs: PlayedStation) -> None:
    """A connector is put out of service."""
    await changes(cs, CONNECTOR, "Inoperative")


async def test_tc_g_08_csms_change_availability_connector_operative(cs: PlayedStation) -> None:
    """A connector is put into service."""
    await changes(cs, CONNECTOR, "Operative")


async def scheduled(cs: PlayedStation, where: dict[str, Any]) -> None:
    """ChangeAvailability during a session: the station waits until it is over."""
    session = Session(cs)
    await session.charging()
    asked = {"operationalStatus": "Inoperative", **where}
    await cs.order("ChangeAvailability", asked, {"status": "Scheduled"})
    assert (await session.shown())["stopped_at"] is None
    await session.over("StopAuthorized", "Local")
    await cs.status("Unavailable")
    assert await cs.shown() == "Unavailable"


async def test_tc_g_11_csms_change_availability_evse_with_transaction(cs: PlayedStation) -> None:
    """An EVSE in use, answered Scheduled."""
    await scheduled(cs, EVSE)


async def test_tc_g_14_csms_change_availability_station_with_transaction(
    cs: PlayedStation,
) -> None:
    """A station in use, answered Scheduled."""
    await scheduled(cs, STATION)


async def test_tc_g_17_csms_change_availability_connector_with_transaction(
    cs: PlayedStation,
) -> None:
    """A connector in use, answered Scheduled."""
    await scheduled(cs, CONNECTOR)


async def test_tc_g_20_csms_connector_lock_failure(cs: PlayedStation) -> None:
    """NotifyEvent of a lock that fails, after the card."""
    assert await token_status(cs, "VALID") == "Accepted"
    event = {
        "eventId": 1,
        "timestamp": now(),
        "trigger": "Delta",
        "actualValue": "true",
        "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}},
        "eventNotificationType": "HardWiredNotification",
        "variable": {"name": "Problem"},
    }
    payload = {"generatedAt": now(), "seqNo": 0, "eventData": [event]}
    assert await cs.call("NotifyEvent", payload) == {}
