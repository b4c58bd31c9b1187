"""What stations say of transactions that are in doubt (2.x)."""

from __future__ import annotations

from models.facts import Fact


class TransactionChecked(Fact, frozen=True, gc=False, kw_only=True):
    """Whether a transaction goes on, and whether there is more to tell of it."""

    ocpp_transaction_id: str
    ongoing: bool | None
    """None: the station does not say."""
    in_queue: bool
    """Whether the station has messages about it that it could not send yet."""
