"""A forecaster that knows the future: it pushes the world's own sun and load to the service.

For `--planner perfect_foresight`: the same house with the same doors plans with the truth in place
of its forecast. What people will do stays as unknown as it is to anybody.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from models.timeline import format_rfc3339
from simulators.scorecard import STEP_MINUTES
from simulators.service import Service
from simulators.sun import BIN_MINUTES
from simulators.world import World

EVERY = timedelta(hours=3)
"""Well before a service takes a pushed forecast for old."""
AHEAD = timedelta(hours=54)
"""The usual horizon of a plan, and what passes until the next push."""


async def tell_future(world: World, service: Service) -> None:
    """Pushes what will be from now on, as far as the world goes."""
    first = (world.now - world.start) // timedelta(minutes=BIN_MINUTES)
    last = first + AHEAD // timedelta(minutes=BIN_MINUTES)
    for site_id, place in world.places.items():
        for kind, series_w in (("pv", place.pv_w), ("load", place.load_w)):
            body = {
                "site_id": site_id,
                "issued_at": format_rfc3339(world.now),
                "start": format_rfc3339(world.now),
                "step_minutes": STEP_MINUTES,
                "q50_w": _by_step(series_w[first:last]),
                "source": "foresight",
            }
            await service.push(f"/forecasts/{kind}", body, who=site_id)


def _by_step(values: npt.NDArray[np.float64]) -> list[float]:
    means = values.reshape(-1, STEP_MINUTES // BIN_MINUTES).mean(axis=1)
    return [round(float(mean), 1) for mean in means]
