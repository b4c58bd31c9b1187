"""Tariffs as they are taken for transactions: which price holds when.

Source of the terms: OCPI 2.2.1, Tariffs (the first element that holds gives a price).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from models.commands.costs import Weekday

TellCost = Literal["never", "end", "running"]
"""What stations are told by themselves: nothing; the total at the end; also how it grows."""

_DAYS: tuple[Weekday, ...] = get_args(Weekday)
_RESOLUTION = timedelta(seconds=1)
"""Clocks are changed at full minutes."""


class Element(msgspec.Struct, frozen=True):
    """Other prices at some times; None leaves a price to the next element."""

    energy_price_per_kwh: Decimal | None = None
    charging_price_per_hour: Decimal | None = None
    idle_price_per_hour: Decimal | None = None
    start_time: str | None = None
    """`HH:MM` at the site; later than `end_time`: over midnight."""
    end_time: str | None = None
    days: tuple[Weekday, ...] = ()
    """None of them: every day."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff as it was taken for a transaction."""

    tariff_id: str
    name: str
    currency: str
    energy_price_per_kwh: Decimal
    charging_price_per_hour: Decimal
    idle_price_per_hour: Decimal
    fixed_fee: Decimal
    min_cost: Decimal | None
    max_cost: Decimal | None
    elements: tuple[Element, ...]
    timezone: str
    """Of the site, as an IANA name."""
    tell_cost: TellCost
    cost_step_wh: float
    cost_interval_s: int


class Prices(msgspec.Struct, frozen=True):
    """What holds at an instant."""

    energy_per_kwh: Decimal
    charging_per_hour: Decimal
    idle_per_hour: Decimal


def prices_at(terms: Terms, at: datetime) -> Prices:
    """Returns the prices at an instant: of the first elements that hold then, else the tariff's."""
    energy = charging = idle = None
    if terms.elements:
        local = at.astimezone(ZoneInfo(terms.timezone))
        for element in terms.elements:
            if _holds(element, local):
                energy = _first(energy, element.energy_price_per_kwh)
                charging = _first(charging, element.charging_price_per_hour)
                idle = _first(idle, element.idle_price_per_hour)
    return Prices(
        terms.energy_price_per_kwh if energy is None else energy,
        terms.charging_price_per_hour if charging is None else charging,
        terms.idle_price_per_hour if idle is None else idle,
    )


def pieces(terms: Terms, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yields a period cut where prices may change."""
    if terms.elements and start < end:
        for border in _borders(terms, start, end):
            yield start, border
            start = border
    yield start, end


def _holds(element: Element, local: datetime) -> bool:
    if element.days and _DAYS[local.weekday()] not in element.days:
        return False
    time = f"{local:%H:%M}"
    start, end = element.start_time or "00:00", element.end_time or "24:00"
    if start < end:
        return start <= time < end
    return time >= start or time < end


def _borders(terms: Terms, start: datetime, end: datetime) -> list[datetime]:
    zone = ZoneInfo(terms.timezone)
    times = {"00:00"}
    for element in terms.elements:
        times.update(time for time in (element.start_time, element.end_time) if time is not None)
    utc = start.tzinfo
    found = set(_clock_changes(zone, start, end))
    midnight = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight.astimezone(utc) < end:
        for time in times:
            local = midnight.replace(hour=int(time[:2]), minute=int(time[3:]))
            # An hour that comes twice has each of its times twice.
            found.update(local.replace(fold=fold).astimezone(utc) for fold in (0, 1))
        midnight += timedelta(days=1)
    return sorted(border for border in found if start < border < end)


def _clock_changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yields when the clocks of a zone are changed within a period, to the minute."""
    while start < end:
        until = min(start + timedelta(hours=1), end)
        before = start.astimezone(zone).utcoffset()
        if until.astimezone(zone).utcoffset() != before:
            low, high = start, until
            while high - low > _RESOLUTION:
                middle = low + (high - low) / 2
                if middle.astimezone(zone).utcoffset() == before:
                    low = middle
                else:
                    high = middle
            yield high.replace(second=0, microsecond=0)
        start = until


def _first(found: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if found is None else found
