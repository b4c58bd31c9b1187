"""What may be simulated, and what a process that does it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from models.errors import FieldError
from simulators.changes import Changes
from simulators.scenario import Scenario

DAYS_MAX = 31
OPEN_MAX = 10
"""Simulations of a tenant that wait or run at a time."""
CARS_MAX = 300
EVSES_MAX = 600
WISHES_MAX = 50_000
"""In all days together: an hour of playing, or so."""
PROGRESS_STEP = 0.02

_PROGRESS = re.compile(rb'\{"progress": (\d(?:\.\d+)?)\}\s*')


def too_large(scenario: Scenario, changes: Changes, days: int) -> Iterator[FieldError]:
    """Finds what would take so long that nobody waits for it."""
    cars = sum(len(site.cars) for site in scenario.sites)
    more = sum(each.count for each in changes.add_cars)
    wishes = scenario.demand.trips_per_car_day * cars * days
    kinds = {kind.id: kind.evses for kind in scenario.station_kinds}
    evses = sum(kinds[each.kind] for site in scenario.sites for each in site.stations)
    more_evses = sum(kinds.get(each.kind, 1) for each in changes.add_stations)
    if cars > CARS_MAX:
        yield FieldError("/scenario/sites", f"have {cars} cars, allowed are {CARS_MAX}")
    if cars + more > CARS_MAX:
        yield FieldError("/changes/add_cars", f"make {cars + more} cars, allowed are {CARS_MAX}")
    if evses > EVSES_MAX:
        yield FieldError("/scenario/sites", f"have {evses} EVSEs, allowed are {EVSES_MAX}")
    if evses + more_evses > EVSES_MAX:
        detail = f"make {evses + more_evses} EVSEs, allowed are {EVSES_MAX}"
        yield FieldError("/changes/add_stations", detail)
    if wishes > WISHES_MAX:
        detail = f"with its cars and days makes {wishes:.0f} trips, allowed are {WISHES_MAX}"
        yield FieldError("/scenario/demand/trips_per_car_day", detail)


def progress_of(line: bytes) -> float | None:
    """Returns the share done that a line of the process tells; None for other lines."""
    found = _PROGRESS.fullmatch(line)
    return None if found is None else min(1.0, float(found[1]))


def reason_of(code: int, said: Sequence[str]) -> str:
    """Returns why a process that ended badly did so.

    Args:
        code: how it ended; negative for a signal.
        said: the lines of its standard error.
    """
    if code < 0:
        return f"the process was ended by signal {-code}"
    words = [line.removeprefix("heliofleet: ").strip() for line in said if line.strip()]
    return words[-1][:500] if words else f"the process ended with {code}"
