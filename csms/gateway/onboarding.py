"""Stations that nobody has created: turned away, kept waiting for approval, or taken in.

A stranger costs us one small row at most, there are never more than a hundred of them, few from
one address, and after a day they are forgotten. Approving one is an operator's action
(`csms.stations.actions`), which gives it a new password: what the stranger said is not trusted.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from csms.gateway.limits import Limits
from csms.gateway.records import StationRecord, StationRecords
from csms.ledger.database import Database
from csms.stations.rules import BOOT_INTERVAL_S, PENDING_INTERVAL_S
from models.clocks import Clock
from models.errors import Unavailable
from models.ids import IdMaker
from models.tables.stations import Station

Onboard = Literal["reject", "pending", "accept"]
Enrolled = StationRecord | Literal["full", "unknown"]

_AT_ONCE = 500
"""Stations that are created in one transaction; SQL has bounds on how many can be named."""


class Onboarding:
    """Decides about unknown stations."""

    def __init__(
        self,
        *,
        mode: Onboard,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        records: StationRecords,
        limits: Limits,
    ) -> None:
        self._mode: Onboard = mode
        self._db = db
        self._clock = clock
        self._ids = ids
        self._records = records
        self._limits = limits
        self._addresses: dict[str, str] = {}
        self._comers: dict[str, asyncio.Future[Enrolled]] = {}
        """Those that are not written yet, by identity."""
        self._writing = False

    async def enrol(self, identity: str, address: str) -> Enrolled:
        """Returns the record of a newcomer, or why it gets none.

        All that come while others are written are written together: thousands may come at once.

        Args:
            identity: that no station has.
            address: from which it came.

        Raises:
            Unavailable: if the database is away.
        """
        if self._mode == "reject":
            return "unknown"
        if identity not in self._comers:
            self._comers[identity] = asyncio.get_running_loop().create_future()
            self._addresses.setdefault(identity, address)
        enrolled = self._comers[identity]
        if not self._writing:
            self._writing = True
            try:
                while self._comers:
                    await self._write_some()
            finally:
                self._writing = False
        return await asyncio.shield(enrolled)

    async def _write_some(self) -> None:
        """Writes those that wait, and tells each what became of it."""
        comers = dict(itertools.islice(self._comers.items(), _AT_ONCE))
        taken: list[str] = []
        found: dict[str, Enrolled] = {}
        room = self._room()
        for identity in comers:
            if room.take(self._addresses.get(identity)):
                taken.append(identity)
            else:
                found[identity] = "full"
        trouble: BaseException = Unavailable("the service ends")
        try:
            # Those that find no room cost the database nothing.
            old = await self._create(taken) if taken else set[str]()
            if new := [each for each in taken if each not in old]:
                await self._records.read_new(new)
            for identity in taken:
                # One that somebody else has created in between: its own record decides.
                known = await self._records.refresh(identity) if identity in old else None
                found[identity] = known or self._records.known(identity) or "unknown"
        except Unavailable as error:
            trouble = error
        finally:
            for identity, waiting in comers.items():
                del self._comers[identity]
                if not isinstance(found.get(identity), StationRecord):
                    self._addresses.pop(identity, None)
                if waiting.done():
                    continue
                if (enrolled := found.get(identity)) is None:
                    waiting.set_exception(trouble)
                    # Whoever asked may be gone.
                    waiting.exception()
                else:
                    waiting.set_result(enrolled)

    async def _create(self, identities: list[str]) -> set[str]:
        """Creates stations, and returns those that somebody else had created before."""
        pending = self._mode == "pending"
        now = self._clock.now()
        wanted = Station.identity.in_(identities)
        while True:
            try:
                async with self._db.write(self._clock, self._ids, actor="gateway") as work:
                    old = set(await work.session.scalars(sa.select(Station.identity).where(wanted)))
                    work.session.add_all(
                        Station(
                            identity=identity,
                            approval="pending" if pending else "accepted",
                            security_profile=0,
                            boot_interval_s=PENDING_INTERVAL_S if pending else BOOT_INTERVAL_S,
                            created_at=now,
                            updated_at=now,
                        )
                        for identity in identities
                        if identity not in old
                    )
            except IntegrityError:
                # Created by somebody else between look and leap: the next look sees it.
                continue
            return old

    async def forget_old(self) -> None:
        """Deletes strangers that nobody has approved within a day and that are not connected."""
        oldest = self._clock.now() - timedelta(hours=self._limits.pending_life_h)
        gone = [r for r in self._waiting() if r.created_at < oldest]
        if not gone:
            return
        async with self._db.write(self._clock, self._ids, actor="gateway") as work:
            await work.session.execute(
                sa.delete(Station).where(
                    Station.identity.in_([record.identity for record in gone]),
                    Station.approval == "pending",
                    Station.online.is_(False),
                )
            )
        for record in gone:
            if await self._records.refresh(record.identity) is None:
                self._addresses.pop(record.identity, None)

    def _waiting(self) -> list[StationRecord]:
        return [record for record in self._records.all() if record.approval == "pending"]

    def _room(self) -> _Room:
        if self._mode != "pending":
            return _Room(math.inf, math.inf, Counter())
        waiting = Counter(self._addresses.get(record.identity) for record in self._waiting())
        limits = self._limits
        return _Room(limits.pending_stations, limits.pending_per_address, waiting)


@dataclass
class _Room:
    """How many may still wait, in all and from one address."""

    stations: float
    per_address: float
    waiting: Counter[str | None]

    def take(self, address: str | None) -> bool:
        """Takes a place, if there is one."""
        free = self.waiting.total() < self.stations and self.waiting[address] < self.per_address
        self.waiting[address] += free
        return free
