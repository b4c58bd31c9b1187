"""PV plants that several sites share: a part is a site's own sun, and comes over the grid."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.timeline import format_rfc3339
from tests.builders.equipped_house import EquippedHouse, equipped_house, powers_w

ROOF = {"peak_power_w": 40_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
PLANTS = "/shared-plants"


def a_plant(*shares: tuple[str, float], **fields: Any) -> dict[str, Any]:
    dealt = [{"site_id": site_id, "share": share} for site_id, share in shares]
    return {"id": "P", "name": "School", "pv_plants": [ROOF], "shares": dealt, **fields}


@pytest.fixture
async def house(house: EquippedHouse) -> EquippedHouse:
    for name in ("A", "B"):
        await house.rest.site(id=name, pv_plants=[])
    return house


async def test_a_plant_is_dealt_to_its_sites_and_dealt_anew(house: EquippedHouse) -> None:
    made = await house.rest.post(PLANTS, a_plant(("A", 0.25), ("B", 0.5)))
    assert made["shares"] == [{"site_id": "A", "share": 0.25}, {"site_id": "B", "share": 0.5}]
    site = await house.rest.get("/sites/A")
    assert (site["shared_plant_id"], site["solar_share"], site["pv_plants"]) == ("P", 0.25, [])
    # What the plant's meter says counts with each part, whatever the site's meter says besides.
    at = format_rfc3339(house.now - timedelta(minutes=5))
    said = {"measurements": [{"measured_at": at, "pv_power_w": 20_000.0}]}
    kept = await house.rest.post(f"{PLANTS}/P/measurements", said)
    assert {each["site_id"]: each["pv_power_w"] for each in kept["items"]} == {
        "A": 5_000.0,
        "B": 10_000.0,
    }
    await house.rest.post("/sites/A/measurements", {"measured_at": at, "load_power_w": 800.0})
    (row,) = (await house.rest.get("/sites/A/measurements"))["items"]
    assert (row["pv_power_w"], row["load_power_w"]) == (5_000.0, 800.0)
    await house.rest.post(f"{PLANTS}/P/measurements", said)
    (row,) = (await house.rest.get("/sites/A/measurements"))["items"]
    assert (row["pv_power_w"], row["load_power_w"]) == (5_000.0, 800.0)
    # B leaves, and A has all.
    await house.rest.patch(f"{PLANTS}/P", {"shares": [{"site_id": "A", "share": 1.0}]})
    assert (await house.rest.get("/sites/A"))["solar_share"] == 1.0
    assert (await house.rest.get("/sites/B"))["shared_plant_id"] is None
    assert [each["id"] for each in (await house.rest.get(PLANTS))["items"]] == ["P"]
    answer = await house.rest.http.delete("/api/v1/sites/A")
    assert (answer.status_code, answer.json()["code"]) == (409, "still-referenced")
    await house.rest.delete(f"{PLANTS}/P")
    await house.rest.delete("/sites/A")
    assert await house.rest.events("shared_plant/P") == [
        "shared_plant.created",
        "shared_plant.updated",
        "shared_plant.deleted",
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    (a_plant(("A", 0.6), ("B", 0.6)), "/shares"),
    (a_plant(("A", 0.3), ("A", 0.3)), "/shares"),
    (a_plant(("A", 0.0)), "/shares/0/share"),
    (a_plant(("A", 0.5), ("Z", 0.5)), "/shares/1/site_id"),
    (a_plant(("A", 0.5), ("C", 0.5)), "/shares/1/site_id"),
    (a_plant(), "/shares"),
    (a_plant(("A", 0.5), pv_plants=[]), "/pv_plants"),
]


async def test_wrong_shares_are_named_and_a_site_has_part_of_one_plant_only(
    house: EquippedHouse,
) -> None:
    await house.rest.site(id="C", pv_plants=[ROOF])
    for body, field in WRONG:
        told = await house.rest.post(PLANTS, body, 422)
        assert [error["field"] for error in told["errors"]] == [field]
    third = 1 / 3
    await house.rest.post(PLANTS, a_plant(("A", third), ("B", 1 - third)))
    told = await house.rest.post(PLANTS, a_plant(("A", 0.1), id="Q"), 409)
    assert told["code"] == "already-shared"
    told = await house.rest.patch("/sites/A", {"pv_plants": [ROOF]}, 422)
    assert [error["field"] for error in told["errors"]] == ["/pv_plants"]
    await house.rest.patch("/sites/A", {"name": "Arc"})
    late = format_rfc3339(house.now + timedelta(hours=1))
    said = {"measurements": [{"measured_at": late, "pv_power_w": 1.0}]}
    told = await house.rest.post(f"{PLANTS}/P/measurements", said, 422)
    assert [error["field"] for error in told["errors"]] == ["/measurements/0/measured_at"]
    async with house.rest.client(await house.rest.key("viewer")) as viewer:
        assert (await viewer.get(f"/api/v1{PLANTS}/P")).status_code == 200
        assert (await viewer.delete(f"/api/v1{PLANTS}/P")).status_code == 403
        answer = await viewer.post(f"/api/v1{PLANTS}/P/measurements", json=said)
        assert answer.status_code == 403


async def test_the_sun_of_a_part_is_free_but_comes_through_the_grid_connection(
    sqlite_url: str,
) -> None:
    """4 kW come in, whatever the part of the plant gives; what it leaves is sold, not exported."""
    async with equipped_house(sqlite_url) as house:
        await house.rest.site(id="A", import_limit_w=4_000, export_limit_w=1_000, pv_plants=[])
        outlets = [{"evse_id": number, "max_power_w": 3_700.0} for number in (1, 2)]
        await house.furnish(outlets, cars=2)
        await house.prices(["0.40"] * 72)
        await house.forecast("pv", [0.0] * 3 + [10_000.0] * 8 + [0.0] * 40)
        own = await house.plan("A")
        await house.rest.post(PLANTS, a_plant(("A", 1.0)))
        shared = await house.plan("A")
        for plan in (own, shared):
            cars = [powers_w(plan, name) for name in ("car-1", "car-2")]
            both = [sum(each) for each in zip(*cars, strict=True)]
            assert sum(both[12:44]) > 0.95 * sum(both) > 0.0  # while the sun shines
            assert (max(both) > 4_001.0) == (plan is own)
        grid_w = shared["sites"][0]["grid_w"]
        assert min(grid_w) < -5_000.0  # of 10 kW
        assert min(own["sites"][0]["grid_w"]) >= -1_001.0


async def test_by_need_what_one_site_leaves_another_is_planned_with(sqlite_url: str) -> None:
    """Of 10 kW A has 2 and B 8; B draws 1. A's building draws 3, and its car what it can."""
    async with equipped_house(sqlite_url) as house:
        for name in ("A", "B"):
            await house.rest.site(id=name, pv_plants=[])
        await house.furnish([{"evse_id": 1, "max_power_w": 3_700.0}], cars=1)
        await house.prices(["0.40"] * 72)
        plant = a_plant(("A", 0.2), ("B", 0.8))
        await house.rest.post(PLANTS, plant)
        start = format_rfc3339(house.now)
        for site_id, kind, power_w in (
            ("A", "pv", 2_000.0),
            ("B", "pv", 8_000.0),
            ("A", "load", 3_000.0),
            ("B", "load", 1_000.0),
        ):
            said = {"site_id": site_id, "issued_at": start, "start": start, "step_minutes": 60}
            hours = [0.0] * 3 + [power_w] * 8 + [0.0] * 37 if kind == "pv" else [power_w] * 48
            await house.rest.post(f"/forecasts/{kind}", {**said, "q50_w": hours})
        fixed = await house.plan()
        car_w = np.array(powers_w(fixed, "car-1")[SUNNY])
        assert _grid_w(fixed, "A") == pytest.approx(1_000.0 + car_w)
        assert _grid_w(fixed, "B") == pytest.approx(-7_000.0)
        changed = await house.rest.patch(f"{PLANTS}/P", {"key": "by_need"})
        assert changed["key"] == "by_need"
        # B is left 1 kW for its building; the car at A may have all it can take, for nobody else
        # would. What is left then they sell as 2 to 8, and what the car does not take.
        by_need = await house.plan()
        car_w = np.array(powers_w(by_need, "car-1")[SUNNY])
        rest_w = 10_000.0 - 3_000.0 - 1_000.0 - 3_700.0
        assert _grid_w(by_need, "A") == pytest.approx(car_w - 3_700.0 - 0.2 * rest_w, abs=1)
        assert _grid_w(by_need, "B") == pytest.approx(-0.8 * rest_w, abs=1)
        assert car_w.max() == pytest.approx(3_700.0)
        # With a building that takes all, the car and both buildings share by what they draw.
        said = {"site_id": "B", "issued_at": start, "start": start, "step_minutes": 60}
        for _ in range(2):  # so much more is believed when it is said again
            await house.rest.post("/forecasts/load", {**said, "q50_w": [17_000.0] * 48})
        scarce = await house.plan()
        pv_w = 10_000.0 * (3_000.0 + car_w) / (3_000.0 + car_w + 17_000.0)
        car_w = np.array(powers_w(scarce, "car-1")[SUNNY])
        assert _grid_w(scarce, "A") == pytest.approx(3_000.0 + car_w - pv_w, abs=1)
        assert _grid_w(scarce, "B") == pytest.approx(17_000.0 - (10_000.0 - pv_w), abs=1)
        again = await house.rest.patch(f"{PLANTS}/P", {"key": "fixed"})
        assert again["key"] == "fixed"
        told = await house.rest.patch(f"{PLANTS}/P", {"key": "by_wish"}, 422)
        assert [error["field"] for error in told["errors"]] == ["/key"]


SUNNY = slice(12, 44)
"""The steps in which the sun shines there."""


def _grid_w(plan: Any, site_id: str) -> np.ndarray[Any, Any]:
    grid_w = next(each["grid_w"] for each in plan["sites"] if each["id"] == site_id)
    return np.array(grid_w[SUNNY])


async def test_who_used_what_of_a_plant_is_told_by_quarters(house: EquippedHouse) -> None:
    await house.rest.post(PLANTS, a_plant(("A", 0.25), ("B", 0.5), key="by_need"))
    begun = house.now
    await house.later(timedelta(minutes=15))
    at = format_rfc3339(house.now)
    said = {"measurements": [{"measured_at": at, "pv_power_w": 16_000.0}]}
    await house.rest.post(f"{PLANTS}/P/measurements", said)
    for site_id, load_w in (("A", 9_000.0), ("B", 1_000.0)):
        measured = {"measured_at": at, "load_power_w": load_w}
        await house.rest.post(f"/sites/{site_id}/measurements", measured)
    period = {"since": format_rfc3339(begun), "until": at}
    a, b = (await house.rest.get(f"{PLANTS}/P/quarters", **period))["items"]
    assert {each["key"] for each in (a, b)} == {"by_need"}
    # The two have 12 kW together, A has 4 of them by its share and needs 9; 2 are left, as 1 to 2.
    assert (a["used_wh"], b["used_wh"]) == (2_250.0, 250.0)
    assert (a["sold_wh"], b["sold_wh"]) == pytest.approx((500 / 3, 1000 / 3), abs=0.001)
    # From now on it is dealt by fixed shares; what was stays as it was.
    await house.rest.patch(
        f"{PLANTS}/P", {"key": "fixed", "shares": [{"site_id": "A", "share": 1}]}
    )
    assert (await house.rest.get(f"{PLANTS}/P/quarters", **period))["items"] == [a, b]
    later = {"since": at, "until": format_rfc3339(house.now + timedelta(minutes=15))}
    (alone,) = (await house.rest.get(f"{PLANTS}/P/quarters", **later))["items"]
    assert (alone["site_id"], alone["key"], alone["sun_wh"]) == ("A", "fixed", 0.0)
    for wrong in ({"until": period["since"]}, {"until": "2026-06-20T00:00:00Z"}):
        told = await house.rest.get(f"{PLANTS}/P/quarters", 422, **{**period, **wrong})
        assert [error["field"] for error in told["errors"]] == ["/until"]
    await house.rest.get(f"{PLANTS}/Q/quarters", 404, **period)
