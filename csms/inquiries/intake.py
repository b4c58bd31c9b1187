"""Takes in whether a report follows, and keeps count of its parts for those who take them in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from csms.inquiries.queries import inquiry_resource
from csms.inquiries.rules import InquiryNow, answered, is_awaited, part_heard, tells_all
from csms.ledger.batch import Batch, Decider, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.facts import VariablesReported
from models.facts.inquiries import InquiryAnswered, InquirySubject
from models.tables.inquiries import Inquiry

INQUIRIES = RowKind(
    Inquiry.__table__,
    InquiryNow,
    key=("id",),
    mutable=("state", "why", "parts", "heard_at", "ended_at"),
    settled=lambda row: row.ended_at is not None,
)
_FOUND = "inquiries"
Question = tuple[str, str, int]
"""Station, subject and number."""
Ending = tuple[RowKind[Any], Callable[[Batch, InquiryNow], None]]
"""The rows that a report tells, by station, and what forgets those that a whole one did not."""


def load_inquiries(batch: Batch, questions: Iterable[Question]) -> None:
    """Fetches the questions that parts of reports answer."""
    # No station's number is larger than what goes into the column, whatever it says.
    wanted = [each for each in dict.fromkeys(questions) if 0 < each[2] < 2**63]
    if not wanted:
        return
    rows = batch.rows(INQUIRIES).find(("station", "subject", "request_id"), wanted)
    found: dict[Question, str] = batch.memo.setdefault(_FOUND, {})
    found.update({(row.station, row.subject, row.request_id): row.id for row in rows})


def take_part(
    batch: Batch, station: str, subject: InquirySubject, request_id: int, *, last: bool
) -> InquiryNow | None:
    """Counts a part of a report.

    Returns:
        The question, where all is told with this part and the rest is gone; else None.
    """
    known = _find(batch, (station, subject, request_id))
    if known is None:
        return None
    after = part_heard(known, batch.now, last=last)
    if after is known:
        return None
    _put(batch, after)
    return after if tells_all(after) else None


class AnsweredDecider:
    """A station has said whether a report follows."""

    def __init__(self, endings: Mapping[InquirySubject, Ending]) -> None:
        """Takes what follows where there is nothing of a subject."""
        self._endings = endings

    def load(self, batch: Batch, facts: Sequence[InquiryAnswered]) -> None:
        """Fetches the questions."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        load_inquiries(batch, ((fact.station, fact.subject, fact.request_id) for fact in facts))
        for subject, (kind, _) in self._endings.items():
            empty = [f.station for f in facts if f.subject == subject and f.answer == "empty"]
            batch.rows(kind).find(("station",), empty)

    def decide(self, batch: Batch, fact: InquiryAnswered, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps the answer."""
        known = _find(batch, (fact.station, fact.subject, fact.request_id))
        if known is None:
            return EMPTY
        after = answered(known, fact.answer, fact.detail, batch.now)
        if after is not known:
            _put(batch, after)
            ending = self._endings.get(fact.subject)
            if ending is not None and tells_all(after):
                ending[1](batch, after)
        return EMPTY


class WithParts:
    """Counts the parts of reports of settings beside what they tell."""

    def __init__(self, decider: Decider[VariablesReported]) -> None:
        self._decider = decider

    def load(self, batch: Batch, facts: Sequence[VariablesReported]) -> None:
        """Fetches what the settings need, and who has asked."""
        self._decider.load(batch, facts)
        load_inquiries(
            batch,
            ((f.station, "variables", f.request_id) for f in facts if f.request_id is not None),
        )

    def decide(self, batch: Batch, fact: VariablesReported, note: MessageNote | None) -> Answer:
        """Keeps the settings, and counts the part."""
        answer = self._decider.decide(batch, fact, note)
        if fact.request_id is not None:
            take_part(batch, fact.station, "variables", fact.request_id, last=fact.last)
        return answer


def question_of(
    batch: Batch, station: str, subject: InquirySubject, request_id: int
) -> InquiryNow | None:
    """Returns the question that a part of a report answers, if it is one of ours."""
    return _find(batch, (station, subject, request_id))


def awaited_part(
    batch: Batch, station: str, subject: InquirySubject, request_id: int
) -> InquiryNow | None:
    """Returns the question that a part of a report answers, if there may be more parts of it."""
    known = _find(batch, (station, subject, request_id))
    return known if known is not None and is_awaited(known) else None


def _find(batch: Batch, question: Question) -> InquiryNow | None:
    number = batch.memo.get(_FOUND, {}).get(question)
    return None if number is None else batch.rows(INQUIRIES).get(number)


def _put(batch: Batch, inquiry: InquiryNow) -> None:
    batch.rows(INQUIRIES).put(inquiry)
    if inquiry.ended_at is None:
        return
    station = batch.rows(BRIEFS).get(inquiry.station)
    batch.emit(
        "inquiry.ended",
        subject=f"inquiry/{inquiry.id}",
        resource=inquiry_resource(inquiry, batch.now, people=False),
        site_id=station.site_id if station else None,
        tenant=inquiry.tenant_id,
    )
