"""The baselines of a report: small records worked out by hand, and drawn ones compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from scheduler.baselines import (
    CarRecord,
    EnergyByCar,
    Figures,
    PlugRecord,
    Record,
    SiteRecord,
    TripRecord,
    compare,
    measured,
    perfect_foresight,
    pv_maximum,
    surplus,
    uncontrolled,
)

START = datetime(2026, 6, 15, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def site(pv_w: list[float], name: str = "A", **changed: Any) -> SiteRecord:
    steps = len(pv_w)
    fields: dict[str, Any] = {
        "id": name,
        "pv_power_w": tuple(pv_w),
        "load_power_w": (0.0,) * steps,
        "import_price_per_kwh": (0.2,) * steps,
        "export_price_per_kwh": (0.05,) * steps,
        "import_limit_w": 50_000.0,
        "export_limit_w": 50_000.0,
    }
    return SiteRecord(**(fields | changed))


def plug(from_h: float, to_h: float, site_id: str = "A", **changed: Any) -> PlugRecord:
    fields: dict[str, Any] = {
        "site_id": site_id,
        "evse_id": "A-1",
        "from_at": at(from_h),
        "to_at": at(to_h),
        "max_power_w": 4000.0,
        "min_power_w": 1400.0,
    }
    return PlugRecord(**(fields | changed))


def trip(start_h: float, end_h: float, energy_wh: float) -> TripRecord:
    return TripRecord(f"b-{start_h}", at(start_h), at(end_h), energy_wh)


def car(plugs: list[PlugRecord], trips: list[TripRecord], **changed: Any) -> CarRecord:
    fields: dict[str, Any] = {
        "id": "car",
        "capacity_wh": 16_000.0,
        "min_soc_wh": 1_600.0,
        "max_soc_wh": 16_000.0,
        "soc_start_wh": 8_000.0,
        "charge_efficiency": 1.0,
        "plugs": tuple(plugs),
        "trips": tuple(trips),
    }
    return CarRecord(**(fields | changed))


def hourly(sites: list[SiteRecord], cars: list[CarRecord], value: float = 0.0) -> Record:
    steps = len(sites[0].pv_power_w)
    return Record(START, 60, steps, tuple(sites), tuple(cars), value)


def test_uncontrolled_charges_at_once_and_stops_when_full() -> None:
    figures = uncontrolled(hourly([site([0.0] * 4)], [car([plug(0, 4)], [])]))
    assert figures.charging_w == {"A": (4000.0, 4000.0, 0.0, 0.0)}
    assert figures.energy_cost == pytest.approx(8 * 0.2)
    assert figures.energy_to_cars_wh == 8000.0
    assert figures.peak_import_w == 4000.0
    assert figures.pv_to_cars_utilisation is None
    assert figures.pv_utilisation is None


def test_energy_left_in_the_battery_is_paid_for() -> None:
    record = hourly([site([0.0] * 4)], [car([plug(0, 4)], [])], value=0.1)
    assert uncontrolled(record).energy_cost == pytest.approx(8 * 0.2 - 8 * 0.1)
    assert perfect_foresight(record).energy_cost == pytest.approx(0.0)


def test_a_plug_gives_its_part_of_a_step_only() -> None:
    empty = car([plug(0.5, 1.25)], [], soc_start_wh=1_600.0)
    figures = uncontrolled(hourly([site([0.0] * 3)], [empty]))
    assert figures.charging_w["A"] == (2000.0, 1000.0, 0.0)


def test_cars_share_the_import_limit_and_the_building_comes_first() -> None:
    tight = site([1000.0] * 2, load_power_w=(2000.0,) * 2, import_limit_w=5000.0)
    cars = [car([plug(0, 2)], []), car([plug(0, 2)], [], id="other")]
    figures = uncontrolled(hourly([tight], cars))
    assert figures.charging_w["A"] == pytest.approx((4000.0, 4000.0))
    assert figures.peak_import_w == pytest.approx(5000.0)


def test_surplus_waits_for_sun_of_at_least_its_least_power() -> None:
    sun = site([0.0, 1000.0, 3000.0, 9000.0])
    figures = surplus(hourly([sun], [car([plug(0, 4)], [])]))
    assert figures.charging_w["A"] == (0.0, 0.0, 3000.0, 4000.0)
    assert figures.pv_to_cars_utilisation == pytest.approx(7 / 13)


def test_surplus_charges_an_almost_empty_car_at_once() -> None:
    empty = car([plug(0, 4)], [], soc_start_wh=2_000.0)
    figures = surplus(hourly([site([0.0] * 4)], [empty]))
    assert figures.charging_w["A"] == pytest.approx((2800.0, 0.0, 0.0, 0.0))


def test_surplus_starts_at_the_latest_moment_for_the_next_trip() -> None:
    needs_12_kwh = car([plug(0, 4)], [trip(4, 5, 12_400.0)])
    figures = surplus(hourly([site([0.0] * 6)], [needs_12_kwh]))
    assert figures.charging_w["A"] == pytest.approx((0.0, 0.0, 2000.0, 4000.0, 0.0, 0.0))
    assert figures.bookings_missed == 0


def test_surplus_gives_the_sun_to_the_emptiest_car() -> None:
    cars = [car([plug(0, 1)], [], soc_start_wh=9_000.0), car([plug(0, 1, "A")], [], id="emptier")]
    record = hourly([site([4500.0])], cars)
    assert surplus(record).energy_to_cars_wh == 4000.0
    enough = hourly([site([5600.0])], cars)
    assert surplus(enough).energy_to_cars_wh == 5600.0


def test_a_trip_too_far_is_missed_but_takes_its_energy_on_credit() -> None:
    far = car([plug(0, 1), plug(3, 4)], [trip(1, 3, 13_000.0)])
    figures = uncontrolled(hourly([site([0.0] * 4)], [far], value=0.2))
    assert figures.bookings_missed == 1
    # 8 kWh bought, 13 kWh driven: the 5 kWh less in the battery are worth 1 EUR.
    assert figures.energy_cost == pytest.approx(8 * 0.2 + 5 * 0.2)


def test_perfect_foresight_takes_the_cheapest_hours_that_keep_the_trip() -> None:
    priced = site([0.0] * 4, import_price_per_kwh=(0.3, 0.1, 0.2, 0.01))
    needs_5_kwh = car([plug(0, 3)], [trip(3, 4, 11_400.0)])
    figures = perfect_foresight(hourly([priced], [needs_5_kwh]))
    assert figures.charging_w["A"] == pytest.approx((0.0, 4000.0, 1000.0, 0.0))
    assert figures.energy_cost == pytest.approx(0.1 * 4 + 0.2 * 1)


def test_negative_prices_are_taken_and_exports_at_a_loss_curtailed() -> None:
    paid = site([2000.0] * 2, import_price_per_kwh=(-0.1, 0.2), export_price_per_kwh=(-0.2, -0.2))
    record = hourly([paid], [car([plug(0, 2)], [])])
    figures = perfect_foresight(record)
    # Without cars all PV is curtailed and costs nothing; with them the first hour pays 0.1 a kWh.
    assert figures.energy_cost == pytest.approx(-0.4)
    assert figures.charging_w["A"][0] == pytest.approx(4000.0)
    assert uncontrolled(record).energy_cost == pytest.approx(-0.4 + 0.2 * 2)


def test_pv_maximum_takes_all_sun_there_is_room_for() -> None:
    record = hourly([site([0.0, 3000.0, 6000.0])], [car([plug(0, 3)], [])])
    figures = pv_maximum(record)
    assert figures.charging_w["A"] == pytest.approx((0.0, 3000.0, 4000.0))
    assert figures.pv_to_cars_utilisation == pytest.approx(7 / 9)
    assert figures.energy_cost == pytest.approx(7 * 0.05)


def test_building_load_uses_the_sun_first() -> None:
    home = site([4000.0] * 2, load_power_w=(3000.0, 5000.0))
    figures = measured(hourly([home], [car([plug(0, 2)], [])]), {"car": (2000.0, 0.0)})
    assert figures.pv_to_cars_utilisation == 1.0
    assert figures.pv_utilisation == 1.0
    assert figures.energy_cost == pytest.approx(0.2 * 1 + 0.05 * 1)


def test_sites_are_billed_apart_and_the_peak_is_of_any_one() -> None:
    sites = [site([4000.0] * 2), site([0.0] * 2, name="B", import_price_per_kwh=(0.5, 0.3))]
    cars = [car([plug(0, 2)], []), car([plug(0, 2, "B")], [], id="b")]
    figures = measured(hourly(sites, cars), {"car": (3000.0, 3000.0), "b": (1000.0, 2000.0)})
    assert figures.energy_cost == pytest.approx(6 * 0.05 + 0.5 * 1 + 0.3 * 2)
    assert figures.peak_import_w == 2000.0
    assert figures.pv_to_cars_utilisation == pytest.approx(6 / 8)
    assert figures.charging_w == {"A": (3000.0, 3000.0), "B": (1000.0, 2000.0)}


def test_carbon_counts_imports_and_none_where_it_is_not_known() -> None:
    dirty = site([1000.0] * 2, co2_g_per_kwh=(100.0, 500.0))
    energy = {"car": (3000.0, 0.0)}
    assert measured(hourly([dirty], [car([plug(0, 2)], [])]), energy).co2_g == pytest.approx(200.0)
    assert measured(hourly([site([0.0] * 2)], [car([plug(0, 2)], [])]), energy).co2_g == 0.0


def test_reality_below_the_minimum_above_the_limit_and_off_the_plug_stays_possible() -> None:
    broken = site([0.0] * 4, import_limit_w=1000.0)
    strayed = car([plug(0.0, 1)], [trip(2, 3, 8_500.0)])
    record = hourly([broken], [strayed])
    energy: EnergyByCar = {"car": (0.0, 2000.0, 0.0, 0.0)}
    real = measured(record, energy)
    assert real.peak_import_w == 2000.0
    assert perfect_foresight(record, energy).energy_cost <= real.energy_cost + 1e-9
    # Without reality as a witness the same trip needs the car's minimum, as far as it can be had.
    assert perfect_foresight(record).energy_to_cars_wh == pytest.approx(1000.0)


def test_the_worlds_own_count_of_missed_bookings_wins() -> None:
    record = hourly([site([0.0])], [car([plug(0, 1)], [])])
    assert measured(record, {}, bookings_missed=3).bookings_missed == 3


def test_energy_of_a_car_that_never_was_plugged_in_is_refused() -> None:
    with pytest.raises(ValueError, match="never plugged"):
        measured(hourly([site([0.0])], [car([], [])]), {"car": (5.0,)})


def test_a_record_without_plugs_or_cars_has_figures() -> None:
    idle = hourly([site([1000.0] * 3)], [car([], [trip(1, 2, 1000.0)])])
    for figures in compare(idle, {}).values():
        assert figures.energy_cost == 0.0
        assert figures.pv_to_cars_utilisation == 0.0
    assert compare(hourly([site([1000.0])], []), {})["surplus"].energy_to_cars_wh == 0.0


def drawn(seed: int) -> tuple[Record, EnergyByCar]:
    """Returns two days of a small fleet, and a wild but possible way of charging it."""
    random = Random(seed)
    steps = 192
    sites = [
        site(
            [
                max(0.0, 9000.0 * (1 - abs(s % 96 - 48) / 24)) * random.random()
                for s in range(steps)
            ],
            name=name,
            load_power_w=tuple(500.0 + 1500.0 * random.random() for _ in range(steps)),
            import_price_per_kwh=tuple(0.1 + 0.2 * random.random() for _ in range(steps)),
            export_price_per_kwh=tuple(-0.05 + 0.1 * random.random() for _ in range(steps)),
            import_limit_w=random.choice([6_000.0, 30_000.0]),
            export_limit_w=random.choice([0.0, 30_000.0]),
        )
        for name in ("A", "B")
    ]
    cars = [_drawn_car(random, number) for number in range(6)]
    record = Record(START, 15, steps, tuple(sites), tuple(cars), 0.12)
    energy: dict[str, list[float]] = {}
    limit_w = {one.id: [one.import_limit_w] * steps for one in sites}
    for one in cars:
        taken = [0.0] * steps
        events = sorted([(p.from_at, 0, p) for p in one.plugs], key=lambda event: event[0])
        trips = list(one.trips)
        stored = one.soc_start_wh
        for from_at, _, held in events:
            while trips and trips[0].start <= from_at:
                stored -= trips.pop(0).energy_wh
            first = round((from_at - START).total_seconds() / 900)
            for step in range(first, round((held.to_at - START).total_seconds() / 900)):
                place = 0 if held.site_id == "A" else 1
                free_w = limit_w[held.site_id][step] - sites[place].load_power_w[step]
                room = (one.max_soc_wh - stored) / one.charge_efficiency
                wh = max(0.0, min(random.choice([0, 1]) * held.max_power_w, free_w) / 4)
                wh = min(wh, max(0.0, room))
                limit_w[held.site_id][step] -= wh * 4
                stored += wh * one.charge_efficiency
                taken[step] += wh
        energy[one.id] = taken
    return record, energy


def _drawn_car(random: Random, number: int) -> CarRecord:
    plugs: list[PlugRecord] = []
    trips: list[TripRecord] = []
    hour = 0.0
    while hour < 44:
        until = hour + random.randrange(4, 40) / 4
        where = random.choice(["A", "B"])
        plugs.append(plug(hour, min(48.0, until), where, max_power_w=3700.0))
        back = until + random.randrange(2, 16) / 4
        if until < 48:
            trips.append(trip(until, back, random.uniform(500.0, 6_000.0)))
        hour = back
    return car(plugs, trips, id=f"car-{number}", charge_efficiency=0.9)


@pytest.mark.parametrize("seed", range(12))
def test_no_way_of_charging_beats_the_relaxations_at_their_own_figure(seed: int) -> None:
    record, energy = drawn(seed)
    figures = compare(record, energy)
    real, best, sunniest = (figures[n] for n in ("plan", "perfect_foresight", "pv_maximum"))
    assert best.energy_cost <= real.energy_cost + 1e-6
    assert share(sunniest) >= share(real) - 1e-6
    assert share(sunniest) >= share(best) - 1e-6
    assert sunniest.energy_cost >= best.energy_cost - 1e-6
    # Where reality keeps every minimum, so do the programs, and rules can't beat them either.
    if real.bookings_missed == 0:
        assert best.bookings_missed == sunniest.bookings_missed == 0
    alone = replace(figures["uncontrolled"], charging_w={})
    assert perfect_foresight(record).energy_cost <= alone.energy_cost + 1e-6
    for name in ("uncontrolled", "surplus"):
        for limit, one in zip((s.import_limit_w for s in record.sites), record.sites, strict=True):
            for step, power_w in enumerate(figures[name].charging_w[one.id]):
                net_w = power_w + one.load_power_w[step] - one.pv_power_w[step]
                assert net_w <= limit + 1e-6


def share(figures: Figures) -> float:
    assert figures.pv_to_cars_utilisation is not None
    return figures.pv_to_cars_utilisation
