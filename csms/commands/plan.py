"""`heliofleet plan`: one planning problem, offline, and the referee alone.

Reads and writes the JSON of the planning contract (docs/reference/planning-problem.md). The service
plans by the same function, from snapshots of the database: see `csms.planning`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from csms.commands.options import AsJson, check_file, write_file
from csms.commands.reasons import say_why
from models.clocks import RealWireClock
from models.errors import BadInput, FleetError
from scheduler.check import Violation, check
from scheduler.documents import printable
from scheduler.explaining.words import Language, check_language
from scheduler.options import OFFLINE
from scheduler.plan import Plan, read_plan, write_plan
from scheduler.problem import Problem, read_problem
from scheduler.rolling import Made, plan_with_level

OK: Final = 0
FAILED: Final = 1


def plan(
    problem_file: Annotated[Path, typer.Argument(metavar="PROBLEM.json", show_default=False)],
    *,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="PLAN.json", help="Where the plan goes; else stdout."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="PLAN.json", help="Judge this plan; make none."),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit",
            metavar="SECONDS",
            help="How long to go on improving; 0 ends with the first whole plan.",
        ),
    ] = 0.0,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why: of each slot, each booking, each car.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            metavar="LANGUAGE",
            help="Of --explain: en, fr or de.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plan bookings and charging for one problem, or judge a plan of it.

    Exit status: 0 when a plan was made (also where some booking is unserved) or the judged one
    breaks no rule, 1 when not, 2 on bad input.

    Example: heliofleet plan problem.json -o plan.json --time-limit 10
    """
    if language is not None and not explain:
        raise BadInput("--language: goes with --explain only")
    explain_in = (
        check_language("en" if language is None else language, "--language") if explain else None
    )
    raise typer.Exit(
        plan_command(
            problem_file,
            out=out,
            check_file=check,
            time_limit_s=time_limit,
            explain_in=explain_in,
            as_json=as_json,
        )
    )


def plan_command(
    problem_file: Path,
    *,
    out: Path | None,
    check_file: Path | None,
    time_limit_s: float,
    explain_in: Language | None = None,
    as_json: bool,
) -> int:
    """Does what the command says and returns its exit status.

    Raises:
        BadInput: if an option, the problem or the plan can't be right, or can't be read.
        FleetError: if no lawful plan was found, or it can't be written.
    """
    if out is not None and check_file is not None:
        raise BadInput("--check makes no plan: leave out -o")
    if not (math.isfinite(time_limit_s) and time_limit_s >= 0):
        raise BadInput(f"--time-limit must be 0 or more seconds, not {time_limit_s}")
    document = _read(problem_file)
    problem = read_problem(document)
    _check_names(document, "problem")
    if check_file is not None:
        document = _read(check_file)
        judged = read_plan(document)
        _check_names(document, "plan")
        return _judge(problem, judged, explain_in=explain_in, as_json=as_json)
    return _make(problem, out, time_limit_s, explain_in=explain_in, as_json=as_json)


def _judge(problem: Problem, plan_made: Plan, *, explain_in: Language | None, as_json: bool) -> int:
    violations = check(problem, plan_made)
    if explain_in is not None and not violations:
        say_why(problem, plan_made, explain_in, as_json=as_json)
    elif as_json:
        document = {"ok": not violations, "violations": violations}
        typer.echo(msgspec.json.encode(document).decode())
    else:
        for violation in violations:
            typer.echo(_line(violation))
        broken = f"{len(violations)} violation{'s' if len(violations) > 1 else ''}"
        typer.echo(broken if violations else "ok: no rule is broken")
    return FAILED if violations else OK


def _make(
    problem: Problem,
    out: Path | None,
    time_limit_s: float,
    *,
    explain_in: Language | None,
    as_json: bool,
) -> int:
    if out is not None:
        check_file("--out", out)
    options = replace(OFFLINE, time_limit_s=time_limit_s or None)
    with Console(stderr=True).status("planning"):
        found = plan_with_level(problem, options=options, monotonic=RealWireClock().monotonic)
    if found.violations:
        raise FleetError(f"no plan that obeys every rule was found: {_line(found.violations[0])}")
    made = found.plan
    document = write_plan(made)
    if out is not None:
        write_file("--out", out, document)
    if explain_in is not None:
        say_why(problem, made, explain_in, as_json=as_json)
    elif out is None:
        typer.echo(document.decode())
    else:
        typer.echo(_summary(problem, found, out, as_json=as_json))
    return OK


def _summary(problem: Problem, found: Made, out: Path, *, as_json: bool) -> str:
    made = found.plan
    if as_json:
        figures = {
            "status": made.status,
            "cost": made.cost,
            "lower_bound": made.lower_bound,
            "gap": None if made.lower_bound is None else round(made.cost - made.lower_bound, 4),
            "made_by": found.level,
            "solvers": found.solvers,
            "solve_seconds": made.solve_seconds,
            "served": len(made.assignments),
            "unserved": made.unserved,
            "kpis": made.kpis,
            "plan": str(out),
        }
        return msgspec.json.encode(figures).decode()
    bound = "" if made.lower_bound is None else f" (at least {made.lower_bound:.2f})"
    served = f"{len(made.assignments)} of {len(problem.bookings)} bookings served"
    cost = f"cost {made.cost:.2f}{bound} {problem.currency}"
    by = f"{found.level} ({', '.join(found.solvers)})" if found.solvers else found.level
    lines = [f"{made.status}: {served}, {cost}, made by {by}, written to {out}"]
    lines.extend(
        printable(f"unserved {one.booking}: {one.code}: {one.detail}") for one in made.unserved
    )
    return "\n".join(lines)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None


def _check_names(document: bytes, kind: str) -> None:
    """Lets a document pass in which no object has a name twice: it means what its writer sees.

    Raises:
        BadInput: naming the first such name.
    """

    def once(members: list[tuple[str, object]]) -> None:
        counts = Counter(name for name, _ in members)
        twice = next((name for name, count in counts.items() if count > 1), None)
        if twice is not None:
            raise BadInput(printable(f"{kind}: an object has the name {twice!r} twice"))

    # msgspec, which has read it before, tells nothing of them.
    json.loads(document, object_pairs_hook=once)  # noqa: TID251


def _line(violation: Violation) -> str:
    place = "" if violation.step is None else f" at step {violation.step}"
    return printable(f"{violation.rule}: {violation.subject}{place}: {violation.detail}")
