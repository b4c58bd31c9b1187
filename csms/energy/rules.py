"""What meters of a site mean: the quarters of an hour and months in which peaks are counted. Pure.

A meter says a mean since it last spoke, at the end of that time; so what it says at the very end of
a quarter of an hour is still of that quarter. A quarter counts once the meter has spoken at its end
or later: the mean of its beginning alone may be far above what it comes to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)
SOC_FRESH_FOR = timedelta(minutes=30)
"""A battery or store whose state is older is not planned: it may be anything by then."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Quarter:
    """What a site imported in a quarter of an hour."""

    start: datetime
    import_w: float
    """The mean; 0 where it exported."""


def quarter_of(measured_at: datetime) -> datetime:
    """Returns the start of the quarter of an hour that a measurement is of."""
    return _EPOCH + (measured_at - _MOMENT - _EPOCH) // QUARTER * QUARTER


def quarters(measured: Iterable[tuple[datetime, float]], until: datetime) -> list[Quarter]:
    """Returns what was imported in each quarter that was measured and is over.

    Args:
        measured: instants, and the power at the grid connection that the meter said then, in W.
        until: when the meter spoke last.
    """
    by_quarter: dict[datetime, list[float]] = defaultdict(list)
    for at, power_w in measured:
        by_quarter[quarter_of(at)].append(power_w)
    return [
        Quarter(start, max(0.0, sum(powers_w) / len(powers_w)))
        for start, powers_w in sorted(by_quarter.items())
        if start + QUARTER <= until
    ]


def month_of(instant: datetime, zone: str) -> datetime:
    """Returns the first instant of the month, by the clocks of a place, that `instant` is in."""
    local = instant.astimezone(ZoneInfo(zone))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def month_after(month: datetime, zone: str) -> datetime:
    """Returns the first instant of the month after the one that begins at `month`."""
    return month_of(month + timedelta(days=40), zone)


def is_fresh(measured_at: datetime, now: datetime) -> bool:
    """Returns whether a state of charge can still be planned with."""
    return now - measured_at <= SOC_FRESH_FOR
