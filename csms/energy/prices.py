"""What a kWh costs at a site, step by step, from the series that were pushed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.tables.energy import PriceSeries, Site
from models.timeline import StepGrid

DEFAULT_IMPORT_PRICE_PER_KWH = 0.20
"""Where nobody has pushed prices."""
DEFAULT_EXPORT_PRICE_PER_KWH = 0.06

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StepPrices:
    """Prices and CO2 of a site; one value per step."""

    import_price_per_kwh: Floats
    export_price_per_kwh: Floats
    import_co2_g_per_kwh: Floats


async def prices_between(
    session: AsyncSession, site_ids: Collection[str], start: datetime, end: datetime
) -> Sequence[PriceSeries]:
    """Returns the series of sites that speak of `[start, end)`, in the order of their issue.

    The one that a site issued last is there in any case: its currency is the site's. All others
    stay unread, since prices that come daily would make each plan read hundreds after a year.
    """
    each = aliased(PriceSeries)
    newest = (
        sa.select(each.id)
        .where(each.site_id == Site.id)
        .order_by(each.issued_at.desc(), each.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    newest_ids = sa.select(newest).where(Site.id.in_(site_ids))
    says = sa.and_(
        PriceSeries.site_id.in_(site_ids), PriceSeries.ends_at > start, PriceSeries.start < end
    )
    rows = await session.scalars(
        sa.select(PriceSeries)
        .where(says | PriceSeries.id.in_(newest_ids))
        .order_by(PriceSeries.issued_at, PriceSeries.id)
    )
    return rows.all()


def step_prices(series: Sequence[PriceSeries], grid: StepGrid) -> StepPrices:
    """Returns what holds in each step of a grid.

    Args:
        series: of one site, in the order of their issue: later ones win where they overlap.
        grid: the steps.
    """
    buy = np.full(grid.steps, DEFAULT_IMPORT_PRICE_PER_KWH)
    sell = np.full(grid.steps, DEFAULT_EXPORT_PRICE_PER_KWH)
    co2 = np.zeros(grid.steps)
    for each in series:
        source = StepGrid(each.start, each.step_minutes, len(each.import_price_per_kwh))
        steps = np.array([source.floor(grid.instant(step)) for step in range(grid.steps)])
        inside = (steps >= 0) & (steps < source.steps)
        buy[inside] = np.array([float(p) for p in each.import_price_per_kwh])[steps[inside]]
        sell[inside] = np.array([float(p) for p in each.export_price_per_kwh])[steps[inside]]
        if each.import_co2_g_per_kwh:
            co2[inside] = np.array([float(g) for g in each.import_co2_g_per_kwh])[steps[inside]]
    return StepPrices(buy, sell, co2)
