"""Whole days of the town against a service that has just enough sense to answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from functools import cache
from itertools import pairwise

import pytest

from simulators.driver import play
from simulators.faults import FAULTS
from simulators.scenario import load_scenario
from simulators.scorecard import Truth
from simulators.world import World
from tests.builders.small_service import SmallService


@cache
def played(
    seed: int = 1,
    days: int = 2,
    faults: tuple[str, ...] = (),
    quirks: tuple[str, ...] = (),
    again: bool = False,
) -> tuple[SmallService, Truth]:
    async def run() -> tuple[SmallService, Truth]:
        world = World(
            load_scenario("confluence"), seed=seed, days=days, faults=faults, quirks=quirks
        )
        service = SmallService(world.start)
        async with service.client() as api:
            truth = await play(world, pacer=service, api=api, connect=service.connect)
        return service, truth

    return asyncio.run(run())


def test_two_days_pass_without_a_complaint_and_in_all_three_versions():
    service, truth = played()
    assert truth.complaints == ()
    assert sorted(truth.messages) == ["1.6", "2.0.1", "2.1"]
    assert min(truth.messages.values()) > 1000
    assert sum(truth.messages.values()) == len(service.heard)


def test_every_accepted_booking_is_served_when_nothing_goes_wrong():
    _, truth = played()
    outcomes = truth.outcomes()
    assert outcomes["missed"] == 0
    assert outcomes["served"] > 120
    asked = round(2 * 2.6 * 30)
    assert sum(outcomes.values()) == asked


def test_energy_is_kept_in_every_car():
    _, truth = played()
    for car in truth.cars:
        gained_wh = sum(car.energy_wh) * car.charge_efficiency
        used_wh = sum(trip.energy_wh for trip in car.trips)
        assert car.soc_end_wh == pytest.approx(car.soc_start_wh + gained_wh - used_wh, abs=1)
        assert 0 <= car.soc_end_wh <= car.capacity_wh


def test_cars_draw_only_where_they_hang_and_no_more_than_they_can():
    _, truth = played()
    step = timedelta(minutes=truth.grid.step_minutes)
    for car in truth.cars:
        for index, energy_wh in enumerate(car.energy_wh):
            begin = truth.grid.instant(index)
            most_wh = sum(
                plug.max_power_w
                * max(timedelta(0), min(plug.to_at, begin + step) - max(plug.from_at, begin))
                / timedelta(hours=1)
                for plug in car.plugs
            )
            assert energy_wh <= most_wh + 1e-6


def test_what_sites_and_cars_say_is_the_same_energy():
    _, truth = played()
    of_cars = sum(sum(car.energy_wh) for car in truth.cars)
    of_sites = sum(sum(site.charging_power_w) for site in truth.sites) / 4
    assert of_sites == pytest.approx(of_cars)


def test_a_car_is_at_one_place_at_a_time():
    _, truth = played()
    for car in truth.cars:
        busy = [(plug.from_at, plug.to_at) for plug in car.plugs]
        busy += [(trip.start, trip.end) for trip in car.trips]
        for (_, end), (start, _) in pairwise(sorted(busy)):
            assert end <= start


def test_the_sun_can_just_cover_the_trips_of_the_demo():
    _, truth = played()
    hours = truth.grid.hours
    surplus_wh = sum(
        max(0.0, pv_w - load_w) * hours
        for site in truth.sites
        for pv_w, load_w in zip(site.pv_power_w, site.load_power_w, strict=True)
    )
    trips_wh = sum(
        trip.energy_wh / car.charge_efficiency for car in truth.cars for trip in car.trips
    )
    assert 1.0 <= trips_wh / surplus_wh <= 1.1


def test_import_always_costs_more_than_export_earns():
    _, truth = played()
    for site in truth.sites:
        pairs = zip(site.import_price_per_kwh, site.export_price_per_kwh, strict=True)
        assert all(buy > sell for buy, sell in pairs)


def test_the_same_seed_gives_the_same_calls_in_the_same_order():
    faults = ("late-return", "lost-connection")
    first, truth = played(seed=5, days=1, faults=faults)
    second, same_truth = played(seed=5, days=1, faults=faults, again=True)
    assert first.log == second.log
    assert truth == same_truth


def test_a_town_with_all_faults_and_quirks_goes_on():
    service, truth = played(seed=3, days=1, faults=tuple(FAULTS), quirks=("all",))
    assert truth.outcomes()["served"] > 40
    kinds = Counter(outage.kind for outage in truth.outages)
    assert kinds == {"dead-station": 1, "lost-connection": 3}
    outage = next(outage for outage in truth.outages if outage.kind == "dead-station")
    of_dead = [(a, p) for station, a, p in service.heard if station == outage.station]
    assert sum(1 for action, _ in of_dead if action == "BootNotification") >= 2
    stops = [p["timestamp"] for action, p in of_dead if action == "StopTransaction"]
    assert f"{outage.start:%Y-%m-%dT%H:%M}" in {str(at)[:16] for at in stops}
    said = str([payload for _, _, payload in service.heard])
    assert "vendorUptime" in said
    offline = [p for _, a, p in service.heard if a == "TransactionEvent" and p.get("offline")]
    assert offline
    assert len(set().union(*truth.quirks.values())) >= 13
    assert all("schema" not in each for each in truth.complaints)


def test_late_returns_are_late_and_forgotten_plugs_forgotten():
    _, truth = played(seed=3, days=1, faults=("forgotten-plug", "late-return"))
    ends = {booking.booking_id: booking.end for booking in truth.bookings}
    late = [
        trip
        for car in truth.cars
        for trip in car.trips
        if trip.end - ends[trip.booking_id] >= timedelta(minutes=15)
    ]
    assert len(late) >= 3
    gaps = [
        plug.from_at - trip.end
        for car in truth.cars
        for trip in car.trips
        for plug in car.plugs
        if timedelta(minutes=50) < plug.from_at - trip.end <= timedelta(hours=4)
    ]
    assert gaps
