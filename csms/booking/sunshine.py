"""What the energy of a trip is expected to cost, and when near its time it would cost less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from csms.booking.queries import read_surplus
from csms.energy.prices import Floats, common_currency, prices_between, step_prices
from csms.ledger.work import ReadSession
from models.timeline import StepGrid
from scheduler.admit import Answer, Calendar, Wish
from scheduler.sunshine import SunshineOffer, Supply, TripEnergy, sunshine_offers, trip_energy

MUCH_CHARGED_PCT = 95.0
"""A car above this takes no more of a site's sun."""
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Sunshine:
    """The energy of a trip that can be booked; None and nothing where no sun is forecast."""

    currency: str
    energy: TripEnergy | None
    offers: tuple[SunshineOffer, ...]

    def energy_cost(self) -> str | None:
        """Returns what the energy is expected to cost, in `currency`."""
        return None if self.energy is None else money(self.energy.cost)


def money(amount: float) -> str:
    """Returns an amount as text, to a hundredth."""
    return str(Decimal(repr(amount)).quantize(CENT) + 0)


def hungry_cars(calendar: Calendar, site_id: str) -> int:
    """Returns how many cars share the sun of a site, at least 1."""
    hungry = [
        car
        for car in calendar.cars
        if car.site_id == site_id and 100 * car.soc_wh < MUCH_CHARGED_PCT * car.capacity_wh
    ]
    return max(1, len(hungry))


async def look_for_sunshine(
    session: ReadSession, calendar: Calendar, wish: Wish, answer: Answer, now: datetime
) -> Sunshine:
    """Returns what the first car offered charges for a trip, and times that are cheaper."""
    sites = sorted({wish.pickup_site, wish.dropoff_site})
    grids, surplus_w = await _surplus(session, sites, now)
    start = min((grid.start for grid in grids.values()), default=now)
    end = max((grid.end for grid in grids.values()), default=now)
    series = await prices_between(session, sites, start, end)
    currency = common_currency(series)
    supplies: dict[str, Supply] = {}
    for site_id, grid in grids.items():
        prices = step_prices([each for each in series if each.site_id == site_id], grid)
        supplies[site_id] = Supply(
            grid,
            surplus_w[site_id] / hungry_cars(calendar, site_id),
            prices.import_price_per_kwh,
            prices.export_price_per_kwh,
        )
    energy = trip_energy(calendar, answer.offers[0], wish, supplies)
    return Sunshine(currency, energy, sunshine_offers(calendar, wish, answer, supplies, now=now))


async def _surplus(
    session: ReadSession, sites: Sequence[str], now: datetime
) -> tuple[dict[str, StepGrid], dict[str, Floats]]:
    """Returns what sites have to spare of their sun; one without a forecast of it is left out."""
    grids: dict[str, StepGrid] = {}
    power_w: dict[str, Floats] = {}
    for site_id in sites:
        found = await read_surplus(session, site_id, now)
        if found is not None:
            grids[site_id] = StepGrid(found.start, found.step_minutes, len(found.power_w))
            power_w[site_id] = np.array(found.power_w)
    return grids, power_w
