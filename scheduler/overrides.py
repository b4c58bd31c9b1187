"""What somebody wants of a car for a while, against whatever a plan would do by itself.

An override has an end. `hold` is 0 W, no feeding back either; `at_most` a bound on the power at
the grid side; `charge_now` as much as car, EVSE, circuit and site allow until the car is full,
before anything that only saves money: what trips need and all limits still come first. Here are
the type, what makes it wrong, and the bound that it puts on each step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import FieldError
from scheduler.ranges import POWER_W, out_of

OverrideKind = Literal["charge_now", "hold", "at_most"]


@dataclass(frozen=True, slots=True)
class Override:
    """What is wanted of one car in `[from_step, to_step)`, which may end beyond the horizon."""

    from_step: int
    to_step: int
    kind: OverrideKind
    power_w: float | None = None
    """Of `at_most`, and of no other."""


def override_errors(overrides: Sequence[Override], pointer: str) -> Iterator[FieldError]:
    """Yields what is wrong with the overrides of one car, given at `pointer`."""
    for index, each in enumerate(overrides):
        place = f"{pointer}/{index}"
        if not 0 <= each.from_step < each.to_step:
            detail = f"must come after from_step, at least 0, not {each.from_step}, {each.to_step}"
            yield FieldError(f"{place}/to_step", detail)
        if each.kind == "at_most" and each.power_w is None:
            yield FieldError(f"{place}/power_w", "is missing")
        elif each.kind != "at_most" and each.power_w is not None:
            yield FieldError(f"{place}/power_w", f"says nothing with {each.kind}")
        elif each.power_w is not None and (wrong := out_of(each.power_w, POWER_W)) is not None:
            yield FieldError(f"{place}/power_w", wrong)
        for other in overrides[:index]:
            if other.from_step < each.to_step and each.from_step < other.to_step:
                detail = f"lies within [{other.from_step}, {other.to_step}), where another one is"
                yield FieldError(f"{place}/from_step", detail)
                break


def most_w(overrides: Sequence[Override], steps: int) -> NDArray[np.float64]:
    """Returns the most power that overrides leave a car in each step; infinite where they don't."""
    bound_w = np.full(steps, np.inf)
    for each in overrides:
        if each.kind != "charge_now":
            bound_w[each.from_step : each.to_step] = each.power_w or 0.0
    return bound_w


def hurries_at(overrides: Sequence[Override], step: int) -> bool:
    """Returns whether a car is to charge in a step before anything that only saves money."""
    return any(
        each.kind == "charge_now" and each.from_step <= step < each.to_step for each in overrides
    )


def override_at(overrides: Sequence[Override], step: int) -> Override | None:
    """Returns the override that a step of a car lies under, if it does."""
    return next((each for each in overrides if each.from_step <= step < each.to_step), None)
