"""What was measured leads cars away from their plan for the rest of its step, and is written down.

Nothing here commits: who opens the unit of work does, so that a limit and the reason for it become
durable together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from csms.grid_limits.queries import Open
from csms.ledger.work import UnitOfWork
from csms.planning.actions import order_limit
from csms.planning.rules import read_periods
from csms.planning.snapshot import STEP_MINUTES
from csms.surplus.queries import Look
from csms.surplus.rules import (
    CIRCUIT_OVER,
    FOLLOW_SUN,
    Follower,
    Why,
    corrected,
    followed,
    relieved,
)
from models.tables.surplus import SurplusCorrection
from models.timeline import floor_to_step, format_rfc3339, parse_rfc3339

_STEP = timedelta(minutes=STEP_MINUTES)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Cause:
    why: Why
    circuit: str | None = None
    spare_w: float | None = None


def step_end(now: datetime) -> datetime:
    """Returns when the plan's running step ends: so long a correction holds."""
    return floor_to_step(now, STEP_MINUTES) + _STEP


async def follow(work: UnitOfWork, look: Look) -> int:
    """Lets cars follow the sun that is there; returns how many were led elsewhere."""
    changed = followed(look.spare_w, look.followers, look.circuits, work.now)
    why: Why = "more sun" if look.spare_w > 0 else "less sun"
    await _correct(work, look, changed, _Cause(why, spare_w=round(look.spare_w, 1)))
    return len(changed)


async def relieve(work: UnitOfWork, look: Look) -> int:
    """Lowers cars until no circuit is above its limit; returns how many were lowered."""
    lowered, over = relieved(look.followers, look.circuits)
    if lowered:
        await _correct(work, look, lowered, _Cause("circuit", circuit=over[0]))
        site_id = next(iter(look.open.values())).station.site_id
        work.request_plan(site_id or "", "circuit-over-its-limit")
    return len(lowered)


async def _correct(
    work: UnitOfWork, look: Look, changed: Mapping[str, float], cause: _Cause
) -> None:
    followers = {each.name: each for each in look.followers}
    for name, power_w in changed.items():
        await _correct_one(work, look.open[name], followers[name], power_w, cause)


async def _correct_one(
    work: UnitOfWork, each: Open, follower: Follower, power_w: float, cause: _Cause
) -> None:
    until = step_end(work.now)
    held = None if each.held is None else each.held.limit
    in_force = held is not None and held.valid_to is not None and held.valid_to > work.now
    in_box = read_periods(held.periods) if held is not None and in_force else ()
    valid_to = max(until, held.valid_to) if held is not None and held.valid_to else until
    reason = CIRCUIT_OVER if cause.why == "circuit" else FOLLOW_SUN
    periods = corrected(in_box, power_w, reason, work.now, until)
    limit = order_limit(
        work,
        each.transaction,
        [period for period in periods if period.from_at < valid_to],
        phases=each.phases,
        valid_to=valid_to,
        plan_id=None,
        site_id=each.station.site_id or "",
    )
    key = (each.evse.station, each.evse.evse_id)
    before = await work.session.get(SurplusCorrection, key)
    switched = [] if before is None else before.switched
    switched = [at for at in switched if parse_rfc3339(at) > work.now - _HOUR]
    if cause.why != "circuit" and (power_w > 0) != (follower.limit_w > 0):
        switched.append(format_rfc3339(work.now))
    await work.session.merge(
        SurplusCorrection(
            station=each.evse.station,
            evse_id=each.evse.evse_id,
            site_id=each.station.site_id,
            at=work.now,
            until=until,
            why=cause.why,
            circuit=cause.circuit,
            planned_w=None if cause.why == "circuit" else round(follower.planned_w, 1),
            before_w=round(follower.limit_w, 1),
            limit_w=round(power_w, 1),
            spare_w=cause.spare_w,
            limit_id=limit.id,
            corrections=1 + (0 if before is None else before.corrections),
            switched=switched,
        )
    )
