"""Limits of the grid over REST: boxes on real sockets are cut at once, planned for, and let go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from csms.grid_limits.reactions import GridLimitKeeper
from models.commands import SetLimit, decode_command
from models.tables.charging import Transaction
from models.tables.ledger import Command
from models.timeline import format_rfc3339, parse_rfc3339
from tests.builders.failing_database import FailingDatabase
from tests.builders.paying import Paying, paying
from tests.builders.planners import keep_limits, planning
from tests.builders.rest_house import RestHouse, a_model, a_trip, rest_house
from tests.builders.two_cars import EVSES, FULL_W, two_cars

ALONE = [{"evse_id": 1, "max_power_w": FULL_W, "min_power_w": 1000.0}]
CIRCUITS = [{"id": "C", "limit_w": 9_000.0}]


def wish(**fields: Any) -> dict[str, Any]:
    return {
        "site_id": "A",
        "limit_w": 3000.0,
        "duration": "PT1H",
        "reason": "the transformer is hot",
        "source": "dso",
    } | fields


def keeper_of(house: RestHouse, db: Any = None) -> GridLimitKeeper:
    return GridLimitKeeper(
        db=db or house.db, clock=house.clock, ids=house.services.ids, activity=house.activity
    )


@asynccontextmanager
async def keeping(house: RestHouse, db: Any = None) -> AsyncIterator[GridLimitKeeper]:
    """Lets the keepers of limits do their work, without any planner."""
    keeper = keeper_of(house, db)
    await keep_limits(house)
    await keeper.start()
    house.services.bus.subscribe("grid limits", keeper.follows, keeper.heard, keeper.rest)
    try:
        yield keeper
    finally:
        await keeper.stop()


def allowed_w(it: Paying) -> list[float | None]:
    """Returns what the box lets each car draw now; None: nothing holds it."""
    found = [it.box.composite(number, it.house.clock.now(), 60.0) for number in (1, 2)]
    return [each[0].limit_w if each else None for each in found]


async def allows(it: Paying, *powers_w: float) -> None:
    await it.soon(
        lambda: sorted(each or 0 for each in allowed_w(it)) == pytest.approx(powers_w, abs=1)
    )


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
async def test_cars_are_cut_without_any_plan_and_let_go_when_the_limit_is_withdrawn(
    sqlite_url: str, version: str
) -> None:
    async with two_cars(sqlite_url, version) as it, keeping(it.house):
        before = allowed_w(it)
        made = await it.house.post("/grid-limits", wish(circuit_id="C"))
        assert (made["state"], made["kept"], made["unable"]) == ("active", None, [])
        await allows(it, 1500.0, 1500.0)
        (first, second) = (await it.house.get("/limits"))["items"]
        assert first["plan_id"] is None
        assert second["periods"][0]["reasons"] == ["GRID_LIMIT"]
        lower = await it.house.post("/grid-limits", wish(limit_w=1900.0))
        await allows(it, 0.0, 1500.0)
        await it.house.delete(f"/grid-limits/{lower['id']}")
        await it.house.delete(f"/grid-limits/{made['id']}")
        await it.soon(lambda: allowed_w(it) == before)
        ended = await it.house.get(f"/grid-limits/{made['id']}")
        assert (ended["state"], ended["ended_why"]) == ("ended", "withdrawn")
        types = await it.house.events(f"grid-limit/{made['id']}")
        assert types[:2] == ["grid_limit.created", "grid_limit.started"]
        assert types[-1] == "grid_limit.ended"
        again = await it.house.http.delete(f"/api/v1/grid-limits/{made['id']}")
        assert (again.status_code, again.json()["code"]) == (409, "grid-limit-over")


async def test_who_comes_while_a_limit_holds_is_cut_too(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.0.1", evses=ALONE) as it, keeping(it.house):
        made = await it.house.post("/grid-limits", wish(limit_w=2000.0))
        await it.charge()
        await it.soon(lambda: allowed_w(it)[0] == 2000.0)
        await it.until(f"/grid-limits/{made['id']}", lambda each: each["measured_w"] is not None)


async def test_what_refuses_is_told_of_and_the_others_are_cut_the_more(database_url: str) -> None:
    async with two_cars(database_url, "ocpp2.0.1") as it, keeping(it.house):
        kept = it.box.set_profile

        def refuses(profile: Any, at: Any) -> bool:
            return profile.evse_id != 1 and kept(profile, at)

        it.box.set_profile = refuses  # type: ignore[method-assign]
        made = await it.house.post("/grid-limits", wish(limit_w=5000.0))
        shown = await it.until(
            f"/grid-limits/{made['id']}", lambda each: each if each["unable"] else None
        )
        (unable,) = shown["unable"]
        assert (unable["station"], unable["evse_id"]) == ("ST-1", 1)
        assert (unable["why"], unable["power_w"]) == ("rejected", FULL_W)
        await it.soon(lambda: allowed_w(it)[1] == pytest.approx(1300.0))
        types = await it.house.events(f"grid-limit/{made['id']}")
        assert "grid_limit.unable" in types


async def test_a_station_that_is_gone_is_told_of_and_counted_on(sqlite_url: str) -> None:
    async with two_cars(sqlite_url, "ocpp1.6") as it, keeping(it.house):
        it.line.cut = True
        await it.line.hang_up()
        await it.until("/stations/ST-1", lambda shown: not shown["online"])
        made = await it.house.post("/grid-limits", wish(limit_w=3000.0))
        assert [each["why"] for each in made["unable"]] == ["offline", "offline"]
        assert made["kept"] is False
        assert "grid_limit.not_kept" in await it.house.events(f"grid-limit/{made['id']}")


async def test_plans_go_by_it_say_what_it_costs_and_give_back_when_it_ends(
    database_url: str,
) -> None:
    async with two_cars(database_url, "ocpp2.0.1") as it:
        house = it.house
        await booked(it)
        async with keeping(house), planning(house):
            await allows(it, FULL_W, FULL_W)
            made = await house.post("/grid-limits", wish(limit_w=3000.0, duration="PT5H"))
            shown = await it.until(
                f"/grid-limits/{made['id']}", lambda each: each if each["plan_id"] else None
            )
            await it.soon(lambda: sum(each or 0 for each in allowed_w(it)) <= 3000.0)
            assert len(shown["bookings_at_risk"]) == 1
            (lost,) = shown["bookings_at_risk"]
            booking = await house.get(f"/bookings/{lost}")
            assert booking["status"] == "at_risk"
            plan = await house.get(f"/plans/{shown['plan_id']}")
            assert [each["booking"] for each in plan["unserved"]] == [lost]
            assert powers_w(plan, made) <= 3000.0 + 1
            await house.delete(f"/grid-limits/{made['id']}")
            await allows(it, FULL_W, FULL_W)
            again = await it.until(
                f"/bookings/{lost}", lambda each: each if each["status"] == "confirmed" else None
            )
            assert again["vehicle_id"]


def powers_w(plan: Any, limit: Any) -> float:
    """Returns the most that a plan lets cars draw together while a limit holds."""
    start, step = parse_rfc3339(plan["start"]), timedelta(minutes=plan["step_minutes"])
    until = int((parse_rfc3339(limit["end"]) - start) / step)
    return max(
        sum(e["power_w"] for e in plan["charging"] if e["from_step"] <= n < e["to_step"])
        for n in range(until + 1)
    )


async def booked(it: Paying) -> None:
    """Makes both cars known, nearly empty, and each needed for a trip in four hours."""
    house, now = it.house, it.house.clock.now()
    await house.post("/vehicle-models", a_model(id="mia", max_ac_power_w=FULL_W))
    await house.post("/drivers", {"id": "ada", "name": "Ada"})
    page = await house.get("/transactions", open="true")
    for row in page["items"]:
        name = f"mia-{row['evse_id']}"
        await house.post("/vehicles", {"id": name, "model_id": "mia", "site_id": "A"})
        state = {"soc_pct": 20.0, "plugged_evse": f"ST-1/{row['evse_id']}"}
        await house.post(f"/vehicles/{name}/state", state, 200)
        async with house.db.write(house.clock, house.services.ids) as work:
            (await work.session.get_one(Transaction, row["id"])).vehicle_id = name
    for _ in range(2):
        await house.post("/bookings", a_trip(now + timedelta(hours=4), distance_km=60))


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[RestHouse]:
    async with rest_house(database_url, stepped=True) as running:
        await running.site(id="A", circuits=CIRCUITS)
        await running.site(id="B")
        yield running


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"site_id": "nowhere"}, "/site_id"),
    ({"circuit_id": "D"}, "/circuit_id"),
    ({"limit_w": -1.0}, "/limit_w"),
    ({"limit_w": None}, "/limit_w"),
    ({"reason": ""}, "/reason"),
    ({"source": ""}, "/source"),
    ({"source": "a\nb"}, "/source"),
    ({"duration": None}, "/end"),
    ({"end": "2026-06-15T07:00:00Z"}, "/end"),
    ({"duration": None, "end": "2026-06-15T06:00:00Z"}, "/end"),
    ({"duration": None, "end": "2026-06-22T06:00:01Z"}, "/end"),
    ({"duration": None, "end": "tomorrow"}, "/end"),
    ({"duration": "PT0S"}, "/duration"),
    ({"duration": "P8D"}, "/duration"),
    ({"start": "2028-06-15T06:00:00Z"}, "/start"),
    ({"power_w": 1.0}, "/power_w"),
)


async def test_a_bad_limit_names_its_field(house: RestHouse) -> None:
    for wrong, field in WRONG:
        answer = await house.post("/grid-limits", wish(**wrong), 422)
        assert [each["field"] for each in answer["errors"]] == [field], wrong
    assert (await house.get("/grid-limits"))["items"] == []


async def test_limits_are_listed_filtered_and_for_those_who_may(house: RestHouse) -> None:
    now = await house.post("/grid-limits", wish(id="now"))
    later = await house.post("/grid-limits", wish(start="2026-06-15T12:00:00Z", site_id="B"))
    assert (now["start"], now["end"]) == ("2026-06-15T06:00:00Z", "2026-06-15T07:00:00Z")
    assert (later["state"], later["begun_at"]) == ("scheduled", None)
    past = await house.post("/grid-limits", wish(start="2026-06-15T05:30:00Z"))
    assert (past["start"], past["state"]) == ("2026-06-15T06:00:00Z", "active")
    assert await house.post("/grid-limits", wish(id="now"), 409)

    async def listed(**query: Any) -> list[str]:
        return [each["id"] for each in (await house.get("/grid-limits", **query))["items"]]

    assert set(await listed()) == {"now", later["id"], past["id"]}
    assert await listed(state="scheduled") == [later["id"]]
    assert set(await listed(state="active", site_id="A")) == {"now", past["id"]}
    stale = await house.http.delete("/api/v1/grid-limits/now", headers={"If-Match": '"99"'})
    assert stale.status_code == 412
    await house.delete("/grid-limits/now")
    assert await listed(state="ended") == ["now"]
    await house.get("/grid-limits/nobody-s", 404)
    viewer = house.client(await house.key("viewer"))
    assert (await viewer.get("/api/v1/grid-limits/now")).status_code == 200
    assert (await viewer.post("/api/v1/grid-limits", json=wish())).status_code == 403
    assert (await viewer.delete("/api/v1/grid-limits/now")).status_code == 403


async def test_a_limit_begins_and_ends_by_the_clock_and_after_a_restart(house: RestHouse) -> None:
    soon = await house.post("/grid-limits", wish(start="2026-06-15T07:00:00Z"))
    late = await house.post("/grid-limits", wish(start="2026-06-15T09:00:00Z", duration="PT30M"))

    async def states() -> list[str]:
        return [(await house.get(f"/grid-limits/{each['id']}"))["state"] for each in (soon, late)]

    async with keeping(house):
        await house.post("/clock", {"advance_to": "2026-06-15T06:59:59Z"}, 200)
        assert await states() == ["scheduled", "scheduled"]
        await house.post("/clock", {"advance_to": "2026-06-15T07:00:00Z"}, 200)
        assert await states() == ["active", "scheduled"]
    await house.post("/clock", {"advance_to": "2026-06-15T10:00:00Z"}, 200)
    assert await states() == ["active", "scheduled"]
    restarted = keeper_of(house)
    await restarted.start()
    await house.post("/clock", {"advance_to": "2026-06-15T10:00:01Z"}, 200)
    assert await states() == ["ended", "ended"]
    ended = await house.get(f"/grid-limits/{soon['id']}")
    assert (ended["ended_why"], ended["end"]) == ("over", "2026-06-15T08:00:00Z")
    types = await house.events(f"grid-limit/{soon['id']}")
    assert types == [
        "grid_limit.created",
        "grid_limit.started",
        "grid_limit.kept",
        "grid_limit.ended",
    ]
    await restarted.stop()


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_limit_begins_and_ends_in_time_though_the_database_was_away_when_it_was_set(
    house: RestHouse, failures: int
) -> None:
    db = FailingDatabase(house.db, 0)
    async with keeping(house, db):
        db.failures = failures
        made = await house.post("/grid-limits", wish(start="2026-06-15T07:00:00Z"))
        await house.activity.quiet()
        assert db.failures < failures
        for instant, state in (("07:00", "active"), ("08:00", "ended")):
            await house.post("/clock", {"advance_to": f"2026-06-15T{instant}:00Z"}, 200)
            assert (await house.get(f"/grid-limits/{made['id']}"))["state"] == state


async def test_a_circuit_stays_as_long_as_the_grid_limits_it(house: RestHouse) -> None:
    await house.patch("/sites/A", {"circuits": CIRCUITS})
    limit = await house.post("/grid-limits", wish(circuit_id="C"), 201)
    whole = await house.post("/grid-limits", wish(), 201)
    for circuit_id, found in (("C", [limit["id"]]), ("", [whole["id"]]), ("D", [])):
        page = await house.get("/grid-limits", circuit_id=circuit_id)
        assert [each["id"] for each in page["items"]] == found
    problem = await house.patch("/sites/A", {"circuits": []}, 409)
    assert (problem["code"], "circuit C" in problem["detail"]) == ("still-referenced", True)
    assert problem["references"] == [{"kind": "grid_limit", "count": 1, "ids": [limit["id"]]}]
    assert (await house.http.delete(f"/api/v1/grid-limits/{limit['id']}")).status_code == 204
    assert (await house.patch("/sites/A", {"circuits": []}))["circuits"] == []


async def test_limits_go_with_their_site(house: RestHouse) -> None:
    made = await house.post("/grid-limits", wish(site_id="B"))
    await house.delete("/sites/B")
    await house.get(f"/grid-limits/{made['id']}", 404)
    assert format_rfc3339(house.clock.now()).endswith("Z")


async def test_a_car_on_one_phase_is_cut_in_its_own_amperes(sqlite_url: str) -> None:
    async with two_cars(sqlite_url, "ocpp2.0.1") as it, keeping(it.house):
        house = it.house
        three = {"evse_id": 1, "max_power_w": 11_040.0, "min_power_w": 1_380.0, "phases": 3}
        await house.patch("/stations/ST-1", {"evses": [three, EVSES[1]]})
        await house.post("/vehicle-models", a_model(id="mia", max_ac_power_w=3_680, ac_phases=1))
        await house.post("/vehicles", {"id": "mia-1", "model_id": "mia", "site_id": "A"})
        async with house.db.write(house.clock, house.services.ids) as work:
            query = sa.select(Transaction).where(Transaction.evse_id == 1)
            (row,) = (await work.session.scalars(query)).all()
            row.vehicle_id = "mia-1"
        await house.post("/grid-limits", wish(limit_w=4000.0))
        async with house.db.read() as session:
            sent = await session.scalars(sa.select(Command).where(Command.kind == "SetLimit"))
            phases = {
                each.evse_id: each.phases
                for each in (decode_command(row.body) for row in sent)
                if isinstance(each, SetLimit)
            }
        # Told of three, it would have a third of its power, and less than a car begins with.
        assert phases == {1: 1, 2: 1}
