"""The battery of a site over REST: reported, planned, told; left out where nothing is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.planning.queries import current_plan
from csms.planning.schedules import IN_THE_SHADOW
from models.tables.ledger import Event
from models.tables.planning import PlanRequest
from models.timeline import format_rfc3339, parse_rfc3339
from tests.builders.equipped_house import EquippedHouse

BATTERY = {
    "capacity_wh": 20_000,
    "soc_wh": 0,
    "min_soc_wh": 2_000,
    "max_charge_w": 5_000,
    "max_discharge_w": 4_000,
    "efficiency": 0.95,
}
OUTLETS = [{"evse_id": 1, "max_power_w": 3_700.0}]


async def furnished(house: EquippedHouse) -> None:
    """Has a battery, a building of 2 kW, and a dear evening after a cheap day."""
    await house.rest.site(id="A", battery=BATTERY)
    await house.furnish(OUTLETS, cars=1)
    await house.prices(["0.10"] * 12 + ["0.50"] * 12 + ["0.30"] * 48)
    await house.forecast("load", [2_000.0] * 60)


async def reported(house: EquippedHouse, status: int = 200, **state: Any) -> Any:
    return await house.rest.post("/sites/A/battery/state", state, status)


async def asked(house: EquippedHouse) -> list[str]:
    async with house.rest.db.read() as session:
        return list(await session.scalars(sa.select(PlanRequest.reason)))


async def test_a_battery_follows_the_plan_that_knows_it(house: EquippedHouse) -> None:
    await furnished(house)
    state = await reported(house, soc_wh=10_000)
    assert (state["soc_wh"], state["fresh"]) == (10_000, True)
    assert await house.rest.get("/sites/A/battery/state") == state
    assert "battery reported" in await asked(house)
    plan = await house.plan("A")
    assert plan["left_out"] == []
    (site,) = plan["sites"]
    # Full before noon, and given to the building in the afternoon: 2 kW, as it takes.
    assert sum(site["battery_w"][:24]) / 4 * 0.95 == pytest.approx(10_000, rel=0.01)
    assert min(site["battery_w"][24:60]) == pytest.approx(-2_000, abs=1)

    told = await house.rest.get("/sites/A/battery/schedule")
    assert (told["plan_id"], told["why"]) == (plan["id"], None)
    periods = told["periods"]
    assert len(periods) == 16
    assert [each["power_w"] for each in periods] == [round(w, 1) for w in site["battery_w"][:16]]
    assert [each["grid_w"] for each in periods] == [round(w, 1) for w in site["grid_w"][:16]]
    assert parse_rfc3339(periods[0]["from_at"]) == house.now
    assert parse_rfc3339(periods[-1]["to_at"]) == house.now + timedelta(hours=4)
    events = await house.rest.events("site/A")
    assert events[-2:] == ["battery.reported", "battery.scheduled"]
    async with house.rest.db.read() as session:
        query = sa.select(Event).where(Event.type == "battery.scheduled")
        event = (await session.scalars(query)).one()
        assert event.site_id == "A"


async def test_a_battery_of_which_nothing_fresh_is_known_is_left_out(small: EquippedHouse) -> None:
    await furnished(small)
    why = "its state of charge was never reported"
    plan = await small.plan()
    assert plan["left_out"] == [{"site_id": "A", "what": "battery", "why": why}]
    assert set(plan["sites"][0]["battery_w"]) == {0.0}
    told = await small.rest.get("/sites/A/battery/schedule")
    assert (told["periods"], told["why"]) == ([], why)

    await reported(small, soc_wh=10_000)
    assert (await small.plan())["left_out"] == []
    await small.later(timedelta(minutes=31))
    assert not (await small.rest.get("/sites/A/battery/state"))["fresh"]
    (out,) = (await small.plan())["left_out"]
    assert out["why"] == "its state of charge is of 2026-06-15T06:00:00Z"
    assert (await small.rest.get("/plans"))["items"][-1]["left_out"] == [out]
    async with small.rest.db.write(small.rest.clock, small.rest.services.ids) as work:
        await work.session.execute(sa.delete(PlanRequest))
    await reported(small, soc_wh=9_000)
    assert await asked(small) == ["battery reported"]
    assert (await small.plan())["left_out"] == []


async def test_a_plan_that_is_older_than_a_battery_tells_it_nothing(small: EquippedHouse) -> None:
    await small.rest.site(id="A")
    await small.furnish(OUTLETS, cars=1)
    await small.plan()
    await small.rest.patch("/sites/A", {"battery": BATTERY})
    await reported(small, soc_wh=10_000)
    told = await small.rest.get("/sites/A/battery/schedule")
    assert (told["periods"], told["why"]) == ([], "the plan does not know it")
    await small.plan()
    told = await small.rest.get("/sites/A/battery/schedule")
    assert len(told["periods"]) == 16
    await small.rest.patch("/sites/A", {"shadow": True})
    told = await small.rest.get("/sites/A/battery/schedule")
    assert (told["periods"], told["why"]) == ([], IN_THE_SHADOW)


async def test_a_battery_is_taken_as_it_was_when_the_step_began(small: EquippedHouse) -> None:
    await furnished(small)
    await small.later(timedelta(minutes=6))
    await reported(small, soc_wh=10_475, power_w=5_000)
    await small.plan()
    row = await stored_problem(small)
    assert row["sites"][0]["battery"]["soc_wh"] == pytest.approx(10_000)
    await reported(small, soc_wh=10_000, power_w=-1_900)
    await small.plan()
    row = await stored_problem(small)
    assert row["sites"][0]["battery"]["soc_wh"] == pytest.approx(10_200)


async def stored_problem(house: EquippedHouse) -> Any:
    async with house.rest.db.read() as session:
        row = await current_plan(session, tenant="default", with_problem=True)
    assert row is not None
    return msgspec.json.decode(row.problem)


async def test_a_schedule_ends_where_nothing_newer_was_planned(small: EquippedHouse) -> None:
    await furnished(small)
    why = (await small.rest.get("/sites/A/battery/schedule"))["why"]
    assert why == "there is no plan yet"
    await reported(small, soc_wh=10_000)
    await small.plan()
    await small.later(timedelta(hours=3, minutes=40))
    periods = (await small.rest.get("/sites/A/battery/schedule"))["periods"]
    assert [each["from_at"][11:16] for each in periods] == ["09:40", "09:45"]
    await small.later(timedelta(minutes=30))
    told = await small.rest.get("/sites/A/battery/schedule")
    assert (told["periods"], told["why"]) == ([], "the plan is too old")


async def test_a_battery_runs_by_itself_while_the_grid_limits_its_site(
    small: EquippedHouse,
) -> None:
    await furnished(small)
    await reported(small, soc_wh=10_000)
    limit = {"site_id": "A", "limit_w": 5_000, "duration": "PT1H", "reason": "hot", "source": "dso"}
    made = await small.rest.post("/grid-limits", limit)
    plan = await small.plan("A")
    why = "the grid limits the site for a while"
    assert plan["left_out"] == [{"site_id": "A", "what": "battery", "why": why}]
    assert set(plan["sites"][0]["battery_w"]) == {0.0}
    assert (await small.rest.get("/sites/A/battery/schedule"))["why"] == why
    assert await last_told(small) == ([], why)
    await small.rest.delete(f"/grid-limits/{made['id']}")
    assert (await small.plan("A"))["left_out"] == []
    assert (await last_told(small))[0] != []


async def last_told(house: EquippedHouse) -> tuple[list[Any], str | None]:
    """What the last event has told the battery, and why it is told nothing."""
    async with house.rest.db.read() as session:
        query = sa.select(Event).where(Event.type == "battery.scheduled").order_by(Event.id)
        event = (await session.scalars(query)).all()[-1]
    told = msgspec.json.decode(event.resource)
    return told["periods"], told["why"]


async def test_a_battery_is_planned_until_its_schedule_would_reach_into_a_limit(
    small: EquippedHouse,
) -> None:
    await furnished(small)
    await reported(small, soc_wh=10_000)
    limit = {"site_id": "A", "limit_w": 5_000, "duration": "PT1H", "reason": "hot", "source": "dso"}
    begins = small.now + timedelta(hours=4, minutes=15)
    await small.rest.post("/grid-limits", limit | {"start": format_rfc3339(begins)})
    assert (await small.plan("A"))["left_out"] == []
    await small.later(timedelta(minutes=20))
    assert [each["what"] for each in (await small.plan("A"))["left_out"]] == ["battery"]


async def test_a_battery_in_the_shadow_runs_by_itself(small: EquippedHouse) -> None:
    await furnished(small)
    await reported(small, soc_wh=10_000)
    await small.rest.patch("/sites/A", {"shadow": True})
    plan = await small.plan("A")
    assert max(plan["sites"][0]["battery_w"]) > 0
    told = await small.rest.get("/sites/A/battery/schedule")
    assert (told["plan_id"], told["periods"]) == (plan["id"], [])
    assert "shadow" in told["why"]
    async with small.rest.db.read() as session:
        query = sa.select(Event).where(Event.type == "battery.scheduled")
        event = (await session.scalars(query)).one()
        assert msgspec.json.decode(event.resource)["periods"] == []
    await small.rest.patch("/sites/A", {"shadow": False})
    await small.plan("A")
    assert (await small.rest.get("/sites/A/battery/schedule"))["periods"]


async def test_what_can_not_be_is_refused(house: EquippedHouse) -> None:
    await house.rest.site(id="A")
    await house.rest.site(id="B", battery=BATTERY)
    problem = await reported(house, 409, soc_wh=1)
    assert problem["code"] == "no-battery"
    await house.rest.get("/sites/A/battery/schedule", 409)
    await house.rest.get("/sites/B/battery/state", 404)
    await house.rest.get("/sites/C/battery/schedule", 404)
    later = format_rfc3339(house.now + timedelta(minutes=6))
    for body, field in (
        ({"soc_wh": 20_001}, "/soc_wh"),
        ({"soc_wh": -1}, "/soc_wh"),
        ({"soc_wh": 1, "measured_at": later}, "/measured_at"),
        ({"power_w": 1}, "/soc_wh"),
    ):
        problem = await house.rest.post("/sites/B/battery/state", body, 422)
        assert problem["errors"][0]["field"] == field
    await house.rest.post("/sites/B/battery/state", {"soc_wh": 9_000}, 200)
    earlier = format_rfc3339(house.now - timedelta(minutes=1))
    old = {"soc_wh": 8_000, "measured_at": earlier}
    shown = await house.rest.post("/sites/B/battery/state", old, 200)
    assert shown["soc_wh"] == 9_000
    viewer = house.rest.client(await house.rest.key("viewer"))
    answer = await viewer.post("/api/v1/sites/B/battery/state", json={"soc_wh": 1})
    assert answer.status_code == 403
    await house.rest.delete("/sites/B")
