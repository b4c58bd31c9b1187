"""A site in the shadow: plans and reports as ever, a box on a real socket that hears none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.tables.charging import Reading, Transaction
from models.tables.planning import Plan as PlanRow
from models.timeline import format_rfc3339
from simulators.profiles import Purpose
from tests.builders.paying import Paying, paying
from tests.builders.planners import keep_limits, planning
from tests.builders.rest_house import a_model, a_trip, rest_house

FULL_W = 3_700.0
EVSES = [{"evse_id": 1, "max_power_w": FULL_W, "min_power_w": 1000.0}]


@asynccontextmanager
async def planned_at_once(it: Paying) -> AsyncIterator[None]:
    """Has the house plan whatever happens, and send what comes of it."""
    await keep_limits(it.house)
    async with planning(it.house, replan_gap=timedelta(0)):
        yield


async def parked(it: Paying) -> None:
    """Has a known car at the EVSE that needs all the time until its trip to charge for it."""
    house, now = it.house, it.house.clock.now()
    await house.post("/vehicle-models", a_model(id="mia", max_ac_power_w=FULL_W))
    await house.post("/vehicles", {"id": "mia-1", "model_id": "mia", "site_id": "A"})
    await house.post("/drivers", {"id": "ada", "name": "Ada"})
    transaction = await it.charge()
    state = {"soc_pct": 40.0, "plugged_evse": "ST-1/1"}
    await house.post("/vehicles/mia-1/state", state, 200)
    async with house.db.write(house.clock, house.services.ids) as work:
        row = await work.session.get_one(Transaction, transaction["id"])
        row.vehicle_id = "mia-1"
    await house.post("/bookings", a_trip(now + timedelta(hours=3), distance_km=65))


def told_w(it: Paying) -> list[float]:
    """Returns the limits of plans that the box holds."""
    stored = it.box.limits.stored()
    return [each.periods[0].limit_w for each in stored if each.purpose is Purpose.TRANSACTION]


async def is_told(it: Paying, *limits_w: float) -> None:
    await it.soon(lambda: told_w(it) == pytest.approx([*limits_w], abs=1.0))


async def planned(it: Paying, after: str | None = None) -> Any:
    """Returns the plan in force, once it is another than the one with this id."""

    def found(plan: Any) -> Any:
        return plan if plan["id"] != after else None

    await it.until("/plans", lambda page: page["items"] or None)
    return await it.until("/plans/current", found)


async def ask_for_plan(it: Paying) -> Any:
    before = await planned(it)
    await it.house.post("/plans", {"site_id": "A"}, 202)
    return await planned(it, before["id"])


async def test_a_shadow_plans_and_commands_nothing_until_it_is_lifted(database_url: str) -> None:
    async with paying(database_url, "ocpp2.0.1", evses=EVSES) as it:
        await it.house.patch("/sites/A", {"shadow": True})
        await parked(it)
        async with planned_at_once(it):
            plan = await ask_for_plan(it)
            assert plan["shadow_site_ids"] == ["A"]
            assert plan["charging"]
            assert plan["limits"] == []
            assert told_w(it) == []
            assert (await it.house.get("/limits"))["items"] == []
            await it.house.patch("/sites/A", {"shadow": False})
            await is_told(it, FULL_W)
            lit = await it.until("/plans/current", lambda each: each if each["limits"] else None)
            assert lit["shadow_site_ids"] == []
            await it.house.patch("/sites/A", {"shadow": True})
            await is_told(it)
            (limit,) = (await it.house.get("/limits"))["items"]
            assert limit["state"] == "superseded"


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
async def test_what_people_want_is_done_in_the_shadow_and_no_longer_than_they_want(
    sqlite_url: str, version: str
) -> None:
    async with paying(sqlite_url, version, evses=EVSES) as it:
        await it.house.patch("/sites/A", {"shadow": True})
        await parked(it)
        async with planned_at_once(it):
            await planned(it)
            wish = {"vehicle_id": "mia-1", "kind": "hold", "duration": "PT20M"}
            hold = await it.house.post("/overrides", wish)
            await is_told(it, 0.0)
            (limit,) = (await it.house.get("/limits"))["items"]
            assert limit["valid_to"] == hold["until"]
            await ask_for_plan(it)
            assert len((await it.house.get("/limits"))["items"]) == 1, "it was sent again"
            await it.house.delete(f"/overrides/{hold['id']}")
            await is_told(it)


async def test_a_report_holds_the_plan_against_what_was_metered(database_url: str) -> None:
    async with rest_house(database_url, stepped=True) as house:
        await house.fleet("car-1")
        start = house.clock.now()
        await house.patch("/sites/A", {"shadow": True})
        empty = await house.get("/sites/A/shadow-report")
        assert (empty["planned"], empty["plan_id"], empty["shadow"]) == (None, None, True)
        await a_past(house, start)
        await house.post("/clock", {"advance_to": format_rfc3339(start + timedelta(hours=2))}, 200)
        period = {"from": format_rfc3339(start), "to": format_rfc3339(start + timedelta(hours=2))}
        shown = await house.get("/sites/A/shadow-report", **period)
        assert shown["plan_id"] == "plan-1"
        assert (shown["measured_steps"], shown["currency"]) == (8, "EUR")
        # Planned is 4 kW in the second hour, when the sun has 3 kW to spare; metered 2 kW in the
        # first, when it has none.
        assert shown["planned"] == {
            "energy_wh": 4000.0,
            "solar_wh": 3000.0,
            "solar_share": 0.75,
            "cost": "0.5500",
        }
        assert shown["measured"]["energy_wh"] == pytest.approx(2000.0, abs=1.0)
        assert shown["measured"]["solar_wh"] == 0.0
        assert Decimal(shown["measured"]["cost"]) == pytest.approx(
            Decimal("0.8"), abs=Decimal("0.01")
        )
        for wrong, field in (
            ({"from": period["to"], "to": period["from"]}, "/from"),
            ({"to": "2026-06-20T06:00:00Z"}, "/to"),
            ({"from": "2026-06-12T06:00:00Z"}, "/from"),
        ):
            answer = await house.get("/sites/A/shadow-report", 422, **wrong)
            assert [each["field"] for each in answer["errors"]] == [field]
        await house.get("/sites/nowhere/shadow-report", 404)


async def a_past(house: Any, start: Any) -> None:
    """Writes two hours: prices, meters, a plan that waits for the sun, a car that did not."""
    await house.post(
        "/prices",
        {
            "site_id": "A",
            "issued_at": format_rfc3339(start),
            "start": format_rfc3339(start),
            "step_minutes": 60,
            "import_price_per_kwh": ["0.40", "0.40"],
            "export_price_per_kwh": ["0.05", "0.05"],
        },
    )
    site = (await house.get("/sites/A"))["id"]
    document = (
        '{"version": 1, "status": "feasible", "cost": 0.0, "lower_bound": null, "solve_seconds": 0,'
        '"assignments": [], "unserved": [], "stays": [{"vehicle": "car-1", "site": "A",'
        '"evse": "CP-A/1", "from_step": 0, "to_step": 192}], "charging": [{"vehicle": "car-1",'
        '"evse": "CP-A/1", "from_step": 4, "to_step": 8, "power_w": 4000.0, "reasons": ["SUN"]}],'
        '"sites": [], "kpis": {"pv_utilisation": null, "energy_cost": 0.0, "co2_g": 0.0,'
        '"peak_import_w": 0.0}}'
    )
    async with house.db.write(house.clock, house.services.ids) as work:
        work.session.add(
            PlanRow(
                id="plan-1",
                created_at=start,
                start=start,
                step_minutes=15,
                steps=192,
                status="feasible",
                cost=0.0,
                lower_bound=None,
                trigger="test",
                forecast_source="none",
                site_ids=[site],
                shadow_site_ids=[site],
                problem="{}",
                document=document,
            )
        )
        for minute in range(0, 121, 5):
            work.session.add(
                Reading(
                    station="CP-A",
                    evse_id=1,
                    ocpp_transaction_id="1",
                    measured_at=start + timedelta(minutes=minute),
                    context="Sample.Periodic",
                    location="Outlet",
                    received_at=start,
                    energy_wh=1000.0 + 2000.0 * min(1.0, minute / 60),
                )
            )
    # Meters of what has not come yet are refused: the clock goes on from quarter to quarter.
    for quarter in range(1, 9):
        at = start + timedelta(minutes=15 * quarter)
        await house.post("/clock", {"advance_to": format_rfc3339(at)}, 200)
        pv_w = 4000.0 if quarter > 4 else 500.0
        values = {"measured_at": format_rfc3339(at), "pv_power_w": pv_w, "load_power_w": 1000.0}
        await house.post("/sites/A/measurements", values)
