"""Limits of the grid begin, are kept by cutting what cars may draw, and end.

Nothing here commits: who opens the unit of work does, so that a limit and the cuts that it takes
become durable together, and leave for the stations at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from csms.grid_limits.queries import Open, SiteNow, site_now
from csms.grid_limits.rules import SLACK_W, TOLERANCE_W, Outlet, cut_periods, shares
from csms.ledger.work import UnitOfWork
from csms.planning.actions import GRID_LIMITS, order_limit
from csms.planning.queries import grid_limit_resource
from csms.planning.rules import REACTION_TIME, read_periods
from csms.stations.rules import plan_profile_id
from csms.web.rows import add_row, change_row
from models.commands import ClearLimit
from models.errors import Conflict
from models.states import GridLimitEnd
from models.tables.energy import Site
from models.tables.grid_limits import GridLimit

_CLEAR_EXPIRES_S = 300.0


async def set_limit(
    work: UnitOfWork,
    site: Site,
    *,
    limit_id: str | None,
    start: datetime,
    values: Mapping[str, Any],
) -> GridLimit:
    """Takes a limit of the grid; one that begins now cuts at once.

    Args:
        work: the unit of work.
        site: where it is.
        limit_id: given by the creator; None: one is made.
        start: when it begins; what is past is now.
        values: `circuit_id`, `limit_w`, `end`, `reason`, `source` and what the caller attaches.

    Raises:
        Conflict: `already-exists`.
    """
    await work.take_turn(GRID_LIMITS)
    row = GridLimit(
        id=limit_id or work.ids.new(),
        tenant_id=work.tenant,
        site_id=site.id,
        start=max(start, work.now),
        unable=[],
        bookings_at_risk=[],
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **values,
    )
    await add_row(work, row, row.id)
    announce(work, row, "created")
    if row.start <= work.now:
        await begin(work, site, [row])
    return row


async def begin(work: UnitOfWork, site: Site, rows: Sequence[GridLimit]) -> None:
    """Puts limits of a site in force."""
    for row in rows:
        change_row(work, row, {"begun_at": work.now})
        announce(work, row, "started")
    await work.session.flush()
    await keep(work, await site_now(work.session, site, work.now))


async def end(work: UnitOfWork, row: GridLimit, why: GridLimitEnd) -> None:
    """Ends a limit; the plan that follows gives back what it has cut.

    Raises:
        Conflict: `grid-limit-over`.
    """
    if row.ended_at is not None:
        raise Conflict(f"the limit is over: {row.ended_why}", code="grid-limit-over")
    await work.take_turn(GRID_LIMITS)
    change_row(work, row, {"ended_at": work.now, "ended_why": why})
    announce(work, row, "ended")
    await work.session.flush()
    site = await work.session.get_one(Site, row.site_id)
    now = await site_now(work.session, site, work.now)
    if now.limits:
        return
    for each in now.open:
        # No plan knows of these cars: nobody else would take the cut out of the box.
        held = each.held
        if each.transaction.vehicle_id is None and held is not None and held.is_cut(work.now):
            clear = ClearLimit(profile_id=plan_profile_id(each.evse.evse_id))
            work.order(
                clear, station=each.station.identity, origin="rule", expires_in_s=_CLEAR_EXPIRES_S
            )
            held.limit.state = "superseded"


async def keep(work: UnitOfWork, now: SiteNow) -> None:
    """Cuts what cars may draw until each limit of a site is kept, and notes whether it is."""
    outlets = lowered(now)
    for each in now.open:
        if _gives_way(each, outlets, now):
            _cut(work, each, outlets[each.outlet.name], max(limit.end for limit in now.limits))
    for limit in now.limits:
        seen = _seen(now, limit, outlets)
        if seen is not None:
            _note(work, limit, seen)


def is_kept(now: SiteNow) -> bool:
    """Returns whether a site is as its limits want it, and nothing is to be noted."""
    outlets = lowered(now)
    return not any(_gives_way(each, outlets, now) for each in now.open) and all(
        _seen(now, limit, outlets) is None for limit in now.limits
    )


def lowered(now: SiteNow) -> dict[str, Outlet]:
    """Returns the outlets of a site as they are once each of its limits is kept."""
    outlets = {each.outlet.name: each.outlet for each in now.open}
    for limit in now.limits:
        mine = [outlets[each.outlet.name] for each in now.below(limit)]
        room_w = limit.limit_w - now.others_w(limit)
        room_w -= sum(each.most_w for each in mine if each.unable is not None)
        able = [each for each in mine if each.unable is None]
        if sum(each.most_w for each in able) > room_w + SLACK_W:
            for name, power_w in shares(room_w, able).items():
                before = outlets[name]
                drawn_w = min(before.drawn_w, power_w)
                outlets[name] = replace(before, most_w=power_w, drawn_w=drawn_w)
    return outlets


def _gives_way(each: Open, outlets: Mapping[str, Outlet], now: SiteNow) -> bool:
    """Returns whether a car is to draw less than it may.

    A station that did not obey before a limit began is asked once more; its power is counted on in
    any case.
    """
    if outlets[each.outlet.name].most_w < each.outlet.most_w - SLACK_W:
        return True
    if each.held is None or each.outlet.unable not in {"rejected", "unanswered", "disobeyed"}:
        return False
    about = [limit for limit in now.limits if each in now.below(limit)]
    return any(limit.begun_at and each.held.limit.created_at < limit.begun_at for limit in about)


def _cut(work: UnitOfWork, each: Open, after: Outlet, until: datetime) -> None:
    held = None if each.held is None else each.held.limit
    in_box = () if held is None or each.outlet.unable else read_periods(held.periods)
    valid_to = until
    if held is not None and held.valid_to is not None:
        if held.valid_to <= work.now:
            in_box = ()
        valid_to = max(until, held.valid_to)
    power_w = 0.0 if each.outlet.unable else after.most_w
    periods = cut_periods(in_box, power_w, work.now, until)
    order_limit(
        work,
        each.transaction,
        [period for period in periods if period.from_at < valid_to],
        phases=each.phases,
        valid_to=valid_to,
        plan_id=None,
        site_id=each.station.site_id or "",
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is seen of a limit."""

    kept: bool | None
    drawn_w: float
    unable: list[dict[str, Any]]
    news: bool
    """Something can't be lowered that could before."""


def _seen(now: SiteNow, limit: GridLimit, outlets: Mapping[str, Outlet]) -> _Seen | None:
    """Returns what is seen of a limit; None: what was seen before."""
    mine = now.below(limit)
    after = [outlets[each.outlet.name] for each in mine]
    drawn_w = now.others_w(limit) + sum(each.drawn_w for each in after)
    unable = [
        {
            "station": each.station.identity,
            "evse_id": each.evse.evse_id,
            "why": each.outlet.unable,
            "power_w": round(each.outlet.most_w, 1),
        }
        for each in mine
        if each.outlet.unable is not None
    ]
    kept = limit.kept
    if drawn_w > limit.limit_w + TOLERANCE_W:
        kept = False
    elif all(_is_judged(each, limit) for each in after):
        kept = True
    known = {(each["station"], each["evse_id"], each["why"]) for each in limit.unable}
    found = {(each["station"], each["evse_id"], each["why"]) for each in unable}
    moved = limit.measured_w is None or abs(limit.measured_w - drawn_w) > TOLERANCE_W
    if kept == limit.kept and found == known and not moved:
        return None
    return _Seen(kept, round(drawn_w, 1), unable, bool(found - known))


def _is_judged(outlet: Outlet, limit: GridLimit) -> bool:
    """Returns whether it is known what flows since a limit should be kept."""
    if outlet.unable is not None or limit.begun_at is None:
        return True
    return outlet.read_at is not None and outlet.read_at >= limit.begun_at + REACTION_TIME


def _note(work: UnitOfWork, limit: GridLimit, seen: _Seen) -> None:
    """Notes what is seen of a limit, and tells when that begins or ceases to be too much."""
    before = limit.kept
    values = {"kept": seen.kept, "unable": seen.unable, "measured_w": seen.drawn_w}
    change_row(work, limit, {**values, "measured_at": work.now})
    if seen.kept is False and (before is not False or seen.news):
        announce(work, limit, "not_kept")
    elif seen.news:
        announce(work, limit, "unable")
    elif seen.kept and not before:
        announce(work, limit, "kept")


def announce(work: UnitOfWork, row: GridLimit, what: str) -> None:
    """Says what became true of a limit of the grid."""
    work.emit(
        f"grid_limit.{what}",
        subject=f"grid-limit/{row.id}",
        resource=grid_limit_resource(row),
        site_id=row.site_id,
    )
