"""`heliofleet plan`: a lawful plan, the referee alone, and one line on bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from csms.commands.plan import plan
from models.errors import BadInput, FleetError
from scheduler.check import check
from scheduler.plan import read_plan
from scheduler.problem import read_problem

FIXTURES = Path(__file__).parents[2] / "fixtures" / "planning"
PROBLEM = FIXTURES / "problem.json"
PLAN = FIXTURES / "plan.json"


def run(*arguments: object) -> Result:
    """Runs the command as the command line does, which turns its errors into exit codes."""
    app = typer.Typer(rich_markup_mode=None)
    app.command()(plan)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def complaint(*arguments: object) -> str:
    error = run(*arguments).exception
    assert isinstance(error, BadInput)
    assert "\n" not in error.detail
    return error.detail


def broken_plan(tmp_path: Path) -> Path:
    document: dict[str, Any] = msgspec.json.decode(PLAN.read_bytes())
    document["charging"][1]["power_w"] = 9000
    file = tmp_path / "broken.json"
    file.write_bytes(msgspec.json.encode(document))
    return file


def test_a_lawful_plan_passes_the_check() -> None:
    result = run(PROBLEM, "--check", PLAN)
    assert (result.exit_code, result.stdout) == (0, "ok: no rule is broken\n")


def richer(tmp_path: Path, changes: dict[str, object]) -> Path:
    """The fixture's problem with some fields more."""
    document: Any = msgspec.json.decode(PROBLEM.read_bytes())
    for pointer, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
        at = document
        for part in parents:
            at = at[part]
        at[last] = value
    file = tmp_path / "richer.json"
    file.write_bytes(msgspec.json.encode(document))
    return file


RICHER: list[tuple[dict[str, object], str]] = [
    ({"/vehicles/0/taper": [[8000, 9000], [16000, 500]]}, "charging-taper: car-1"),
    ({"/vehicles/2/ac_phases": 1}, "charging-power: car-3"),
    ({"/sites/1/phase_limits_w": [2000, 2000, 2000]}, "import-phase: B"),
    (
        {"/sites/0/circuits/1/load_w": [[0, 0, 0, 4000, 4000, 4000, 0, 0]]},
        "circuit-limit: A",
    ),
    ({"/sites/0/peak_so_far_w": 2000}, "cost: plan"),
    (
        {
            "/sites/1/flexible_loads": [
                {
                    "id": "boiler",
                    "max_power_w": 2000,
                    "store_wh": 3000,
                    "stored_wh": 1000,
                    "demand_w": [500] * 8,
                }
            ]
        },
        "flexible-series: boiler: is not listed",
    ),
]


@pytest.mark.parametrize(("changes", "line"), RICHER)
def test_what_a_problem_may_say_more_is_judged_and_planned(
    tmp_path: Path, changes: dict[str, object], line: str
) -> None:
    problem, out = richer(tmp_path, changes), tmp_path / "plan.json"
    judged = run(problem, "--check", PLAN)
    assert judged.exit_code == 1
    assert line in judged.stdout
    assert run(problem, "-o", out).exit_code == 0
    assert run(problem, "--check", out).exit_code == 0


def test_the_refused_field_of_what_a_problem_may_say_more_is_named(tmp_path: Path) -> None:
    assert complaint(richer(tmp_path, {"/sites/1/phase_limits_w": [1, 2]})).startswith(
        "problem: /sites/1/phase_limits_w: must hold 3 values"
    )
    assert "/sites/0/evses/0/phases" in complaint(
        richer(tmp_path, {"/sites/0/phase_limits_w": [1, 2, 3]})
    )


def test_the_check_answers_in_json() -> None:
    result = run(PROBLEM, "--check", PLAN, "--json")
    assert result.exit_code == 0
    assert msgspec.json.decode(result.stdout) == {"ok": True, "violations": []}


def test_a_broken_plan_fails_the_check_and_each_rule_is_named(tmp_path: Path) -> None:
    result = run(PROBLEM, "--check", broken_plan(tmp_path), "--json")
    assert result.exit_code == 1
    answer = msgspec.json.decode(result.stdout)
    assert answer["ok"] is False
    assert all(set(one) == {"rule", "subject", "step", "detail"} for one in answer["violations"])
    found = {(one["rule"], one["subject"], one["step"]) for one in answer["violations"]}
    assert ("circuit-limit", "A", 2) in found
    assert ("grid-balance", "A", 2) in found
    assert ("departure-soc", "b-1", 4) in found


def test_a_broken_plan_is_told_line_by_line(tmp_path: Path) -> None:
    result = run(PROBLEM, "--check", broken_plan(tmp_path))
    assert result.exit_code == 1
    assert "circuit-limit: A at step 2: 12700 W is above the 12000 W of 'A-main'" in result.stdout


def test_a_plan_is_made_written_and_passes(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    result = run(PROBLEM, "-o", out)
    assert result.exit_code == 0
    made = read_plan(out.read_bytes())
    assert check(read_problem(PROBLEM.read_bytes()), made) == ()
    assert made.status == "partial"
    assert result.stdout.startswith("partial: 3 of 4 bookings served, cost ")
    assert "unserved b-3: NO_VEHICLE: " in result.stdout
    assert run(PROBLEM, "--check", out).exit_code == 0


def test_the_outcome_is_one_json_object(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    result = run(PROBLEM, "-o", out, "--json")
    answer = msgspec.json.decode(result.stdout)
    assert (answer["status"], answer["served"]) == ("partial", 3)
    assert answer["unserved"][0]["code"] == "NO_VEHICLE"
    assert answer["plan"] == str(out)


def test_without_a_file_the_plan_goes_to_stdout() -> None:
    result = run(PROBLEM)
    assert result.exit_code == 0
    assert read_plan(result.stdout.encode()).status == "partial"


def test_more_time_makes_no_worse_plan(tmp_path: Path) -> None:
    costs: list[float] = []
    for limit in ("0", "1"):
        out = tmp_path / f"{limit}.json"
        assert run(PROBLEM, "-o", out, "--time-limit", limit).exit_code == 0
        costs.append(read_plan(out.read_bytes()).cost)
    assert costs[1] <= costs[0] + 1e-6


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "gone.json: No such file or directory" in complaint(tmp_path / "gone.json")
    assert "gone.json" in complaint(PROBLEM, "--check", tmp_path / "gone.json")
    assert "Is a directory" in complaint(tmp_path)


def test_the_wrong_field_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(PROBLEM.read_bytes().replace(b'"end_step": 6', b'"end_step": 4'))
    assert complaint(file) == "problem: /bookings/0/end_step: must come after start_step"
    file.write_bytes(PROBLEM.read_bytes().replace(b"16000", b"NaN", 1))
    assert complaint(file).startswith("problem: /vehicles/0/capacity_wh: ")
    file.write_bytes(PLAN.read_bytes().replace(b"partial", b"perfect"))
    assert complaint(PROBLEM, "--check", file).startswith("plan: /status: ")


@pytest.mark.parametrize("data", [b"", b"{", b"\xef\xbb\xbf{}", b"{} x", b"[" * 10_000, b"\xff"])
def test_what_is_no_json_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(data)
    assert complaint(file).startswith("problem: is no JSON that can be read: ")


@pytest.mark.parametrize("name", ["steps", "import_limit_w"])
def test_a_name_that_an_object_has_twice_is_refused(tmp_path: Path, name: str) -> None:
    text = PROBLEM.read_text()
    place = text.index(f'"{name}":')
    file = tmp_path / "twice.json"
    file.write_text(f'{text[:place]}"{name}": 1, {text[place:]}')
    assert complaint(file) == f"problem: an object has the name '{name}' twice"


def test_a_problem_is_no_plan() -> None:
    assert complaint(PROBLEM, "--check", PROBLEM).startswith("plan: /status: is missing")


@pytest.mark.parametrize("limit", ["-1", "nan", "inf"])
def test_a_time_limit_is_a_length_of_time(limit: str) -> None:
    assert "--time-limit" in complaint(PROBLEM, "--time-limit", limit)


def test_checking_makes_no_plan(tmp_path: Path) -> None:
    assert "-o" in complaint(PROBLEM, "--check", PLAN, "-o", tmp_path / "plan.json")
    assert "no such directory" in complaint(PROBLEM, "-o", tmp_path / "none" / "plan.json")


def test_what_can_not_be_a_file_is_refused_before_anything_is_planned(tmp_path: Path) -> None:
    assert complaint(PROBLEM, "-o", tmp_path) == f"--out: {tmp_path} is a directory"


def test_a_plan_that_does_not_fit_on_the_disk_is_a_failure() -> None:
    error = run(PROBLEM, "-o", "/dev/full").exception
    assert isinstance(error, FleetError)
    assert not isinstance(error, BadInput)
    assert error.detail == "--out: /dev/full: No space left on device"


def test_a_plan_explains_itself_on_the_terminal() -> None:
    result = run(PROBLEM, "--explain", "--language", "fr")
    assert result.exit_code == 0
    assert "Réservations sans voiture" in result.stdout
    assert "SUN: Le toit a 7,0 kW de trop" in result.stdout


def test_an_explanation_is_json_for_programs() -> None:
    result = run(PROBLEM, "--explain", "--json", "--language", "de")
    document = msgspec.json.decode(result.stdout)
    assert document["language"] == "de"
    codes = {each["booking"]: each["reasons"][0]["code"] for each in document["unserved"]}
    assert codes == {"b-3": "NO_VEHICLE"}
    assert {each["vehicle"] for each in document["vehicles"]} == {"car-1", "car-2", "car-3"}
    numbers = document["charging"][0]["reasons"][0]["numbers"]
    assert numbers["surplus_w"] == 7000.0


def test_a_plan_that_is_made_is_written_and_explained(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    result = run(PROBLEM, "-o", out, "--explain")
    assert result.exit_code == 0
    assert "The roof has 7.0 kW to spare" in result.stdout
    assert not check(read_problem(PROBLEM.read_bytes()), read_plan(out.read_bytes()))


def test_a_plan_of_somebody_else_is_explained_if_it_is_lawful(tmp_path: Path) -> None:
    result = run(PROBLEM, "--check", PLAN, "--explain", "--json")
    assert result.exit_code == 0
    assert msgspec.json.decode(result.stdout)["charging"]
    broken = run(PROBLEM, "--check", broken_plan(tmp_path), "--explain")
    assert broken.exit_code == 1
    assert "violation" in broken.stdout


def test_a_language_that_is_not_spoken_is_refused() -> None:
    assert complaint(PROBLEM, "--explain", "--language", "it") == (
        "--language: must be one of en, fr, de, not 'it'"
    )
    assert complaint(PROBLEM, "--explain", "--language", "") == (
        "--language: must be one of en, fr, de, not ''"
    )
    assert complaint(PROBLEM, "--language", "fr") == "--language: goes with --explain only"


def test_numbers_beyond_all_sense_are_refused(tmp_path: Path) -> None:
    detail = complaint(richer(tmp_path, {"/vehicles/0/max_ac_power_w": 1e308}))
    assert detail == "problem: /vehicles/0/max_ac_power_w: must be 0 to 1e+09, not 1e+308"


def test_it_is_told_who_made_a_plan_and_how_far_from_the_best_it_may_be(tmp_path: Path) -> None:
    made = tmp_path / "plan.json"
    told = msgspec.json.decode(run(PROBLEM, "-o", made, "--json").stdout)
    assert (told["made_by"], told["solvers"]) == ("solver", ["glop"])
    assert told["gap"] == pytest.approx(told["cost"] - told["lower_bound"], abs=1e-4)
    assert "made by solver (glop)" in run(PROBLEM, "-o", made).stdout
