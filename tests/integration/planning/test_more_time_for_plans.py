"""A plan in force is bettered beside, for so long as was set or asked for, and nobody waits."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from csms.app import House, stepped_times, virtual_times
from csms.config import Settings
from csms.keyring import Keyring
from csms.planning.improving import Improver
from csms.planning.queries import plans_asked_for
from models.clocks import RealWireClock
from models.tables.planning import PlanRequest
from models.timeline import format_rfc3339
from models.virtual_loop import run_virtually
from scheduler.plan import Charging, Plan
from scheduler.pool import WorkerLost
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions, make_plan
from tests.builders.equipped_house import EquippedHouse, equipped_house
from tests.builders.problems import problem
from tests.builders.rest_house import BOOTSTRAP, START, a_model, a_site, a_trip, rest_house
from tests.builders.waiting import until
from tests.builders.whole_house import PATIENCE_S, whole_house

CUT = {"site_id": "A", "limit_w": 0.0, "reason": "congestion", "source": "grid"}


async def furnish(http: httpx.AsyncClient) -> None:
    """Puts ten cars at a site with six EVSEs, and as many bookings."""
    evses = [{"evse_id": number} for number in range(1, 7)]
    things: list[tuple[str, dict[str, Any]]] = [
        ("/sites", a_site(id="A")),
        ("/vehicle-models", a_model(id="mia")),
        ("/stations", {"identity": "C", "site_id": "A", "evses": evses}),
    ]
    for n in range(1, 11):
        plugged = {"plugged_evse": f"C/{n}"} if n <= len(evses) else {}
        start = START + timedelta(hours=3 + 1.5 * n)
        things += [
            ("/vehicles", {"id": f"car-{n}", "model_id": "mia", "site_id": "A"}),
            (f"/vehicles/car-{n}/state", {"soc_pct": 30 + 5 * n, **plugged}),
            ("/drivers", {"id": f"d-{n}", "name": f"Driver {n}"}),
            ("/bookings", a_trip(start, id=f"b-{n}", distance_km=30 + n, driver_id=f"d-{n}")),
        ]
    for path, body in things:
        (await http.post(path, json=body)).raise_for_status()


async def advance(http: httpx.AsyncClient, minutes: int) -> None:
    then = {"advance_to": format_rfc3339(START + timedelta(minutes=minutes))}
    (await http.post("/clock", json=then)).raise_for_status()


async def stored(http: httpx.AsyncClient) -> list[Any]:
    items: list[Any] = (await http.get("/plans")).raise_for_status().json()["items"]
    return items


async def bettered(http: httpx.AsyncClient, limit_s: float, minutes: int) -> tuple[Any, Any]:
    """Lets time pass until a plan with this limit is there; returns the one before, and it."""
    await advance(http, minutes)

    def found(plans: list[Any]) -> list[int]:
        return [n for n, each in enumerate(plans) if each["time_limit_s"] == limit_s]

    plans = await until(lambda: stored(http), lambda plans: bool(found(plans)), PATIENCE_S)
    which = found(plans)[-1]
    return plans[which - 1], plans[which]


async def test_a_service_betters_plans_by_the_clock_and_those_that_are_asked_for(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csms.planning.improving.CENT", -1e9)  # any other plan is better
    async with whole_house(sqlite_url, plan_time_limit_s=1) as (house, http):
        await furnish(http)
        asked = await http.post("/plans", json={"site_id": "A", "time_limit": "PT2S"})
        assert asked.status_code == 202
        assert asked.json()["time_limit_s"] == 2.0
        wished = await bettered(http, 2.0, 10)
        by_clock = await bettered(http, 1.0, 16)
        assert await an_event_is_planned_beside(http)
    assert house.planner.violations == 0
    assert multiprocessing.active_children() == []
    assert by_clock[1]["trigger"] == "clock"
    for earlier, later in (wished, by_clock):
        assert earlier["time_limit_s"] is None
        assert later["trigger"] == earlier["trigger"]
        assert later["start"] == earlier["start"]
        assert later["made_by"] == "solver"
        assert later["solvers"]
        assert later["gap"] <= earlier["gap"] + 1e-4
        assert len(later["assignments"]) == len(earlier["assignments"]) == 10


async def an_event_is_planned_beside(http: httpx.AsyncClient) -> bool:
    """Has a long search end for an override, which is planned for; returns that it was."""

    async def workers() -> set[int | None]:
        return {each.pid for each in multiprocessing.active_children()}

    (planning,) = await until(workers, lambda found: len(found) == 1, PATIENCE_S)
    wish = {"site_id": "A", "time_limit": "PT5M"}
    (await http.post("/plans", json=wish)).raise_for_status()
    await advance(http, 26)
    both = await until(workers, lambda found: len(found) == 2, PATIENCE_S)
    override = {"vehicle_id": "car-1", "kind": "charge_now", "duration": "PT1H"}
    (await http.post("/overrides", json=override)).raise_for_status()
    plans = await until(
        lambda: stored(http), lambda plans: plans[-1]["trigger"] == "override.created", PATIENCE_S
    )
    (searching,) = both - {planning}
    await until(workers, lambda found: searching not in found and len(found) == 2, PATIENCE_S)
    return all(each["time_limit_s"] in (None, 1.0, 2.0) for each in plans)


async def test_replays_and_bad_input_get_no_time(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url, plan_time_limit_s=5)
    assert House(settings, virtual_times(START, 1), Keyring(b"k" * 32))._improver() is None
    async with rest_house(sqlite_url) as house:
        await house.site(id="A")
        for wrong in ("PT0.5S", "PT5M1S", "-PT10S", "long", 10):
            await house.post("/plans", {"site_id": "A", "time_limit": wrong}, 422)


def test_a_plan_of_a_replay_can_be_asked_for_but_gets_no_time(sqlite_url: str) -> None:
    """Through its door, since how far a search comes by then is another thing each time."""
    settings = Settings(database_url=sqlite_url, bootstrap_api_key=SecretStr(BOOTSTRAP))

    async def ask() -> tuple[list[tuple[int, Any]], list[float | None]]:
        house = House(settings, virtual_times(START, 1), Keyring(b"k" * 32))
        await house.start()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(house.api),
            base_url="http://replay/api/v1",
            headers={"Authorization": f"Bearer {BOOTSTRAP}"},
        ) as http:
            await http.post("/sites", json=a_site(id="A"))
            answers = [
                await http.post("/plans", json={"site_id": "A", **more})
                for more in ({"time_limit": "PT2S"}, {})
            ]
            async with house.db.read() as session:
                asked = [row.time_limit_s for row in await session.scalars(sa.select(PlanRequest))]
        await house.stop()
        return [(answer.status_code, answer.json()) for answer in answers], asked

    (refused, taken), asked = run_virtually(ask())
    assert refused[0] == 422
    assert refused[1]["errors"] == [
        {"field": "/time_limit", "detail": "plans of a replay have none, so that it repeats"}
    ]
    assert (taken[0], taken[1]["time_limit_s"]) == (202, None)
    assert set(asked) <= {None}


async def test_the_end_of_a_search_holds_up_nobody(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To kill a process, and to see it gone, takes a fifth of a second where cores are few."""
    closed_in: list[threading.Thread] = []

    class Pool:
        def attempt(self, *_: object) -> Future[Made]:
            return Future()

        def close(self) -> None:
            closed_in.append(threading.current_thread())

    monkeypatch.setattr("csms.app.ProcessPool", Pool)
    house = House(Settings(database_url=sqlite_url), stepped_times(START), Keyring(b"k" * 32))
    improver = house._improver()
    assert improver is not None
    improver.ask(30.0)
    case = problem()
    plan = make_plan(case, monotonic=lambda: 0.0)

    async def take(*_: object) -> bool:
        raise AssertionError("nothing was found")

    improver.begin(case, plan, {}, PlanOptions(), take)
    for _ in range(3):
        await asyncio.sleep(0)
    await improver.rest()
    assert len(closed_in) == 1
    assert closed_in[0] is not threading.main_thread()


async def test_who_stops_waits_for_what_is_being_published() -> None:
    """Even where somebody else was broken off who has waited for it."""
    published = asyncio.Event()
    case = problem()
    plan = make_plan(case, monotonic=lambda: 0.0)

    async def found(*_: object) -> Made:
        return Made(plan, "solver")

    async def publish(*_: object) -> bool:
        await published.wait()
        return True

    improver = Improver(found, wire=RealWireClock(), limit_s=30.0)
    improver.quarter_begins()
    improver.begin(case, plan, {}, PlanOptions(), publish)
    for _ in range(3):
        await asyncio.sleep(0)
    first = asyncio.create_task(improver.rest())
    await asyncio.sleep(0)
    first.cancel()
    last = asyncio.create_task(improver.rest())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not last.done()
    published.set()
    await last


class Search:
    """Stands for the process that betters plans: it is told when it has found something."""

    def __init__(self, house: EquippedHouse, *, limit_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.limits_s: list[float | None] = []
        self.broken_off = 0
        self.found: asyncio.Future[Made]
        wire = RealWireClock()
        wire.monotonic = lambda: self.now_s  # type: ignore[method-assign]
        self.improver = Improver(self._attempt, wire=wire, limit_s=limit_s)
        self._house = house
        house.planner._improver = self.improver

    async def _attempt(self, problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
        self.limits_s.append(how.time_limit_s)
        self.last = await self._house.planner._solve(problem, former, PlanOptions())
        self.found = asyncio.get_running_loop().create_future()
        try:
            return await self.found
        except asyncio.CancelledError:
            self.broken_off += 1
            raise

    async def has_begun(self, times: int) -> None:
        async def begun() -> bool:
            return len(self.limits_s) == times and hasattr(self, "found") and not self.found.done()

        await until(begun, bool)

    async def ends(self) -> None:
        async def task() -> bool:
            running = self.improver._task
            return running is None or running.done()

        await until(task, bool)

    async def plans(self) -> list[Any]:
        listed = await self._house.rest.get("/plans")
        return listed["items"]


@asynccontextmanager
async def searching(url: str, **more: Any) -> AsyncIterator[tuple[EquippedHouse, Search]]:
    async with equipped_house(url) as house:
        await house.rest.site(id="A", timezone="UTC")
        await house.furnish([{"evse_id": 1, "max_power_w": 3_700.0}], cars=1)
        await house.prices(["0.30"] * 72)
        yield house, Search(house, **more)


async def test_who_needs_a_plan_does_not_wait_and_the_next_has_what_is_left(
    sqlite_url: str,
) -> None:
    async with searching(sqlite_url) as (house, search):
        await house.rest.post("/plans", {"site_id": "A", "time_limit": "PT30S"}, 202)
        assert (await house.plan())["time_limit_s"] is None
        await search.has_begun(1)
        search.now_s += 12.0
        # Somebody overrides a car: that search goes by what was.
        await house.charge_now("car-1")
        house.planner.wish("override.created", urgent=True, site_id="A")
        plan = await house.plan()
        assert search.broken_off == 1
        assert (plan["time_limit_s"], len(await search.plans())) == (None, 2)
        await search.has_begun(2)
        search.found.set_result(search.last)
        await search.ends()
        assert search.limits_s == [30.0, 18.0]
        assert [each["time_limit_s"] for each in await search.plans()] == [None, None, 18.0]
        await house.plan()  # has no time of its own
        assert len(search.limits_s) == 2


async def test_what_nobody_asked_for_takes_the_place_of_the_plan_only_if_it_is_better(
    sqlite_url: str,
) -> None:
    async with searching(sqlite_url, limit_s=20.0) as (house, search):
        for turn, gain in enumerate((0.0, 0.02), start=1):
            house.planner._quarter_begun = True
            await house.plan()
            await search.has_begun(turn)
            made = search.last
            search.found.set_result(replace(made, objective=made.objective - gain))
            await search.ends()
        assert [each["time_limit_s"] for each in await search.plans()] == [None, None, 20.0]
        assert search.limits_s == [20.0, 20.0]


@pytest.mark.parametrize("fault", ["lost", "broken", "unheard", "overridden", "limited"])
async def test_what_becomes_of_a_search_costs_no_plan(sqlite_url: str, fault: str) -> None:
    async with searching(sqlite_url) as (house, search):
        await house.rest.post("/plans", {"site_id": "A", "time_limit": "PT30S"}, 202)
        await house.plan()
        await search.has_begun(1)
        if fault == "lost":
            search.found.set_exception(WorkerLost())
        elif fault == "broken":
            search.found.set_result(replace(search.last, level="former"))
        else:  # something that has been stored, and not told
            unheard = {
                "unheard": ("/plans", {"site_id": "A"}, 202),
                "overridden": ("/overrides", {"vehicle_id": "car-1", "kind": "hold"}, 201),
                "limited": ("/grid-limits", CUT, 201),
            }
            path, body, status = unheard[fault]
            more = {} if status == 202 else {"duration": "PT1H"}
            await house.rest.post(path, body | more, status)
            search.found.set_result(search.last)
        await search.ends()
        assert [each["time_limit_s"] for each in await search.plans()] == [None]
        assert (await house.plan())["time_limit_s"] is None
        again = 1 if fault in {"lost", "broken"} else 2
        if again == 2:
            await search.has_begun(2)
        assert len(search.limits_s) == again
        await search.improver.rest()


async def test_what_boxes_hold_by_the_plan_in_force_is_taken_back_by_a_better_one(
    sqlite_url: str,
) -> None:
    """Else both cars would draw at once what the site can only give to one."""
    async with equipped_house(sqlite_url) as house:
        await house.rest.site(id="A", timezone="UTC", import_limit_w=5_000)
        evses = [{"evse_id": number, "max_power_w": 3_700.0} for number in (1, 2)]
        await house.furnish(evses, cars=2)
        await house.prices(["0.30"] * 72)
        await house.begin(1, 2)
        search = Search(house)
        solve, wanted_w = house.planner._solve, [(0.0, 0.0)]

        async def solved(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
            return charging(await solve(problem, former, how), *wanted_w[0])

        house.planner._solve = solved  # type: ignore[method-assign]

        async def held_w() -> list[float]:
            found: dict[int, float] = {}
            for each in (await house.rest.get("/limits"))["items"]:
                found[each["evse_id"]] = each["periods"][0]["limit_w"]
            return [found.get(1, -1.0), found.get(2, -1.0)]

        async def planned_until(limits_w: list[float]) -> bool:
            await house.plan()
            return await held_w() == limits_w

        await until(lambda: planned_until([0.0, 0.0]), bool)
        wanted_w[0] = (3_700.0, 0.0)
        await house.rest.post("/plans", {"site_id": "A", "time_limit": "PT30S"}, 202)
        await house.plan()
        assert await held_w() == [3_700.0, 0.0]
        await search.has_begun(1)
        search.found.set_result(charging(search.last, 0.0, 3_700.0))
        await search.ends()
        assert (await house.rest.get("/plans/current"))["time_limit_s"] == 30.0
        assert await held_w() == [0.0, 3_700.0]


def charging(made: Made, *powers_w: float) -> Made:
    """The same with these powers for two hours, in the order of cars."""
    entries = tuple(
        Charging(f"car-{n}", f"CP-1/{n}", 0, 8, power_w, ("SUN",))
        for n, power_w in enumerate(powers_w, start=1)
        if power_w
    )
    plan = replace(made.plan, charging=entries)
    return replace(made, plan=plan, level="solver", violations=())


async def test_drivers_hear_of_the_car_that_a_better_plan_gives_them(sqlite_url: str) -> None:
    async with searching(sqlite_url) as (house, search):
        rest = house.rest
        await rest.post("/vehicles", {"id": "car-2", "model_id": "mia", "site_id": "A"})
        await rest.post("/vehicles/car-2/state", {"soc_pct": 50.0}, 200)
        await rest.post("/drivers", {"id": "d-1", "name": "Ada"})
        trip = a_trip(house.now + timedelta(hours=5), id="b-1", distance_km=20, driver_id="d-1")
        await rest.post("/bookings", trip)
        await rest.post("/plans", {"site_id": "A", "time_limit": "PT30S"}, 202)
        await house.plan()
        await search.has_begun(1)
        (mine,) = search.last.plan.assignments
        other = "car-2" if mine.vehicle == "car-1" else "car-1"
        plan = replace(search.last.plan, assignments=(replace(mine, vehicle=other),))
        better = replace(search.last, plan=plan, objective=search.last.objective - 1.0)
        search.found.set_result(better)
        await search.ends()
        assert (await rest.get("/bookings/b-1"))["vehicle_id"] == other


async def test_a_worse_plan_is_none_that_somebody_has_asked_for(sqlite_url: str) -> None:
    async with searching(sqlite_url) as (house, search):
        await house.rest.post("/plans", {"site_id": "A", "time_limit": "PT30S"}, 202)
        await house.plan()
        await search.has_begun(1)
        worse = replace(search.last, objective=search.last.objective + 0.001)
        search.found.set_result(worse)
        await search.ends()
        assert [each["time_limit_s"] for each in await search.plans()] == [None]


async def test_who_has_less_than_a_second_left_waits_for_nothing(sqlite_url: str) -> None:
    async with searching(sqlite_url) as (house, search):
        await house.rest.post("/plans", {"site_id": "A", "time_limit": "PT30S"}, 202)
        await house.plan()
        await search.has_begun(1)
        search.now_s += 29.5
        await house.charge_now("car-1")
        house.planner.wish("override.created", urgent=True, site_id="A")
        await house.plan()
        assert (len(search.limits_s), search.improver.is_asked_for) == (1, False)


async def test_a_wish_without_a_time_limit_takes_none_away(database_url: str) -> None:
    async with rest_house(database_url) as house:
        await house.site(id="A")
        for body, told_s in (
            ({"time_limit": "PT30S"}, 30.0),
            ({}, 30.0),
            ({"time_limit": "PT9S"}, 9.0),
        ):
            await house.post("/plans", {"site_id": "A", **body}, 202)
            async with house.db.read() as session:
                (asked,) = await plans_asked_for(session, tenant="default")
                assert asked.time_limit_s == told_s
