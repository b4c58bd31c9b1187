"""The parts of a check: its steps in their order, and what is found in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

StepName = Literal[
    "connection",
    "settings",
    "status",
    "meter",
    "clock",
    "safe-limit",
    "limit",
    "read-back",
    "obeyed",
    "released",
]
"""In the order in which they are taken."""
StepState = Literal["passed", "failed", "skipped", "inconclusive"]
Severity = Literal["info", "warning", "error"]
Verdict = Literal["good", "good-with-changes", "limits-not-kept", "not-usable"]
Figure = float | str | bool | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody should know or change."""

    code: str
    severity: Severity
    text: str
    change: str | None = None
    """What to change where, and why; None: nothing."""
    quirk: str | None = None
    """The quirk for the station's record, by which we get along with it."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step, once it is done."""

    step: StepName
    state: StepState
    text: str
    """What came of it, for people."""
    asked: tuple[str, ...] = ()
    """What the station was asked or told."""
    answered: tuple[str, ...] = ()
    """What it said to that, one for each."""
    figures: dict[str, Figure] = {}
    """Numbers behind it; each name ends in its unit."""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Done(msgspec.Struct, frozen=True):
    """A step with what was found in it."""

    step: Step
    findings: tuple[Finding, ...] = ()


def skipped(step: StepName, text: str) -> Done:
    """Returns a step that was not taken."""
    return Done(Step(step=step, state="skipped", text=text))


def document(part: Step | Finding) -> dict[str, Any]:
    """Returns a step or finding as it is kept."""
    return msgspec.to_builtins(part)


def read_step(kept: Any) -> Step:
    """Returns a step that was kept."""
    return msgspec.convert(kept, Step)


def read_finding(kept: Any) -> Finding:
    """Returns a finding that was kept."""
    return msgspec.convert(kept, Finding)
