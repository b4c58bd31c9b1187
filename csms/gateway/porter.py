"""The porter: takes every knock, and opens, turns away, or says that somebody is in already.

The order is always the same: credentials first, then whether the identity is taken, then a lane of
its own. All refusals look alike and take equally long. How credentials are judged is said in
`csms.gateway.login`, what happens to the old connection of an identity in `csms.gateway.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from csms.gateway.connection import (
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    SERVICE_RESTART,
    Knock,
    Transport,
)
from csms.gateway.courier import submit_quietly
from csms.gateway.lane import House, Lane
from csms.gateway.login import Admitted, Login, Mute, TurnedAway
from csms.gateway.records import StationRecords
from csms.gateway.registry import Registry
from csms.gateway.throttle import Throttle, network_of
from models.errors import Unavailable
from models.facts import SecurityReported


class Porter:
    """Decides about knocks (`csms.gateway.connection.Door`)."""

    def __init__(
        self,
        *,
        house: House,
        login: Login,
        records: StationRecords,
        registry: Registry,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        on_enter: Callable[[Lane], None],
    ) -> None:
        """Takes what it asks, where its tasks run, and who is told of each new lane."""
        self._house = house
        self._login = login
        self._records = records
        self._registry = registry
        self._spawn = spawn
        self._on_enter = on_enter
        self._security_notes = Throttle(house.wire, burst=10, per_minute=10)
        self._held_back = 0
        self.closed = False
        """Nobody is let in: the service ends, or its database is away."""

    def knock(self, transport: Transport, knock: Knock) -> None:
        """Takes a well-formed handshake request."""
        self._house.activity.begin()
        self._spawn(self._admit(transport, knock, self._house.wire.monotonic()))

    def take_revocations(self, listed: frozenset[tuple[str, str]]) -> None:
        """Lets nobody in by a certificate of this list, and those out who are."""
        self._records.take_list(listed)
        for lane in tuple(self._registry.lanes()):
            if not self._records.holds(lane.record, lane.proof):
                self.turn_out(lane)

    def turn_out(self, lane: Lane) -> None:
        """Closes a connection whose login is good no more."""
        lane.transport.close(SERVICE_RESTART, "the station's login has changed")
        lane.end("the station's login has changed")

    async def _admit(self, transport: Transport, knock: Knock, came_at_s: float) -> None:
        verdict: Admitted | Mute | TurnedAway | None = None
        try:
            if not self.closed:
                verdict = await self._login.judge(knock)
                if isinstance(verdict, Admitted):
                    await self._enter(transport, verdict)
        except Unavailable:
            verdict = None
        finally:
            self._house.activity.end()
        match verdict:
            case None:
                transport.refuse(503)
            case Mute():
                transport.accept(None, _Deaf(), deflate=False)
                transport.close(PROTOCOL_ERROR, "no common subprotocol")
            case TurnedAway():
                await self._turn_away(transport, knock, verdict, came_at_s)
            case Admitted():
                pass

    async def _turn_away(
        self, transport: Transport, knock: Knock, verdict: TurnedAway, came_at_s: float
    ) -> None:
        """Refuses, equally late whatever the reason, and notes it."""
        limits, wire = self._house.limits, self._house.wire
        if self._held_back >= limits.refusals_at_once:
            transport.abort()
            return
        self._note_security(verdict.identity, verdict.reason, verdict.detail, knock.remote)
        self._held_back += 1
        try:
            left_s = came_at_s + limits.refusal_delay_s - wire.monotonic()
            await wire.sleep(max(0.0, left_s))
        finally:
            self._held_back -= 1
        transport.refuse(verdict.status)

    async def _enter(self, transport: Transport, admitted: Admitted) -> None:
        """Gives a station that has logged in its lane, unless its identity is taken."""
        identity = admitted.record.identity
        subprotocol = admitted.subprotocol
        named = subprotocol if admitted.named else None
        async with self._registry.claim(identity):
            old = self._registry.get(identity)
            if old is not None and await self._registry.lives(old):
                detail = "the first one is alive"
                self._note_security(identity, "second-connection", detail, transport.remote)
                transport.accept(named, _Deaf(), deflate=False)
                transport.close(POLICY_VIOLATION, "this identity is connected already")
                return
            old = self._registry.get(identity)
            if old is not None:
                old.end("replaced by a new connection")
                old.transport.abort()
            # The record may have changed while the old connection was probed.
            current = self._records.known(identity)
            if self.closed or current is None or not self._records.holds(current, admitted.proof):
                transport.refuse(503)
                return
            record = replace(current, epoch=current.epoch + 1)
            self._records.put(record)
            lane = Lane(self._house, transport, record, subprotocol, admitted.proof)
            self._registry.put(lane)
            self._on_enter(lane)
            transport.accept(named, lane, deflate=subprotocol != "ocpp1.6")
            if not lane.ended:
                lane.open()

    def _note_security(self, identity: str, kind: str, detail: str, remote: str) -> None:
        """Records that a known name was refused, at most so often per network."""
        if not identity or not self._security_notes.allows(network_of(remote)):
            return
        now = self._house.clock.now()
        submit_quietly(
            self._house.intake,
            SecurityReported(
                station=identity,
                received_at=now,
                kind=kind,
                measured_at=now,
                tech_info=f"{detail}; from {remote}",
                source="gateway",
            ),
        )


class _Deaf:
    """Listens to a connection that is about to be closed."""

    def on_text(self, data: bytes) -> None:
        """Hears nothing."""

    def on_lost(self, code: int, reason: str) -> None:
        """Minds nothing."""
