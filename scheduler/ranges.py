"""What numbers of a problem may be, and how it is told where they are not.

What they mean together is checked in `scheduler.problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from models.errors import FieldError
from scheduler.documents import LARGEST_INTEGER

Range = tuple[float, float]
"""The least and the most that a number may be.

What is beyond is a mistake: a gigawatt for a car, a terawatt-hour for a battery, a billion for a
kilowatt-hour. Sums and products of what is within are far from what a float can't hold.
"""
POWER_W: Range = (0.0, 1e9)
ANY_POWER_W: Range = (-1e9, 1e9)
ENERGY_WH: Range = (0.0, 1e12)
ANY_ENERGY_WH: Range = (-1e12, 1e12)
PRICE: Range = (0.0, 1e9)
ANY_PRICE: Range = (-1e9, 1e9)
DISTANCE_KM: Range = (0.0, 1e6)
WH_PER_KM: Range = (0.0, 1e6)
CO2_G_PER_KWH: Range = (-1e6, 1e6)
SHARE: Range = (0.01, 1.0)
"""Of an efficiency: energy is divided by it."""


def wish(low: float, high: float) -> str:
    """Returns in words what a number must be."""
    if low == high:
        return f"must be {low:g}"
    if high != LARGEST_INTEGER:
        return f"must be {low:g} to {high:g}"
    if low in (0, 1):
        return f"must be a finite number of at least {low:g}"
    return "must be a finite number"


def out_of(value: float, allowed: Range) -> str | None:
    """Returns what is wrong with a number; None: it is within what is allowed."""
    low, high = allowed
    return None if low <= value <= high else f"{wish(low, high)}, not {value}"


def range_errors(thing: object, ranges: Mapping[str, Range], pointer: str) -> Iterator[FieldError]:
    """Yields what of a thing is out of the range that `ranges` gives its field."""
    for name, allowed in ranges.items():
        if (wrong := out_of(getattr(thing, name), allowed)) is not None:
            yield FieldError(f"{pointer}/{name}", wrong)


def duplicates(ids: Iterable[str], pattern: str) -> Iterator[FieldError]:
    """Yields each id that stands a second time; `pattern` is its pointer, `{}` its number."""
    seen: set[str] = set()
    for index, name in enumerate(ids):
        if name in seen:
            yield FieldError(pattern.format(index), f"{name!r} is given twice")
        seen.add(name)


def window_errors(windows: Iterable[tuple[int, int]], pointer: str) -> Iterator[FieldError]:
    """Yields the windows that are no stretch of steps."""
    for number, (start, end) in enumerate(windows):
        if not 0 <= start < end:
            detail = f"must be [from, to) with 0 <= from < to, not [{start}, {end}]"
            yield FieldError(f"{pointer}/{number}", detail)
