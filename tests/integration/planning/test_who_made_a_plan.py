"""A plan says which level of the chain has made it, and how far from the best it may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions
from tests.builders.equipped_house import equipped_house


async def test_a_plan_tells_its_maker_and_its_gap(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with equipped_house(sqlite_url) as house:
        await house.rest.site(id="A", timezone="UTC")
        await house.furnish([{"evse_id": 1, "max_power_w": 3_700.0}], cars=1)
        await house.prices(["0.30"] * 72)
        plan = await house.plan()
        assert (plan["made_by"], plan["kept_cars"]) == ("solver", 0)
        assert set(plan["solvers"]) <= {"glop", "highs"}
        assert plan["solvers"]
        assert plan["gap"] == pytest.approx(plan["cost"] - plan["lower_bound"], abs=1e-4)
        solve = house.planner._solve

        async def hung(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
            return await solve(problem, former, replace(how, solvers=()))

        monkeypatch.setattr(house.planner, "_solve", hung)
        without = await house.plan()
        assert (without["made_by"], without["solvers"]) == ("laxity", [])
        listed = await house.rest.get("/plans")
        assert [each["made_by"] for each in listed["items"]] == ["solver", "laxity"]
