"""Which station is connected here, and what happens when one identity comes twice.

The newcomer has logged in already. The old connection is probed: if it lives, the newcomer is a
clone or a mistake and is turned away; if not, it is replaced without waiting for its end, because
a peer that has lost its network can't say goodbye. Naive policies let a clone evict the real
station, or lock a rebooted one out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from csms.gateway.lane import Lane
from csms.gateway.limits import Limits
from models.clocks import Clock, WireClock

_POLL_S = 0.02


class Registry:
    """The lanes of this process by identity."""

    def __init__(self, clock: Clock, wire: WireClock, limits: Limits) -> None:
        self._clock = clock
        self._wire = wire
        self._limits = limits
        self._lanes: dict[str, Lane] = {}
        self._claims: dict[str, tuple[asyncio.Lock, int]] = {}

    def get(self, identity: str) -> Lane | None:
        """Returns the lane of a connected station."""
        return self._lanes.get(identity)

    def lanes(self) -> Iterable[Lane]:
        """Returns all lanes."""
        return tuple(self._lanes.values())

    def put(self, lane: Lane) -> None:
        """Takes the lane that this identity has from now on."""
        assert lane.identity not in self._lanes
        self._lanes[lane.identity] = lane

    def remove(self, lane: Lane) -> None:
        """Drops a lane, unless its identity has another one by now."""
        if self._lanes.get(lane.identity) is lane:
            del self._lanes[lane.identity]

    @asynccontextmanager
    async def claim(self, identity: str) -> AsyncGenerator[None]:
        """Lets one newcomer of an identity at a time decide about it."""
        lock, waiting = self._claims.get(identity, (asyncio.Lock(), 0))
        self._claims[identity] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._claims[identity]
            if waiting == 1:
                del self._claims[identity]
            else:
                self._claims[identity] = (lock, waiting - 1)

    async def lives(self, lane: Lane) -> bool:
        """Returns whether the station behind a lane is still there; takes `probe_s` at most.

        Proxies answer pings for stations that are long gone, so that a station of which no OCPP
        frame has come for two heartbeat intervals counts as dead in any case.
        """
        if lane.ended:
            return False
        patience = timedelta(seconds=2 * lane.record.boot_interval_s)
        if self._clock.now() - lane.heard_at > patience:
            return False
        if lane.stalled:
            return True
        before = lane.transport.heard
        lane.transport.ping()
        give_up_at = self._wire.monotonic() + self._limits.probe_s
        while not lane.ended:
            if lane.transport.heard != before:
                return True
            if self._wire.monotonic() >= give_up_at:
                return False
            await self._wire.sleep(_POLL_S)
        return False
