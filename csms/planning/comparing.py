"""What a plan would have drawn at a site, beside what was metered there: figures of a shadow.

One plan is held against what happened: the last that was published before, since each later one
starts from cars that were charged without it. Both sides are valued with the sun and the building
as they were measured, and with the prices of that time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.charging.rules import METERED_AT
from csms.charging.sunshine import SPEAKS_OF, metered_wh
from csms.energy.prices import common_currency, prices_between, step_prices
from csms.planning.snapshot import STEP_MINUTES
from models.tables.charging import Reading
from models.tables.energy import SiteMeasurement
from models.tables.planning import Plan
from models.tables.stations import Station
from models.timeline import StepGrid
from scheduler.plan import read_plan

Series = npt.NDArray[np.float64]
_STEP = timedelta(minutes=STEP_MINUTES)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What cars drew at a site, or would have drawn."""

    energy_wh: float
    solar_wh: float
    """What the sun had to spare at that time."""
    cost: float
    """What it made the site pay more, or be paid less."""

    @property
    def solar_share(self) -> float | None:
        """The part of the energy that the sun gave; None: there was no energy."""
        return round(self.solar_wh / self.energy_wh, 3) if self.energy_wh > 0 else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A plan beside what happened."""

    plan_id: str | None
    measured_steps: int
    """Of how many quarters of an hour sun or building are known."""
    currency: str
    planned: Drawn | None
    """None: no plan was there at that time."""
    measured: Drawn


async def compare(session: AsyncSession, tenant: str, site_id: str, grid: StepGrid) -> Comparison:
    """Returns a site's cars in the quarters of an hour of `grid`, as planned and as metered."""
    surplus_wh, known = await _surplus_wh(session, site_id, grid)
    series = await prices_between(session, [site_id], grid.start, grid.end)
    prices = step_prices(series, grid)
    buy, sell = prices.import_price_per_kwh, prices.export_price_per_kwh
    plan = await session.scalar(
        sa.select(Plan)
        .where(Plan.tenant_id == tenant, Plan.created_at <= grid.start)
        .order_by(Plan.created_at.desc())
        .limit(1)
    )
    planned = None
    if plan is not None and site_id in plan.site_ids and _ends(plan) > grid.start:
        planned = _valued(_planned_wh(plan, site_id, grid), surplus_wh, buy, sell)
    measured = _valued(await _drawn_wh(session, site_id, grid), surplus_wh, buy, sell)
    return Comparison(
        plan_id=None if plan is None or planned is None else plan.id,
        measured_steps=known,
        currency=common_currency(series),
        planned=planned,
        measured=measured,
    )


def _valued(energy_wh: Series, surplus_wh: Series, buy: Series, sell: Series) -> Drawn:
    solar_wh = np.minimum(energy_wh, np.maximum(surplus_wh, 0.0))
    cost = ((energy_wh - solar_wh) * buy + solar_wh * sell).sum() / 1000
    return Drawn(float(energy_wh.sum()), float(solar_wh.sum()), float(cost))


def _ends(plan: Plan) -> datetime:
    return plan.start + timedelta(minutes=plan.step_minutes * plan.steps)


def _planned_wh(plan: Plan, site_id: str, grid: StepGrid) -> Series:
    """Returns what a plan gives to cars at a site in each step, beyond its end nothing."""
    document = read_plan(plan.document.encode())
    evses = {stay.evse for stay in document.stays if stay.site == site_id}
    found = np.zeros(grid.steps)
    shift = round((plan.start - grid.start) / _STEP)
    for entry in document.charging:
        if entry.evse in evses:
            first, last = max(0, entry.from_step + shift), max(0, entry.to_step + shift)
            found[first:last] += max(0.0, entry.power_w) * grid.hours
    return found


async def _drawn_wh(session: AsyncSession, site_id: str, grid: StepGrid) -> Series:
    """Returns what the registers of a site's stations went up by in each step."""
    rows = await session.execute(
        sa.select(
            Reading.station, Reading.ocpp_transaction_id, Reading.measured_at, Reading.energy_wh
        )
        .join(Station, Station.identity == Reading.station)
        .where(Station.site_id == site_id, Reading.ocpp_transaction_id != "")
        .where(Reading.measured_at >= grid.start - _STEP, Reading.measured_at <= grid.end + _STEP)
        .where(Reading.location == METERED_AT, Reading.energy_wh.is_not(None))
        .order_by(Reading.measured_at)
    )
    registers: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for station, transaction, measured_at, energy_wh in rows:
        after_s = (measured_at - grid.start).total_seconds()
        registers[station, transaction].append((after_s, energy_wh or 0.0))
    edges_s = np.arange(grid.steps + 1) * _STEP.total_seconds()
    found = np.zeros(grid.steps)
    for told in registers.values():
        at_s, wh = zip(*told, strict=True)
        # A register that went down was another meter's.
        found += np.diff(np.interp(edges_s, at_s, np.maximum.accumulate(wh)))
    return found


async def _surplus_wh(session: AsyncSession, site_id: str, grid: StepGrid) -> tuple[Series, int]:
    """Returns sun less building in each step as measured, and in how many steps that is known."""
    rows = await session.execute(
        sa.select(
            SiteMeasurement.measured_at, SiteMeasurement.pv_power_w, SiteMeasurement.load_power_w
        )
        .where(SiteMeasurement.site_id == site_id, SiteMeasurement.measured_at > grid.start)
        .where(SiteMeasurement.measured_at <= grid.end + SPEAKS_OF)
        .order_by(SiteMeasurement.measured_at)
    )
    told = [(at, (pv_w or 0.0) - (load_w or 0.0)) for at, pv_w, load_w in rows]
    found = [_in_step(told, grid.instant(step)) for step in range(grid.steps)]
    return np.array([each or 0.0 for each in found]), sum(each is not None for each in found)


def _in_step(told: Sequence[tuple[datetime, float]], start: datetime) -> float | None:
    said = [each for each in told if start < each[0] <= start + _STEP + SPEAKS_OF]
    return metered_wh(said, start, start + _STEP) if said else None
