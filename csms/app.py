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
from typing import Any, Protocol

import structlog
from fastapi import FastAPI

from csms.access.reactions.caches import CacheSweeper
from csms.access.reactions.lists import ListKeeper
from csms.billing.reactions import CostTeller
from csms.booking.desk import Desk
from csms.booking.reactions import Watchman
from csms.bus.base import EventNote
from csms.bus.local import LocalBus
from csms.certificates import CertificateAuthority
from csms.charging.reactions import FOLLOWED as SUN_FOLLOWS
from csms.charging.reactions import SunLedger
from csms.checks.reactions.checker import Checker
from csms.config import Settings
from csms.diagnostics.reactions import UploadKeeper
from csms.diagnostics.store import UploadStore
from csms.energy.reactions import Forecaster
from csms.gateway.server import Gateway
from csms.grid_limits.reactions import GridLimitKeeper
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.relay import Relay
from csms.messages.reactions import LogKeeper
from csms.overrides.reactions import OverrideKeeper
from csms.planning.looking import Look, NotSeen, look_apart, look_in
from csms.planning.reactions import FOLLOWED, LimitKeeper
from csms.planning.worker import HEARD, Looks, Planner, Solve
from csms.reconciliation.reactions import Closer
from csms.reservations.reactions import ReservationKeeper
from csms.routers import ROUTERS
from csms.security.authority import BuiltInAuthority
from csms.security.est import EstAccess, EstAuthority
from csms.security.reactions.changes import ChangeKeeper
from csms.security.reactions.renewals import RenewalKeeper
from csms.security.reactions.signer import CertificateSigner
from csms.simulations.reactions import Simulator
from csms.stations.reactions import StationHost
from csms.surplus.reactions import SurplusKeeper
from csms.trust.errands import CertificateErrands
from csms.updates.reactions.campaigns import Conductor
from csms.updates.reactions.firmware import UpdateKeeper
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


class Keeper(Protocol):
    """What looks after one thing: it follows some events, and may look at the clock."""

    follows: frozenset[str]

    async def start(self) -> None:
        """Begins; it may hear events from now on."""
        ...

    async def stop(self) -> None:
        """Ends."""
        ...

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        ...


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
        self._grid_limits = GridLimitKeeper(
            db=self.db, clock=times.clock, ids=times.ids, activity=times.activity
        )
        self._parts: list[Any] = []
        self.gateway: Gateway
        self.planner: Planner
        self._surplus: SurplusKeeper
        self.api: FastAPI

    async def start(self) -> None:
        """Starts all parts; the doors are the caller's to open (`gateway.start`, `api`)."""
        times, db = self.times, self.db
        clock, ids, activity = times.clock, times.ids, times.activity
        await db.start()
        bus = LocalBus(activity)
        node = self.settings.node_name
        relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=times.wire, node=node)
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
        )
        self.planner = Planner(
            db=db,
            clock=clock,
            ids=ids,
            activity=activity,
            solve=self._solver(),
            look=self._looker(),
            refresh_forecasts=Forecaster(db=db, clock=clock, ids=ids, tenant=TENANT).refresh,
            replan_gap=times.replan_gap,
            options=self._options,
            tenant=TENANT,
        )
        watchman = Watchman(db=db, clock=clock, ids=ids, activity=activity, tenant=TENANT)
        sun = SunLedger(db=db, clock=clock, ids=ids, activity=activity)
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
        )
        await committer.start()
        await relay.start()
        self.api = build_api(services, ROUTERS)
        await watchman.start()
        await sun.start()
        bus.subscribe("sun", SUN_FOLLOWS, sun.heard)
        renewals = await self._secure_stations(bus, authority)
        log_keeper = await self._keep_log()
        keepers = await self._start_keepers(bus)
        self._parts = [committer, relay, bus, watchman, sun, *keepers, *renewals, log_keeper]
        if self._controlled:
            await self._control_charging(bus)
        await self.gateway.open()

    async def _control_charging(self, bus: LocalBus) -> None:
        """Starts what puts limits into stations: safe ones, and those of plans."""
        db, clock, ids = self.db, self.times.clock, self.times.ids
        host = StationHost(db=db, clock=clock, ids=ids)
        keeper = LimitKeeper(db=db, clock=clock, ids=ids)
        bus.subscribe("stations", host.follows, host.heard)
        await keeper.start()
        bus.subscribe("limits", FOLLOWED, keeper.heard, keeper.rest)
        await self._grid_limits.start()
        limits = self._grid_limits
        bus.subscribe("grid limits", limits.follows, limits.heard, limits.rest)
        bus.subscribe("planner", HEARD, self.planner.heard)
        await self.planner.start()
        surplus = self._surplus = SurplusKeeper(
            db=db,
            clock=clock,
            ids=ids,
            activity=self.times.activity,
            free_at=self.planner.free_at,
        )
        bus.subscribe("surplus", surplus.follows, surplus.heard, surplus.rest)

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

    async def _secure_stations(self, bus: LocalBus, authority: CertificateAuthority) -> list[Any]:
        """Starts what signs certificates and renews them, and what changes how stations log in.

        Returns:
            Those parts that are to be stopped.
        """
        db, clock, ids, wall = self.db, self.times.clock, self.times.ids, RealClock()
        activity = self.times.activity
        signer = CertificateSigner(
            db=db, clock=clock, wall=wall, ids=ids, activity=activity, authority=authority
        )
        changes = ChangeKeeper(
            db=db,
            clock=clock,
            ids=ids,
            disconnect=self.gateway.disconnect,
            station_changed=self.gateway.station_changed,
        )
        await signer.start()
        await changes.start()
        bus.subscribe("certificates", signer.follows, signer.heard)
        bus.subscribe("security changes", changes.follows, changes.heard)
        ahead = timedelta(days=self.settings.certificate_renewal_days)
        if not ahead:
            return [signer]
        renewals = RenewalKeeper(
            db=db, clock=clock, wall=wall, ids=ids, activity=activity, ahead=ahead
        )
        await renewals.start()
        bus.subscribe("renewals", renewals.follows, renewals.heard)
        return [signer, renewals]

    async def _start_keepers(self, bus: LocalBus) -> list[Any]:
        """Starts what looks after one thing each, by what it hears and by the clock."""
        times = self.times
        db, clock, ids, activity = self.db, times.clock, times.ids, times.activity
        keepers: dict[str, Keeper] = {
            "lists": ListKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "reservations": ReservationKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "overrides": OverrideKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "closer": Closer(db=db, clock=clock, ids=ids, activity=activity, tenant=TENANT),
            "costs": CostTeller(db=db, clock=clock, ids=ids, activity=activity),
            "firmware": UpdateKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "logs": UploadKeeper(
                db=db,
                clock=clock,
                ids=ids,
                activity=activity,
                store=UploadStore(self.settings.upload_folder),
                kept=_kept(self.settings.log_retention_days),
            ),
            "checks": Checker(
                db=db,
                clock=clock,
                ids=ids,
                activity=activity,
                station_changed=self.gateway.station_changed,
            ),
            "simulations": Simulator(db=db, clock=clock, ids=ids, wire=times.wire),
        }
        if self.settings.clear_caches:
            keepers["caches"] = CacheSweeper(db=db, clock=clock, ids=ids, activity=activity)
        for name, keeper in keepers.items():
            await keeper.start()
            bus.subscribe(name, keeper.follows, keeper.heard)
        campaigns = Conductor(db=db, clock=clock, ids=ids, activity=activity)
        await campaigns.start()
        bus.subscribe("campaigns", campaigns.follows, campaigns.heard, campaigns.rest)
        return [*keepers.values(), campaigns]

    async def _keep_log(self) -> LogKeeper:
        """Starts what forgets messages, events and plans that are too old."""
        settings = self.settings
        keeper = LogKeeper(
            db=self.db,
            clock=self.times.clock,
            ids=self.times.ids,
            activity=self.times.activity,
            wire=self.times.wire,
            messages_kept=_kept(settings.message_retention_days),
            events_kept=_kept(settings.event_retention_days),
            plans_kept=_kept(settings.plan_retention_days),
        )
        await keeper.start()
        return keeper

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
        committer, relay, bus, watchman, sun, *others = self._parts
        self.api.state.streams.close()
        await self.gateway.drain(timeout_s)
        await self._errands.close()
        if self._controlled:
            await self.planner.stop()
            await self._surplus.stop()
            await self._grid_limits.stop()
        await watchman.stop()
        await sun.stop()
        for other in others:
            await other.stop()
        await committer.drain()
        await relay.close()
        await bus.close()
        await committer.close()
        if self._pool is not None:
            self._pool.close()
        await self.db.close()


def _kept(days: int) -> timedelta | None:
    """Returns how long something is kept; None: for ever."""
    return timedelta(days=days) if days else None


def rest_document() -> dict[str, Any]:
    """Returns the OpenAPI document of the REST door, without a running house."""
    return api_document(ROUTERS)
