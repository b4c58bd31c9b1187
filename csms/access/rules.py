"""Whether a token may charge. Pure: what is known of it and the instant come as arguments."""

from __future__ import annotations

from datetime import datetime

import msgspec

from models.answers import TokenStatus


class TokenState(msgspec.Struct, frozen=True):
    """What is known of one token; see `models.tables.access.IdToken`."""

    tenant_id: str
    token_key: str
    id_token: str
    status: str
    expires_at: datetime | None
    parent: str | None
    driver_id: str | None
    vehicle_id: str | None


def token_key(id_token: str) -> str:
    """Returns what a token is compared by: OCPP 1.6 and 2.x compare without case."""
    return id_token.lower()


def judge(token: TokenState | None, now: datetime) -> TokenStatus:
    """Returns what a station is told about a token.

    Args:
        token: what is known of it; None for a token that nobody has created.
        now: by our clock, because a station's may be wrong.
    """
    if token is None:
        return "Unknown"
    if token.status == "Blocked":
        return "Blocked"
    if token.expires_at is not None and token.expires_at <= now:
        return "Expired"
    return "Accepted"
