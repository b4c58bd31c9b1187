"""What is known of a control, after answers and reports in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from csms.grid.rules import REPORT_WITHIN_S, answered, missing, reported, started, stranger
from models.facts.grid import (
    DerControl,
    DerControlAnswered,
    DerControlsReported,
    DerStartStopReported,
)

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
CURVE = DerControl(control_id="c", control_type="VoltVar", is_default=False, setting={"x": 1})


def an_answer(outcome: Any = "accepted", control: DerControl | None = CURVE) -> DerControlAnswered:
    return DerControlAnswered(
        station="S",
        received_at=NOON,
        control_id="c",
        control=control,
        outcome=outcome,
        detail="its words",
    )


def a_report(request_id: int | None, at: datetime = NOON) -> DerControlsReported:
    return DerControlsReported(
        station="S", received_at=at, controls=(CURVE,), request_id=request_id
    )


def test_a_wish_that_is_refused_leaves_what_was_there() -> None:
    held = answered(None, an_answer())
    assert held is not None
    changed = msgspec.structs.replace(CURVE, setting={"x": 2})
    after = answered(held, an_answer("rejected", changed))
    assert after is not None
    assert (after.state, after.wished, after.detail) == ("accepted", {"x": 1}, "its words")
    refused = answered(None, an_answer("rejected"))
    assert refused is not None
    assert refused.state == "rejected"
    again = answered(refused, an_answer())
    assert again is not None
    assert again.state == "accepted"


def test_what_was_cleared_is_in_force_no_more() -> None:
    held = answered(None, an_answer())
    assert held is not None
    cleared = answered(held, an_answer(control=None))
    assert cleared is not None
    assert (cleared.state, cleared.started) == ("cleared", False)
    assert answered(held, an_answer("rejected", None)) == held
    assert answered(None, an_answer(control=None)) is None


def test_a_report_takes_away_only_what_it_could_have_had() -> None:
    second = int(NOON.timestamp())
    old = msgspec.structs.replace(
        stranger("S", "old", NOON), updated_at=NOON - timedelta(seconds=1)
    )
    gone = missing(old, a_report(second))
    assert gone is not None
    assert gone.state == "gone"
    assert missing(old, a_report(None)) is None, "more parts follow"
    assert missing(stranger("S", "new", NOON), a_report(second)) is None
    late = NOON + timedelta(seconds=REPORT_WITHIN_S + 1)
    assert missing(old, a_report(second, late)) is None
    assert missing(old, a_report(second + 5)) is None, "nobody has asked for that yet"
    back = reported(gone, a_report(None), CURVE)
    assert (back.state, back.reported) == ("accepted", {"x": 1})


def test_an_older_word_of_a_start_changes_nothing() -> None:
    def word(*, begun: bool, at: datetime) -> DerStartStopReported:
        return DerStartStopReported(
            station="S", received_at=NOON, control_id="c", started=begun, measured_at=at
        )

    ended = started(None, word(begun=False, at=NOON))
    assert ended.started is False
    assert started(ended, word(begun=True, at=NOON - timedelta(seconds=1))) == ended
    assert started(ended, word(begun=True, at=NOON)).started is True
