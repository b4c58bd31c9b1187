"""The keeper of updates: brings together what stations answer and tell, and what follows from it.

All that it knows is rows: what a station tells lies in `firmware_notice` until it has been looked
at. `look` compares everything there is of one station by the rules in
`csms.updates.rules.firmware`, whatever has woken it, so that after a restart it goes on as if there
had been none.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.updates.actions import keep_update, take_station
from csms.updates.queries import fate_of, update_state, updates_of
from csms.updates.rules.firmware import (
    OPEN,
    UpdateState,
    addressed,
    answered,
    booted,
    silent,
    told,
)
from models.alarm import Alarm
from models.clocks import Activity, Clock
from models.commands import TriggerMessage
from models.ids import IdMaker
from models.tables.stations import Station
from models.tables.updates import FirmwareNotice, FirmwareUpdate

RETRY = timedelta(minutes=1)
_EXPIRES_S = 60.0

_log = structlog.get_logger("firmware")


class _CommandNote(msgspec.Struct):
    """What this module reads of a command's resource; a limit that was not kept has no kind."""

    station: str
    kind: str = ""


class _UpdateNote(msgspec.Struct):
    station: str


class UpdateKeeper:
    """Keeps the firmware updates of all stations."""

    follows = frozenset(
        {
            "firmware.reported",
            "firmware_update.requested",
            "station.booted",
            "station.caught_up",
            "command.answered",
            "command.failed",
        }
    )

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._watched: set[str] = set()
        """Stations of whose updates there is more to be known; few of those that boot are."""
        self._turn = asyncio.Lock()
        """The alarm does not come between a note and what follows from it."""
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="firmware")

    async def start(self) -> None:
        """Goes on where a former process has stopped."""
        unknown_yet = sa.and_(
            FirmwareUpdate.state == "installed", FirmwareUpdate.firmware_after.is_(None)
        )
        updates = sa.select(FirmwareUpdate.station).where(
            sa.or_(FirmwareUpdate.state.in_(OPEN), unknown_yet)
        )
        notices = sa.select(FirmwareNotice.station).where(FirmwareNotice.handled.is_(False))
        async with self._db.read() as session:
            self._watched.update(await session.scalars(sa.union(updates, notices)))
        if self._watched:
            self._alarm.set(self._clock.now())

    async def stop(self) -> None:
        """Stops; what comes meanwhile is looked at when it starts again."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        async with self._turn:
            identity = self._concerned(note)
            if identity is None:
                return
            try:
                await self._look(identity, note.tenant, asks=note.type == "station.caught_up")
            except Exception:
                # Nobody tells it again, and it may have been the station's last word.
                self._watched.add(identity)
                self._alarm.set(self._clock.now() + RETRY)
                raise

    def _concerned(self, note: EventNote) -> str | None:
        """Returns the station of whose updates an event may tell something; None: of none."""
        if note.type.startswith("command."):
            command = msgspec.json.decode(note.resource, type=_CommandNote)
            return command.station if command.kind == "UpdateFirmware" else None
        if note.type == "firmware_update.requested":
            identity = msgspec.json.decode(note.resource, type=_UpdateNote).station
            self._watched.add(identity)
            return identity
        identity = note.subject.removeprefix("station/")
        concerns = note.type == "firmware.reported" or identity in self._watched
        return identity if concerns else None

    async def _look(self, identity: str, tenant: str, *, asks: bool = False) -> None:
        """Finds out what follows for the updates of a station.

        Args:
            identity: of the station.
            tenant: whose it is.
            asks: whether it has been away and is to say anew how far it is.
        """
        async with self._db.write(self._clock, self._ids, actor="firmware", tenant=tenant) as work:
            await take_station(work, identity)
            station = await work.session.get(Station, identity)
            if station is None:
                self._watched.discard(identity)
                return
            rows = await updates_of(work.session, identity)
            before = {row.id: update_state(row) for row in rows}
            known = await _told(work, station, list(before.values()))
            if rows:
                newest = rows[0]
                known[newest.id] = await _judged(work, station, newest, known[newest.id])
            for row in rows:
                if known[row.id] != before[row.id]:
                    await keep_update(work, station, row, known[row.id])
            self._watch(identity, known[rows[0].id] if rows else None)
            if asks and rows and known[rows[0].id].is_open and station.online:
                order = TriggerMessage(message="FirmwareStatusNotification")
                work.order(order, station=identity, origin="rule", expires_in_s=_EXPIRES_S)

    def _watch(self, identity: str, newest: UpdateState | None) -> None:
        """Remembers whether there is more to be known of a station."""
        if newest is None or not (
            newest.is_open or (newest.state == "installed" and newest.firmware_after is None)
        ):
            self._watched.discard(identity)
            return
        self._watched.add(identity)
        if newest.is_open:
            self._alarm.set(newest.given_up_at)

    async def _ring(self) -> None:
        """Looks at all stations of which there is more to be known."""
        async with self._turn:
            try:
                await self._look_at_all()
            except Exception:  # noqa: BLE001 - one bad round must not end the rounds
                _log.exception("updates_waiting")
                self._alarm.set(self._clock.now() + RETRY)

    async def _look_at_all(self) -> None:
        query = sa.select(Station.identity, Station.tenant_id)
        async with self._db.read() as session:
            found = await session.execute(query.where(Station.identity.in_(self._watched)))
            tenants = {row.identity: row.tenant_id for row in found}
        self._watched.intersection_update(tenants)
        for identity, tenant in sorted(tenants.items()):
            await self._look(identity, tenant)


async def _judged(
    work: UnitOfWork, station: Station, row: FirmwareUpdate, update: UpdateState
) -> UpdateState:
    """Returns the newest update of a station after its command, its Boot and its silence."""
    if update.state == "requested":
        fate = await fate_of(work.session, row.command_id)
        if fate is not None:
            update = answered(update, fate, work.now)
    if station.booted_at is not None:
        update = booted(update, station.firmware_version, station.booted_at)
    return silent(update, work.now)


async def _told(
    work: UnitOfWork, station: Station, updates: list[UpdateState]
) -> dict[str, UpdateState]:
    """Returns updates after all that their station has told and was not looked at yet."""
    known = {each.id: each for each in updates}
    query = sa.select(FirmwareNotice).where(
        FirmwareNotice.station == station.identity, FirmwareNotice.handled.is_(False)
    )
    for notice in await work.session.scalars(query.order_by(FirmwareNotice.id)):
        notice.handled = True
        asked_before = [each for each in known.values() if each.created_at <= notice.received_at]
        update = addressed(asked_before, notice.status, notice.request_id)
        if update is not None:
            notice.update_id = update.id
            known[update.id] = told(
                update, notice.status, station.firmware_version, notice.received_at
            )
    return known
