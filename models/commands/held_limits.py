"""Commands about the limits that a 2.x station holds."""

from __future__ import annotations

from models.commands.base import Command


class ReadHeldLimits(Command, frozen=True, kw_only=True):
    """Tell us all the limits that you hold, whoever has set them, as reports that follow."""

    request_id: int
