"""Planning problems for tests: small by hand, random over all features, and one like real life."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from scheduler.overrides import Override, OverrideKind
from scheduler.problem import (
    Battery,
    Booking,
    Circuit,
    Evse,
    FlexibleLoad,
    Phase,
    Problem,
    Site,
    Vehicle,
)

START = datetime(2026, 6, 15, tzinfo=UTC)
KINDS: tuple[OverrideKind, ...] = ("charge_now", "hold", "at_most")


def evse(name: str = "A-1", **changes: object) -> Evse:
    base = Evse(name, circuit=None, max_power_w=7400.0, min_power_w=1380.0, current_type="AC")
    return replace(base, **changes)


def site(name: str = "A", *, steps: int = 16, **changes: object) -> Site:
    base = Site(
        id=name,
        import_limit_w=20_000.0,
        export_limit_w=20_000.0,
        pv_power_w=(0.0,) * steps,
        load_power_w=(0.0,) * steps,
        import_price_per_kwh=(0.3,) * steps,
        export_price_per_kwh=(0.1,) * steps,
        evses=(evse(f"{name}-1"), evse(f"{name}-2")),
    )
    return replace(base, **changes)


def vehicle(name: str = "car-1", **changes: object) -> Vehicle:
    base = Vehicle(
        id=name,
        vehicle_class="city",
        site="A",
        evse=None,
        available_from=0,
        soc_wh=8000.0,
        capacity_wh=16_000.0,
        min_soc_wh=1600.0,
        max_soc_wh=16_000.0,
        max_ac_power_w=3700.0,
        consumption_wh_per_km=140.0,
        charge_efficiency=0.9,
    )
    return replace(base, **changes)


def booking(name: str = "b-1", **changes: object) -> Booking:
    base = Booking(
        id=name,
        classes=("city",),
        pickup_site="A",
        dropoff_site="A",
        start_step=6,
        end_step=10,
        distance_km=20.0,
    )
    return replace(base, **changes)


def problem(*, steps: int = 16, **changes: object) -> Problem:
    base = Problem(
        start=START,
        step_minutes=15,
        steps=steps,
        sites=(site(steps=steps),),
        vehicles=(vehicle(),),
        bookings=(booking(),),
    )
    return replace(base, **changes)


def random_problem(seed: int | Random) -> Problem:
    """Returns a lawful problem drawn over all sizes of feature; the same seed, the same problem."""
    random = seed if isinstance(seed, Random) else Random(seed)
    steps = random.choice([4, 8, 16, 24, 48, 96])
    step_minutes = random.choice([5, 15, 15, 15, 30, 60])
    hours = step_minutes / 60
    names = ["A", "B", "C"][: random.choice([1, 1, 2, 2, 3])]
    sites = tuple(_random_site(random, name, steps, hours) for name in names)
    vehicles = _random_vehicles(random, sites, steps)
    bookings = tuple(
        _random_booking(random, number, names, vehicles, steps)
        for number in range(random.choice([0, 1, 3, 6, 12, 24]))
    )
    return Problem(
        start=START,
        step_minutes=step_minutes,
        steps=steps,
        sites=sites,
        vehicles=vehicles,
        bookings=bookings,
        terminal_value_per_kwh=random.choice([0.0, 0.0, 0.1, 0.25, -0.05]),
        turnaround_steps=random.choice([0, 0, 0, 1, 2]),
    )


def _random_site(random: Random, name: str, steps: int, hours: float) -> Site:
    circuits: list[Circuit] = []
    for number in range(random.choice([0, 0, 1, 2, 3])):
        parent = random.choice([None, *(circuit.id for circuit in circuits)])
        limit_w = random.choice([0.0, 3000.0, 7400.0, 15_000.0, 40_000.0])
        circuits.append(Circuit(f"{name}-circuit-{number}", parent, limit_w))
    evses = tuple(
        _random_evse(random, f"{name}-{number}", circuits, steps)
        for number in range(random.choice([1, 2, 3, 5, 6]))
    )
    peak_w = random.choice([0.0, 3000.0, 12_000.0, 30_000.0])
    phase = random.random() * steps
    sun = [max(0.0, math.sin((step - phase) * hours / 24 * 2 * math.pi)) for step in range(steps)]
    load_w = random.choice([0.0, 500.0, 4000.0, 12_000.0])
    base = random.choice([0.1, 0.3, -0.05])
    import_price = [round(base + random.uniform(-0.1, 0.2), 4) for _ in range(steps)]
    spread = random.choice([0.0, 0.05, 0.2])
    return Site(
        id=name,
        import_limit_w=random.choice([0.0, 4000.0, 10_000.0, 30_000.0, 90_000.0]),
        export_limit_w=random.choice([0.0, 2000.0, 90_000.0]),
        pv_power_w=tuple(round(peak_w * s * random.uniform(0.3, 1), 1) for s in sun),
        load_power_w=tuple(round(load_w * random.uniform(0.5, 1.5), 1) for _ in range(steps)),
        import_price_per_kwh=tuple(import_price),
        export_price_per_kwh=tuple(round(price - spread, 4) for price in import_price),
        evses=evses,
        import_co2_g_per_kwh=random.choice([None, tuple(300.0 for _ in range(steps))]),
        battery=_random_battery(random) if random.random() < 0.3 else None,
        circuits=tuple(circuits),
    )


def _random_battery(random: Random) -> Battery:
    capacity_wh = random.choice([0.0, 5000.0, 20_000.0])
    return Battery(
        capacity_wh=capacity_wh,
        soc_wh=round(capacity_wh * random.random(), 1),
        min_soc_wh=capacity_wh * random.choice([0.0, 0.1, 0.5]),
        max_charge_w=random.choice([0.0, 3000.0, 10_000.0]),
        max_discharge_w=random.choice([0.0, 3000.0, 10_000.0]),
        efficiency=random.choice([0.9, 0.95, 1.0]),
    )


def _random_evse(random: Random, name: str, circuits: list[Circuit], steps: int) -> Evse:
    fast = random.random() < 0.2
    unavailable: tuple[tuple[int, int], ...] = ()
    if random.random() < 0.2:
        start = random.randrange(steps)
        unavailable = ((start, start + random.randint(1, 8)),)
    return Evse(
        id=name,
        circuit=random.choice(circuits).id if circuits and random.random() < 0.8 else None,
        max_power_w=random.choice([22_000.0, 50_000.0] if fast else [3700.0, 7400.0, 11_000.0]),
        min_power_w=random.choice([0.0, 3000.0] if fast else [1380.0, 1380.0, 4140.0]),
        current_type="DC" if fast else "AC",
        bidirectional=random.random() < 0.25,
        unavailable=unavailable,
    )


def _random_vehicles(random: Random, sites: tuple[Site, ...], steps: int) -> tuple[Vehicle, ...]:
    free = {place.id: [spot.id for spot in place.evses] for place in sites}
    vehicles: list[Vehicle] = []
    for number in range(random.randint(1, 12)):
        place = random.choice(sites).id
        spots = free[place]
        available_from = random.choice([0, 0, 0, 0, random.randrange(steps), steps, steps + 5])
        spot = spots.pop(random.randrange(len(spots))) if spots and random.random() < 0.6 else None
        capacity_wh = random.choice([14_500.0, 16_000.0, 40_000.0])
        min_soc_wh = capacity_wh * random.choice([0.0, 0.1, 0.2])
        max_soc_wh = capacity_wh * random.choice([0.8, 1.0, 1.0])
        gives = random.random() < 0.25
        vehicles.append(
            Vehicle(
                id=f"car-{number}",
                vehicle_class=random.choice(["city", "city", "van"]),
                site=place,
                evse=spot,
                available_from=available_from,
                soc_wh=round(capacity_wh * random.choice([0.02, 0.3, 0.5, 0.7, 0.95, 1.0]), 1),
                capacity_wh=capacity_wh,
                min_soc_wh=min_soc_wh,
                max_soc_wh=max_soc_wh,
                max_ac_power_w=random.choice([3700.0, 7400.0, 11_000.0]),
                max_dc_power_w=random.choice([0.0, 22_000.0, 45_000.0]),
                consumption_wh_per_km=random.choice([120.0, 140.0, 180.0]),
                charge_efficiency=random.choice([0.85, 0.9, 1.0]),
                max_discharge_w=random.choice([3000.0, 7400.0]) if gives else 0.0,
            )
        )
    return tuple(vehicles)


def _random_booking(
    random: Random, number: int, sites: list[str], vehicles: tuple[Vehicle, ...], steps: int
) -> Booking:
    start = random.randrange(steps)
    pickup = random.choice(sites)
    classes = random.choice([("city",), ("city",), ("van",), ("city", "van"), ("truck",)])
    return Booking(
        id=f"b-{number}",
        classes=classes,
        pickup_site=pickup,
        dropoff_site=random.choice(sites) if random.random() < 0.3 else pickup,
        start_step=start,
        end_step=start + random.randint(1, max(2, steps // 3)),
        distance_km=round(random.choice([2.0, 10.0, 25.0, 60.0, 400.0]) * random.random(), 1),
        reserve_km=random.choice([0.0, 0.0, 5.0, 10.0]),
        vehicle=random.choice(vehicles).id if random.random() < 0.1 else None,
        priority=random.choice([1, 1, 1, 2, 5]),
    )


def with_taper(case: Problem, seed: int) -> Problem:
    """Returns the problem with half of its cars taking less power the fuller they are."""
    random = Random(seed)
    cars = [
        replace(car, taper=_random_taper(random, car)) if random.random() < 0.5 else car
        for car in case.vehicles
    ]
    return replace(case, vehicles=tuple(cars))


def _random_taper(random: Random, car: Vehicle) -> tuple[tuple[float, float], ...]:
    knee = random.choice([0.2, 0.5, 0.8])
    level_w = random.choice([3000.0, 7400.0, 30_000.0])
    last_w = level_w * random.choice([0.0, 0.1, 0.5])
    middle_w = last_w + (level_w - last_w) * random.uniform(0.5, 1.0)
    top_wh = car.capacity_wh * random.choice([1.0, 1.2])
    knee_wh = knee * top_wh
    middle = ((knee_wh + top_wh) / 2, middle_w)
    points = [(knee_wh, level_w), middle, (top_wh, last_w)]
    if random.random() < 0.5:
        del points[1]
    return tuple(points)


def with_overrides(case: Problem, seed: int) -> Problem:
    """Returns the problem with overrides of half of its cars, some of two one after the other."""
    random = Random(seed)
    cars = [
        replace(car, overrides=_random_overrides(random, case.steps))
        if random.random() < 0.5
        else car
        for car in case.vehicles
    ]
    return replace(case, vehicles=tuple(cars))


def _random_overrides(random: Random, steps: int) -> tuple[Override, ...]:
    found: list[Override] = []
    start = random.choice([0, 0, random.randrange(steps)])
    for _ in range(random.choice([1, 1, 2])):
        end = start + random.randint(1, steps)
        kind = random.choice(KINDS)
        power_w = random.choice([0.0, 1000.0, 2500.0, 5000.0]) if kind == "at_most" else None
        found.append(Override(start, end, kind, power_w))
        start = end + random.choice([0, 1])
    return tuple(found)


def with_peaks(case: Problem, seed: int) -> Problem:
    """Returns the problem with sites that pay for the peak of their import."""
    random = Random(seed)
    places = [
        replace(
            place,
            peak_price_per_kw=random.choice([0.1, 2.0, 15.0]),
            peak_so_far_w=random.choice([0.0, 2000.0, 6000.0, 20_000.0]),
        )
        for place in case.sites
    ]
    return replace(case, sites=tuple(places))


def with_flexible_loads(case: Problem, seed: int) -> Problem:
    """Returns the problem with heat pumps and boilers, each lawful by itself."""
    random = Random(seed)
    places = [
        replace(
            place,
            flexible_loads=tuple(
                _random_load(random, f"{place.id}-load-{n}", case)
                for n in range(random.choice([0, 1, 1, 2]))
            ),
        )
        for place in case.sites
    ]
    return replace(case, sites=tuple(places))


def _random_load(random: Random, name: str, case: Problem) -> FlexibleLoad:
    max_power_w = random.choice([0.0, 1000.0, 3000.0, 9000.0])
    store_wh = random.choice([0.0, 2000.0, 10_000.0])
    held_wh = stored_wh = round(store_wh * random.choice([0.0, 0.5, 1.0]), 1)
    loss_w = random.choice([0.0, 50.0]) if max_power_w else 0.0
    demand_w: list[float] = []
    for _ in range(case.steps):
        # Never more than full power and the store can give.
        most_w = max(held_wh / case.hours + max_power_w - loss_w, 0.0)
        demand_w.append(most_w * random.choice([0.0, 0.1, 0.5, 0.9]))
        held_wh -= (demand_w[-1] + loss_w) * case.hours
        held_wh = min(store_wh, held_wh + max_power_w * case.hours)
    return FlexibleLoad(name, max_power_w, store_wh, stored_wh, tuple(demand_w), loss_w)


PHASES: tuple[tuple[Phase, ...], ...] = (
    ("L1",),
    ("L2",),
    ("L3",),
    ("L1", "L2"),
    ("L1", "L2", "L3"),
    ("L2", "L3", "L1"),
    ("L3", "L1", "L2"),
)


def with_phases(case: Problem, seed: int) -> Problem:
    """Returns the problem with phases of EVSEs and cars, limits on them, and loads on circuits."""
    random = Random(seed)
    cars = [replace(car, ac_phases=random.choice([1, 1, 2, 3, 3])) for car in case.vehicles]
    places = tuple(_with_phases(random, place) for place in case.sites)
    return replace(case, sites=places, vehicles=tuple(cars))


def _with_phases(random: Random, place: Site) -> Site:
    evses = tuple(
        replace(spot, phases=PHASES[4] if spot.current_type == "DC" else random.choice(PHASES))
        for spot in place.evses
    )
    circuits = tuple(
        replace(
            circuit,
            phase_limits_w=_phase_limits(random),
            load_w=tuple(
                tuple(random.choice([0.0, 500.0, 3000.0, -1000.0]) for _ in place.pv_power_w)
                for _ in range(random.choice([0, 0, 1, 3]))
            ),
        )
        for circuit in place.circuits
    )
    return replace(place, evses=evses, circuits=circuits, phase_limits_w=_phase_limits(random))


def _phase_limits(random: Random) -> tuple[float, float, float] | None:
    if random.random() < 0.4:
        return None
    limit_w = random.choice([0.0, 1500.0, 3700.0, 7400.0, 30_000.0])
    return limit_w, limit_w, limit_w * random.choice([1.0, 0.5])


def confluence_like(seed: int, *, cars: int = 30, sites: int = 6, steps: int = 192) -> Problem:
    """Returns a fleet of small cars in a solar district, at 15-minute steps.

    About 2.5 trips per car and day, 15 % of them one-way; roofs sized so that a clear day's sun
    covers the trips; one AC EVSE for each car and a fast one at every second site.
    """
    random = Random(seed)
    names = [f"S{number}" for number in range(sites)]
    homes = [names[number % sites] for number in range(cars)]
    vehicles = tuple(
        _small_car(random, number, home, homes[:number].count(home) + 1)
        for number, home in enumerate(homes)
    )
    places = tuple(
        _solar_site(random, name, homes.count(name), steps, fast=number % 2 == 0)
        for number, name in enumerate(names)
    )
    bookings = _day_trips(random, names, cars, steps)
    return Problem(
        start=START,
        step_minutes=15,
        steps=steps,
        sites=places,
        vehicles=vehicles,
        bookings=bookings,
        terminal_value_per_kwh=0.1,
        turnaround_steps=2,
    )


def _small_car(random: Random, number: int, home: str, spot: int) -> Vehicle:
    capacity_wh = random.choice([14_500.0, 16_000.0])
    return Vehicle(
        id=f"car-{number + 1}",
        vehicle_class="city",
        site=home,
        evse=f"{home}-{spot}",
        available_from=0,
        soc_wh=round(capacity_wh * random.uniform(0.4, 0.6), 1),
        capacity_wh=capacity_wh,
        min_soc_wh=capacity_wh * 0.1,
        max_soc_wh=capacity_wh,
        max_ac_power_w=3700.0,
        max_dc_power_w=45_000.0 if random.random() < 0.5 else 0.0,
        consumption_wh_per_km=140.0,
        charge_efficiency=0.9,
    )


def _solar_site(random: Random, name: str, cars: int, steps: int, *, fast: bool) -> Site:
    circuit = Circuit(f"{name}-main", None, 3700.0 * max(1, cars) * 0.8 + (50_000.0 if fast else 0))
    evses = [
        Evse(f"{name}-{number + 1}", circuit.id, 3700.0, 1380.0, "AC") for number in range(cars)
    ]
    if fast:
        evses.append(Evse(f"{name}-fast", circuit.id, 50_000.0, 3000.0, "DC"))
    day_clearness = [random.uniform(0.7, 1.0) for _ in range(steps // 96 + 1)]
    pv_w: list[float] = []
    load_w: list[float] = []
    buy: list[float] = []
    for step in range(steps):
        hour = step % 96 / 4
        sun = max(0.0, math.sin((hour - 5) / 16 * math.pi)) if 5 <= hour <= 21 else 0.0
        cloud = day_clearness[step // 96] * random.uniform(0.85, 1.0)
        pv_w.append(round(1300.0 * cars * sun * cloud, 1))
        load_w.append(round(cars * 60.0 * (1 + 0.5 * math.sin((hour - 9) / 12 * math.pi)), 1))
        buy.append(0.25 if 7 <= hour < 23 else 0.16)
    return Site(
        id=name,
        import_limit_w=60_000.0,
        export_limit_w=60_000.0,
        pv_power_w=tuple(pv_w),
        load_power_w=tuple(load_w),
        import_price_per_kwh=tuple(buy),
        export_price_per_kwh=(0.06,) * steps,
        evses=tuple(evses),
        import_co2_g_per_kwh=(60.0,) * steps,
        circuits=(circuit,),
    )


def _day_trips(random: Random, names: list[str], cars: int, steps: int) -> tuple[Booking, ...]:
    trips: list[Booking] = []
    for number in range(round(2.5 * cars * steps / 96)):
        day = random.randrange(max(1, steps // 96))
        hour = random.choice([random.gauss(8.5, 1.5), random.gauss(17, 2), random.uniform(7, 22)])
        start = min(steps - 1, day * 96 + round(4 * min(max(hour, 5.5), 23.0)))
        pickup = random.choice(names)
        one_way = len(names) > 1 and random.random() < 0.15
        trips.append(
            Booking(
                id=f"b-{number + 1}",
                classes=("city",),
                pickup_site=pickup,
                dropoff_site=random.choice(names) if one_way else pickup,
                start_step=start,
                end_step=start + min(32, 3 + int(random.expovariate(1 / 6))),
                distance_km=round(min(70.0, max(3.0, random.lognormvariate(3.05, 0.55))), 1),
                reserve_km=5.0,
            )
        )
    return tuple(trips)
