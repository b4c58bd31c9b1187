"""What stations answer when they are asked for a report in parts: it follows, is empty, or no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from csms.ocpp.table import Outcome, by_status
from models.facts.inquiries import InquiryAnswer, InquiryAnswered, InquirySubject


def report_promised(
    subject: InquirySubject,
    empty: str | None,
    *,
    follows: Callable[[Any], bool] = lambda _command: True,
) -> Callable[[Any, Mapping[str, Any]], Outcome]:
    """Returns what reads the answer to a question.

    Args:
        subject: what it is about.
        empty: the status that says that there is nothing to report.
        follows: whether a report follows where a command is accepted.

    The command has the `request_id` that each part repeats.
    """

    def outcome(command: Any, response: Mapping[str, Any]) -> Outcome:
        read = by_status(command, response)
        answer: InquiryAnswer = "accepted" if read.status == "scheduled" else read.status
        if answer == "accepted" and not follows(command):
            answer = "done"
        if empty is not None and response.get("status") == empty:
            answer = "empty"
            read = msgspec.structs.replace(read, status="accepted")

        def told(station: str, at: datetime) -> InquiryAnswered:
            return InquiryAnswered(
                station=station,
                received_at=at,
                subject=subject,
                request_id=command.request_id,
                answer=answer,
                detail=read.detail,
            )

        return msgspec.structs.replace(read, tells=told)

    return outcome
