"""OCPP 2.0.1, block E: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.played_sessions import Session, token_status
from tests.builders.played_station import PlayedStation


def charging(state: str) -> dict[str, Any]:
    """Returns what an event says of the charging state."""
    return {"info": {"chargingState": state}}


async def starts(cs: PlayedStation, trigger: str, **more: Any) -> Session:
    """A session that begins by a trigger and then charges."""
    session = Session(cs)
    await session.tell("Started", trigger, **more)
    await session.tell("Updated", "ChargingStateChanged", **charging("Charging"))
    shown = await session.shown()
    assert (shown["stopped_at"], shown["charging_state"]) == (None, "Charging")
    return session


async def test_tc_e_01_csms_start_power_path_closed(cs: PlayedStation) -> None:
    """The session begins as the power path closes."""
    assert await token_status(cs, "VALID") == "Accepted"
    await cs.status("Occupied")
    await starts(cs, "ChargingStateChanged", token="VALID", **charging("EVConnected"))


async def test_tc_e_02_csms_start_energy_transfer(cs: PlayedStation) -> None:
    """The session begins as energy flows."""
    assert await token_status(cs, "VALID") == "Accepted"
    await starts(cs, "ChargingStateChanged", token="VALID", **charging("Charging"))


async def test_tc_e_03_csms_local_start_cable_plugin_first(cs: PlayedStation) -> None:
    """The cable, then the card."""
    session = Session(cs)
    await cs.status("Occupied")
    await session.tell("Started", "CablePluggedIn", **charging("EVConnected"))
    answer = await session.tell("Updated", "Authorized", token="VALID")
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert (await session.shown())["id_token"] == "VALID"


async def test_tc_e_04_csms_local_start_authorization_first(cs: PlayedStation) -> None:
    """The card, then the cable."""
    assert await token_status(cs, "VALID") == "Accepted"
    session = Session(cs)
    await session.charging()
    assert (await session.shown())["id_token"] == "VALID"


async def test_tc_e_09_csms_start_ev_connected(cs: PlayedStation) -> None:
    """The session begins as the car is connected."""
    await cs.status("Occupied")
    await starts(cs, "CablePluggedIn", **charging("EVConnected"))


async def test_tc_e_10_csms_start_authorized_local(cs: PlayedStation) -> None:
    """The session begins with the card."""
    session = await starts(cs, "Authorized", token="VALID")
    assert (await session.shown())["token_status"] == "Accepted"


async def test_tc_e_11_csms_start_data_signed(cs: PlayedStation) -> None:
    """The session begins with signed data of the meter."""
    await starts(cs, "SignedDataReceived", token="VALID", **charging("EVConnected"))


async def test_tc_e_12_csms_start_parking_bay_occupied(cs: PlayedStation) -> None:
    """The session begins as a car is seen in the bay."""
    await starts(cs, "EVDetected")


async def stops(cs: PlayedStation, trigger: str, reason: str, *before: str, **more: Any) -> None:
    """A session that passes through some states and then ends by a trigger."""
    session = Session(cs)
    await session.charging()
    for state in before:
        await session.tell("Updated", "ChargingStateChanged", **charging(state))
    await session.over(trigger, reason, **more)
    await cs.status("Available")
    assert await cs.shown() == "Available"


async def test_tc_e_07_csms_stop_power_path_closed_local(cs: PlayedStation) -> None:
    """The session ends with the card."""
    token = {"idToken": {"idToken": "VALID", "type": "ISO14443"}}
    await stops(cs, "StopAuthorized", "Local", **token)


async def test_tc_e_08_csms_stop_energy_transfer_stop_authorized(cs: PlayedStation) -> None:
    """The session ends as energy stops to flow, by the card."""
    await stops(cs, "StopAuthorized", "Local")


async def test_tc_e_14_csms_stop_ev_disconnected_station_side(cs: PlayedStation) -> None:
    """The session ends as the cable leaves the station."""
    await stops(cs, "EVCommunicationLost", "EVDisconnected", "EVConnected", "Idle")


async def test_tc_e_15_csms_stop_authorized_local(cs: PlayedStation) -> None:
    """The session ends with the card, and energy before it."""
    await stops(cs, "StopAuthorized", "Local", "EVConnected")


@pytest.mark.parametrize("token", ["NOBODY", "BLOCKED"])
async def test_tc_e_16_csms_stop_deauthorized_invalid_id_token(
    cs: PlayedStation, token: str
) -> None:
    """A session begun with a token that may not charge: the answer says so, and it ends."""
    session = Session(cs)
    await session.tell("Started", "CablePluggedIn", **charging("EVConnected"))
    answer = await session.tell("Updated", "Authorized", token=token)
    assert answer["idTokenInfo"]["status"] != "Accepted"
    await session.over("Deauthorized", "DeAuthorized")


async def test_tc_e_17_csms_stop_deauthorized_ev_side_disconnect(cs: PlayedStation) -> None:
    """The car leaves, and the session loses its authorisation by it."""
    await stops(cs, "EVCommunicationLost", "EVDisconnected", "SuspendedEV")


async def test_tc_e_19_csms_stop_parking_bay_unoccupied(cs: PlayedStation) -> None:
    """The session ends as the bay is left."""
    await stops(cs, "EVDeparted", "Local", "EVConnected", "Idle")


async def test_tc_e_20_csms_stop_ev_disconnected_ev_side(cs: PlayedStation) -> None:
    """The session ends as the cable leaves the car."""
    await stops(cs, "EVCommunicationLost", "EVDisconnected")


async def test_tc_e_21_csms_stop_authorized_remote(cs: PlayedStation) -> None:
    """RequestStopTransaction, and the end of the session."""
    session = Session(cs)
    await session.charging()
    await cs.order("RequestStopTransaction", {"transactionId": session.name})
    await session.over("RemoteStop", "Remote")


async def test_tc_e_22_csms_stop_energy_transfer_suspended_ev(cs: PlayedStation) -> None:
    """The session ends as the car takes no more."""
    await stops(cs, "ChargingStateChanged", "StoppedByEV", "SuspendedEV")


async def test_tc_e_26_csms_disconnect_cable_on_ev_side_suspend(cs: PlayedStation) -> None:
    """The car leaves and comes back: the session goes on."""
    session = Session(cs)
    await session.charging()
    await session.tell("Updated", "EVCommunicationLost", **charging("Idle"))
    assert (await session.shown())["stopped_at"] is None
    await session.tell("Updated", "CablePluggedIn", **charging("EVConnected"))
    await session.tell("Updated", "ChargingStateChanged", **charging("Charging"))
    assert (await session.shown())["charging_state"] == "Charging"


async def asks_of(cs: PlayedStation, session: Session | None, **reply: bool) -> None:
    """GetTransactionStatus, of a session or of all."""
    asked = {} if session is None else {"transactionId": session.name}
    await cs.order("GetTransactionStatus", asked, reply)


async def test_tc_e_29_csms_transaction_ongoing_with_messages(cs: PlayedStation) -> None:
    """The session goes on and there are messages to come, which then do."""
    session = Session(cs)
    await session.charging()
    await asks_of(cs, session, ongoingIndicator=True, messagesInQueue=True)
    await session.tell("Updated", "MeterValuePeriodic", offline=True)


async def test_tc_e_30_csms_transaction_ongoing_without_messages(cs: PlayedStation) -> None:
    """The session goes on and all is told."""
    session = Session(cs)
    await session.charging()
    await asks_of(cs, session, ongoingIndicator=True, messagesInQueue=False)


async def test_tc_e_31_csms_transaction_ended_with_messages(cs: PlayedStation) -> None:
    """The session is over and its end is still to come."""
    session = Session(cs)
    await session.charging()
    await asks_of(cs, session, ongoingIndicator=False, messagesInQueue=True)
    await session.over("EVCommunicationLost", "EVDisconnected", offline=True)


async def test_tc_e_33_csms_without_transaction_id_with_messages(cs: PlayedStation) -> None:
    """There are messages to come, of whichever session."""
    await asks_of(cs, None, messagesInQueue=True)


async def test_tc_e_34_csms_without_transaction_id_without_messages(cs: PlayedStation) -> None:
    """There are no messages to come."""
    await asks_of(cs, None, messagesInQueue=False)


async def test_tc_e_38_csms_local_start_ev_not_ready(cs: PlayedStation) -> None:
    """The car is connected and not ready: the session waits suspended."""
    session = Session(cs)
    await session.tell("Started", "Authorized", token="VALID")
    await session.tell("Updated", "CablePluggedIn", **charging("EVConnected"))
    await session.tell("Updated", "ChargingStateChanged", **charging("SuspendedEV"))
    assert (await session.shown())["charging_state"] == "SuspendedEV"


async def test_tc_e_39_csms_stop_deauthorized_timeout(cs: PlayedStation) -> None:
    """No cable in time: the session ends."""
    session = Session(cs)
    await session.tell("Started", "Authorized", token="VALID")
    await session.over("EVConnectTimeout", "Timeout")


async def test_tc_e_53_csms_sequence_number_begins_at_zero(cs: PlayedStation) -> None:
    """Each session counts its events from 0 on."""
    for name in ("tx-1", "tx-2"):
        session = Session(cs, name)
        await session.charging()
        await session.over("StopAuthorized", "Local")
        assert (await session.shown())["suspect"] == []
