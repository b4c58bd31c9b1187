"""What stations answer when they are asked for a report that comes in parts (2.x)."""

from __future__ import annotations

from typing import Literal

from models.facts import Fact

InquirySubject = Literal["variables", "displays", "limits", "customer"]
"""What a station is asked about: its settings, what it shows, the limits that it holds, or what it
knows of a customer."""
InquiryAnswer = Literal["accepted", "done", "empty", "rejected", "not-supported", "unknown"]
"""The report follows; it is done, and none follows; there is nothing to report; no; it can't; or
nobody can tell."""


class InquiryAnswered(Fact, frozen=True, gc=False, kw_only=True):
    """A station has said whether a report follows."""

    subject: InquirySubject
    request_id: int
    answer: InquiryAnswer
    detail: str | None = None
    """The station's own words."""
