"""REST: `/id-tokens` and `/api-keys`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from csms.access.actions import (
    change_token,
    create_api_key,
    create_token,
    delete_token,
    request_list,
    revoke_api_key,
)
from csms.access.queries import key_resource, list_resource, token_resource
from csms.web.documents import Document as DocumentBase
from csms.web.documents import Id, Instant, KeptDocument, KeptShown, Name, Shown, patched
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.openapi import patch_of
from csms.web.paging import KeptQuery, ListQuery, fetch_page, filtered, kept_page
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import check_reference, find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.states import Role
from models.tables.access import ApiKey, IdToken, LocalList
from models.tables.fleet import Driver, Vehicle
from models.tables.stations import Station

router = api_router("access")

TokenText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S(.*\S)?$")]


class NewIdToken(KeptDocument):
    """A card, key or account that may open a transaction."""

    id_token: TokenText
    type: Annotated[str, Field(min_length=1, max_length=20)]
    """As OCPP 2.x names it: `ISO14443`, `Central`, `eMAID`, `KeyCode`, `Local`, ..."""
    status: Literal["Accepted", "Blocked"] = "Accepted"
    expires_at: Instant | None = None
    parent: TokenText | None = None
    """Tokens with the same parent may stop each other's transactions."""
    driver_id: Id | None = None
    vehicle_id: Id | None = None


class IdTokenShown(KeptShown):
    """A token."""

    id_token: str
    type: str
    status: str
    expires_at: AwareDatetime | None
    parent: str | None
    driver_id: str | None
    vehicle_id: str | None


class IdTokenQuery(KeptQuery):
    """Filters of the list of tokens."""

    id_token: str | None = None
    driver_id: str | None = None
    vehicle_id: str | None = None
    status: str | None = None


class LocalListShown(Shown):
    """The list of tokens in a station, as far as we know what it holds."""

    station: str
    enabled: bool
    """The station's `local_list`."""
    state: Literal["off", "pending", "synced", "failed", "unsupported"]
    version: int
    """What the station has last been known to hold; 0: none."""
    entries: int
    changed_at: AwareDatetime | None
    why: str | None
    """Why it is not as it should be."""


class NewApiKey(DocumentBase):
    """A key for an integrator."""

    role: Role
    name: Name = "unnamed"
    expires_at: Instant | None = None


class ApiKeyShown(Shown):
    """A key, as far as it can be shown."""

    id: str
    name: str
    role: Role
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class ApiKeyMade(ApiKeyShown):
    """A key, this once with the key itself."""

    key: str | None
    """Null in a repeated answer to the same `Idempotency-Key`."""


async def _check_owner(work: Work, document: NewIdToken) -> None:
    await check_reference(work, Driver, document.driver_id, "/driver_id")
    await check_reference(work, Vehicle, document.vehicle_id, "/vehicle_id")


@router.post(
    "/id-tokens", status_code=201, response_model=IdTokenShown, dependencies=[may("fleet")]
)
async def post_token(work: Work, body: NewIdToken) -> Response:
    """Create a token."""
    await _check_owner(work, body)
    row = await create_token(work, token_id=body.id, values=body.model_dump(exclude={"id"}))
    return reply(token_resource(row), status=201, version=1, location=f"{BASE}/id-tokens/{row.id}")


@router.get("/id-tokens", response_model=Page[IdTokenShown], dependencies=[may("read-people")])
async def list_tokens(
    session: Reading, caller: CallerNow, query: Annotated[IdTokenQuery, Query()]
) -> Response:
    """List tokens."""
    statement = sa.select(IdToken).where(IdToken.tenant_id == caller.tenant)
    if query.id_token is not None:
        statement = statement.where(IdToken.token_key == query.id_token.lower())
    statement = filtered(statement, query, IdToken.driver_id, IdToken.vehicle_id, IdToken.status)
    rows, cursor = await kept_page(session, statement, query, IdToken, IdToken.id_token)
    return reply_page([token_resource(row) for row in rows], cursor)


@router.get("/id-tokens/{token_id}", response_model=IdTokenShown, dependencies=[may("read-people")])
async def get_token(session: Reading, caller: CallerNow, token_id: str) -> Response:
    """Show a token."""
    row = await find_row(session, IdToken, token_id, caller.tenant)
    return reply(token_resource(row), version=row.version)


@router.patch(
    "/id-tokens/{token_id}",
    response_model=IdTokenShown,
    dependencies=[may("fleet")],
    openapi_extra=patch_of("NewIdToken"),
)
async def patch_token(
    request: Request, work: Work, token_id: str, body: dict[str, Any]
) -> Response:
    """Change a token."""
    row = await find_for_change(work, IdToken, token_id)
    check_if_match(request, row.version)
    document = patched(NewIdToken, token_resource(row), body)
    await _check_owner(work, document)
    await change_token(work, row, document.model_dump(exclude={"id"}))
    return reply(token_resource(row), version=row.version)


@router.delete("/id-tokens/{token_id}", status_code=204, dependencies=[may("fleet")])
async def remove_token(request: Request, work: Work, token_id: str) -> Response:
    """Delete a token."""
    row = await find_for_change(work, IdToken, token_id)
    check_if_match(request, row.version)
    await delete_token(work, row)
    return no_content()


@router.get(
    "/stations/{identity}/local-list", response_model=LocalListShown, dependencies=[may("read")]
)
async def get_local_list(session: Reading, caller: CallerNow, identity: str) -> Response:
    """Show what is known of the list of tokens in a station."""
    station = await find_row(session, Station, identity, caller.tenant)
    return reply(list_resource(station, await session.get(LocalList, identity)))


@router.post(
    "/stations/{identity}/local-list/sync",
    status_code=202,
    response_model=LocalListShown,
    dependencies=[may("operate")],
)
async def sync_local_list(work: Work, identity: str) -> Response:
    """Send a station its whole list of tokens anew, at once or when it comes."""
    station = await find_for_change(work, Station, identity)
    return reply(list_resource(station, await request_list(work, station)), status=202)


@router.post("/api-keys", status_code=201, response_model=ApiKeyMade, dependencies=[may("admin")])
async def post_api_key(request: Request, work: Work, body: NewApiKey) -> Response:
    """Create an API key; only this answer shows it."""
    services = services_of(request)
    now = services.wall.now()
    if body.expires_at is not None and body.expires_at <= now:
        raise bad_field("/expires_at", "lies in the past")
    made = await create_api_key(
        work,
        services.keyring,
        role=body.role,
        name=body.name,
        created_at=now,
        expires_at=body.expires_at,
    )
    return reply(
        key_resource(made.row),
        secrets={"key": made.key},
        status=201,
        location=f"{BASE}/api-keys/{made.row.id}",
    )


@router.get("/api-keys", response_model=Page[ApiKeyShown], dependencies=[may("admin")])
async def list_api_keys(
    session: Reading, caller: CallerNow, query: Annotated[ListQuery, Query()]
) -> Response:
    """List API keys, revoked ones too."""
    statement = sa.select(ApiKey).where(ApiKey.tenant_id == caller.tenant)
    sorts: dict[str, Any] = {"id": ApiKey.id, "name": ApiKey.name, "created_at": ApiKey.created_at}
    updated = (ApiKey.created_at, ApiKey.revoked_at)
    rows, cursor = await fetch_page(
        session, statement, query, sorts=sorts, key=(ApiKey.id,), updated=updated
    )
    return reply_page([key_resource(row) for row in rows], cursor)


@router.get("/api-keys/{key_id}", response_model=ApiKeyShown, dependencies=[may("admin")])
async def get_api_key(session: Reading, caller: CallerNow, key_id: str) -> Response:
    """Show an API key, without the key."""
    return reply(key_resource(await find_row(session, ApiKey, key_id, caller.tenant)))


@router.delete("/api-keys/{key_id}", status_code=204, dependencies=[may("admin")])
async def remove_api_key(request: Request, work: Work, key_id: str) -> Response:
    """Revoke an API key; it stays in the list with its `revoked_at`."""
    row = await find_for_change(work, ApiKey, key_id)
    revoke_api_key(row, services_of(request).wall.now())
    return no_content()
