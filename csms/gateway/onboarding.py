"""Stations that nobody has created: turned away, kept waiting for approval, or taken in.

A stranger costs us one small row at most, there are never more than a hundred of them, few from
one address, and after a day they are forgotten. Approving one is an operator's action
(`csms.stations.actions`), which gives it a new password: what the stranger said is not trusted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from csms.gateway.limits import Limits
from csms.gateway.records import StationRecord, StationRecords
from csms.ledger.database import Database
from csms.stations.rules import BOOT_INTERVAL_S, PENDING_INTERVAL_S
from models.clocks import Clock
from models.ids import IdMaker
from models.tables.stations import Station

Onboard = Literal["reject", "pending", "accept"]


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

    async def enrol(
        self, identity: str, address: str
    ) -> StationRecord | Literal["full", "unknown"]:
        """Returns the record of a newcomer, or why it gets none.

        Args:
            identity: that no station has.
            address: from which it came.
        """
        if self._mode == "reject":
            return "unknown"
        if self._mode == "pending" and self._full(address):
            return "full"
        pending = self._mode == "pending"
        now = self._clock.now()
        self._addresses[identity] = address
        try:
            async with self._db.write(self._clock, self._ids, actor="gateway") as work:
                work.session.add(
                    Station(
                        identity=identity,
                        approval="pending" if pending else "accepted",
                        security_profile=0,
                        boot_interval_s=PENDING_INTERVAL_S if pending else BOOT_INTERVAL_S,
                        created_at=now,
                        updated_at=now,
                    )
                )
        except IntegrityError:
            # Created by somebody else in between: then its own record decides.
            return await self._records.refresh(identity) or "unknown"
        return await self._records.refresh(identity) or "unknown"

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

    def _full(self, address: str) -> bool:
        waiting = self._waiting()
        same = sum(self._addresses.get(record.identity) == address for record in waiting)
        limits = self._limits
        return len(waiting) >= limits.pending_stations or same >= limits.pending_per_address
