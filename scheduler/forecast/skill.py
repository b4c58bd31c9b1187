"""How good forecasts were: their error against that of simply saying "it stays as it is"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """One issued forecast, the one to beat, and what came, for the same steps, in W."""

    forecast_w: Sequence[float]
    persistence_w: Sequence[float]
    measured_w: Sequence[float]


def skill_vs_persistence(scored: Iterable[Scored]) -> float | None:
    """Returns 1 - MAE / MAE of persistence over all steps of all forecasts.

    1 is perfect, 0 no better than persistence, below 0 worse. None where persistence made no
    error at all, or there is nothing to score.
    """
    error_w = 0.0
    persistence_error_w = 0.0
    for one in scored:
        rows = zip(one.forecast_w, one.persistence_w, one.measured_w, strict=True)
        for forecast_w, persistence_w, measured_w in rows:
            error_w += abs(forecast_w - measured_w)
            persistence_error_w += abs(persistence_w - measured_w)
    return 1.0 - error_w / persistence_error_w if persistence_error_w > 0 else None
