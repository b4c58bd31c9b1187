"""Stations that swap batteries: over REST and real sockets."""

from __future__ import annotations

from tests.builders.talking import talking

VERSION = "ocpp2.1"


async def test_a_battery_is_given_back_and_another_one_taken(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        swapping = it.box.outfit.swapping
        asked = await it.post("battery-swaps", {"id_token": "RIDER-1"})
        number = asked["request_id"]
        assert asked["response"] == {"status": "Accepted"}
        assert swapping.asked == [
            {"requestId": number, "idToken": {"idToken": "RIDER-1", "type": "ISO14443"}}
        ]
        await it.tell(swapping.tell("BatteryIn", number, "RIDER-1", [(1, "B-17", 12.5)]))
        await it.tell(swapping.tell("BatteryOut", number, "RIDER-1", [(2, "B-42", 98.0)]))
        await it.tell(swapping.tell("BatteryOutTimeout", 99, "RIDER-2", [(2, "B-43", 97.0)]))
        late, out, back = await it.shown("battery-swaps")
        assert [each["step"] for each in (back, out, late)] == [
            "BatteryIn",
            "BatteryOut",
            "BatteryOutTimeout",
        ]
        assert (back["request_id"], late["request_id"]) == (number, 99)
        assert back["id_token"] == "RIDER-1"
        assert back["batteries"] == [
            {
                "evse_id": 1,
                "serial_number": "B-17",
                "soc_pct": 12.5,
                "soh_pct": 96.5,
                "produced_at": None,
                "vendor_info": None,
            }
        ]
        assert len(await it.shown("battery-swaps", request_id=number)) == 2
        assert len(await it.shown("battery-swaps", step="BatteryOutTimeout")) == 1
        assert (await it.house.events("station/ST-1")).count("battery_swap.reported") == 3
        driver = it.house.client(await it.house.key("driver"))
        shown = (await driver.get("/api/v1/stations/ST-1/battery-swaps")).json()["items"]
        assert {each["id_token"] for each in shown} == {"********"}
        barred = await driver.post(
            "/api/v1/stations/ST-1/battery-swaps", json={"id_token": "RIDER-1"}
        )
        assert barred.status_code == 403


async def test_who_may_not_swap_is_told_so(sqlite_url: str) -> None:
    async with talking(sqlite_url, VERSION) as it:
        it.box.outfit.swapping.closed = True
        asked = await it.post("battery-swaps", {"id_token": "RIDER-1", "token_type": "Central"})
        assert asked["response"] == {"status": "Rejected"}
        refused = await it.post("battery-swaps", {"id_token": ""}, 422)
        assert refused["errors"][0]["field"] == "/id_token"
        await it.house.get("/stations/nobody/battery-swaps", 404)
        await it.house.post("/stations/nobody/battery-swaps", {"id_token": "x"}, 404)


async def test_older_stations_swap_nothing(sqlite_url: str) -> None:
    async with talking(sqlite_url, "ocpp2.0.1") as it:
        refused = await it.post("battery-swaps", {"id_token": "RIDER-1"}, 409)
        assert refused["code"] == "not-in-version"
