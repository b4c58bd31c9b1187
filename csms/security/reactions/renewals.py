"""The keeper of renewals: stations get a new certificate before theirs ends.

Now and then it looks for certificates that have little left, and has their stations make a new key
and ask for a certificate; what the signer does about that is not here (`csms.security.reactions.
signer`). A try that comes to nothing is said (`certificate.renewal_failed`, and once a security
event), and repeated after a while. A certificate that was issued elsewhere is renewed there: of
that one it is only said that it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import aliased

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.security.actions import announce, renew
from csms.security.queries import state_of
from csms.security.rules import ASKED, Renewal, next_of_renewal
from models.clocks import Activity, Clock
from models.errors import Unavailable
from models.ids import IdMaker
from models.tables.ledger import Command
from models.tables.security import StationCertificate
from models.tables.stations import SecurityEvent, Station

LOOK_EVERY = timedelta(hours=1)
_AT_ONCE = 200
"""Stations that one look asks at most: each makes a key and comes back."""
RENEWAL_FAILED = "certificate-renewal-failed"
"""Kind of the security event."""

_log = structlog.get_logger("certificates")


class _CommandNote(msgspec.Struct):
    state: str
    outcome: str | None = None
    error_code: str | None = None
    detail: str | None = None


class _CertificateNote(msgspec.Struct):
    id: str
    station: str
    why: str | None = None


class RenewalKeeper:
    """Has certificates renewed before they end."""

    follows = frozenset(
        {
            "certificate.installed",
            "certificate.failed",
            "certificate.refused",
            "certificate.used",
            "command.answered",
            "command.failed",
        }
    )

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        wall: Clock,
        ids: IdMaker,
        activity: Activity,
        ahead: timedelta,
    ) -> None:
        """Takes the parts of the house; `wall` is real time, by which certificates end.

        `ahead` is how long before its end a certificate is renewed, at most a third of its life.
        """
        self._db = db
        self._clock = clock
        self._wall = wall
        self._ids = ids
        self._activity = activity
        self._ahead = ahead
        self._asked: dict[str, str] = {}
        """By station, the certificate that is being renewed; most that is heard is of others."""
        self._commands: dict[str, str] = {}
        """By command that asks for it, the certificate."""
        self._turn = asyncio.Lock()
        """What a station answers is not heard before it is remembered that it was asked."""
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Goes on where a former process has stopped, and begins to look."""
        query = sa.select(StationCertificate).where(StationCertificate.renewal == ASKED)
        async with self._db.read() as session:
            for row in await session.scalars(query):
                self._remember(row)
        await self.look()
        loop = asyncio.get_running_loop()
        self._looking = loop.create_task(self._look_for_ever(), name="renewals")

    async def stop(self) -> None:
        """Looks no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        async with self._turn:
            if note.type.startswith("command."):
                await self._answered(note)
                return
            told = msgspec.json.decode(note.resource, type=_CertificateNote)
            if note.type in {"certificate.installed", "certificate.used"}:
                await self._renewed(told, note.tenant)
            else:
                await self._not_renewed(told, note.tenant)

    async def look(self) -> None:
        """Asks stations whose certificates have little left, and judges those that were asked."""
        async with self._turn:
            async with self._db.read() as session:
                rows = list(await session.scalars(_ending(self._wall, self._ahead)))
            # First those that stand in need: many that wait must not keep later ones from it.
            needy = [row for row in rows if self._next(row) != "wait"]
            for row in needy[:_AT_ONCE]:
                async with self._changing(row.id, row.tenant_id) as (work, fresh):
                    self._go_on(work, fresh)

    # -- inside ------------------------------------------------------------------------------

    async def _look_for_ever(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)
            with self._activity.busy():
                try:
                    await self.look()
                except Unavailable as error:
                    _log.warning("renewals_waiting", error=error.detail)
                except Exception:  # noqa: BLE001 - whatever broke one look, the next one comes
                    _log.exception("renewals_failed")

    def _next(self, row: StationCertificate) -> Renewal:
        return next_of_renewal(
            state_of(row), now=self._clock.now(), real_now=self._wall.now(), ahead=self._ahead
        )

    def _go_on(self, work: UnitOfWork, row: StationCertificate) -> None:
        step = self._next(row)
        if step == "tell":
            row.renewal, row.renewal_at = "elsewhere", work.now
            announce(work, "certificate.expiring", row, self._wall)
        elif step == "ask":
            first = row.renewal is None
            row.renewal, row.renewal_why, row.renewal_at = ASKED, None, work.now
            row.renewal_tries = (row.renewal_tries or 0) + 1
            row.renewal_command_id = renew(work, row.station, origin="rule")
            self._remember(row)
            announce(
                work,
                "certificate.expiring" if first else "certificate.renewal_asked",
                row,
                self._wall,
            )
        elif step == "give-up":
            _fail(work, row, "no new certificate came of it in time", self._wall)

    async def _answered(self, note: EventNote) -> None:
        """Takes what a station says to being asked; that it agrees is not that it has done it."""
        certificate_id = self._commands.pop(note.subject.removeprefix("command/"), None)
        if certificate_id is None:
            return
        told = msgspec.json.decode(note.resource, type=_CommandNote)
        if told.state == "answered" and told.outcome in {"accepted", "scheduled"}:
            return
        async with self._changing(certificate_id, note.tenant) as (work, row):
            why = told.detail or told.error_code or "no answer"
            _fail(work, row, f"the station does not renew it: {why}", self._wall)

    async def _renewed(self, new: _CertificateNote, tenant: str) -> None:
        """Takes note that a station has a new certificate, whoever had the idea."""
        query = sa.select(StationCertificate.id).where(
            StationCertificate.station == new.station,
            StationCertificate.id < new.id,
            StationCertificate.renewal.in_((ASKED, "failed")),
        )
        async with self._db.read() as session:
            old_ones = list(await session.scalars(query))
        for old in old_ones:
            async with self._changing(old, tenant) as (work, row):
                row.renewal, row.renewal_why, row.renewal_at = "renewed", None, work.now
                announce(work, "certificate.renewed", row, self._wall)

    async def _not_renewed(self, new: _CertificateNote, tenant: str) -> None:
        """Takes note that a try has failed; an answer that was lost may have been a yes."""
        old = self._asked.get(new.station)
        if old is None:
            return
        lost = (
            sa.select(Command.id)
            .join(StationCertificate, StationCertificate.command_id == Command.id)
            .where(StationCertificate.id == new.id, Command.state == "unknown")
        )
        async with self._db.read() as session:
            if await session.scalar(lost) is not None:
                return
        async with self._changing(old, tenant) as (work, row):
            _fail(work, row, new.why or "no reason told", self._wall)

    def _remember(self, row: StationCertificate) -> None:
        self._asked[row.station] = row.id
        if row.renewal_command_id is not None:
            self._commands[row.renewal_command_id] = row.id

    @asynccontextmanager
    async def _changing(
        self, certificate_id: str, tenant: str
    ) -> AsyncGenerator[tuple[UnitOfWork, StationCertificate]]:
        """Changes a certificate's row, which is always there: none is ever deleted."""
        async with self._db.write(self._clock, self._ids, actor="renewals", tenant=tenant) as work:
            row = await work.session.get(StationCertificate, certificate_id, with_for_update=True)
            assert row is not None
            yield work, row
            row.updated_at = work.now
            if row.renewal != ASKED:
                self._asked.pop(row.station, None)


def _ending(wall: Clock, ahead: timedelta) -> sa.Select[StationCertificate]:
    """Finds each station's certificate that ends last, where that may be soon.

    Those of which no look makes anything any more (`next_of_renewal`) are left out: they stay in
    the table for good.
    """
    now, later = wall.now(), aliased(StationCertificate)
    state, ended = StationCertificate.renewal, StationCertificate.not_after <= now
    done = (state == "elsewhere") | ((state == "failed") & ended)
    replaced = sa.select(later.id).where(
        later.station == StationCertificate.station,
        later.state == "installed",
        later.revoked_at.is_(None),
        later.not_after > StationCertificate.not_after,
    )
    return (
        sa.select(StationCertificate)
        .join(Station, Station.identity == StationCertificate.station)
        .where(
            Station.approval == "accepted",
            Station.tenant_id == StationCertificate.tenant_id,
            StationCertificate.state == "installed",
            StationCertificate.revoked_at.is_(None),
            StationCertificate.not_after <= now + ahead,
            state.is_(None) | ~done,
            ~replaced.exists(),
        )
        .order_by(StationCertificate.not_after, StationCertificate.id)
    )


def _fail(work: UnitOfWork, row: StationCertificate, why: str, wall: Clock) -> None:
    """Notes that a try came to nothing; the first time it is a security event."""
    if row.renewal != ASKED:
        return
    row.renewal, row.renewal_why, row.renewal_at = "failed", why, work.now
    announce(work, "certificate.renewal_failed", row, wall)
    if row.renewal_tries == 1:
        work.session.add(
            SecurityEvent(
                station=row.station,
                type=RENEWAL_FAILED,
                source="gateway",
                happened_at=work.now,
                received_at=work.now,
                detail=why,
            )
        )
