"""Weeks of four seasons with faults: the plan against perfect foresight and against no planner.

`confluence` is played from copies whose first day lies in January, April, July and October, with
the sky drawn by lot and every fault on; each week has a seed of its own. The figures of a week are
those of its own report, whose other policies charge for the same trips; only the bookings that are
accepted without a planner come from a second replay. `--reference` plays the week from the
scenario's own start in June, without faults.

Run `python -m benchmarks.seasons --weeks 5 --reference`; a week takes some 7 minutes of CPU for
each of both, as many are played at a time as there are cores. `--days 2` is a first look, which
`benchmarks.subjects_planning` takes, too.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from benchmarks.rows import Row
from simulators.faults import FAULTS

SEASONS = {
    "January": "2026-01-13T00:00:00+01:00",
    "April": "2026-04-14T00:00:00+02:00",
    "July": "2026-07-14T00:00:00+02:00",
    "October": "2026-10-13T00:00:00+02:00",
}
REFERENCE = "June, no faults"
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Week:
    """What some days have come to; energy cost is negative where the sun was sold for more."""

    title: str
    seed: int
    sun_share: float
    sun_over_foresight: float
    sun_over_surplus: float
    """Less, not through: the difference of the shares."""
    most_over_surplus: float
    """The same of perfect foresight: nobody could reach more."""
    cost_over_uncontrolled: float
    least_over_uncontrolled: float
    """The same of perfect foresight: nobody could pay less."""
    cost_over_foresight: float
    accepted_over_uncontrolled: float
    missed: int
    avoidable: int
    accepted: int
    over_limit_minutes: float
    plans: int
    without_solver: int
    """Made by the chain's lower levels, since the solver was killed."""
    violations: int
    """Found by the referee in all plans."""
    times_life: float


def scenario(folder: Path, start: str) -> Path:
    """Writes `confluence` with another first day, its sky drawn by lot; returns the file."""
    shipped = resources.files("simulators") / "scenarios" / "confluence.toml"
    text = shipped.read_text("utf-8")
    text = re.sub(r"(?m)^start = .*$", f"start = {start}", text)
    text = re.sub(r"(?m)^first_days = .*$", "first_days = []", text)
    path = folder / "season.toml"
    path.write_text(text, encoding="utf-8")
    return path


def replayed(
    scenario: str, *, days: int, seed: int, planner: str, faults: str
) -> tuple[dict[str, Any], float]:
    """Returns the report of a replay, and how many times faster than life it was, by CPU."""
    with tempfile.TemporaryDirectory(prefix="heliofleet-seasons-") as out:
        command = [sys.executable, "-m", "csms.cli", "replay", scenario, "--days", str(days)]
        command += ["--seed", str(seed), "--planner", planner, "--faults", faults, "--out", out]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        # Its CPU time alone, with that of its own processes: others are played beside it.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        report = msgspec.json.decode((Path(out) / "report.json").read_bytes())
    return report, days * DAY_S / (used.ru_utime + used.ru_stime)


def week(title: str, scenario: str, *, days: int, seed: int, faults: str) -> Week:
    """Plays some days with the plan and without a planner."""
    report, times_life = replayed(scenario, days=days, seed=seed, planner="plan", faults=faults)
    without, _ = replayed(scenario, days=days, seed=seed, planner="uncontrolled", faults=faults)
    return judged(title, seed, report, without, times_life)


def judged(
    title: str, seed: int, report: dict[str, Any], without: dict[str, Any], times_life: float
) -> Week:
    """Returns what two reports of the same days say."""
    policies, bookings = report["policies"], report["bookings"]
    sun = {name: each["pv_to_cars_utilisation"] for name, each in policies.items()}
    cost = {name: each["energy_cost"] for name, each in policies.items()}
    return Week(
        title=title,
        seed=seed,
        sun_share=sun["plan"],
        sun_over_foresight=sun["plan"] / sun["perfect_foresight"],
        sun_over_surplus=sun["plan"] - sun["surplus"],
        most_over_surplus=sun["perfect_foresight"] - sun["surplus"],
        cost_over_uncontrolled=cost["plan"] / cost["uncontrolled"],
        least_over_uncontrolled=cost["perfect_foresight"] / cost["uncontrolled"],
        cost_over_foresight=cost["plan"] / cost["perfect_foresight"],
        accepted_over_uncontrolled=bookings["accepted"] / without["bookings"]["accepted"],
        missed=bookings["missed"],
        avoidable=bookings["avoidable_misses"],
        accepted=bookings["accepted"],
        over_limit_minutes=report["circuits"]["over_limit_beyond_reaction_minutes"],
        plans=report["plans"]["made"],
        without_solver=report["plans"]["made"] - report["plans"]["by_level"].get("solver", 0),
        violations=report["plans"]["violations"],
        times_life=times_life,
    )


def weeks(*, days: int, count: int, seasons: Sequence[str], reference: bool) -> Iterator[Week]:
    """Yields the weeks in their order, as they are played."""
    seeds = range(1, count + 1)
    with (
        tempfile.TemporaryDirectory(prefix="heliofleet-seasons-") as folder,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        played: list[Callable[[], Week]] = []
        if reference:
            june = partial(week, REFERENCE, "confluence", days=days, faults="")
            played += [partial(june, seed=seed) for seed in seeds]
        for season in seasons:
            (Path(folder) / season).mkdir()
            path = str(scenario(Path(folder) / season, SEASONS[season]))
            theirs = partial(week, season, path, days=days, faults=",".join(FAULTS))
            played += [partial(theirs, seed=seed) for seed in seeds]
        for future in [pool.submit(play) for play in played]:
            yield future.result()


def summary(found: Sequence[Week], *, count: int, days: int) -> list[Row]:
    """Returns what weeks have come to beside the goals, first of the seasons, then of June.

    `count` seeds of each were played, `days` long.
    """
    seeds = f"{'1' if count == 1 else f'1 to {count}'}, {days} days each"
    seasons = [each for each in found if each.title != REFERENCE]
    june = [each for each in found if each.title == REFERENCE]
    rows: list[Row] = []
    if seasons:
        shares = [each.sun_over_foresight for each in seasons]
        figure = f"mean {mean(shares):.3f}, worst {min(shares):.3f}"
        what = "sun to cars over perfect foresight, seasons with faults"
        rows.append(Row(what, "mean 0.97, worst 0.94", figure, seeds))
        rows += _costs("seasons with faults", "0.55", seasons, seeds)
        taken = [each.accepted_over_uncontrolled for each in seasons]
        figure = f"mean {mean(taken):.3f}, least {min(taken):.3f}"
        rows.append(Row("bookings accepted, over uncontrolled", "0.97", figure, seeds))
        rows.append(_missed("with faults", "none avoidable, 0.1 %", seasons, seeds))
    if june:
        sun, more = (mean(each) for each in zip(*map(_sun, june), strict=True))
        most = mean(each.most_over_surplus for each in june)
        figure = f"{sun:.3f}; {more:+.3f} (foresight {most:+.3f})"
        what = "sun to cars in June, and over surplus following"
        rows.append(Row(what, "0.85, +0.08", figure, seeds))
        rows += _costs("June", "0.42", june, seeds)
        rows.append(_missed("without faults", "0", june, seeds))
    violations, plans = sum(each.violations for each in found), sum(each.plans for each in found)
    killed = sum(each.without_solver for each in found)
    figure = f"{violations} in {plans:,} plans, {killed:,} without their solver"
    rows.append(Row("violations found by the referee", "0", figure, seeds))
    over = sum(each.over_limit_minutes for each in found)
    what = "minutes over a limit beyond a station's time to react"
    return [*rows, Row(what, "0", f"{over:g}", seeds)]


def _sun(found: Week) -> tuple[float, float]:
    return found.sun_share, found.sun_over_surplus


def _costs(which: str, goal: str, found: Sequence[Week], seeds: str) -> list[Row]:
    ours = mean(each.cost_over_uncontrolled for each in found)
    least = mean(each.least_over_uncontrolled for each in found)
    over = [each.cost_over_foresight for each in found]
    figure = f"mean {ours:.2f} (foresight {least:.2f})"
    return [
        Row(f"energy cost over uncontrolled, {which}", goal, figure, seeds),
        Row(
            f"energy cost over perfect foresight, {which}",
            "1.15",
            f"mean {mean(over):.2f}, worst {max(over):.2f}",
            seeds,
        ),
    ]


def _missed(which: str, goal: str, found: Sequence[Week], seeds: str) -> Row:
    missed, accepted = sum(each.missed for each in found), sum(each.accepted for each in found)
    figure = f"{missed} of {accepted:,}, {sum(each.avoidable for each in found)} avoidable"
    return Row(f"accepted bookings missed, {which}", goal, figure, seeds)


HEAD = (
    "| season | seed | sun to cars | over foresight (goal 0.97, worst 0.94)"
    " | less surplus following | cost / uncontrolled (goal 0.55)"
    " | cost / foresight (goal 1.15) | accepted / uncontrolled (goal 0.97) | missed"
    " | minutes over a limit (goal 0) | violations (goal 0) | times life (goal 2,000) |\n"
    f"|{'---|' * 12}\n"
)


def line(found: Week) -> str:
    """Returns a week as a line under `HEAD`."""
    return (
        f"| {found.title} | {found.seed} | {found.sun_share:.3f} | {found.sun_over_foresight:.3f}"
        f" | {found.sun_over_surplus:+.3f} | {found.cost_over_uncontrolled:.2f}"
        f" | {found.cost_over_foresight:.2f} | {found.accepted_over_uncontrolled:.3f}"
        f" | {found.missed} of {found.accepted}, {found.avoidable} avoidable"
        f" | {found.over_limit_minutes:g}"
        f" | {found.violations} in {found.plans}, {found.without_solver} without solver"
        f" | {found.times_life:,.0f} |\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=5, help="how many of each season")
    parser.add_argument("--days", type=int, default=7, help="how long each is")
    parser.add_argument("--seasons", nargs="*", choices=SEASONS, default=list(SEASONS))
    parser.add_argument("--reference", action="store_true", help="June without faults first")
    options = parser.parse_args()
    sys.stdout.write(HEAD)
    found: list[Week] = []
    for each in weeks(
        days=options.days,
        count=options.weeks,
        seasons=options.seasons,
        reference=options.reference,
    ):
        found.append(each)
        sys.stdout.write(line(each))
        sys.stdout.flush()
    sys.stdout.write("\n| what | goal | figure | seeds |\n|---|---|---|---|\n")
    for row in summary(found, count=options.weeks, days=options.days):
        sys.stdout.write(str(row))


if __name__ == "__main__":
    main()
