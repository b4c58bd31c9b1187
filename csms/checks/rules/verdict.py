"""The verdict on a station, and the page that tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from csms.checks.rules.steps import Finding, Severity, Step, Verdict
from models.timeline import format_rfc3339

_WORDS: dict[Verdict, str] = {
    "good": "**Good.** The station does what a plan needs, and was seen to.",
    "good-with-changes": "**Good, with changes.** See below what to change, or to do yet.",
    "limits-not-kept": "**Limits are not kept.** The station says yes to limits and draws more."
    " It may charge, but its circuit has to bear its full power.",
    "not-usable": "**Not usable for plans.** The station takes no limits.",
}
_ORDER: tuple[Severity, ...] = ("error", "warning", "info")


def verdict_of(steps: Sequence[Step], findings: Sequence[Finding]) -> Verdict:
    """Returns what the steps and findings of a check come to."""
    states = {each.step: each.state for each in steps}
    codes = {each.code for each in findings}
    if states.get("limit") != "passed":
        return "not-usable"
    if "limit-not-kept" in codes or "total-vs-phase" in codes:
        return "limits-not-kept"
    changes = any(each.severity != "info" or each.change for each in findings)
    return "good-with-changes" if changes else "good"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What the report of a check is made from."""

    station: str
    evse_id: int
    state: str
    verdict: Verdict | None
    why: str | None
    steps: Sequence[Step]
    findings: Sequence[Finding]
    applied: Sequence[str]
    reaction_s: float | None
    created_at: datetime
    ended_at: datetime | None


def report(page: Page) -> str:
    """Returns the verdict on one page, as Markdown for people."""
    lines = [
        f"# Check of {_plain(page.station)}, EVSE {page.evse_id}",
        "",
        _headline(page),
        "",
        f"Begun {format_rfc3339(page.created_at)}"
        + (f", ended {format_rfc3339(page.ended_at)}." if page.ended_at else "."),
    ]
    if page.reaction_s is not None:
        lines += ["", f"It keeps a new limit after {page.reaction_s:.1f} s."]
    lines += ["", "## What to change", ""]
    changes = [each for each in _sorted(page.findings) if each.change]
    for each in changes:
        done = " (Done: it is on the record.)" if each.quirk in page.applied else ""
        lines.append(f"- {_plain(each.text)} {_plain(each.change or '')}{done}")
    lines += [] if changes else ["Nothing."]
    notes = [each for each in _sorted(page.findings) if not each.change]
    if notes:
        lines += ["", "## What to know", "", *(f"- {_plain(each.text)}" for each in notes)]
    lines += ["", "## What was tried", "", "| step | | what came of it |", "|---|---|---|"]
    lines += [f"| {each.step} | {each.state} | {_cell(each.text)} |" for each in page.steps]
    return "\n".join(lines) + "\n"


def _headline(page: Page) -> str:
    if page.verdict is not None:
        return _WORDS[page.verdict]
    if page.state == "running":
        return "**Under way.** There is no verdict yet."
    return f"**No verdict:** the check was {page.state}" + (
        f" ({_plain(page.why)})." if page.why else "."
    )


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: _ORDER.index(each.severity))


def _plain(text: str) -> str:
    """Returns text on one line, in which what a station has told marks nothing up."""
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), ("[", "\\[")):
        text = text.replace(mark, harmless)
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _plain(text).replace("|", "/")
