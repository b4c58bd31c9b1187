"""Ways to tell a station a limit, from the manner of its record to those that odd boxes need.

A way is a set of quirks: a limit is said as if they were on the record. The first that a station
takes tells which quirks belong there.
"""

from __future__ import annotations

import math

from csms.planning.rules import TOLERANCE_RATIO, TOLERANCE_W
from models.units import NOMINAL_VOLTAGE_V

Method = tuple[str, ...]
"""Quirks that are tried beside those of the record; none: the manner of the record."""

AS_DEFAULT = "rejects-tx-profile"
DEFAULT_OBEYED = "ignores-tx-profile"
_OF_TRANSACTIONS = frozenset({AS_DEFAULT, "relative-only"})
_IN_AMPERES = frozenset({"a-only", "integer-amps"})
LEAST_A = 6.0
"""Below this no car charges by IEC 61851-1."""
WORDS = {
    "a-only": "in A",
    "integer-amps": "in whole A",
    AS_DEFAULT: "as the default of its EVSE",
    DEFAULT_OBEYED: "as the default of its EVSE",
    "stack0-only": "on stack level 0",
    "relative-only": "counted from the start of the transaction",
    "numberphases-required": "with the number of phases",
    "conn0-rejected": "on EVSE 1",
}
_ORDER: tuple[Method, ...] = (
    ("a-only",),
    ("integer-amps",),
    (AS_DEFAULT,),
    ("stack0-only",),
    ("relative-only",),
    ("numberphases-required",),
    ("a-only", "stack0-only"),
    ("a-only", AS_DEFAULT),
    (AS_DEFAULT, "stack0-only"),
    ("relative-only", "stack0-only"),
    ("integer-amps", AS_DEFAULT, "stack0-only", "numberphases-required"),
    ("integer-amps", "relative-only", "stack0-only", "numberphases-required"),
)
"""One change first, then those that were seen together, then all of them."""


def methods(record: frozenset[str], *, transaction: bool, strict: bool) -> tuple[Method, ...]:
    """Returns the ways to try, in their order.

    Args:
        record: quirks on the station's record.
        transaction: whether the limit is for one.
        strict: whether the station is spoken to by the book, whatever its record says.
    """
    if strict:
        return ((),)
    found: dict[Method, None] = {(): None}
    for method in _ORDER:
        if not transaction and not _OF_TRANSACTIONS.isdisjoint(method):
            continue
        if "w-only" in record and not _IN_AMPERES.isdisjoint(method):
            continue
        found[tuple(each for each in method if each not in record)] = None
    return tuple(found)


def words_of(method: Method) -> str:
    """Returns a way in words."""
    return ", ".join(WORDS[each] for each in method) or "in the manner of its record"


def least_w(min_power_w: float | None, phases: int) -> float:
    """Returns the least power at which an EVSE charges at all, in W."""
    return LEAST_A * NOMINAL_VOLTAGE_V * phases if min_power_w is None else min_power_w


def keeps(power_w: float, limit_w: float) -> bool:
    """Returns whether a power is no more than a limit, as exactly as meters are."""
    return power_w <= limit_w * (1 + TOLERANCE_RATIO) + TOLERANCE_W


def choose_limit(
    *, wished_w: float | None, drawn_w: float | None, ceiling_w: float, floor_w: float, phases: int
) -> float:
    """Returns the limit to try, in W: never more than holds already.

    Half of what may be drawn, and half an ampere above a whole one, because boxes that take whole
    amperes only would not be found out. Where half is less than a car needs to charge, the least
    that it needs; and where that is what it draws already, a pause.

    Args:
        wished_w: what somebody wants; None: chosen here.
        drawn_w: what the car draws; None: there is none.
        ceiling_w: what the station holds the EVSE to already, or its rated power.
        floor_w: the least power at which it charges.
        phases: on which it charges.
    """
    if wished_w is not None:
        return min(wished_w, ceiling_w)
    top_w = ceiling_w if drawn_w is None else min(ceiling_w, drawn_w)
    ampere_w = NOMINAL_VOLTAGE_V * phases
    half_w = (math.floor(top_w / 2 / ampere_w - 0.5) + 0.5) * ampere_w
    limit_w = min(max(half_w, floor_w), ceiling_w)
    if drawn_w is not None and keeps(drawn_w, limit_w):
        return 0.0
    return round(limit_w, 1)
