"""What the gateway must know of a station to let it in: loaded by one SELECT, kept in memory.

Ten thousand stations that come back at once cost no query. Whoever changes a station says so
(`Gateway.station_changed`), and the record is read anew; an identity that is not here is looked up
once more before it counts as unknown. What stations report of themselves is not here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from csms.certificates import Certificate
from csms.ledger.database import Database
from csms.ledger.work import ReadSession
from models.tables.security import SecurityChange, StationCertificate
from models.tables.stations import Station

ANY_CASE = "path-case"
_CHANGING = sa.select(SecurityChange.station).where(SecurityChange.state == "running")


@dataclass(frozen=True, slots=True)
class Proof:
    """By what a client has shown that it is a station."""

    approval: str
    """Of the station at the time."""
    secure: bool
    """It came by TLS."""
    certificate: Certificate | None = None
    """That it holds the key of, and that was good."""
    seal: str | None = None
    """Of the password that it gave."""


@dataclass(frozen=True, slots=True)
class StationRecord:
    """One station as the door sees it; see `models.tables.stations.Station` for the fields."""

    identity: str
    tenant_id: str
    approval: str
    security_profile: int
    password_hash: str | None
    changing: bool
    """How it logs in is being changed, so that each login is news."""
    next_password_hash: str | None
    """Of a password that the station may have taken; until that is known, both are good."""
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

    def profile_of(self, proof: Proof) -> int:
        """Returns the highest security profile that a login is good for."""
        if proof.certificate is not None:
            return 3
        if proof.secure:
            return 2 if proof.seal is not None else 0
        return 0 if proof.seal is None else 1

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

    def same_passwords(self, other: StationRecord) -> bool:
        """Returns whether two records take the same passwords."""
        return (self.password_hash, self.next_password_hash) == (
            other.password_hash,
            other.next_password_hash,
        )

    def takes(self, proof: Proof) -> bool:
        """Returns whether a login by this proof, which was good once, is good under this record."""
        if proof.approval != self.approval or (self.security_profile >= 2 and not proof.secure):
            return False
        if proof.certificate is not None:
            return True
        if self.approval == "pending" or self.security_profile == 0:
            return True
        passwords = (self.password_hash, self.next_password_hash)
        return self.security_profile < 3 and proof.seal is not None and proof.seal in passwords


class StationRecords:
    """All stations' records, by identity."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._records: dict[str, StationRecord] = {}
        self._caseless: dict[str, str] = {}
        """Stations that may write their name in any case, by their name in lower case."""
        self._revoked: set[str] = set()
        self._listed: frozenset[tuple[str, str]] = frozenset()
        """By issuer and serial number, what authorities outside have revoked."""
        self._owners: dict[str, str] = {}
        """By fingerprint, the station whose certificate it is."""
        self._used: set[str] = set()
        self.shared = False
        """Other services let stations in as well: what is in memory may be old."""

    async def load(self) -> None:
        """Reads all of them, once at the start."""
        for record in await self._read_all():
            self.put(record)

    async def reload(self) -> None:
        """Reads all of them again, after another service may have changed them.

        Raises:
            Unavailable: if the database is away.
        """
        before = set(self._records)
        read = {record.identity: record for record in await self._read_all()}
        for identity, record in read.items():
            known = self._records.get(identity)
            if known is not None:
                self.put(_not_back(record, known))
            elif identity not in before:
                self.put(record)
            # Else it was deleted here while we read.
        for identity in before - read.keys():
            self.forget(identity)

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
        """Reads one record anew; returns None, and forgets it, if there is no such station.

        Raises:
            Unavailable: if the database is away.
        """
        async with self._db.read() as session:
            station = await session.get(Station, identity)
            await self._read_certificates(session, StationCertificate.station == identity)
            changing = await session.scalar(_CHANGING.where(SecurityChange.station == identity))
        if station is None:
            self.forget(identity)
            return None
        record = _record(station, changing=changing is not None)
        if (before := self._records.get(identity)) is not None:
            record = _not_back(record, before)
        self.put(record)
        return record

    async def read_new(self, identities: Collection[str]) -> None:
        """Reads the records of stations that were created a moment ago, all at once.

        Raises:
            Unavailable: if the database is away.
        """
        async with self._db.read() as session:
            query = sa.select(Station).where(Station.identity.in_(identities))
            for station in await session.scalars(query):
                self.put(_record(station, changing=False))

    async def serial_number(self, identity: str) -> str | None:
        """Returns what a station has said at its Boot to be its serial number."""
        async with self._db.read() as session:
            return await session.scalar(
                sa.select(Station.serial_number).where(Station.identity == identity)
            )

    def holds(self, record: StationRecord, proof: Proof) -> bool:
        """Returns whether a login that was good is good now."""
        shown = proof.certificate
        return record.takes(proof) and (shown is None or not self.revoked(shown))

    def revoked(self, certificate: Certificate) -> bool:
        """Returns whether a certificate is taken no more."""
        return certificate.fingerprint in self._revoked or certificate.name in self._listed

    def take_list(self, listed: frozenset[tuple[str, str]]) -> None:
        """Takes what authorities outside have revoked, in the place of what was known of it."""
        self._listed = listed

    async def owner(self, fingerprint: str) -> str | None:
        """Returns the station that a certificate was issued to, or first seen with."""
        if fingerprint not in self._owners:
            async with self._db.read() as session:
                of_it = StationCertificate.fingerprint == fingerprint
                await self._read_certificates(session, of_it)
        return self._owners.get(fingerprint)

    def first_sight(self, fingerprint: str) -> bool:
        """Returns whether no station is known to have logged in with a certificate before."""
        new = fingerprint not in self._used
        self._used.add(fingerprint)
        return new

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

    async def _read_all(self) -> list[StationRecord]:
        async with self._db.read() as session:
            stations = await session.scalars(sa.select(Station))
            changing = set(await session.scalars(_CHANGING))
            await self._read_certificates(session, sa.true())
            return [_record(each, changing=each.identity in changing) for each in stations]

    async def _read_certificates(self, session: ReadSession, where: sa.ColumnElement[bool]) -> None:
        """Learns which certificates are revoked, and which have been used."""
        query = sa.select(StationCertificate).where(
            where, StationCertificate.fingerprint.is_not(None)
        )
        for row in await session.scalars(query):
            assert row.fingerprint is not None
            self._owners[row.fingerprint] = row.station
            if row.revoked_at is not None:
                self._revoked.add(row.fingerprint)
            if row.used_at is not None:
                self._used.add(row.fingerprint)


def _not_back(record: StationRecord, before: StationRecord) -> StationRecord:
    """Returns a record as read, but no older than the one before.

    Connections are counted here first, and reach the database a moment later.
    """
    epoch = max(record.epoch, before.epoch)
    return replace(record, epoch=epoch, booted=record.booted or before.booted)


def _record(station: Station, *, changing: bool) -> StationRecord:
    return StationRecord(
        identity=station.identity,
        tenant_id=station.tenant_id,
        approval=station.approval,
        security_profile=station.security_profile,
        password_hash=station.password_hash,
        changing=changing,
        next_password_hash=station.next_password_hash,
        ocpp_versions=None if station.ocpp_versions is None else tuple(station.ocpp_versions),
        strict=station.strict,
        quirks=frozenset(station.quirks),
        boot_interval_s=station.boot_interval_s,
        booted=station.booted_at is not None,
        online=station.online,
        epoch=station.epoch,
        created_at=station.created_at,
    )
