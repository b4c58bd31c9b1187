"""The service's planner beside a house of tests, and the keeper that sends what it plans."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from csms.planning.reactions import FOLLOWED, LimitKeeper
from csms.planning.worker import HEARD, Planner
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions, plan_with_level
from tests.builders.rest_house import RestHouse

BY_HAND = timedelta(hours=12)
"""So long a planner waits after a plan, unless it is asked or what happens is urgent."""


def a_planner(house: RestHouse, *, replan_gap: timedelta = BY_HAND) -> Planner:
    """Returns the planner of a house, which solves in a thread, and fetches no forecasts."""
    return Planner(
        db=house.db,
        clock=house.clock,
        ids=house.services.ids,
        activity=house.activity,
        solve=_solve,
        refresh_forecasts=_nothing,
        replan_gap=replan_gap,
    )


@asynccontextmanager
async def planning(house: RestHouse, *, replan_gap: timedelta = BY_HAND) -> AsyncIterator[Planner]:
    """Has a planner follow what happens in a house."""
    planner = a_planner(house, replan_gap=replan_gap)
    house.services.bus.subscribe("planner", HEARD, planner.heard)
    await planner.start()
    try:
        yield planner
    finally:
        await planner.stop()


async def keep_limits(house: RestHouse) -> None:
    """Has the limits of plans sent to stations."""
    keeper = LimitKeeper(db=house.db, clock=house.clock, ids=house.services.ids)
    await keeper.start()
    house.services.bus.subscribe("limits", FOLLOWED, keeper.heard, keeper.rest)


async def _solve(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
    return await asyncio.to_thread(
        plan_with_level, problem, incumbent=former, options=how, monotonic=time.monotonic
    )


async def _nothing(_now: datetime) -> None:
    pass
