"""Small random planning problems in whole grains of energy, for the exact oracle.

A grain is what 100 W bring in one step at the grid side; what a car stores of it is a grain of that
car. All powers, batteries and trips are whole numbers of grains, so that a model in whole numbers
(`tests.builders.exact`) rounds nothing off.
"""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from scheduler.problem import Battery, Booking, Circuit, Evse, Problem, Site, Vehicle
from tests.builders.problems import START

GRAIN_W = 100


def grained_problem(seed: int) -> Problem:
    """Returns a problem of 1 to 6 cars, up to 8 bookings, 1 or 2 sites and 12 to 24 steps."""
    random = Random(f"grains {seed}")
    steps = random.choice([12, 16, 20, 24])
    step_minutes = random.choice([15, 30])
    names = ["A", "B"][: random.choice([1, 1, 2])]
    cars = random.randint(1, 6)
    sites = tuple(_site(random, name, steps, cars, len(names)) for name in names)
    vehicles = _vehicles(random, sites, cars, steps, step_minutes / 60)
    bookings = tuple(
        _booking(random, number, names, vehicles, steps) for number in range(random.randint(1, 8))
    )
    return Problem(
        start=START,
        step_minutes=step_minutes,
        steps=steps,
        sites=sites,
        vehicles=vehicles,
        bookings=bookings,
        terminal_value_per_kwh=random.choice([0.0, 0.1, 0.1, 0.2, 0.3]),
        turnaround_steps=random.choice([0, 0, 1, 2]),
    )


def grained_visits(seed: int) -> Problem:
    """Returns a problem of 1 to 3 cars at a site with a fast charger and staff to move them."""
    random = Random(f"visits {seed}")
    whole = grained_problem(seed)
    steps = whole.steps
    evses = tuple(
        Evse(f"A-{n}", None, random.choice([2300.0, 3700.0]), 0.0, "AC")
        for n in range(random.choice([1, 2, 2, 3]))
    )
    fast = Evse("A-fast", None, random.choice([11_000.0, 22_000.0]), 0.0, "DC")
    begin = random.randrange(steps // 2)
    cheap = random.randrange(2, steps - 3)
    dear = random.choice([0.2, 0.4])
    site = replace(
        whole.sites[0],
        import_limit_w=40_000.0,
        circuits=(),
        battery=None,
        evses=(*evses, fast),
        import_price_per_kwh=tuple(
            0.05 if cheap <= step < cheap + 3 else dear for step in range(steps)
        ),
        export_price_per_kwh=(0.02,) * steps,
        move_price=random.choice([0.0, 0.05, 0.2, 1.0]),
        move_windows=((begin, random.randint(begin + 2, steps)),),
    )
    places = [each.id for each in evses]
    random.shuffle(places)
    cars = tuple(
        replace(
            car,
            site="A",
            evse=places.pop() if places and random.random() < 0.8 else None,
            available_from=0,
            max_dc_power_w=random.choice([0.0, 11_000.0, 22_000.0, 22_000.0]),
            max_ac_power_w=3700.0,
            max_discharge_w=0.0,
            may_be_moved=random.random() < 0.9,
        )
        for car in whole.vehicles[:3]
    )
    names = {car.id for car in cars}
    trips = tuple(
        replace(
            trip,
            pickup_site="A",
            dropoff_site="A",
            distance_km=2 * trip.distance_km,
            vehicle=trip.vehicle if trip.vehicle in names else None,
        )
        for trip in whole.bookings[:4]
    )
    return replace(whole, sites=(site,), vehicles=cars, bookings=trips)


def _whole(random: Random, low_w: float, high_w: float) -> float:
    return float(GRAIN_W * round(random.uniform(low_w, high_w) / GRAIN_W))


def _site(random: Random, name: str, steps: int, cars: int, sites: int) -> Site:
    circuits: list[Circuit] = []
    for number in range(random.choice([0, 0, 1, 2])):
        parent = random.choice([None, *(circuit.id for circuit in circuits)])
        limit_w = random.choice([1500.0, 3700.0, 5000.0, 9000.0])
        circuits.append(Circuit(f"{name}-circuit-{number}", parent, limit_w))
    many = max(1, random.choice([cars, cars // 2, cars // sites, 1]))
    evses = tuple(_evse(random, f"{name}-{n}", circuits, steps) for n in range(many))
    peak_w = random.choice([0.0, 3000.0, 8000.0])
    noon = random.uniform(0.3, 0.9) * steps
    sun = [max(0.0, math.cos((step - noon) / steps * 2.5)) for step in range(steps)]
    load_w = random.choice([0.0, 500.0, 3000.0])
    base = random.choice([0.15, 0.25, 0.25, 0.02])
    day, night = base + random.choice([0.0, 0.08, 0.2]), base
    turn = random.randrange(steps)
    wobble = random.choice([0.0, 0.0, 0.05])
    buy = [
        round((day if step >= turn else night) + random.uniform(-wobble, wobble), 4)
        for step in range(steps)
    ]
    spread = random.choice([0.0, 0.03, 0.1, 0.15])
    battery = None
    if random.random() < 0.15:
        battery = Battery(4000.0, 2000.0, 400.0, 2000.0, 2000.0, 1.0)
    return Site(
        id=name,
        import_limit_w=random.choice([2500.0, 5000.0, 9000.0, 40_000.0, 40_000.0]),
        export_limit_w=random.choice([0.0, 2000.0, 40_000.0, 40_000.0]),
        pv_power_w=tuple(_whole(random, 0.4 * peak_w * s, peak_w * s) for s in sun),
        load_power_w=tuple(_whole(random, 0.5 * load_w, load_w) for _ in range(steps)),
        import_price_per_kwh=tuple(buy),
        export_price_per_kwh=tuple(round(price - spread, 4) for price in buy),
        evses=evses,
        battery=battery,
        circuits=tuple(circuits),
    )


def _evse(random: Random, name: str, circuits: list[Circuit], steps: int) -> Evse:
    unavailable: tuple[tuple[int, int], ...] = ()
    if random.random() < 0.15:
        start = random.randrange(steps)
        unavailable = ((start, start + random.randint(1, 6)),)
    return Evse(
        id=name,
        circuit=random.choice(circuits).id if circuits and random.random() < 0.8 else None,
        max_power_w=random.choice([2300.0, 3700.0, 7400.0, 11_000.0]),
        min_power_w=random.choice([0.0, 1400.0, 1400.0]),
        current_type="AC",
        bidirectional=random.random() < 0.2,
        unavailable=unavailable,
    )


def _vehicles(
    random: Random, sites: tuple[Site, ...], many: int, steps: int, hours: float
) -> tuple[Vehicle, ...]:
    free = {place.id: [spot.id for spot in place.evses] for place in sites}
    vehicles: list[Vehicle] = []
    for number in range(many):
        place = random.choice(sites).id
        spots = free[place]
        spot = spots.pop(random.randrange(len(spots))) if spots and random.random() < 0.5 else None
        gives = random.random() < 0.15
        efficiency = 1.0 if gives else random.choice([0.85, 0.9, 1.0])
        stored_wh = GRAIN_W * hours * efficiency
        full = math.floor(random.choice([14_500.0, 16_000.0, 30_000.0]) / stored_wh)
        least = math.ceil(random.choice([0.0, 0.1]) * full)
        held = least + math.floor((full - least) * random.choice([0.02, 0.2, 0.3, 0.5, 0.9]))
        vehicles.append(
            Vehicle(
                id=f"car-{number}",
                vehicle_class=random.choice(["city", "city", "van"]),
                site=place,
                evse=spot,
                available_from=random.choice([0, 0, 0, 0, random.randrange(steps)]),
                soc_wh=held * stored_wh,
                capacity_wh=full * stored_wh,
                min_soc_wh=least * stored_wh,
                max_soc_wh=full * stored_wh,
                max_ac_power_w=random.choice([3700.0, 3700.0, 7400.0, 11_000.0]),
                consumption_wh_per_km=random.choice([6, 7]) * stored_wh * 0.25 / hours,
                charge_efficiency=efficiency,
                max_discharge_w=3700.0 if gives else 0.0,
            )
        )
    return tuple(vehicles)


def _booking(
    random: Random, number: int, sites: list[str], vehicles: tuple[Vehicle, ...], steps: int
) -> Booking:
    start = random.randrange(1, steps)
    pickup = random.choice(sites)
    return Booking(
        id=f"b-{number}",
        classes=random.choice([("city",), ("city",), ("van",), ("city", "van")]),
        pickup_site=pickup,
        dropoff_site=random.choice(sites) if random.random() < 0.3 else pickup,
        start_step=start,
        end_step=start + random.randint(1, max(2, steps // 3)),
        distance_km=2.0 * round(random.choice([5.0, 12.0, 25.0, 40.0]) * random.random() + 0.5),
        reserve_km=random.choice([0.0, 0.0, 4.0, 10.0]),
        vehicle=random.choice(vehicles).id if random.random() < 0.1 else None,
        priority=random.choice([1, 1, 1, 2, 5]),
    )
