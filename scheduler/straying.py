"""How trips stray from what was booked, and what that leaves of a promise.

Two things decide whether a promise is kept. The trip before may come back late, and the trip
itself may take more energy than its distance says. How both stray is learnt from trips that are
over; while these are few, from a prior. What is learnt is the predictive distribution of a
Dirichlet process (Ferguson, Annals of Statistics 1, 1973): the share of trips seen beyond a value,
the prior counting as `PRIOR_TRIPS` trips more. The newest trips are the ones to learn from: that is
how the season gets in.

The two risks are added, not multiplied (Bonferroni's inequality): the sum is never too small,
however they hang together, and cold days make people both late and thirsty. Energies of trips
that follow each other are taken to stray together, by the same ratio, as on a cold day.

The sun is not in it: admission counts on no sun, and what it fails to give the grid gives. Nor is
another car that may take over when one is late: it may be promised by then.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

PRIOR_TRIPS = 20
"""How many trips the prior is worth; after as many the fleet's own history has equal say."""
CONSUMPTION_SPREAD = 0.12
"""The prior of what trips take: as the distance says, with this standard deviation. It is what the
fleets of our simulations were measured with; no fleet's own history."""
LATE_SHARE = 0.1
LATE_LEAST_S = 15 * 60.0
LATE_MOST_S = 60 * 60.0
"""The prior of late returns: one in ten comes 15 to 60 minutes late, as in our simulations,"""
LOST_SHARE = 0.001
LOST_MEAN_S = 60 * 60.0
"""and one in a thousand stays away for as long again as it is away already."""
GRACE_S = 15 * 60.0
"""A car that stands there by then keeps its promise: one step of a plan, and a third of what people
of the simulations wait."""
ROUND_TO_S = 5 * 60
"""Turnarounds are whole steps of this: nobody books to the second."""
SMALLEST = 1e-300
NO_RISK = 1e-6
"""A risk below this binds nothing."""
LEAST_RATIO, MOST_RATIO = 0.2, 5.0
"""What is used beyond these is a reading that is wrong, or no trip that was booked."""

Bound = Literal["energy", "return"]


@dataclass(frozen=True, slots=True)
class DrivenTrip:
    """A trip that is over, as far as it tells how trips stray."""

    vehicle_id: str
    used_ratio: float | None
    """Energy used over what the car's model takes for the booked distance; None: not known."""
    late_s: float | None
    """Seconds from the booked end to the return, negative if early; None: not known."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What is kept free for a promise, so that it holds with the probability that was asked for."""

    energy_factor: float
    """Energy to leave with, over what the distance says."""
    turnaround_s: float
    """Least time from the booked return of the trip before to the start."""
    lost_s: float
    """How much later than booked a car is taken to come back and to begin charging."""
    risk: float
    """Of each of the two causes that may break the promise all the same."""


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely a promise is kept, and what stands against it most."""

    probability: float
    bound_by: Bound | None
    """The larger risk: too little energy, or a late return before; None: there is none."""


@dataclass(frozen=True, slots=True)
class Straying:
    """How late cars return and how much trips take; without arguments: the prior."""

    late_s: tuple[float, ...] = ()
    """Seconds beyond the booked end, in ascending order, one for each trip seen."""
    use_ratios: tuple[float, ...] = ()
    """Energy used over what was to be expected of that car, in ascending order."""
    factors: Mapping[str, float] = field(default_factory=dict[str, float])
    """Energy to be expected over what the model says, by car."""
    fleet_factor: float = 1.0
    """The same for a car that nothing is known of."""

    def expected_factor(self, vehicle_id: str) -> float:
        """Returns what a car is to be expected to take, over what its model says."""
        return self.factors.get(vehicle_id, self.fleet_factor)

    def chance_enough(self, ratio: float) -> float:
        """Returns P(a trip takes at most `ratio` of what is to be expected)."""
        prior = 0.5 * (1.0 + math.erf((ratio - 1.0) / (CONSUMPTION_SPREAD * math.sqrt(2.0))))
        seen = bisect_right(self.use_ratios, ratio)
        return (PRIOR_TRIPS * prior + seen) / (PRIOR_TRIPS + len(self.use_ratios))

    def chance_later(self, late_s: float) -> float:
        """Returns P(a car comes back more than `late_s` seconds after its booked end)."""
        prior = 1.0
        if late_s >= 0:
            lost = LOST_SHARE * math.exp(-late_s / LOST_MEAN_S)
            share = (LATE_MOST_S - late_s) / (LATE_MOST_S - LATE_LEAST_S)
            prior = (LATE_SHARE - LOST_SHARE) * min(1.0, max(0.0, share)) + lost
        seen = len(self.late_s) - bisect_right(self.late_s, late_s)
        return (PRIOR_TRIPS * prior + seen) / (PRIOR_TRIPS + len(self.late_s))

    def enough_ratio(self, probability: float) -> float:
        """Returns the least ratio that a trip exceeds with 1 - `probability` at most."""
        low, high = LEAST_RATIO, 2 * MOST_RATIO
        while high - low > 1e-6:
            middle = (low + high) / 2
            if self.chance_enough(middle) >= probability:
                high = middle
            else:
                low = middle
        return high

    def latest_s(self, risk: float, *, already_s: float | None = None) -> float:
        """Returns the lateness in seconds that is exceeded with `risk` at most.

        Args:
            risk: from 0 to 1, both excluded.
            already_s: how late the car is already, which makes it likelier to come still later.
        """
        if already_s is not None:
            risk *= self.chance_later(max(0.0, already_s))
        low, high = 0.0, LATE_MOST_S
        if self.chance_later(low) <= risk:
            return low
        while self.chance_later(high) > risk:
            low, high = high, 2 * high
        while high - low > 1.0:
            middle = (low + high) / 2
            if self.chance_later(middle) <= risk:
                high = middle
            else:
                low = middle
        return high

    def margin(self, probability: float) -> Margin:
        """Returns what a promise of `probability` keeps free: half its risk is for each cause."""
        risk = (1.0 - probability) / 2
        lost_s = self.latest_s(risk)
        turnaround_s = ROUND_TO_S * math.ceil(max(0.0, lost_s - GRACE_S) / ROUND_TO_S)
        return Margin(self.enough_ratio(1.0 - risk), turnaround_s, lost_s, risk)

    def chance(self, ratio: float, pause_s: float | None, *, already_s: float = 0.0) -> Chance:
        """Returns how likely a promise is kept.

        Args:
            ratio: energy that the trip may take, over what is to be expected of it.
            pause_s: from the booked end of the trip before to the start; None: the car is there.
            already_s: how late the trip before is already, in seconds.
        """
        short = 1.0 - self.chance_enough(ratio)
        late = 0.0
        if pause_s is not None:
            late = self.chance_later(max(0.0, pause_s) + GRACE_S)
            if already_s > 0:
                # Beyond what floats can tell the prior forgets for how long it is away.
                late = min(1.0, late / max(late, self.chance_later(already_s), SMALLEST))
        if max(short, late) < NO_RISK:
            return Chance(max(0.0, 1.0 - short - late), None)
        bound: Bound = "return" if late > short else "energy"
        return Chance(max(0.0, 1.0 - short - late), bound)


def learn(trips: Iterable[DrivenTrip]) -> Straying:
    """Returns how trips stray, by those that are over.

    What a car takes more or less than its model says is its own; how its trips scatter around that
    is pooled over the fleet. Both are shrunk: a fleet towards its models, a car towards its fleet.
    """
    late_s: list[float] = []
    ratios: list[tuple[str, float]] = []
    for trip in trips:
        if trip.late_s is not None:
            late_s.append(trip.late_s)
        if trip.used_ratio is not None:
            ratio = min(MOST_RATIO, max(LEAST_RATIO, trip.used_ratio))
            ratios.append((trip.vehicle_id, ratio))
    fleet = _shrunk(1.0, [ratio for _, ratio in ratios])
    own: dict[str, list[float]] = defaultdict(list)
    for vehicle_id, ratio in ratios:
        own[vehicle_id].append(ratio)
    factors = {vehicle_id: _shrunk(fleet, each) for vehicle_id, each in own.items()}
    return Straying(
        late_s=tuple(sorted(late_s)),
        use_ratios=tuple(sorted(ratio / factors[vehicle_id] for vehicle_id, ratio in ratios)),
        factors=factors,
        fleet_factor=fleet,
    )


def _shrunk(prior: float, seen: list[float]) -> float:
    return (PRIOR_TRIPS * prior + math.fsum(seen)) / (PRIOR_TRIPS + len(seen))
