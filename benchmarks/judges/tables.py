"""What a contest came to, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from benchmarks.judges.standing import Rolling


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def middle(values: Sequence[float], digits: int = 1) -> str:
    """Returns median and mean of a figure over all days."""
    return f"{median(values):,.{digits}f} / {mean(values):,.{digits}f}"


def plans(rollings: Sequence[Rolling]) -> str:
    """Returns what is to be known of the plans themselves."""
    made = sum(sum(each.levels.values()) for each in rollings)
    solved = sum(each.levels.get("solver", 0) for each in rollings)
    refused = sum(each.refused for each in rollings)
    longest_s = max(each.longest_s for each in rollings)
    return (
        f"{made} plans, {solved} of them by the solver, {refused} refused by the referee; "
        f"the longest took {longest_s:.2f} s.\n"
    )
