"""The signer: requests that were accepted are signed, and the certificates go to their stations.

That a request was accepted is a row; so whatever ends in between is found and done at the next
start. Signing is for a `CertificateAuthority`. What the station says to its certificate is noted;
whether it can log in with it is seen at the door (`csms.security.intake`).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.certificates import CertificateAuthority, read_certificate, read_request
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.security.actions import announce
from models.clocks import Clock
from models.commands.upkeep import InstallSignedCertificate
from models.errors import FleetError
from models.ids import IdMaker
from models.tables.security import StationCertificate

_EXPIRES_S = 3600.0

_log = structlog.get_logger("certificates")


class _CommandNote(msgspec.Struct):
    id: str
    state: str
    outcome: str | None = None
    error_code: str | None = None
    detail: str | None = None


class CertificateSigner:
    """Has certificates signed and sent."""

    follows = frozenset({"certificate.requested", "command.answered", "command.failed"})

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        wall: Clock,
        ids: IdMaker,
        authority: CertificateAuthority,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wall = wall
        self._ids = ids
        self._authority = authority
        self._sent: set[str] = set()
        """Commands that take certificates to stations."""

    async def start(self) -> None:
        """Does what a former process has left."""
        query = sa.select(StationCertificate).where(
            StationCertificate.state.in_(("requested", "sent"))
        )
        async with self._db.read() as session:
            rows = list(await session.scalars(query))
        self._sent.update(row.command_id for row in rows if row.command_id is not None)
        for row in rows:
            if row.state == "requested":
                await self._sign(row.id, row.tenant_id)

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type == "certificate.requested":
            await self._sign(note.subject.removeprefix("certificate/"), note.tenant)
        elif note.subject.removeprefix("command/") in self._sent:
            told = msgspec.json.decode(note.resource, type=_CommandNote)
            await self._settled(told, note.tenant)

    async def _sign(self, certificate_id: str, tenant: str) -> None:
        async with self._db.read() as session:
            row = await session.get(StationCertificate, certificate_id)
        if row is None or row.state != "requested" or row.request is None:
            return
        try:
            # Never within a unit of work: all stations wait for that.
            pem = await self._authority.sign(read_request(row.request))
            signed = read_certificate(pem)
        except FleetError as error:
            _log.error("certificate_not_signed", station=row.station, error=error.detail)
            await self._fail(certificate_id, tenant, f"could not be signed: {error.detail}")
            return
        async with self._write(tenant) as work:
            row = await work.session.get(StationCertificate, certificate_id, with_for_update=True)
            if row is None or row.state != "requested":
                return
            row.state = "sent"
            row.fingerprint, row.serial = signed.fingerprint, signed.serial
            row.issuer, row.pem = signed.issuer, pem
            row.not_before, row.not_after = signed.not_before, signed.not_after
            row.updated_at = work.now
            command = InstallSignedCertificate(chain=pem, request_id=row.request_id)
            command_id = row.command_id = work.order(
                command, station=row.station, origin="rule", expires_in_s=_EXPIRES_S
            )
            # Before the commit: the answer may be heard before this goes on.
            self._sent.add(command_id)
            announce(work, "certificate.sent", row, self._wall)

    async def _settled(self, told: _CommandNote, tenant: str) -> None:
        self._sent.discard(told.id)
        query = sa.select(StationCertificate).where(StationCertificate.command_id == told.id)
        async with self._write(tenant) as work:
            row = await work.session.scalar(query.with_for_update())
            if row is None or row.state != "sent":
                return
            taken = told.state == "answered" and told.outcome in {"accepted", "scheduled"}
            row.state = "installed" if taken else "failed"
            if not taken:
                row.why = f"the station did not take it: {told.detail or told.error_code}"
            row.updated_at = work.now
            event = "certificate.installed" if taken else "certificate.failed"
            announce(work, event, row, self._wall)

    async def _fail(self, certificate_id: str, tenant: str, why: str) -> None:
        async with self._write(tenant) as work:
            row = await work.session.get(StationCertificate, certificate_id, with_for_update=True)
            if row is not None and row.state == "requested":
                row.state, row.why, row.updated_at = "failed", why, work.now
                announce(work, "certificate.failed", row, self._wall)

    def _write(self, tenant: str) -> AbstractAsyncContextManager[UnitOfWork]:
        return self._db.write(self._clock, self._ids, actor="certificates", tenant=tenant)
