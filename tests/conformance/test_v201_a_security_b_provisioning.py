"""OCPP 2.0.1, blocks A and B: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.builders.played_sessions import Session
from tests.builders.played_station import PlayedStation, kept, now, played_station

NEW_PASSWORD = "correct-horse-battery-1"
PASSWORD = {
    "component": {"name": "SecurityCtrlr"},
    "variable": {"name": "BasicAuthPassword"},
}


async def test_tc_a_01_csms_basic_authentication_valid(cs: PlayedStation) -> None:
    """The right name and password let in, and the boot is accepted."""
    assert (await cs.call("Heartbeat", {}))["currentTime"].endswith("Z")


@pytest.mark.parametrize("user", ["CP-2", ""])
async def test_tc_a_02_csms_basic_authentication_wrong_user(sqlite_url: str, user: str) -> None:
    """A name that is not the identity is answered with 401."""
    async with played_station(sqlite_url, "2.0.1", come=False) as cs:
        with pytest.raises(InvalidStatus) as refusal:
            await cs.dial(user=user)
        assert refusal.value.response.status_code == 401


async def test_tc_a_03_csms_basic_authentication_invalid_password(sqlite_url: str) -> None:
    """A wrong password is answered with 401."""
    async with played_station(sqlite_url, "2.0.1", come=False) as cs:
        with pytest.raises(InvalidStatus) as refusal:
            await cs.dial(password="not the password")
        assert refusal.value.response.status_code == 401


def password_written(status: str) -> Any:
    """Returns the station's answer to a new password."""
    return {"setVariableResult": [{"attributeStatus": status, **PASSWORD}]}


async def test_tc_a_09_csms_update_password_accepted(cs: PlayedStation) -> None:
    """A new password is written to the station, told to the house, and the only one that holds."""
    asked = {"setVariableData": [{"attributeValue": NEW_PASSWORD, **PASSWORD}]}
    await cs.order("SetVariables", asked, password_written("Accepted"))
    await cs.house.patch("/stations/CP-1", {"password": NEW_PASSWORD})
    await cs.house.activity.quiet()
    await cs.hang_up()
    with pytest.raises(InvalidStatus):
        await cs.dial()
    await cs.dial(password=NEW_PASSWORD)
    assert (await cs.boot())["status"] == "Accepted"


async def test_tc_a_10_csms_update_password_rejected(cs: PlayedStation) -> None:
    """The station rejects the new password: the old one goes on to hold."""
    asked = {"setVariableData": [{"attributeValue": NEW_PASSWORD, **PASSWORD}]}
    await cs.order("SetVariables", asked, password_written("Rejected"))
    await cs.come_back()
    assert (await cs.boot())["status"] == "Accepted"


async def test_tc_b_01_csms_cold_boot_accepted(sqlite_url: str) -> None:
    """Accepted with an interval and the time; statuses and heartbeats are answered."""
    async with played_station(sqlite_url, "2.0.1", come=False) as cs:
        await cs.dial()
        answer = await cs.boot()
        assert answer["status"] == "Accepted"
        assert answer["interval"] > 0
        for evse in (1, 2):
            assert await cs.status("Available", evse) == {}
        assert (await cs.call("Heartbeat", {}))["currentTime"].endswith("Z")
        assert await cs.shown() == "Available"


async def waiting(cs: PlayedStation) -> None:
    """Comes as a station that nobody has created."""
    await cs.dial()
    answer = await cs.boot()
    assert answer["status"] == "Pending"
    assert answer["interval"] > 0
    await cs.house.activity.quiet()


async def approved(cs: PlayedStation) -> None:
    """Is approved, and comes back by the password that it was given."""
    (site,) = (await cs.house.get("/sites"))["items"]
    made = await cs.house.post("/stations/CP-1/approve", {"site_id": site["id"]}, 200)
    await cs.house.activity.quiet()
    await cs.hang_up()
    await cs.dial(password=made["password"])
    assert (await cs.boot())["status"] == "Accepted"
    assert (await cs.call("Heartbeat", {}))["currentTime"].endswith("Z")


HEARTBEAT = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "HeartbeatInterval"},
}
OFFLINE = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "OfflineThreshold"},
}


@pytest.mark.parametrize("status", ["Accepted", "UnknownVariable"])
async def test_tc_b_06_csms_get_variables_single_value(cs: PlayedStation, status: str) -> None:
    """GetVariables of one variable."""
    value = {"attributeValue": "300"} if status == "Accepted" else {}
    reply = {"getVariableResult": [{"attributeStatus": status, **value, **HEARTBEAT}]}
    await cs.order("GetVariables", {"getVariableData": [HEARTBEAT]}, reply)
    assert await kept(cs, "GetVariables") == [reply]


async def test_tc_b_07_csms_get_variables_multiple_values(cs: PlayedStation) -> None:
    """GetVariables of two variables."""
    both = [HEARTBEAT, {"attributeType": "Target", **OFFLINE}]
    results = [{"attributeStatus": "Accepted", "attributeValue": "60", **each} for each in both]
    await cs.order("GetVariables", {"getVariableData": both}, {"getVariableResult": results})


async def limited(cs: PlayedStation, action: str, most: int) -> None:
    """Tells in a report how many items a message may have."""
    entry = {
        "component": {"name": "DeviceDataCtrlr"},
        "variable": {"name": "ItemsPerMessage", "instance": action},
        "variableAttribute": [{"value": str(most), "mutability": "ReadOnly"}],
    }
    told = {"requestId": 1, "generatedAt": now(), "seqNo": 0, "reportData": [entry]}
    assert await cs.call("NotifyReport", told) == {}
    await cs.house.activity.quiet()


@pytest.mark.parametrize("action", ["GetVariables", "SetVariables"])
async def test_tc_b_08_csms_get_variables_limit_to_maximum_number_of_values(
    cs: PlayedStation, action: str
) -> None:
    """Five variables to a station that takes two at once: three requests, and one answer."""
    await limited(cs, action, 2)
    reading = action == "GetVariables"
    asked, told = (
        f"{action[0].lower()}{action[1:-1]}Data",
        f"{action[0].lower()}{action[1:-1]}Result",
    )
    value = {} if reading else {"attributeValue": "7"}
    names = [{"component": {"name": "C"}, "variable": {"name": f"V{n}"}} for n in range(5)]
    got = {"attributeStatus": "Accepted"} | ({"attributeValue": "7"} if reading else {})

    def reply(payload: Any) -> Any:
        items = payload[asked]
        assert len(items) <= 2
        kept = ("component", "variable")
        return {told: [got | {name: each[name] for name in kept} for each in items]}

    cs.replies[action] = reply
    body = {"action": action, "payload": {asked: [value | name for name in names]}}
    answer = await cs.house.post("/stations/CP-1/commands", body, 200)
    assert answer["response"] == {told: [got | name for name in names]}
    sent = [payload[asked] for name, payload in cs.heard if name == action]
    assert [len(items) for items in sent] == [2, 2, 1]
    logged = [each["payload"][asked] for each in await cs.messages(action)]
    assert sorted(map(str, logged)) == sorted(map(str, sent))


@pytest.mark.parametrize("status", ["Accepted", "RebootRequired", "Rejected"])
async def test_tc_b_09_csms_set_variables_single_value(cs: PlayedStation, status: str) -> None:
    """SetVariables of one variable."""
    asked = {"setVariableData": [{"attributeValue": "600", **HEARTBEAT}]}
    reply = {"setVariableResult": [{"attributeStatus": status, **HEARTBEAT}]}
    await cs.order("SetVariables", asked, reply)


async def test_tc_b_10_csms_set_variables_multiple_values(cs: PlayedStation) -> None:
    """SetVariables of two variables."""
    both = [HEARTBEAT, OFFLINE]
    asked = {"setVariableData": [{"attributeValue": "600", **each} for each in both]}
    reply = {"setVariableResult": [{"attributeStatus": "Accepted", **each} for each in both]}
    await cs.order("SetVariables", asked, reply)


async def reported(cs: PlayedStation, request_id: int) -> None:
    """Tells one variable in two parts of a report; the house shows it."""
    for number, (name, value) in enumerate((("HeartbeatInterval", "77"), ("Enabled", "true"))):
        payload = {
            "requestId": request_id,
            "generatedAt": now(),
            "seqNo": number,
            "tbc": number == 0,
            "reportData": [
                {
                    "component": {"name": "OCPPCommCtrlr"},
                    "variable": {"name": name},
                    "variableAttribute": [{"value": value}],
                }
            ],
        }
        assert await cs.call("NotifyReport", payload) == {}
    await cs.house.activity.quiet()
    shown = (await cs.house.get("/stations/CP-1/variables"))["items"]
    assert ("HeartbeatInterval", "77") in {(each["variable"], each["value"]) for each in shown}


@pytest.mark.parametrize("status", ["Accepted", "NotSupported"])
async def test_tc_b_12_csms_get_base_report_configuration_inventory(
    cs: PlayedStation, status: str
) -> None:
    """GetBaseReport of what can be set, and the report in parts."""
    asked = {"requestId": 901, "reportBase": "ConfigurationInventory"}
    await cs.order("GetBaseReport", asked, {"status": status})
    if status == "Accepted":
        await reported(cs, 901)


async def test_tc_b_13_csms_get_base_report_full_inventory(cs: PlayedStation) -> None:
    """GetBaseReport of everything, and the report in parts."""
    await cs.order("GetBaseReport", {"requestId": 902, "reportBase": "FullInventory"})
    await reported(cs, 902)


async def test_tc_b_14_csms_get_base_report_summary_inventory(cs: PlayedStation) -> None:
    """GetBaseReport of the summary, and the report in parts."""
    await cs.order("GetBaseReport", {"requestId": 903, "reportBase": "SummaryInventory"})
    await reported(cs, 903)


async def test_tc_b_18_csms_get_custom_report(cs: PlayedStation) -> None:
    """GetReport by criteria and variables, and the report in parts."""
    wanted = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    asked = {"requestId": 904, "componentCriteria": ["Enabled"], "componentVariable": [wanted]}
    await cs.order("GetReport", asked)
    await reported(cs, 904)


async def reset(cs: PlayedStation, payload: Any, *, session: Session | None = None) -> None:
    """Resets with or without a session, which ends by it, and boots again."""
    waits = session is not None and payload["type"] == "OnIdle"
    await cs.order("Reset", payload, {"status": "Scheduled" if waits else "Accepted"})
    if session is not None and waits:
        await session.over("StopAuthorized", "Local")
    elif session is not None:
        await session.over("ResetCommand", "ImmediateReset")
    if "evseId" in payload:
        await cs.status("Available")
        return
    await cs.come_back()
    assert (await cs.boot("ScheduledReset" if waits else "RemoteReset"))["status"] == "Accepted"


async def test_tc_b_20_csms_reset_station_without_transaction_on_idle(cs: PlayedStation) -> None:
    """Reset OnIdle, and the boot after it."""
    await reset(cs, {"type": "OnIdle"})


async def test_tc_b_21_csms_reset_station_with_transaction_on_idle(cs: PlayedStation) -> None:
    """Reset OnIdle is put off until the session is over."""
    session = Session(cs)
    await session.charging()
    await reset(cs, {"type": "OnIdle"}, session=session)


async def test_tc_b_22_csms_reset_station_with_transaction_immediate(cs: PlayedStation) -> None:
    """Reset Immediate ends the session."""
    session = Session(cs)
    await session.charging()
    await reset(cs, {"type": "Immediate"}, session=session)


async def test_tc_b_25_csms_reset_evse_without_transaction(cs: PlayedStation) -> None:
    """Reset of one EVSE."""
    await reset(cs, {"type": "OnIdle", "evseId": 1})


async def test_tc_b_26_csms_reset_evse_with_transaction_on_idle(cs: PlayedStation) -> None:
    """Reset OnIdle of one EVSE is put off until its session is over."""
    session = Session(cs)
    await session.charging()
    await reset(cs, {"type": "OnIdle", "evseId": 1}, session=session)


async def test_tc_b_27_csms_reset_evse_with_transaction_immediate(cs: PlayedStation) -> None:
    """Reset Immediate of one EVSE ends its session."""
    session = Session(cs)
    await session.charging()
    await reset(cs, {"type": "Immediate", "evseId": 1}, session=session)


async def test_tc_b_02_csms_cold_boot_pending(sqlite_url: str, version: str) -> None:
    """Pending until it is approved: looked into and configured, but started by nobody."""
    async with played_station(sqlite_url, version, come=False, known=False) as cs:
        await waiting(cs)
        read = {"attributeStatus": "Accepted", "attributeValue": "300", **HEARTBEAT}
        asked: dict[str, Any] = {"getVariableData": [HEARTBEAT]}
        await cs.order("GetVariables", asked, {"getVariableResult": [read]})
        written = {"attributeStatus": "Accepted", **HEARTBEAT}
        asked = {"setVariableData": [{"attributeValue": "600", **HEARTBEAT}]}
        await cs.order("SetVariables", asked, {"setVariableResult": [written]})
        await cs.order("GetBaseReport", {"requestId": 905, "reportBase": "FullInventory"})
        await reported(cs, 905)
        token = {"idToken": "VALID", "type": "ISO14443"}
        body = {
            "action": "RequestStartTransaction",
            "payload": {"remoteStartId": 1, "idToken": token},
        }
        refusal = await cs.house.post("/stations/CP-1/commands", body, 409)
        assert refusal["code"] == "station-pending"
        assert "not RequestStartTransaction" in refusal["detail"]
        assert (await cs.boot())["status"] == "Pending"
        await approved(cs)


async def test_tc_b_30_csms_pending_security_error(sqlite_url: str, version: str) -> None:
    """What a station says by itself before it is accepted is refused with SecurityError."""
    async with played_station(sqlite_url, version, come=False, known=False) as cs:
        await waiting(cs)
        token = {"idToken": {"idToken": "VALID", "type": "ISO14443"}}
        assert await cs.refused("Authorize", token) == "SecurityError"
        assert await cs.refused("Heartbeat", {}) == "SecurityError"
        report = {"requestId": 1, "generatedAt": now(), "seqNo": 0}
        assert await cs.refused("NotifyReport", report) == "SecurityError"
        await approved(cs)


async def test_tc_b_31_csms_pending_trigger_message(sqlite_url: str, version: str) -> None:
    """A station that waits is asked for its boot, and sends it; for nothing else."""
    async with played_station(sqlite_url, version, come=False, known=False) as cs:
        await waiting(cs)
        await cs.order("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert (await cs.boot("Triggered"))["status"] == "Pending"
        body = {"action": "TriggerMessage", "payload": {"requestedMessage": "MeterValues"}}
        refusal = await cs.house.post("/stations/CP-1/commands", body, 409)
        assert refusal["code"] == "station-pending"
        await approved(cs)
        await cs.order("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert (await cs.boot("Triggered"))["status"] == "Accepted"


NETWORK = {
    "configurationSlot": 1,
    "connectionData": {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "wss://csms.example.org/ocpp",
        "messageTimeout": 30,
        "securityProfile": 2,
        "ocppInterface": "Wired0",
    },
}


async def test_tc_b_42_csms_set_network_profile_accepted(cs: PlayedStation) -> None:
    """SetNetworkProfile, accepted."""
    await cs.order("SetNetworkProfile", NETWORK)


async def test_tc_b_44_csms_set_network_profile_failed(cs: PlayedStation) -> None:
    """SetNetworkProfile, answered Failed."""
    await cs.order("SetNetworkProfile", NETWORK, {"status": "Failed"})


async def test_tc_b_58_csms_web_socket_subprotocol_validation(sqlite_url: str) -> None:
    """Of several subprotocols one that both speak is chosen; of none that is known, none."""
    async with played_station(sqlite_url, "2.0.1", come=False) as cs:
        link = await cs.dial(subprotocols=["ocpp0.1", "ocpp2.0.1"])
        assert link.subprotocol == "ocpp2.0.1"
        assert (await cs.boot())["status"] == "Accepted"
        await cs.hang_up()
        link = await cs.dial(subprotocols=["ocpp0.1"])
        assert link.subprotocol is None
