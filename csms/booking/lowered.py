"""Limits of the grid, as a promise counts on them: who charges with how much less, and when.

A plan chooses who gives way. A promise that is made while a limit holds, or before it begins,
counts on an equal part: the cars that may stand at a site share what the limit leaves to them by
what they can take, and so do those below a circuit that is under a limit of its own. Building and
sun count with the caution of plans, at the worst of the limit's time that is to come. Of a time
that no forecast reaches nothing better is known than the worst that is forecast at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from csms.booking.queries import Fleet
from csms.energy.counting import forecasts_that_count
from csms.energy.queries import circuits_of
from csms.ledger.work import ReadSession
from csms.stations.rules import rated_power_w
from models.tables.energy import Circuit, Forecast, Site
from models.tables.grid_limits import GridLimit
from models.tables.stations import Evse, Station
from scheduler.lowered import Lowered, without_overlaps

LOOKED_AT_EVERY = timedelta(minutes=15)
"""How closely the worst of a limit's time is looked for."""
_LOOKS = 4 * 24 * 7
"""Of a limit that lasts for longer than a week, the next week tells what the others are like."""

_LIMITS = (
    sa.select(GridLimit)
    .where(GridLimit.tenant_id == sa.bindparam("tenant"), GridLimit.ended_at.is_(None))
    .where(GridLimit.end > sa.bindparam("now"))
    .order_by(GridLimit.circuit_id.is_(None), GridLimit.id)
)


@dataclass(frozen=True, slots=True)
class GridLimits:
    """What limits of the grid mean for promises."""

    lowered: tuple[Lowered, ...] = ()
    places: Mapping[str, str] | None = None
    """By `IDENTITY/EVSE`, the place in `lowered` of those whose share is not their site's."""


async def read_grid_limits(
    session: ReadSession, *, tenant: str, now: datetime, fleet: Fleet
) -> GridLimits:
    """Returns what the limits that are in force, or to come, leave to the cars of a tenant."""
    rows = await session.scalars(_LIMITS, {"tenant": tenant, "now": now})
    by_site: dict[str, list[GridLimit]] = {}
    for row in rows:
        by_site.setdefault(row.site_id, []).append(row)
    if not by_site:
        return GridLimits()
    sites = await session.scalars(sa.select(Site).where(Site.id.in_(by_site)))
    forecasts = await forecasts_that_count(session, list(by_site), now)
    circuits = await circuits_of(session, list(by_site))
    found: list[Lowered] = []
    places: dict[str, str] = {}
    for site in sites.all():
        evses = await session.scalars(
            sa.select(Evse)
            .join(Station, Station.identity == Evse.station)
            .where(Station.site_id == site.id, Station.approval == "accepted", Evse.evse_id > 0)
        )
        cars = _cars_at(fleet, site.id)
        look = Look(site, evses.all(), circuits[site.id], forecasts, cars, now)
        for limit in by_site[site.id]:
            found += look.lowered(limit, places)
    return GridLimits(without_overlaps(found), places)


def _cars_at(fleet: Fleet, site_id: str) -> int:
    """Returns how many cars are at a site, or are to come to it."""
    here = {car.vehicle_id for car in fleet.cars if car.site_id == site_id}
    return len(here | {each.vehicle_id for each in fleet.promises if each.dropoff_site == site_id})


@dataclass(frozen=True, slots=True)
class Look:
    """A site under limits."""

    site: Site
    evses: Sequence[Evse]
    circuits: Sequence[Circuit]
    forecasts: Mapping[tuple[str, str], Sequence[Forecast]]
    cars: int
    """How many are there, or come."""
    now: datetime

    def lowered(self, limit: GridLimit, places: dict[str, str]) -> list[Lowered]:
        """Returns what a limit lowers; adds the EVSEs that have a place of their own."""
        powers_w = {f"{e.station}/{e.evse_id}": _rated_w(e) for e in self.evses}
        all_w = self._needed_w(list(powers_w.values()))
        if limit.circuit_id is None:
            room_w = limit.limit_w - self._alone_w(limit)
            share = _share(room_w, all_w)
            own = [place for place in places.values() if place in powers_w]  # circuits come first
            return [Lowered(place, limit.start, limit.end, share) for place in (self.site.id, *own)]
        below = [
            name
            for name, evse in zip(powers_w, self.evses, strict=True)
            if limit.circuit_id in self._above(evse.circuit_id)
        ]
        unmanaged_w = sum(e.unmanaged_load_w for e in self.circuits if e.id == limit.circuit_id)
        room_w = limit.limit_w - unmanaged_w
        below_w = [powers_w[name] for name in below]
        others_w = sum(powers_w.values()) - sum(below_w)
        found = [Lowered(self.site.id, limit.start, limit.end, _share(room_w + others_w, all_w))]
        for name in below:
            places[name] = name
            share = _share(room_w, self._needed_w(below_w))
            found.append(Lowered(name, limit.start, limit.end, share))
        return found

    def _needed_w(self, powers_w: Sequence[float]) -> float:
        """Returns what the cars take at most that may be plugged in there at once."""
        return sum(sorted(powers_w, reverse=True)[: max(1, self.cars)])

    def _above(self, circuit_id: str | None) -> set[str]:
        parents = {each.id: each.parent for each in self.circuits}
        found: set[str] = set()
        while circuit_id is not None and circuit_id not in found:
            found.add(circuit_id)
            circuit_id = parents.get(circuit_id)
        return found

    def _alone_w(self, limit: GridLimit) -> float:
        """Returns the most that the site draws without its cars while a limit holds."""
        loads = self.forecasts.get((self.site.id, "load"), ())
        suns = self.forecasts.get((self.site.id, "pv"), ())
        if self.site.shared_plant_id is not None:
            suns = ()  # its part comes over the grid, too
        most_w = max((max(_values(each, "q90_w"), default=0.0) for each in loads), default=0.0)
        least_w = min((min(_values(each, "q10_w"), default=0.0) for each in suns), default=0.0)
        start = max(limit.start, self.now)  # forecasts tell nothing of what is over
        steps = min(_LOOKS, max(1, -((start - limit.end) // LOOKED_AT_EVERY)))
        return max(
            _at(loads, "q90_w", at, most_w) - _at(suns, "q10_w", at, least_w)
            for at in (start + number * LOOKED_AT_EVERY for number in range(steps))
        )


def _share(room_w: float, needed_w: float) -> float:
    return min(1.0, max(0.0, room_w) / needed_w) if needed_w > 0 else 1.0


def _rated_w(evse: Evse) -> float:
    return rated_power_w(evse.max_power_w, evse.phases)


def _values(forecast: Forecast, quantile: str) -> Sequence[float]:
    return getattr(forecast, quantile) or forecast.q50_w


def _at(forecasts: Sequence[Forecast], quantile: str, at: datetime, otherwise_w: float) -> float:
    """Returns what is forecast for an instant, in W, or `otherwise_w` where no forecast reaches."""
    for forecast in forecasts:
        values = _values(forecast, quantile)
        place = (at - forecast.start) // timedelta(minutes=forecast.step_minutes)
        if 0 <= place < len(values):
            return values[place]
    return otherwise_w
