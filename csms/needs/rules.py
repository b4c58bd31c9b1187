"""Whether a car means to keep to its limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import inf

from models.facts.needs import SchedulePeriod
from models.timeline import shifted

TOLERANCE_W = 50.0
"""Cars speak in whole amperes or tenths of them: less than a tenth of one on three phases."""
_LONGEST_S = 10 * 366 * 86_400


def at_second(base_at: datetime, start_s: int) -> datetime:
    """Returns an instant of a schedule; what is ten years away is not meant."""
    return shifted(base_at, max(0, min(start_s, _LONGEST_S)))


def exceeds_at(
    periods: Sequence[SchedulePeriod],
    base_at: datetime,
    limits: Sequence[tuple[datetime, float]],
    valid_to: datetime | None,
) -> datetime | None:
    """Returns from when a car means to take more than it may; None: never.

    Args:
        periods: of the car.
        base_at: what they count from.
        limits: ours, each from an instant on, the earliest first, in W.
        valid_to: when ours ends.
    """
    wished = [(at_second(base_at, each.start_s), each.limit_w or 0.0) for each in periods]
    instants = sorted({at for at, _ in (*wished, *limits)})
    for instant in instants:
        if instant < base_at or (valid_to is not None and instant >= valid_to):
            continue
        if _at(wished, instant, 0.0) > _at(limits, instant, inf) + TOLERANCE_W:
            return instant
    return None


def _at(steps: Sequence[tuple[datetime, float]], instant: datetime, before: float) -> float:
    value = before
    for at, power_w in steps:
        if at <= instant:
            value = power_w
    return value
