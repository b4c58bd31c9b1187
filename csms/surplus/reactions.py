"""The keeper of the loop between plans: hears the meters, and acts before the next plan does.

What stations meter is added up by circuit in memory, so that a meter value costs a look-up; only
what is above a limit, and a site whose meters have spoken, is looked at in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.grid_limits.queries import newest_measurement
from csms.grid_limits.rules import TOLERANCE_W
from csms.ledger.database import Database
from csms.planning.actions import GRID_LIMITS
from csms.planning.boxes import above, evse_name
from csms.planning.queries import current_plan
from csms.stations.rules import PHASES, phases_of
from csms.surplus.actions import follow, relieve, step_end
from csms.surplus.queries import PlanNow, Sun, look_at_circuits, look_at_sun
from csms.surplus.rules import LEAST_CHANGE_W, followed, relieved
from models.alarm import Alarm
from models.clocks import Activity, Clock
from models.ids import IdMaker
from models.tables.energy import Circuit, Site
from models.tables.fleet import Vehicle, VehicleModel
from models.tables.planning import Plan
from models.tables.stations import Evse, Station
from models.timeline import StepGrid
from scheduler.plan import read_plan

OFTEN = timedelta(minutes=6)
"""A meter that speaks less often tells of what was, not of what is: that is left to plans."""
RECENT = timedelta(minutes=2)
"""What was measured longer ago, and told only now, is not followed."""
PLAN_WITHIN = timedelta(seconds=20)
"""Where the planner may answer a measurement by itself, it is given so long to do it better."""
LEAST_TIME = timedelta(minutes=2)
"""So shortly before the plan's next step nothing is led elsewhere."""
_DRAWS = frozenset({"transaction.updated", "transaction.ended"})
_CHANGES = frozenset({"site.updated", "site.deleted", "station.updated", "plan.published"})

_log = structlog.get_logger("surplus")


_CIRCUITS = sa.select(Circuit).where(Circuit.site_id == sa.bindparam("site"))
_EVSES = (
    sa.select(Evse)
    .join(Station, Station.identity == Evse.station)
    .where(Station.site_id == sa.bindparam("site"))
)


class _TransactionNote(msgspec.Struct):
    station: str
    evse_id: int
    power_w: float | None = None
    vehicle_id: str | None = None


class _MeasuredNote(msgspec.Struct):
    measured_at: datetime
    grid_power_w: float | None = None


@dataclass(frozen=True, slots=True)
class _Outlet:
    """What an EVSE hangs on."""

    circuits: tuple[str, ...]
    split: frozenset[str]
    """Those of them whose phases have limits."""
    phases: tuple[str, ...]
    """Of the EVSE, in its own order."""
    is_dc: bool

    def parts(self, used: int | None) -> dict[str, float]:
        """Returns what it hangs on, with the part of its power that flows there.

        Args:
            used: on how many phases its car charges, from the first on; None: that is not known,
                and it is taken to charge on all.
        """
        on = self.phases if used is None or self.is_dc else self.phases[:used]
        found = dict.fromkeys(self.circuits, 1.0)
        for circuit in self.split:
            found |= {f"{circuit}/{phase}": 1.0 / len(on) for phase in on}
        return found


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of a site beside what changes from minute to minute."""

    tenant: str
    follows: bool
    in_shadow: bool
    import_limit_w: float
    circuits: dict[str, float]
    """What each, and each phase that has a limit, has for cars, in W."""
    outlets: dict[str, _Outlet]
    """By EVSE."""


class SurplusKeeper:
    """Leads cars between plans, by what is measured."""

    follows = _DRAWS | _CHANGES | {"site.measured"}

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        free_at: Callable[[], datetime],
    ) -> None:
        """Makes a keeper that has not begun.

        Args:
            db: where all is.
            clock: of life.
            ids: of limits.
            activity: what waits while this works.
            free_at: tells from when on the planner answers a measurement at once.
        """
        self._db = db
        self._clock = clock
        self._ids = ids
        self._free_at = free_at
        self._places: dict[str, _Place | None] = {}
        self._drawn: dict[str, dict[str, tuple[float, str | None]]] = defaultdict(dict)
        """By site, what each EVSE was metered to draw last, in W, and by which car."""
        self._phases: dict[str, int | None] = {}
        """By car, on how many phases it charges; None: that is not known."""
        self._measured_at: dict[str, datetime] = {}
        """When the meters of each site spoke last."""
        self._suns: dict[str, tuple[datetime, datetime]] = {}
        """Sites to be led by their sun: when it was measured, and when the meters spoke before."""
        self._over: set[str] = set()
        """Sites to look at when no more notes wait."""
        self._plan: PlanNow | None = None
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="surplus")

    async def stop(self) -> None:
        """Stops; boxes go back to their plans when the step ends."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type in _CHANGES:
            self._places.clear()
            self._phases.clear()
            if note.type == "plan.published":
                self._suns.clear()  # it knows what was measured, and better what to do
        elif note.site_id is None:
            return
        elif note.type in _DRAWS:
            await self._metered(note, note.site_id)
        else:
            await self._measured(
                msgspec.json.decode(note.resource, type=_MeasuredNote), note.site_id
            )

    async def rest(self) -> None:
        """Looks at the sites where something is to be done, each once."""
        over, self._over = sorted(self._over), set()
        for site_id in over:
            await self._relieve(site_id)
        if self._suns and self._free_at() > self._clock.now() + PLAN_WITHIN:
            await self._follow_all()

    async def _metered(self, note: EventNote, site_id: str) -> None:
        told = msgspec.json.decode(note.resource, type=_TransactionNote)
        drawn, name = self._drawn[site_id], f"{told.station}/{told.evse_id}"
        if note.type == "transaction.ended" or told.power_w is None:
            drawn.pop(name, None)
            return
        drawn[name] = told.power_w, told.vehicle_id
        place = await self._place(site_id)
        if place is None or place.in_shadow:
            return
        on_it_w: dict[str, float] = defaultdict(float)
        for each, (power_w, vehicle_id) in drawn.items():
            outlet = place.outlets.get(each)
            if outlet is not None:
                used = await self._phases_of(vehicle_id) if outlet.split else None
                for circuit, part in outlet.parts(used).items():
                    on_it_w[circuit] += power_w * part
        if any(on_it_w[each] > place.circuits[each] + TOLERANCE_W for each in on_it_w):
            self._over.add(site_id)

    async def _phases_of(self, vehicle_id: str | None) -> int | None:
        if vehicle_id is None:
            return None
        if vehicle_id not in self._phases:
            query = (
                sa.select(VehicleModel.ac_phases)
                .join(Vehicle, Vehicle.model_id == VehicleModel.id)
                .where(Vehicle.id == vehicle_id)
            )
            async with self._db.read() as session:
                self._phases[vehicle_id] = await session.scalar(query)
        return self._phases[vehicle_id]

    async def _measured(self, told: _MeasuredNote, site_id: str) -> None:
        place = await self._place(site_id)
        if place is None or place.in_shadow:
            return
        if (told.grid_power_w or 0.0) > place.import_limit_w + TOLERANCE_W:
            self._over.add(site_id)
        before = self._measured_at.get(site_id)
        self._measured_at[site_id] = told.measured_at
        now = self._clock.now()
        if before is None or not timedelta(0) < told.measured_at - before <= OFTEN:
            return
        if now - told.measured_at > RECENT or step_end(now) - now < LEAST_TIME:
            return
        self._suns[site_id] = (told.measured_at, before)
        if self._free_at() <= now + PLAN_WITHIN:
            self._alarm.set(now + PLAN_WITHIN)

    async def _ring(self) -> None:
        try:
            await self._follow_all()
        except Exception:  # noqa: BLE001 - the next measurement is to be followed all the same
            _log.exception("surplus_not_followed")

    async def _follow_all(self) -> None:
        suns, self._suns = self._suns, {}
        for site_id, (measured_at, since) in sorted(suns.items()):
            place = await self._place(site_id)
            if place is not None and place.follows and not place.in_shadow:
                await self._follow(site_id, place.tenant, measured_at, since)

    async def _follow(
        self, site_id: str, tenant: str, measured_at: datetime, since: datetime
    ) -> None:
        plan = await self._plan_now(tenant)
        if plan is None:
            return
        async with self._db.read() as session:
            site = await session.get_one(Site, site_id)
            row = await newest_measurement(session, site_id, measured_at)
            if row is None:
                return
            now = self._clock.now()
            look = await look_at_sun(session, site, now, plan, Sun(row, since))
        if look is None or abs(look.spare_w) < LEAST_CHANGE_W:
            return
        if not followed(look.spare_w, look.followers, look.circuits, now):
            return
        async with self._db.write(self._clock, self._ids, actor="surplus", tenant=tenant) as work:
            await work.take_turn(GRID_LIMITS)
            site = await work.session.get_one(Site, site_id)
            row = await newest_measurement(work.session, site_id, measured_at)
            assert row is not None
            look = await look_at_sun(work.session, site, work.now, plan, Sun(row, since))
            if look is not None and site.follow_surplus and not site.shadow:
                await follow(work, look)

    async def _relieve(self, site_id: str) -> None:
        place = await self._place(site_id)
        if place is None:
            return
        async with self._db.read() as session:
            site = await session.get_one(Site, site_id)
            look = await look_at_circuits(session, site, self._clock.now())
        if not relieved(look.followers, look.circuits)[0]:
            return
        async with self._db.write(
            self._clock, self._ids, actor="surplus", tenant=place.tenant
        ) as work:
            await work.take_turn(GRID_LIMITS)
            site = await work.session.get_one(Site, site_id)
            if not site.shadow:
                await relieve(work, await look_at_circuits(work.session, site, work.now))

    async def _plan_now(self, tenant: str) -> PlanNow | None:
        """Returns the plan in force; it is read once."""
        newest = (
            sa.select(Plan.id)
            .where(Plan.tenant_id == tenant)
            .order_by(Plan.created_at.desc())
            .limit(1)
        )
        async with self._db.read() as session:
            # Its document has megabytes where there are thousands of cars.
            if self._plan is not None and await session.scalar(newest) == self._plan.id:
                return self._plan
            row = await current_plan(session, tenant=tenant)
        if row is not None:
            grid = StepGrid(row.start, row.step_minutes, row.steps)
            self._plan = PlanNow(row.id, grid, read_plan(row.document.encode()))
        return None if row is None else self._plan

    async def _place(self, site_id: str) -> _Place | None:
        if site_id not in self._places:
            self._places[site_id] = await self._read(site_id)
        return self._places[site_id]

    async def _read(self, site_id: str) -> _Place | None:
        async with self._db.read() as session:
            site = await session.get(Site, site_id)
            if site is None:
                return None
            rows = (await session.scalars(_CIRCUITS, {"site": site_id})).all()
            evses = await session.scalars(_EVSES, {"site": site_id})
            parents = {row.id: row.parent for row in rows}
            return _Place(
                tenant=site.tenant_id,
                follows=site.follow_surplus,
                in_shadow=site.shadow,
                import_limit_w=site.import_limit_w,
                circuits=_limits_w(rows),
                outlets={
                    evse_name(row): _outlet(row, above(row.circuit_id, parents), rows)
                    for row in evses
                },
            )


def _limits_w(rows: Sequence[Circuit]) -> dict[str, float]:
    """Returns what circuits, and phases that have a limit, have for cars, in W."""
    found = {row.id: row.limit_w - row.unmanaged_load_w for row in rows}
    for row in rows:
        own_w = row.unmanaged_load_w / len(PHASES)
        for phase, limit_w in zip(PHASES, row.phase_limits_w or (), strict=False):
            found[f"{row.id}/{phase}"] = limit_w - own_w
    return found


def _outlet(evse: Evse, circuits: Sequence[str], rows: Sequence[Circuit]) -> _Outlet:
    split = {row.id for row in rows if row.phase_limits_w is not None}
    return _Outlet(
        circuits=tuple(circuits),
        split=frozenset(split.intersection(circuits)),
        phases=phases_of(evse.phases, evse.wired_to),
        is_dc=evse.current_type == "DC",
    )
