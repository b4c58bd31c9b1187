"""What a benchmark prints: what was measured, the goal, the figure and the seeds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    what: str
    goal: str
    figure: str
    seeds: str

    def __str__(self) -> str:
        return f"| {self.what} | {self.goal} | {self.figure} | {self.seeds} |\n"
