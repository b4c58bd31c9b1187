"""What happens at one site is planned anew there, and by the clock everything is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from csms.bus.base import EventNote
from csms.energy.actions import store_measurements
from csms.energy.reactions import Forecaster
from csms.planning.worker import HEARD, Planner
from models.errors import Unavailable
from models.tables.energy import Site
from models.tables.fleet import Vehicle
from models.tables.planning import PlanRequest
from scheduler.plan import Plan
from scheduler.pool import InlinePool
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions
from tests.builders.small_house import SmallHouse, small_house


@dataclass
class Planning:
    """A house of two sites, its planner, and what the planner has asked for."""

    house: SmallHouse
    planner: Planner
    asked: list[PlanOptions] = field(default_factory=list[PlanOptions])
    made: list[Made] = field(default_factory=list[Made])
    heard: list[EventNote] = field(default_factory=list[EventNote])

    async def happens(self, *site_ids: str) -> None:
        """Asks for a plan of each site, and lets the planner hear of it, which then waits."""
        self.heard.clear()
        async with self.house.db.write(self.house.clock, self.house.ids) as work:
            for site_id in site_ids:
                work.request_plan(site_id, "test")
        await self.house.told()
        for note in self.heard:
            await self.planner.heard(note)
        waiting = self.planner._waiting
        assert waiting is not None
        waiting.cancel()

    async def meters(self, site_id: str, pv_power_w: float) -> None:
        async with self.house.db.write(self.house.clock, self.house.ids) as work:
            site = await work.session.get_one(Site, site_id)
            values = {"measured_at": self.house.clock.now(), "load_power_w": 500.0}
            await store_measurements(work, site, [{**values, "pv_power_w": pv_power_w}])

    async def plan(self) -> frozenset[str] | None:
        """Plans; returns for which sites."""
        await self.planner.plan_now("test")
        return self.asked[-1].sites


@asynccontextmanager
async def planning(url: str) -> AsyncIterator[Planning]:
    async with small_house(url) as house:
        now = house.clock.now()
        kept = {"created_at": now, "updated_at": now}
        place = {"latitude": 45.7, "longitude": 4.8, "timezone": "Europe/Paris"}
        plant = {"peak_power_w": 10_000.0, "tilt_deg": 10.0, "azimuth_deg": 180.0}
        await house.add(
            *(
                Site(
                    id=name,
                    name=name,
                    import_limit_w=90_000,
                    export_limit_w=90_000,
                    pv_plants=[plant],
                    **place,
                    **kept,
                )
                for name in ("B", "C")
            )
        )
        cars = (("car-3", "B"), ("car-4", "B"), ("car-5", "C"))
        await house.add(
            *(
                Vehicle(id=car, model_id="zoe", site_id=site, soc_pct=50.0, **kept)
                for car, site in cars
            )
        )
        pool = InlinePool()
        seen = Planning(house, None)  # type: ignore[arg-type]

        async def solve(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
            seen.asked.append(how)
            seen.made.append(pool.submit(problem, former, how).result())
            return seen.made[-1]

        seen.planner = Planner(
            db=house.db,
            clock=house.clock,
            ids=house.ids,
            activity=house.activity,
            solve=solve,
            refresh_forecasts=Forecaster(
                db=house.db, clock=house.clock, ids=house.ids, tenant="default"
            ).refresh,
            replan_gap=timedelta(hours=9),
        )

        async def hear(note: EventNote) -> None:
            seen.heard.append(note)

        house.bus.subscribe("planner", HEARD, hear)
        await seen.planner.plan_now("test")
        assert seen.asked[-1].sites is None
        yield seen


async def test_only_where_something_has_happened(database_url: str) -> None:
    async with planning(database_url) as it:
        await it.happens("A")
        assert await it.plan() == {"A"}
        await it.happens("A")
        await it.happens("B")
        assert await it.plan() == {"A", "B"}
        # Nothing is known to have happened: whoever asks for a plan gets a whole one.
        assert await it.plan() is None


async def test_by_the_clock_everywhere(sqlite_url: str) -> None:
    async with planning(sqlite_url) as it:
        await it.happens("A")
        it.planner._quarter_begun = True
        assert await it.plan() is None
        assert it.asked[-1].exchange_rounds > 0


async def test_where_a_plan_is_asked_for_that_was_not_heard_of(database_url: str) -> None:
    async with planning(database_url) as it:
        await it.happens("A")
        # Publishing ends it, so that nobody would plan there before the clock does.
        row = PlanRequest(site_id="C", reason="test", requested_at=it.house.clock.now())
        await it.house.add(row)
        assert await it.plan() == {"A", "C"}
        assert await it.house.rows(PlanRequest) == []


async def test_where_the_sun_has_surprised_the_plan_too(sqlite_url: str) -> None:
    async with planning(sqlite_url) as it:
        it.house.clock.later(minutes=2)
        await it.meters("B", 1000.0)
        await it.happens("A")
        found = await it.plan()
        assert found is not None
        assert "B" in found
        # What was surprising is planned with now.
        await it.happens("A")
        assert await it.plan() == {"A"}


async def test_what_could_not_be_planned_for_is_not_forgotten(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with planning(sqlite_url) as it:
        await it.happens("A")

        async def away(*_: object) -> None:
            raise Unavailable("the database is away")

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(it.planner, "_look", away)
            serving = asyncio.create_task(it.planner._serve())
            it.planner._activity.begin()
            it.planner._wishes.put_nowait("test")
            await it.house.activity.quiet()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
        await it.happens("B")
        assert await it.plan() is None  # everywhere, and so at A
