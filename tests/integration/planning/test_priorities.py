"""Priority charging and dynamic profiles of 2.1 stations, over REST and real sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from csms.planning.queries import read_rows
from csms.planning.snapshot import HORIZON, Snapshot, snapshot_of
from csms.planning.worker import HEARD, Planner
from models.facts.priorities import PriorityReported
from models.tables.charging import ChargingLimit, Transaction
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.stations import Evse
from models.timeline import format_rfc3339
from simulators.notices import PriorityPress, ScheduleQuestion
from simulators.profiles import Period, Profile, Purpose
from tests.builders.paying import Paying, paying
from tests.builders.small_house import small_house

DYNAMIC = "/stations/ST-1/dynamic-schedules"


async def seen(it: Paying) -> Snapshot:
    now = it.house.clock.now()
    async with it.house.db.read() as session:
        rows = await read_rows(session, tenant="default", now=now, horizon=HORIZON)
    return snapshot_of(rows, now)


async def unheld(it: Paying) -> frozenset[str]:
    """Returns the EVSEs that the next plan takes as held by no limit."""
    return (await seen(it)).lying


def profile(it: Paying, number: int, limit_w: float = 1000.0) -> Profile:
    """Has the station hold a dynamic profile, as somebody beside it may."""
    made = Profile(
        id=number,
        evse_id=1,
        purpose=Purpose.DEFAULT,
        stack_level=0,
        kind="Dynamic",
        periods=(Period(0.0, limit_w),),
        received_at=it.house.clock.now(),
    )
    assert it.box.set_profile(made, it.house.clock.now())
    return made


async def test_a_transaction_charges_before_others_when_it_is_told_to(database_url: str) -> None:
    async with paying(database_url, "ocpp2.1") as it:
        transaction = await it.charge()
        path = f"/transactions/{transaction['id']}/priority"
        refused = await it.house.put(path, {"active": True}, 409)
        assert (refused["code"], "NoProfile" in refused["detail"]) == ("priority-refused", True)
        assert (await unheld(it)) == frozenset()
        shown = await it.house.put(path, {"active": True, "limit_w": 3700.0})
        assert shown["priority_charging"] is True
        assert it.box.limits.preferred == {1}
        # The plan counts it as a load that nothing holds.
        assert await unheld(it) == {"ST-1/1"}
        shown = await it.house.put(path, {"active": False})
        assert (shown["priority_charging"], it.box.limits.preferred) == (False, set())
        assert await unheld(it) == frozenset()
        subject = f"transaction/{transaction['id']}"
        assert (await it.house.events(subject)).count("transaction.priority_changed") == 2


async def test_a_driver_s_wish_is_seen_and_ends_with_the_transaction(database_url: str) -> None:
    async with paying(database_url, "ocpp2.1") as it:
        transaction = await it.charge()
        path = f"/transactions/{transaction['id']}"
        it.box.outbox.append(PriorityPress(transaction["ocpp_transaction_id"], active=True))
        await it.until(path, lambda shown: shown["priority_charging"])
        assert await unheld(it) == {"ST-1/1"}
        it.box.outbox.append(PriorityPress("nobody's", active=True))
        it.box.unplug(1, it.house.clock.now())
        ended = await it.until(path, lambda shown: shown if shown["stopped_at"] else None)
        assert ended["priority_charging"] is False
        refused = await it.house.put(f"{path}/priority", {"active": True}, 409)
        assert refused["code"] == "transaction-over"


async def test_a_dynamic_profile_is_changed_as_it_runs(database_url: str) -> None:
    async with paying(database_url, "ocpp2.1") as it:
        profile(it, 77)
        body = {"limit": 2500.0, "limit_l2": 2000.0, "setpoint_reactive_l3": -1.5}
        shown = await it.house.put(f"{DYNAMIC}/77", body)
        assert (shown["state"], shown["told"], shown["source"]) == ("told", body, "api")
        assert it.box.limits.dynamic[77] == body
        refused = await it.house.put(f"{DYNAMIC}/78", {"limit": 1.0})
        assert (refused["state"], refused["why"]) == ("refused", "Rejected")
        assert [each["profile_id"] for each in (await it.house.get(DYNAMIC))["items"]] == [77, 78]
        for wrong, field in (
            ({}, ""),
            ({"discharge_limit": 1.0}, "/discharge_limit"),
            ({"limit": "much"}, "/limit"),
        ):
            answer = await it.house.put(f"{DYNAMIC}/77", wrong, 422)
            assert answer["errors"][0]["field"] == field


async def planned(it: Paying, limit_w: float) -> None:
    """Puts a limit by plan on the first EVSE, as it stands in the box."""
    services, now = it.house.services, it.house.clock.now()
    async with services.db.write(services.clock, services.ids, actor="t", tenant="default") as work:
        period = {"from_at": format_rfc3339(now), "limit_w": limit_w, "reasons": []}
        limit = ChargingLimit(
            id=work.ids.new(),
            site_id="A",
            station="ST-1",
            evse_id=1,
            purpose="transaction",
            created_at=now,
            valid_to=now + timedelta(hours=1),
            periods=[period],
            state="accepted",
        )
        work.session.add(limit)


async def asks(it: Paying, number: int) -> Any:
    """Has the station ask how a profile goes on; returns the house's answer."""
    query = {"action": "PullDynamicScheduleUpdate"}
    before = len((await it.house.get("/stations/ST-1/messages", **query))["items"])
    it.box.outbox.append(ScheduleQuestion(number))
    items = await it.until(
        "/stations/ST-1/messages",
        lambda page: page["items"] if len(page["items"]) > before else None,
        **query,
    )
    return max(items, key=lambda each: each["id"])["answer"]


async def test_a_station_that_asks_is_told_its_limit_by_plan(database_url: str) -> None:
    async with paying(database_url, "ocpp2.1") as it:
        profile(it, 11)
        answer = await asks(it, 11)
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NoLimit")
        assert (await it.house.get(DYNAMIC))["items"] == []
        await planned(it, 1840.0)
        answer = await asks(it, 11)
        assert answer == {"status": "Accepted", "scheduleUpdate": {"limit": 1840.0}}
        assert it.box.limits.dynamic[11] == {"limit": 1840.0}
        (shown,) = (await it.house.get(DYNAMIC))["items"]
        assert (shown["evse_id"], shown["told"], shown["source"]) == (1, {"limit": 1840.0}, "plan")
        # A profile of somebody's own follows the plan of the EVSE that it was given.
        profile(it, 90)
        await it.house.put(f"{DYNAMIC}/90", {"limit": 16.0})
        assert (await asks(it, 90))["scheduleUpdate"] == {"limit": 16.0}
        await it.house.put(f"{DYNAMIC}/90", {"limit": 16.0, "evse_id": 1})
        assert (await asks(it, 90))["scheduleUpdate"] == {"limit": 1840.0}


async def test_other_versions_have_no_priority(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.0.1") as it:
        transaction = await it.charge()
        path = f"/transactions/{transaction['id']}/priority"
        assert (await it.house.put(path, {"active": True}, 409))["code"] == "not-in-version"
        viewer = it.house.client(await it.house.key("viewer"))
        answer = await viewer.put(f"/api/v1{path}", json={"active": True})
        assert answer.status_code == 403


async def parked(it: Paying, max_power_w: float) -> str:
    """Has a known car stand paused at the first EVSE; returns the id of its transaction."""
    transaction = await it.charge()
    services, now = it.house.services, it.house.clock.now()
    kept: dict[str, Any] = {"created_at": now, "updated_at": now}
    async with services.db.write(services.clock, services.ids, actor="t", tenant="default") as work:
        work.session.add(
            VehicleModel(
                id="zoe",
                name="Zoe",
                vehicle_class="city",
                battery_capacity_wh=50_000,
                max_ac_power_w=22_000,
                consumption_wh_per_km=140,
                **kept,
            )
        )
        await work.session.flush()
        work.session.add(
            Vehicle(
                id="zoe-1",
                model_id="zoe",
                site_id="A",
                at_site_id="A",
                plugged_evse="ST-1/1",
                soc_pct=10.0,
                **kept,
            )
        )
        row = await work.session.get_one(Transaction, transaction["id"])
        row.vehicle_id, row.power_w, row.last_reading_at = "zoe-1", 0.0, now
        evse = await work.session.get_one(Evse, ("ST-1", 1))
        evse.max_power_w, evse.phases = max_power_w, 3
    return transaction["id"]


async def metered(it: Paying, transaction_id: str, power_w: float, ago_s: float = 0.0) -> None:
    services = it.house.services
    async with services.db.write(services.clock, services.ids, actor="t", tenant="default") as work:
        row = await work.session.get_one(Transaction, transaction_id)
        row.power_w, row.last_reading_at = power_w, work.now - timedelta(seconds=ago_s)


async def load_w(it: Paying) -> float:
    (site,) = (await seen(it)).problem.sites
    return site.load_power_w[0]


async def test_who_goes_first_counts_with_what_may_flow_until_it_is_metered(
    database_url: str,
) -> None:
    async with paying(database_url, "ocpp2.1", evses=[{"evse_id": 1}]) as it:
        transaction_id = await parked(it, 11_000.0)
        path = f"/transactions/{transaction_id}/priority"
        wrong = await it.house.put(path, {"active": True, "limit_w": 11_001.0}, 422)
        assert wrong["errors"][0]["field"] == "/limit_w"
        before_w = await load_w(it)
        await it.house.put(path, {"active": True, "limit_w": 7_000.0})
        assert await load_w(it) - before_w == 7_000.0
        # A reading of before, that comes late, tells of the time when it was held back.
        await metered(it, transaction_id, 0.0, ago_s=60.0)
        assert await load_w(it) - before_w == 7_000.0
        await metered(it, transaction_id, 6_500.0)
        assert await load_w(it) - before_w == 6_500.0


async def test_a_driver_s_wish_counts_with_what_the_evse_gives(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.1", evses=[{"evse_id": 1}]) as it:
        transaction_id = await parked(it, 11_000.0)
        before_w = await load_w(it)
        async with it.house.db.read() as session:
            name = (await session.get_one(Transaction, transaction_id)).ocpp_transaction_id
        it.box.outbox.append(PriorityPress(name, active=True))
        await it.until(f"/transactions/{transaction_id}", lambda shown: shown["priority_charging"])
        assert await load_w(it) - before_w == 11_000.0


async def test_a_change_of_priority_is_planned_at_once(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        planner = Planner(
            db=house.db,
            clock=house.clock,
            ids=house.ids,
            activity=house.activity,
            solve=_never,
            refresh_forecasts=_never,
            replan_gap=timedelta(hours=1),
        )
        planner._planned_at = house.clock.now()
        await house.submit(house.event_2x("started", 0))
        # What that asks for is not what is looked for here.
        await house.told()
        house.bus.subscribe("planner", HEARD, planner.heard)
        fact = PriorityReported(
            station="A-1",
            received_at=house.clock.now(),
            ocpp_transaction_id=(await house.rows(Transaction))[0].ocpp_transaction_id,
            activated=True,
        )
        await house.submit(fact)
        async with asyncio.timeout(60):
            assert await planner._wishes.get() == "transaction.priority_changed"
        # The gap is not waited for, which would move this clock on.
        assert house.clock.now() == fact.received_at


async def _never(*_: Any) -> Any:
    raise AssertionError
