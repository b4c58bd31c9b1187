"""What may be simulated, and what a process that does it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.errors import BadInput, FieldError
from models.timeline import StepGrid, utc
from simulators.changes import Changes
from simulators.scenario import FIRST_YEAR, LAST_YEAR, PARTS_MAX, Scenario

DAYS_MAX = 31
OPEN_MAX = 10
"""Simulations of a tenant that wait or run at a time."""
CARS_MAX = 300
EVSES_MAX = 600
WISHES_MAX = 50_000
"""In all days together: an hour of playing, or so."""
PROGRESS_STEP = 0.02
SITES_MAX = PARTS_MAX
STEP_MINUTES = 15
_DAY = timedelta(days=1)

_PROGRESS = re.compile(rb'\{"progress": (\d(?:\.\d+)?)\}\s*')


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days of 24 hours that have been."""

    start: datetime
    days: int

    @property
    def end(self) -> datetime:
        """When the last of them ends."""
        return self.start + self.days * _DAY

    @property
    def grid(self) -> StepGrid:
        """Their quarters of an hour."""
        return StepGrid(self.start, STEP_MINUTES, self.days * _DAY // timedelta(minutes=15))


def span_of(begins: datetime, ends: datetime, now: datetime) -> Span:
    """Returns the days `[begins, ends)`, if they can be played.

    Raises:
        BadInput: naming `/history/from` or `/history/to`.
    """
    start, end = utc(begins), utc(ends)
    minutes = StepGrid(start.replace(minute=0, second=0, microsecond=0), STEP_MINUTES, 1)
    if minutes.instant(minutes.floor(start)) != start:
        raise _refused("/history/from", "does not lie on a quarter of an hour")
    if not FIRST_YEAR <= start.year < LAST_YEAR:
        raise _refused("/history/from", f"not from {FIRST_YEAR} to {LAST_YEAR}")
    if end > now:
        raise _refused("/history/to", f"lies in the future: it is {utc(now):%Y-%m-%dT%H:%M}Z")
    days, rest = divmod(end - start, _DAY)
    if rest or not 1 <= days <= DAYS_MAX:
        hours = (end - start) / timedelta(hours=1)
        detail = f"makes {hours:g} hours; allowed are whole days of 24 hours, from 1 to {DAYS_MAX}"
        raise _refused("/history/to", detail)
    return Span(start, days)


def _refused(field: str, detail: str) -> BadInput:
    return BadInput(f"{field}: {detail}", (FieldError(field, detail),))


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
