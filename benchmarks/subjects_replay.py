"""How many times faster than life whole days are replayed, with everything but real sockets.

Run `python -m benchmarks.subjects_replay`. Goal: a week of `confluence` at least 2,000 times
faster than life. The rate is by CPU time, so that other work on the machine does not count;
the command takes a few seconds to begin and to write its report, which more days share.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Played:
    """What it took to play some days."""

    days: int
    cpu_s: float
    wall_s: float

    @property
    def times_life(self) -> float:
        """How many times faster than life, by CPU time."""
        return self.days * DAY_S / self.cpu_s


def played(days: int) -> Played:
    """Replays the first `days` of `confluence`."""
    before, began_s = _cpu_s(), time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        command = ["csms.cli", "replay", "confluence", "--days", str(days), "--out", out]
        subprocess.run(
            [sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL, timeout=1800
        )
    return Played(days, _cpu_s() - before, time.monotonic() - began_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    for days in (1, 2):
        result = played(days)
        print(
            f"{result.days} days  {result.cpu_s:6.1f} s CPU  {result.wall_s:6.1f} s"
            f"  {result.times_life:8,.0f} times life"
        )


if __name__ == "__main__":
    main()
