"""Between plans: boxes on real sockets follow the sun that REST tells of, and spare a fuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from csms.surplus import reactions, rules
from csms.surplus.reactions import SurplusKeeper
from models.tables.charging import Transaction
from models.timeline import floor_to_step, format_rfc3339
from tests.builders.paying import Paying
from tests.builders.planners import keep_limits, planning
from tests.builders.rest_house import RestHouse, a_model, rest_house
from tests.builders.two_cars import EVSES, FULL_W, two_cars


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are for hours; `tests/property/surplus` is about them."""
    monkeypatch.setattr(rules, "DWELL", timedelta(0))
    monkeypatch.setattr(rules, "SWITCH_DWELL", timedelta(0))
    monkeypatch.setattr(reactions, "LEAST_TIME", timedelta(0))


@asynccontextmanager
async def following(house: RestHouse) -> AsyncIterator[None]:
    """Runs a planner that plans once and then by the clock, and the loop between plans."""
    await keep_limits(house)
    async with planning(house) as planner:
        keeper = SurplusKeeper(
            db=house.db,
            clock=house.clock,
            ids=house.services.ids,
            activity=house.activity,
            free_at=planner.free_at,
        )
        house.services.bus.subscribe("surplus", keeper.follows, keeper.heard, keeper.rest)
        try:
            yield
        finally:
            await keeper.stop()


async def sun_in_an_hour(it: Paying) -> None:
    """Makes both cars known, half empty, and promises them all the sun that they can take later."""
    house, now = it.house, it.house.clock.now()
    await house.post("/vehicle-models", a_model(id="mia", max_ac_power_w=FULL_W))
    page = await house.get("/transactions", open="true")
    for row in page["items"]:
        name = f"mia-{row['evse_id']}"
        await house.post("/vehicles", {"id": name, "model_id": "mia", "site_id": "A"})
        state = {"soc_pct": 50.0, "plugged_evse": f"ST-1/{row['evse_id']}"}
        await house.post(f"/vehicles/{name}/state", state, 200)
        async with house.db.write(house.clock, house.services.ids) as work:
            (await work.session.get_one(Transaction, row["id"])).vehicle_id = name
    start = format_rfc3339(floor_to_step(now, 60))
    series = {"site_id": "A", "issued_at": format_rfc3339(now), "start": start}
    prices = {"currency": "EUR", "import_price_per_kwh": ["0.30"] * 60}
    prices |= {"export_price_per_kwh": ["0.05"] * 60, "step_minutes": 60}
    await house.post("/prices", series | prices)
    for kind, hours in (("pv", [0.0] * 2 + [9000.0] * 46), ("load", [500.0] * 48)):
        await house.post(
            f"/forecasts/{kind}", series | {"step_minutes": 60, "source": "t", "q50_w": hours}
        )


def allowed_w(it: Paying) -> list[float]:
    """Returns what the box lets each car draw now."""
    found = [it.box.composite(number, it.house.clock.now(), 60.0) for number in (1, 2)]
    return [each[0].limit_w if each else FULL_W for each in found]


async def told(it: Paying, pv_w: float) -> None:
    await it.house.post(
        "/sites/A/measurements",
        {
            "measured_at": format_rfc3339(it.house.clock.now()),
            "pv_power_w": pv_w,
            "load_power_w": 500.0,
        },
    )


async def allows(it: Paying, pv_w: float, *powers_w: float) -> None:
    """Lets the meters speak until the box lets its cars draw so much."""
    async with asyncio.timeout(120):
        while sorted(allowed_w(it)) != pytest.approx(sorted(powers_w), abs=1.0):
            await told(it, pv_w)
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.1"])
async def test_cars_take_the_sun_that_no_plan_saw_and_give_it_back(
    sqlite_url: str, version: str
) -> None:
    async with two_cars(sqlite_url, version, 5000.0) as it:
        await sun_in_an_hour(it)
        async with following(it.house):
            await it.soon(lambda: allowed_w(it) == [0.0, 0.0])
            await it.until(
                "/limits", lambda page: all(e["state"] == "accepted" for e in page["items"])
            )
            shown = await it.house.get("/sites/A/surplus")
            assert shown == {"site_id": "A", "follow_surplus": True, "corrections": []}
            await allows(it, 8500.0, 1300.0, 3700.0)  # the fuse bears no more
            shown = await it.house.get("/sites/A/surplus")
            first, second = sorted(shown["corrections"], key=lambda each: -each["limit_w"])
            assert (first["why"], first["planned_w"], first["before_w"]) == ("more sun", 0.0, 0.0)
            assert (first["limit_w"], second["limit_w"]) == (3700.0, 1300.0)
            assert first["active"]
            assert first["spare_w"] == pytest.approx(8000.0)
            assert first["switched_in_hour"] == 1
            limit = next(
                each
                for each in (await it.house.get("/limits"))["items"]
                if each["id"] == first["limit_id"]
            )
            assert limit["plan_id"] is None
            assert limit["periods"][0]["reasons"] == ["FOLLOW_SUN"]
            assert limit["periods"][1]["from_at"] == first["until"]
            await allows(it, 500.0, 0.0, 0.0)
            shown = await it.house.get("/sites/A/surplus")
            assert {each["why"] for each in shown["corrections"]} == {"less sun"}


@pytest.mark.parametrize("setting", [{"follow_surplus": False}, {"shadow": True}])
async def test_where_it_is_not_wanted_no_car_is_led(
    sqlite_url: str, setting: dict[str, bool]
) -> None:
    async with two_cars(sqlite_url, "ocpp2.0.1", 5000.0, **setting) as it:
        await sun_in_an_hour(it)
        async with following(it.house):
            plan = await it.until("/plans", lambda page: page["items"] or None)
            assert plan
            before = await it.house.get("/limits")
            for _ in range(3):
                await told(it, 8500.0)
                await asyncio.sleep(0.1)
            assert len((await it.house.get("/limits"))["items"]) == len(before["items"])
            assert (await it.house.get("/sites/A/surplus"))["corrections"] == []


SPARED: tuple[tuple[float, dict[str, float], str, float], ...] = (
    (5000.0, {}, "C", 2500.0),
    (9000.0, {"import_limit_w": 5000.0, "export_limit_w": 0.0}, "", 2250.0),
)
"""The fuse, the site, what is above its limit, and what each car may draw then."""


def keeper_of(it: Paying) -> SurplusKeeper:
    """The loop between plans, by itself."""
    house = it.house
    return SurplusKeeper(
        db=house.db,
        clock=house.clock,
        ids=house.services.ids,
        activity=house.activity,
        free_at=house.clock.now,
    )


@pytest.mark.parametrize(("limit_w", "site", "over", "each_w"), SPARED)
async def test_what_is_measured_above_its_limit_is_spared_at_once(
    sqlite_url: str, limit_w: float, site: dict[str, float], over: str, each_w: float
) -> None:
    async with two_cars(sqlite_url, "ocpp2.0.1", limit_w, **site) as it:
        keeper = keeper_of(it)
        it.house.services.bus.subscribe("surplus", keeper.follows, keeper.heard, keeper.rest)
        now = it.house.clock.now()
        it.box.advance(now)
        for evse in it.box.evses.values():
            it.box.sample_now(evse, now, asked=True)
        meters = {"load_power_w": 500.0, "grid_power_w": 7900.0}
        await it.house.post("/sites/A/measurements", {**meters, "measured_at": format_rfc3339(now)})
        await it.soon(lambda: allowed_w(it) == pytest.approx([each_w, each_w], abs=1))
        shown = await it.until(
            "/sites/A/surplus", lambda each: each if each["corrections"] else None
        )
        assert {(e["why"], e["circuit"]) for e in shown["corrections"]} == {("circuit", over)}
        await keeper.stop()


async def test_a_car_on_one_phase_is_spared_for_that_phase(sqlite_url: str) -> None:
    async with two_cars(sqlite_url, "ocpp2.0.1", 22_000.0) as it:
        phases = [{"id": "C", "limit_w": 22_000.0, "phase_limits_w": [5_500.0] * 3}]
        three = [each | {"phases": 3, "wired_to": ["L1", "L2", "L3"]} for each in EVSES]
        await it.house.patch("/stations/ST-1", {"evses": three})
        await it.house.patch("/sites/A", {"circuits": phases})
        one = a_model(id="one", max_ac_power_w=FULL_W, ac_phases=1)
        await it.house.post("/vehicle-models", one)
        for row in (await it.house.get("/transactions", open="true"))["items"]:
            name = f"one-{row['evse_id']}"
            await it.house.post("/vehicles", {"id": name, "model_id": "one", "site_id": "A"})
            async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
                (await work.session.get_one(Transaction, row["id"])).vehicle_id = name
        keeper = keeper_of(it)
        it.house.services.bus.subscribe("surplus", keeper.follows, keeper.heard, keeper.rest)
        now = it.house.clock.now()
        it.box.advance(now)
        for evse in it.box.evses.values():
            it.box.sample_now(evse, now, asked=True)
        shown = await it.until(
            "/sites/A/surplus", lambda each: each if each["corrections"] else None
        )
        assert {(e["why"], e["circuit"]) for e in shown["corrections"]} == {("circuit", "C/L1")}
        await keeper.stop()


async def test_the_sun_of_a_shared_plant_comes_through_the_connection_that_is_spared(
    sqlite_url: str,
) -> None:
    site = {"import_limit_w": 5000.0, "export_limit_w": 0.0, "pv_plants": []}
    async with two_cars(sqlite_url, "ocpp2.0.1", 9000.0, **site) as it:
        keeper = keeper_of(it)
        roof = {"peak_power_w": 20_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
        shares = [{"site_id": "A", "share": 0.5}]
        plant = {"id": "P", "name": "School", "pv_plants": [roof], "shares": shares}
        await it.house.post("/shared-plants", plant)
        it.house.services.bus.subscribe("surplus", keeper.follows, keeper.heard, keeper.rest)
        now = it.house.clock.now()
        it.box.advance(now)
        for evse in it.box.evses.values():
            it.box.sample_now(evse, now, asked=True)
        at = format_rfc3339(now)
        sun = {"measurements": [{"measured_at": at, "pv_power_w": 14_000.0}]}
        await it.house.post("/shared-plants/P/measurements", sun)
        meters = {"measured_at": at, "load_power_w": 500.0, "grid_power_w": 7900.0}
        await it.house.post("/sites/A/measurements", meters)
        await it.soon(lambda: allowed_w(it) == pytest.approx([2250.0, 2250.0], abs=1))
        await keeper.stop()


async def test_the_setting_is_one_of_the_site_and_the_list_for_those_who_may_read(
    database_url: str,
) -> None:
    async with rest_house(database_url, stepped=True) as house:
        await house.site(id="A")
        assert (await house.get("/sites/A"))["follow_surplus"] is True
        changed = await house.patch("/sites/A", {"follow_surplus": False})
        assert changed["follow_surplus"] is False
        assert (await house.get("/sites/A/surplus"))["follow_surplus"] is False
        await house.get("/sites/nowhere/surplus", 404)
        wrong = await house.http.patch("/api/v1/sites/A", json={"follow_surplus": "often"})
        assert wrong.status_code == 422
        assert [each["field"] for each in wrong.json()["errors"]] == ["/follow_surplus"]
        viewer = house.client(await house.key("viewer"))
        assert (await viewer.get("/api/v1/sites/A/surplus")).status_code == 200
