"""Which series of prices are read for a plan: those that speak of its time, and the newest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from csms.energy.prices import prices_between
from models.tables.energy import PriceSeries, Site
from tests.builders.small_house import NOON, small_house

DAY = timedelta(days=1)


def series(
    name: str, site: str, start: datetime, *, issued: int, steps: int = 24, price: str = "0.2"
) -> PriceSeries:
    return PriceSeries(
        id=name,
        site_id=site,
        issued_at=NOON - 9 * DAY + timedelta(hours=issued),
        start=start,
        step_minutes=60,
        currency="EUR",
        import_price_per_kwh=[price] * steps,
        export_price_per_kwh=["0.1"] * steps,
        ends_at=start + timedelta(hours=steps),
    )


async def test_only_prices_of_the_time_and_the_newest_of_a_site_are_read(database_url: str) -> None:
    kept: dict[str, Any] = {"created_at": NOON, "updated_at": NOON}
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            for site_id in ("B", "C"):
                site = Site(
                    id=site_id,
                    name=site_id,
                    latitude=0.0,
                    longitude=0.0,
                    timezone="UTC",
                    import_limit_w=1.0,
                    export_limit_w=1.0,
                    **kept,
                )
                work.session.add(site)
        await house.add(
            series("over-just-now", "A", NOON - DAY, issued=1),
            series("since-long", "A", NOON - 300 * DAY, issued=2, steps=8760),
            series("begins-last", "A", NOON + 2 * DAY - timedelta(minutes=1), issued=3),
            series("begins-after", "A", NOON + 2 * DAY, issued=4),
            series("old", "A", NOON - 5 * DAY, issued=5),
            series("newest", "A", NOON - 4 * DAY, issued=6),
            series("newest-of-b", "B", NOON - 8 * DAY, issued=0),
            series("of-c", "C", NOON, issued=0),
        )
        async with house.db.read() as session:
            found = await prices_between(session, ["A", "B"], NOON, NOON + 2 * DAY)
        names = [each.id for each in found]
        assert names == ["newest-of-b", "since-long", "begins-last", "newest"]


async def test_a_series_that_is_doubted_does_not_hide_the_last_good_one(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.add(
            series("older", "A", NOON - 9 * DAY, issued=1),
            series("good", "A", NOON - 8 * DAY, issued=2),
            *(series(f"odd-{n:02}", "A", NOON, issued=3 + n, price="95") for n in range(20)),
            series("at-once", "A", NOON, issued=22, price="95"),
        )
        async with house.db.read() as session:
            found = await prices_between(session, ["A"], NOON, NOON + 2 * DAY)
            assert [each.id for each in found] == ["good"]
        await house.add(series("back", "A", NOON, issued=0))
        async with house.db.read() as session:
            found = await prices_between(session, ["A"], NOON, NOON + 2 * DAY)
            assert [each.id for each in found] == ["back", "good"], "whose currency counts"
