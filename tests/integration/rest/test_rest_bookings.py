"""The life of a booking over HTTP: asked, promised, begun, extended, late, over; and refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.booking.reactions import Watchman
from models.tables.ledger import Event
from models.tables.planning import PlanRequest
from models.timeline import format_rfc3339
from tests.builders.rest_house import START, RestHouse, a_model, a_trip

ANSWERED = {
    "id", "external_id", "custom", "created_at", "updated_at", "driver_id", "pickup_site_id",
    "dropoff_site_id", "start", "end", "distance_km", "vehicle_class", "status", "vehicle_id",
    "expected_soc_pct", "probability_ready", "solar_share", "reasons", "started_at",
    "returned_at", "cancelled_at", "probability", "bound_by", "used_wh", "explanation",
}  # fmt: skip


def later(hours: float) -> str:
    return format_rfc3339(START + timedelta(hours=hours))


async def advance(house: RestHouse, hours: float) -> None:
    """Moves the clock to so long after its start, and lets the watchman look."""
    await house.post("/clock", {"advance_to": later(hours)}, 200)
    watchman = Watchman(
        db=house.db,
        clock=house.clock,
        ids=house.services.ids,
        activity=house.activity,
        tenant="default",
    )
    await watchman.look()


async def requested(house: RestHouse) -> dict[str, str]:
    """The plans that are asked for, with why, by site."""
    async with house.db.read() as session:
        return {row.site_id: row.reason for row in await session.scalars(sa.select(PlanRequest))}


async def book(house: RestHouse, hours: float, length: float = 2.0, **fields: Any) -> Any:
    return await house.post("/bookings", a_trip(START + timedelta(hours=hours), length, **fields))


async def test_a_booking_from_the_question_to_the_return(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    wish = a_trip(START + timedelta(hours=1), id="b1", external_id="x", custom={"a": 1})
    quoted = await house.post("/booking-quotes", wish, 200)
    assert quoted["bookable"] is True
    assert quoted["alternatives"] == []
    assert (await house.get("/bookings"))["items"] == []

    answer = await house.http.post("/api/v1/bookings", json=wish)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/bookings/b1"
    made = answer.json()
    assert set(made) == ANSWERED
    assert (made["status"], made["vehicle_id"]) == ("confirmed", "car-1")
    assert made["dropoff_site_id"] == "A"
    assert made["expected_soc_pct"] == quoted["offers"][0]["expected_soc_pct"]
    assert made["reasons"] == quoted["reasons"]
    assert (await house.http.get(answer.headers["location"])).json() == made

    await advance(house, 1)
    started = await house.post("/bookings/b1/start", {"soc_pct": 95, "odometer_km": 1000}, 200)
    assert (started["status"], started["started_at"]) == ("active", later(1))
    car = await house.get("/vehicles/car-1")
    assert (car["at_site_id"], car["plugged_evse"], car["soc_pct"]) == (None, None, 95)

    await advance(house, 2.5)
    body = {"soc_pct": 77.5, "odometer_km": 1020.5, "plugged_evse": "CP-A/1"}
    returned = await house.post("/bookings/b1/return", body, 200)
    assert (returned["status"], returned["returned_at"]) == ("returned", later(2.5))
    assert returned["assigned_evse"] == "CP-A/1"
    car = await house.get("/vehicles/car-1")
    assert (car["at_site_id"], car["plugged_evse"]) == ("A", "CP-A/1")
    assert (car["soc_pct"], car["odometer_km"], car["source"]) == (77.5, 1020.5, "manual")

    await house.delete("/bookings/b1")
    await house.get("/bookings/b1", 404)
    assert await house.events("booking/b1") == [
        "booking.confirmed", "booking.started", "booking.returned", "booking.deleted"
    ]  # fmt: skip


async def test_an_event_of_a_booking_carries_the_whole_of_it(house: RestHouse) -> None:
    await house.fleet("car-1")
    made = await house.post("/bookings", a_trip(house.clock.now() + timedelta(hours=1)))
    async with house.db.read() as session:
        query = sa.select(Event).where(Event.type == "booking.confirmed")
        event = (await session.execute(query)).scalar_one()
    assert msgspec.json.decode(event.resource) == made
    assert event.site_id == "A"


async def test_a_cancelled_booking_frees_its_car(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    first = await book(house, 1)
    await house.post("/bookings", a_trip(START + timedelta(hours=2)), 409)
    gone = await house.post(f"/bookings/{first['id']}/cancel", None, 200)
    assert (gone["status"], gone["cancelled_at"]) == ("cancelled", later(0))
    await book(house, 2)
    assert await house.events(f"booking/{first['id']}") == [
        "booking.confirmed",
        "booking.cancelled",
    ]


async def test_a_trip_past_its_end_is_late_until_it_is_extended_or_over(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    path = f"/bookings/{(await book(house, 1))['id']}"
    await advance(house, 1)
    await house.post(f"{path}/start", None, 200)
    await advance(house, 3)
    assert (await house.get(path))["status"] == "late"
    extended = await house.post(f"{path}/extend", {"end": later(4)}, 200)
    assert (extended["status"], extended["end"]) == ("active", later(4))
    await advance(house, 4.5)
    assert (await house.get(path))["status"] == "late"
    assert (await house.post(f"{path}/return", None, 200))["status"] == "returned"
    assert await house.events(path.strip("/").replace("bookings", "booking")) == [
        "booking.confirmed",
        "booking.started",
        "booking.late",
        "booking.extended",
        "booking.late",
        "booking.returned",
    ]


async def test_a_car_that_nobody_fetched_is_free_again(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    path = f"/bookings/{(await book(house, 1, 8))['id']}"
    await advance(house, 1.9)
    assert (await house.get(path))["status"] == "confirmed"
    await advance(house, 2)
    assert (await house.get(path))["status"] == "no_show"
    await book(house, 3)
    refused = await house.post(f"{path}/start", None, 409)
    assert refused["code"] == "wrong-status"


ACTS = {"start": None, "return": None, "extend": {"end": later(20)}, "cancel": None}
MAY = {
    "confirmed": {"start", "extend", "cancel"},
    "active": {"return", "extend"},
    "late": {"return", "extend"},
    "returned": set[str](),
    "cancelled": set[str](),
    "no_show": set[str](),
}


@pytest.mark.parametrize("status", MAY)
@pytest.mark.parametrize("act", ACTS)
async def test_each_act_fits_its_states_only(
    stepped_house: RestHouse, status: str, act: str
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    path = f"/bookings/{(await book(house, 1))['id']}"
    if status == "cancelled":
        await house.post(f"{path}/cancel", None, 200)
    if status in {"active", "late", "returned"}:
        await house.post(f"{path}/start", None, 200)
    if status == "returned":
        await house.post(f"{path}/return", None, 200)
    if status in {"late", "no_show"}:
        await advance(house, 4)
    assert (await house.get(path))["status"] == status
    allowed = act in MAY[status]
    answer = await house.post(f"{path}/{act}", ACTS[act], 200 if allowed else 409)
    if not allowed:
        assert answer["code"] == "wrong-status"
        assert (await house.get(path))["status"] == status


async def test_an_extension_ends_before_the_car_is_somebody_elses(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    first = await book(house, 1)
    await book(house, 5)
    path = f"/bookings/{first['id']}/extend"
    refused = await house.post(path, {"end": later(4.75)}, 409)
    assert refused["code"] == "no-vehicle"
    assert refused["reasons"] == [f"PROMISED: the car's next trip begins at {later(5)}"]
    assert refused["alternatives"] == [{"end": later(4.25)}]
    assert (await house.get(f"/bookings/{first['id']}"))["end"] == first["end"]
    extended = await house.post(path, refused["alternatives"][0], 200)
    assert extended["end"] == later(4.25)
    shorter = await house.post(path, {"end": later(2)}, 200)
    assert shorter["end"] == later(2)
    again = await house.post(path, {"end": later(5.5)}, 409)
    assert again["alternatives"] == [{"end": later(4.25)}]


async def test_an_extension_leaves_the_next_driver_enough_energy(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1", soc_pct=30)
    first = await book(house, 2, 1, distance_km=40)
    await book(house, 8, 1, distance_km=60)
    # 40 km leave 3.1 kWh, at worst, of what two hours at the charger have made of 4.8; the second
    # trip must find 12.6 kWh, which is three and a half hours more, and the car may come late.
    refused = await house.post(f"/bookings/{first['id']}/extend", {"end": later(7)}, 409)
    assert refused["code"] == "no-vehicle"
    assert refused["alternatives"] == []
    await house.post(f"/bookings/{first['id']}/extend", {"end": later(3.5)}, 200)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (later(0.5), "must lie after start and now"),
        (later(1), "must lie after start and now"),
        (later(24 * 90), "is more than 60 days after start"),
    ],
)
async def test_an_extension_to_an_impossible_end_is_refused(
    stepped_house: RestHouse, end: str, says: str
) -> None:
    await stepped_house.fleet("car-1")
    path = f"/bookings/{(await book(stepped_house, 1))['id']}/extend"
    problem = await stepped_house.post(path, {"end": end}, 422)
    assert problem["errors"] == [{"field": "/end", "detail": says}]


async def test_another_car_goes_where_the_promised_one_is_not(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1", "car-2")
    await house.site(id="B")
    first = await book(house, 1)
    other = {"car-1": "car-2", "car-2": "car-1"}[first["vehicle_id"]]
    await house.post(f"/vehicles/{first['vehicle_id']}/state", {"at_site_id": "B"}, 200)
    started = await house.post(f"/bookings/{first['id']}/start", None, 200)
    assert started["vehicle_id"] == other
    second = await house.post("/bookings", a_trip(START + timedelta(hours=4), vehicle_class="city"))
    await house.post(f"/vehicles/{other}/state", {"at_site_id": None}, 200)
    refused = await house.post(f"/bookings/{second['id']}/start", None, 409)
    assert refused["code"] == "no-vehicle"
    assert (await house.get(f"/bookings/{second['id']}"))["status"] == "confirmed"


async def test_who_comes_early_takes_no_car_that_somebody_else_needs_before(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    evening = await book(house, 10)
    await book(house, 2)
    refused = await house.post(f"/bookings/{evening['id']}/start", None, 409)
    assert refused["code"] == "no-vehicle"
    morning = await book(house, 0, 1)
    assert (await house.post(f"/bookings/{morning['id']}/start", None, 200))["status"] == "active"


async def test_a_car_comes_back_with_what_the_trip_has_left_in_it(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=80)
    path = f"/bookings/{(await book(house, 0))['id']}"
    await house.post(f"{path}/start", None, 200)
    returned = await house.post(f"{path}/return", None, 200)
    assert returned["assigned_evse"] == "CP-A/1"
    car = await house.get("/vehicles/car-1")
    assert car["soc_pct"] == pytest.approx(80 - 100 * 20 * 140 / 16_000)
    assert (car["source"], car["plugged_evse"]) == ("estimate", None)


async def test_what_a_station_has_seen_of_the_car_stands_at_its_return(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1", "car-2")
    made = await book(house, 0)
    car, path = made["vehicle_id"], f"/bookings/{made['id']}"
    await house.post(f"{path}/start", None, 200)
    await advance(house, 1)
    state = {"soc_pct": 41, "plugged_evse": "CP-A/2", "source": "push"}
    await house.post(f"/vehicles/{car}/state", state, 200)
    returned = await house.post(f"{path}/return", {"odometer_km": 7}, 200)
    assert returned["assigned_evse"] == "CP-A/2"
    shown = await house.get(f"/vehicles/{car}")
    assert (shown["soc_pct"], shown["source"]) == (41, "push")
    assert (shown["plugged_evse"], shown["odometer_km"]) == ("CP-A/2", 7)


async def test_a_car_that_takes_an_outlet_leaves_it_to_no_other(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1", "car-2")
    made = await book(house, 0)
    path = f"/bookings/{made['id']}"
    await house.post(f"{path}/start", None, 200)
    other = {"car-1": "CP-A/2", "car-2": "CP-A/1"}[made["vehicle_id"]]
    assert (await house.post(f"{path}/return", {"plugged_evse": other}, 200))["assigned_evse"]
    plugs = [(await house.get(f"/vehicles/{car}"))["plugged_evse"] for car in ("car-1", "car-2")]
    assert sorted(plugs, key=str) == sorted([other, None], key=str)


async def test_only_an_outlet_of_the_dropoff_site_takes_the_car(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1")
    await house.site(id="B")
    await house.station("CP-B", "B", evses=[{"evse_id": 1}])
    path = f"/bookings/{(await book(house, 0))['id']}"
    await house.post(f"{path}/start", None, 200)
    for evse in ("CP-B/1", "CP-A/9", "nonsense"):
        problem = await house.post(f"{path}/return", {"plugged_evse": evse}, 422)
        assert problem["errors"][0]["field"] == "/plugged_evse"
    assert (await house.get(path))["status"] == "active"


async def test_every_alternative_of_a_refusal_is_accepted(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1", soc_pct=35)
    await house.post("/vehicle-models", a_model(id="van", vehicle_class="van"))
    await house.site(id="B")
    await house.station("CP-B", "B", evses=[{"evse_id": 1}])
    for car, model, site in (("van-1", "van", "A"), ("car-b", "mia", "B")):
        await house.post("/vehicles", {"id": car, "model_id": model, "site_id": site})
        await house.post(f"/vehicles/{car}/state", {"soc_pct": 90}, 200)
    wish = a_trip(START + timedelta(minutes=5), distance_km=40, vehicle_class="city")
    refused = await house.post("/bookings", wish, 409)
    assert refused["code"] == "no-vehicle"
    assert refused["reasons"]
    alternatives = refused["alternatives"]
    changed = [
        {name for name in other if other[name] != ({"dropoff_site_id": "A"} | wish)[name]}
        for other in alternatives
    ]
    assert {"start", "end"} in changed
    assert {"vehicle_class"} in changed
    assert {"pickup_site_id", "dropoff_site_id"} in changed
    assert {"distance_km"} in changed
    for other in alternatives:
        made = await house.post("/bookings", other)
        assert {name: made[name] for name in other} == other
        await house.post(f"/bookings/{made['id']}/cancel", None, 200)


async def test_what_is_attached_to_a_booking_is_merged(house: RestHouse) -> None:
    await house.fleet("car-1")
    wish = a_trip(house.clock.now() + timedelta(hours=1), custom={"a": {"x": 1, "y": 2}, "b": 3})
    path = f"/bookings/{(await house.post('/bookings', wish))['id']}"
    changed = await house.patch(path, {"custom": {"a": {"x": None, "z": 4}}})
    assert changed["custom"] == {"a": {"y": 2, "z": 4}, "b": 3}
    assert (await house.patch(path, {"external_id": "e"}))["custom"] == changed["custom"]
    emptied = await house.patch(path, {"external_id": None, "custom": None})
    assert (emptied["external_id"], emptied["custom"]) == (None, {})
    await house.patch(path, {"custom": {"a": "x" * 20_000}}, 422)
    for wrong in ({"end": "2030-01-01T00:00:00Z"}, {"status": "active"}, {"custom": 5}, []):
        await house.patch(path, wrong, 422)


async def test_each_act_is_guarded_by_the_version(house: RestHouse) -> None:
    await house.fleet("car-1")
    made = await house.post("/bookings", a_trip(house.clock.now() + timedelta(hours=1)))
    path = f"/bookings/{made['id']}"
    await house.patch(path, {"external_id": "newer"})
    stale = {"If-Match": '"1"'}
    for act, body in {
        "start": None,
        "return": None,
        "cancel": None,
        "extend": {"end": later(1)},
    }.items():
        refused = await house.post(f"{path}/{act}", body, 412, headers=stale)
        assert refused["code"] == "stale-version"
    await house.post(f"{path}/cancel", None, 200, headers={"If-Match": '"2"'})


async def test_a_quote_is_answered_alike_for_the_same_key(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    wish, once = a_trip(START + timedelta(hours=1)), {"Idempotency-Key": "q"}
    first = await house.post("/booking-quotes", wish, 200, headers=once)
    await house.post("/bookings", wish)
    assert await house.post("/booking-quotes", wish, 200, headers=once) == first
    assert (await house.post("/booking-quotes", wish, 200))["bookable"] is False
    await house.post("/booking-quotes", wish | {"distance_km": 21}, 422, headers=once)


async def test_bookings_are_found_by_what_they_are(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await house.fleet("car-1", "car-2")
    await house.site(id="B")
    await house.post("/drivers", {"id": "bob", "name": "Bob"})
    one = await book(house, 1, external_id="one")
    two = await book(house, 2, driver_id="bob", dropoff_site_id="B")
    three = await book(house, 30)
    await house.post("/clock", {"advance_to": later(0.1)}, 200)
    three = await house.post(f"/bookings/{three['id']}/cancel", None, 200)

    async def found(**query: Any) -> list[str]:
        return [each["id"] for each in (await house.get("/bookings", **query))["items"]]

    assert await found(sort="start") == [one["id"], two["id"], three["id"]]
    assert await found(sort="-end") == [three["id"], two["id"], one["id"]]
    assert await found(sort="start", limit=1) == [one["id"]]
    assert await found(status="cancelled") == [three["id"]]
    assert await found(driver_id="bob") == [two["id"]]
    assert await found(dropoff_site_id="B") == [two["id"]]
    assert await found(vehicle_id=one["vehicle_id"], status="confirmed") == [one["id"]]
    assert await found(external_id="one") == [one["id"]]
    assert await found(updated_since=later(0.05)) == [three["id"]]
    assert await found(**{"from": later(3.5), "to": later(30)}) == [two["id"]]
    assert await found(**{"from": later(4)}) == [three["id"]]


async def test_a_car_that_nobody_fetches_is_charged_harder_soon(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    await book(house, 1)
    await advance(house, 1.05)
    assert (await requested(house))["A"] != "unfetched"
    await advance(house, 1.1)
    assert (await requested(house))["A"] == "unfetched"
