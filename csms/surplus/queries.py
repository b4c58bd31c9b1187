"""What the loop between plans looks at: cars, circuits and sun of a site as they are measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.energy.dealing import plants_by_need
from csms.grid_limits.queries import (
    Open,
    SiteNow,
    metered_alone_w,
    metered_without_cars_w,
    site_now,
)
from csms.overrides.queries import overrides_in_force
from csms.planning.boxes import above, evse_name, safe_share_w
from csms.planning.rules import is_cut, is_trial, limit_at, read_periods
from csms.stations.rules import PHASES, phase_loads_w, phases_of, rated_power_w
from csms.surplus.rules import SPARE_H, Circuit, Follower
from models.tables.energy import BatteryState, Site, SiteMeasurement
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.held_limits import OutsideLimit
from models.tables.stations import Evse, Station
from models.tables.surplus import SurplusCorrection
from models.timeline import StepGrid, parse_rfc3339
from scheduler.plan import Charging, Plan

CONNECTION = ""
"""What the grid connection of a site is called among its circuits."""
_HOUR = timedelta(hours=1)
_NOT_FOR_SUN = frozenset(
    {"DEADLINE", "READY", "OVERRIDE", "PRICE", "PAID", "BATTERY", "GIVE", "TRADE"}
)
"""What a plan gives for one of these reasons is not given for the sun alone."""


@dataclass(frozen=True, slots=True)
class PlanNow:
    """The plan in force."""

    id: str
    grid: StepGrid
    plan: Plan


@dataclass(frozen=True, slots=True)
class Sun:
    """What the meters of a site have said, and when they had spoken before."""

    row: SiteMeasurement
    since: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """A site as the rules see it."""

    followers: Sequence[Follower]
    circuits: Mapping[str, Circuit]
    open: Mapping[str, Open]
    """The transactions of the followers, by the names of their EVSEs."""
    spare_w: float = 0.0
    """As `csms.surplus.rules.followed` takes it."""


def correction_resource(row: SurplusCorrection) -> dict[str, Any]:
    """Returns a correction as the REST door shows it."""
    names = ("station", "evse_id", "at", "until", "why", "circuit", "planned_w", "before_w")
    more = ("limit_w", "spare_w", "limit_id", "corrections")
    return {
        **{name: getattr(row, name) for name in (*names, *more)},
        "switched_in_hour": len(row.switched),
    }


async def corrections_of(session: AsyncSession, site_id: str) -> Sequence[SurplusCorrection]:
    """Returns the last correction of each EVSE of a site that has had one."""
    rows = await session.scalars(
        sa.select(SurplusCorrection)
        .where(SurplusCorrection.site_id == site_id)
        .order_by(SurplusCorrection.station, SurplusCorrection.evse_id)
    )
    return rows.all()


async def look_at_circuits(session: AsyncSession, site: Site, now: datetime) -> Look:
    """Returns what can be lowered at a site, and what its circuits bear."""
    seen = await site_now(session, site, now)
    movable = [each for each in seen.open if each.outlet.unable is None and not _is_tried(each)]
    drawn_w = sum(each.outlet.drawn_w for each in seen.open)
    alone_w = await metered_alone_w(session, site, now, drawn_w)
    wiring = await _wiring(session, seen, alone_w=alone_w)
    followers = [_plain(each, wiring) for each in movable]
    return Look(followers, wiring.circuits({each.name for each in followers}), _by_name(movable))


async def look_at_sun(
    session: AsyncSession, site: Site, now: datetime, plan: PlanNow, sun: Sun
) -> Look | None:
    """Returns who can follow the sun at a site, and how much there is; None: that is not known."""
    powers = next((each for each in plan.plan.sites if each.id == site.id), None)
    step = plan.grid.floor(now)
    if powers is None or not 0 <= step < plan.grid.steps:
        return None
    seen = await site_now(session, site, now)
    if seen.limits:
        return None  # the grid commands here
    if site.id in await plants_by_need(session, site.tenant_id):
        return None  # what others draw decides on what there is here
    able = await _able(session, site, seen, now, plan)
    grid_w = await _grid_w(session, site, sun, seen, able)
    if grid_w is None:
        return None
    wiring = await _wiring(session, seen, alone_w=metered_without_cars_w(site, sun.row))
    known = {(row.station, row.evse_id): row for row in await corrections_of(session, site.id)}
    rated_w = await _rated_w(session, able)
    followers: list[Follower] = []
    for each in able:
        last = known.get((each.evse.station, each.evse.evse_id))
        most_w = rated_w.get(each.transaction.vehicle_id or "")
        follower = None if most_w is None else _follower(each, wiring, plan, now, most_w)
        if follower is not None:
            followers.append(_with_history(follower, last, now))
    names = {each.name for each in followers}
    spare_w = _spare_w(grid_w, powers.grid_w[step])
    return Look(followers, wiring.circuits(names), _by_name(able), spare_w)


def _spare_w(grid_w: float, planned_w: float) -> float:
    """Returns the sun that goes to the grid and was not to, less what is bought and was not to be.

    What the plan sells on purpose is not taken from it, nor what it buys on purpose.
    """
    if grid_w < 0:
        return max(0.0, min(-grid_w, planned_w - grid_w))
    return -max(0.0, grid_w - max(0.0, planned_w))


async def _able(
    session: AsyncSession, site: Site, seen: SiteNow, now: datetime, plan: PlanNow
) -> list[Open]:
    """Returns the transactions that a plan moves, and nobody else."""
    overridden = {row.vehicle_id for row in await overrides_in_force(session, site.tenant_id, now)}
    outside = set(
        await session.scalars(
            sa.select(OutsideLimit.station)
            .where(OutsideLimit.station.in_(seen.stations), OutsideLimit.cleared_at.is_(None))
            .distinct()
        )
    )
    planned = {(each.vehicle, each.evse) for each in plan.plan.stays}
    return [
        each
        for each in seen.open
        if each.outlet.unable is None
        and each.held is not None
        and each.held.limit.state in {"accepted", "obeyed"}
        and not _is_tried(each)
        and not is_cut(read_periods(each.held.limit.periods), now)
        and limit_at(read_periods(each.held.limit.periods), now) is not None
        and each.held.limit.valid_to is not None
        and each.held.limit.valid_to > now
        and each.station.identity not in outside
        and each.transaction.vehicle_id not in overridden
        and (each.transaction.vehicle_id, each.outlet.name) in planned
    ]


async def _grid_w(
    session: AsyncSession, site: Site, sun: Sun, seen: SiteNow, able: Sequence[Open]
) -> float | None:
    """Returns what the site draws from the grid now, in W; None: its meters don't tell.

    Where sun and building are metered, that is what they leave to the cars as these draw now. Else
    what the meter at the connection has said, unless a car was led elsewhere since; a part of a
    shared plant does not pass it. A battery that empties itself into the grid is no sun.
    """
    row = sun.row
    bare = site.battery is None and not site.flexible_loads
    if bare and row.load_power_w is not None and row.pv_power_w is not None:
        flowing_w = sum(each.outlet.drawn_w for each in seen.open)
        return row.load_power_w - row.pv_power_w + flowing_w
    shared = site.shared_plant_id is not None
    if row.grid_power_w is None or (shared and row.pv_power_w is None):
        return None
    changed = [each.held.limit.created_at for each in able if each.held is not None]
    if any(at >= sun.since for at in changed):
        return None
    battery = await session.get(BatteryState, site.id)
    battery_w = 0.0 if battery is None or battery.power_w is None else battery.power_w
    part_w = row.pv_power_w or 0.0 if shared else 0.0
    return row.grid_power_w - part_w + max(0.0, -battery_w)


async def _rated_w(session: AsyncSession, able: Sequence[Open]) -> dict[str, float]:
    """Returns the most that each car and its EVSE can do together, by car."""
    cars = {each.transaction.vehicle_id: each.evse for each in able}
    rows = await session.execute(
        sa.select(Vehicle.id, VehicleModel.max_ac_power_w, VehicleModel.max_dc_power_w)
        .join(VehicleModel, Vehicle.model_id == VehicleModel.id)
        .where(Vehicle.id.in_([name for name in cars if name]))
    )
    found: dict[str, float] = {}
    for vehicle_id, ac_w, dc_w in rows:
        evse = cars[vehicle_id]
        own_w = dc_w if evse.current_type == "DC" else ac_w
        found[vehicle_id] = min(rated_power_w(evse.max_power_w, evse.phases), own_w)
    return found


def _follower(
    each: Open, wiring: _Wiring, plan: PlanNow, now: datetime, rated_w: float
) -> Follower | None:
    """Returns a transaction as the rules see it; None: its car gives back, by plan."""
    step, name = plan.grid.floor(now), each.outlet.name
    vehicle = each.transaction.vehicle_id
    mine = [e for e in plan.plan.charging if e.evse == name and e.vehicle == vehicle]
    running = next((e for e in mine if e.from_step <= step < e.to_step), None)
    planned_w = 0.0 if running is None else running.power_w
    if planned_w < 0 or each.held is None:
        return None
    stay_ends = max(
        (
            stay.to_step
            for stay in plan.plan.stays
            if stay.vehicle == vehicle and stay.evse == name and stay.from_step <= step
        ),
        default=step,
    )
    later_wh = _energy_wh(mine, step + 1, stay_ends, plan.grid.hours)
    left_h = max(1 / 60, (plan.grid.instant(step + 1) - now) / _HOUR)
    periods = read_periods(each.held.limit.periods)
    follower = _plain(each, wiring)
    return replace(
        follower,
        limit_w=limit_at(periods, now) or 0.0,
        floor_w=0.0 if _for_sun_alone(running) and follower.spare_h >= SPARE_H else planned_w,
        planned_w=planned_w,
        most_w=min(rated_w, planned_w + later_wh / left_h),
        changed_at=each.held.limit.created_at,
        switched_at=max(
            [
                each.held.limit.created_at,
                *(
                    after.from_at
                    for before, after in pairwise(periods)
                    if after.from_at <= now and (before.limit_w > 0) != (after.limit_w > 0)
                ),
            ]
        ),
    )


def _with_history(follower: Follower, last: SurplusCorrection | None, now: datetime) -> Follower:
    if last is None:
        return follower
    recent = [each for each in last.switched if parse_rfc3339(each) > now - _HOUR]
    return replace(follower, switches=len(recent))


def _for_sun_alone(running: Charging | None) -> bool:
    if running is None:
        return True
    return "SUN" in running.reasons and not _NOT_FOR_SUN & set(running.reasons)


def _energy_wh(entries: Sequence[Charging], first: int, last: int, hours: float) -> float:
    """Returns what entries charge in `[first, last)`."""
    total_wh = 0.0
    for each in entries:
        steps = max(0, min(last, each.to_step) - max(first, each.from_step))
        total_wh += max(0.0, each.power_w) * hours * steps
    return total_wh


def _plain(each: Open, wiring: _Wiring) -> Follower:
    """Returns a transaction that can be lowered."""
    outlet = each.outlet
    return Follower(
        name=outlet.name,
        limit_w=outlet.most_w,
        drawn_w=outlet.drawn_w,
        least_w=outlet.least_w,
        floor_w=0.0,
        planned_w=outlet.most_w,
        most_w=outlet.most_w,
        on=wiring.parts(each),
        spare_h=outlet.spare_h,
        changed_at=None,
        switched_at=None,
    )


def _is_tried(each: Open) -> bool:
    return each.held is not None and is_trial(read_periods(each.held.limit.periods))


def _by_name(those: Sequence[Open]) -> dict[str, Open]:
    return {each.outlet.name: each for each in those}


@dataclass(frozen=True, slots=True)
class _Wiring:
    """The circuits of a site and their phases, and all that hangs on them."""

    seen: SiteNow
    evses: Sequence[Evse]
    stations: Mapping[str, Station]
    alone_w: float | None
    """What the site draws without its cars; None: not known, and its connection is not watched."""
    parents: Mapping[str, str | None]

    def parts(self, each: Open) -> dict[str, float]:
        """Returns the circuits that a transaction hangs on, with the part of its power there."""
        is_dc = each.evse.current_type == "DC"
        phases = phases_of(each.evse.phases, each.evse.wired_to)
        used = phases if is_dc else phases[: each.phases]
        found: dict[str, float] = {}
        for name, _, phase in self._names(each.evse.circuit_id):
            if phase is None:
                found[name] = 1.0
            elif phase in used:
                found[name] = 1.0 / len(used)
        return found

    def circuits(self, followers: Collection[str]) -> dict[str, Circuit]:
        """Returns what each circuit bears beside the followers."""
        found: dict[str, Circuit] = {}
        own_w = {each.id: each.unmanaged_load_w for each in self.seen.circuits}
        for name, limit_w, phase in self._all():
            circuit_id = name.removesuffix(f"/{phase}")
            base_w = (self.alone_w or 0.0) if circuit_id == CONNECTION else own_w[circuit_id]
            kept_w = others_w = base_w if phase is None else base_w / len(PHASES)
            for evse in self.evses:
                if evse_name(evse) in followers or not self._feeds(circuit_id, evse):
                    continue
                most_w, drawn_w = self._flows_w(evse)
                kept_w += _on_it_w(evse, most_w, phase)
                others_w += _on_it_w(evse, drawn_w, phase)
            found[name] = Circuit(limit_w, kept_w, others_w)
        return found

    def _flows_w(self, evse: Evse) -> tuple[float, float]:
        """Returns what may flow at an EVSE that follows nothing, and what does."""
        for each in self.seen.open:
            if each.outlet.name == evse_name(evse):
                return each.outlet.most_w, each.outlet.drawn_w
        # The next car draws the safe limit until a plan knows of it.
        outlets = sum(other.station == evse.station for other in self.evses)
        rated_w = rated_power_w(evse.max_power_w, evse.phases)
        return safe_share_w(self.stations[evse.station], outlets, rated_w) or 0.0, 0.0

    def _feeds(self, circuit_id: str, evse: Evse) -> bool:
        return circuit_id == CONNECTION or circuit_id in above(evse.circuit_id, self.parents)

    def _names(self, circuit_id: str | None) -> list[tuple[str, float, str | None]]:
        mine = {CONNECTION, *above(circuit_id, self.parents)}
        return [
            (name, limit_w, phase)
            for name, limit_w, phase in self._all()
            if name.removesuffix(f"/{phase}") in mine
        ]

    def _all(self) -> list[tuple[str, float, str | None]]:
        """Returns all that has a limit: name, limit in W, and phase; None: all together."""
        site = self.seen.site
        known = [(c.id, c.limit_w, c.phase_limits_w) for c in self.seen.circuits]
        if self.alone_w is not None:
            known.append((CONNECTION, site.import_limit_w, site.phase_limits_w))
        found: list[tuple[str, float, str | None]] = []
        for name, limit_w, phase_limits_w in known:
            found.append((name, limit_w, None))
            if phase_limits_w is not None:
                found += [
                    (f"{name}/{phase}", on_it_w, phase)
                    for phase, on_it_w in zip(PHASES, phase_limits_w, strict=True)
                ]
        return found


def _on_it_w(evse: Evse, power_w: float, phase: str | None) -> float:
    """Returns the most that an EVSE lets flow on a phase, or on all together, in W."""
    if phase is None:
        return power_w
    rated_w = rated_power_w(evse.max_power_w, evse.phases)
    phases = phases_of(evse.phases, evse.wired_to)
    is_dc = evse.current_type == "DC"
    return phase_loads_w(power_w, rated_w, phases, is_dc=is_dc).get(phase, 0.0)


async def _wiring(session: AsyncSession, seen: SiteNow, *, alone_w: float | None) -> _Wiring:
    evses = await session.scalars(
        sa.select(Evse)
        .where(Evse.station.in_(seen.stations), Evse.evse_id > 0)
        .order_by(Evse.station, Evse.evse_id)
    )
    stations = await session.scalars(sa.select(Station).where(Station.identity.in_(seen.stations)))
    known = {row.identity: row for row in stations}
    parents = {each.id: each.parent for each in seen.circuits}
    return _Wiring(seen, evses.all(), known, alone_w, parents)
