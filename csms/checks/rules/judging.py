"""What follows from the answers and samples of each step of a check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from csms.checks.rules.methods import DEFAULT_OBEYED, Method, keeps, words_of
from csms.checks.rules.steps import Done, Finding, Step, StepName, StepState
from models.timeline import format_rfc3339

CLOCK_OFF_S = 30.0
"""A sample is under way for a while, and no plan cares for seconds."""
SAMPLES_UNDER = 2
"""One sample below a limit may be chance; two in a row are not."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a meter showed once."""

    measured_at: datetime
    """By the station's clock."""
    received_at: datetime
    energy_wh: float | None
    power_w: float | None
    suspect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the station and the meaning of its answer."""

    words: str
    answer: str
    """`accepted`, `rejected`, `not-supported`, `unknown`, or the code of an error."""

    @property
    def accepted(self) -> bool:
        """Whether it said yes."""
        return self.answer == "accepted"


def judge_connection(
    *,
    vendor: str | None,
    model: str | None,
    firmware: str | None,
    version: str | None,
    profile: int,
    booted_at: datetime | None,
) -> Done:
    """Returns what the connection and the last boot tell."""
    findings: tuple[Finding, ...] = ()
    if profile == 0:
        findings = (
            Finding(
                code="no-password",
                severity="warning",
                text="The station logs in without a password.",
                change="Give the station a password and set `security_profile` 1 or more on its"
                " record, because anybody could speak in its name.",
            ),
        )
    named = " ".join(each for each in (vendor, model, firmware) if each) or "of an unknown make"
    step = Step(
        step="connection",
        state="passed",
        text=f"connected by {version or 'an unknown version'}; it is {named}",
        figures={
            "vendor": vendor,
            "model": model,
            "firmware_version": firmware,
            "ocpp_version": version,
            "security_profile": float(profile),
            "booted_at": None if booted_at is None else format_rfc3339(booted_at),
        },
    )
    return Done(step, findings)


def judge_status(asked: Asked, *, came: bool, status: str | None) -> Done:
    """Returns whether the station says its status when it is asked."""
    if asked.accepted and came:
        return _done("status", "passed", f"it says {status}", asked)
    text = "it says yes and no status comes" if asked.accepted else "it does not say it when asked"
    finding = Finding(
        code="status-not-told",
        severity="warning" if asked.accepted else "info",
        text="The station does not say its status when it is asked: after a connection was lost,"
        " what is shown may be old.",
    )
    return _done("status", "failed", text, asked, findings=(finding,))


def judge_meter(asked: Asked, sample: Sample | None, *, measurands: str) -> Done:
    """Returns whether the meter can be read.

    Args:
        asked: the question for a sample.
        sample: what came; None: nothing.
        measurands: how the station calls the setting that says what it meters.
    """
    if sample is None:
        finding = Finding(
            code="meter-not-told",
            severity="warning" if asked.accepted else "info",
            text="No meter value came when one was asked for: a limit that is not kept shows only"
            " with the next one that the station sends by itself.",
        )
        return _done("meter", "failed", "no meter value came", asked, findings=(finding,))
    missing = [
        (name, word)
        for name, word, value in (
            ("Energy.Active.Import.Register", "energy", sample.energy_wh),
            ("Power.Active.Import", "power", sample.power_w),
        )
        if value is None
    ]
    findings = tuple(
        Finding(
            code=f"no-{word}",
            severity="warning",
            text=f"The meter value that came has no {word}.",
            change=f"Add {name} to {measurands} in the box, because"
            + (" energy is billed." if word == "energy" else " it shows whether a limit is kept."),
        )
        for name, word in missing
    )
    text = f"{_w(sample.power_w)}, register {_wh(sample.energy_wh)}"
    state: StepState = "failed" if missing else "passed"
    figures = {"power_w": sample.power_w, "energy_wh": sample.energy_wh}
    return _done("meter", state, text, asked, findings=findings, figures=figures)


def judge_clock(offset_s: float | None, marks: Sequence[str]) -> Done:
    """Returns whether the station's clock is right.

    Args:
        offset_s: how far it is ahead of ours; None: not known.
        marks: why the times that came are doubted.
    """
    wrong = [mark for mark in marks if mark.startswith("time-")]
    if offset_s is None and not wrong:
        return Done(Step(step="clock", state="skipped", text="it has told no time"))
    figures = {"offset_s": None if offset_s is None else round(offset_s, 1)}
    if not wrong and offset_s is not None and abs(offset_s) <= CLOCK_OFF_S:
        text = f"{abs(offset_s):.0f} s from ours"
        return Done(Step(step="clock", state="passed", text=text, figures=dict(figures)))
    why = ", ".join(wrong) or f"{offset_s:+.0f} s from ours"
    finding = Finding(
        code="clock-wrong",
        severity="warning",
        text=f"The station's clock is wrong ({why}).",
        change="Have the box take its time from us or from a time server, in UTC, because limits"
        " and bills go by it.",
    )
    return Done(Step(step="clock", state="failed", text=why, figures=dict(figures)), (finding,))


def judge_safe_limit(
    limit_w: float | None, state: str | None, tries: Sequence[tuple[Method, Asked]]
) -> Done:
    """Returns whether the box holds what it is to keep to while we are away.

    Args:
        limit_w: on the station's record.
        state: what became of it; None: it was never sent.
        tries: how it was taken in other ways, where it was refused.
    """
    figures = {"limit_w": limit_w}
    if limit_w is None:
        finding = Finding(
            code="no-safe-limit",
            severity="warning",
            text="The station has no safe limit: without us every car draws what it can.",
            change="Set `safe_limit_w` on the station's record, because no fuse should trip while"
            " we are away.",
        )
        return _done("safe-limit", "failed", "there is none", findings=(finding,), figures=figures)
    asked = tuple(each for _, each in tries)
    if asked and asked[-1].accepted:
        method = tries[-1][0]
        found = quirk_found(method, "for a time without us is refused as it was sent")
        text = f"{limit_w:.0f} W, taken {words_of(method)}"
        return _done("safe-limit", "passed", text, *asked, findings=found, figures=figures)
    if state in ("rejected", "disobeyed"):
        finding = Finding(
            code="safe-limit-not-kept",
            severity="error",
            text=f"The safe limit of {limit_w:.0f} W was {state}: the circuit has to bear the"
            " station's full power while we are away.",
            change="Set the greatest current in the box itself.",
        )
        text = f"it was {state}"
        return _done("safe-limit", "failed", text, *asked, findings=(finding,), figures=figures)
    if state in ("accepted", "obeyed"):
        return _done("safe-limit", "passed", f"{limit_w:.0f} W, {state}", figures=figures)
    return _done("safe-limit", "inconclusive", "not answered yet", figures=figures)


def judge_limit(limit_w: float, tries: Sequence[tuple[Method, Asked]]) -> Done:
    """Returns whether the station has taken a limit, and in which way."""
    asked = tuple(each for _, each in tries)
    figures = {"limit_w": limit_w, "ways_tried": float(len(tries))}
    method, last = tries[-1]
    if last.accepted:
        text = f"{limit_w:.0f} W, {words_of(method)}"
        found = quirk_found(method, "in the manner of its record is refused") if method else ()
        return _done("limit", "passed", text, *asked, findings=found, figures=figures)
    if last.answer == "unknown":
        finding = Finding(
            code="limit-not-answered",
            severity="error",
            text="The station did not answer when it was sent a limit.",
            change="Ask the maker for firmware that answers SetChargingProfile.",
        )
        text = "it did not answer"
        return _done("limit", "inconclusive", text, *asked, findings=(finding,), figures=figures)
    finding = Finding(
        code="limits-refused",
        severity="error",
        text=f"The station refuses every limit ({last.answer}), told in {len(tries)} ways.",
        change="Look for a switch in the box or its portal that lets a central system control the"
        " power (smart charging, EMS, load management), because without it no plan holds.",
    )
    text = "every way was refused"
    return _done("limit", "failed", text, *asked, findings=(finding,), figures=figures)


def judge_read_back(
    asked: Asked, told_w: float | None, *, limit_w: float, phases: int, charging: bool
) -> Done:
    """Returns whether the station says that it holds what it was sent.

    Args:
        asked: the question.
        told_w: what it will allow right now; None: it did not say.
        limit_w: what it was sent.
        phases: on which the EVSE charges; amperes are told for three where a box does not say.
        charging: whether a transaction runs; without one, many boxes tell what they could give.
    """
    figures = {"told_w": told_w, "limit_w": limit_w}
    if not asked.accepted or told_w is None:
        text = "it does not tell what it holds"
        return _done("read-back", "inconclusive", text, asked, figures=figures)
    for_three_w = told_w * phases / 3
    read_wrong = keeps(for_three_w, limit_w) and keeps(limit_w, for_three_w)
    if keeps(told_w, limit_w) or read_wrong:
        return _done("read-back", "passed", f"it holds {told_w:.0f} W", asked, figures=figures)
    text = f"it tells {told_w:.0f} W and was sent {limit_w:.0f} W"
    if not charging:
        return _done("read-back", "inconclusive", text, asked, figures=figures)
    finding = Finding(
        code="read-back-differs",
        severity="warning",
        text=f"The station says that it allows {told_w:.0f} W under a limit of {limit_w:.0f} W.",
    )
    return _done("read-back", "failed", text, asked, findings=(finding,), figures=figures)


@dataclass(frozen=True, slots=True)
class Watched:
    """The meter under a limit."""

    samples: tuple[Sample, ...]
    """With a power, in order of receipt."""
    cut_short: str | None = None
    """Why it could not be watched to the end."""


def reaction(watched: Watched, *, limit_w: float, since: datetime) -> timedelta | None:
    """Returns how long it took until power was, and stayed, below a limit; None: it was not."""
    powers = [each for each in watched.samples if each.power_w is not None]
    for place in range(len(powers) - SAMPLES_UNDER + 1):
        run = powers[place : place + SAMPLES_UNDER]
        if all(keeps(each.power_w or 0.0, limit_w) for each in run):
            return max(timedelta(), run[0].received_at - since)
    return None


def judge_obeyed(
    watched: Watched,
    *,
    limit_w: float,
    before_w: float,
    since: datetime,
    phases: int,
    method: Method,
) -> Done:
    """Returns whether the meter shows that a limit is kept.

    Args:
        watched: what it showed.
        limit_w: what was accepted at `since`.
        before_w: what was drawn before, clearly more than that.
        since: when the station said yes.
        phases: on which the EVSE charges.
        method: how the limit was told.
    """
    took = reaction(watched, limit_w=limit_w, since=since)
    last_w = watched.samples[-1].power_w if watched.samples else None
    figures = {
        "limit_w": limit_w,
        "before_w": before_w,
        "after_w": last_w,
        "reaction_s": None if took is None else round(took.total_seconds(), 1),
    }
    if took is not None:
        text = f"from {before_w:.0f} W to {last_w or 0:.0f} W within {took.total_seconds():.1f} s"
        found: tuple[Finding, ...] = ()
        if DEFAULT_OBEYED in method:
            found = quirk_found((DEFAULT_OBEYED,), "as one of its transaction is not kept")
        return _done("obeyed", "passed", text, findings=found, figures=figures)
    if watched.cut_short is not None:
        found = (_unseen(watched.cut_short),)
        return _done("obeyed", "inconclusive", watched.cut_short, findings=found, figures=figures)
    if last_w is None:
        text = "no power was metered"
        return _done("obeyed", "inconclusive", text, findings=(_unseen(text),), figures=figures)
    text = f"it draws {last_w:.0f} W under a limit of {limit_w:.0f} W"
    if phases > 1 and not keeps(before_w, limit_w * phases) and keeps(last_w, limit_w * phases):
        found = quirk_found(("total-vs-phase",), "in W is kept on each phase")
        return _done("obeyed", "failed", text, findings=found, figures=figures)
    finding = Finding(
        code="limit-not-kept",
        severity="error",
        text=f"The station accepted a limit of {limit_w:.0f} W and drew {last_w:.0f} W.",
        change="Ask the maker for firmware that keeps limits; until then the circuit has to bear"
        " the station's full power.",
    )
    return _done("obeyed", "failed", text, findings=(finding,), figures=figures)


def not_watched(drawn_w: float | None, limit_w: float) -> Done | None:
    """Returns why nothing would be seen under a limit; None: it would."""
    if drawn_w is not None and not keeps(drawn_w, limit_w):
        return None
    text = (
        "power is not metered"
        if drawn_w is None
        else f"the car draws {drawn_w:.0f} W, no more than the limit of {limit_w:.0f} W"
    )
    figures = {"before_w": drawn_w, "limit_w": limit_w}
    return _done("obeyed", "inconclusive", text, findings=(_unseen(text),), figures=figures)


def judge_released(watched: Watched, *, limit_w: float, before_w: float) -> Done:
    """Returns whether power rises again once the limit is taken back."""
    powers = [each.power_w for each in watched.samples if each.power_w is not None]
    most_w = max(powers, default=None)
    figures = {"limit_w": limit_w, "after_w": most_w}
    if most_w is not None and has_risen(most_w, limit_w=limit_w, before_w=before_w):
        return _done("released", "passed", f"it rose to {most_w:.0f} W", figures=figures)
    text = watched.cut_short or "power did not rise while it was watched; the car may not want more"
    return _done("released", "inconclusive", text, figures=figures)


def has_risen(power_w: float, *, limit_w: float, before_w: float) -> bool:
    """Returns whether a power is past the middle between a limit and what was drawn before it."""
    return power_w > (limit_w + before_w) / 2


def quirk_found(method: Method, what: str) -> tuple[Finding, ...]:
    """Returns a finding for each quirk by which a station takes what it refuses otherwise."""
    return tuple(
        Finding(
            code=quirk,
            severity="warning",
            text=f"A limit {what}; with `{quirk}` it is taken.",
            change=f"Put the quirk `{quirk}` on the station's record, so that plans hold.",
            quirk=quirk,
        )
        for quirk in method
    )


def _unseen(why: str) -> Finding:
    return Finding(
        code="not-seen",
        severity="warning",
        text=f"Whether a limit is kept was not seen: {why}.",
        change="Check again with a car that charges at full power.",
    )


def no_car() -> Finding:
    """Returns what is found where no car charges."""
    return Finding(
        code="no-car",
        severity="warning",
        text="Whether a limit is kept was not seen: no car charges.",
        change="Plug in a car, have it charge, and check again.",
    )


def _done(
    step: StepName,
    state: StepState,
    text: str,
    *asked: Asked | None,
    findings: tuple[Finding, ...] = (),
    figures: Mapping[str, float | None] | None = None,
) -> Done:
    questions = [each for each in asked if each is not None]
    return Done(
        Step(
            step=step,
            state=state,
            text=text,
            asked=tuple(each.words for each in questions),
            answered=tuple(each.answer for each in questions),
            figures=dict(figures or {}),
        ),
        findings,
    )


def _w(power_w: float | None) -> str:
    return "no power" if power_w is None else f"{power_w:.0f} W"


def _wh(energy_wh: float | None) -> str:
    return "not told" if energy_wh is None else f"{energy_wh:.0f} Wh"
