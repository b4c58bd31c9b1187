"""Overrides over REST: a box on a real socket follows them, they end by themselves, and cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from csms.overrides.reactions import OverrideKeeper
from models.tables.charging import Transaction
from models.tables.planning import Override
from models.timeline import format_rfc3339
from tests.builders.equipped_house import equipped_house
from tests.builders.paying import Paying, paying
from tests.builders.planners import keep_limits, planning
from tests.builders.rest_house import RestHouse, a_trip, rest_house
from tests.builders.waiting import until

FULL_W = 3_700.0
EVSES = [{"evse_id": 1, "max_power_w": FULL_W, "min_power_w": 1000.0}]


def wish(vehicle_id: str = "car-1", **fields: Any) -> dict[str, Any]:
    return {"vehicle_id": vehicle_id, "kind": "hold", "duration": "PT1H"} | fields


def keeper_of(house: RestHouse) -> OverrideKeeper:
    return OverrideKeeper(
        db=house.db, clock=house.clock, ids=house.services.ids, activity=house.activity
    )


@asynccontextmanager
async def following(it: Paying) -> AsyncIterator[None]:
    """Lets the house plan, with a gap that only what is urgent does not wait for."""
    house = it.house
    await keep_limits(house)
    keeper = keeper_of(house)
    await keeper.start()
    house.services.bus.subscribe("overrides", keeper.follows, keeper.heard)
    async with planning(house):
        try:
            yield
        finally:
            await keeper.stop()


async def parked(it: Paying, *, booked: bool) -> None:
    """Has a known car with half a battery at the first EVSE; booked, it must charge for a trip."""
    house, now = it.house, it.house.clock.now()
    await house.post(
        "/vehicle-models",
        {
            "id": "mia",
            "name": "Mia",
            "vehicle_class": "city",
            "battery_capacity_wh": 16_000,
            "max_ac_power_w": FULL_W,
            "consumption_wh_per_km": 140,
        },
    )
    await house.post("/vehicles", {"id": "mia-1", "model_id": "mia", "site_id": "A"})
    prices = {
        "site_id": "A",
        "issued_at": format_rfc3339(now),
        "start": format_rfc3339(now.replace(minute=0, second=0, microsecond=0)),
        "step_minutes": 60,
        "import_price_per_kwh": ["0.40"] * 50,
        "export_price_per_kwh": ["0.05"] * 50,
    }
    await house.post("/prices", prices)
    transaction = await it.charge()
    state = {"soc_pct": 50.0, "plugged_evse": "ST-1/1"}
    await house.post("/vehicles/mia-1/state", state, 200)
    async with house.db.write(house.clock, house.services.ids) as work:
        row = await work.session.get_one(Transaction, transaction["id"])
        row.vehicle_id = "mia-1"
    if booked:
        await house.post("/drivers", {"id": "ada", "name": "Ada"})
        await house.post("/bookings", a_trip(now + timedelta(hours=9), distance_km=75))


def allowed_w(it: Paying) -> float | None:
    """Returns what the box lets a car draw now; None: no limit of a plan is in it."""
    found = it.box.composite(1, it.house.clock.now(), 60.0)
    return found[0].limit_w if found else None


async def allows(it: Paying, power_w: float) -> None:
    await it.soon(lambda: allowed_w(it) == pytest.approx(power_w, abs=1.0))


async def test_a_box_charges_now_at_once_and_the_price_of_that_is_told(database_url: str) -> None:
    async with paying(database_url, "ocpp1.6", evses=EVSES) as it:
        await parked(it, booked=False)
        async with following(it):
            await allows(it, 0.0)
            now = await it.house.post(
                "/overrides", {"vehicle_id": "mia-1", "kind": "charge_now", "duration": "PT4H"}
            )
            assert (now["active"], now["extra_cost"], now["replaces"]) == (True, None, None)
            await allows(it, FULL_W)
            shown = await it.until(
                f"/overrides/{now['id']}", lambda each: each if each["plan_id"] else None
            )
            # Some 9 kWh at 0.40, which in the car are worth 3 % less.
            assert Decimal("0.05") < Decimal(shown["extra_cost"]) < Decimal("0.20")
            assert shown["currency"] == "EUR"
            plan = await it.house.get(f"/plans/{shown['plan_id']}")
            (limit,) = plan["limits"]
            assert "OVERRIDE" in limit["periods"][0]["reasons"]
            types = await it.house.events(f"override/{now['id']}")
            assert types == ["override.created", "override.planned"]


async def test_a_box_holds_takes_so_much_at_most_and_goes_back_to_the_plan(
    database_url: str,
) -> None:
    async with paying(database_url, "ocpp2.0.1", evses=EVSES) as it:
        await parked(it, booked=True)
        async with following(it):
            await allows(it, FULL_W)
            hold = await it.house.post("/overrides", wish("mia-1"))
            await allows(it, 0.0)
            (limit,) = (await it.house.get("/plans/current"))["limits"]
            assert limit["periods"][0]["reasons"] == ["OVERRIDE"]
            until = format_rfc3339(it.house.clock.now() + timedelta(hours=4))
            less = await it.house.post(
                "/overrides",
                wish("mia-1", kind="at_most", power_w=2000.0, duration=None, until=until),
            )
            assert less["replaces"] == hold["id"]
            await allows(it, 2000.0)
            ended = await it.house.get(f"/overrides/{hold['id']}")
            assert (ended["active"], ended["ended_why"]) == (False, "replaced")
            await it.house.delete(f"/overrides/{less['id']}")
            await allows(it, FULL_W)
            assert (await it.house.get(f"/overrides/{less['id']}"))["ended_why"] == "withdrawn"
            again = await it.house.http.delete(f"/api/v1/overrides/{less['id']}")
            assert (again.status_code, again.json()["code"]) == (409, "override-over")


async def test_what_is_over_ends_at_the_next_start_and_the_box_goes_back_to_the_plan(
    sqlite_url: str,
) -> None:
    async with paying(sqlite_url, "ocpp2.0.1", evses=EVSES) as it:
        await parked(it, booked=False)
        house = it.house
        async with following(it):
            made = await house.post("/overrides", wish("mia-1", kind="charge_now"))
            await it.until(
                f"/overrides/{made['id']}", lambda each: each if each["plan_id"] else None
            )
            await allows(it, FULL_W)
            async with house.db.write(house.clock, house.services.ids) as work:
                (await work.session.get_one(Override, made["id"])).until = work.now
            late = keeper_of(house)
            await late.start()
            path = f"/overrides/{made['id']}"
            ended = await it.until(path, lambda each: each if each["ended_at"] else None)
            assert ended["ended_why"] == "over"
            await allows(it, 0.0)
            await late.stop()


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[RestHouse]:
    async with rest_house(database_url, stepped=True) as running:
        await running.fleet("car-1", "car-2")
        yield running


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"vehicle_id": "car-9"}, "/vehicle_id"),
    ({"kind": "faster"}, "/kind"),
    ({"kind": "at_most"}, "/power_w"),
    ({"kind": "at_most", "power_w": -1.0}, "/power_w"),
    ({"power_w": 1000.0}, "/power_w"),
    ({"duration": None}, "/until"),
    ({"until": "2026-06-15T07:00:00Z"}, "/until"),
    ({"duration": None, "until": "2026-06-15T06:00:00Z"}, "/until"),
    ({"duration": None, "until": "2026-06-16T06:00:01Z"}, "/until"),
    ({"duration": None, "until": "tomorrow"}, "/until"),
    ({"duration": "PT0S"}, "/duration"),
    ({"duration": "PT25H"}, "/duration"),
    ({"duration": "an hour"}, "/duration"),
    ({"evse_id": 1}, "/evse_id"),
)


async def test_a_bad_override_names_its_field(house: RestHouse) -> None:
    for wrong, field in WRONG:
        answer = await house.post("/overrides", wish(**wrong), 422)
        assert [each["field"] for each in answer["errors"]] == [field], wrong
    assert (await house.get("/overrides"))["items"] == []


async def test_overrides_are_listed_filtered_and_each_tenant_s_own(house: RestHouse) -> None:
    first = await house.post("/overrides", wish())
    second = await house.post("/overrides", wish(kind="at_most", power_w=1500.0))
    other = await house.post("/overrides", wish(vehicle_id="car-2", id="mine", custom={"a": 1}))
    assert await house.post("/overrides", wish(vehicle_id="car-2", id="mine"), 409)

    async def listed(**query: Any) -> list[str]:
        return [each["id"] for each in (await house.get("/overrides", **query))["items"]]

    assert set(await listed()) == {first["id"], second["id"], other["id"]}
    assert set(await listed(active="true")) == {second["id"], other["id"]}
    assert await listed(active="false") == [first["id"]]
    assert await listed(vehicle_id="car-2", site_id="A") == ["mine"]
    assert await listed(site_id="B") == []
    page = await house.get("/overrides", limit=2, sort="-until")
    assert len(page["items"]) == 2
    assert page["next_cursor"]
    assert await house.events(f"override/{first['id']}") == ["override.created", "override.ended"]
    await house.get("/overrides/nobody-s", 404)
    viewer = house.client(await house.key("viewer"))
    assert (await viewer.get("/api/v1/overrides/mine")).status_code == 200
    assert (await viewer.post("/api/v1/overrides", json=wish())).status_code == 403
    assert (await viewer.delete("/api/v1/overrides/mine")).status_code == 403


async def test_an_override_ends_when_its_time_is_over_and_not_before(house: RestHouse) -> None:
    keeper = keeper_of(house)
    await keeper.start()
    house.services.bus.subscribe("overrides", keeper.follows, keeper.heard)
    late = await house.post("/overrides", wish(duration="PT2H"))
    soon = await house.post(
        "/overrides", wish("car-2", until="2026-06-15T07:00:00Z", duration=None)
    )

    async def active() -> set[str]:
        return {each["id"] for each in (await house.get("/overrides", active="true"))["items"]}

    await house.post("/clock", {"advance_to": "2026-06-15T06:59:59Z"}, 200)
    assert await active() == {late["id"], soon["id"]}
    await house.post("/clock", {"advance_to": "2026-06-15T07:00:00Z"}, 200)
    assert await active() == {late["id"]}
    await house.post("/clock", {"advance_to": "2026-06-15T08:00:00Z"}, 200)
    assert await active() == set()
    ended = await house.get(f"/overrides/{soon['id']}")
    assert (ended["ended_why"], ended["ended_at"]) == ("over", ended["until"])
    assert await house.events(f"override/{soon['id']}") == ["override.created", "override.ended"]
    await keeper.stop()


async def test_overrides_go_with_their_car(house: RestHouse) -> None:
    made = await house.post("/overrides", wish())
    await house.delete("/vehicles/car-1")
    await house.get(f"/overrides/{made['id']}", 404)


async def test_what_frees_a_circuit_is_sent_before_what_uses_it(sqlite_url: str) -> None:
    """A box takes one command after the other: else both cars would draw for as long as that."""
    async with equipped_house(sqlite_url) as house:
        await house.rest.site(id="A", timezone="UTC", import_limit_w=4_000)
        evses = [{"evse_id": number, "max_power_w": FULL_W} for number in (1, 2)]
        await house.furnish(evses, cars=2)
        await house.prices(["0.30"] * 72)
        await house.begin(1, 2)

        async def charging(first: str, second: str) -> list[tuple[int, float]]:
            for car, kind in (("car-1", first), ("car-2", second)):
                body = {"vehicle_id": car, "kind": kind, "duration": "PT1H"}
                await house.rest.post("/overrides", body)
            known = {each["id"] for each in (await house.rest.get("/limits"))["items"]}

            async def ordered() -> list[tuple[int, float]]:
                await house.plan()
                items = (await house.rest.get("/limits"))["items"]
                new = sorted((x for x in items if x["id"] not in known), key=lambda x: x["id"])
                return [(each["evse_id"], each["periods"][0]["limit_w"]) for each in new]

            return await until(ordered, lambda found: len(found) == 2)

        assert sorted(await charging("charge_now", "hold")) == [(1, FULL_W), (2, 0.0)]
        assert await charging("hold", "charge_now") == [(1, 0.0), (2, FULL_W)]
        assert await charging("charge_now", "hold") == [(2, 0.0), (1, FULL_W)]
