"""A boiler with a store over REST: reported, planned, told; left out where it can't be planned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.planning import PlanRequest
from models.timeline import format_rfc3339
from tests.builders.equipped_house import EquippedHouse

BOILER = {"id": "boiler", "max_power_w": 3_000, "store_wh": 12_000, "loss_w": 0.0}
STATE = "/sites/A/flexible-loads/boiler/state"
SCHEDULE = "/sites/A/flexible-loads/boiler/schedule"


async def furnished(house: EquippedHouse) -> None:
    """Has a boiler, and a dear evening after a cheap day."""
    await house.rest.site(id="A", flexible_loads=[BOILER])
    await house.furnish([{"evse_id": 1, "max_power_w": 3_700.0}], cars=1)
    await house.prices(["0.10"] * 12 + ["0.50"] * 12 + ["0.30"] * 48)


async def reported(house: EquippedHouse, **more: Any) -> Any:
    state = {"stored_wh": 4_000, "demand_w": [1_000.0] * 24}
    return await house.rest.post(STATE, state | more, 200)


async def test_a_boiler_heats_while_energy_is_cheap(house: EquippedHouse) -> None:
    await furnished(house)
    state = await reported(house)
    assert (state["load_id"], state["fresh"], state["step_minutes"]) == ("boiler", True, 60)
    assert await house.rest.get(STATE) == state
    plan = await house.plan("A")
    assert plan["left_out"] == []
    (load,) = plan["flexible"]
    drawn_wh = [power_w / 4 for power_w in load["power_w"]]
    # Six hours are cheap: what is taken out meanwhile, and the store filled for the evening.
    assert sum(drawn_wh[:24]) == pytest.approx(6_000 + 8_000, rel=0.01)
    assert sum(drawn_wh[24:72]) == pytest.approx(0.0, abs=1)
    told = await house.rest.get(SCHEDULE)
    assert (told["plan_id"], told["why"], len(told["periods"])) == (plan["id"], None, 16)
    powers_w = [each["power_w"] for each in told["periods"]]
    assert powers_w == [round(power_w, 1) for power_w in load["power_w"][:16]]
    events = await house.rest.events("site/A/flexible-load/boiler")
    assert events == ["flexible_load.reported", "flexible_load.scheduled"]
    await house.rest.delete("/stations/CP-1")


async def test_a_store_that_can_not_be_planned_is_left_out(small: EquippedHouse) -> None:
    await furnished(small)
    assert (await small.rest.get(SCHEDULE))["why"] == "there is no plan yet"
    plan = await small.plan()
    why = "what its store holds was never reported"
    out = {"site_id": "A", "what": "flexible_load boiler", "why": why}
    assert plan["left_out"] == [out]
    assert "flexible" not in plan
    assert (await small.rest.get(SCHEDULE))["why"] == why

    await reported(small, demand_w=[1_000.0] * 3 + [9_000.0] * 3)
    (out,) = (await small.plan())["left_out"]
    assert out["why"].startswith("its demand at 2026-06-15T10:")
    await reported(small)
    assert (await small.plan())["left_out"] == []
    await small.later(timedelta(minutes=31))
    (out,) = (await small.plan())["left_out"]
    assert out["why"] == "what its store holds is of 2026-06-15T06:00:00Z"
    async with small.rest.db.write(small.rest.clock, small.rest.services.ids) as work:
        await work.session.execute(sa.delete(PlanRequest))
    await reported(small)
    async with small.rest.db.read() as session:
        assert list(await session.scalars(sa.select(PlanRequest.reason))) == [
            "flexible load reported"
        ]


async def test_a_boiler_runs_by_itself_while_the_grid_limits_its_site(
    small: EquippedHouse,
) -> None:
    await furnished(small)
    await reported(small)
    limit = {"site_id": "A", "limit_w": 2_000, "duration": "PT1H", "reason": "hot", "source": "dso"}
    await small.rest.post("/grid-limits", limit)
    plan = await small.plan("A")
    why = "the grid limits the site for a while"
    assert plan["left_out"] == [{"site_id": "A", "what": "flexible_load boiler", "why": why}]
    assert (await small.rest.get(SCHEDULE))["why"] == why
    events = await small.rest.events("site/A/flexible-load/boiler")
    assert events == ["flexible_load.reported", "flexible_load.scheduled"]


async def test_what_can_not_be_is_refused(small: EquippedHouse) -> None:
    await small.rest.site(id="A", flexible_loads=[BOILER])
    await small.rest.get(STATE, 404)
    await small.rest.get("/sites/A/flexible-loads/pump/schedule", 404)
    known = {"stored_wh": 1, "demand_w": [1.0]}
    await small.rest.post("/sites/A/flexible-loads/pump/state", known, 404)
    later = format_rfc3339(small.now + timedelta(minutes=6))
    for body, field in (
        ({"stored_wh": 12_001}, "/stored_wh"),
        ({"measured_at": later}, "/measured_at"),
        ({"demand_w": []}, "/demand_w"),
        ({"demand_w": [-1.0]}, "/demand_w/0"),
        ({"step_minutes": 7}, "/step_minutes"),
    ):
        problem = await small.rest.post(STATE, known | body, 422)
        assert problem["errors"][0]["field"] == field
    problem = await small.rest.patch("/sites/A", {"flexible_loads": [BOILER, BOILER]}, 422)
    assert problem["errors"][0]["field"] == "/flexible_loads"
