"""Commands about the limits that a 2.x station holds."""

from __future__ import annotations

from typing import Literal

from models.commands.base import Command

SOURCES: tuple[Literal["CSO", "EMS", "Other", "SO"], ...] = ("CSO", "EMS", "Other", "SO")
"""Who may have set what `ReadHeldLimits` asks for: a request has room for these four. A 2.1 station
may know others, of whose limits its report says nothing."""


class ReadHeldLimits(Command, frozen=True, kw_only=True):
    """Tell us the limits that you hold, whoever of `SOURCES` has set them, in reports."""

    request_id: int
