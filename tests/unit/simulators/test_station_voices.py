"""Voices: the same station in three versions, against a service that only answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.builders.memory_pair import memory_pair
from tests.builders.small_service import SmallService
from tests.builders.stations import NOON, Wired, a_car

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
TWO_X = VERSIONS[1:]


async def plugged(wired):
    await wired.up()
    wired.station.plug(1, a_car(), wired.at)
    wired.station.present(1, "04AABBCC", wired.at)
    await wired.line.drain()


async def minutes(wired, count):
    for _ in range(count):
        wired.at += timedelta(minutes=1)
        wired.station.advance(wired.at)
        wired.station.speak_up(wired.at)
        await wired.line.drain()


@pytest.mark.parametrize("version", VERSIONS)
async def test_boot_is_the_first_word_and_status_follows(version):
    wired = Wired(version)
    await wired.up()
    actions = [action for action, _ in wired.heard()]
    assert actions[0] == "BootNotification"
    assert set(actions[1:]) == {"StatusNotification"}
    assert wired.line.online
    await wired.down()


async def test_a_whole_transaction_in_16():
    wired = Wired("ocpp1.6")
    await plugged(wired)
    await minutes(wired, 3)
    wired.station.unplug(1, wired.at)
    await wired.line.drain()
    words = [a for a, _ in wired.heard() if a not in {"BootNotification", "StatusNotification"}]
    assert words == ["Authorize", "StartTransaction", *["MeterValues"] * 3, "StopTransaction"]
    stop = wired.heard("StopTransaction")[0][1]
    meters = wired.heard("MeterValues")
    assert stop["transactionId"] == meters[0][1]["transactionId"] > 0
    assert stop["meterStop"] == pytest.approx(3700 * 3 / 60, abs=1)
    assert stop["timestamp"] == "2026-06-16T12:03:00Z"
    assert wired.checks.complaints == []
    await wired.down()


@pytest.mark.parametrize("version", TWO_X)
async def test_a_whole_transaction_in_2x(version):
    wired = Wired(version)
    await plugged(wired)
    await minutes(wired, 3)
    wired.station.unplug(1, wired.at)
    await wired.line.drain()
    events = [payload for _, payload in wired.heard("TransactionEvent")]
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    assert (events[0]["eventType"], events[-1]["eventType"]) == ("Started", "Ended")
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1
    tokens = [event["idToken"]["idToken"] for event in events if "idToken" in event]
    assert tokens == ["04AABBCC"]
    first = "CablePluggedIn" if version == "ocpp2.0.1" else "Authorized"
    assert events[0]["triggerReason"] == first
    assert wired.checks.complaints == []
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_refused_card_gives_no_power(version):
    service = SmallService(NOON, refuse_tokens=True)
    wired = Wired(version, service=service)
    await plugged(wired)
    await minutes(wired, 3)
    assert wired.station.evses[1].register_wh == 0
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_limit_from_the_service_is_obeyed_and_read_back(version):
    wired = Wired(version)
    await plugged(wired)
    transaction = wired.station.evses[1].transaction
    if version == "ocpp1.6":
        body = {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": 7,
                "transactionId": transaction.ocpp_id,
                "stackLevel": 1,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
                },
            },
        }
        asked = {"connectorId": 1, "duration": 600, "chargingRateUnit": "A"}
    else:
        body = {
            "evseId": 1,
            "chargingProfile": {
                "id": 7,
                "transactionId": transaction.local_id,
                "stackLevel": 1,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": [
                    {
                        "id": 1,
                        "chargingRateUnit": "W",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2300.0}],
                    }
                ],
            },
        }
        asked = {"evseId": 1, "duration": 600, "chargingRateUnit": "A"}
    assert (await wired.order("SetChargingProfile", body))["status"] == "Accepted"
    await minutes(wired, 2)
    assert wired.station.evses[1].power_w == pytest.approx(2300)
    answer = await wired.order("GetCompositeSchedule", asked)
    schedule = answer["chargingSchedule" if version == "ocpp1.6" else "schedule"]
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 10.0}]
    assert wired.checks.complaints == []
    await wired.down()


async def test_remote_start_and_stop_in_16():
    wired = Wired("ocpp1.6")
    await wired.up()
    wired.station.plug(1, a_car(), wired.at)
    body = {"idTag": "REMOTE", "connectorId": 1}
    assert (await wired.order("RemoteStartTransaction", body))["status"] == "Accepted"
    start = wired.heard("StartTransaction")[0][1]
    assert start["idTag"] == "REMOTE"
    given = wired.station.evses[1].transaction.ocpp_id
    answer = await wired.order("RemoteStopTransaction", {"transactionId": given})
    assert answer["status"] == "Accepted"
    assert wired.heard("StopTransaction")[0][1]["reason"] == "Remote"
    await wired.down()


@pytest.mark.parametrize("version", TWO_X)
async def test_remote_start_and_stop_in_2x(version):
    wired = Wired(version)
    await wired.up()
    wired.station.plug(1, a_car(), wired.at)
    token = {"idToken": "REMOTE", "type": "Central"}
    body = {"idToken": token, "remoteStartId": 42, "evseId": 1}
    assert (await wired.order("RequestStartTransaction", body))["status"] == "Accepted"
    event = next(p for _, p in wired.heard("TransactionEvent") if "idToken" in p)
    assert event["transactionInfo"]["remoteStartId"] == 42
    ours = event["transactionInfo"]["transactionId"]
    answer = await wired.order("RequestStopTransaction", {"transactionId": ours})
    assert answer["status"] == "Accepted"
    assert wired.heard("TransactionEvent")[-1][1]["transactionInfo"]["stoppedReason"] == "Remote"
    await wired.down()


async def test_settings_are_read_and_written_in_16():
    wired = Wired("ocpp1.6")
    await wired.up()
    body = {"key": "MeterValueSampleInterval", "value": "30"}
    assert (await wired.order("ChangeConfiguration", body))["status"] == "Accepted"
    answer = await wired.order("GetConfiguration", {"key": ["MeterValueSampleInterval", "Nope"]})
    assert answer["configurationKey"][0]["value"] == "30"
    assert answer["unknownKey"] == ["Nope"]
    body = {"key": "NumberOfConnectors", "value": "9"}
    assert (await wired.order("ChangeConfiguration", body))["status"] == "Rejected"
    await wired.down()


@pytest.mark.parametrize("version", TWO_X)
async def test_settings_and_inventory_in_2x(version):
    wired = Wired(version)
    await wired.up()
    place = {
        "component": {"name": "SampledDataCtrlr"},
        "variable": {"name": "TxUpdatedInterval"},
    }
    answer = await wired.order(
        "SetVariables", {"setVariableData": [{**place, "attributeValue": "30"}]}
    )
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    answer = await wired.order("GetVariables", {"getVariableData": [place]})
    assert answer["getVariableResult"][0]["attributeValue"] == "30"
    await wired.order("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})
    parts = [payload for _, payload in wired.heard("NotifyReport")]
    assert [part["tbc"] for part in parts] == [True, False]
    assert wired.checks.complaints == []
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reset_drops_the_line_and_boots_again(version):
    wired = Wired(version)
    await plugged(wired)
    kind = "Soft" if version == "ocpp1.6" else "Immediate"
    assert (await wired.order("Reset", {"type": kind}))["status"] == "Accepted"
    await wired.line.do_reset()
    assert not wired.line.connected
    assert await wired.line.dial()
    await wired.line.drain()
    assert len(wired.heard("BootNotification")) == 2
    assert wired.station.evses[1].energised
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_the_package_leaves_unanswered_gets_the_codes_of_the_specification(version):
    wired = Wired(version)
    await wired.up()
    assert await wired.order("MakeCoffee", {}) == "NotImplemented"
    if version != "ocpp1.6":
        assert await wired.order("StatusNotification", {}) == "NotSupported"
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_said_while_the_line_was_down_is_said_later_with_old_times(version):
    wired = Wired(version)
    await plugged(wired)
    await minutes(wired, 2)
    await wired.line.hang_up()
    before = len(wired.heard())
    await minutes(wired, 5)
    wired.station.unplug(1, wired.at)
    assert len(wired.heard()) == before
    wired.at += timedelta(hours=1)
    assert await wired.line.dial()
    await wired.line.drain()
    later = wired.heard()[before:]
    assert [a for a, _ in later[:2]] == ["StatusNotification"] * 2
    end = later[-1][1]
    assert end["timestamp"] == "2026-06-16T12:07:00Z"
    if version != "ocpp1.6":
        assert all(p["offline"] for a, p in later if a == "TransactionEvent")
    assert len([a for a, _ in wired.heard("BootNotification")]) == 1
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_lost_answer_is_asked_for_again(version):
    wired = Wired(version)
    await wired.up()
    starts = "StartTransaction" if version == "ocpp1.6" else "TransactionEvent"
    hits = []

    def cut_once(identity, action, payload):
        if action == starts and not hits:
            hits.append(payload)
            wired.service.links[identity].hang_up()

    wired.service.on_call = cut_once
    wired.station.plug(1, a_car(), wired.at)
    wired.station.present(1, "04AABBCC", wired.at)
    await wired.line.drain()
    assert not wired.line.connected
    await wired.line.dial()
    await wired.line.drain()
    again = [payload for _, payload in wired.heard(starts)]
    assert again[0] == again[1] == hits[0]
    await wired.down()


@pytest.mark.parametrize(
    ("version", "quirk", "action"),
    [
        ("ocpp1.6", "tx-twice", "StartTransaction"),
        ("ocpp2.1", "tx-twice", "TransactionEvent"),
    ],
)
async def test_a_station_may_say_things_twice(version, quirk, action):
    wired = Wired(version, quirks=frozenset({quirk}))
    await plugged(wired)
    said = [payload for _, payload in wired.heard(action)]
    assert said[0] == said[1]
    await wired.down()


@pytest.mark.parametrize("version", VERSIONS)
async def test_quirks_change_the_words(version):
    quirks = {"ts-no-zone", "extra-fields", "energy-only"}
    if version == "ocpp1.6":
        quirks |= {"kilo-units", "tag-case"}
    wired = Wired(version, quirks=frozenset(quirks))
    await plugged(wired)
    await minutes(wired, 2)
    action = "MeterValues" if version == "ocpp1.6" else "TransactionEvent"
    last = wired.heard(action)[-1][1]
    value = last["meterValue"][0]
    assert value["timestamp"] == "2026-06-16T12:02:00"
    assert [sample["measurand"] for sample in value["sampledValue"]] == [
        "Energy.Active.Import.Register"
    ]
    assert last["vendorUptime"] == 4711
    if version == "ocpp1.6":
        assert value["sampledValue"][0]["unit"] == "kWh"
        assert wired.heard("Authorize")[0][1]["idTag"] == "04aabbcc"
    assert wired.station.evses[1].power_w == 3700
    await wired.down()


async def test_a_pending_station_says_nothing_but_boot():
    wired = Wired("ocpp2.0.1")
    wired.service.answers["BootNotification"] = {
        "currentTime": "2026-06-16T12:00:00Z",
        "interval": 10,
        "status": "Pending",
    }
    wired.station.boot("PowerUp", wired.at)
    await wired.line.dial()
    await wired.line.drain()
    wired.at += timedelta(seconds=5)
    await wired.line.drain()
    assert [action for action, _ in wired.heard()] == ["BootNotification"]
    wired.at += timedelta(seconds=5)
    del wired.service.answers["BootNotification"]
    await wired.line.drain()
    assert [action for action, _ in wired.heard()[:2]] == ["BootNotification"] * 2
    assert wired.line.online
    await wired.down()


async def test_a_wrong_answer_is_a_complaint():
    wired = Wired("ocpp1.6")
    wired.service.answers["Authorize"] = {"nonsense": True}
    await plugged(wired)
    assert len(wired.checks.complaints) == 1
    assert "Authorize" in wired.checks.complaints[0]
    await wired.down()


async def test_an_invalid_command_is_answered_by_an_error_and_is_a_complaint():
    wired = Wired("ocpp1.6")
    await wired.up()
    await wired.order("Reset", {"type": "Gently"})
    assert any("Reset from the service" in each for each in wired.checks.complaints)
    await wired.down()


async def test_a_memory_link_ends_on_both_sides_after_what_was_sent():
    near, far = memory_pair()
    await near.send("a")
    await near.close()
    assert await far.recv() == "a"
    with pytest.raises(Exception, match="closed"):
        await far.recv()
    with pytest.raises(Exception, match="closed"):
        await far.send("b")
