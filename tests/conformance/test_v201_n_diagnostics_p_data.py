"""OCPP 2.0.1, blocks N and P: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.played_station import PlayedStation, now

OUTLET = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
CLOCK = {"component": {"name": "ClockCtrlr"}, "variable": {"name": "DateTime"}}
MONITOR = {"transaction": False, "value": 3000, "type": "UpperThreshold", "severity": 4}


async def reports(cs: PlayedStation, **wanted: Any) -> None:
    """GetMonitoringReport, and the report in two parts, which are kept."""
    await cs.order("GetMonitoringReport", {"requestId": 5, **wanted})
    for number, tbc in enumerate((True, False)):
        monitor = {"id": number, **MONITOR}
        if cs.version == "2.1":
            monitor["eventNotificationType"] = "CustomMonitor"
        payload = {
            "requestId": 5,
            "seqNo": number,
            "tbc": tbc,
            "generatedAt": now(),
            "monitor": [{**OUTLET, "variableMonitoring": [monitor]}],
        }
        assert await cs.call("NotifyMonitoringReport", payload) == {}
    kept = await cs.messages("NotifyMonitoringReport")
    assert {each["payload"]["seqNo"] for each in kept} == {0, 1}


CRITERIA = ["ThresholdMonitoring", "DeltaMonitoring", "PeriodicMonitoring"]


async def test_tc_n_01_csms_monitoring_report_with_criteria(cs: PlayedStation) -> None:
    """By criteria."""
    await reports(cs, monitoringCriteria=CRITERIA)


async def test_tc_n_02_csms_monitoring_report_with_variable(cs: PlayedStation) -> None:
    """By component and variable."""
    await reports(cs, componentVariable=[OUTLET])


async def test_tc_n_03_csms_monitoring_report_with_both(cs: PlayedStation) -> None:
    """By criteria, component and variable."""
    await reports(cs, monitoringCriteria=CRITERIA[:1], componentVariable=[OUTLET])


async def test_tc_n_47_csms_monitoring_report_all(cs: PlayedStation) -> None:
    """Everything."""
    await reports(cs)


async def test_tc_n_60_csms_monitoring_report_with_criteria_and_list(cs: PlayedStation) -> None:
    """By criteria and several variables."""
    await reports(cs, monitoringCriteria=CRITERIA, componentVariable=[OUTLET, CLOCK])


@pytest.mark.parametrize("base", ["All", "FactoryDefault", "HardWiredOnly"])
async def test_tc_n_05_csms_set_monitoring_base(cs: PlayedStation, base: str) -> None:
    """SetMonitoringBase of each kind."""
    await cs.order("SetMonitoringBase", {"monitoringBase": base})


async def monitors(cs: PlayedStation, *of: Any, kind: str = "UpperThreshold") -> None:
    """SetVariableMonitoring of some variables."""
    common = {"value": 3000, "type": kind, "severity": 4}
    asked = {"setMonitoringData": [{**each, **common} for each in of]}
    done = [
        {"id": number, "status": "Accepted", "type": kind, "severity": 4, **each}
        for number, each in enumerate(of)
    ]
    await cs.order("SetVariableMonitoring", asked, {"setMonitoringResult": done})


async def test_tc_n_08_csms_set_variable_monitoring_one(cs: PlayedStation) -> None:
    """One monitor."""
    await monitors(cs, OUTLET)


async def test_tc_n_09_csms_set_variable_monitoring_multiple(cs: PlayedStation) -> None:
    """Two monitors."""
    await monitors(cs, OUTLET, CLOCK)


@pytest.mark.parametrize("severity", [0, 4, 9])
async def test_tc_n_16_csms_set_monitoring_level(cs: PlayedStation, severity: int) -> None:
    """SetMonitoringLevel over the whole range."""
    await cs.order("SetMonitoringLevel", {"severity": severity})


async def test_tc_n_17_csms_set_monitoring_level_out_of_range(cs: PlayedStation) -> None:
    """SetMonitoringLevel beyond the range, answered Rejected."""
    await cs.order("SetMonitoringLevel", {"severity": 10}, {"status": "Rejected"})


async def clears(cs: PlayedStation, reply: Any) -> None:
    """ClearVariableMonitoring of one monitor, which the station does not clear."""
    done = {"clearMonitoringResult": [{"id": 1, "status": reply}]}
    await cs.order("ClearVariableMonitoring", {"id": [1]}, done)


async def test_tc_n_18_csms_clear_monitoring_too_many(cs: PlayedStation) -> None:
    """More than the station takes at once: the user is told of its CALLERROR."""
    asked = {"id": list(range(20))}
    reply = ("OccurrenceConstraintViolation", "too many")
    told = await cs.order("ClearVariableMonitoring", asked, reply, status=502)
    assert told["station_code"] == "OccurrenceConstraintViolation"


async def test_tc_n_44_csms_clear_monitoring_rejected(cs: PlayedStation) -> None:
    """ClearVariableMonitoring, answered Rejected."""
    await clears(cs, "Rejected")


async def alerts(cs: PlayedStation, trigger: str, kind: str, **more: Any) -> None:
    """NotifyEvent of one event."""
    event = {
        "eventId": 1,
        "timestamp": now(),
        "trigger": trigger,
        "actualValue": "3100",
        "eventNotificationType": kind,
        **OUTLET,
        **more,
    }
    payload = {"generatedAt": now(), "seqNo": 0, "eventData": [event]}
    assert await cs.call("NotifyEvent", payload) == {}
    (kept,) = await cs.messages("NotifyEvent")
    assert kept["payload"] == payload


async def test_tc_n_21_csms_alert_event_hard_wired(cs: PlayedStation) -> None:
    """An event of a monitor that is built in."""
    await alerts(cs, "Alerting", "HardWiredMonitor")


async def test_tc_n_24_csms_set_variable_monitoring_periodic(cs: PlayedStation) -> None:
    """A periodic monitor, and its event."""
    await monitors(cs, OUTLET, kind="Periodic")
    await alerts(cs, "Periodic", "CustomMonitor", variableMonitoringId=0)


async def test_tc_n_48_csms_alert_event_write_only(cs: PlayedStation) -> None:
    """An event of a variable that can not be read tells no value."""
    await alerts(cs, "Delta", "CustomMonitor", variableMonitoringId=0, actualValue="")


async def test_tc_n_49_csms_alert_event_cleared_after_reboot(cs: PlayedStation) -> None:
    """After a boot, the event that a threshold is kept again."""
    await cs.come_back()
    assert (await cs.boot())["status"] == "Accepted"
    await alerts(cs, "Alerting", "CustomMonitor", variableMonitoringId=0, cleared=True)


async def test_tc_n_50_csms_alert_event_periodic(cs: PlayedStation) -> None:
    """A periodic event."""
    await alerts(cs, "Periodic", "CustomMonitor", variableMonitoringId=0)


async def fetches(cs: PlayedStation, kind: str, request_id: int, status: str = "Accepted") -> None:
    """GetLog, and the answer."""
    log = {"remoteLocation": "https://files.example.org/in"}
    asked = {"log": log, "logType": kind, "requestId": request_id}
    await cs.order("GetLog", asked, {"status": status, "filename": "log.zip"})


async def tells(cs: PlayedStation, request_id: int, *statuses: str) -> None:
    """LogStatusNotification, step by step."""
    for status in statuses:
        payload = {"status": status, "requestId": request_id}
        assert await cs.call("LogStatusNotification", payload) == {}
    kept = [each["payload"] for each in await cs.messages("LogStatusNotification")]
    assert {"status": statuses[-1], "requestId": request_id} in kept


async def test_tc_n_25_csms_retrieve_diagnostics_log(cs: PlayedStation) -> None:
    """The log for diagnosis, and its upload."""
    await fetches(cs, "DiagnosticsLog", 25)
    await tells(cs, 25, "Uploading", "Uploaded")


async def test_tc_n_34_csms_retrieve_log_rejected(cs: PlayedStation) -> None:
    """GetLog, answered Rejected."""
    reply = {"status": "Rejected"}
    log = {"remoteLocation": "https://files.example.org/in"}
    asked = {"log": log, "logType": "DiagnosticsLog", "requestId": 34}
    await cs.order("GetLog", asked, reply)


async def test_tc_n_35_csms_retrieve_security_log(cs: PlayedStation) -> None:
    """The log of security, and its upload."""
    await fetches(cs, "SecurityLog", 35)
    await tells(cs, 35, "Uploading", "Uploaded")


async def test_tc_n_36_csms_retrieve_log_second_request(cs: PlayedStation) -> None:
    """A second GetLog takes the place of the first."""
    await fetches(cs, "SecurityLog", 36)
    await tells(cs, 36, "Uploading")
    await fetches(cs, "SecurityLog", 37, "AcceptedCanceled")
    await tells(cs, 36, "AcceptedCanceled")
    await tells(cs, 37, "Uploading", "Uploaded")


TOKEN = {"idToken": {"idToken": "VALID", "type": "ISO14443"}}


async def customer(cs: PlayedStation, *said: str, **more: Any) -> None:
    """CustomerInformation, and the parts of what the station says."""
    asked = {"requestId": 27, "report": True, "clear": False, **more}
    await cs.order("CustomerInformation", asked)
    for number, data in enumerate(said):
        payload = {
            "requestId": 27,
            "seqNo": number,
            "tbc": number + 1 < len(said),
            "generatedAt": now(),
            "data": data,
        }
        assert await cs.call("NotifyCustomerInformation", payload) == {}


async def test_tc_n_27_csms_customer_information_with_data(cs: PlayedStation) -> None:
    """What is known of a customer, in two parts."""
    await customer(cs, "part one", "part two", **TOKEN)


async def test_tc_n_28_csms_customer_information_without_data(cs: PlayedStation) -> None:
    """Nothing is known of a customer."""
    await customer(cs, "", **TOKEN)


@pytest.mark.parametrize("status", ["Rejected", "Invalid"])
async def test_tc_n_29_csms_customer_information_not_accepted(
    cs: PlayedStation, status: str
) -> None:
    """CustomerInformation, answered Rejected or Invalid."""
    asked = {"requestId": 29, "report": True, "clear": False, **TOKEN}
    await cs.order("CustomerInformation", asked, {"status": status})


async def test_tc_n_30_csms_clear_customer_information_report_with_data(
    cs: PlayedStation,
) -> None:
    """What was known of a customer is cleared, and told."""
    await customer(cs, "all there was", clear=True, **TOKEN)


async def test_tc_n_31_csms_clear_customer_information_report_without_data(
    cs: PlayedStation,
) -> None:
    """Nothing was known of a customer."""
    await customer(cs, "", clear=True, **TOKEN)


async def test_tc_n_32_csms_clear_customer_information_no_report(cs: PlayedStation) -> None:
    """What was known of a customer is cleared without a word of it."""
    await customer(cs, "", report=False, clear=True, **TOKEN)


async def test_tc_n_46_csms_clear_customer_information_update_local_list(
    listing: PlayedStation,
) -> None:
    """A customer is cleared, and the token, once deleted by the user, taken off the list."""
    await listing.come()
    await listing.expect("SendLocalList")
    await listing.until("/stations/CP-1/local-list", state="synced", entries=5)
    await customer(listing, "all there was", clear=True, **TOKEN)
    (token,) = (await listing.house.get("/id-tokens", id_token="VALID"))["items"]
    await listing.house.delete(f"/id-tokens/{token['id']}")
    (entry,) = (await listing.expect("SendLocalList"))["localAuthorizationList"]
    assert (entry["idToken"]["idToken"].upper(), "idTokenInfo" in entry) == ("VALID", False)
    await listing.until("/stations/CP-1/local-list", state="synced", entries=4)


async def test_tc_n_62_csms_clear_customer_information_by_identifier(cs: PlayedStation) -> None:
    """The customer is named by an identifier."""
    await customer(cs, "all there was", clear=True, customerIdentifier="OpenChargeAlliance")


async def test_tc_n_63_csms_clear_customer_information_by_certificate(cs: PlayedStation) -> None:
    """The customer is named by a certificate."""
    hashes = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "aa",
        "issuerKeyHash": "bb",
        "serialNumber": "01",
    }
    await customer(cs, "all there was", clear=True, customerCertificate=hashes)


async def test_tc_p_02_csms_data_transfer_not_accepted(cs: PlayedStation) -> None:
    """DataTransfer of a vendor that is not known is not accepted."""
    answer = await cs.call("DataTransfer", {"vendorId": "com.example", "messageId": "x"})
    assert answer["status"] in {"Rejected", "UnknownVendorId", "UnknownMessageId"}


async def test_tc_p_03_csms_custom_data_received(cs: PlayedStation) -> None:
    """Members of a vendor's own are let through."""
    custom = {"vendorId": "com.example", "mainMeterValue": 12}
    assert "currentTime" in await cs.call("Heartbeat", {"customData": custom})
    assert await cs.status("Occupied", customData=custom) == {}
    assert await cs.shown() == "Occupied"
