"""Commands about what a 2.x station shows on its screen."""

from __future__ import annotations

from models.commands.base import Command
from models.facts.displays import DisplayMessage


class ShowMessage(Command, frozen=True, kw_only=True):
    """Show this message, in the place of the one with the same number."""

    message: DisplayMessage


class ClearMessage(Command, frozen=True, kw_only=True):
    """Show this message no longer."""

    message_id: int


class ReadMessages(Command, frozen=True, kw_only=True):
    """Tell us all that you show, as reports that follow."""

    request_id: int
