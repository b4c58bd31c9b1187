"""The keeper of changes: takes each step of a change when the one before is done.

What it waits for are events: the answer to its command, a certificate that was installed, a login.
All it knows of a change is its row, so after a restart it goes on where the row stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.security.handover import (
    fail,
    finish,
    forget_password,
    next_step,
    running_change,
)
from csms.security.rules import verdict_on, verdict_on_login
from models.clocks import Clock
from models.facts import OutcomeStatus
from models.ids import IdMaker
from models.tables.ledger import Command
from models.tables.security import SecurityChange
from models.tables.stations import Station


class _CommandNote(msgspec.Struct):
    id: str
    station: str
    state: str
    outcome: OutcomeStatus | None = None
    error_code: str | None = None
    detail: str | None = None


class _LoginNote(msgspec.Struct):
    identity: str
    security_profile: int
    next_password: bool


class _CertificateNote(msgspec.Struct):
    station: str
    why: str | None = None


class _ChangeNote(msgspec.Struct):
    station: str
    state: str


class ChangeKeeper:
    """Brings changes of logins to their end."""

    follows = frozenset(
        {
            "command.answered",
            "command.failed",
            "certificate.installed",
            "certificate.failed",
            "certificate.refused",
            "station.logged_in",
            "security_change.updated",
        }
    )

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        disconnect: Callable[[str], Awaitable[bool]],
        station_changed: Callable[[str], None],
    ) -> None:
        """Takes where changes stand, and how the door closes connections and reads records."""
        self._db = db
        self._clock = clock
        self._ids = ids
        self._disconnect = disconnect
        self._station_changed = station_changed
        self._running: dict[str, str] = {}
        """By station, the tenant; most events are of stations that nobody changes."""

    async def start(self) -> None:
        """Goes on with the changes that a former process has left."""
        query = sa.select(SecurityChange).where(SecurityChange.state == "running")
        async with self._db.read() as session:
            rows = list(await session.scalars(query))
            commands = {
                row.station: await session.get(Command, row.command_id)
                for row in rows
                if row.command_id is not None
            }
        self._running.update({row.station: row.tenant_id for row in rows})
        for command in commands.values():
            if command is not None and command.state in {"answered", "failed", "unknown"}:
                await self._answered(msgspec.convert(command, _CommandNote, from_attributes=True))

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type == "security_change.updated":
            told = msgspec.json.decode(note.resource, type=_ChangeNote)
            if told.state == "running":
                self._running[told.station] = note.tenant
            else:
                self._running.pop(told.station, None)
        elif note.type.startswith("command."):
            await self._answered(msgspec.json.decode(note.resource, type=_CommandNote))
        elif note.type == "station.logged_in":
            await self._logged_in(msgspec.json.decode(note.resource, type=_LoginNote))
        else:
            certificate = msgspec.json.decode(note.resource, type=_CertificateNote)
            await self._certified(certificate, good=note.type == "certificate.installed")

    async def _answered(self, told: _CommandNote) -> None:
        """Goes on after the answer to the command of a step."""
        if told.station not in self._running:
            return
        leaves = False
        async with self._write(told.station) as work:
            row = await running_change(work, told.station)
            station = await work.session.get(Station, told.station, with_for_update=True)
            if row is None or station is None or row.command_id != told.id:
                return
            if row.kind == "password":
                await forget_password(work, told.id)
            refused = told.state == "failed"
            outcome = told.outcome if told.state == "answered" else None
            verdict = verdict_on(row.step, "rejected" if refused else outcome)
            if verdict == "fail":
                why = told.detail or told.error_code or "no answer"
                fail(work, row, station, f"{row.step}: {why}", not_taken=True)
            elif verdict == "next":
                sure = outcome in {"accepted", "scheduled"}
                leaves = row.kind == "password"
                row.wishes = row.wishes | {"sure": sure}
                await next_step(work, row, station)
        if leaves:
            # It comes back at once, and shows which password it has.
            await self._disconnect(told.station)
        self._station_changed(told.station)

    async def _certified(self, told: _CertificateNote, *, good: bool) -> None:
        """Goes on once the station has a certificate."""
        if told.station not in self._running:
            return
        async with self._write(told.station) as work:
            row = await running_change(work, told.station)
            station = await work.session.get(Station, told.station, with_for_update=True)
            if row is None or station is None or row.step != "certificate":
                return
            if good:
                await next_step(work, row, station)
            else:
                fail(work, row, station, f"certificate: {told.why}")
        self._station_changed(told.station)

    async def _logged_in(self, told: _LoginNote) -> None:
        """Ends a change by what a login shows."""
        if told.identity not in self._running:
            return
        async with self._write(told.identity) as work:
            row = await running_change(work, told.identity)
            station = await work.session.get(Station, told.identity, with_for_update=True)
            if row is None or station is None:
                return
            verdict, why = verdict_on_login(
                row.kind,
                target=row.target_profile,
                profile=told.security_profile,
                next_password=told.next_password,
                sure=bool(row.wishes.get("sure")),
            )
            if verdict == "next":
                # Also before the last step: its answer may have been lost with the connection.
                row.step = row.steps[-1]
                await finish(work, row, station)
            elif verdict == "fail" and row.step == row.steps[-1]:
                fail(work, row, station, why)
            else:
                return
        self._station_changed(told.identity)

    def _write(self, identity: str) -> AbstractAsyncContextManager[UnitOfWork]:
        tenant = self._running[identity]
        return self._db.write(self._clock, self._ids, actor="changes", tenant=tenant)
