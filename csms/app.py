"""The composition root: builds every part of the house from settings and clocks, and runs it.

Everything that differs between a service on the real clock, one that is stepped (`demo`) and one in
virtual time (`replay`) is decided here and handed in; no other module knows which it is in.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random, SystemRandom
from typing import Any

import structlog
from fastapi import FastAPI

from csms.booking.desk import Desk
from csms.bus.local import LocalBus
from csms.config import Settings
from csms.duties import Duties
from csms.energy.fetching import ForecastFetcher
from csms.energy.reactions import Forecaster
from csms.gateway.server import Gateway
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.lead import Lead
from csms.ledger.relay import Relay
from csms.planning.improving import Improver
from csms.planning.looking import Look, NotSeen, look_apart, look_in
from csms.planning.worker import Looks, Planner, Solve
from csms.routers import ROUTERS
from csms.security.authority import BuiltInAuthority
from csms.security.est import EstAccess, EstAuthority
from csms.trust.errands import CertificateErrands
from csms.web.application import api_document, build_api
from csms.web.services import Services
from models.clocks import (
    Activity,
    Clock,
    LoopClock,
    RealClock,
    RealWireClock,
    SteppedClock,
    WireClock,
)
from models.errors import Unavailable
from models.ids import IdMaker, UlidMaker
from scheduler.plan import Plan
from scheduler.pool import InlinePool, ProcessPool, WorkerLost
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions

log = structlog.get_logger()

TENANT = "default"
TURN_S = 0.001
"""For how long a thread computes before another may."""
REPLAN_GAP_REAL = timedelta(seconds=10)
REPLAN_GAP_SIMULATED = timedelta(minutes=5)
"""A simulated day has hundreds of changes that matter; the quarter-hour serves most of them."""


@dataclass(frozen=True, slots=True)
class Times:
    """The clocks of a house, and where its ids come from."""

    clock: Clock
    wire: WireClock
    activity: Activity
    ids: IdMaker
    replan_gap: timedelta
    stepped: SteppedClock | None = None
    in_line: bool = False
    """No threads, no processes: everything in one event loop."""


def real_times() -> Times:
    """Returns the clocks of a service in real life."""
    clock = RealClock()
    return Times(
        clock=clock,
        wire=RealWireClock(),
        activity=Activity(),
        ids=UlidMaker(clock, SystemRandom()),
        replan_gap=REPLAN_GAP_REAL,
    )


def stepped_times(start: datetime) -> Times:
    """Returns the clocks of a service that stands still until it is told (`demo`, `simulate`)."""
    activity = Activity()
    clock = SteppedClock(start, activity)
    return Times(
        clock=clock,
        wire=RealWireClock(),
        activity=activity,
        ids=UlidMaker(clock, SystemRandom()),
        replan_gap=REPLAN_GAP_SIMULATED,
        stepped=clock,
    )


def virtual_times(start: datetime, seed: int) -> Times:
    """Returns the clocks of a house on a virtual event loop (`replay`)."""
    clock = LoopClock(start)
    return Times(
        clock=clock,
        wire=clock,
        activity=Activity(),
        ids=UlidMaker(clock, Random(seed)),  # noqa: S311 - a replay's ids are to repeat
        replan_gap=REPLAN_GAP_SIMULATED,
        in_line=True,
    )


def calm_collector() -> None:
    """Lets Python look for garbage less often: a house keeps much, and drops little in circles.

    40 % more messages at 8,000 connections than with Python's own thresholds, and days are
    replayed in a tenth less time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1_000)


def take_short_turns() -> None:
    """Lets threads take turns at Python more often than they do by themselves.

    A booking goes to the database's thread and back two dozen times. While another thread computes
    (it unpacks what the planner has seen) it waits each time for the end of that one's turn, and
    with turns of 5 ms that comes to a tenth of a second.
    """
    sys.setswitchinterval(TURN_S)


class House:
    """The whole service behind its doors, without sockets of its own but the gateway's."""

    def __init__(
        self,
        settings: Settings,
        times: Times,
        keyring: Keyring,
        *,
        controlled: bool = True,
        options: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
        solver_dies: Callable[[], bool] | None = None,
    ) -> None:
        """Builds all parts; nothing runs yet.

        Args:
            settings: of the operator.
            times: the clocks.
            keyring: of this installation.
            controlled: False leaves cars to charge as they like, and boxes without safe limits.
            options: how to plan.
            solver_dies: where plans are made in line, asked for each whether its solver dies.
        """
        self.settings = settings
        self.times = times
        self._controlled = controlled
        self._options = options
        self._solver_dies = solver_dies
        self.db = Database.open(settings.database_url, inline=times.in_line)
        self._keyring = keyring
        self._errands = CertificateErrands.of(settings, RealClock())
        self._pool: InlinePool | ProcessPool | None = None
        self.lead = Lead(self.db, node=settings.node_name, wire=times.wire)
        self._fetcher = None if times.in_line else self._forecast_fetcher()
        self._parts: tuple[Committer, Relay, LocalBus]
        self._duties: Duties
        self.gateway: Gateway
        self.planner: Planner
        self.api: FastAPI

    async def start(self) -> None:
        """Starts all parts; the doors are the caller's to open (`gateway.start`, `api`)."""
        times, db = self.times, self.db
        clock, ids, activity = times.clock, times.ids, times.activity
        await db.start()
        await self.lead.claim()
        bus = LocalBus(activity)
        relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=times.wire)
        table = deciders(self.settings.operator_name)
        committer = Committer(db, table, clock, ids, activity, times.wire)
        intake = Intake(committer)
        built_in = self._built_in_authority()
        authority = self._authority_outside() or built_in
        self.gateway = Gateway(
            db=db,
            intake=intake,
            bus=bus,
            keyring=self._keyring,
            settings=self.settings,
            clock=clock,
            wire=times.wire,
            ids=ids,
            activity=activity,
            own_authority=built_in.root if authority is built_in else built_in.kept_root,
            errands=self._errands.errand_for,
            number=self.lead.number,
        )
        self.planner = self._planner()
        services = Services(
            db=db,
            clock=clock,
            ids=ids,
            bus=bus,
            keyring=self._keyring,
            gateway=self.gateway,
            courier=self.gateway.courier,
            settings=self.settings,
            activity=activity,
            authority=authority,
            desk=Desk(),
            stepped=times.stepped,
            wire=times.wire,
            lead=self.lead,
        )
        self._duties = Duties(
            db=db,
            clock=clock,
            ids=ids,
            activity=activity,
            wire=times.wire,
            settings=self.settings,
            bus=bus,
            gateway=self.gateway,
            authority=authority,
            planner=self.planner if self._controlled else None,
            fetcher=self._fetcher,
            tenant=TENANT,
        )
        self._parts = committer, relay, bus
        await committer.start()
        await relay.find_place(leads=self.lead.held)
        self.api = build_api(services, ROUTERS)
        if self.lead.held:
            await self._duties.begin()
        await relay.start()
        await self.gateway.open(clear=self.lead.held, dead=self.lead.dead)
        await self.gateway.neighbours(some=bool(self.lead.others))
        self.lead.watch(changed=self._lead_changed, renamed=self.gateway.renamed)

    def _forecast_fetcher(self) -> ForecastFetcher | None:
        """Returns what asks plug-ins for forecasts, where there are any."""
        times, sources = self.times, self.settings.forecast_sources
        if not sources:
            return None
        return ForecastFetcher(
            sources,
            db=self.db,
            clock=times.clock,
            ids=times.ids,
            activity=times.activity,
            tenant=TENANT,
        )

    async def _lead_changed(self) -> None:
        """Takes over from a service that is gone, or leaves to another what it has taken over."""
        lead, duties, (_, relay, _) = self.lead, self._duties, self._parts
        if lead.held:
            if not duties.on:
                try:
                    await duties.begin()
                except BaseException:
                    await duties.hand_over()
                    raise
            if not relay.leads:
                await relay.take_over()
        elif duties.on or relay.leads:
            relay.hand_over()
            await duties.hand_over()
        await self.gateway.neighbours(some=bool(lead.others))
        if lead.held:
            await self.gateway.clear_left_over(lead.dead)

    def _planner(self) -> Planner:
        db, clock, ids, activity = self.db, self.times.clock, self.times.ids, self.times.activity
        return Planner(
            db=db,
            clock=clock,
            ids=ids,
            activity=activity,
            solve=self._solver(),
            look=self._looker(),
            refresh_forecasts=Forecaster(db=db, clock=clock, ids=ids, tenant=TENANT).refresh,
            replan_gap=self.times.replan_gap,
            options=self._options,
            tenant=TENANT,
            improver=self._improver(),
        )

    def _improver(self) -> Improver | None:
        """Returns what betters plans beside; in line nothing does, so that days repeat."""
        if self.times.in_line:
            return None

        async def attempt(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
            pool = ProcessPool()
            try:
                return await asyncio.wrap_future(pool.attempt(problem, former, how))
            finally:
                # Elsewhere: until its process is gone nobody else would be answered.
                await asyncio.to_thread(pool.close)

        limit_s = float(self.settings.plan_time_limit_s)
        return Improver(attempt, wire=self.times.wire, limit_s=limit_s)

    def _authority_outside(self) -> EstAuthority | None:
        settings = self.settings
        if settings.est_url is None:
            return None
        password = settings.est_password
        return EstAuthority(
            EstAccess(
                settings.est_url,
                user=settings.est_user,
                password=None if password is None else password.get_secret_value(),
                ca=settings.est_ca,
                certificate=settings.est_certificate,
            )
        )

    def _built_in_authority(self) -> BuiltInAuthority:
        return BuiltInAuthority(
            db=self.db,
            keyring=self._keyring,
            wall=RealClock(),
            ids=self.times.ids,
            operator_name=self.settings.operator_name,
        )

    def _solver(self) -> Solve:
        if self.times.in_line:
            inline = self._pool = InlinePool(self._solver_dies)

            async def solve_here(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
                return inline.submit(problem, former, how).result()

            return solve_here
        pool = self._pool = ProcessPool()
        pool.warm_up()

        async def solve(problem: Problem, former: Plan | None, how: PlanOptions) -> Made:
            return await asyncio.wrap_future(pool.submit(problem, former, how))

        return solve

    def _looker(self) -> Looks:
        """Returns what looks in the worker's process, where plans are made in one."""
        pool, url = self._pool, self.db.url_elsewhere
        assert pool is not None

        async def look_there(now: datetime, known: str | None) -> Look | None:
            if pool.worker_pid() is None and isinstance(pool, InlinePool):
                return await look_in(self.db, TENANT, now, known)
            try:
                told = pool.call(partial(look_apart, url, TENANT, now, known))
                # A virtual loop waits for nobody.
                seen = told.result() if told.done() else await asyncio.wrap_future(told)
            except WorkerLost:  # that costs time, and never a plan
                log.warning("look.worker_lost")
                return await look_in(self.db, TENANT, now, known)
            if isinstance(seen, NotSeen):
                raise Unavailable(seen.why)
            return seen

        return look_there

    async def stop(self, *, timeout_s: float = 8.0) -> None:
        """Drains the doors and ends all parts, in the order in which nothing is lost."""
        committer, relay, bus = self._parts
        self.api.state.streams.close()
        await self.lead.rest()
        await self.gateway.drain(timeout_s)
        await self._errands.close()
        await self._duties.stop()
        await committer.drain()
        await relay.close()
        await bus.close()
        await committer.close()
        if self._pool is not None:
            self._pool.close()
        await self.lead.close()
        await self.db.close()


def rest_document() -> dict[str, Any]:
    """Returns the OpenAPI document of the REST door, without a running house."""
    return api_document(ROUTERS)
