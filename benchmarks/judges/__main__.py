"""`python -m benchmarks.judges ev2gym --seeds 30`, `... acnsim --days 10`: asks outside judges.

Ends with 2 and one line where the judge's package is not installed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator

from benchmarks.judges import acnsim, ev2gym

INSTALL = {
    "ev2gym": "ev2gym==2.0.0 pandapower numba psutil multicopula 'setuptools<81'",
    "acnsim": "acnportal==0.3.3",
}
"""What the judges need, beside our own requirements; some of it they do not say themselves."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judges", description=__doc__)
    judges = parser.add_subparsers(dest="judge", required=True)
    gym = judges.add_parser("ev2gym", help="a workplace with V2G, with and without sun")
    gym.add_argument("--seeds", type=_count, default=30, help="how many days, from seed 1 on")
    gym.add_argument("--first", type=int, default=1, help="the first seed")
    gym.add_argument("--configuration", choices=ev2gym.CONFIGURATIONS, help="both without it")
    acn = judges.add_parser("acnsim", help="two networks of EVSEs between lines")
    acn.add_argument("--days", type=_count, default=10, help="how many, on end")
    acn.add_argument("--seed", type=int, default=1, help="of the sessions")
    acn.add_argument("--site", choices=acnsim.SITES, help="both without it")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the judges' own, about their libraries
    asked = {"ev2gym": _ev2gym, "acnsim": _acnsim}[options.judge]
    return report(options.judge, lambda: asked(options))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def report(judge: str, lines: Callable[[], Iterator[str]]) -> int:
    """Writes lines as they come; returns 2 where the judge is not installed."""
    try:
        for line in lines():
            sys.stdout.write(line)
            sys.stdout.flush()
    except ImportError as missing:
        install = f"pip install {INSTALL[judge]}"
        sys.stderr.write(f"{judge} is not installed ({missing}); in a venv of its own: {install}\n")
        return 2
    return 0


def _ev2gym(options: argparse.Namespace) -> Iterator[str]:
    seeds = range(options.first, options.first + options.seeds)
    for configuration in ev2gym.CONFIGURATIONS:
        if options.configuration in {None, configuration}:
            yield from ev2gym.run(configuration, seeds)


def _acnsim(options: argparse.Namespace) -> Iterator[str]:
    for site in acnsim.SITES:
        if options.site in {None, site}:
            yield from acnsim.run(site, options.days, options.seed)


if __name__ == "__main__":
    sys.exit(main())
