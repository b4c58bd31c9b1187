"""What sun a site had in a span of time, and what its building and its cars drew of it.

By the energy registers of transactions and the meters of sites alone, so that a resident can check
it with two meters and a clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.energy.dealing import dealt
from models.tables.charging import Reading, Transaction
from models.tables.energy import SiteMeasurement
from models.tables.stations import Station

QUARTER = timedelta(minutes=15)
SPEAKS_OF = timedelta(minutes=15)
"""How far back a measurement of a site speaks, unless it was measured since."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a transaction drew in a span of time."""

    transaction_id: str
    site_id: str
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Metered:
    """What the meters of a site said of a span of time."""

    sun_wh: float | None = None
    """Of its roofs, or its part of a plant by fixed shares; None: nothing was said."""
    building_wh: float = 0.0


@dataclass(frozen=True, slots=True)
class Dealt:
    """What a site gets of a plant in a span of time, and what it needs."""

    site_id: str
    sun_wh: float
    need_wh: float
    """What its building and its cars draw."""

    @property
    def used_wh(self) -> float:
        """What it uses of the plant."""
        return min(self.sun_wh, self.need_wh)

    @property
    def sold_wh(self) -> float:
        """What it leaves."""
        return self.sun_wh - self.used_wh


def shared_sun(energy_wh: Sequence[float], surplus_wh: float) -> list[float]:
    """Returns each transaction's part of the surplus: in proportion, never more than it drew.

    Args:
        energy_wh: what each drew, not negative.
        surplus_wh: sun less building; below zero counts as none.
    """
    total_wh = sum(energy_wh)
    if total_wh <= 0:
        return [0.0 for _ in energy_wh]
    share = min(1.0, max(0.0, surplus_wh) / total_wh)
    return [each * share for each in energy_wh]


def metered_wh(said: Sequence[tuple[datetime, float]], start: datetime, end: datetime) -> float:
    """Returns the energy in `[start, end)` that a meter of power has told.

    What it says at an instant holds since it last spoke, but for no more than `SPEAKS_OF`.

    Args:
        said: instants after `start` with powers in W, in order.
        start: of the time asked for.
        end: of the time asked for.
    """
    energy_wh, heard_until = 0.0, start
    for measured_at, power_w in said:
        since, until = max(heard_until, measured_at - SPEAKS_OF), min(measured_at, end)
        if until > since:
            energy_wh += power_w * (until - since).total_seconds() / 3600
        heard_until = measured_at
    return energy_wh


_RUNNING = (
    sa.select(Transaction, Station.site_id)
    .join(Station, Station.identity == Transaction.station)
    .where(Station.site_id.is_not(None), Transaction.started_at < sa.bindparam("before"))
    .where(sa.or_(Transaction.stopped_at.is_(None), Transaction.stopped_at > sa.bindparam("since")))
    .order_by(Transaction.id)
)
_RUNNING_THERE = _RUNNING.where(Station.site_id.in_(sa.bindparam("sites", expanding=True)))
_KEY = (Reading.station, Reading.ocpp_transaction_id)
_NO_EVSE = 0
"""What a transaction has told before its EVSE was known."""
_THEIRS = (
    Reading.station.in_(sa.bindparam("stations", expanding=True)),
    # The key begins with both: without, all that a station has ever told was looked through.
    Reading.evse_id.in_(sa.bindparam("evses", expanding=True)),
    Reading.ocpp_transaction_id.in_(sa.bindparam("transactions", expanding=True)),
    Reading.energy_wh.is_not(None),
)
_BEFORE = (
    sa.select(*_KEY, sa.func.max(Reading.energy_wh))
    .where(*_THEIRS, Reading.measured_at <= sa.bindparam("since"))
    .group_by(*_KEY)
)
_SINCE = sa.select(*_KEY, Reading.energy_wh, Reading.measured_at).where(
    *_THEIRS,
    Reading.measured_at > sa.bindparam("since"),
    Reading.measured_at <= sa.bindparam("until"),
)


async def drawn_between(
    session: AsyncSession, start: datetime, end: datetime, only: Set[str] | None
) -> list[Drawn]:
    """Returns what each transaction drew in `[start, end)`, by its energy register.

    Args:
        session: to read with.
        start: of the time asked for.
        end: of the time asked for.
        only: the sites that are asked for; None: all.
    """
    (drawn,) = await drawn_by_span(session, (start, end), only)
    return drawn


async def drawn_by_span(
    session: AsyncSession, edges: Sequence[datetime], only: Set[str] | None
) -> list[list[Drawn]]:
    """Returns the same of each span from one of the `edges` to the next, all read at once."""
    asked: dict[str, object] = {"since": edges[0], "before": edges[-1]}
    if only is not None:
        asked["sites"] = sorted(only)
    transactions = await session.execute(_RUNNING if only is None else _RUNNING_THERE, asked)
    known = [(row, site_id) for row, site_id in transactions if site_id is not None]
    registers = await _registers(session, [row for row, _ in known], edges)
    drawn: list[list[Drawn]] = []
    for number, (start, end) in enumerate(pairwise(edges)):
        found: list[Drawn] = []
        for row, site_id in known:
            first, last = registers[row.id][number : number + 2]
            first = row.meter_start_wh if first is None else first
            if row.started_at >= end or (row.stopped_at is not None and row.stopped_at <= start):
                continue
            if first is not None and last is not None and last > first:
                found.append(Drawn(row.id, site_id, last - first))
        drawn.append(found)
    return drawn


async def _registers(
    session: AsyncSession, rows: Sequence[Transaction], edges: Sequence[datetime]
) -> Mapping[str, Sequence[float | None]]:
    """The highest register of each transaction up to and including each of the edges."""
    ids = {(row.station, row.ocpp_transaction_id): row.id for row in rows}
    theirs = {
        "stations": sorted({row.station for row in rows}),
        "evses": sorted({_NO_EVSE, *(row.evse_id for row in rows)}),
        "transactions": sorted({row.ocpp_transaction_id for row in rows}),
        "since": edges[0],
    }
    before = await session.execute(_BEFORE, theirs)
    since = await session.execute(_SINCE, theirs | {"until": edges[-1]})
    found: dict[str, list[float | None]] = {row.id: [None] * len(edges) for row in rows}
    told = [(station, number, register, edges[0]) for station, number, register in before]
    told += [(station, number, register, at) for station, number, register, at in since]
    for station, transaction, register, measured_at in told:
        if (station, transaction) in ids:
            highest = found[ids[station, transaction]]
            place = bisect_left(edges, measured_at)
            highest[place] = _higher(highest[place], register)
    for highest in found.values():
        for place in range(1, len(edges)):
            highest[place] = _higher(highest[place - 1], highest[place])
    return found


def _higher(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)


async def metered_between(
    session: AsyncSession, start: datetime, end: datetime
) -> dict[str, Metered]:
    """Returns what the meters of each site said of `[start, end)`."""
    (metered,) = await metered_by_span(session, (start, end), None)
    return metered


async def metered_by_span(
    session: AsyncSession, edges: Sequence[datetime], only: Set[str] | None
) -> list[dict[str, Metered]]:
    """Returns the same of each span from one of the `edges` to the next, all read at once."""
    statement = (
        sa.select(
            SiteMeasurement.site_id,
            SiteMeasurement.measured_at,
            SiteMeasurement.pv_power_w,
            SiteMeasurement.load_power_w,
        )
        .where(SiteMeasurement.measured_at > edges[0])
        .where(SiteMeasurement.measured_at <= edges[-1] + SPEAKS_OF)
        .order_by(SiteMeasurement.site_id, SiteMeasurement.measured_at)
    )
    if only is not None:
        statement = statement.where(SiteMeasurement.site_id.in_(only))
    pv: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    load: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for site_id, measured_at, pv_w, load_w in await session.execute(statement):
        if pv_w is not None:
            pv[site_id].append((measured_at, pv_w))
        if load_w is not None:
            load[site_id].append((measured_at, load_w))
    return [_metered(pv, load, start, end) for start, end in pairwise(edges)]


def _metered(
    pv: Mapping[str, list[tuple[datetime, float]]],
    load: Mapping[str, list[tuple[datetime, float]]],
    start: datetime,
    end: datetime,
) -> dict[str, Metered]:
    found: dict[str, Metered] = {}
    for site_id in {**pv, **load}:
        sun, building = (_speaking_of(said.get(site_id, []), start, end) for said in (pv, load))
        if sun or building:
            sun_wh = metered_wh(sun, start, end) if sun else None
            found[site_id] = Metered(sun_wh, metered_wh(building, start, end))
    return found


def _speaking_of(
    said: list[tuple[datetime, float]], start: datetime, end: datetime
) -> list[tuple[datetime, float]]:
    """Returns what was said after a start, of the time before an end; all is in order."""
    first = bisect_right(said, start, key=itemgetter(0))
    return said[first : bisect_right(said, end + SPEAKS_OF, key=itemgetter(0))]


def surplus_of(
    metered: Mapping[str, Metered], drawn: Sequence[Drawn], groups: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Returns the sun less the building of each site, in Wh.

    Args:
        metered: what its meters said.
        drawn: what cars drew, at all sites of any group.
        groups: the sites of each plant that is dealt by need.
    """
    sun_wh = {site_id: each.sun_wh for site_id, each in metered.items() if each.sun_wh is not None}
    for group in groups:
        sun_wh |= {each.site_id: each.sun_wh for each in dealt_energy(group, metered, drawn)}
    return {
        site_id: max(0.0, each - metered.get(site_id, Metered()).building_wh)
        for site_id, each in sun_wh.items()
    }


def dealt_energy(
    group: Sequence[str],
    metered: Mapping[str, Metered],
    drawn: Sequence[Drawn],
    *,
    by_need: bool = True,
) -> list[Dealt]:
    """Returns what each site of a plant gets of it in a span of time, in the order of `group`."""
    cars_wh: dict[str, float] = defaultdict(float)
    for each in drawn:
        cars_wh[each.site_id] += each.energy_wh
    known = [metered.get(site_id, Metered()) for site_id in group]
    parts = np.array([[max(0.0, each.sun_wh or 0.0)] for each in known])
    needs = np.array(
        [
            [max(0.0, each.building_wh) + cars_wh[site_id]]
            for site_id, each in zip(group, known, strict=True)
        ]
    )
    suns = (dealt(parts, needs) if by_need else parts)[:, 0].tolist()
    return [
        Dealt(site_id, sun_wh, need_wh)
        for site_id, sun_wh, need_wh in zip(group, suns, needs[:, 0].tolist(), strict=True)
    ]
