"""What the gateway must know of a station to let it in: loaded by one SELECT, kept in memory.

Ten thousand stations that come back at once cost no query. Whoever changes a station says so
(`Gateway.station_changed`), and the record is read anew; an identity that is not here is looked up
once more before it counts as unknown. What stations report of themselves is not here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from csms.ledger.database import Database
from models.tables.stations import Station

ANY_CASE = "path-case"


@dataclass(frozen=True, slots=True)
class StationRecord:
    """One station as the door sees it; see `models.tables.stations.Station` for the fields."""

    identity: str
    tenant_id: str
    approval: str
    security_profile: int
    password_hash: str | None
    ocpp_versions: tuple[str, ...] | None
    strict: bool
    quirks: frozenset[str]
    boot_interval_s: int
    booted: bool
    """It has been accepted at a Boot before."""
    online: bool
    """It was connected when the record was read."""
    epoch: int
    created_at: datetime

    @property
    def accepted(self) -> bool:
        """It is one of ours: an operator has created or approved it."""
        return self.approval == "accepted"

    def forgives(self, quirk: str) -> bool:
        """Returns whether its record has this quirk, and quirks count for it."""
        return not self.strict and quirk in self.quirks

    def admits(self, subprotocol: str) -> bool:
        """Returns whether it may speak this version."""
        return self.ocpp_versions is None or subprotocol in self.ocpp_versions

    def same_credentials(self, other: StationRecord) -> bool:
        """Returns whether a login under one record would be one under the other too."""
        return (self.approval, self.security_profile, self.password_hash) == (
            other.approval,
            other.security_profile,
            other.password_hash,
        )


class StationRecords:
    """All stations' records, by identity."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._records: dict[str, StationRecord] = {}
        self._caseless: dict[str, str] = {}
        """Stations that may write their name in any case, by their name in lower case."""

    async def load(self) -> None:
        """Reads all of them, once at the start."""
        async with self._db.read() as session:
            stations = await session.scalars(sa.select(Station))
            for station in stations:
                self.put(_record(station))

    def known(self, identity: str) -> StationRecord | None:
        """Returns the record in memory."""
        return self._records.get(identity)

    def called(self, name: str) -> StationRecord | None:
        """Returns the record of a station that calls itself so."""
        record = self._records.get(name)
        if record is None and self._caseless:
            record = self._records.get(self._caseless.get(name.lower(), ""))
        return record

    async def refresh(self, identity: str) -> StationRecord | None:
        """Reads one record anew; returns None, and forgets it, if there is no such station."""
        async with self._db.read() as session:
            station = await session.get(Station, identity)
        if station is None:
            self.forget(identity)
            return None
        record = _record(station)
        self.put(record)
        return record

    def put(self, record: StationRecord) -> None:
        """Takes a record that has just been written."""
        self._records[record.identity] = record
        small = record.identity.lower()
        if record.forgives(ANY_CASE):
            self._caseless[small] = record.identity
        elif self._caseless.get(small) == record.identity:
            del self._caseless[small]

    def forget(self, identity: str) -> None:
        """Drops a record whose station is no more."""
        self._records.pop(identity, None)
        if self._caseless.get(identity.lower()) == identity:
            del self._caseless[identity.lower()]

    def all(self) -> Collection[StationRecord]:
        """Returns every record."""
        return self._records.values()


def _record(station: Station) -> StationRecord:
    return StationRecord(
        identity=station.identity,
        tenant_id=station.tenant_id,
        approval=station.approval,
        security_profile=station.security_profile,
        password_hash=station.password_hash,
        ocpp_versions=None if station.ocpp_versions is None else tuple(station.ocpp_versions),
        strict=station.strict,
        quirks=frozenset(station.quirks),
        boot_interval_s=station.boot_interval_s,
        booted=station.booted_at is not None,
        online=station.online,
        epoch=station.epoch,
        created_at=station.created_at,
    )
