"""Commands to stations that swap batteries (2.1)."""

from __future__ import annotations

from models.commands.base import Command


class SwapBattery(Command, frozen=True, kw_only=True):
    """Let the holder of this token swap a battery."""

    request_id: int
    """The station repeats it in what it tells of the swap."""
    id_token: str
    token_type: str
