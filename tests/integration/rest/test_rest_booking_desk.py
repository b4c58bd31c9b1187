"""The desk's calendar, kept up by what changes: it is always what one built anew would be."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from csms.booking import desk
from csms.booking.desk import Desk
from models.tables.booking import Booking
from scheduler.admit import Calendar
from tests.builders.rest_house import START, RestHouse, a_trip


async def calendar_of(house: RestHouse, own: object, now: datetime | None = None) -> Calendar:
    assert isinstance(own, Desk)
    async with house.db.read() as session:
        return await own.calendar(session, tenant="default", now=now or house.clock.now())


async def check_desk(house: RestHouse) -> None:
    """Compares what the house's desk holds with what a new one reads."""
    kept = await calendar_of(house, house.services.desk)
    fresh = await calendar_of(house, Desk(), kept.now)
    assert kept.chains == fresh.chains
    assert kept.cars == fresh.cars


def fail(*_: Any) -> None:
    """Fails once all is written and nothing committed."""
    raise RuntimeError("no power")


class Reads:
    """Counts how often all cars are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, read = 0, desk.read_fleet
        self.hushed = False

        async def read_fleet(*given: Any, **named: Any) -> Any:
            self.count += not self.hushed
            return await read(*given, **named)

        monkeypatch.setattr(desk, "read_fleet", read_fleet)


async def test_bookings_change_the_calendar_without_reading_all_cars(
    stepped_on_both: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = stepped_on_both
    await house.fleet("car-1", "car-2", "car-3")
    await check_desk(house)
    reads = Reads(monkeypatch)
    first = await house.post("/bookings", a_trip(START + timedelta(hours=1)))
    for hours in (4, 5, 9):
        await house.post("/bookings", a_trip(START + timedelta(hours=hours)))
    await house.post(f"/bookings/{first['id']}/cancel", None, 200)
    await house.patch(f"/bookings/{first['id']}", {"external_id": "x"})
    refused = a_trip(START + timedelta(hours=4), distance_km=2_000)
    await house.post("/bookings", refused, 409)
    assert reads.count <= 1, "a booking that was over has changed"
    await check_desk(house)


async def test_cars_change_the_calendar_without_reading_all_that_is_known_of_them(
    stepped_on_both: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = stepped_on_both
    await house.fleet("car-1", "car-2", "car-3")
    booked = await house.post("/bookings", a_trip(START + timedelta(minutes=5), 1.0))
    other = await house.post("/bookings", a_trip(START + timedelta(hours=4)))
    await check_desk(house)
    reads = Reads(monkeypatch)
    own = house.services.desk
    for path, body in (
        ("/vehicles/car-1/state", {"soc_pct": 35}),
        (f"/bookings/{booked['id']}/start", {"soc_pct": 70}),
        (f"/bookings/{booked['id']}/extend", {"end": (START + timedelta(hours=2)).isoformat()}),
        (f"/bookings/{booked['id']}/return", {"plugged_evse": None}),
        (f"/bookings/{other['id']}/cancel", None),
        ("/vehicles/car-2/state", {"at_site_id": None}),
    ):
        await house.post(path, body, 200)
        before = reads.count
        kept = await calendar_of(house, own)
        assert reads.count == before == 0, path
        reads.hushed = True
        fresh = await calendar_of(house, Desk(), kept.now)
        reads.hushed = False
        assert kept.chains == fresh.chains, path
        assert kept.cars == fresh.cars, path
    await house.vehicle("A", id="car-4")
    await check_desk(house)


async def test_a_booking_that_was_rolled_back_leaves_nothing(
    stepped_on_both: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    wish = a_trip(START + timedelta(hours=1), id="b1")
    with monkeypatch.context() as broken:
        broken.setattr("csms.booking.actions.announce", fail)
        await house.post("/bookings", wish, 500)
    await check_desk(house)
    await house.post("/bookings", wish)
    await check_desk(house)


async def test_what_another_node_writes_behind_our_clock_is_seen(
    stepped_on_both: RestHouse,
) -> None:
    """A change whose instant lies before ours is missed by its instant, not by the numbers."""
    house = stepped_on_both
    await house.fleet("car-1", "car-2")
    booked = await house.post("/bookings", a_trip(START + timedelta(hours=1)))
    await house.post("/bookings", a_trip(START + timedelta(hours=6)))
    await check_desk(house)
    async with house.db.write(house.clock, house.services.ids) as work:
        await work.session.execute(
            sa.update(Booking)
            .where(Booking.id == booked["id"])
            .values(
                status="cancelled",
                version=Booking.version + 1,
                updated_at=house.clock.now() - timedelta(seconds=5),
            )
        )
    await check_desk(house)


KINDS = ["book", "book", "book", "cancel", "extend", "start", "return", "wait", "measure"]


@pytest.mark.parametrize("seed", range(2))
async def test_any_course_of_bookings_leaves_what_a_new_desk_reads(
    stepped_on_both: RestHouse, seed: int
) -> None:
    house, random = stepped_on_both, Random(seed)
    await house.fleet(*(f"car-{n}" for n in range(4)))
    open_ids: list[str] = []
    for _ in range(16):
        what = random.choice(KINDS)
        if what == "book":
            start = house.clock.now() + timedelta(minutes=random.randint(1, 600))
            wish = a_trip(start, random.choice([0.5, 2.0]), distance_km=random.choice([5, 30]))
            answer = await house.http.post("/api/v1/bookings", json=wish)
            assert answer.status_code in {201, 409}, answer.text
            if answer.status_code == 201:
                open_ids.append(answer.json()["id"])
        elif what == "measure":
            state = {"soc_pct": random.randint(5, 100)}
            await house.post(f"/vehicles/car-{random.randrange(4)}/state", state, 200)
        elif what == "wait":
            until = house.clock.now() + timedelta(seconds=random.choice([1, 20, 90]))
            await house.post("/clock", {"advance_to": until.isoformat()}, 200)
        elif open_ids:
            name = random.choice(open_ids)
            row = await house.get(f"/bookings/{name}")
            later = (START + timedelta(hours=30)).isoformat()
            body = {"end": later} if what == "extend" else None
            answer = await house.http.post(f"/api/v1/bookings/{name}/{what}", json=body)
            assert answer.status_code in {200, 400, 409, 422}, (row, answer.text)
        await check_desk(house)
