"""What numbers of a problem may be, and how it is told where they are not.

What they mean together is checked in `scheduler.problem`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from models.errors import FieldError
from scheduler.documents import LARGEST_INTEGER

ANY = (-math.inf, math.inf)
NOT_NEGATIVE = (0.0, math.inf)
SHARE = (5e-324, 1.0)  # above 0: energy is divided by it


def wish(low: float, high: float) -> str:
    """Returns in words what a number must be."""
    if low == high:
        return f"must be {low:g}"
    if (low, high) == SHARE:
        return "must be above 0 and at most 1"
    if high not in (math.inf, LARGEST_INTEGER):
        return f"must be {low:g} to {high:g}"
    if low in (0, 1):
        return f"must be a finite number of at least {low:g}"
    return "must be a finite number"


def range_errors(
    thing: object, ranges: Mapping[str, tuple[float, float]], pointer: str
) -> Iterator[FieldError]:
    """Yields what of a thing is out of the range that `ranges` gives its field."""
    for name, (low, high) in ranges.items():
        value = getattr(thing, name)
        if not low <= value <= high or math.isinf(value):
            yield FieldError(f"{pointer}/{name}", f"{wish(low, high)}, not {value}")


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
