"""What follows for a report from the station's answer, its parts, and silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from csms.inquiries.queries import inquiry_resource
from csms.inquiries.rules import (
    PARTS_MAX,
    InquiryNow,
    answered,
    is_awaited,
    part_heard,
    tells_all,
)
from models.facts.inquiries import InquiryAnswer
from models.states import InquiryState

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)


def inquiry(state: InquiryState = "asked", **changes: object) -> InquiryNow:
    made = InquiryNow(
        id="i-1",
        tenant_id="default",
        station="CP-1",
        subject="customer",
        request_id=1001,
        asked={"id_token": "CARD-1"},
        whole=True,
        state=state,
        why=None,
        parts=0,
        asked_at=NOON,
        heard_at=NOON,
        ended_at=None,
    )
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(
    ("answer", "state", "over"),
    [
        ("accepted", "coming", False),
        ("done", "complete", True),
        ("empty", "empty", True),
        ("rejected", "refused", True),
        ("not-supported", "unsupported", True),
        ("unknown", "failed", True),
    ],
)
def test_each_answer_has_its_state(answer: InquiryAnswer, state: str, over: bool) -> None:
    after = answered(inquiry(), answer, "its words", LATER)
    assert (after.state, after.ended_at is not None) == (state, over)
    assert after.why == ("its words" if state in {"refused", "unsupported", "failed"} else None)


def test_an_answer_that_comes_after_its_parts_changes_nothing() -> None:
    whole = part_heard(inquiry(), NOON, last=True)
    assert answered(whole, "accepted", None, LATER) is whole


def test_parts_are_counted_until_the_last() -> None:
    first = part_heard(inquiry(), NOON, last=False)
    whole = part_heard(first, LATER, last=True)
    assert (first.state, whole.state, whole.parts, whole.ended_at) == (
        "coming",
        "complete",
        2,
        LATER,
    )
    assert part_heard(whole, LATER, last=False) is whole
    assert part_heard(inquiry("refused"), LATER, last=True).state == "refused"
    # Nobody heard its answer, but here it is.
    assert part_heard(inquiry("failed", ended_at=NOON), LATER, last=False).state == "coming"


def test_only_a_whole_report_tells_what_is_gone() -> None:
    assert tells_all(inquiry("complete"))
    assert tells_all(inquiry("empty"))
    assert not tells_all(inquiry("coming"))
    assert not tells_all(inquiry("complete", whole=False))


def test_a_station_that_goes_on_for_ever_is_not_written_down() -> None:
    assert is_awaited(inquiry("coming", parts=PARTS_MAX - 1))
    assert not is_awaited(inquiry("coming", parts=PARTS_MAX))
    assert not is_awaited(inquiry("complete"))


def test_silence_is_shown_and_people_are_not() -> None:
    shown = inquiry_resource(inquiry("coming"), LATER)
    assert (shown["state"], shown["why"]) == ("broken-off", "nothing has come for ten minutes")
    shown = inquiry_resource(inquiry("coming"), LATER - timedelta(seconds=1), people=False)
    assert (shown["state"], shown["asked"]) == ("coming", None)
    settings = inquiry(subject="variables", asked={"base": "full"})
    assert inquiry_resource(settings, NOON, people=False)["asked"] == {"base": "full"}
