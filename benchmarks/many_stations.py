"""Whether a day of many stations is replayed without trouble, and in memory that stays as it is.

`heliofleet replay` of `confluence` with each of its places several times: 20 stations and a fast
one become 210, 30 cars 300. At each hundredth of the day the resident memory is noted, of the
process and of the one beside it that makes the plans; what counts is by how much the median of
their sum in the day's last quarter lies above that of its second. Service and world are one
process, so the world's own record of the day, which the report is drawn from, counts too.

Run `python -m benchmarks.many_stations --copies 10`. Goals: at most 2 %, nothing in the
log, every booking served. It takes long, and is not among `make bench`.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import msgspec
import psutil

FLAT_PCT = 2.0
_NAMES = re.compile(r'\b(id|identity|circuit|parent|name) = "([^"]+)"')


def repeated(copies: int) -> str:
    """Returns `confluence` with each of its sites so many times."""
    text = resources.files("simulators.scenarios").joinpath("confluence.toml").read_text("utf-8")
    head, *sites = text.split("[[sites]]")
    subscribers = re.compile(r"subscribers = (\d+)")
    head = subscribers.sub(lambda it: f"subscribers = {int(it[1]) * copies}", head)
    more = (_NAMES.sub(rf'\1 = "\2-{n}"', each) for n in range(1, copies) for each in sites)
    return "[[sites]]".join([head, *sites, *more])


def resident_mib(process: psutil.Process) -> float:
    """Returns the resident memory of a process, none if it has just ended."""
    try:
        return process.memory_info().rss / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def beside_mib(process: psutil.Process) -> float:
    """Returns the resident memory of the processes that a process has started."""
    try:
        return sum(resident_mib(each) for each in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return 0.0


def quarters(memory: list[float]) -> tuple[float, float]:
    """Returns the medians of the second and of the last quarter."""
    quarter = max(1, len(memory) // 4)
    return statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heliofleet-many-") as folder:
        scenario = Path(folder) / "many.toml"
        scenario.write_text(repeated(options.copies), encoding="utf-8")
        out = options.out or Path(folder) / "out"
        command = ["csms.cli", "replay", str(scenario), "--days", "1", "--progress"]
        command += ["--json", "--out", str(out)]
        began_s = time.monotonic()
        with (Path(folder) / "log").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", *command],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            watched = psutil.Process(process.pid)
            assert process.stdout is not None
            memory = [
                (resident_mib(watched), beside_mib(watched))
                for line in process.stdout
                if line.startswith('{"progress"')
            ]
            process.wait()
            said.seek(0)
            complaints = [line for line in said.read().splitlines() if "level" in line]
        report = msgspec.json.decode((out / "report.json").read_bytes())
    early, late = quarters([own + beside for own, beside in memory])
    own_early, own_late = quarters([own for own, _ in memory])
    growth_pct = (late / early - 1) * 100
    sys.stdout.write(
        f"{options.copies} times confluence, 24 h in {time.monotonic() - began_s:.0f} s:"
        f" memory {early:.0f} to {late:.0f} MiB, growth {growth_pct:+.2f} % (goal {FLAT_PCT:g}),"
        f" of the process itself {own_early:.0f} to {own_late:.0f} MiB,"
        f" {len(complaints)} log lines, {len(report['complaints'])} complaints of stations,"
        f" bookings {report['bookings']}, circuits {report['circuits']}\n"
    )
    for line in complaints[:10]:
        sys.stdout.write(f"  {line}\n")
    return 1 if process.returncode or growth_pct > FLAT_PCT or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
