"""The signer: requests that were accepted are signed, and the certificates go to their stations.

That a request was accepted is a row; so whatever ends in between is found and done at the next
start. Signing is for a `CertificateAuthority`, which may be slow: it is a task of its own, so that
neither the bus nor the start of the house waits for it. What the station says to its certificate is
noted; whether it can log in with it is seen at the door (`csms.security.intake`).
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.certificates import CertificateAuthority, read_certificate, read_request
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.security.actions import announce
from models.clocks import Activity, Clock
from models.commands.upkeep import InstallSignedCertificate
from models.errors import FleetError
from models.ids import IdMaker
from models.tables.security import StationCertificate

_EXPIRES_S = 3600.0
_WAITING_MAX = 1_000
"""Requests that wait in memory; the others wait in the table, where all of them are."""
_AT_ONCE = 4
"""Requests that an authority has before it at a time: one that hangs does not hold up all."""

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
        activity: Activity,
        authority: CertificateAuthority,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wall = wall
        self._ids = ids
        self._activity = activity
        self._authority = authority
        self._sent: set[str] = set()
        """Commands that take certificates to stations."""
        self._waiting: dict[str, str] = {}
        """Requests to be signed, in their order, and their tenants."""
        self._more = False
        """There may be requests in the table that are not among those that wait."""
        self._filled = asyncio.Event()
        """Something is to be done; as long as it is set, the house is busy."""
        self._signing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to sign, with what a former process has left; waits for none of it."""
        query = sa.select(StationCertificate.command_id).where(StationCertificate.state == "sent")
        async with self._db.read() as session:
            self._sent.update(each for each in await session.scalars(query) if each is not None)
        loop = asyncio.get_running_loop()
        self._signing = loop.create_task(self._sign_for_ever(), name="certificates")
        self._more = True
        self._wake()

    async def stop(self) -> None:
        """Signs no more; what is left is found at the next start."""
        signing, self._signing = self._signing, None
        if signing is not None:
            signing.cancel()
            await asyncio.gather(signing, return_exceptions=True)
            self._rest()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type == "certificate.requested":
            if self._more or len(self._waiting) >= _WAITING_MAX:
                self._more = True
            else:
                self._waiting[note.subject.removeprefix("certificate/")] = note.tenant
            self._wake()
        elif note.subject.removeprefix("command/") in self._sent:
            told = msgspec.json.decode(note.resource, type=_CommandNote)
            await self._settled(told, note.tenant)

    # -- inside ------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._signing is not None and not self._filled.is_set():
            self._activity.begin()
            self._filled.set()

    def _rest(self) -> None:
        if self._filled.is_set():
            self._filled.clear()
            self._activity.end()

    async def _sign_for_ever(self) -> None:
        while True:
            await self._filled.wait()
            try:
                await self._sign_all()
            except Exception:  # noqa: BLE001 - one bad request must not stop the others
                # Such as a database that is away: the next request wakes us, and all are sought.
                self._waiting.clear()
                self._more = True
                _log.exception("signer_failed")
            self._rest()

    async def _sign_all(self) -> None:
        while self._waiting or self._more:
            if not self._waiting:
                await self._refill()
            first = list(self._waiting.items())[:_AT_ONCE]
            for certificate_id, _ in first:
                del self._waiting[certificate_id]
            async with asyncio.TaskGroup() as group:
                for certificate_id, tenant in first:
                    group.create_task(self._sign(certificate_id, tenant))

    async def _refill(self) -> None:
        """Finds what waits in the table; only while nothing is being signed: none comes twice."""
        query = (
            sa.select(StationCertificate.id, StationCertificate.tenant_id)
            .where(
                StationCertificate.state == "requested",
                StationCertificate.request.is_not(None),
            )
            .order_by(StationCertificate.id)
            .limit(_WAITING_MAX)
        )
        # Before it is read: what is asked for meanwhile may not be in it.
        self._more = False
        async with self._db.read() as session:
            found = {row.id: row.tenant_id for row in await session.execute(query)}
        self._more = self._more or len(found) == _WAITING_MAX
        self._waiting = found | self._waiting

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
        except Exception as error:  # noqa: BLE001 - it would be tried for ever
            _log.exception("certificate_not_signed", station=row.station)
            await self._fail(certificate_id, tenant, f"could not be signed: {error!r}")
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
