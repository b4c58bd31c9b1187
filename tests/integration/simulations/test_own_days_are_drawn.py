"""Days of the tenant's own: what a scenario has of the rows, on both kinds of database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from csms.simulations.drawing import draw_scenario
from csms.simulations.history import read_history
from csms.simulations.rules import Span
from models.tables.energy import Site
from models.tables.simulations import Simulation
from models.timeline import format_rfc3339
from simulators.scenario import Scenario, scenario_of
from simulators.shifts import Shift, StaffSpec
from tests.builders.own_days import (
    DAY,
    FIRST_DAY,
    QUARTER,
    book,
    booking,
    days_behind,
    equip,
    measure,
    push_prices,
    span,
    sun_w,
)
from tests.builders.rest_house import START, RestHouse, rest_house

MORE_SUN: dict[str, Any] = {"pv": [{"site": "A", "factor": 2}]}
WISH: dict[str, Any] = {"history": span(), "changes": MORE_SUN}


async def drawn(house: RestHouse, **fields: Any) -> tuple[Scenario, dict[str, Any]]:
    """Asks over REST; returns what is to be played, and what was answered."""
    told = await house.post("/simulations", WISH | fields, 202)
    async with house.db.read() as session:
        query = sa.select(Simulation.document).where(Simulation.id == told["id"])
        document = await session.scalar(query)
    assert await house.get(f"/simulations/{told['id']}") == told
    return scenario_of(document, source="history"), told


async def test_a_day_is_drawn_as_it_was(database_url: str) -> None:
    async with rest_house(database_url, stepped=True) as house:
        await days_behind(house)
        scenario, told = await drawn(house)
    assert (told["scenario"], told["days"], told["start"]) == ("history", 1, None)
    assert (told["history"]["from"], told["history"]["to"]) == tuple(WISH["history"].values())
    assert (scenario.start, scenario.timezone, scenario.days) == (FIRST_DAY, "Europe/Paris", 1)
    (site,) = scenario.sites
    past = site.history
    assert past is not None
    quarters = [FIRST_DAY + number * QUARTER for number in range(1, 97)]
    assert past.pv_power_w == tuple(map(sun_w, quarters))
    assert past.load_power_w == tuple(400.0 + number % 96 for number in range(1, 97))
    assert past.import_price_per_kwh == (0.125,) * 48 + (0.375,) * 48
    assert past.export_price_per_kwh == (0.05,) * 96
    (circuit,) = site.circuits
    assert (circuit.limit_w, site.cars, site.stations[0].circuit) == (
        8_500,
        ("mia", "mia"),
        "cars",
    )
    (kind,) = scenario.station_kinds
    assert (kind.evses, kind.max_power_w, kind.safe_limit_w) == (2, 3_700, 2_760)
    assert scenario.start_soc_pct == 70.0


async def test_bookings_are_asked_for_as_they_were(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await days_behind(house)
        scenario, told = await drawn(house)
    assert scenario.history is not None
    by_hour = {
        (each.start - FIRST_DAY) / timedelta(hours=1): each for each in scenario.history.bookings
    }
    assert sorted(by_hour) == [1.5, 8, 12, 15, 17], "what was under way before is left out"
    first = by_hour[8]
    assert (first.asked_at, first.leaves_after_minutes) == (
        FIRST_DAY + timedelta(hours=5),
        4,
    )
    assert (first.returns_after_minutes, first.plugs_in_after_minutes) == (-10, 25)
    assert first.consumption_factor == pytest.approx(3_500 / (20 * 140))
    assert {each.driver for each in by_hour.values()} == {1, 2}
    assert by_hour[12].consumption_factor == 1.0, "nobody told"
    assert by_hour[15].cancels_before_minutes == 60
    assert by_hour[17].cancels_before_minutes == 1, "nobody came for it"
    counts = told["history"]["counts"]
    names = ("bookings", "bookings_under_way", "bookings_asked_before", "trips_with_energy")
    assert [counts[name] for name in names] == [5, 1, 1, 2]
    assert not any("Hopper" in str(each) or "grace" in str(each) for each in (told, scenario))
    assert any("1 bookings that had begun before" in each for each in told["history"]["assumed"])


async def test_a_gap_is_filled_by_the_stated_rule_and_counted(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await equip(house)
        await measure(house, 2, without=(40, 41, *range(140, 150)))
        scenario, told = await drawn(house, history=span(2))
    past = scenario.sites[0].history
    assert past is not None
    load = past.load_power_w
    assert load[39:42] == (442.0,) * 3, "the next reading is the mean since the one before"
    assert load[145:150] == (load[49], *(454.0,) * 4), "but of an hour at most"
    assert load[139:146] == load[43:50], "before it: the same time of the other day"
    assert past.pv_power_w[139] == pytest.approx(sun_w(FIRST_DAY + 140 * QUARTER), rel=0.1)
    counts = told["history"]["counts"]
    assert (counts["load_steps_filled"], counts["sun_steps_filled"]) == (7, 7)
    assert (counts["price_steps"], counts["price_steps_assumed"]) == (0, 192)
    assumed = " ".join(told["history"]["assumed"])
    for words in ("7 quarters of an hour of sun were not measured", "stored, or only one that is"):
        assert words in assumed


async def test_a_part_of_a_shared_plant_is_a_roof_that_fills_gaps(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await equip(house)
        await measure(house, 2, without=range(140, 150))
        alone, _ = await drawn(house, history=span(2))
        roofs = (await house.get("/sites/A"))["pv_plants"]
        await house.patch("/sites/A", {"pv_plants": []})
        twice = [{**each, "peak_power_w": 2 * each["peak_power_w"]} for each in roofs]
        shares = [{"site_id": "A", "share": 0.5}]
        plant = {"id": "P", "name": "School", "pv_plants": twice, "shares": shares}
        await house.post("/shared-plants", plant)
        shared, _ = await drawn(house, history=span(2))
    assert alone.sites[0].pv_plants == shared.sites[0].pv_plants
    assert alone.sites[0].history == shared.sites[0].history


async def test_staff_that_moves_cars_is_drawn(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await equip(house)
        await measure(house, 1)
        hours = [{"days": ["tue"], "start": "08:00", "end": "18:00"}]
        await house.patch("/sites/A", {"move_price": "3.50", "move_hours": hours})
        scenario, _ = await drawn(house, history=span(1))
    assert scenario.sites[0].staff == StaffSpec(3.5, (Shift("08:00", "18:00", ("tue",)),))


async def test_what_others_have_is_not_drawn(database_url: str) -> None:
    async with rest_house(database_url, stepped=True) as house:
        await days_behind(house)
        days = Span(FIRST_DAY, 1)
        async with house.db.read() as session:
            mine = draw_scenario(await read_history(session, "default", days), days)
            rows = await read_history(session, "other", days)
        found = (rows.sites, rows.stations, rows.vehicles, rows.bookings, rows.plugged_at)
        assert not any((*found, rows.under_way, rows.measured, rows.models, rows.prices))
        async with house.db.write(house.clock, house.services.ids) as work:
            for table in ("site", "station", "vehicle", "vehicle_model", "booking", "driver"):
                await work.session.execute(sa.text(f"UPDATE {table} SET tenant_id = 'other'"))
            await work.session.execute(
                sa.text("UPDATE charging_transaction SET tenant_id = 'other'")
            )
        refused = await house.post("/simulations", WISH, 422)
        assert refused["errors"][0]["detail"] == "there are no vehicles"
        async with house.db.read() as session:
            theirs = draw_scenario(await read_history(session, "other", days), days)
        assert theirs == mine


def days(start: Any, hours: float) -> dict[str, Any]:
    return {
        "history": {
            "from": format_rfc3339(start),
            "to": format_rfc3339(start + timedelta(hours=hours)),
        }
    }


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"history": None}, "/scenario", "either scenario or history"),
    ({"scenario": "ydeal"}, "/scenario", "either scenario or history"),
    ({"days": 1}, "/days", "not beside history"),
    ({"start": "2026-06-12"}, "/start", "not beside history"),
    ({"history": {"from": "2026-06-12T22:00:00Z"}}, "/history/to", "Field required"),
    ({"history": {"from": "soon", "to": "later"}}, "/history/from", "RFC 3339"),
    ({"history": {"from": "2026-06-12T22:00:00", "to": "x"}}, "/history/from", "with an offset"),
    (days(FIRST_DAY + timedelta(minutes=7), 24), "/history/from", "quarter of an hour"),
    (days(FIRST_DAY, 25), "/history/to", "makes 25 hours; allowed are whole days"),
    (days(FIRST_DAY, -24), "/history/to", "makes -24 hours"),
    (days(FIRST_DAY - 40 * DAY, 32 * 24), "/history/to", "makes 768 hours"),
    (days(FIRST_DAY, 96), "/history/to", "lies in the future"),
    (days(FIRST_DAY - 10 * DAY, 24), "/history", "nothing was measured or booked from 2026-06-02"),
    (days(FIRST_DAY, 48), "/history", "the sun of site A was not measured from 2026-06-14T"),
    ({"changes": {"pv": [{"site": "B"}]}}, "/changes/pv/0/site", "unknown site 'B'"),
    ({"changes": {"remove_stations": ["CP-B"]}}, "/changes/remove_stations/0", "unknown station"),
]


async def test_a_mistake_is_named_with_its_place(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await days_behind(house)
        assert FIRST_DAY + 4 * DAY > START
        for fields, field, word in MISTAKES:
            told = await house.post("/simulations", WISH | fields, 422)
            error = told["errors"][0]
            assert (error["field"], word in error["detail"]) == (field, True), told
        assert (await house.get("/simulations"))["items"] == []


async def test_prices_of_two_currencies_and_too_many_cars_are_refused(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await days_behind(house)
        many = {"add_cars": [{"site": "A", "model": "mia", "count": 299}]}
        told = await house.post("/simulations", WISH | {"changes": many}, 422)
        assert told["errors"][0]["field"] == "/changes/add_cars"
        await push_prices(house, currency="CHF")
        told = await house.post("/simulations", WISH, 422)
        assert "prices are in CHF and EUR" in told["errors"][0]["detail"]


async def test_a_fleet_without_meters_plays_its_bookings(sqlite_url: str) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await equip(house)
        await book(house)
        async with house.db.write(house.clock, house.services.ids) as work:
            await work.session.execute(sa.update(Site).values(pv_plants=[]))
            work.session.add(booking("B7", 20, status="confirmed", started_at=None, used_wh=None))
        scenario, told = await drawn(house, changes={"planner": "surplus"})
    past = scenario.sites[0].history
    assert past is not None
    assert set(past.load_power_w) == set(past.pv_power_w) == {0.0}
    assert told["history"]["counts"]["sites_without_load"] == 1
