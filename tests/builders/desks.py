"""Booking desks for tests: random fleets and wishes, and an exact answer to each wish.

The exact oracle (CP-SAT) knows the cautious rules of admission, and may give every promise to any
car of the class that it was promised: it says whether all promises and one wish more can be kept.
It shares no code with the gap table that `scheduler.admit` answers from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from ortools.sat.python import cp_model

from scheduler.admit import Answer, Calendar, Wish
from scheduler.reach import AdmissionRules, CarState, Promise
from tests.builders.promises import promised

NOW = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
RULES = AdmissionRules()
_UNIT_WH = 0.1


@dataclass(frozen=True)
class Refusal:
    """A wish that a calendar refused."""

    calendar: Calendar
    wish: Wish
    answer: Answer


def refusals(seed: int, *, cars: int, wishes: int, spaces: bool) -> Iterator[Refusal]:
    """Yields the refusals of one random day at a desk; what it accepts is promised.

    Args:
        seed: of the fleet and the wishes.
        cars: how many there are at most.
        wishes: how many are asked for.
        spaces: whether the sites have a limited number of chargers.
    """
    random = Random(f"desk {seed}")
    sites = ["A", "B", "C"][: random.randint(1, 3)]
    fleet = [_car(random, number, sites) for number in range(random.randint(1, cars))]
    room = {site: random.randint(1, len(fleet)) for site in sites} if spaces else None
    calendar = Calendar.build(fleet, (), RULES, NOW, room)
    for number in range(wishes):
        wish = _wish(random, sites)
        answer = calendar.answer(wish)
        if answer.bookable:
            calendar = calendar.with_promise(
                promised(wish, answer.offers[0].vehicle_id, f"b-{number}")
            )
        else:
            yield Refusal(calendar, wish, answer)


def _car(random: Random, number: int, sites: Sequence[str]) -> CarState:
    capacity_wh = random.choice([10_000.0, 16_000.0, 40_000.0])
    return CarState(
        vehicle_id=f"car-{number}",
        vehicle_class=random.choice(["city", "city", "van"]),
        site_id=random.choice(sites),
        free_from=NOW + timedelta(minutes=random.choice([-60, -60, 45, 200])),
        soc_wh=capacity_wh * random.randint(12, 80) / 100,
        capacity_wh=capacity_wh,
        min_soc_wh=0.1 * capacity_wh,
        max_soc_wh=capacity_wh * random.choice([0.8, 1.0]),
        charge_power_w=random.choice([0.0, 2300.0, 3700.0, 7400.0]),
        charge_efficiency=0.9,
        consumption_wh_per_km=random.choice([110.0, 150.0]),
        site_power_w={site: random.choice([2300.0, 3700.0, 11_000.0]) for site in sites},
    )


def _wish(random: Random, sites: Sequence[str]) -> Wish:
    start = NOW + timedelta(minutes=5 * random.randint(0, 480))
    pickup = random.choice(sites)
    return Wish(
        start=start,
        end=start + timedelta(minutes=5 * random.randint(3, 100)),
        pickup_site=pickup,
        dropoff_site=random.choice(sites) if random.random() < 0.3 else pickup,
        distance_km=float(random.choice([5, 15, 30, 60, 100, 150])),
        vehicle_class=random.choice([None, "city", "city", "van"]),
        reserve_km=random.choice([0.0, 10.0]),
    )


@dataclass(frozen=True)
class _Trip:
    """A promise or the wish, with the cars that may drive it."""

    wanted: Promise | Wish
    cars: tuple[str, ...]


def is_possible(refusal: Refusal, *, moving: bool = True) -> bool:
    """Returns whether some deal of trips to cars keeps all promises and grants the wish.

    Args:
        refusal: what was refused.
        moving: whether promises may go to other cars of the class they were promised.
    """
    calendar, wish = refusal.calendar, refusal.wish
    of_class: dict[str, list[str]] = defaultdict(list)
    for car in calendar.cars:
        of_class[car.vehicle_class].append(car.vehicle_id)
    trips: list[_Trip] = []
    for car in calendar.cars:
        same = tuple(of_class[car.vehicle_class]) if moving else (car.vehicle_id,)
        trips += [_Trip(promise, same) for promise in calendar.chain(car.vehicle_id)]
    able = tuple(
        car.vehicle_id for car in calendar.cars if wish.vehicle_class in (None, car.vehicle_class)
    )
    trips.append(_Trip(wish, able))
    model = cp_model.CpModel()
    driven: dict[int, list[cp_model.IntVar]] = defaultdict(list)
    for car in calendar.cars:
        _add_car(model, car, trips, driven)
    for number in range(len(trips)):
        model.add_exactly_one(driven[number])
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.INFEASIBLE)
    return status != cp_model.INFEASIBLE


def _add_car(
    model: cp_model.CpModel,
    car: CarState,
    trips: Sequence[_Trip],
    driven: dict[int, list[cp_model.IntVar]],
) -> None:
    """Adds what one car may drive, one trip after another, and its energy."""
    own = [n for n, trip in enumerate(trips) if car.vehicle_id in trip.cars]
    most = _units(car.max_soc_wh)
    assert car.soc_wh <= car.max_soc_wh, "a car above its most"
    ready = {n: model.new_int_var(0, most, "") for n in own}
    left: dict[int, cp_model.LinearExprT] = {-1: _units(car.soc_wh)}
    for n in own:
        km, per_km_wh = trips[n].wanted.distance_km, car.consumption_wh_per_km
        left[n] = ready[n] - _units(km * per_km_wh * RULES.energy_factor)
    goes: dict[int, list[cp_model.IntVar]] = defaultdict(list)
    for n in own:
        wanted = trips[n].wanted
        drives = model.new_bool_var("")
        driven[n].append(drives)
        kept_wh = car.min_soc_wh + wanted.reserve_km * car.consumption_wh_per_km
        model.add(left[n] >= _units(kept_wh)).only_enforce_if(drives)
        comes: list[cp_model.IntVar] = []
        for before in (-1, *own):
            gained_wh = _gained_wh(car, None if before < 0 else trips[before].wanted, wanted)
            if before == n or gained_wh is None:
                continue
            arc = model.new_bool_var("")
            model.add(ready[n] <= left[before] + _units(gained_wh)).only_enforce_if(arc)
            comes.append(arc)
            goes[before].append(arc)
        model.add(cp_model.LinearExpr.sum(comes) == drives)
    model.add_at_most_one(goes[-1])
    for n in own:
        model.add(cp_model.LinearExpr.sum(goes[n]) <= driven[n][-1])


def _gained_wh(car: CarState, before: Promise | Wish | None, after: Promise | Wish) -> float | None:
    """Returns what charging brings between two trips, None where one can't follow the other."""
    if before is None:
        site, since, power_w = car.site_id, max(car.free_from, NOW), car.charge_power_w
        ready = since + RULES.buffer if car.free_from > NOW else since
    else:
        site, since, ready = before.dropoff_site, before.end, before.end + RULES.buffer
        power_w = car.site_power_w[site]
    if site != after.pickup_site or ready > after.start:
        return None
    hours = (after.start - since) / timedelta(hours=1)
    return hours * power_w * car.charge_efficiency * RULES.charge_rate_factor


def _units(energy_wh: float) -> int:
    return round(energy_wh / _UNIT_WH)
