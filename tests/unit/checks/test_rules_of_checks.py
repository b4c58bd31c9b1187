"""What follows from answers and samples when a station is checked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csms.checks.rules import judging
from csms.checks.rules.judging import Asked, Sample, Watched
from csms.checks.rules.methods import choose_limit, least_w, methods
from csms.checks.rules.settings import SETTINGS, Told, judge_settings, limits_on, units
from csms.checks.rules.steps import Finding, Step, document, read_finding, read_step
from csms.checks.rules.verdict import Page, report, verdict_of
from csms.planning.rules import TRIAL, Period, bears_trial
from models.quirks import SETTINGS as QUIRKS

NOON = datetime(2026, 6, 16, 12, 0, tzinfo=UTC)
YES, NO = Asked("?", "accepted"), Asked("?", "rejected")


def a_sample(after_s: float, power_w: float | None, **more: Any) -> Sample:
    at = NOON + timedelta(seconds=after_s)
    return Sample(
        **{"measured_at": at, "received_at": at, "energy_wh": 1.0, **more}, power_w=power_w
    )


def told(**values: str) -> dict[str, Told]:
    return {name: Told(value, None, NOON) for name, value in values.items()}


# -- the ways to say a limit ---------------------------------------------------------------------


def test_the_manner_of_the_record_comes_first_and_no_way_twice() -> None:
    ways = methods(frozenset(), transaction=True, strict=False)
    assert ways[0] == ()
    assert len(set(ways)) == len(ways)
    assert {quirk for way in ways for quirk in way} <= set(QUIRKS)


def test_what_is_on_the_record_is_not_tried() -> None:
    ways = methods(frozenset({"a-only"}), transaction=True, strict=False)
    assert all("a-only" not in way for way in ways)
    ways = methods(frozenset({"w-only"}), transaction=True, strict=False)
    assert not {"a-only", "integer-amps"} & {quirk for way in ways for quirk in way}


def test_a_strict_station_is_asked_in_one_way() -> None:
    assert methods(frozenset({"a-only"}), transaction=True, strict=True) == ((),)


def test_what_is_about_transactions_is_not_tried_without_one() -> None:
    ways = methods(frozenset(), transaction=False, strict=False)
    assert not {"rejects-tx-profile", "relative-only"} & {each for way in ways for each in way}


@pytest.mark.parametrize(
    ("wished_w", "drawn_w", "ceiling_w", "limit_w"),
    [
        (None, 3700.0, 3700.0, 1725.0),  # 7.5 A: half, and between two whole amperes
        (None, 2000.0, 3700.0, 1380.0),  # half would be too little to charge by
        (None, 1380.0, 3700.0, 0.0),  # nothing but a pause would be seen
        (None, None, 3700.0, 1725.0),
        (None, None, 1380.0, 1380.0),
        (None, None, 1000.0, 1000.0),
        (None, 0.0, 0.0, 0.0),
        (3000.0, 3700.0, 3700.0, 3000.0),
        (3000.0, 3700.0, 2000.0, 2000.0),  # never more than holds already
    ],
)
def test_the_limit_to_try_is_felt_by_the_car_and_never_more_than_holds_already(
    wished_w: float | None, drawn_w: float | None, ceiling_w: float, limit_w: float
) -> None:
    chosen = choose_limit(
        wished_w=wished_w, drawn_w=drawn_w, ceiling_w=ceiling_w, floor_w=1380.0, phases=1
    )
    assert chosen == limit_w


def test_the_least_power_is_that_of_6_amperes_unless_the_record_says_otherwise() -> None:
    assert (least_w(None, 3), least_w(2000.0, 3)) == (4140.0, 2000.0)


# -- settings ------------------------------------------------------------------------------------


def test_units_are_read_in_the_words_of_all_versions() -> None:
    assert units(told(limit_units="Current,Power")["limit_units"]) == ("W", "A")
    assert units(told(limit_units="A")["limit_units"]) == ("A",)
    assert units(told(limit_units="?")["limit_units"]) is None
    assert units(None) is None


def test_whether_limits_are_on_is_not_known_where_nothing_is_said() -> None:
    assert limits_on({}) is None
    assert limits_on(told(features="Core,SmartCharging")) is True
    assert limits_on(told(features="Core")) is False
    assert limits_on(told(limits_enabled="false")) is False


@pytest.mark.parametrize("is_16", [True, False])
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"limits_enabled": "false"}, "limits-off"),
        ({"limit_units": "Current"}, "a-only"),
        ({"limit_units": "W"}, "w-only"),
        ({"stack_level_max": "0"}, "stack0-only"),
        ({"schedule_periods_max": "3"}, "maxperiods-3"),
        ({"meter_every_s": "0"}, "meters-seldom"),
        ({"meter_every_s": "300"}, "meters-seldom"),
        ({"measurands": "Energy.Active.Import.Register"}, "measurands-missing"),
        ({"connect_within_s": "5"}, "little-time-to-plug-in"),
        ({"heartbeat_every_s": "86400", "ping_every_s": "0"}, "silent-for-long"),
    ],
)
def test_what_is_wrong_with_settings(values: dict[str, str], code: str, is_16: bool) -> None:
    done = judge_settings(told(**values), frozenset(), is_16=is_16, answer="accepted")
    assert [each.code for each in done.findings] == [code]
    assert done.findings[0].change is not None
    assert judge_settings(
        told(**values), frozenset({code}), is_16=is_16, answer="accepted"
    ).findings == (() if done.findings[0].quirk else done.findings)


def test_good_settings_are_left_alone() -> None:
    values = {
        "features": "Core,SmartCharging",
        "limit_units": "Current,Power",
        "stack_level_max": "8",
        "schedule_periods_max": "24",
        "meter_every_s": "30",
        "measurands": "Energy.Active.Import.Register, Power.Active.Import,SoC",
        "connect_within_s": "120",
        "heartbeat_every_s": "86400",
        "ping_every_s": "60",
    }
    done = judge_settings(told(**values), frozenset(), is_16=True, answer="accepted")
    assert (done.step.state, done.findings) == ("passed", ())


def test_a_station_that_tells_nothing_is_noted() -> None:
    done = judge_settings({}, frozenset(), is_16=True, answer="rejected")
    assert (done.step.state, done.findings[0].code) == ("failed", "settings-not-told")


def test_settings_have_their_names_in_both_worlds() -> None:
    setting = SETTINGS["profiles_max"]
    assert setting.name(is_16=True) == "MaxChargingProfilesInstalled"
    assert setting.name(is_16=False) == "SmartChargingCtrlr.Entries[ChargingProfiles]"
    assert setting.key(is_16=False) == ("SmartChargingCtrlr", "Entries[ChargingProfiles]")
    assert SETTINGS["features"].wish(is_16=False) is None


# -- clock, meter, limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset_s", "marks", "state"),
    [
        (None, (), "skipped"),
        (2.0, (), "passed"),
        (-31.0, (), "failed"),
        (7200.0, ("time-ahead",), "failed"),
        (0.0, ("time-implausible",), "failed"),
        (0.0, ("meter-backwards",), "passed"),
    ],
)
def test_a_clock_that_is_wrong_or_absurd_fails_and_a_meter_that_runs_back_does_not(
    offset_s: float | None, marks: tuple[str, ...], state: str
) -> None:
    done = judging.judge_clock(offset_s, marks)
    assert (done.step.state, bool(done.findings)) == (state, state == "failed")


def test_a_value_without_energy_or_power_is_named() -> None:
    done = judging.judge_meter(YES, a_sample(0, None, energy_wh=None), measurands="X")
    assert [each.code for each in done.findings] == ["no-energy", "no-power"]
    assert judging.judge_meter(YES, a_sample(0, 0.0), measurands="X").step.state == "passed"
    assert judging.judge_meter(NO, None, measurands="X").findings[0].severity == "info"


def test_the_safe_limit_passes_once_it_is_kept_and_names_how() -> None:
    def state(limit_w: float | None, kept: str | None, *tries: Any) -> tuple[str, list[str]]:
        done = judging.judge_safe_limit(limit_w, kept, tries)
        return done.step.state, [each.code for each in done.findings]

    assert state(None, None) == ("failed", ["no-safe-limit"])
    assert state(1380.0, "accepted") == ("passed", [])
    assert state(1380.0, "queued") == ("inconclusive", [])
    assert state(1380.0, "rejected", ((), NO)) == ("failed", ["safe-limit-not-kept"])
    conn0 = ("conn0-rejected",)
    assert state(1380.0, "rejected", ((), NO), (conn0, YES)) == ("passed", list(conn0))


def test_a_limit_that_is_met_with_silence_is_not_known() -> None:
    done = judging.judge_limit(1000.0, [((), Asked("?", "unknown"))])
    assert (done.step.state, done.findings[0].code) == ("inconclusive", "limit-not-answered")


@pytest.mark.parametrize(
    ("told_w", "charging", "state"),
    [
        (1500.0, True, "passed"),
        (1000.0, True, "passed"),
        (3700.0, True, "failed"),
        (3700.0, False, "inconclusive"),
        (4500.0, True, "passed"),  # amperes of one phase, told as if of three
        (None, True, "inconclusive"),
    ],
)
def test_a_charging_box_that_holds_more_than_it_was_told_fails(
    told_w: float | None, charging: bool, state: str
) -> None:
    done = judging.judge_read_back(YES, told_w, limit_w=1500.0, phases=1, charging=charging)
    assert done.step.state == state


def obeyed(*samples: Sample, cut_short: str | None = None, phases: int = 1, **more: Any) -> Any:
    given = {"limit_w": 1500.0, "before_w": 3700.0, "since": NOON, "method": ()} | more
    return judging.judge_obeyed(Watched(samples, cut_short), phases=phases, **given)


def test_reaction_counts_from_the_first_of_two_samples_in_a_row() -> None:
    done = obeyed(*(a_sample(*each) for each in ((5, 1400), (10, 3700), (15, 1500), (20, 1500))))
    assert (done.step.state, done.step.figures["reaction_s"]) == ("passed", 15.0)
    assert obeyed(a_sample(5, 3700), a_sample(10, 1500)).step.state == "failed"


def test_what_is_not_kept_is_told_apart_from_what_was_not_seen() -> None:
    done = obeyed(a_sample(5, 3700), a_sample(150, 3700))
    assert [each.code for each in done.findings] == ["limit-not-kept"]
    assert obeyed(a_sample(5, 3700), cut_short="a plan came").step.state == "inconclusive"
    assert obeyed().step.state == "inconclusive"
    assert judging.not_watched(1450.0, 1500.0) is not None
    assert judging.not_watched(None, 1500.0) is not None
    assert judging.not_watched(3700.0, 1500.0) is None


def test_a_limit_that_is_kept_on_each_phase() -> None:
    samples = (a_sample(5, 4400.0), a_sample(10, 4500.0))
    done = obeyed(*samples, phases=3, before_w=11_000.0)
    assert [each.quirk for each in done.findings] == ["total-vs-phase"]
    assert obeyed(*samples, phases=3, before_w=4600.0).findings[0].code == "limit-not-kept"


def test_power_that_does_not_rise_proves_nothing() -> None:
    def state(*powers: float) -> str:
        samples = tuple(a_sample(place, each) for place, each in enumerate(powers))
        done = judging.judge_released(Watched(samples), limit_w=1500.0, before_w=3700.0)
        return done.step.state

    assert state(1500.0, 3000.0) == "passed"
    assert state(1500.0, 1500.0) == "inconclusive"
    assert state() == "inconclusive"


def test_a_plan_that_wants_no_less_leaves_a_trial_alone() -> None:
    def bears(wish_w: float, *reasons: str, after_min: int = 1) -> bool:
        now = NOON + timedelta(minutes=after_min)
        held = [Period(NOON, 1500.0, reasons)]
        return bears_trial(held, NOON + timedelta(minutes=10), [Period(now, wish_w)], now)

    assert bears(1500.0, TRIAL)
    assert not bears(1499.0, TRIAL)
    assert not bears(3700.0, "SUN")
    assert not bears(3700.0, TRIAL, after_min=10)


# -- verdict ---------------------------------------------------------------------------------------


def a_step(step: Any, state: Any, text: str = "so") -> Step:
    return Step(step=step, state=state, text=text, started_at=NOON, ended_at=NOON)


def a_finding(code: str, **more: Any) -> Finding:
    return Finding(**{"code": code, "severity": "warning", "text": "T", **more})


@pytest.mark.parametrize(
    ("limit", "findings", "verdict"),
    [
        ("passed", (), "good"),
        ("passed", (a_finding("x", severity="info"),), "good"),
        ("passed", (a_finding("x", severity="info", change="do"),), "good-with-changes"),
        ("passed", (a_finding("no-car"),), "good-with-changes"),
        ("passed", (a_finding("limit-not-kept"),), "limits-not-kept"),
        ("passed", (a_finding("total-vs-phase"),), "limits-not-kept"),
        ("failed", (a_finding("limits-refused"),), "not-usable"),
        ("inconclusive", (), "not-usable"),
    ],
)
def test_the_verdict_follows_from_the_limit_and_the_worst_finding(
    limit: Any, findings: tuple[Finding, ...], verdict: str
) -> None:
    assert verdict_of([a_step("limit", limit)], findings) == verdict


def test_a_report_is_one_page_in_which_a_station_marks_nothing_up() -> None:
    page = Page(
        station="<b>BOX</b>",
        evse_id=1,
        state="done",
        verdict="good-with-changes",
        why=None,
        steps=[a_step("connection", "passed", "it is [x](javascript:1) | <script>\n# A")],
        findings=[
            a_finding("note", severity="info", text="Know this."),
            a_finding("a-only", text="Amperes.", change="Put it.", quirk="a-only"),
            a_finding("worst", severity="error", text="Worst.", change="Do."),
        ],
        applied=["a-only"],
        reaction_s=4.2,
        created_at=NOON,
        ended_at=NOON,
    )
    lines = report(page).splitlines()
    assert lines[0] == "# Check of &lt;b>BOX&lt;/b>, EVSE 1"
    assert lines.index("- Worst. Do.") < lines.index(
        "- Amperes. Put it. (Done: it is on the record.)"
    )
    assert lines.index("## What to know") < lines.index("- Know this.")
    assert "| connection | passed | it is \\[x](javascript:1) / &lt;script> # A |" in lines
    assert "It keeps a new limit after 4.2 s." in lines
    assert len(lines) < 40


def test_steps_and_findings_are_read_as_they_were_kept() -> None:
    step, finding = a_step("meter", "passed"), a_finding("x", quirk="a-only")
    assert read_step(document(step)) == step
    assert read_finding(document(finding)) == finding
