"""The planner's loop: when to plan, and from wish to published plan.

A change that matters is a wish. Wishes within `replan_gap` of the last plan are served together;
urgent ones, and the clock every 15 minutes, at once. Solving happens in a pool outside the event
loop, and so is what must be read and computed before it (`csms.planning.looking`); every plan comes
with the referee's verdict, and a refused or failed one leaves the plan before it in force.

With time to spare the plan in force is bettered beside (`csms.planning.improving`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import msgspec
import numpy as np
import structlog

from csms.bus.base import PLAN_REQUESTED, EventNote
from csms.ledger.database import Database
from csms.overrides.actions import price
from csms.planning.actions import publish
from csms.planning.improving import Improver, is_better
from csms.planning.looking import Former, Look, look_in
from csms.planning.queries import Rows, plans_asked_for
from csms.planning.rules import extra_cost
from csms.planning.snapshot import STEP_MINUTES, Snapshot
from models.clocks import Activity, Clock, ticks
from models.ids import IdMaker
from models.timeline import floor_to_step
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions, incumbent_for

EVERY = timedelta(minutes=STEP_MINUTES)
METERS_IN_AFTER = timedelta(minutes=1)
"""When the meters of a quarter of an hour have told what they measured: planning by the clock waits
for them, since the newest measurement says most about the sun of the step that has begun."""
_PRIORITY = "transaction.priority_changed"
_OVERRIDES = ("override.created", "override.ended")
_GRID_LIMITS = ("grid_limit.created", "grid_limit.started", "grid_limit.ended")
HEARD = frozenset(
    {PLAN_REQUESTED, "booking.late", "site.measured", _PRIORITY, *_OVERRIDES, *_GRID_LIMITS}
)
"""What the planner subscribes to."""
SURPRISE_W = 500.0
"""Sun to spare that differs by more from what was planned with is worth a new plan."""
SOON = 4
"""So many steps ahead such a difference counts: the first hour, which is acted on."""
URGENT = frozenset({"booking.late", _PRIORITY, *_OVERRIDES, *_GRID_LIMITS})
"""Who goes first draws at once what the plan in force has given to others, and who overrides a plan
stands there and waits. What the grid has cut was cut by a simple rule: a plan knows better how."""

Solve = Callable[[Problem, Plan | None, PlanOptions], Awaitable[Made]]
"""Solves outside the event loop; falls back by itself and does not raise on a valid problem. What
it returns has been judged."""
Looks = Callable[[datetime, str | None], Awaitable[Look | None]]
"""Looks at what there is to plan at an instant, given the id of the plan that is at hand."""

log = structlog.get_logger()


class _Measured(msgspec.Struct):
    site_id: str
    measured_at: datetime
    pv_power_w: float | None = None
    load_power_w: float | None = None


class _OverrideNote(msgspec.Struct):
    ended_why: str | None = None


def _wished(rows: Rows) -> frozenset[str]:
    """Returns what people and the grid want at once: they ask for a plan by an event alone."""
    return frozenset(each.id for each in (*rows.overrides, *rows.grid_limits))


class Planner:
    """Plans all sites of a tenant together, whenever something that matters has changed.

    By the clock all cars are planned anew. What happens in between at a site leaves the cars alone
    that never stand there (`scheduler.partly`).
    """

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        solve: Solve,
        refresh_forecasts: Callable[[datetime], Awaitable[None]],
        replan_gap: timedelta,
        options: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
        tenant: str = "default",
        look: Looks | None = None,
        improver: Improver | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._solve = solve
        self._look = look or partial(look_in, db, tenant)
        self._refresh_forecasts = refresh_forecasts
        self._replan_gap = replan_gap
        self._options = options
        self._tenant = tenant
        self._improver = improver
        self._wishes: asyncio.Queue[str] = asyncio.Queue()
        self._planned_at: datetime | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._expected: dict[str, tuple[datetime, tuple[float, ...]]] = {}
        self._touched: frozenset[str] | None = frozenset()
        """Where something has happened since the last plan; None: anywhere."""
        self._quarter_begun = False
        """Trips change cars in the first plan of a quarter of an hour only.

        To price that takes half of a plan's time, and what an event asks for is an answer now.
        """
        self._made: tuple[str, Plan] | None = None
        """The plan that was published last here, with its id."""
        self.solve_seconds: list[float] = []
        """How long each plan took to solve; read by the metrics."""
        self.levels: Counter[str] = Counter()
        """How many plans each level of the chain has made (`scheduler.rolling.Level`)."""
        self.violations = 0
        """What the referee has found in all of them; a plan with any is not published."""

    async def start(self) -> None:
        """Begins to plan: at once, and from then on when it matters."""
        self._tasks = [
            asyncio.create_task(self._serve(), name="planner"),
            asyncio.create_task(self._tick(), name="planner clock"),
        ]

    async def stop(self) -> None:
        """Ends the loop; a plan that is being made is given up."""
        if self._waiting is not None:
            self._tasks.append(self._waiting)
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        if self._improver is not None:  # last: nothing begins a search any more
            await self._improver.rest()

    async def heard(self, note: EventNote) -> None:
        """Takes a note from the bus, one of `HEARD`: a wish for a new plan."""
        if note.type in _OVERRIDES:
            told = msgspec.json.decode(note.resource, type=_OverrideNote)
            if told.ended_why != "replaced":  # which the one in its place asks for
                self.wish(note.type, urgent=True, site_id=note.site_id)
        elif note.type != "site.measured":
            self.wish(note.type, urgent=note.type in URGENT, site_id=note.site_id)
        elif self._surprises(msgspec.json.decode(note.resource, type=_Measured)):
            self.wish("sun", site_id=note.site_id)

    def _surprises(self, seen: _Measured) -> bool:
        """Whether a site has more or less sun to spare than the plan in force reckons with."""
        expected = self._expected.get(seen.site_id)
        if expected is None or seen.pv_power_w is None:
            return False
        start, surplus_w = expected
        step = int((seen.measured_at - start) / EVERY)
        if not 0 <= step < len(surplus_w):
            return False
        spare_w = seen.pv_power_w - (seen.load_power_w or 0.0)
        return abs(spare_w - surplus_w[step]) > SURPRISE_W

    def free_at(self) -> datetime:
        """Returns from when on a wish that is not urgent is served at once."""
        now = self._clock.now()
        return now if self._planned_at is None else max(now, self._planned_at + self._replan_gap)

    def wish(self, reason: str, *, urgent: bool = False, site_id: str | None = None) -> None:
        """Asks for a plan: at once when urgent or due, else when the gap is over.

        `site_id` is where something has happened; None: that is not known, or it is everywhere.
        """
        if site_id is None or self._touched is None:
            self._touched = None
        else:
            self._touched |= {site_id}
        if self._improver is not None:
            self._improver.disturb()
        self._ask(reason, urgent=urgent)

    def _ask(self, reason: str, *, urgent: bool = False) -> None:
        now, due = self._clock.now(), self.free_at()
        if urgent or due <= now:
            if self._wishes.empty():
                self._activity.begin()
                self._wishes.put_nowait(reason)
        elif self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._later(due, reason), name="planner gap")

    async def _later(self, due: datetime, reason: str) -> None:
        await self._clock.sleep_until(due)
        self._ask(reason)

    async def _tick(self) -> None:
        anchor = floor_to_step(self._clock.now(), STEP_MINUTES) + METERS_IN_AFTER
        async for _ in ticks(self._clock, EVERY, anchor=anchor):
            self._quarter_begun = True
            self.wish("clock", urgent=True)

    async def _serve(self) -> None:
        while True:
            reason = await self._wishes.get()
            planned = None
            try:
                planned = await self.plan_now(reason)
            except Exception:
                log.exception("plan.failed", reason=reason)
            finally:
                if planned is None:
                    self._touched = None  # what has happened is still to be planned for
                self._activity.end()

    async def plan_now(self, trigger: str) -> str | None:
        """Makes and publishes one plan; returns its id, or None where nothing is to plan."""
        now = self._clock.now()
        self._planned_at = now
        by_clock, self._quarter_begun = self._quarter_begun, False
        touched, self._touched = self._touched, frozenset()
        if self._improver is not None:
            await self._improver.rest()
        await self._refresh_forecasts(now)
        seen = await self._look(now, None if self._made is None else self._made[0])
        if seen is None:
            return None
        snapshot, rows = seen.snapshot, seen.snapshot.rows
        sites = None
        if touched and not by_clock:
            # A request may have been committed that we have not heard of: publishing ends it.
            sites = touched | seen.asked_for | self._surprising(snapshot.problem)
        self._expect(snapshot.problem, sites)
        for site_id in rows.by_need:
            self._expected.pop(site_id, None)  # its meter alone does not tell what it is dealt
        former = None if seen.former is None else (seen.former.start, self._plan_of(seen.former))
        promised = {
            booking.id: booking.vehicle_id for booking in rows.bookings if booking.vehicle_id
        }
        incumbent = incumbent_for(snapshot.problem, former=former, promised=promised)
        how = self._options if by_clock else replace(self._options, exchange_rounds=0, sites=sites)
        made = await self._solve(snapshot.problem, incumbent, how)
        self.solve_seconds.append(made.plan.solve_seconds)
        plan_id = await self._take(snapshot, made, trigger)
        if plan_id is not None:
            await self._price(snapshot, made, plan_id, partial(self._resolve, incumbent, how))
            if by_clock and self._improver is not None:
                self._improver.quarter_begins()
            self._better(seen, made, promised, trigger)
        return plan_id

    def _better(self, seen: Look, made: Made, promised: dict[str, str], trigger: str) -> None:
        """Has a plan bettered that was just published, unless it is out of date already."""
        improver = self._improver
        if improver is None:
            return
        if seen.time_limit_s is not None:
            improver.ask(seen.time_limit_s)
        if self._touched == frozenset() and made.level == "solver":
            take = partial(self._take_better, seen.snapshot, made, trigger)
            improver.begin(seen.snapshot.problem, made.plan, promised, self._options, take)

    async def _take_better(
        self, snapshot: Snapshot, before: Made, trigger: str, made: Made, limit_s: float
    ) -> bool:
        """Publishes a plan that was searched for beside, where it betters the one in force.

        That is `before`: with the next plan, searches for a better one than this are given up.
        """
        improver = self._improver
        assert improver is not None
        self.violations += len(made.violations)
        if made.violations or made.level != "solver":
            log.error("search.refused", level=made.level, limit_s=limit_s)
            return True
        if not is_better(snapshot.problem, made, before, asked_for=improver.is_asked_for):
            return True
        # What boxes hold and drivers were told is what the plan in force has made of it meanwhile.
        seen = await self._look(self._clock.now(), None)
        if seen is None or seen.snapshot.problem.start != snapshot.problem.start:
            return False
        now = seen.snapshot
        if _wished(now.rows) != _wished(snapshot.rows):
            return False
        snapshot = replace(now, now=snapshot.now, problem=snapshot.problem, document="")
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            asked = await plans_asked_for(work.session, tenant=self._tenant)
            if asked:  # something has happened that we have not heard of yet
                return False
            row = await publish(work, snapshot, made, trigger=trigger, time_limit_s=limit_s)
        self.levels[made.level] += 1
        self.solve_seconds.append(made.plan.solve_seconds)
        self._made = (row.id, made.plan)
        return True

    def _surprising(self, problem: Problem) -> frozenset[str]:
        """Returns where sun to spare within the hour is not what was last planned with."""
        found: set[str] = set()
        for site in problem.sites:
            start, expected_w = self._expected.get(site.id, (problem.start, ()))
            ahead = (problem.start - start) // EVERY
            spare_w = np.subtract(site.pv_power_w, site.load_power_w)[:SOON]
            then_w = np.array(expected_w[ahead : ahead + SOON])
            if len(then_w) < SOON or bool((np.abs(spare_w - then_w) > SURPRISE_W).any()):
                found.add(site.id)
        return frozenset(found)

    def _expect(self, problem: Problem, sites: Set[str] | None) -> None:
        """Notes what sun is planned with, at all sites or at those that are planned anew."""
        for site in problem.sites:
            if sites is None or site.id in sites:
                spare_w = np.subtract(site.pv_power_w, site.load_power_w)
                self._expected[site.id] = problem.start, tuple(spare_w.tolist())

    async def _resolve(self, incumbent: Plan | None, how: PlanOptions, problem: Problem) -> Made:
        return await self._solve(problem, incumbent, how)

    async def _price(
        self,
        snapshot: Snapshot,
        made: Made,
        plan_id: str,
        solve: Callable[[Problem], Awaitable[Made]],
    ) -> None:
        """Writes down what overrides cost that this plan is the first to go by.

        Each is held against a plan without it, made in the same way, once the plan is out.
        """
        problem = snapshot.problem
        for row in snapshot.rows.overrides:
            if row.plan_id is not None:
                continue
            cost = None
            if made.level == "solver":
                cars = tuple(
                    replace(car, overrides=()) if car.id == row.vehicle_id else car
                    for car in problem.vehicles
                )
                without = await solve(replace(problem, vehicles=cars))
                if without.level == "solver":
                    cost = extra_cost(made.plan, without.plan)
            # A plan adds up whatever the prices are in.
            series = [each for each in snapshot.rows.prices if each.site_id == row.site_id]
            currency = series[-1].currency if series else problem.currency
            async with self._db.write(
                self._clock, self._ids, actor="planner", tenant=self._tenant
            ) as work:
                await price(work, row.id, plan_id=plan_id, extra_cost=cost, currency=currency)

    def _plan_of(self, former: Former) -> Plan:
        """Returns the plan before; what was made here last is still at hand."""
        if former.plan is not None:
            return former.plan
        assert self._made is not None
        return self._made[1]

    async def _take(self, snapshot: Snapshot, made: Made, trigger: str) -> str | None:
        """Publishes what the referee passed; tells of any plan that no solver made."""
        self.levels[made.level] += 1
        self.violations += len(made.violations)
        async with self._db.write(self._clock, self._ids, actor="planner") as work:
            if made.violations or made.level not in ("solver", "sun"):
                violations = [
                    {"rule": v.rule, "subject": v.subject, "step": v.step, "detail": v.detail}
                    for v in made.violations[:20]
                ]
                log.error("plan.degraded", level=made.level, violations=violations[:5])
                work.emit(
                    "plan.degraded",
                    subject=f"tenant/{self._tenant}",
                    resource={"trigger": trigger, "level": made.level, "violations": violations},
                )
            if made.violations:
                return None
            row = await publish(work, snapshot, made, trigger=trigger)
        self._made = (row.id, made.plan)
        return row.id
