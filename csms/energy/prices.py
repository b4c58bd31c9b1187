"""What a kWh costs at a site, step by step, from the series that were pushed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

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
DEFAULT_CURRENCY = "EUR"
SEVERAL_CURRENCIES = "XXX"
"""Of sums over sites that pay in different ones; the code for none in ISO 4217."""

TYPICAL_MAX_EUR = 5.0
"""Of half of the prices of a series, for a kWh: the coupled European day-ahead auctions end at 4,
and few hours have come near (harmonised maximum clearing price, ACER 2023)."""
ANY_MAX_EUR = 25.0
"""Of each of them: balancing and scarcity have been dearer than any auction."""
PER_EUR = {
    **dict.fromkeys(("AUD", "CAD", "CHF", "EUR", "GBP", "NZD", "SGD", "USD"), 1.0),
    **dict.fromkeys(("BGN", "BRL", "ILS", "PLN", "RON"), 5.0),
    **dict.fromkeys(("CNY", "DKK", "HKD", "NOK", "SEK"), 10.0),
    **dict.fromkeys(("CZK", "MXN", "THB", "TRY", "TWD", "UAH", "ZAR"), 40.0),
    **dict.fromkeys(("INR", "ISK", "JPY", "PHP", "RSD"), 150.0),
    **dict.fromkeys(("CLP", "HUF", "KRW"), 1_000.0),
    **dict.fromkeys(("COP", "IDR", "VND"), 20_000.0),
}
"""How many of each currency are about a euro: only the order of magnitude matters. Prices in others
are not judged."""

Floats = npt.NDArray[np.float64]
_AT_ONCE = 8
"""Series that are read in one go where the newest ones are doubted."""
_TICK = timedelta(microseconds=1)
_TICKS_PER_MINUTE = timedelta(minutes=1) // _TICK


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

    Those that are doubted are left out. Of the others, the one that a site issued last is there in
    any case: its currency is the site's. All others stay unread, since prices that come daily would
    make each plan read hundreds after a year.
    """
    asked = {"sites": list(site_ids), "from": start, "until": end}
    found = (await session.scalars(_BETWEEN, asked)).all()
    good = {each.id: each for each in found if not doubts_of(each)}
    newest = {each.site_id: each for each in found}
    for last in newest.values():
        if doubts_of(last):
            trusted = await _newest_trusted(session, last)
            good.update({each.id: each for each in trusted})
    return sorted(good.values(), key=lambda each: (each.issued_at, each.id))


async def _newest_trusted(session: AsyncSession, doubted: PriceSeries) -> list[PriceSeries]:
    """Returns the last series of a site before a doubted one that is not doubted; none, if none is.

    What is doubted depends on a median and the currency, which no database reckons alike.
    """
    before: PriceSeries | None = doubted
    while before is not None:
        asked = {"site": before.site_id, "issued_at": before.issued_at, "id": before.id}
        read = (await session.scalars(_BEFORE, asked)).all()
        for each in read:
            if not doubts_of(each):
                return [each]
        before = read[-1] if read else None
    return []


def _before() -> sa.Select[PriceSeries]:
    issued_at = sa.bindparam("issued_at", type_=PriceSeries.issued_at.type)
    earlier = sa.and_(PriceSeries.issued_at == issued_at, PriceSeries.id < sa.bindparam("id"))
    return (
        sa.select(PriceSeries)
        .where(PriceSeries.site_id == sa.bindparam("site"))
        .where((PriceSeries.issued_at < issued_at) | earlier)
        .order_by(PriceSeries.issued_at.desc(), PriceSeries.id.desc())
        .limit(_AT_ONCE)
    )


def _between() -> sa.Select[PriceSeries]:
    each = aliased(PriceSeries)
    sites: sa.BindParameter[str] = sa.bindparam("sites", expanding=True)
    newest = (
        sa.select(each.id)
        .where(each.site_id == Site.id)
        .order_by(each.issued_at.desc(), each.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    newest_ids = sa.select(newest).where(Site.id.in_(sites))
    says = sa.and_(
        PriceSeries.site_id.in_(sites),
        PriceSeries.ends_at > sa.bindparam("from"),
        PriceSeries.start < sa.bindparam("until"),
    )
    return (
        sa.select(PriceSeries)
        .where(says | PriceSeries.id.in_(newest_ids))
        .order_by(PriceSeries.issued_at, PriceSeries.id)
    )


_BETWEEN, _BEFORE = _between(), _before()


def doubts_of(series: PriceSeries) -> list[dict[str, str]]:
    """Returns why prices can't be those of a kWh, each with `code` and `detail`."""
    worth = PER_EUR.get(series.currency)
    if worth is None:
        return []
    found: list[dict[str, str]] = []
    for name in ("import_price_per_kwh", "export_price_per_kwh"):
        typical, most = _sizes(tuple(getattr(series, name)))
        for size, limit, which in (
            (typical, TYPICAL_MAX_EUR * worth, "half of"),
            (most, ANY_MAX_EUR * worth, "some of"),
        ):
            if size > limit:
                told = f"{which} {name} is {size:g} {series.currency} or more, beyond {limit:g}"
                found.append({"code": "UNIT", "detail": f"{told}: is it for a MWh, or in cents?"})
                break
    return found


def common_currency(series: Sequence[PriceSeries]) -> str:
    """Returns what sites pay in; those without prices go with the others.

    Args:
        series: of all sites, in the order of their issue: a site pays in that of its last one.
    """
    paid_in = {each.site_id: each.currency for each in series}
    found = set(paid_in.values()) or {DEFAULT_CURRENCY}
    return SEVERAL_CURRENCIES if len(found) > 1 else found.pop()


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
        steps = _steps_of(source, grid)
        inside = (steps >= 0) & (steps < source.steps)
        buy[inside] = _numbers(tuple(each.import_price_per_kwh))[steps[inside]]
        sell[inside] = _numbers(tuple(each.export_price_per_kwh))[steps[inside]]
        if each.import_co2_g_per_kwh:
            co2[inside] = _numbers(tuple(each.import_co2_g_per_kwh))[steps[inside]]
    return StepPrices(buy, sell, co2)


@lru_cache(maxsize=256)
def _numbers(stored: tuple[Any, ...]) -> Floats:
    """Returns stored prices as numbers: those of each plan are mostly those of the one before."""
    numbers = np.array([float(each) for each in stored])
    numbers.flags.writeable = False
    return numbers


@lru_cache(maxsize=256)
def _sizes(stored: tuple[Any, ...]) -> tuple[float, float]:
    """Returns how far half of stored prices are from zero, and the one that is farthest."""
    sizes = np.abs(_numbers(stored))
    return float(np.median(sizes)), float(sizes.max())


def _steps_of(source: StepGrid, grid: StepGrid) -> npt.NDArray[np.int64]:
    """Returns in which step of one grid each step of another begins; outside of it, too."""
    began = (grid.start - source.start) // _TICK
    begins = began + np.arange(grid.steps) * (grid.step_minutes * _TICKS_PER_MINUTE)
    return begins // (source.step_minutes * _TICKS_PER_MINUTE)
