"""Forecasts follow the meters, and the planner what the meters say against its plan."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from csms.energy.actions import store_forecast, store_measurements
from csms.energy.reactions import Forecaster
from csms.planning.worker import Planner
from models.tables.energy import Forecast, Site
from models.tables.planning import Plan as PlanRow
from scheduler.plan import Plan
from scheduler.pool import InlinePool
from scheduler.problem import Problem
from scheduler.rolling import PlanOptions
from tests.builders.small_house import NOON, SmallHouse, small_house


async def metered(
    house: SmallHouse, pv_power_w: float, at: datetime, *, site_id: str = "A"
) -> None:
    async with house.db.write(house.clock, house.ids) as work:
        site = await work.session.get(Site, site_id)
        assert site is not None
        site.pv_plants = [{"peak_power_w": 10_000.0, "tilt_deg": 10.0, "azimuth_deg": 180.0}]
        values = {"measured_at": at, "pv_power_w": pv_power_w, "load_power_w": 500.0}
        await store_measurements(work, site, [values])


def forecaster(house: SmallHouse) -> Forecaster:
    return Forecaster(db=house.db, clock=house.clock, ids=house.ids, tenant="default")


async def issues(house: SmallHouse) -> list[Forecast]:
    return sorted(await house.rows(Forecast, kind="pv"), key=lambda row: row.issued_at)


async def test_a_forecast_is_issued_anew_when_a_meter_has_spoken(database_url: str) -> None:
    async with small_house(database_url) as house:
        source = forecaster(house)
        await metered(house, 7000.0, NOON)
        await source.refresh(NOON)
        first = (await issues(house))[0]
        await source.refresh(house.clock.later(minutes=2))
        assert [row.id for row in await issues(house)] == [first.id]
        await metered(house, 2000.0, house.clock.now())
        await source.refresh(house.clock.now())
        (second,) = await issues(house)
        assert second.start == first.start == NOON
        assert second.q50_w[0] < first.q50_w[0]
        await source.refresh(house.clock.later(minutes=15))
        assert [row.start for row in await issues(house)] == [NOON, NOON + timedelta(minutes=15)]


async def test_the_last_of_the_meters_of_an_instant_counts_as_the_first(database_url: str) -> None:
    # The first meter that tells of a quarter of an hour may ask for a plan, and so for forecasts.
    async with small_house(database_url) as house:
        now = house.clock.now()
        await house.add(
            Site(
                id="B",
                name="Bourse",
                latitude=45.7,
                longitude=4.8,
                timezone="Europe/Paris",
                import_limit_w=90_000,
                export_limit_w=90_000,
                created_at=now,
                updated_at=now,
            )
        )
        source = forecaster(house)
        for site_id in ("A", "B"):
            await metered(house, 2000.0, now - timedelta(minutes=15), site_id=site_id)
        await metered(house, 7000.0, now, site_id="A")
        await source.refresh(now)
        await metered(house, 7000.0, now, site_id="B")
        await source.refresh(house.clock.later(minutes=1))
        latest = {row.site_id: row for row in await issues(house)}
        assert latest["B"].q50_w[0] == pytest.approx(latest["A"].q50_w[0], rel=0.01)


async def test_what_was_pushed_is_never_replaced(database_url: str) -> None:
    async with small_house(database_url) as house:
        source = forecaster(house)
        await metered(house, 7000.0, NOON)
        async with house.db.write(house.clock, house.ids) as work:
            site = await work.session.get(Site, "A")
            assert site is not None
            series = [100.0] * 4
            pushed = {
                "issued_at": NOON,
                "source": "pushed: city",
                "start": NOON,
                "step_minutes": 15,
                **dict.fromkeys(("q10_w", "q50_w", "q90_w"), series),
            }
            await store_forecast(work, site, "pv", pushed)
        await source.refresh(NOON)
        await metered(house, 2000.0, house.clock.later(minutes=2))
        await source.refresh(house.clock.now())
        assert sorted(row.source for row in await issues(house)) == ["measured", "pushed: city"]


@pytest.mark.parametrize(("pv_power_w", "plans"), [(2000.0, 2), (6800.0, 1)])
async def test_sun_that_surprises_the_plan_brings_another(
    sqlite_url: str, pv_power_w: float, plans: int
) -> None:
    async with small_house(sqlite_url) as house:
        pool = InlinePool()

        async def solve(problem: Problem, former: Plan | None, how: PlanOptions) -> Plan:
            return pool.submit(problem, former, how).result()

        planner = Planner(
            db=house.db,
            clock=house.clock,
            ids=house.ids,
            activity=house.activity,
            solve=solve,
            refresh_forecasts=forecaster(house).refresh,
            replan_gap=timedelta(0),
        )
        await metered(house, 7000.0, NOON)
        await planner.plan_now("test")
        house.bus.subscribe("planner", {"site.measured"}, planner.heard)
        serving = asyncio.create_task(planner._serve())
        await metered(house, pv_power_w, house.clock.later(minutes=5))
        await house.told()
        serving.cancel()
        assert len(await house.rows(PlanRow)) == plans
