"""Questions to stations, as they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from csms.inquiries.rules import SILENT, is_silent


def inquiry_resource(inquiry: Any, now: datetime, *, people: bool = True) -> dict[str, Any]:
    """Returns a question; it takes the table's row and the rules' struct alike.

    Args:
        inquiry: what it is.
        now: to tell which has broken off.
        people: whether it may be seen whom a question is about.
    """
    silent = is_silent(inquiry.state, inquiry.heard_at, now)
    hidden = inquiry.subject == "customer" and not people
    return {
        "id": inquiry.id,
        "station": inquiry.station,
        "subject": inquiry.subject,
        "request_id": inquiry.request_id,
        "asked": None if hidden else inquiry.asked,
        "state": "broken-off" if silent else inquiry.state,
        "why": SILENT if silent else inquiry.why,
        "parts": inquiry.parts,
        "asked_at": inquiry.asked_at,
        "heard_at": inquiry.heard_at,
        "ended_at": inquiry.ended_at,
    }
