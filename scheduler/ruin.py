"""Takes a few trips out of the chains at random and puts them, and refused ones, in elsewhere.

Exchanges at the program's prices see two cars at a time and never a trip that nobody serves; what
takes three cars, or another trip of the same worth, is found by breaking some of the chains and
mending them in another order (ruin and recreate: G. Schrimpf and others, 2000). Whether that pays
is for the charging program to say.
"""

from __future__ import annotations

from random import Random

from scheduler.chains import Chains, fits, served, sound
from scheduler.view import View

_MOST_OUT = 4
"""How many trips are taken out at most, beside those that others push out."""
_PUSHES = 0.5
"""How often a trip without a car goes where others are in its way."""
_SKIPS = 0.5
"""How often a trip without a car stays so: what lacks EVSEs or power looks as if it could go in."""


def rebuilt(view: View, chains: Chains, random: Random) -> Chains:
    """Returns drivable chains in which a few trips, chosen at random, are served otherwise.

    What no car can take any more is left out; trips of higher priority are put in first.
    """
    driven = served(chains)
    trips = sorted(driven)
    refused = [trip.index for trip in view.trips if trip.cars and trip.index not in driven]
    out = set(random.sample(trips, min(len(trips), random.randint(1, _MOST_OUT))))
    current = [tuple(n for n in chain if n not in out) for chain in chains]
    current = [sound(view, car, chain) for car, chain in zip(view.cars, current, strict=True)]
    if refused and random.random() < _PUSHES:
        _push_in(view, current, random.choice(refused), random)
    done = served(tuple(current))
    left = [trip.index for trip in view.trips if trip.cars and trip.index not in done]
    left.sort(key=lambda n: (-view.trips[n].priority, random.random()))
    for index in left:
        if index in refused and random.random() < _SKIPS:
            continue
        cars = list(view.trips[index].cars)
        random.shuffle(cars)
        for number in cars:
            longer = fits(view, view.cars[number], current[number], view.trips[index])
            if longer is not None:
                current[number] = longer
                break
    return tuple(current)


def _push_in(view: View, chains: list[tuple[int, ...]], index: int, random: Random) -> None:
    """Puts a trip into a random car's chain, without those that are in its way there."""
    trip = view.trips[index]
    number = random.choice(trip.cars)
    car = view.cars[number]
    kept = tuple(
        n
        for n in chains[number]
        if view.trips[n].end + view.turnaround <= trip.start
        or trip.end + view.turnaround <= view.trips[n].start
    )
    longer = fits(view, car, sound(view, car, kept), trip)
    if longer is not None:
        chains[number] = longer
