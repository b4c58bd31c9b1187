"""What follows for a question to a station from its answer, from the parts that come, and silence.

Source: OCPP 2.0.1 part 2, B07, B08, K09, N09 and O03: the answer says whether a report follows, and
each part of it whether there are more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from models.facts.inquiries import InquiryAnswer
from models.states import INQUIRY, InquiryState, allowed

SILENT_AFTER = timedelta(minutes=10)
"""A report of which no part has come for so long has broken off."""
PARTS_MAX = 10_000
"""No report of use has more; a station that goes on is not written down any further."""
SILENT = "nothing has come for ten minutes"
_STATES: Mapping[InquiryAnswer, InquiryState] = {
    "accepted": "coming",
    "done": "complete",
    "empty": "empty",
    "rejected": "refused",
    "not-supported": "unsupported",
    "unknown": "failed",
}


class InquiryNow(msgspec.Struct, frozen=True):
    """A question, and how far its answer is; see `models.tables.inquiries.Inquiry`."""

    id: str
    tenant_id: str
    station: str
    subject: str
    request_id: int
    asked: dict[str, object]
    whole: bool
    state: InquiryState
    why: str | None
    parts: int
    asked_at: datetime
    heard_at: datetime
    ended_at: datetime | None


def answered(
    inquiry: InquiryNow, answer: InquiryAnswer, detail: str | None, now: datetime
) -> InquiryNow:
    """Returns a question after the station has said whether a report follows."""
    state = _STATES[answer]
    if inquiry.state != "asked" or not allowed(INQUIRY, inquiry.state, state):
        return inquiry
    why = detail if state in {"refused", "unsupported", "failed"} else None
    ended_at = None if state == "coming" else now
    return msgspec.structs.replace(inquiry, state=state, why=why, heard_at=now, ended_at=ended_at)


def part_heard(inquiry: InquiryNow, now: datetime, *, last: bool) -> InquiryNow:
    """Returns a question after a part of its answer; one that has ended stays as it is."""
    state: InquiryState = "complete" if last else "coming"
    if inquiry.state != state and not allowed(INQUIRY, inquiry.state, state):
        return inquiry
    return msgspec.structs.replace(
        inquiry,
        state=state,
        why=None,
        parts=inquiry.parts + 1,
        heard_at=now,
        ended_at=now if last else None,
    )


def is_awaited(inquiry: InquiryNow) -> bool:
    """Returns whether there may be more parts that are worth keeping."""
    return inquiry.state in {"asked", "coming", "failed"} and inquiry.parts < PARTS_MAX


def tells_all(inquiry: InquiryNow) -> bool:
    """Returns whether what this report did not tell is not there."""
    return inquiry.whole and inquiry.state in {"complete", "empty"}


def is_silent(state: str, heard_at: datetime, now: datetime) -> bool:
    """Returns whether a report that was to come has broken off."""
    return state in {"asked", "coming"} and now - heard_at >= SILENT_AFTER
