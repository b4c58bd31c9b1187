"""A look at the house: all that a plan needs, read and put into the words of the scheduler.

With 3,000 cars that is a third of a second of computing, in which neither a driver nor a station
would get an answer. `serve` therefore has the process look that solves too (`look_apart`); where
everything is done in line, so is this, and what is seen is the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from csms.energy.queries import Equipment
from csms.ledger.database import Database
from csms.planning.queries import (
    Rows,
    document_of,
    newest_plan,
    plans_asked_for,
    read_rows,
)
from csms.planning.snapshot import HORIZON, Snapshot, snapshot_of
from models.errors import Unavailable
from scheduler.plan import Plan, read_plan
from scheduler.problem import write_problem


@dataclass(frozen=True, slots=True)
class Former:
    """The plan in force."""

    id: str
    start: datetime
    plan: Plan | None
    """None: it is at hand where it was asked for."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen, as far as whoever publishes a plan needs it."""

    snapshot: Snapshot
    """Its problem is written already; of its rows those are missing that only the problem needs."""
    former: Former | None
    asked_for: frozenset[str]
    """Sites for which a plan has been asked for that is not published yet."""
    time_limit_s: float | None
    """For how long the plan is then to be bettered; None: nobody asks for that."""


@dataclass(frozen=True, slots=True)
class NotSeen:
    """The database is away."""

    why: str


async def look_in(db: Database, tenant: str, now: datetime, known: str | None) -> Look | None:
    """Looks at what is in a database; arguments and answer as of `look`."""
    async with db.read() as session:
        return await look(session, tenant=tenant, now=now, known=known)


async def look(
    session: AsyncSession, *, tenant: str, now: datetime, known: str | None
) -> Look | None:
    """Returns what there is to plan at `now`; None where there is no site or no car.

    Args:
        session: of one consistent snapshot.
        tenant: whose sites and cars.
        now: the present.
        known: the plan that the caller has at hand, by its id.
    """
    rows = await read_rows(session, tenant=tenant, now=now, horizon=HORIZON)
    last = await newest_plan(session, tenant=tenant)
    asked_for = await plans_asked_for(session, tenant=tenant)
    if not rows.sites or not rows.vehicles:
        return None
    snapshot = snapshot_of(rows, now)
    former = None
    if last is not None:
        plan = None
        if last[0] != known:  # a document is large, and mostly at hand where it was made
            plan = read_plan((await document_of(session, last[0])).encode())
        former = Former(*last, plan)
    written = write_problem(snapshot.problem).decode()
    return Look(
        replace(snapshot, rows=_needed_later(rows), document=written),
        former,
        asked_for=frozenset(each.site_id for each in asked_for),
        time_limit_s=max(
            (each.time_limit_s for each in asked_for if each.time_limit_s), default=None
        ),
    )


def _needed_later(rows: Rows) -> Rows:
    """Leaves out what nobody asks for once the problem is built: most of what was read.

    Between two processes each row costs as much time as it took to read.
    """
    used = {each.station for each in rows.transactions}
    priced = {row.site_id for row in rows.overrides}
    priced |= {site.id for site in rows.sites if site.move_price is not None}
    return replace(
        rows,
        circuits=(),
        stations={name: each for name, each in rows.stations.items() if name in used},
        evses=[each for each in rows.evses if each.station in used],
        connectors=(),
        vehicles=(),
        forecasts={},
        prices=[each for each in rows.prices if each.site_id in priced],
        outside=(),
        before=None,
        equipment=Equipment(),
    )


def look_apart(url: str, tenant: str, now: datetime, known: str | None) -> Look | NotSeen | None:
    """Looks from another process than the one that has the database open: a worker's job."""
    try:
        return asyncio.run(_look_alone(url, tenant, now, known))
    except Unavailable as away:
        return NotSeen(str(away))


async def _look_alone(url: str, tenant: str, now: datetime, known: str | None) -> Look | None:
    db = Database.open(url, inline=True)
    try:
        return await look_in(db, tenant, now, known)
    finally:
        await db.close()
