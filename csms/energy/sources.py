"""Who forecasts for a site: what they said, and how near they came to what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime

from csms.web.documents import Shown
from models.tables.energy import Forecast, ForecastSource, Site
from models.timeline import StepGrid
from scheduler.forecast import QuantileForecast
from scheduler.forecast.mixing import says
from scheduler.forecast.quality import Record
from scheduler.forecast.sun import Plant

FORECAST_KINDS = ("pv", "load")
PUSHED = "pushed"
"""How the source of a forecast begins that somebody has pushed."""
FETCHED = "fetched"
"""How the source of a forecast begins that a plug-in was asked for."""
OWN = "own"
"""The source of what we forecast ourselves, in records of how good it was."""
FRESH_FOR = timedelta(hours=6)
"""So long after its issue a forecast of somebody else counts."""


class DoubtShown(Shown):
    """Why a forecast, or who makes it, is not believed."""

    code: str
    detail: str


class ForecastSourceShown(Shown):
    """How near a source came to what was measured, in the first six hours of its forecasts.

    What lies a week back counts by a third.
    """

    site_id: str
    kind: str
    source: str
    """`own`, or as pushed and fetched forecasts are called."""
    judged_at: AwareDatetime
    hours: float
    """Of steps in which there was something to forecast; all that follows is null without."""
    skill: float | None
    """1 is perfect, 0 no better than saying that it stays as it is."""
    error_w: float | None
    """Mean of what was missed, either way."""
    bias_w: float | None
    """How much too much was forecast on average."""
    inside_share: float | None
    """How often it came to lie between `q10_w` and `q90_w`; 0.8 would be right."""
    doubts: list[DoubtShown]
    """With any, its forecasts are not planned with."""
    share: float | None
    """What part it has in the forecast of the sun that goes on where nothing is pushed; null for
    what is pushed, and for forecasts of load."""
    asked_at: AwareDatetime | None
    """When a plug-in was last asked; null for what is none. So are those that follow."""
    told_at: AwareDatetime | None
    """When it last told something that can be planned with."""
    failure: str | None
    """Why it did not when it was last asked; null: it did."""
    failing_since: AwareDatetime | None


def forecast_of(row: Forecast) -> QuantileForecast:
    """Returns a forecast that was kept."""
    grid = StepGrid(row.start, row.step_minutes, len(row.q50_w))
    series = (tuple(map(float, each)) for each in (row.q10_w, row.q50_w, row.q90_w))
    return QuantileForecast(row.issued_at, grid, "outside", *series)


def plants_of(row: Site) -> list[Plant]:
    """Returns the roofs of a site, or its part of those that it shares."""
    return [
        Plant(each["peak_power_w"], each["tilt_deg"], each["azimuth_deg"])
        for each in (*row.pv_plants, *row.shared_roofs)
    ]


def record_of(row: ForecastSource) -> Record:
    """Returns how near a source has come to what was measured."""
    return Record(*(getattr(row, name) for name in Record.__slots__))


def is_outside(source: str) -> bool:
    """Returns whether a forecast of this source is somebody else's word."""
    return source.startswith((PUSHED, FETCHED))


def outside() -> sa.ColumnElement[bool]:
    """Returns the same as a condition on forecasts."""
    source = Forecast.__table__.c.source
    return sa.or_(source.startswith(PUSHED), source.startswith(FETCHED))


def shares_of(rows: Iterable[ForecastSource], now: datetime) -> dict[str, float]:
    """Returns which part each source has in one forecast of a site, by name.

    Args:
        rows: the sources of one site and kind; those of pushed forecasts have no part in it.
        now: whoever has told nothing lately has none either.
    """
    records = {OWN: Record()}
    for row in rows:
        told = row.told_at is not None and row.told_at >= now - FRESH_FOR
        if row.source == OWN or (row.source.startswith(FETCHED) and told and not row.doubts):
            records[row.source] = record_of(row)
    return dict(zip(records, says(list(records.values())), strict=True))


def source_resource(row: ForecastSource, share: float | None = None) -> dict[str, Any]:
    """Returns a source of forecasts as the REST door and the events show it."""
    record = record_of(row)
    return {
        "site_id": row.site_id,
        "kind": row.kind,
        "source": row.source,
        "judged_at": row.judged_at,
        "hours": round(record.hours, 2),
        "skill": _rounded(record.skill, 4),
        "error_w": _rounded(record.error_w, 1),
        "bias_w": _rounded(record.bias_w, 1),
        "inside_share": _rounded(record.inside_share, 4),
        "doubts": row.doubts,
        "share": _rounded(share, 4),
        "asked_at": row.asked_at,
        "told_at": row.told_at,
        "failure": row.failure,
        "failing_since": row.failing_since,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
