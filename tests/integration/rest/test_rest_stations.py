"""Stations over REST: commands to real (in-memory) ones, onboarding, logs, safe limits."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from csms.gateway.memory import HandshakeRefused, LinkClosed, MemoryLink
from models.quirks import SETTINGS
from tests.builders.rest_house import RestHouse, frame, rest_house


async def a_booted_station(house: RestHouse, version: str = "ocpp1.6", **fields: Any) -> MemoryLink:
    site = await house.site(circuits=[{"id": "c", "limit_w": 10_000}])
    made = await house.station("CP-1", site["id"], **fields)
    return await house.connect("CP-1", made["password"], version)


async def answer_calls(link: MemoryLink, answer: Any) -> list[Any]:
    """Answers calls until the link ends; returns what was called."""
    heard: list[Any] = []
    while True:
        try:
            call = msgspec.json.decode(await link.recv())
        except LinkClosed:
            return heard
        heard.append(call)
        reply = answer(call)
        if reply is not None:
            await link.send(frame(reply))


@pytest.mark.parametrize(
    ("version", "payload"),
    [
        ("ocpp1.6", {"type": "Soft"}),
        ("ocpp2.0.1", {"type": "OnIdle"}),
        ("ocpp2.1", {"type": "Immediate"}),
    ],
)
async def test_a_command_brings_the_stations_own_answer(
    house: RestHouse, version: str, payload: Any
) -> None:
    link = await a_booted_station(house, version)
    task = asyncio.create_task(answer_calls(link, lambda c: [3, c[1], {"status": "Accepted"}]))
    answer = await house.post(
        "/stations/CP-1/commands", {"action": "Reset", "payload": payload}, 200
    )
    assert answer == {"status": "answered", "response": {"status": "Accepted"}}
    shown = await house.get("/stations/CP-1")
    assert shown["online"] is True
    assert shown["ocpp_version"] == version
    messages = (await house.get("/stations/CP-1/messages", action="Reset"))["items"]
    assert [(m["direction"], m["payload"], m["answer"]) for m in messages] == [
        ("out", payload, {"status": "Accepted"})
    ]
    await link.close()
    heard = await task
    assert [call[2:] for call in heard if call[2] == "Reset"] == [["Reset", payload]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "Reset", "payload": {"type": "Gentle"}}, "/payload/type"),
        ({"action": "Reset", "payload": {}}, "/payload/type"),
        ({"action": "Dance"}, "/action"),
        ({"action": "BootNotification", "payload": {}}, "/action"),
        ({"action": "Reset", "payload": []}, "/payload"),
        ({"payload": {}}, "/action"),
    ],
)
async def test_a_wrong_command_never_leaves(house: RestHouse, body: Any, field: str) -> None:
    link = await a_booted_station(house)
    problem = await house.post("/stations/CP-1/commands", body, 422)
    assert field in [error["field"] for error in problem["errors"]]
    assert (await house.get("/stations/CP-1/messages", direction="out"))["items"] == []
    await link.close()


async def test_a_command_to_a_station_that_is_away_is_refused(house: RestHouse) -> None:
    site = await house.site()
    await house.station("CP-1", site["id"])
    body = {"action": "Reset", "payload": {"type": "Soft"}}
    refused = await house.post("/stations/CP-1/commands", body, 409)
    assert refused["code"] == "station-offline"
    assert (await house.post("/stations/CP-1/disconnect", None, 409))["code"] == "station-offline"
    await house.post("/stations/none/commands", body, 404)


async def test_a_stations_error_and_its_silence_are_told_apart(house: RestHouse) -> None:
    link = await a_booted_station(house)
    body = {"action": "Reset", "payload": {"type": "Soft"}}
    refusing = asyncio.create_task(
        answer_calls(link, lambda c: [4, c[1], "InternalError", "out of coffee", {}])
    )
    problem = await house.post("/stations/CP-1/commands", body, 502)
    assert problem["code"] == "call-error"
    assert problem["station_code"] == "InternalError"
    assert "out of coffee" in problem["detail"]
    refusing.cancel()
    silent = await house.post("/stations/CP-1/commands", body, 504)
    assert silent["code"] == "no-answer"
    await link.close()


async def test_a_repeated_command_is_carried_out_once(house: RestHouse) -> None:
    link = await a_booted_station(house)
    task = asyncio.create_task(answer_calls(link, lambda c: [3, c[1], {"status": "Accepted"}]))
    body = {"action": "Reset", "payload": {"type": "Hard"}}
    once = {"Idempotency-Key": "reset-1"}
    first = await house.post("/stations/CP-1/commands", body, 200, headers=once)
    assert await house.post("/stations/CP-1/commands", body, 200, headers=once) == first
    await link.close()
    assert len([call for call in await task if call[2] == "Reset"]) == 1


async def test_a_repeated_command_that_is_under_way_waits_elsewhere(house: RestHouse) -> None:
    link = await a_booted_station(house)
    body = {"action": "Reset", "payload": {"type": "Hard"}}
    once = {"Idempotency-Key": "reset-1"}
    slow = asyncio.create_task(house.post("/stations/CP-1/commands", body, 504, headers=once))
    while msgspec.json.decode(await link.recv())[2] != "Reset":
        pass
    again = await house.post("/stations/CP-1/commands", body, 409, headers=once)
    assert again["code"] == "in-progress"
    answered = await slow
    assert await house.post("/stations/CP-1/commands", body, 504, headers=once) == answered
    await link.close()


async def test_operators_can_disconnect_a_station(house: RestHouse) -> None:
    link = await a_booted_station(house)
    assert await house.post("/stations/CP-1/disconnect", None, 200) == {"status": "disconnected"}
    async with asyncio.timeout(60):
        await answer_calls(link, lambda _: None)


async def test_a_new_password_holds_from_the_next_connection_on(house: RestHouse) -> None:
    site = await house.site()
    old = (await house.station("CP-1", site["id"]))["password"]
    shown = await house.patch("/stations/CP-1", {"password": "correct horse battery"})
    assert "password" not in shown
    await house.activity.quiet()
    with pytest.raises(HandshakeRefused):
        await house.connect("CP-1", old)
    link = await house.connect("CP-1", "correct horse battery")
    await link.close()


@pytest.mark.parametrize("password", ["short", "x" * 41, "tab\tbetween two words"])
async def test_a_password_that_stations_can_not_hold_is_refused(
    small_house: RestHouse, password: str
) -> None:
    site = await small_house.site()
    body = {"identity": "S", "site_id": site["id"], "password": password}
    problem = await small_house.post("/stations", body, 422)
    assert [error["field"] for error in problem["errors"]] == ["/password"]


async def test_an_unknown_station_waits_for_approval(house: RestHouse) -> None:
    link = await house.gateway.connect_memory("NEW", ["ocpp1.6"], None)
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    await link.send(frame([2, "1", "BootNotification", boot]))
    assert msgspec.json.decode(await link.recv())[2]["status"] == "Pending"
    (waiting,) = (await house.get("/stations", approval="pending"))["items"]
    assert waiting["identity"] == "NEW"
    assert waiting["site_id"] is None
    assert waiting["boot_interval_s"] == 10

    site = await house.site()
    await house.post("/stations/NEW/approve", {"site_id": "none"}, 422)
    approved = await house.post("/stations/NEW/approve", {"site_id": site["id"]}, 200)
    assert approved["approval"] == "accepted"
    assert approved["boot_interval_s"] == 300
    again = await house.post("/stations/NEW/approve", {"site_id": site["id"]}, 409)
    assert again["code"] == "already-accepted"
    assert (await house.post("/stations/NEW/reject", None, 409))["code"] == "already-accepted"
    await house.activity.quiet()
    link = await house.connect("NEW", approved["password"])
    await link.close()


async def test_a_station_that_has_reported_itself_as_a_whole_can_be_changed(
    house: RestHouse,
) -> None:
    link = await a_booted_station(house)
    whole = {"connectorId": 0, "errorCode": "NoError", "status": "Available"}
    await link.send(frame([2, "s0", "StatusNotification", whole]))
    await link.recv()
    await house.activity.quiet()
    shown = await house.get("/stations/CP-1")
    assert [evse["evse_id"] for evse in shown["evses"]] == [0]
    changed = await house.patch("/stations/CP-1", {"safe_limit_w": 2300})
    assert (changed["safe_limit_w"], changed["evses"]) == (2300, shown["evses"])
    assert (await house.patch("/stations/CP-1", {"evses": shown["evses"]}))["evses"] == shown[
        "evses"
    ]
    await link.close()


async def test_a_rejected_station_stays_out(house: RestHouse) -> None:
    link = await house.gateway.connect_memory("NEW", ["ocpp1.6"], None)
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    await link.send(frame([2, "1", "BootNotification", boot]))
    await link.recv()
    assert (await house.post("/stations/NEW/reject", None, 200))["approval"] == "rejected"
    assert (await house.get("/stations", approval="pending"))["items"] == []


async def test_the_message_log_shows_malformed_frames_too(house: RestHouse) -> None:
    link = await a_booted_station(house)
    await link.send("{this is no frame")
    await link.send(frame([2, "hb", "Heartbeat", {}]))
    while msgspec.json.decode(await link.recv())[1] != "hb":
        pass
    await house.activity.quiet()
    (bad,) = (await house.get("/stations/CP-1/messages", outcome="malformed"))["items"]
    assert bad["payload"] == "{this is no frame"
    everything = (await house.get("/stations/CP-1/messages"))["items"]
    numbers = [int(message["id"]) for message in everything]
    assert numbers == sorted(numbers, reverse=True)
    assert (await house.get("/stations/CP-1/messages", to="2020-01-01T00:00:00Z"))["items"] == []
    await house.get("/stations/none/messages", 404)
    await link.close()


async def test_who_knocked_in_vain_is_shown(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, onboarding="reject") as house:
        site = await house.site()
        await house.station("CP-1", site["id"])
        for identity in ("CP-1", "GHOST"):
            with pytest.raises(HandshakeRefused):
                await house.connect(identity, "wrong password 12345")
        await house.activity.quiet()
        (event,) = (await house.get("/stations/CP-1/security-events"))["items"]
        assert event["source"] == "gateway"
        assert (await house.get("/stations/GHOST/security-events"))["items"]
        await house.get("/stations/NOBODY/security-events", 404)


async def test_transactions_and_meter_values_are_shown(house: RestHouse) -> None:
    link = await a_booted_station(house, evses=[{"evse_id": 1}])
    await house.post("/id-tokens", {"id_token": "ADA", "type": "ISO14443"})
    start = {
        "connectorId": 1,
        "idTag": "ADA",
        "meterStart": 100,
        "timestamp": "2026-06-15T08:00:00Z",
    }
    await link.send(frame([2, "s", "StartTransaction", start]))
    number = msgspec.json.decode(await link.recv())[2]["transactionId"]
    for minute, energy in ((1, "160"), (2, "220"), (3, "280")):
        sample = {"value": energy, "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        values = [{"timestamp": f"2026-06-15T08:0{minute}:00Z", "sampledValue": [sample]}]
        body = {"connectorId": 1, "transactionId": number, "meterValue": values}
        await link.send(frame([2, f"m{minute}", "MeterValues", body]))
        await link.recv()
    await house.activity.quiet()
    (shown,) = (await house.get("/transactions", station="CP-1", open=True))["items"]
    assert shown["energy_wh"] == 180
    assert shown["id_token"] == "ADA"
    assert await house.get(f"/transactions/{shown['id']}") == shown
    path = f"/transactions/{shown['id']}/meter-values"
    first = await house.get(path, limit=2)
    rest = await house.get(path, limit=2, cursor=first["next_cursor"])
    energies = [value["energy_wh"] for value in first["items"] + rest["items"]]
    assert energies == [160, 220, 280]
    late = {"from": "2026-06-15T08:02:00Z", "to": "2026-06-15T08:03:00Z"}
    assert [value["energy_wh"] for value in (await house.get(path, **late))["items"]] == [220]
    assert (await house.get("/transactions", vehicle_id="none"))["items"] == []
    assert (await house.get("/transactions", open=False))["items"] == []
    assert (await house.get("/transactions", **late))["items"] == []
    problem = await house.patch("/stations/CP-1", {"evses": []}, 409)
    assert (problem["code"], problem["errors"][0]["field"]) == ("still-referenced", "/evses")
    assert len((await house.get("/stations/CP-1"))["evses"]) == 1
    refused = await house.http.delete("/api/v1/stations/CP-1")
    assert (refused.status_code, refused.json()["code"]) == (409, "still-referenced")
    one = {"kind": "transaction", "count": 1, "ids": [shown["id"]]}
    assert problem["references"] == refused.json()["references"] == [one]
    await house.get("/transactions/none", 404)
    await link.close()


async def test_an_evse_goes_only_where_that_is_asked_for(small_house: RestHouse) -> None:
    house = small_house
    site = await house.site()
    evses = [{"evse_id": number, "max_power_w": 3700} for number in (1, 2, 3)]
    await house.station("S", site["id"], evses=evses)
    refused = await house.patch("/stations/S", {"evses": [{"evse_id": 2}]}, 409)
    assert refused["code"] == "evse-left-out"
    assert [each["detail"] for each in refused["errors"]] == [
        "EVSE 1 is missing",
        "EVSE 3 is missing",
    ]
    kept = (await house.get("/stations/S"))["evses"]
    assert [(each["evse_id"], each["max_power_w"]) for each in kept] == [
        (1, 3700),
        (2, 3700),
        (3, 3700),
    ]
    await house.patch("/stations/S", {"evses": None}, 409)
    shown = await house.patch(
        "/stations/S", {"evses": [{"evse_id": 2}]}, params={"remove_evses": "true"}
    )
    assert [each["evse_id"] for each in shown["evses"]] == [2]


async def test_what_a_station_reports_is_not_overwritten(house: RestHouse) -> None:
    link = await a_booted_station(
        house, evses=[{"evse_id": 1, "connectors": [{"connector_id": 1}]}]
    )
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
    await link.send(frame([2, "st", "StatusNotification", status]))
    await link.recv()
    await house.activity.quiet()
    before = await house.get("/stations/CP-1")
    assert before["evses"][0]["connectors"][0]["status"] == "Charging"
    evses = before["evses"]
    evses[0] |= {"max_power_w": 7_400.0, "circuit_id": "c"}
    evses[0]["connectors"][0]["status"] = "Available"
    after = await house.patch("/stations/CP-1", {"evses": evses})
    assert after["evses"][0]["max_power_w"] == 7_400
    assert after["evses"][0]["connectors"][0]["status"] == "Charging"
    told = after["evses"][0]["connectors"]
    after = await house.patch("/stations/CP-1", {"evses": [{"evse_id": 1, "max_power_w": 3_700.0}]})
    assert after["evses"][0]["connectors"] == told
    assert (await house.get("/stations/CP-1"))["evses"] == after["evses"]
    bare = {"evses": [{"evse_id": 1, "connectors": []}]}
    assert (await house.patch("/stations/CP-1", bare))["evses"][0]["connectors"] == []
    await link.close()


async def test_safe_limits_must_fit_on_their_circuits(house: RestHouse) -> None:
    circuits = [
        {"id": "main", "limit_w": 12_000, "unmanaged_load_w": 1_000},
        {"id": "left", "parent": "main", "limit_w": 6_000, "unmanaged_load_w": 500},
    ]
    site = await house.site(circuits=circuits)
    left: dict[str, Any] = {"evses": [{"evse_id": 1, "circuit_id": "left"}]}
    main: dict[str, Any] = {"evses": [{"evse_id": 1, "circuit_id": "main"}]}
    await house.station("A", site["id"], safe_limit_w=5_500, **left)
    too_much = {"identity": "B", "site_id": site["id"], "safe_limit_w": 100} | left
    refused = await house.post("/stations", too_much, 409)
    assert (refused["status"], refused["code"]) == (409, "safe-limit")
    assert [error["field"] for error in refused["errors"]] == ["/safe_limit_w"]
    assert "left" in refused["detail"]
    await house.get("/stations/B", 404)
    await house.station("C", site["id"], safe_limit_w=5_000, **main)
    clash = await house.patch("/stations/C", {"safe_limit_w": 5_001}, 409)
    assert (clash["code"], clash["errors"][0]["field"]) == ("safe-limit", "/safe_limit_w")
    path = f"/sites/{site['id']}"
    for change in ({"limit_w": 11_999}, {"unmanaged_load_w": 1_001}):
        tighter = [circuits[1], circuits[0] | change]
        clash = await house.patch(path, {"circuits": tighter}, 409)
        assert (clash["code"], clash["errors"][0]["field"]) == ("safe-limit", "/circuits/1/limit_w")
    moved = {"evses": [{"evse_id": 1, "circuit_id": "left"}]}
    assert (await house.patch("/stations/C", moved, 409))["code"] == "safe-limit"
    fewer = await house.patch(path, {"circuits": [circuits[0]]}, 409)
    assert fewer["code"] == "still-referenced"
    assert (await house.get(path))["circuits"] == sorted(site["circuits"], key=lambda c: c["id"])


async def test_an_evse_hangs_on_a_circuit_of_its_site(small_house: RestHouse) -> None:
    site = await small_house.site()
    body = {
        "identity": "S",
        "site_id": site["id"],
        "evses": [{"evse_id": 1}, {"evse_id": 2, "circuit_id": "none"}],
    }
    problem = await small_house.post("/stations", body, 422)
    assert problem["errors"][0]["field"] == "/evses/1/circuit_id"
    body["evses"] = [{"evse_id": 1}, {"evse_id": 1}]
    await small_house.post("/stations", body, 422)


async def test_a_quirk_that_nobody_reads_is_refused_by_name(small_house: RestHouse) -> None:
    site = await small_house.site()
    body = {"identity": "ODD", "site_id": site["id"], "quirks": [*SETTINGS]}
    await small_house.post("/stations", body, 201)
    problem = await small_house.post(
        "/stations", body | {"identity": "ODDER", "quirks": ["strict"]}, 422
    )
    assert problem["errors"][0]["field"] == "/quirks/0"
    assert "no-subprotocol" in problem["errors"][0]["detail"]
