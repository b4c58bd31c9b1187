"""When somebody is at a site who moves cars, and what that costs, as a scenario says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

import msgspec

from models.errors import FieldError
from simulators.amounts import NotNegative

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours in which somebody is there, by local time."""

    start: Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
    """As `08:00`."""
    end: Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]
    """As `17:30`, of the same day; at the latest `24:00`."""
    days: Annotated[tuple[Day, ...], msgspec.Meta(min_length=1, max_length=7)] = get_args(Day)


class StaffSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who moves cars between the EVSEs of a site."""

    move_price: NotNegative
    """What one move of one car costs."""
    move_hours: Annotated[tuple[Shift, ...], msgspec.Meta(max_length=50)] = ()
    """None: at all hours."""


def mistakes_of_staff(staff: StaffSpec | None, where: str) -> Iterator[FieldError]:
    """Finds hours that end before they begin; `where` is the pointer of the staff."""
    for index, shift in enumerate(() if staff is None else staff.move_hours):
        if shift.end <= shift.start:
            yield FieldError(f"{where}/move_hours/{index}/end", "is not after start")
