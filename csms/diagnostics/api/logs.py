"""REST: `/stations/{identity}/logs`, and the files that have come."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime, Field, model_validator
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from csms.diagnostics.actions import (
    TOKEN_PURPOSE,
    LogWish,
    UploadAddress,
    delete_log,
    request_log,
)
from csms.diagnostics.queries import show_log, show_logs
from csms.diagnostics.store import UploadStore
from csms.updates.api.documents import Duration, Location, StatusShown
from csms.web.documents import Document, Instant, Shown
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.services import Services, services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work, after_commit
from models.commands.upkeep import LogKind
from models.errors import NotFound
from models.states import StationLogState
from models.tables.diagnostics import StationLog
from models.tables.stations import Station

router = api_router("diagnostics", prefix="/stations")


class NewStationLog(Document):
    """A log that a station is to bring."""

    kind: LogKind = "diagnostics"
    from_at: Instant | None = None
    """What is older is not wanted."""
    until_at: Instant | None = None
    """What is later is not wanted."""
    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    """How often the station tries again to upload it."""
    retry_interval: Duration | None = None
    location: Location | None = None
    """Where the station is to bring it instead, for one that can't upload by HTTP."""

    @model_validator(mode="after")
    def _some_time(self) -> NewStationLog:
        if self.from_at and self.until_at and self.until_at <= self.from_at:
            raise ValueError("until_at is after from_at")
        return self

    def wish(self) -> LogWish:
        """Returns it as the house knows it."""
        length = self.retry_interval
        seconds = None if length is None else round(length.total_seconds())
        values = self.model_dump(exclude={"retry_interval"})
        return LogWish(**values, retry_interval_s=seconds)


class StationLogShown(Shown):
    """A log of a station and what became of it."""

    id: str
    station: str
    kind: LogKind
    request_id: int
    location: str | None
    """Null: it comes to us."""
    from_at: AwareDatetime | None
    until_at: AwareDatetime | None
    retries: int | None
    retry_interval: timedelta | None
    state: StationLogState
    status: str | None
    """The last that the station has told, in the words of OCPP."""
    why: str | None
    history: list[StatusShown]
    file_name: str | None
    """Null: no file is here."""
    size_bytes: int | None
    sha256: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    """Until when the file may come."""
    received_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


class LogsQuery(ListQuery):
    """Filters of the list of logs; the newest comes first unless `sort` says otherwise."""

    state: StationLogState | None = None
    kind: LogKind | None = None


@router.post(
    "/{identity}/logs",
    status_code=201,
    response_model=StationLogShown,
    dependencies=[may("operate")],
)
async def post_log(request: Request, work: Work, identity: str, body: NewStationLog) -> Response:
    """Ask a station that is connected to upload a log of its own."""
    services = services_of(request)
    station = await find_row(work.session, Station, identity, work.tenant)
    row = await request_log(
        work,
        station,
        body.wish(),
        address=_address(services),
        valid_for=timedelta(minutes=services.settings.upload_valid_minutes),
    )
    path = f"{BASE}/stations/{quote(identity, safe='')}/logs/{row.id}"
    shown = await show_log(work.session, row)
    return reply(shown, status=201, version=row.version, location=path)


@router.get("/{identity}/logs", response_model=Page[StationLogShown], dependencies=[may("read")])
async def list_logs(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[LogsQuery, Query()]
) -> Response:
    """List the logs that a station was asked for, with what it has told of each."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(StationLog).where(StationLog.station == identity)
    statement = filtered(statement, query, StationLog.state, StationLog.kind)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"created_at": StationLog.created_at, "updated_at": StationLog.updated_at},
        key=(StationLog.id,),
        updated=(StationLog.updated_at,),
        default="-created_at",
    )
    return reply_page(await show_logs(session, rows), cursor)


@router.get("/{identity}/logs/{log_id}", response_model=StationLogShown, dependencies=[may("read")])
async def get_log(session: Reading, caller: CallerNow, identity: str, log_id: str) -> Response:
    """Show a log that a station was asked for."""
    row = await find_row(session, StationLog, log_id, caller.tenant)
    _check_owner(row, identity)
    return reply(await show_log(session, row), version=row.version)


@router.get("/{identity}/logs/{log_id}/file", dependencies=[may("operate")])
async def get_log_file(
    request: Request, session: Reading, caller: CallerNow, identity: str, log_id: str
) -> Response:
    """Download the file of a log."""
    row = await find_row(session, StationLog, log_id, caller.tenant)
    _check_owner(row, identity)
    path = _store(services_of(request)).path_of(row.id)
    if row.file_name is None or not await asyncio.to_thread(path.is_file):
        raise NotFound(f"the log {log_id} has no file here")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=row.file_name,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )


@router.delete("/{identity}/logs/{log_id}", status_code=204, dependencies=[may("operate")])
async def remove_log(request: Request, work: Work, identity: str, log_id: str) -> Response:
    """Delete a log with its file; one that is on its way can come no more."""
    row = await find_for_change(work, StationLog, log_id)
    _check_owner(row, identity)
    check_if_match(request, row.version)
    station = await find_row(work.session, Station, identity, work.tenant)
    await delete_log(work, station, row)
    store = _store(services_of(request))
    after_commit(request, lambda: store.drop(store.path_of(log_id)))
    return no_content()


def _check_owner(row: StationLog, identity: str) -> None:
    if row.station != identity:
        raise NotFound(f"the station {identity} has no log {row.id}")


def _store(services: Services) -> UploadStore:
    return UploadStore(services.settings.upload_folder)


def _address(services: Services) -> UploadAddress | None:
    """Returns a fresh address of ours; None where nobody has said how stations reach us."""
    if services.settings.public_url is None:
        return None
    token = services.keyring.new_password()  # as unguessable as a station's
    return UploadAddress(
        url=f"{services.settings.public_url}/uploads/{token}",
        token_hash=services.keyring.keyed_hash(TOKEN_PURPOSE, token),
    )
