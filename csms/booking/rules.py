"""Pure decisions about bookings: what may follow what, and which wishes make no sense."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.errors import BadInput, Conflict, FieldError
from models.states import BOOKING, BookingStatus, allowed

NO_SHOW_AFTER = timedelta(minutes=60)
"""A car that nobody fetched by then is free again."""
NOT_PLUGGED_AFTER = timedelta(minutes=10)
"""A car that came back and was not plugged in by then is reported."""
LATE_BY = timedelta(minutes=30)
"""How much longer a car that is late is expected to stay away."""
OPEN = ("confirmed", "at_risk")
"""Promised, and not begun."""
ON_THE_ROAD = ("active", "late")


def reserve_km(distance_km: float) -> float:
    """Returns the reserve kept for a trip: a tenth of it, at least 5 km."""
    return max(5.0, 0.1 * distance_km)


def check_times(start: datetime, end: datetime, now: datetime) -> None:
    """Lets a wish pass that lies ahead and takes time.

    Raises:
        BadInput: naming the field that is wrong.
    """
    errors: list[FieldError] = []
    if start < now:
        errors.append(FieldError("/start", f"lies in the past (it is {now.isoformat()})"))
    if end <= start:
        errors.append(FieldError("/end", "must be after start"))
    if errors:
        raise BadInput("a booking takes place in the future and ends after it starts", errors)


def step(before: str, after: BookingStatus) -> BookingStatus:
    """Returns `after` if a booking that is `before` may become it.

    Raises:
        Conflict: if it may not.
    """
    if before == after or not allowed(BOOKING, before, after):
        raise Conflict(f"a booking that is {before} can't become {after}", code="wrong-status")
    return after


def free_evse(evses: Sequence[str], taken: Sequence[str], planned: str | None) -> str | None:
    """Returns where a car that comes back should plug in: as planned if free, else the first free.

    Args:
        evses: those of the site in service, as `IDENTITY/EVSE`, preferred ones first.
        taken: those that other cars hold.
        planned: what the plan wants.
    """
    held = set(taken)
    if planned is not None and planned in evses and planned not in held:
        return planned
    return next((evse for evse in evses if evse not in held), None)
