"""What the referee finds: violations, each with its rule, its subject and its first step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Mask = NDArray[np.bool_]

TOLERANCE_W: Final = 1.0
TOLERANCE_WH: Final = 1.0
TOLERANCE_OF_SUM: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a plan breaks.

    `step` is the first step concerned, or None where the rule is about no step.
    """

    rule: str
    subject: str
    step: int | None
    detail: str


class Findings:
    """Collects violations in the order in which they are found."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def add(self, rule: str, subject: str, detail: str, step: int | None = None) -> None:
        """Notes one violation."""
        self._violations.append(Violation(rule, subject, step, detail))

    def add_where(self, rule: str, subject: str, wrong: Mask, values: Series, wish: str) -> None:
        """Notes one violation for all steps where `wrong`, if there is any such step."""
        if not wrong.any():
            return
        step = int(wrong.argmax())
        more = int(wrong.sum()) - 1
        also = f", and at {more} later steps" if more else ""
        self.add(rule, subject, f"{values[step]:.6g} {wish}{also}", step)

    def all(self) -> tuple[Violation, ...]:
        """Returns what was found."""
        return tuple(self._violations)


def off(found: float, wanted: float, tolerance: float) -> bool:
    """Returns whether `found` is further than `tolerance` from `wanted`, or either no number."""
    return not (math.isfinite(wanted) and abs(found - wanted) <= tolerance)
