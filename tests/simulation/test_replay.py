"""Whole days of the whole house in memory: the same seed, the same bytes; nothing is missed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
FAULTS = "late-return,dead-station,lost-connection"


def begin(
    out: Path, *arguments: str, hash_seed: str = "0", slowed: bool = False
) -> subprocess.Popen[bytes]:
    """Starts a replay; `slowed` makes Python count each call, which more than halves its speed."""
    python = [sys.executable, *(("-m", "cProfile", "-o", os.devnull) if slowed else ())]
    return subprocess.Popen(
        [*python, "-m", "csms.cli", "replay", *arguments, "--out", str(out)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(run: subprocess.Popen[bytes]) -> bytes:
    """Waits for the end of a replay, and returns what it printed."""
    printed, said = run.communicate(timeout=3600)
    assert run.returncode == 0, said.decode()
    return printed


def report(out: Path) -> dict[str, Any]:
    return msgspec.json.decode((out / "report.json").read_bytes())


def both(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Plays the same twice at once, the second time slowed down, and returns the one report.

    It is the one that was printed, too.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    runs = [
        begin(first, *arguments, "--json", hash_seed="1"),
        begin(second, *arguments, "--json", hash_seed="2", slowed=True),
    ]
    printed = [finish(run) for run in runs]
    assert printed == [(first / "report.json").read_bytes()] * 2
    assert (first / "report.json").read_bytes() == (second / "report.json").read_bytes()
    return report(first)


def test_the_same_seed_gives_the_same_report_however_slow_the_machine(tmp_path: Path) -> None:
    told = both(tmp_path, str(CORNER), "--days", "1", "--seed", "1")
    bookings = told["bookings"]
    assert bookings["served"] >= 8
    assert bookings["missed"] == 0
    assert told["limits"]["accepted"] > 20
    assert told["circuits"]["over_limit_beyond_reaction_minutes"] == 0
    assert told["complaints"] == []
    assert told["plans"]["by_level"] == {"solver": told["plans"]["made"]}
    assert told["plans"]["violations"] == 0
    page = (tmp_path / "first" / "report.html").read_text()
    assert "One plan, and why it was so" in page
    assert page == (tmp_path / "second" / "report.html").read_text()


def test_a_day_whose_solver_is_killed_now_and_then_breaks_no_rule(tmp_path: Path) -> None:
    finish(begin(tmp_path, str(CORNER), "--seed", "1", "--faults", "killed-solver"))
    told = report(tmp_path)
    plans = told["plans"]
    assert plans["violations"] == 0
    assert 0.01 < 1 - plans["by_level"]["solver"] / plans["made"] < 0.15
    assert told["bookings"]["missed"] == 0
    assert told["circuits"]["over_limit_beyond_reaction_minutes"] == 0


@pytest.mark.soak
def test_seven_days_of_the_confluence_repeat_to_the_byte(tmp_path: Path) -> None:
    told = both(tmp_path, "confluence", "--days", "7", "--seed", "1")
    assert told["bookings"]["missed"] == 0
    assert told["circuits"]["over_limit_beyond_reaction_minutes"] == 0
    assert told["complaints"] == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_week_with_faults_has_no_miss_that_need_not_have_been(tmp_path: Path, seed: str) -> None:
    finish(begin(tmp_path, "confluence", "--days", "7", "--seed", seed, "--faults", FAULTS))
    told = report(tmp_path)
    assert told["bookings"]["avoidable_misses"] == 0
    assert told["circuits"]["over_limit_beyond_reaction_minutes"] == 0


def test_the_whole_house_can_be_run_by_other_planners(tmp_path: Path) -> None:
    names = ("uncontrolled", "surplus", "perfect_foresight")
    runs = [begin(tmp_path / name, str(CORNER), "--planner", name) for name in names]
    for run in runs:
        finish(run)
    free, sunny, knowing = (report(tmp_path / name) for name in names)
    for name, told in zip(names, (free, sunny, knowing), strict=True):
        assert told["planner"] == name
        assert told["bookings"]["missed"] == 0
        assert told["complaints"] == []
    # What the house did is what the rule says that it should have done.
    for figure in ("pv_to_cars_utilisation", "energy_cost", "peak_import_w"):
        did, should = (free["policies"][row][figure] for row in ("plan", "uncontrolled"))
        assert did == pytest.approx(should, rel=0.02), figure
    did, should = (sunny["policies"][row] for row in ("plan", "surplus"))
    assert did["pv_to_cars_utilisation"] == pytest.approx(
        should["pv_to_cars_utilisation"], abs=0.05
    )
    assert free["limits"]["sent"] == 0
    assert free["circuits"]["over_limit_beyond_reaction_minutes"] > 60, "nobody holds the fuses"
    assert sunny["circuits"]["over_limit_beyond_reaction_minutes"] == 0
    assert knowing["policies"]["plan"]["energy_cost"] < sunny["policies"]["plan"]["energy_cost"]
