"""Admission: can this trip be promised now, with which cars, and if not, why and what instead.

A `Calendar` is an immutable picture of all cars and promises at one instant. It answers from its
gap table (`scheduler.reach`) in well under a millisecond, without a solver, and each answer is a
proof: a trip that fits can be served by the named car without touching any other promise, as far
as cars and batteries go (limits of a site are proved by the plan). Writing the booking down, and
racing with other desks for the same car, is the caller's business. Promises are never moved between
cars to make room here: plans do that later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from scheduler.lowered import windows_of
from scheduler.reach import (
    TOLERANCE_WH,
    AdmissionRules,
    Ask,
    CarState,
    Column,
    Fit,
    Promise,
    Stage,
    Table,
    broken_promises,
    car_columns,
    fit,
    longest_km,
    peak_stays,
    placed,
    seconds,
    soonest_s,
)
from scheduler.straying import Bound, Chance

ReasonCode = Literal[
    "PAST", "HORIZON", "CLASS", "PLACE", "TIME", "ENERGY_BEFORE", "ENERGY_AFTER", "SPACE"
]

LATER_MINUTES = (15, 30, 60, 120)
"""How far a wish is moved to find another time."""
EARLIER_MINUTES = (-15, -30, -60, -120)
ROUND_START_S = 15 * 60
ALTERNATIVE_LEAD = timedelta(minutes=1)
"""An alternative begins no sooner than this, so that it lies ahead still when it is asked for."""
MAX_OFFERS = 5
MAX_OF_A_KIND = 2
"""How many other classes, and how many other sites, are offered at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A trip that somebody would like to book."""

    start: datetime
    end: datetime
    pickup_site: str
    dropoff_site: str
    distance_km: float
    vehicle_class: str | None = None
    """None: any class will do."""
    reserve_km: float = 0.0
    """Distance that must still be possible at the end of the trip."""

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"trip ends at {self.end} but starts at {self.start}")
        if not (0 <= self.distance_km < math.inf and 0 <= self.reserve_km < math.inf):
            raise ValueError("distance and reserve must be finite and not negative")


@dataclass(frozen=True, slots=True)
class Offer:
    """A car that can serve the wish."""

    vehicle_id: str
    vehicle_class: str
    expected_soc_pct: float
    """State of charge that the car can have at pickup, charging cautiously until then."""
    probability_ready: float
    """Chance that the car is back and charged in time, as far as returns and consumption stray."""
    bound_by: Bound | None
    """What stands against it most: too little energy, or a late return before."""
    slack_wh: float
    """Energy to spare, at the tighter of this trip and what is promised after it."""
    slack_minutes: float | None
    """Time to spare beyond the buffers, on the tighter side; None without a trip on either side."""
    idle_from: datetime
    """From when on it stands at the pickup site."""
    idle_soc_wh: float
    """Stored energy then, at best."""
    idle_power_w: float
    """What it can charge with there, in W at the grid side."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why cars can't serve the wish, with how many of them it stops."""

    code: ReasonCode
    cars: int
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the calendar says to a wish."""

    bookable: bool
    offers: tuple[Offer, ...] = ()
    """Best first: cars that are surest to be ready, and of these the emptiest that will do."""
    reasons: tuple[Reason, ...] = ()
    alternatives: tuple[Wish, ...] = ()
    """Each would be accepted if asked at once; nearest to the wish first, kind by kind."""


_HURDLES: tuple[tuple[ReasonCode, str], ...] = (
    ("CLASS", "{n} of another class"),
    ("PLACE", "{n} never at the pickup site with the drop-off site open to them"),
    ("TIME", "{n} not free at that time: on the road, resting or due elsewhere"),
    ("ENERGY_BEFORE", "{n} free, but not charged enough by the start"),
    ("ENERGY_AFTER", "{n} free and charged, but too empty afterwards for their next trip"),
)
"""What stops a car at each `Stage` before the last, in that order."""


class _Codes:
    """Numbers for names of sites and classes; grows, and a name keeps its number for ever."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.names: list[str] = []

    def __call__(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]

    def look_up(self, name: str) -> int:
        """Returns the number of a name, or one that no gap has."""
        return self._numbers.get(name, -2)


@dataclass(frozen=True, slots=True)
class Calendar:
    """All cars, their promises and the gap table, at one instant. Build it with `build`."""

    now: datetime
    rules: AdmissionRules
    cars: tuple[CarState, ...]
    chains: tuple[tuple[Promise, ...], ...]
    """The promises of each car, in order of their start."""
    _index: Mapping[str, int]
    _codes: _Codes
    _table: Table
    _first: NDArray[np.intp]
    """Where each car's gaps begin in the table."""
    _spaces: Mapping[str, int]

    @classmethod
    def build(
        cls,
        cars: Sequence[CarState],
        promises: Iterable[Promise],
        rules: AdmissionRules,
        now: datetime,
        spaces: Mapping[str, int] | None = None,
    ) -> Self:
        """Returns the calendar of these cars at `now`.

        Args:
            cars: all of them.
            promises: those that have not begun. One whose car is not among `cars` (out of
                service) takes no part: no other car depends on it.
            rules: how cautious to be.
            now: the present.
            spaces: how many cars can be plugged in at once, by site; a site that is not named
                takes any number.

        Raises:
            ValueError: if a vehicle is listed twice.
        """
        index = {car.vehicle_id: number for number, car in enumerate(cars)}
        if len(index) != len(cars):
            raise ValueError("a vehicle is listed twice")
        chains: list[list[Promise]] = [[] for _ in cars]
        for promise in promises:
            if (number := index.get(promise.vehicle_id)) is not None:
                chains[number].append(promise)
        ordered = tuple(tuple(sorted(chain, key=_by_start)) for chain in chains)
        codes = _Codes()
        blocks = [
            car_columns(number, car, ordered[number], rules, now=now, code=codes)
            for number, car in enumerate(cars)
        ]
        table = np.concatenate(blocks, axis=1) if blocks else np.empty((len(Column), 0))
        return cls(
            now, rules, tuple(cars), ordered, index, codes, table, _starts(ordered), spaces or {}
        )

    def car(self, vehicle_id: str) -> CarState:
        """Returns a car.

        Raises:
            KeyError: if it is not in the calendar.
        """
        return self.cars[self._index[vehicle_id]]

    def chain(self, vehicle_id: str) -> tuple[Promise, ...]:
        """Returns the promises of a car, in order of their start.

        Raises:
            KeyError: if the car is not in the calendar.
        """
        return self.chains[self._index[vehicle_id]]

    def with_promise(self, promise: Promise) -> Self:
        """Returns the calendar with one promise more; only its car's gaps are worked out anew.

        Raises:
            KeyError: if the promise's car is not in the calendar.
        """
        number = self._index[promise.vehicle_id]
        chain = tuple(sorted((*self.chains[number], promise), key=_by_start))
        return self._with_chain(number, self.cars[number], chain)

    def without(self, booking_id: str) -> Self:
        """Returns the calendar without a booking; the same calendar if it is not in it."""
        for number, chain in enumerate(self.chains):
            if any(promise.booking_id == booking_id for promise in chain):
                left = tuple(promise for promise in chain if promise.booking_id != booking_id)
                return self._with_chain(number, self.cars[number], left)
        return self

    def with_car(self, car: CarState) -> Self:
        """Returns the calendar with news of one car (returned, late, measured), promises kept.

        Raises:
            KeyError: if the car is not in the calendar.
        """
        number = self._index[car.vehicle_id]
        return self._with_chain(number, car, self.chains[number])

    def under(self, rules: AdmissionRules) -> Self:
        """Returns the calendar by other rules."""
        promises = (promise for chain in self.chains for promise in chain)
        return self.build(self.cars, promises, rules, self.now, self._spaces)

    def broken(self) -> tuple[Promise, ...]:
        """Returns the promises that can't be kept now: their cars are late, misplaced or empty."""
        found: list[Promise] = []
        for number, chain in enumerate(self.chains):
            if chain:
                first = int(self._first[number])
                columns = self._table[:, first : first + len(chain) + 1]
                found.extend(broken_promises(self.cars[number], chain, columns))
        return tuple(found)

    def answer(self, wish: Wish, *, now: datetime | None = None) -> Answer:
        """Returns the cars that can serve the wish, or why none can and what would be accepted.

        Args:
            wish: the trip.
            now: the present, where it has gone on since the calendar was built.
        """
        present = self.now if now is None else max(self.now, now)
        if self._is_timely(wish, present):
            found = fit(self._table, self._ask(wish), self.rules)
            if found.any_fits() and self._has_space(wish):
                return Answer(bookable=True, offers=self._offers(wish, found))
            reasons = self._reasons(wish, found)
        elif wish.start < present:
            reasons = (Reason("PAST", len(self.cars), "the trip would begin in the past"),)
        else:
            days = self.rules.horizon.days
            reasons = (
                Reason("HORIZON", len(self.cars), f"bookings open {days} days before they begin"),
            )
        alternatives = tuple(self._alternatives(wish, present + ALTERNATIVE_LEAD))
        return Answer(bookable=False, reasons=reasons, alternatives=alternatives)

    def _with_chain(self, number: int, car: CarState, chain: tuple[Promise, ...]) -> Self:
        first = int(self._first[number])
        last = first + len(self.chains[number]) + 1
        block = car_columns(number, car, chain, self.rules, now=self.now, code=self._codes)
        chains = (*self.chains[:number], chain, *self.chains[number + 1 :])
        return replace(
            self,
            cars=(*self.cars[:number], car, *self.cars[number + 1 :]),
            chains=chains,
            _table=np.concatenate((self._table[:, :first], block, self._table[:, last:]), axis=1),
            _first=_starts(chains),
        )

    def _is_timely(self, wish: Wish, earliest: datetime) -> bool:
        return earliest <= wish.start <= self.now + self.rules.horizon

    def _ask(self, wish: Wish) -> Ask:
        codes = self._codes
        return Ask(
            start_s=seconds(wish.start),
            end_s=seconds(wish.end),
            vehicle_class=None if wish.vehicle_class is None else codes.look_up(wish.vehicle_class),
            pickup_site=codes.look_up(wish.pickup_site),
            dropoff_site=codes.look_up(wish.dropoff_site),
            distance_km=wish.distance_km,
            reserve_km=wish.reserve_km,
            lowered=windows_of(self.rules.lowered, codes.look_up),
        )

    def _accepts(self, wish: Wish, table: Table) -> bool:
        return self._has_space(wish) and fit(table, self._ask(wish), self.rules).any_fits()

    def _has_space(self, wish: Wish) -> bool:
        """Whether a one-way trip ends where a charger is free, and not promised to another car.

        A car that comes back to where it began has kept its own.
        """
        spaces = self._spaces.get(wish.dropoff_site)
        if spaces is None or wish.dropoff_site == wish.pickup_site:
            return True
        site = self._codes.look_up(wish.dropoff_site)
        return peak_stays(self._table, site, seconds(wish.end), self.rules) < spaces

    def _offers(self, wish: Wish, found: Fit) -> tuple[Offer, ...]:
        gaps = np.flatnonzero(found.stage == Stage.FITS)
        chances = [self._chance(wish, int(gap), found) for gap in gaps]
        # Probabilities are compared in whole percents: finer differences are below the model.
        likely = np.round([chance.probability for chance in chances], 2)
        order: list[int] = np.lexsort((gaps, found.spare_wh[gaps], -likely)).tolist()
        offers: list[Offer] = []
        for place in order[:MAX_OFFERS]:
            gap = int(gaps[place])
            car = self.cars[int(self._table[Column.CAR, gap])]
            offers.append(
                Offer(
                    vehicle_id=car.vehicle_id,
                    vehicle_class=car.vehicle_class,
                    expected_soc_pct=100.0 * float(found.ready_wh[gap]) / car.capacity_wh,
                    probability_ready=chances[place].probability,
                    bound_by=chances[place].bound_by,
                    slack_wh=float(found.spare_wh[gap]),
                    slack_minutes=self._slack_minutes(wish, gap),
                    idle_from=datetime.fromtimestamp(float(self._table[Column.FROM_S, gap]), UTC),
                    idle_soc_wh=float(self._table[Column.REACH_WH, gap]),
                    idle_power_w=self._idle_power_w(car, gap),
                )
            )
        return tuple(offers)

    def _idle_power_w(self, car: CarState, gap: int) -> float:
        first = gap == self._first[self._index[car.vehicle_id]]
        site = self._codes.names[int(self._table[Column.SITE, gap])]
        return car.charge_power_w if first else car.power_at(site)

    def _slack_minutes(self, wish: Wish, gap: int) -> float | None:
        column = self._table[:, gap]
        sides: list[float] = []
        if column[Column.AFTER_TRIP]:
            sides.append(seconds(wish.start) - float(column[Column.OPEN_S]))
        if column[Column.NEXT_SITE] >= 0:
            sides.append(float(column[Column.CLOSE_S]) - seconds(wish.end))
        return min(sides) / 60 if sides else None

    def _chance(self, wish: Wish, gap: int, found: Fit) -> Chance:
        """Returns how likely the trip before is back in time and the energy lasts for this one."""
        column = self._table[:, gap]
        pause_s = None
        if column[Column.AFTER_TRIP]:
            pause_s = seconds(wish.start) - float(column[Column.FROM_S])
        plain_wh = max(TOLERANCE_WH, float(column[Column.WH_PER_KM]) * wish.distance_km)
        usable_wh = float(found.ready_wh[gap] - column[Column.MIN_WH])
        return self.rules.straying.chance(usable_wh / plain_wh, pause_s)

    def _reasons(self, wish: Wish, found: Fit) -> tuple[Reason, ...]:
        """Returns for each hurdle how many cars get that far and no farther, in their best gap."""
        if found.any_fits():
            detail = f"no charger of {wish.dropoff_site} is free for the car from then on"
            return (Reason("SPACE", len(self.cars), detail),)
        if not self.cars:
            return (Reason("CLASS", 0, "there is no car at all"),)
        best = np.maximum.reduceat(found.stage, self._first)
        counts = np.bincount(best, minlength=Stage.FITS)
        return tuple(
            Reason(code, int(count), text.format(n=int(count)))
            for (code, text), count in zip(_HURDLES, counts, strict=True)
            if count
        )

    def _alternatives(self, wish: Wish, earliest: datetime) -> Iterator[Wish]:
        # Only gaps of this class and place matter to other times and distances: a small table.
        table = self._table[:, placed(self._table, self._ask(wish))[1]]
        timely = [
            moved
            for moved in (_moved(wish, minutes) for minutes in (*LATER_MINUTES, *EARLIER_MINUTES))
            if self._is_timely(moved, earliest)
        ]
        later = self._accepted((other for other in timely if other.start > wish.start), table)
        yield from later or self._soonest(wish, table, earliest)
        yield from self._accepted((other for other in timely if other.start < wish.start), table)
        late_s = max(0.0, (earliest - wish.start).total_seconds())
        same_time = _moved(wish, math.ceil(late_s / 60))
        if self._is_timely(same_time, earliest):
            yield from self._accepted(self._other_classes(same_time), self._table, MAX_OF_A_KIND)
            yield from self._accepted(self._elsewhere(same_time), self._table, MAX_OF_A_KIND)
            yield from self._accepted(self._brought_elsewhere(same_time), table, MAX_OF_A_KIND)
            yield from self._shorter(same_time, table)

    def _accepted(self, wishes: Iterable[Wish], table: Table, most: int = 1) -> tuple[Wish, ...]:
        return tuple(islice((wish for wish in wishes if self._accepts(wish, table)), most))

    def _shorter(self, wish: Wish, table: Table) -> tuple[Wish, ...]:
        most_km = math.floor(longest_km(table, self._ask(wish), self.rules) + TOLERANCE_WH)
        if not 1 <= most_km < wish.distance_km:
            return ()
        return self._accepted((replace(wish, distance_km=float(most_km)),), table)

    def _other_classes(self, wish: Wish) -> Iterator[Wish]:
        if wish.vehicle_class is not None:
            for name in dict.fromkeys(car.vehicle_class for car in self.cars):
                if name != wish.vehicle_class:
                    yield replace(wish, vehicle_class=name)

    def _elsewhere(self, wish: Wish) -> Iterator[Wish]:
        """Yields the wish from other sites with a car: a round trip stays one."""
        round_trip = wish.dropoff_site == wish.pickup_site
        anywhere = replace(self._ask(wish), pickup_site=None)
        if round_trip:
            anywhere = replace(anywhere, dropoff_site=None)
        stage = fit(self._table, anywhere, self.rules).stage
        sites = self._table[Column.SITE, stage == Stage.FITS]
        able = sorted(self._codes.names[int(number)] for number in set(sites.tolist()))
        for site in self.rules.nearby.get(wish.pickup_site, able):
            if site in able and site != wish.pickup_site:
                dropoff = site if round_trip else wish.dropoff_site
                yield replace(wish, pickup_site=site, dropoff_site=dropoff)

    def _brought_elsewhere(self, wish: Wish) -> Iterator[Wish]:
        """Yields a one-way trip that ends at another site, or comes back, where one is full."""
        if not self._has_space(wish):
            near = self.rules.nearby.get(wish.dropoff_site, tuple(sorted(self._spaces)))
            for site in (*(name for name in near if name != wish.pickup_site), wish.pickup_site):
                if site != wish.dropoff_site:
                    yield replace(wish, dropoff_site=site)

    def _soonest(self, wish: Wish, table: Table, earliest: datetime) -> tuple[Wish, ...]:
        """Returns the earliest later wish that fits, on a whole quarter of an hour, if any does."""
        asked_s = seconds(wish.start)
        ready_s = soonest_s(table, self._ask(wish))
        start_s = np.ceil(ready_s / ROUND_START_S) * ROUND_START_S
        length_s = (wish.end - wish.start).total_seconds()
        in_time = start_s[start_s + length_s <= table[Column.CLOSE_S]]
        delays_s: list[float] = (np.unique(in_time) - asked_s).tolist()
        least_s, most_s = (
            seconds(earliest) - asked_s,
            seconds(self.now + self.rules.horizon) - asked_s,
        )
        later = (_moved(wish, delay_s / 60) for delay_s in delays_s if least_s <= delay_s <= most_s)
        return self._accepted(islice(later, MAX_OFFERS), table)


def _by_start(promise: Promise) -> tuple[datetime, str]:
    return promise.start, promise.booking_id


def _starts(chains: Sequence[Sequence[Promise]]) -> NDArray[np.intp]:
    lengths = [len(chain) + 1 for chain in chains]
    return np.cumsum([0, *lengths], dtype=np.intp)[:-1]


def _moved(wish: Wish, minutes: float) -> Wish:
    delay = timedelta(minutes=minutes)
    return replace(wish, start=wish.start + delay, end=wish.end + delay)
