"""What stations tell of customers (2.x)."""

from __future__ import annotations

from models.facts import Fact


class CustomerTold(Fact, frozen=True, gc=False, kw_only=True):
    """One part of what a station knows of a customer."""

    request_id: int
    seq_no: int
    last: bool
    data: str
    """In no form that anybody has agreed on."""
