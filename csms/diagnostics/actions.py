"""Asking stations for logs, and what is written down of them.

A station has one log under way at most: those who ask for one take turns, station by station, and
the database has a unique index beside it. The address that a station uploads to is known to nobody
but it: we keep a keyed hash of its token.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from csms.diagnostics.queries import log_state, show_log
from csms.diagnostics.rules import OPEN, LogState, name_of_file, received
from csms.diagnostics.store import Stored
from csms.ledger.work import UnitOfWork
from models.commands.upkeep import LogKind, UploadLog
from models.errors import Conflict
from models.tables.diagnostics import StationLog
from models.tables.stations import Station

ORDER_EXPIRES_S = 60.0
"""Life time for which a station that has just been there is waited for."""
TOKEN_PURPOSE = "upload"  # noqa: S105 - a purpose of `Keyring.keyed_hash`, no secret


class LogWish(msgspec.Struct, frozen=True, kw_only=True):
    """A log as somebody wants it."""

    kind: LogKind
    from_at: datetime | None
    until_at: datetime | None
    retries: int | None
    retry_interval_s: int | None
    location: str | None
    """Where the station is to bring it; None: to us."""


class UploadAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a station brings a log to us: good for one file."""

    url: str
    token_hash: str


async def request_log(
    work: UnitOfWork,
    station: Station,
    wish: LogWish,
    *,
    address: UploadAddress | None,
    valid_for: timedelta,
) -> StationLog:
    """Asks a station for a log.

    Args:
        work: the unit of work.
        station: its row.
        wish: what is wanted.
        address: of ours; None where the wish has a location of its own.
        valid_for: how long the station has for it.

    Raises:
        Conflict: `station-offline`; `no-public-url` where nobody knows our own address;
            `log-running` while another one is under way.
    """
    identity = station.identity
    await take_station(work, identity)
    if not station.online:
        raise Conflict(f"the station {identity} is not connected", code="station-offline")
    location = wish.location or (address and address.url)
    if location is None:
        detail = "the setting public_url says where stations reach us; it is not set"
        raise Conflict(detail, code="no-public-url")
    mine = StationLog.station == identity
    query = sa.select(StationLog.id).where(mine, StationLog.state.in_(OPEN))
    if (other := await work.session.scalar(query)) is not None:
        raise Conflict(f"the log {other} of {identity} is not over", code="log-running")
    last = await work.session.scalar(sa.select(sa.func.max(StationLog.request_id)).where(mine))
    order = UploadLog(
        kind=wish.kind,
        request_id=(last or 0) + 1,
        location=location,
        from_at=wish.from_at,
        until_at=wish.until_at,
        retries=wish.retries,
        retry_interval_s=wish.retry_interval_s,
    )
    row = StationLog(
        id=work.ids.new(),
        tenant_id=work.tenant,
        station=identity,
        kind=wish.kind,
        request_id=order.request_id,
        command_id=work.order(order, station=identity, origin="api", expires_in_s=ORDER_EXPIRES_S),
        location=wish.location,
        token_hash=address.token_hash if address and wish.location is None else None,
        from_at=wish.from_at,
        until_at=wish.until_at,
        retries=wish.retries,
        retry_interval_s=wish.retry_interval_s,
        state="requested",
        created_at=work.now,
        expires_at=work.now + valid_for,
        version=1,
        updated_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    await announce_log(work, "station_log.requested", station, row)
    return row


async def take_station(work: UnitOfWork, identity: str) -> None:
    """Waits for the turn to see to the logs of a station."""
    await work.take_turn(f"logs of {identity}")


async def keep_file(work: UnitOfWork, station: Station, row: StationLog, stored: Stored) -> None:
    """Writes down that the file of a log is here."""
    row.file_name = name_of_file(row.station, _kind(row), row.created_at, stored.head)
    row.size_bytes = stored.size_bytes
    row.sha256 = stored.sha256
    await keep_log(work, station, row, received(log_state(row), work.now))


async def keep_log(work: UnitOfWork, station: Station, row: StationLog, after: LogState) -> None:
    """Writes down what is known of a log, and says so."""
    over = row.ended_at is None and after.ended_at is not None
    arrived = row.received_at is None and after.received_at is not None
    for name in ("state", "status", "why", "received_at", "ended_at"):
        setattr(row, name, getattr(after, name))
    row.version += 1
    row.updated_at = work.now
    await work.session.flush()
    event = "station_log.ended" if over or arrived else "station_log.changed"
    await announce_log(work, event, station, row)


async def delete_log(work: UnitOfWork, station: Station, row: StationLog) -> None:
    """Forgets a log; its address is good no more. Its file is the caller's to remove."""
    await announce_log(work, "station_log.deleted", station, row)
    await work.session.delete(row)
    await work.session.flush()


async def announce_log(work: UnitOfWork, event: str, station: Station, row: StationLog) -> None:
    """Says what became true of a log."""
    shown = await show_log(work.session, row)
    work.emit(event, subject=f"station_log/{row.id}", resource=shown, site_id=station.site_id)


def _kind(row: StationLog) -> LogKind:
    return "security" if row.kind == "security" else "diagnostics"
