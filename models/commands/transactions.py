"""Commands about transactions that are in doubt."""

from __future__ import annotations

from models.commands.base import Command


class CheckTransaction(Command, frozen=True, kw_only=True):
    """Tell us whether this transaction goes on, and whether you have more to tell of it (2.x)."""

    ocpp_transaction_id: str
