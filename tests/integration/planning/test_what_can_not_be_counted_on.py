"""Boxes that can't be heard, and promises that are about to break: how a plan takes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from csms.booking.outlets import read_outlets
from csms.booking.queries import evses_of_site
from csms.planning.actions import publish
from csms.planning.queries import read_rows
from csms.planning.rules import Period
from csms.planning.snapshot import Snapshot, snapshot_of
from models.tables.booking import Booking
from models.tables.charging import ChargingLimit, Transaction
from models.tables.energy import Circuit
from models.tables.fleet import Vehicle
from models.tables.stations import Evse, Station
from scheduler.problem import Booking as PlannedBooking
from scheduler.rolling import Made, make_plan
from scheduler.straying import Straying
from tests.builders.small_house import NOON, SmallHouse, small_house

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
UNSURE = Straying().margin(0.99).energy_factor - 1
"""What a trip may take more than its distance says, for all that is known of these cars."""


async def seen(house: SmallHouse, at: datetime = NOON) -> Snapshot:
    async with house.db.read() as session:
        rows = await read_rows(session, tenant="default", now=at, horizon=timedelta(hours=48))
    return snapshot_of(rows, at)


async def furnished(house: SmallHouse, *, station: dict[str, Any], **car: Any) -> None:
    """Puts two EVSEs at A-1, on a circuit below another, one at A-2, and car-1 on the first."""
    kept: dict[str, Any] = {"phases": 1, "max_power_w": 3700.0, "current_type": "AC"}
    async with house.db.write(house.clock, house.ids) as work:
        work.session.add(Circuit(site_id="A", id="main", limit_w=20_000.0, unmanaged_load_w=0.0))
        await work.session.flush()
        work.session.add(
            Circuit(site_id="A", id="cars", parent="main", limit_w=9000.0, unmanaged_load_w=500.0)
        )
        await work.session.flush()
        for evse_id in (1, 2):
            work.session.add(Evse(station="A-1", evse_id=evse_id, circuit_id="cars", **kept))
        work.session.add(Evse(station="A-2", evse_id=1, circuit_id="main", **kept))
        for identity in ("A-1", "A-2"):
            row = await work.session.get(Station, identity)
            assert row is not None
            row.online, row.last_seen = True, NOON
            for name, value in station.items() if identity == "A-1" else ():
                setattr(row, name, value)
        first = await work.session.get(Vehicle, "car-1")
        assert first is not None
        first.plugged_evse = "A-1/1"
        for name, value in car.items():
            setattr(first, name, value)


def charging(power_w: float = 1380.0) -> Transaction:
    return Transaction(
        id="t-1",
        station="A-1",
        evse_id=1,
        ocpp_transaction_id="tx-a",
        started_at=NOON,
        received_at=NOON,
        updated_at=NOON,
        vehicle_id="car-1",
        power_w=power_w,
        last_reading_at=NOON,
    )


def limit(*periods: Period, valid_to: datetime = NOON + 4 * HOUR) -> ChargingLimit:
    return ChargingLimit(
        id="l-1",
        site_id="A",
        station="A-1",
        evse_id=1,
        ocpp_transaction_id="tx-a",
        purpose="transaction",
        created_at=NOON,
        valid_to=valid_to,
        periods=[each.document() for each in periods],
        state="obeyed",
    )


def circuits(snapshot: Snapshot) -> dict[str, float]:
    return {each.id: each.limit_w for each in snapshot.problem.sites[0].circuits}


async def test_a_box_that_is_there_is_planned_and_takes_nothing_off(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={})
        await house.add(charging(), limit(Period(NOON, 3700.0)))
        snapshot = await seen(house)
        assert circuits(snapshot) == {"main": 20_000.0, "cars": 8500.0}
        assert all(not evse.unavailable for evse in snapshot.problem.sites[0].evses)


async def test_a_box_that_can_not_be_heard_is_not_counted_on_for_a_while(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"online": False, "safe_limit_w": 2760.0})
        snapshot = await seen(house)
        spans = {evse.id: evse.unavailable for evse in snapshot.problem.sites[0].evses}
        assert spans == {"A-1/1": ((0, 16),), "A-1/2": ((0, 16),), "A-2/1": ()}
        # Each of its two EVSEs may give its half of the safe limit to whoever plugs in.
        assert circuits(snapshot) == {"main": 20_000.0 - 2760.0, "cars": 8500.0 - 2760.0}


@pytest.mark.parametrize(
    ("periods", "valid_to", "held_w"),
    [
        ((Period(NOON, 3000.0),), NOON + 4 * HOUR, 3000.0),
        ((Period(NOON, 0.0), Period(NOON + 30 * MINUTE, 2500.0)), NOON + 4 * HOUR, 2500.0),
        ((Period(NOON, 0.0), Period(NOON + 2 * HOUR, 2500.0)), NOON + 4 * HOUR, 1380.0),
        ((Period(NOON, 0.0),), NOON + 30 * MINUTE, 1380.0),
        ((Period(NOON, 3000.0),), NOON, 1380.0),
    ],
    ids=["now", "soon", "later", "ends soon", "has ended"],
)
async def test_what_such_a_box_holds_is_taken_off_its_circuits(
    sqlite_url: str, periods: tuple[Period, ...], valid_to: datetime, held_w: float
) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"online": False, "safe_limit_w": 2760.0})
        await house.add(charging(), limit(*periods, valid_to=valid_to))
        left = circuits(await seen(house))
        assert left == {"main": 20_000.0 - 1380.0 - held_w, "cars": 8500.0 - 1380.0 - held_w}


async def test_a_box_that_was_caught_keeps_its_full_power_for_itself(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"safe_limit_w": 2760.0})
        past = limit(Period(NOON - 48 * HOUR, 1400.0))
        past.settled_at, past.state, past.ocpp_transaction_id = NOON - 48 * HOUR, "disobeyed", "tx"
        await house.add(past)
        assert circuits(await seen(house)) == {"main": 20_000.0, "cars": 8500.0}
        await house.add(charging())
        snapshot = await seen(house)
        evses = {evse.id: evse for evse in snapshot.problem.sites[0].evses}
        assert circuits(snapshot) == {"main": 20_000.0 - 3700.0, "cars": 8500.0 - 3700.0}
        assert (evses["A-1/1"].circuit, evses["A-1/1"].unavailable) == (None, ())
        assert evses["A-1/2"].circuit == "cars"
        forgiven = await seen(house, NOON + timedelta(days=6))
        assert circuits(forgiven)["cars"] == 8500.0


async def test_a_box_that_was_caught_is_sent_another_limit_after_a_while(sqlite_url: str) -> None:
    # One that had lost a limit once was let charge all night, as if it never kept any.
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"safe_limit_w": 2760.0})
        broken = limit(Period(NOON, 0.0))
        broken.state, broken.settled_at = "disobeyed", NOON
        await house.add(charging(), broken)
        early = await seen(house, NOON + 29 * MINUTE)
        assert early.lying == {"A-1/1"}
        again = await seen(house, NOON + 30 * MINUTE)
        assert again.lying == frozenset()
        assert again.problem.vehicles[0].soc_wh < early.problem.vehicles[0].soc_wh
        # It may lose that one, too: its circuits still bear all that it can give.
        assert circuits(again)["cars"] == 8500.0 - 3700.0
        house.clock.later(minutes=(again.now - house.clock.now()) / MINUTE)
        plan = make_plan(again.problem, monotonic=lambda: 0.0)
        async with house.db.write(house.clock, house.ids) as work:
            await publish(work, again, Made(plan, "solver"), trigger="test")
        sent = [each for each in await house.rows(ChargingLimit) if each.id != "l-1"]
        assert [(each.station, each.evse_id, each.state) for each in sent] == [("A-1", 1, "queued")]


@pytest.mark.parametrize("state", ["rejected", "unknown"])
async def test_what_was_not_taken_is_not_counted_on(sqlite_url: str, state: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={})
        refused = limit(Period(NOON, 0.0))
        refused.state = state
        await house.add(charging(), refused)
        assert circuits(await seen(house))["cars"] == 8500.0 - 3700.0


async def test_what_the_next_car_may_draw_is_kept_free_where_it_matters(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"safe_limit_w": 2760.0})
        await house.add(charging())
        # A car at 3.7 kW and the safe limit of the other EVSE, 1.38 kW, are within 8.5 kW.
        assert circuits(await seen(house))["cars"] == 8500.0
        async with house.db.write(house.clock, house.ids) as work:
            circuit = await work.session.get(Circuit, ("A", "cars"))
            assert circuit is not None
            circuit.limit_w = 5500.0
        # And what the limit in the box may be above the plan's.
        assert circuits(await seen(house)) == {"main": 20_000.0, "cars": 5000.0 - 1380.0 - 50.0}


async def test_what_waits_for_a_box_that_can_not_be_heard_is_not_in_it(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"online": False, "safe_limit_w": 2760.0})
        waiting = limit(Period(NOON, 0.0))
        waiting.id, waiting.state, waiting.created_at = "l-2", "queued", NOON + MINUTE
        await house.add(charging(), limit(Period(NOON, 3000.0)), waiting)
        left = circuits(await seen(house))
        assert left["cars"] == 8500.0 - 1380.0 - 3000.0


async def test_a_stranger_on_a_box_that_was_caught_may_draw_all(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"safe_limit_w": 2760.0}, plugged_evse=None)
        past = limit(Period(NOON - 48 * HOUR, 1380.0))
        past.purpose, past.state, past.settled_at = "default", "disobeyed", NOON - HOUR
        past.created_at = NOON - 240 * HOUR
        stranger = charging()
        stranger.vehicle_id = None
        await house.add(stranger)
        assert circuits(await seen(house))["cars"] == 8500.0 - 1380.0
        await house.add(past)
        assert circuits(await seen(house))["cars"] == 8500.0 - 3700.0


async def test_without_a_safe_limit_nothing_is_kept_for_the_next_car(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={})
        async with house.db.write(house.clock, house.ids) as work:
            circuit = await work.session.get(Circuit, ("A", "cars"))
            assert circuit is not None
            circuit.limit_w = 4500.0
        await house.add(charging())
        assert circuits(await seen(house))["cars"] == 4000.0


async def test_a_box_that_never_was_there_takes_nothing_off(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"online": False, "last_seen": None})
        assert circuits(await seen(house))["cars"] == 8500.0


async def test_bookings_do_not_count_on_such_a_box_and_cars_are_sent_elsewhere(
    sqlite_url: str,
) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"online": False})
        async with house.db.read() as session:
            outlets = await read_outlets(session, tenant="default")
            assert outlets.evses["A-1/1"] is None
            assert outlets.evses["A-2/1"] is not None
            assert len(outlets.sites["A"]) == 3, "who comes later will find it back"
            assert (await evses_of_site(session, "A"))[0] == "A-2/1"


def a_booking(start: datetime, km: float, name: str = "b-1", **more: Any) -> Booking:
    return Booking(
        **{
            "id": name,
            "driver_id": "anna",
            "pickup_site_id": "A",
            "dropoff_site_id": "A",
            "start": start,
            "end": start + HOUR,
            "distance_km": km,
            "status": "confirmed",
            "vehicle_id": "car-1",
            "created_at": NOON,
            "updated_at": NOON,
            "reasons": [],
            **more,
        }
    )


async def only(house: SmallHouse, *bookings: Booking) -> tuple[PlannedBooking, float]:
    """Returns the last booking as it is planned, and the floor of car-1."""
    await house.add(*bookings)
    problem = (await seen(house)).problem
    return problem.bookings[-1], problem.vehicles[0].min_soc_wh


async def test_a_reserve_that_can_be_had_is_kept(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        booking, floor_wh = await only(house, a_booking(NOON + 2 * HOUR, 40.0))
        assert booking.reserve_km == pytest.approx(40.0 * UNSURE)
        assert floor_wh == 1600.0


async def test_a_reserve_gives_way_to_what_the_car_can_reach(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        # 4.8 kWh and 0.5 h of 3.7 kW at 90 % are 6.465 kWh, less 1.6 kWh and 33 km of 140 Wh.
        booking, floor_wh = await only(house, a_booking(NOON + HOUR / 2, 33.0))
        assert booking.vehicle == "car-1"
        assert booking.reserve_km == pytest.approx((6465 - 1600 - 33 * 140) / 140)
        assert floor_wh == 1600.0


async def test_then_the_floor_gives_way_too(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        booking, floor_wh = await only(house, a_booking(NOON + HOUR / 2, 40.0))
        assert (booking.vehicle, booking.reserve_km) == ("car-1", 0.0)
        assert floor_wh == pytest.approx(6465 - 40 * 140)


async def test_of_two_floors_of_a_car_the_lower_one_counts(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        first = a_booking(NOON + HOUR / 2, 40.0, "b-0")
        _, floor_wh = await only(house, first, a_booking(NOON + 2 * HOUR, 15.0))
        assert floor_wh == pytest.approx(6465 - 40 * 140)


async def test_a_car_charges_until_the_step_of_its_start(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        booking, _ = await only(house, a_booking(NOON + HOUR / 2 + 14 * MINUTE, 33.0))
        assert booking.reserve_km == pytest.approx((6465 - 1600 - 33 * 140) / 140)


async def test_what_nobody_can_reach_stays_as_it_is(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        booking, floor_wh = await only(house, a_booking(NOON + HOUR / 2, 55.0))
        assert (booking.vehicle, floor_wh) == (None, 1600.0)
        assert booking.reserve_km == pytest.approx(55.0 * UNSURE)


async def test_a_free_car_goes_where_the_promised_one_can_not(sqlite_url: str) -> None:
    """With as much of a reserve as it has: car-2 stands there with half of its battery."""
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        booking, floor_wh = await only(house, a_booking(NOON + HOUR / 2, 45.0))
        assert (booking.vehicle, floor_wh) == (None, 1600.0)
        assert booking.reserve_km == pytest.approx((8000 - 1600 - 45 * 140) / 140)


async def test_the_trips_before_are_reckoned_with(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=30.0)
        first = a_booking(NOON + HOUR / 2, 30.0, "b-0")
        # What the first one leaves, and an hour and a half of charging from 13:30 on.
        booking, _ = await only(house, first, a_booking(NOON + 3 * HOUR, 37.0))
        held_wh = 6465 - 30 * 140 + 1.5 * 3700 * 0.9
        assert booking.reserve_km == pytest.approx((held_wh - 1600 - 37 * 140) / 140)


async def test_a_car_on_a_box_that_can_not_be_heard_reaches_what_it_holds(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={"online": False}, soc_pct=45.0)
        booking, _ = await only(house, a_booking(NOON + 2 * HOUR, 35.0))
        assert booking.reserve_km == pytest.approx((7200 - 1600 - 35 * 140) / 140)


async def test_what_has_flowed_in_the_step_that_runs_is_not_counted_twice(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await furnished(house, station={}, soc_pct=50.0)
        await house.add(charging(3700.0))
        assert (await seen(house)).problem.vehicles[0].soc_wh == 8000.0
        later = await seen(house, NOON + 9 * MINUTE)
        assert later.problem.start == NOON
        assert later.problem.vehicles[0].soc_wh == pytest.approx(8000 - 3700 * 0.15 * 0.9)
