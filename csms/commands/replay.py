"""`heliofleet replay`: whole days of the whole house in virtual time, in one process.

The same seed gives the same bytes of `report.json`, and with `--what-if` of `comparison.json`; what
differs from run to run goes to `timings.json`.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from csms import log
from csms.commands.options import DEFAULT_OUT, AsJson, LanguageOption, OutDirectory
from csms.commands.playing import progress_bar
from csms.commands.report.comparing import Side, compare_sides
from csms.commands.report.comparison_table import show_comparison
from csms.commands.report.figures import write_json
from csms.commands.report.page import show_report
from csms.commands.report.writing import make_directory, write_report
from csms.commands.virtual_days import Played, play_days
from csms.readable.comparisons.page import comparison_page
from models.errors import BadInput
from scheduler.explaining.words import Language, check_language
from simulators.changes import Changes, changed, load_changes
from simulators.scenario import Scenario, load_scenario
from simulators.world import World

PLANNERS = ("plan", "uncontrolled", "surplus", "perfect_foresight")


def replay(  # noqa: PLR0917 - each is an option of the command line
    scenario: Annotated[str, typer.Argument(help="Name of a shipped scenario, or a TOML file.")],
    days: Annotated[
        int | None,
        typer.Option(min=1, max=366, help="How many. Default: 1, or all of a history."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the scenario's.")] = None,
    start: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first day. Default: the scenario's."),
    ] = None,
    planner: Annotated[str, typer.Option(help=f"One of {', '.join(PLANNERS)}.")] = "plan",
    faults: Annotated[str, typer.Option(help="Names, separated by commas.")] = "",
    quirks: Annotated[str, typer.Option(help="Names, separated by commas, or all.")] = "",
    what_if: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file of changes: play both, and compare."),
    ] = None,
    language: LanguageOption = "en",
    progress: Annotated[bool, typer.Option(help="Print the share done, a line each.")] = False,  # noqa: FBT002
    out: OutDirectory = DEFAULT_OUT,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Play whole days of a scenario in memory, faster than life.

    Example: heliofleet replay confluence --days 7 --seed 1 --faults late-return,dead-station
    """
    if planner not in PLANNERS:
        raise BadInput(f"--planner: {planner} is no planner; allowed are {', '.join(PLANNERS)}")
    spoken = check_language(language, "--language")
    known = load_scenario(scenario)
    begin = None if start is None else first_midnight(known, start)
    days = days or (1 if known.history is None else known.days)
    towns = [known]
    changes = None if what_if is None else load_changes(what_if)
    if changes is not None:
        towns.append(changed(known, changes, source=str(what_if)))
    worlds = [
        World(
            town,
            seed=seed,
            days=days,
            faults=_names(faults),
            quirks=_names(quirks),
            start=begin,
            people_of=known,
        )
        for town in towns
    ]
    planners = [planner, changes.planner or planner] if changes is not None else [planner]
    make_directory(out)
    log.configure("warning", "text")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    began_s = time.perf_counter()
    with _shown(days, progress=progress) as show:
        played = [
            play_days(world, rule, _part(show, number, len(worlds)), spoken)
            for number, (world, rule) in enumerate(zip(worlds, planners, strict=True))
        ]
    _write_timings(out, played, time.perf_counter() - began_s)
    if changes is None:
        _report(out, known, played[0], days=days, planner=planner, language=spoken, as_json=as_json)
    else:
        sides = [Side(*each) for each in zip(towns, planners, played, strict=True)]
        _compare(out, changes, sides, days=days, language=spoken, as_json=as_json)


def first_midnight(scenario: Scenario, day: datetime) -> datetime:
    """Returns when a day begins at the place of a scenario.

    Raises:
        BadInput: for days of another age.
    """
    if not 2000 <= day.year < 2100:
        raise BadInput(f"--start: {day:%Y-%m-%d} is not from 2000 to 2099")
    return day.replace(tzinfo=scenario.zone)


def _report(
    out: Path,
    scenario: Scenario,
    played: Played,
    *,
    days: int,
    planner: str,
    language: Language,
    as_json: bool,
) -> None:
    outcome = write_report(
        out,
        played.truth,
        scenario,
        played.service,
        days=days,
        planner=planner,
        plans=played.plans,
        language=language,
    )
    show_report(outcome.report, language, as_json=as_json)
    typer.echo(str(out / "report.html"), err=as_json)


def _compare(
    out: Path,
    changes: Changes,
    sides: Sequence[Side],
    *,
    days: int,
    language: Language,
    as_json: bool,
) -> None:
    comparison = compare_sides(changes, sides[0], sides[1], days=days)
    (out / "comparison.json").write_bytes(write_json(comparison))
    page = comparison_page(comparison, language)
    (out / "comparison.html").write_text(page, encoding="utf-8")
    show_comparison(comparison, language, as_json=as_json)
    typer.echo(str(out / "comparison.html"), err=as_json)


def _write_timings(out: Path, played: Sequence[Played], wall_seconds: float) -> None:
    solve_seconds = [each for one in played for each in one.solve_seconds]
    timings = {
        "wall_seconds": wall_seconds,
        "solve_seconds": {
            "median": statistics.median(solve_seconds or [0.0]),
            "max": max(solve_seconds or [0.0]),
        },
        "plans": len(solve_seconds),
    }
    (out / "timings.json").write_bytes(write_json(timings))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _part(show: Callable[[float], None], number: int, of: int) -> Callable[[float], None]:
    """Returns what shows the progress of one of several runs as that of the whole."""
    return lambda share: show((number + share) / of)


@contextmanager
def _shown(days: int, *, progress: bool) -> Generator[Callable[[float], None]]:
    """Shows how far a run has come: a bar on a terminal, or a line for each per cent."""
    if not progress:
        with progress_bar("replay", days * 24 * 60) as show:
            yield show
        return
    last = -1

    def line(share: float) -> None:
        nonlocal last
        if int(share * 100) > last:
            last = int(share * 100)
            typer.echo(f'{{"progress": {last / 100}}}')

    yield line
