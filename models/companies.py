"""Companies, as payment terminals and stations speak of them."""

from __future__ import annotations

import msgspec


class Company(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Whom a receipt is for."""

    name: str
    address1: str
    address2: str | None = None
    city: str
    postal_code: str | None = None
    country: str
