"""What a plan makes of bookings: what it promises, when it warns, and what it must leave alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from csms.app import House
from csms.planning.actions import publish
from csms.planning.queries import read_rows
from csms.planning.snapshot import HORIZON, Snapshot, snapshot_of
from models.tables.booking import Booking
from models.tables.ledger import Event
from models.tables.stations import Connector, Station
from models.timeline import format_rfc3339
from scheduler.plan import Assignment, Plan
from scheduler.rolling import Made, make_plan
from tests.builders.rest_house import START, RestHouse, a_model, a_site, a_trip, rest_house
from tests.builders.whole_house import whole_house


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[RestHouse]:
    """A house without a planner: the tests plan by hand."""
    async with rest_house(database_url, stepped=True) as running:
        yield running


async def snapshot(house: RestHouse) -> Snapshot:
    now = house.clock.now()
    async with house.db.read() as session:
        rows = await read_rows(session, tenant="default", now=now, horizon=HORIZON)
    return snapshot_of(rows, now)


def planned(seen: Snapshot) -> Plan:
    return make_plan(seen.problem, monotonic=lambda: 0.0)


def moved(plan: Plan, booking_id: str, vehicle_id: str) -> Plan:
    """Returns the plan with a booking on another car."""
    return replace(
        plan,
        assignments=tuple(
            Assignment(booking_id, vehicle_id, each.soc_at_start_wh)
            if each.booking == booking_id
            else each
            for each in plan.assignments
        ),
    )


async def published(house: RestHouse, seen: Snapshot, plan: Plan) -> None:
    async with house.db.write(house.clock, house.services.ids) as work:
        await publish(work, seen, Made(plan, "solver"), trigger="test")


async def two_cars(house: RestHouse) -> tuple[Any, str, Snapshot, Plan]:
    """A booking on one of two cars, and a plan for it."""
    await house.fleet("car-1", "car-2")
    made = await house.post("/bookings", a_trip(START + timedelta(hours=2)))
    other = {"car-1": "car-2", "car-2": "car-1"}[made["vehicle_id"]]
    seen = await snapshot(house)
    return made, other, seen, planned(seen)


async def test_a_plan_says_how_charged_the_car_will_be_and_why(house: RestHouse) -> None:
    made, _, seen, plan = await two_cars(house)
    await published(house, seen, plan)
    answer = await house.http.get(f"/api/v1/bookings/{made['id']}")
    shown, etag = answer.json(), answer.headers["etag"]
    assert shown["status"] == "confirmed"
    assert shown["expected_soc_pct"] >= 20
    assert shown["probability_ready"] > 0.9
    assert shown["reasons"][0].startswith(f"READY: {shown['vehicle_id']} is planned to hold ")
    assert etag != '"1"'
    await published(house, await snapshot(house), plan)
    again = await house.http.get(f"/api/v1/bookings/{made['id']}")
    assert again.headers["etag"] == etag, "nothing has changed"


@pytest.mark.parametrize("probability", [0.9, 0.99, 0.999])
async def test_a_plan_charges_for_what_was_promised(house: RestHouse, probability: float) -> None:
    """Empty cars and dear power: nobody charges more than promises need."""
    await house.fleet("car-1", "car-2", soc_pct=12)
    await house.patch("/sites/A", {"promise_probability": probability})
    made = [
        await house.post("/bookings", a_trip(START + timedelta(hours=hours), distance_km=40))
        for hours in (12, 12, 20, 20)
    ]
    seen = await snapshot(house)
    assert seen.problem.turnaround_steps >= 2
    await published(house, seen, planned(seen))
    shown = [await house.get(f"/bookings/{each['id']}") for each in made]
    for before, after in zip(made, shown, strict=True):
        assert before["probability"] >= probability
        assert after["probability"] == before["probability"], "what was promised stays"
        assert after["probability_ready"] >= probability
    assert min(each["probability_ready"] for each in shown) < 1 - (1 - probability) / 4


async def test_while_a_trip_has_no_car_a_plan_may_leave_shorter_pauses(house: RestHouse) -> None:
    made, _, seen, _ = await two_cars(house)
    assert seen.problem.turnaround_steps == 3
    async with house.db.write(house.clock, house.services.ids) as work:
        (await work.session.get_one(Booking, made["id"])).status = "at_risk"
    assert (await snapshot(house)).problem.turnaround_steps == 1


async def test_a_plan_may_give_a_booking_another_car(house: RestHouse) -> None:
    made, other, seen, plan = await two_cars(house)
    await published(house, seen, moved(plan, made["id"], other))
    assert (await house.get(f"/bookings/{made['id']}"))["vehicle_id"] == other
    events = await house.events(f"booking/{made['id']}")
    assert events == ["booking.confirmed", "booking.confirmed"]


async def test_a_car_that_was_promised_meanwhile_is_not_given_to_another(house: RestHouse) -> None:
    made, other, seen, plan = await two_cars(house)
    rival = await house.post("/bookings", a_trip(START + timedelta(hours=2)))
    assert rival["vehicle_id"] == other
    await published(house, seen, moved(plan, made["id"], other))
    assert (await house.get(f"/bookings/{made['id']}"))["vehicle_id"] == made["vehicle_id"]
    assert await house.events(f"booking/{made['id']}") == ["booking.confirmed"]


async def test_a_lame_car_changes_trips_with_one_that_can_make_both(house: RestHouse) -> None:
    """Nobody else is there: the far trip gets the full car, the short one the lame car."""
    await house.fleet("car-1", "car-2")
    far = await house.post("/bookings", a_trip(START + timedelta(hours=1), distance_km=50))
    near = await house.post("/bookings", a_trip(START + timedelta(hours=2), distance_km=20))
    lame, other = far["vehicle_id"], near["vehicle_id"]
    assert {lame, other} == {"car-1", "car-2"}
    await house.post(f"/vehicles/{lame}/state", {"soc_pct": 30, "plugged_evse": None}, 200)
    seen = await snapshot(house)
    await published(house, seen, planned(seen))
    shown = [await house.get(f"/bookings/{each['id']}") for each in (far, near)]
    assert [each["vehicle_id"] for each in shown] == [other, lame]
    assert [each["status"] for each in shown] == ["confirmed", "confirmed"]
    reserves = {each.id: each.reserve_km for each in seen.problem.bookings}
    assert reserves[far["id"]] > 0, "the full car has some"


async def plugged_in(house: RestHouse) -> None:
    """Has the outlets of the site give power."""
    async with house.db.write(house.clock, house.services.ids) as work:
        station = await work.session.get_one(Station, "CP-A")
        station.online, station.last_seen = True, house.clock.now()


async def test_no_later_promise_is_broken_for_a_lame_car(house: RestHouse) -> None:
    """The full car could make the far trip, but not the one that it is promised for after that."""
    await house.fleet("car-1", "car-2")
    trips = [(1.75, 2.75, 55), (2.75, 1.0, 20), (5.0, 1.0, 62)]
    far, near, later = [
        await house.post(
            "/bookings", a_trip(START + timedelta(hours=start), hours=hours, distance_km=km)
        )
        for start, hours, km in trips
    ]
    lame, other = far["vehicle_id"], near["vehicle_id"]
    assert later["vehicle_id"] == other
    await plugged_in(house)
    await house.post(f"/vehicles/{lame}/state", {"soc_pct": 30, "plugged_evse": None}, 200)
    await house.clock.advance_to(START + timedelta(minutes=40))
    seen = await snapshot(house)
    await published(house, seen, planned(seen))
    shown = [await house.get(f"/bookings/{each['id']}") for each in (far, near, later)]
    assert [each["status"] for each in shown] == ["at_risk", "confirmed", "confirmed"]


async def lame_for_the_first_of_two(house: RestHouse) -> tuple[Any, Any]:
    """Books a far trip and a near one; the car of the far one stands there empty, unplugged."""
    await house.fleet("car-1", "car-2")
    far = await house.post("/bookings", a_trip(START + timedelta(hours=4), distance_km=50))
    near = await house.post("/bookings", a_trip(START + timedelta(hours=4.5), distance_km=20))
    lame = {"soc_pct": 26, "plugged_evse": None}
    await house.post(f"/vehicles/{far['vehicle_id']}/state", lame, 200)
    await plugged_in(house)
    return far, near


async def test_a_car_that_staff_is_to_bring_is_waited_for(house: RestHouse) -> None:
    far, near = await lame_for_the_first_of_two(house)
    await house.clock.advance_to(START + timedelta(minutes=40))
    changed = await snapshot(house)
    await house.patch("/sites/A", {"move_price": "0.50"})
    waited = await snapshot(house)
    reserves = [
        {each.id: each.reserve_km for each in seen.problem.bookings} for seen in (changed, waited)
    ]
    assert reserves[0][near["id"]] < reserves[1][near["id"]], "the other trip keeps its car"
    plan = planned(waited)
    assert {each.booking for each in plan.assignments} == {far["id"], near["id"]}
    assert far["vehicle_id"] in [move.vehicle for move in plan.moves]


async def test_a_car_that_staff_can_bring_to_no_outlet_is_not_waited_for(house: RestHouse) -> None:
    far, near = await lame_for_the_first_of_two(house)
    await house.patch("/sites/A", {"move_price": "0.50"})
    await house.clock.advance_to(START + timedelta(minutes=40))
    async with house.db.write(house.clock, house.services.ids) as work:
        dead: dict[str, Any] = {"connector_id": 1, "status": "Faulted", "status_at": work.now}
        for evse_id in (1, 2):
            work.session.add(Connector(station="CP-A", evse_id=evse_id, **dead))
    plan = planned(await snapshot(house))
    assert {each.booking: each.vehicle for each in plan.assignments} == {
        far["id"]: near["vehicle_id"],
        near["id"]: far["vehicle_id"],
    }


async def test_who_stands_there_gets_the_car_of_who_can_do_with_the_lame_one(
    house: RestHouse,
) -> None:
    await house.fleet("car-1", "car-2")
    far = await house.post("/bookings", a_trip(START + timedelta(minutes=5), distance_km=50))
    near = await house.post("/bookings", a_trip(START + timedelta(hours=1), distance_km=20))
    await house.clock.advance_to(START + timedelta(minutes=11))
    lame = far["vehicle_id"]
    await house.post(f"/vehicles/{lame}/state", {"soc_pct": 30, "plugged_evse": None}, 200)
    seen = await snapshot(house)
    given = {each.id: each.vehicle for each in seen.problem.bookings}
    assert given == {far["id"]: near["vehicle_id"], near["id"]: None}
    await published(house, seen, planned(seen))
    assert (await house.get(f"/bookings/{near['id']}"))["vehicle_id"] == lame


async def test_who_is_on_the_way_to_a_car_keeps_it(house: RestHouse) -> None:
    """Though somebody's car has turned out to be lame: half an hour before a start cars stay."""
    await house.fleet("car-1", "car-2")
    far = await house.post("/bookings", a_trip(START + timedelta(minutes=50), distance_km=50))
    near = await house.post("/bookings", a_trip(START + timedelta(minutes=40), distance_km=20))
    await house.clock.advance_to(START + timedelta(minutes=11))
    lame = {"soc_pct": 30, "plugged_evse": None}
    await house.post(f"/vehicles/{far['vehicle_id']}/state", lame, 200)
    seen = await snapshot(house)
    given = {each.id: each.vehicle for each in seen.problem.bookings}
    assert given == {near["id"]: near["vehicle_id"], far["id"]: None}


async def test_a_lame_car_is_left_alone_where_no_other_can_go_instead(house: RestHouse) -> None:
    await house.fleet("car-1", "car-2")
    far = await house.post("/bookings", a_trip(START + timedelta(hours=1), distance_km=50))
    near = await house.post("/bookings", a_trip(START + timedelta(hours=2), distance_km=20))
    empty = {"soc_pct": 10, "plugged_evse": None}
    await house.post(f"/vehicles/{far['vehicle_id']}/state", empty, 200)
    seen = await snapshot(house)
    await published(house, seen, planned(seen))
    shown = [await house.get(f"/bookings/{each['id']}") for each in (far, near)]
    assert [each["status"] for each in shown] == ["at_risk", "confirmed"]
    assert shown[1]["vehicle_id"] == near["vehicle_id"]


@pytest.mark.parametrize("act", ["cancel", "start"])
async def test_a_booking_that_went_on_meanwhile_is_left_alone(house: RestHouse, act: str) -> None:
    made, other, seen, plan = await two_cars(house)
    gone_on = await house.post(f"/bookings/{made['id']}/{act}", None, 200)
    await published(house, seen, moved(plan, made["id"], other))
    assert await house.get(f"/bookings/{made['id']}") == gone_on


async def test_the_sun_in_a_booking_is_that_of_the_charging_before_it(house: RestHouse) -> None:
    await house.fleet("car-1", soc_pct=15)
    sunny = [0.0] * 8 + [3_700.0] * 16 + [0.0] * 24
    series = {"site_id": "A", "issued_at": format_rfc3339(START), "start": format_rfc3339(START)}
    await house.post("/forecasts/pv", series | {"step_minutes": 60, "q50_w": sunny})
    early = await house.post("/bookings", a_trip(START + timedelta(hours=3), 1, distance_km=30))
    late = await house.post("/bookings", a_trip(START + timedelta(hours=20), 1, distance_km=30))
    seen = await snapshot(house)
    await published(house, seen, planned(seen))
    shares = [(await house.get(f"/bookings/{each['id']}"))["solar_share"] for each in (early, late)]
    assert shares[0] == 0.0, "charged before the sun is there"
    assert shares[1] == pytest.approx(1.0, abs=0.05)


@pytest.fixture
async def running(sqlite_url: str) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    """The whole house with its planner."""
    async with whole_house(sqlite_url) as both:
        yield both


async def test_a_booking_is_at_risk_as_long_as_its_car_can_not_make_it(
    running: tuple[House, httpx.AsyncClient],
) -> None:
    house, http = running

    async def post(path: str, body: Any, status: int = 201) -> Any:
        answer = await http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def later(minutes: float) -> Any:
        instant = format_rfc3339(START + timedelta(minutes=minutes))
        await post("/clock", {"advance_to": instant}, 200)
        return (await http.get("/bookings/b1")).json()

    await post("/sites", a_site(id="A"))
    await post("/vehicle-models", a_model(id="mia"))
    await post("/drivers", {"id": "ada", "name": "Ada"})
    await post("/stations", {"identity": "CP-A", "site_id": "A", "evses": [{"evse_id": 1}]})
    await post("/vehicles", {"id": "car-1", "model_id": "mia", "site_id": "A"})
    await post("/vehicles/car-1/state", {"soc_pct": 80, "plugged_evse": "CP-A/1"}, 200)
    await post("/bookings", a_trip(START + timedelta(hours=1), id="b1", distance_km=60))
    assert (await later(6))["status"] == "confirmed"
    await post("/vehicles/car-1/state", {"soc_pct": 12}, 200)
    at_risk = await later(20)
    assert at_risk["status"] == "at_risk"
    assert at_risk["probability_ready"] == 0
    assert at_risk["reasons"][0].startswith("NOT_ENOUGH_ENERGY: ")
    await post("/vehicles/car-1/state", {"soc_pct": 90}, 200)
    safe = await later(35)
    assert safe["status"] == "confirmed"
    assert safe["reasons"][0].startswith("READY: ")
    async with house.db.read() as session:
        query = sa.select(Event.type).where(Event.subject == "booking/b1").order_by(Event.id)
        types = list((await session.execute(query)).scalars())
        stored = await session.get(Booking, "b1")
    assert types == ["booking.confirmed", "booking.at_risk", "booking.confirmed"]
    assert stored is not None
    assert stored.version >= 4


async def test_two_who_wait_do_not_get_the_same_free_car(house: RestHouse) -> None:
    await house.fleet("car-1", "car-2", "car-3")
    soon = START + timedelta(minutes=5)
    made = [await house.post("/bookings", a_trip(soon, distance_km=50)) for _ in range(2)]
    await house.clock.advance_to(START + timedelta(minutes=11))
    lame = {each["vehicle_id"] for each in made}
    for car in lame:
        await house.post(f"/vehicles/{car}/state", {"soc_pct": 30, "plugged_evse": None}, 200)
    (free,) = {"car-1", "car-2", "car-3"} - lame
    seen = await snapshot(house)
    assert [each.vehicle for each in seen.problem.bookings] == [free, None]


async def test_who_gets_a_car_that_comes_from_elsewhere_changes_with_nobody(
    house: RestHouse,
) -> None:
    await house.fleet("car-1", "car-2", "car-3")
    await house.post("/sites", a_site(id="B", name="Bay"))
    there = await house.post(
        "/bookings",
        a_trip(START + timedelta(minutes=15), hours=1, distance_km=20, dropoff_site_id="B"),
    )
    on = await house.post(
        "/bookings", a_trip(START + timedelta(hours=2), distance_km=20, pickup_site_id="B")
    )
    assert on["vehicle_id"] == there["vehicle_id"]
    await house.post("/vehicles", {"id": "full", "model_id": "mia", "site_id": "B"})
    await house.post("/vehicles/full/state", {"soc_pct": 90, "plugged_evse": None}, 200)
    short = await house.post(
        "/bookings", a_trip(START + timedelta(hours=2), distance_km=10, pickup_site_id="B")
    )
    assert short["vehicle_id"] == "full"
    await house.post("/vehicles", {"id": "low", "model_id": "mia", "site_id": "B"})
    await house.post("/vehicles/low/state", {"soc_pct": 17, "plugged_evse": None}, 200)
    seen = await snapshot(house)
    reserves = {each.id: each.reserve_km for each in seen.problem.bookings}
    assert reserves[short["id"]] > 0, "nobody needs its car"
    assert all(car.min_soc_wh > 0.05 * car.capacity_wh for car in seen.problem.vehicles)
