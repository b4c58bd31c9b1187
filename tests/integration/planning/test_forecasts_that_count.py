"""Which forecasts a plan is made with: a pushed one while it is fresh, and ours where it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from csms.planning.queries import read_rows
from csms.planning.snapshot import HORIZON, STEPS, Snapshot, snapshot_of
from models.tables.energy import Forecast
from tests.builders.small_house import NOON, SmallHouse, small_house

QUARTER = timedelta(minutes=15)


def forecast(
    source: str, power_w: float, *, issued_at: datetime = NOON, steps: int = STEPS, **more: Any
) -> Forecast:
    step_minutes = more.pop("step_minutes", 15)
    series = [power_w] * steps
    return Forecast(
        id=f"{source} {issued_at}",
        site_id="A",
        kind="pv",
        issued_at=issued_at,
        source=source,
        start=more.pop("start", issued_at),
        step_minutes=step_minutes,
        q10_w=series,
        q50_w=series,
        q90_w=series,
    )


async def seen(house: SmallHouse, now: datetime = NOON) -> Snapshot:
    async with house.db.read() as session:
        rows = await read_rows(session, tenant="default", now=now, horizon=HORIZON)
    return snapshot_of(rows, now)


def sun_w(snapshot: Snapshot) -> tuple[float, ...]:
    return snapshot.problem.sites[0].pv_power_w


async def test_a_pushed_forecast_counts_although_ours_is_younger(database_url: str) -> None:
    async with small_house(database_url) as house:
        hour_ago = NOON - timedelta(hours=1)
        await house.add(forecast("pushed: met", 5000, issued_at=hour_ago), forecast("measured", 10))
        snapshot = await seen(house)
        assert set(sun_w(snapshot)[:100]) == {5000.0}
        assert snapshot.forecast_source == "measured, pushed: met"


async def test_where_a_pushed_forecast_ends_ours_goes_on(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(
            forecast("measured", 10),
            forecast("pushed", 5000, steps=2, step_minutes=60, start=NOON + 2 * QUARTER),
        )
        series = sun_w(await seen(house))
        assert series == (10.0,) * 2 + (5000.0,) * 8 + (10.0,) * (STEPS - 10)


async def test_a_pushed_forecast_that_is_stale_counts_no_more(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(
            forecast("pushed", 5000, issued_at=NOON - timedelta(hours=7)),
            forecast("measured", 10, issued_at=NOON - timedelta(hours=8), steps=2 * STEPS),
        )
        assert set(sun_w(await seen(house))) == {10.0}


async def test_the_newest_of_several_counts(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(
            forecast("pushed: a", 1, issued_at=NOON - timedelta(hours=2)),
            forecast("pushed: b", 2, issued_at=NOON - timedelta(hours=1)),
        )
        assert sun_w(await seen(house))[0] == 2.0


@pytest.mark.parametrize("source", ["measured", "pushed"])
async def test_beyond_the_end_of_all_the_last_day_is_taken_again(
    database_url: str, source: str
) -> None:
    async with small_house(database_url) as house:
        await house.add(forecast(source, 70, steps=4))
        assert set(sun_w(await seen(house))) == {70.0}


async def test_without_any_forecast_there_is_no_sun(database_url: str) -> None:
    async with small_house(database_url) as house:
        snapshot = await seen(house)
        assert set(sun_w(snapshot)) == {0.0}
        assert snapshot.forecast_source == "none"
