"""The kinds of numbers and names that scenarios and changes are made of, each with its bounds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

LARGEST = 1e9
"""A gigawatt, or its like: beyond it a number is a mistake, and so is infinity."""
PARTS_MAX, STATIONS_MAX = 200, 1000
"""Of a kind in one place: the tree of 6,000 circuits in a row took 11 s to check."""
Positive = Annotated[float, msgspec.Meta(gt=0, le=LARGEST)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Minutes = Annotated[float, msgspec.Meta(ge=0, le=10_000)]
Hourly = Annotated[tuple[NotNegative, ...], msgspec.Meta(min_length=24, max_length=24)]
Monthly = Annotated[
    tuple[Annotated[float, msgspec.Meta(ge=-50, le=50)], ...],
    msgspec.Meta(min_length=12, max_length=12),
]
Identity = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,48}$")]
Weather = Literal["clear", "fair", "mixed", "overcast"]
