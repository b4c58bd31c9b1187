"""`/uploads/{token}`: where stations bring the logs that they were asked for.

No API key: the token is the right to bring one file, and nothing else. 1.6 says that the address is
a folder, so that stations may put a name of theirs behind it, which is not looked at.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from csms.diagnostics.actions import TOKEN_PURPOSE, keep_file, take_station
from csms.diagnostics.store import Stored, TooBig, UploadStore
from csms.web.problem import TooLarge
from csms.web.reply import reply
from csms.web.services import Services, services_of
from models.errors import BadInput, Conflict, NotFound
from models.tables.diagnostics import StationLog
from models.tables.stations import Station

MIB = 1024 * 1024
_METHODS = ["PUT", "POST"]

router = APIRouter(include_in_schema=False)


@router.api_route("/uploads/{token}", methods=_METHODS)
@router.api_route("/uploads/{token}/{name:path}", methods=_METHODS)
async def take_upload(request: Request, token: str) -> Response:
    """Take the one file that an address is good for."""
    services = services_of(request)
    token_hash = services.keyring.keyed_hash(TOKEN_PURPOSE, token)
    async with services.db.read() as session:
        query = sa.select(StationLog).where(StationLog.token_hash == token_hash)
        row = _usable(await session.scalar(query), services.clock.now())
    max_bytes = services.settings.upload_max_mib * MIB
    _check_head(request, max_bytes)
    store = UploadStore(services.settings.upload_folder)
    try:
        stored = await store.take(row.id, services.ids.new(), request.stream(), max_bytes=max_bytes)
    except TooBig:
        raise _too_large(max_bytes) from None
    except ClientDisconnect:
        return Response(status_code=400)  # which nobody hears
    try:
        with services.activity.busy():
            await _keep(services, store, row, stored)
    finally:
        store.drop(stored.part)
    return reply({"status": "uploaded", "size_bytes": stored.size_bytes, "sha256": stored.sha256})


def _usable(row: StationLog | None, now: datetime | None) -> StationLog:
    """Returns the log of a token that is good; without `now` its time does not matter.

    Raises:
        NotFound: if there is none, or its time is over.
        Conflict: `already-uploaded`.
    """
    late = row is not None and now is not None and row.received_at is None and row.expires_at <= now
    if row is None or row.state == "unsent" or late:
        raise NotFound("there is no such address for an upload, or its time is over")
    if row.received_at is not None:
        raise Conflict("this address has had its one file", code="already-uploaded")
    return row


def _check_head(request: Request, max_bytes: int) -> None:
    """Refuses what can't be taken before any of it has come.

    Raises:
        TooLarge: if it says itself that it is too large.
        BadInput: for a form: the file is the body, as PUT has it.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    if length == "0":
        raise BadInput("the file is empty")
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise BadInput("the file is sent as the body of the request, not as a form")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"a log has at most {max_bytes // MIB} MiB")


async def _keep(services: Services, store: UploadStore, row: StationLog, stored: Stored) -> None:
    """Gives a file its place, if it still has one.

    Raises:
        NotFound: if its log was deleted meanwhile.
        Conflict: `already-uploaded`, if another upload was quicker.
    """
    if stored.size_bytes == 0:
        raise BadInput("the file is empty")
    async with services.db.write(
        services.clock, services.ids, actor=f"station:{row.station}", tenant=row.tenant_id
    ) as work:
        await take_station(work, row.station)
        log = _usable(await work.session.get(StationLog, row.id, with_for_update=True), None)
        station = await work.session.get(Station, log.station)
        assert station is not None  # its logs go with it
        await store.keep(log.id, stored)
        await keep_file(work, station, log, stored)
