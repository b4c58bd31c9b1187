"""The gateway: the station door as the rest of the house sees it.

It listens, has the porter let stations in (`csms.gateway.porter`), keeps their records fresh, and
has the courier take commands to them. `connect_memory` is the same door without a socket, for
`replay`. What stations say is judged elsewhere; nothing here knows a transaction or a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog

from csms.bus.base import Bus
from csms.config import Settings
from csms.gateway import memory
from csms.gateway.connection import GOING_AWAY, SERVICE_RESTART
from csms.gateway.courier import Courier, submit_quietly
from csms.gateway.follower import Follower
from csms.gateway.lane import Errands, FactSink, House, Lane, no_errands
from csms.gateway.limits import Limits
from csms.gateway.login import Login
from csms.gateway.onboarding import Onboarding
from csms.gateway.porter import Porter
from csms.gateway.presence import Dead, Presence, all_dead
from csms.gateway.records import StationRecords
from csms.gateway.registry import Registry
from csms.gateway.tls import TlsDoor, TlsFiles
from csms.gateway.transport import SocketTransport
from csms.keyring import Keyring
from csms.ledger.database import Database
from csms.ocpp.waiting import refusal_while_waiting
from models.clocks import Activity, Clock, RealClock, WireClock
from models.errors import BadInput, FieldError, FleetError, Unavailable
from models.facts import (
    CertificatePresented,
    LoginProved,
    StationsSeen,
)
from models.ids import IdMaker

_BACKLOG = 4096
_CLEAN_EVERY = timedelta(hours=1)
_REOPEN_S = 0.5

_log = structlog.get_logger("gateway")


async def _no_authority() -> str | None:
    return None


class PortTaken(FleetError):
    """The port for stations can't be listened on."""

    code = "port-taken"


class Gateway:
    """The door for stations of one process."""

    def __init__(
        self,
        *,
        db: Database,
        intake: FactSink,
        bus: Bus,
        keyring: Keyring,
        settings: Settings,
        clock: Clock,
        wire: WireClock,
        ids: IdMaker,
        activity: Activity,
        limits: Limits | None = None,
        own_authority: Callable[[], Awaitable[str | None]] = _no_authority,
        errands: Errands = no_errands,
        number: int = 0,
    ) -> None:
        """Takes the parts of the house.

        Those that may be left out: the bounds; the house's own authority (PEM); errands; and our
        number among the services on the database.
        """
        self.limits = limits or Limits()
        self._intake = intake
        self._clock = clock
        self._wire = wire
        self._activity = activity
        self._node = settings.node_name
        self._settings = settings
        self._own_authority = own_authority
        self._records = StationRecords(db)
        self._presence = Presence(db=db, intake=intake, clock=clock, number=number)
        self._registry = Registry(clock, wire, self.limits)
        self._onboarding = Onboarding(
            mode=settings.station_onboarding,
            db=db,
            clock=clock,
            ids=ids,
            records=self._records,
            limits=self.limits,
        )
        self.courier = Courier(
            db=db,
            intake=intake,
            bus=bus,
            clock=clock,
            wire=wire,
            activity=activity,
            limits=self.limits,
            lane_of=self._registry.get,
        )
        self._house = House(
            intake=intake,
            clock=clock,
            wire=wire,
            activity=activity,
            limits=self.limits,
            new_message_id=ids.new,
            seen={},
            on_ready=self._on_ready,
            on_end=self._on_end,
            on_unavailable=self._on_unavailable,
            errands=errands,
        )
        self._porter = Porter(
            house=self._house,
            login=Login(
                records=self._records,
                keyring=keyring,
                onboarding=self._onboarding,
                wire=wire,
                wall=RealClock(),  # certificates are valid by it even where life time is simulated
                limits=self.limits,
                operator_name=settings.operator_name,
                strict_unknown_identity=settings.strict_unknown_identity,
            ),
            records=self._records,
            registry=self._registry,
            spawn=self._spawn,
            on_enter=self._on_enter,
        )
        self._follower = Follower(intake=intake, clock=clock, limits=self.limits, spawn=self._spawn)
        """By station, the connection that is waited for to have told what it had queued."""
        self._opened = False
        self._draining = False
        self._server: asyncio.Server | None = None
        self._tls: TlsDoor | None = None
        self._sweeping = False
        self._transports: set[SocketTransport] = set()
        self._tasks: set[asyncio.Task[object]] = set()

    # -- for the composition root ------------------------------------------------------------

    async def open(self, *, clear: bool = True, dead: Dead = all_dead) -> None:
        """Reads the stations' records and starts the courier; `connect_memory` works then.

        Args:
            clear: whether to clear up what dead services have left, as `clear_left_over` does.
            dead: finds out which services live no more.

        Raises:
            Unavailable: if the database is away.
        """
        assert not self._opened
        self._opened = True
        await self._records.load()
        if clear:
            await self.clear_left_over(dead)
        await self.courier.start()
        self._spawn(self._flush_seen())
        self._spawn(self._clean())

    async def clear_left_over(self, dead: Dead) -> None:
        """Says of stations that were connected to a dead service that they are gone.

        That service has not lived to see them go, nor how the commands ended that it has sent.

        Args:
            dead: finds out which services live no more; connections here are left alone.

        Raises:
            Unavailable: if the database is away.
        """
        await self._presence.bury(dead, lambda name: self._registry.get(name) is not None)
        await self.courier.settle_left_over(dead)

    async def renamed(self, number: int) -> None:
        """Says which stations are connected here, after we may have been taken for dead."""
        await self._presence.renamed(number, self._registry.lanes())

    async def neighbours(self, *, some: bool) -> None:
        """Takes whether other services share the database, and let stations in.

        What is known of stations may then have changed there, so that each login looks it up; when
        the last of them has gone, all is read anew once.

        Raises:
            Unavailable: if the database is away.
        """
        if self._records.shared and not some:
            await self._records.reload()
        self._records.shared = some

    async def start(self, host: str, port: int) -> int:
        """Opens the door; returns the port, which is a free one if `port` is 0.

        Raises:
            PortTaken: if it can't be listened on.
            Unavailable: if the database is away.
        """
        if not self._opened:
            await self.open()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._new_transport, host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise PortTaken(f"can't listen on {host}:{port}: {error.strerror or error}") from None
        self._sweep_from_now()
        return int(self._server.sockets[0].getsockname()[1])

    async def start_tls(self, host: str, port: int) -> int:
        """Opens the door with TLS; returns the port, which is a free one if `port` is 0.

        Raises:
            TlsPortTaken: if it can't be listened on.
            BadInput: if a file of a certificate or key is no use.
            Unavailable: if the database is away.
        """
        if not self._opened:
            await self.open()
        door = TlsDoor(
            TlsFiles.named_in(self._settings),
            make_transport=self._new_transport,
            own_authority=self._own_authority,
            on_revocations=self._porter.take_revocations,
            limits=self.limits,
            wire=self._wire,
        )
        taken = await door.open(host, port)
        self._tls = door
        self._spawn(door.watch())
        self._sweep_from_now()
        return taken

    def reload_certificates(self) -> None:
        """Reads the files of certificates anew; where one is no use, the old ones stay."""
        if self._tls is not None:
            self._spawn(self._tls.reload())

    async def drain(self, timeout_s: float) -> None:
        """Lets nobody in any more, answers what has been said, and closes with 1012.

        Args:
            timeout_s: wire time for all of it; what is left then is cut off.
        """
        self._draining = self._porter.closed = True
        give_up_at = self._wire.monotonic() + timeout_s
        for door in (self._server, self._tls):
            if door is not None:
                door.close()
        while not all(lane.quiet for lane in self._registry.lanes()):
            if self._wire.monotonic() >= give_up_at - self.limits.close_s:
                break
            await self._wire.sleep(0.01)
        for lane in self._registry.lanes():
            lane.transport.close(SERVICE_RESTART, "restart")
        while self._transports and self._wire.monotonic() < give_up_at:
            await self._wire.sleep(0.01)
        for lane in self._registry.lanes():
            lane.end("the service ends")
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)
        await self.courier.close()
        if self._house.seen:
            submit_quietly(self._intake, self._seen_fact())
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- for the rest of the house -----------------------------------------------------------

    def online(self, identity: str) -> bool:
        """Returns whether the station is connected here and has booted."""
        lane = self._registry.get(identity)
        return lane is not None and lane.ready

    def waiting(self, identity: str) -> bool:
        """Returns whether the station is connected here and waits for approval."""
        lane = self._registry.get(identity)
        return lane is not None and lane.waiting

    def refusal_while_waiting(
        self, identity: str, action: str, payload: Mapping[str, Any]
    ) -> str | None:
        """Returns why a station that waits for approval is not sent a request; None: it may be."""
        lane = self._registry.get(identity)
        return lane and refusal_while_waiting(lane.dialect.version, action, payload)

    async def disconnect(self, identity: str) -> bool:
        """Closes a station's connection; returns whether there was one."""
        lane = self._registry.get(identity)
        if lane is None:
            return False
        lane.transport.close(GOING_AWAY, "disconnected by an operator")
        lane.end("disconnected by an operator")
        return True

    def station_changed(self, identity: str) -> None:
        """Says that a station's record has changed or is gone.

        It is read anew; where the login of a present connection would not be good any more, that
        connection is closed.
        """
        self._activity.begin()
        self._spawn(self._reload(identity), ends_activity=True)

    def validate_command(
        self, identity: str, action: str, payload: Mapping[str, Any]
    ) -> Sequence[FieldError]:
        """Returns what is wrong with a request in the version that the station speaks.

        An action that the version does not have is one error with an empty pointer. Nothing is
        said of a station that is not connected.
        """
        lane = self._registry.get(identity)
        if lane is None:
            return ()
        try:
            return lane.dialect.validate_request(action, payload)
        except BadInput as unknown:
            return (FieldError("", unknown.detail),)

    async def connect_memory(
        self, identity: str, subprotocols: Sequence[str], authorization: str | None
    ) -> memory.MemoryLink:
        """Returns a station's side of a connection without a socket.

        Args:
            identity: of the station, as it writes it at the end of the address.
            subprotocols: as a station offers them.
            authorization: the header; see `csms.gateway.memory.basic`.

        Raises:
            HandshakeRefused: if it is not let in.
        """
        return await memory.connect(
            self._porter,
            self.limits,
            target=f"/ocpp/{quote(identity, safe='/')}",
            subprotocols=subprotocols,
            authorization=authorization,
        )

    def connections(self) -> Collection[str]:
        """Returns the identities that are connected here."""
        return [lane.identity for lane in self._registry.lanes()]

    # -- what lanes tell ---------------------------------------------------------------------

    def _on_ready(self, lane: Lane) -> None:
        known = self._records.known(lane.identity)
        if known is not None and (not known.booted or known.quirks != lane.record.quirks):
            self._records.put(replace(known, booted=True, quirks=lane.record.quirks))
        self.courier.greet(lane.identity)
        self._follower.follow(lane)

    def _on_enter(self, lane: Lane) -> None:
        self._presence.here(lane)
        record, proof = lane.record, lane.proof
        if record.changing:
            submit_quietly(
                self._intake,
                LoginProved(
                    station=lane.identity,
                    received_at=self._clock.now(),
                    security_profile=record.profile_of(proof),
                    next_password=proof.seal is not None
                    and proof.seal == record.next_password_hash,
                ),
            )
        shown = proof.certificate
        if shown is not None and self._records.first_sight(shown.fingerprint):
            submit_quietly(
                self._intake,
                CertificatePresented(
                    station=lane.identity,
                    received_at=self._clock.now(),
                    fingerprint=shown.fingerprint,
                    serial=shown.serial,
                    issuer=shown.issuer,
                    pem=shown.pem,
                    not_before=shown.not_before,
                    not_after=shown.not_after,
                ),
            )

    def _on_end(self, lane: Lane, reason: str) -> None:
        self._registry.remove(lane)
        self._presence.gone(lane, reason)

    def _on_unavailable(self) -> None:
        if not self._porter.closed:
            self._porter.closed = True
            self._spawn(self._reopen())

    async def _reopen(self) -> None:
        """Lets nobody in until the ledger takes facts again: the stations keep theirs so long."""
        _log.warning("door_closed", reason="the database is away")
        while not self._draining:
            await self._wire.sleep(_REOPEN_S)
            try:
                await self._intake.enqueue(self._seen_fact())
            except Unavailable:
                continue
            self._porter.closed = self._draining
            _log.warning("door_open_again")
            return

    # -- what goes on by itself --------------------------------------------------------------

    async def _reload(self, identity: str) -> None:
        try:
            record = await self._records.refresh(identity)
        except Unavailable:
            # Looked up anew at the next login.
            self._records.forget(identity)
            return
        lane = self._registry.get(identity)
        if lane is None:
            return
        if record is None or not self._records.holds(record, lane.proof):
            self._porter.turn_out(lane)
        else:
            lane.take_record(replace(record, epoch=lane.epoch))

    def _new_transport(self) -> SocketTransport:
        return SocketTransport(self._porter, self.limits, self._wire, self._transports)

    def _sweep_from_now(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._spawn(self._sweep())

    async def _sweep(self) -> None:
        """Looks at the time-outs of all connections."""
        while True:
            await self._wire.sleep(self.limits.sweep_s)
            now_s = self._wire.monotonic()
            for transport in tuple(self._transports):
                transport.tick(now_s)

    async def _flush_seen(self) -> None:
        """Writes when stations were last heard, every few seconds in which any was."""
        while True:
            await self._wire.sleep(self.limits.seen_flush_s)
            if self._house.seen:
                submit_quietly(self._intake, self._seen_fact())

    def _seen_fact(self) -> StationsSeen:
        seen: dict[str, datetime] = dict(self._house.seen)
        self._house.seen.clear()
        return StationsSeen(
            station=self._node, received_at=self._clock.now(), seen=tuple(seen.items())
        )

    async def _clean(self) -> None:
        """Forgets old strangers, once an hour of life time."""
        while True:
            await self._clock.sleep_until(self._clock.now() + _CLEAN_EVERY)
            with self._activity.busy():
                try:
                    await self._onboarding.forget_old()
                except Unavailable as error:
                    _log.warning("strangers_kept", error=error.detail)

    def _spawn(self, work: Coroutine[Any, Any, object], *, ends_activity: bool = False) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(finished: asyncio.Task[object]) -> None:
            self._tasks.discard(finished)
            if ends_activity:
                self._activity.end()
            if not finished.cancelled() and (error := finished.exception()) is not None:
                _log.error("gateway_task_failed", error=repr(error))

        task.add_done_callback(done)
