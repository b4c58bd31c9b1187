"""What goes on by itself in a house: plans, limits, watches, certificates, updates, simulations.

Of several services on one database one alone does all this (`csms.ledger.lead`): two would plan
against each other, and each would take what the other has under way for what a dead one has left.
The duties begin when a service comes to lead and end when it ceases to. Each part finds out at its
start what its predecessor has left; the relay then tells it what that one may not have heard of.
The doors are not here: every service has its own.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Protocol

import structlog

from csms.access.reactions.caches import CacheSweeper
from csms.access.reactions.lists import ListKeeper
from csms.billing.reactions import CostTeller
from csms.booking.reactions import Watchman
from csms.bus.base import Bus, EventNote, Handler, Rest, Subscription
from csms.certificates import CertificateAuthority
from csms.charging.reactions import FOLLOWED as SUN_FOLLOWS
from csms.charging.reactions import SunLedger
from csms.checks.reactions.checker import Checker
from csms.config import Settings
from csms.diagnostics.reactions import UploadKeeper
from csms.diagnostics.store import UploadStore
from csms.energy.fetching import ForecastFetcher
from csms.gateway.server import Gateway
from csms.grid_limits.reactions import GridLimitKeeper
from csms.ledger.database import Database
from csms.messages.reactions import LogKeeper
from csms.overrides.reactions import OverrideKeeper
from csms.planning.reactions import FOLLOWED, LimitKeeper
from csms.planning.worker import HEARD, Planner
from csms.reconciliation.reactions import Closer
from csms.reservations.reactions import ReservationKeeper
from csms.security.reactions.changes import ChangeKeeper
from csms.security.reactions.renewals import RenewalKeeper
from csms.security.reactions.signer import CertificateSigner
from csms.simulations.reactions import Simulator
from csms.stations.reactions import StationHost
from csms.surplus.reactions import SurplusKeeper
from csms.updates.reactions.campaigns import Conductor
from csms.updates.reactions.firmware import UpdateKeeper
from models.clocks import Activity, Clock, RealClock, WireClock
from models.ids import IdMaker

_log = structlog.get_logger("duties")


class Part(Protocol):
    """What is to be stopped."""

    async def stop(self) -> None:
        """Ends."""
        ...


class Keeper(Part, Protocol):
    """What looks after one thing: it follows some events, and may look at the clock."""

    follows: frozenset[str]

    async def start(self) -> None:
        """Begins; it may hear events from now on."""
        ...

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        ...


class Duties:
    """All that goes on by itself, as long as this service leads."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        wire: WireClock,
        settings: Settings,
        bus: Bus,
        gateway: Gateway,
        authority: CertificateAuthority,
        planner: Planner | None,
        fetcher: ForecastFetcher | None,
        tenant: str,
    ) -> None:
        """Takes what the parts work with; nothing begins yet.

        Without a planner cars charge as they like, and boxes have no safe limits. Without a fetcher
        no plug-in is asked for forecasts.
        """
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._wire = wire
        self._settings = settings
        self._bus = bus
        self._gateway = gateway
        self._authority = authority
        self._planner = planner
        self._fetcher = fetcher
        self._tenant = tenant
        self._controllers: list[Part] = []
        self._parts: list[Part] = []
        self._subscriptions: list[Subscription] = []
        self.on = False
        """They have begun, and not ended."""

    async def begin(self) -> None:
        """Begins all duties.

        Raises:
            Unavailable: if the database is away; `end` what has begun.
        """
        self.on = True
        db, clock, ids, activity = self._db, self._clock, self._ids, self._activity
        watchman = Watchman(db=db, clock=clock, ids=ids, activity=activity, tenant=self._tenant)
        sun = SunLedger(db=db, clock=clock, ids=ids, activity=activity)
        # Each is known before it starts: it may have begun with something when it fails.
        self._parts.append(watchman)
        await watchman.start()
        self._parts.append(sun)
        await sun.start()
        self._subscribe("sun", SUN_FOLLOWS, sun.heard)
        await self._secure_stations()
        await self._keep_log()
        await self._start_keepers()
        if self._planner is not None:
            await self._control_charging(self._planner)

    async def stop(self) -> None:
        """Stops all that goes on; what is still heard finds nobody who acts."""
        for parts in (self._controllers, self._parts):
            while parts:
                try:
                    await parts[0].stop()
                except Exception:  # noqa: BLE001 - the others are not to go on for it
                    _log.exception("part_not_stopped", part=type(parts[0]).__name__)
                # Only now: if this is broken off, the next one to stop us finds it here.
                del parts[0]
        self.on = False

    async def hand_over(self) -> None:
        """Hears nothing any more, and stops: another service does all this from now on."""
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions = []
        await self.stop()

    def _subscribe(
        self, name: str, types: Collection[str], handler: Handler, rest: Rest | None = None
    ) -> None:
        self._subscriptions.append(self._bus.subscribe(name, types, handler, rest))

    async def _control_charging(self, planner: Planner) -> None:
        """Starts what puts limits into stations: safe ones, and those of plans."""
        db, clock, ids, activity = self._db, self._clock, self._ids, self._activity
        host = StationHost(db=db, clock=clock, ids=ids)
        keeper = LimitKeeper(db=db, clock=clock, ids=ids)
        self._subscribe("stations", host.follows, host.heard)
        await keeper.start()
        self._subscribe("limits", FOLLOWED, keeper.heard, keeper.rest)
        limits = GridLimitKeeper(db=db, clock=clock, ids=ids, activity=activity)
        self._controllers.append(limits)
        await limits.start()
        self._subscribe("grid limits", limits.follows, limits.heard, limits.rest)
        self._subscribe("planner", HEARD, planner.heard)
        self._controllers.insert(0, planner)
        await planner.start()
        surplus = SurplusKeeper(
            db=db, clock=clock, ids=ids, activity=activity, free_at=planner.free_at
        )
        self._controllers.insert(1, surplus)
        self._subscribe("surplus", surplus.follows, surplus.heard, surplus.rest)

    async def _secure_stations(self) -> None:
        """Starts what signs certificates and renews them, and what changes how stations log in."""
        db, clock, ids, wall = self._db, self._clock, self._ids, RealClock()
        activity = self._activity
        signer = CertificateSigner(
            db=db, clock=clock, wall=wall, ids=ids, activity=activity, authority=self._authority
        )
        changes = ChangeKeeper(
            db=db,
            clock=clock,
            ids=ids,
            disconnect=self._gateway.disconnect,
            station_changed=self._gateway.station_changed,
        )
        self._parts.append(signer)
        await signer.start()
        await changes.start()
        self._subscribe("certificates", signer.follows, signer.heard)
        self._subscribe("security changes", changes.follows, changes.heard)
        ahead = timedelta(days=self._settings.certificate_renewal_days)
        if not ahead:
            return
        renewals = RenewalKeeper(
            db=db, clock=clock, wall=wall, ids=ids, activity=activity, ahead=ahead
        )
        self._parts.append(renewals)
        await renewals.start()
        self._subscribe("renewals", renewals.follows, renewals.heard)

    async def _start_keepers(self) -> None:
        """Starts what looks after one thing each, by what it hears and by the clock."""
        db, clock, ids, activity = self._db, self._clock, self._ids, self._activity
        keepers: dict[str, Keeper] = {
            "lists": ListKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "reservations": ReservationKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "overrides": OverrideKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "closer": Closer(db=db, clock=clock, ids=ids, activity=activity, tenant=self._tenant),
            "costs": CostTeller(db=db, clock=clock, ids=ids, activity=activity),
            "firmware": UpdateKeeper(db=db, clock=clock, ids=ids, activity=activity),
            "logs": UploadKeeper(
                db=db,
                clock=clock,
                ids=ids,
                activity=activity,
                store=UploadStore(self._settings.upload_folder),
                kept=_kept(self._settings.log_retention_days),
            ),
            "checks": Checker(
                db=db,
                clock=clock,
                ids=ids,
                activity=activity,
                station_changed=self._gateway.station_changed,
            ),
            "simulations": Simulator(db=db, clock=clock, ids=ids, wire=self._wire),
        }
        if self._fetcher is not None:
            keepers["forecasts"] = self._fetcher
        if self._settings.clear_caches:
            keepers["caches"] = CacheSweeper(db=db, clock=clock, ids=ids, activity=activity)
        for name, keeper in keepers.items():
            self._parts.append(keeper)
            await keeper.start()
            self._subscribe(name, keeper.follows, keeper.heard)
        campaigns = Conductor(db=db, clock=clock, ids=ids, activity=activity)
        self._parts.append(campaigns)
        await campaigns.start()
        self._subscribe("campaigns", campaigns.follows, campaigns.heard, campaigns.rest)

    async def _keep_log(self) -> None:
        """Starts what forgets messages, events and plans that are too old."""
        settings = self._settings
        keeper = LogKeeper(
            db=self._db,
            clock=self._clock,
            ids=self._ids,
            activity=self._activity,
            wire=self._wire,
            messages_kept=_kept(settings.message_retention_days),
            events_kept=_kept(settings.event_retention_days),
            plans_kept=_kept(settings.plan_retention_days),
        )
        self._parts.append(keeper)
        await keeper.start()


def _kept(days: int) -> timedelta | None:
    """Returns how long something is kept; None: for ever."""
    return timedelta(days=days) if days else None
