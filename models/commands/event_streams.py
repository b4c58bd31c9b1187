"""Commands about values that stations send all the time (2.1)."""

from __future__ import annotations

from models.commands.base import Command


class AdjustStream(Command, frozen=True, kw_only=True):
    """Send the values of a stream at another pace."""

    stream_id: int
    interval_s: int | None = None
    """At the latest after so long."""
    values_max: int | None = None
    """As soon as there are so many."""


class ReadStreams(Command, frozen=True, kw_only=True):
    """Tell us which streams are open."""
