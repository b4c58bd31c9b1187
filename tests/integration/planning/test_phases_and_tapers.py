"""Phases and tapers over REST: what is set is checked, and plans keep to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.builders.equipped_house import EquippedHouse, powers_w
from tests.builders.paying import TOKEN, paying
from tests.builders.rest_house import a_model

FULL_W = 3_700.0
FUSE = {"id": "F", "limit_w": 40_000.0}
ALL_ON_L1 = {**FUSE, "phase_limits_w": [FULL_W, 2 * FULL_W, 2 * FULL_W]}


def outlet(number: int, *wired_to: str, **more: Any) -> dict[str, Any]:
    fields = {"evse_id": number, "max_power_w": FULL_W, "circuit_id": "F"}
    wired = list(wired_to) or None
    return {**fields, "phases": max(1, len(wired_to)), "wired_to": wired, **more}


def points(*found: tuple[float, float]) -> list[dict[str, float]]:
    return [{"soc_pct": pct, "power_w": power_w} for pct, power_w in found]


async def refused(house: EquippedHouse, way: str, path: str, body: Any) -> tuple[str, str]:
    """Returns the code and the field that a request is refused with."""
    answer = await house.rest.http.request(way, f"/api/v1{path}", json=body)
    assert answer.status_code in (409, 422), answer.text
    problem = answer.json()
    return problem["code"], problem["errors"][0]["field"]


async def test_cars_on_one_phase_share_what_it_bears(house: EquippedHouse) -> None:
    fuse = {**FUSE, "phase_limits_w": [5_200.0, 9_000.0, 9_000.0]}
    await house.rest.site(id="A", circuits=[fuse])
    outlets = [outlet(1, "L1"), outlet(2, "L1")]
    await house.furnish(outlets, cars=2)
    await house.prices(["0.40"] * 6 + ["-0.10"] * 2 + ["0.40"] * 60)
    plan = await house.plan()
    both_w = [a + b for a, b in zip(powers_w(plan, "car-1"), powers_w(plan, "car-2"), strict=True)]
    assert max(both_w) == pytest.approx(5_200.0, abs=1)
    assert any("LIMIT" in entry["reasons"] for entry in plan["charging"])
    told = await house.rest.get(f"/plans/{plan['id']}/explanation")
    assert "F L1" in msgspec.json.encode(told["charging"]).decode()

    await house.rest.patch("/stations/CP-1", {"evses": [outlets[0], outlet(2, "L2")]})
    plan = await house.plan()
    assert powers_w(plan, "car-1")[0] == pytest.approx(FULL_W, abs=1)
    assert powers_w(plan, "car-2")[0] == pytest.approx(FULL_W, abs=1)


async def test_the_phases_of_a_connection_bear_building_and_cars(small: EquippedHouse) -> None:
    await small.rest.site(id="A", circuits=[FUSE], phase_limits_w=[3_000, 9_000, 9_000])
    await small.furnish([outlet(1, "L1"), outlet(2, "L3")], cars=2)
    await small.forecast("load", [3_000.0] * 50)
    await small.charge_now("car-1", "car-2")
    plan = await small.plan()
    assert powers_w(plan, "car-1")[0] == pytest.approx(2_000, abs=1)
    assert powers_w(plan, "car-2")[0] == pytest.approx(FULL_W, abs=1)


async def test_a_car_with_one_phase_gets_a_third_of_an_evse_with_three(
    small: EquippedHouse,
) -> None:
    await small.rest.site(id="A", circuits=[FUSE])
    three = outlet(1, "L2", "L3", "L1", max_power_w=11_040.0)
    await small.furnish([three], cars=1, model={"ac_phases": 1, "max_ac_power_w": 7_400})
    await small.charge_now("car-1")
    assert powers_w(await small.plan(), "car-1")[0] == pytest.approx(3_680, abs=1)
    await small.rest.patch("/vehicle-models/mia", {"ac_phases": 2})
    assert powers_w(await small.plan(), "car-1")[0] == pytest.approx(7_360, abs=1)


async def test_power_falls_as_a_battery_fills(small: EquippedHouse) -> None:
    await small.rest.site(id="A", circuits=[FUSE])
    taper = points((60, FULL_W), (100, 500))
    await small.furnish([outlet(1, "L1")], cars=1, model={"taper": taper})
    await small.charge_now("car-1")
    found = powers_w(await small.plan(), "car-1")
    assert found[0] == pytest.approx(FULL_W, abs=1)
    # 50 % and 0.83 kWh more each quarter: from the third one on the battery takes less.
    assert found[0] > found[4] > found[8] > found[12] > 0


async def test_what_a_battery_takes_on_average_counts_for_promises(small: EquippedHouse) -> None:
    await small.rest.site(id="A", circuits=[FUSE])
    await small.furnish([outlet(1, "L1")], cars=1)
    await small.rest.post("/drivers", {"id": "ada", "name": "Ada"})
    start = small.now.replace(hour=9)
    trip = {
        "driver_id": "ada",
        "pickup_site_id": "A",
        "start": start.isoformat(),
        "end": start.replace(hour=12).isoformat(),
        "distance_km": 75,
    }
    assert (await small.rest.post("/booking-quotes", trip, 200))["bookable"]
    slow = points((50, FULL_W), (100, 10))
    await small.rest.patch("/vehicle-models/mia", {"taper": slow})
    assert not (await small.rest.post("/booking-quotes", trip, 200))["bookable"]


async def test_a_station_that_counts_in_amperes_is_told_of_the_phases_a_car_uses(
    sqlite_url: str,
) -> None:
    evse = {"evse_id": 1, "max_power_w": 11_040.0, "phases": 3, "wired_to": ["L1", "L2", "L3"]}
    quirks = ["integer-amps", "numberphases-required"]
    async with paying(sqlite_url, "ocpp1.6", evses=[evse], quirks=quirks) as it:
        model = a_model(id="mia", ac_phases=1)
        await it.house.post("/vehicle-models", model)
        car = {"id": "mia-1", "model_id": "mia", "site_id": "A", "id_tokens": [TOKEN]}
        await it.house.post("/vehicles", car)
        await it.charge()
        await it.until("/vehicles/mia-1", lambda shown: shown["plugged_evse"])
        wish = {"vehicle_id": "mia-1", "kind": "charge_now", "duration": "PT4H"}
        await it.house.post("/overrides", wish)
        await EquippedHouse(it.house).plan()
        assert await it.until("/stations/ST-1/messages", _told) == ("A", 1, 16)


def _told(page: Any) -> Any:
    """Returns the unit, the phases and the first limit that a station was sent; None: none yet."""
    for sent in (m for m in page["items"] if m["action"] == "SetChargingProfile"):
        schedule = sent["payload"]["csChargingProfiles"]["chargingSchedule"]
        first = schedule["chargingSchedulePeriod"][0]
        return schedule["chargingRateUnit"], first["numberPhases"], first["limit"]
    return None


async def test_wiring_must_be_known_where_phases_have_limits(house: EquippedHouse) -> None:
    await house.rest.site(id="A", circuits=[{**ALL_ON_L1}])
    station = {"identity": "CP-9", "site_id": "A", "evses": [outlet(1)]}
    assert await refused(house, "POST", "/stations", station) == (
        "bad-input",
        "/evses/0/wired_to",
    )
    await house.rest.patch("/sites/A", {"circuits": [FUSE]})
    await house.rest.post("/stations", station)
    both = {"circuits": [FUSE, {**ALL_ON_L1, "id": "G"}], "phase_limits_w": None}
    await house.rest.patch("/sites/A", both)
    field = await refused(house, "PATCH", "/sites/A", {"circuits": [ALL_ON_L1]})
    assert field[1] == "/circuits/0/phase_limits_w"
    field = await refused(house, "PATCH", "/sites/A", {"phase_limits_w": [9000, 9000, 9000]})
    assert field[1] == "/phase_limits_w"


async def test_safe_limits_must_fit_on_each_phase(small: EquippedHouse) -> None:
    await small.rest.site(id="A", circuits=[ALL_ON_L1])
    three = outlet(1, "L1", "L2", "L3", max_power_w=11_040.0)
    station = {"identity": "CP-9", "site_id": "A", "safe_limit_w": FULL_W, "evses": [three]}
    await small.rest.post("/stations", station)
    assert await refused(
        small, "POST", "/stations", {**station, "identity": "CP-8", "safe_limit_w": 1_000.0}
    ) == ("safe-limit", "/safe_limit_w")
    lower = {**ALL_ON_L1, "phase_limits_w": [FULL_W, 1_000.0, FULL_W]}
    assert await refused(small, "PATCH", "/sites/A", {"circuits": [lower]}) == (
        "safe-limit",
        "/circuits/0/phase_limits_w",
    )


IMPOSSIBLE: list[tuple[str, dict[str, Any], str]] = [
    ("/sites", {"phase_limits_w": [1, 2]}, "/phase_limits_w"),
    (
        "/sites",
        {"circuits": [{**FUSE, "phase_limits_w": [1, -2, 3]}]},
        "/circuits/0/phase_limits_w/1",
    ),
    ("/stations", {"evses": [outlet(1, "L1", "L1")]}, "/evses/0/wired_to"),
    ("/stations", {"evses": [outlet(1, "L1", phases=3)]}, "/evses/0"),
    ("/stations", {"evses": [outlet(1, "L4")]}, "/evses/0/wired_to/0"),
    ("/vehicle-models", {"ac_phases": 4}, "/ac_phases"),
    ("/vehicle-models", {"taper": points((80, 1))}, "/taper"),
    ("/vehicle-models", {"taper": points((50, 1), (100, 2))}, "/taper"),
    ("/vehicle-models", {"taper": points((50, 2), (50, 1), (100, 0))}, "/taper"),
    ("/vehicle-models", {"taper": points((0, 9), (50, 1), (100, 0))}, "/taper"),
]


async def test_what_can_not_be_is_named(small: EquippedHouse) -> None:
    for path, body, field in IMPOSSIBLE:
        answer = await small.rest.http.post(f"/api/v1{path}", json=body)
        assert answer.status_code == 422, (path, body)
        assert field in [error["field"] for error in answer.json()["errors"]], (path, body)
