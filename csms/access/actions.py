"""Changes of tokens and API keys."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from csms.access.queries import (
    find_token,
    list_resource,
    list_state,
    token_resource,
    tokens_of,
)
from csms.access.rules import ListState, tried_afresh
from csms.keyring import Keyring
from csms.ledger.work import UnitOfWork
from csms.web.identity import API_KEY_PURPOSE
from csms.web.problem import json_pointer
from csms.web.rows import add_row, change_row, remove_row
from models.errors import BadInput, Conflict, FieldError
from models.states import Role
from models.tables.access import ApiKey, IdToken, LocalList
from models.tables.stations import Station

DEFAULT_TOKEN_TYPE = "ISO14443"  # noqa: S105 - a kind of card, no secret


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key at the only moment when it can be shown."""

    row: ApiKey
    key: str


async def create_api_key(
    work: UnitOfWork,
    keyring: Keyring,
    *,
    role: Role,
    name: str,
    created_at: datetime,
    expires_at: datetime | None = None,
) -> NewKey:
    """Makes an API key of 256 random bits.

    Args:
        work: the unit of work.
        keyring: hashes the key.
        role: what its holder may do.
        name: for people, to tell keys apart.
        created_at: real time, also where life time is simulated.
        expires_at: real time; None: never.
    """
    key = f"hf_{secrets.token_urlsafe(32)}"
    row = ApiKey(
        id=work.ids.new(),
        tenant_id=work.tenant,
        name=name,
        role=role,
        key_hash=keyring.keyed_hash(API_KEY_PURPOSE, key),
        created_at=created_at,
        expires_at=expires_at,
    )
    await add_row(work, row, row.id)
    return NewKey(row, key)


def revoke_api_key(row: ApiKey, at: datetime) -> None:
    """Ends a key for ever; the row stays, so that records of what it did keep their meaning."""
    if row.revoked_at is None:
        row.revoked_at = at


async def create_token(
    work: UnitOfWork, *, token_id: str | None, values: dict[str, Any]
) -> IdToken:
    """Adds a token.

    Raises:
        Conflict: `already-exists`, also for the same text in another case.
    """
    text: str = values["id_token"]
    if await find_token(work.session, text, work.tenant) is not None:
        raise Conflict(f"the token {text} is there already", code="already-exists")
    row = IdToken(
        id=token_id or work.ids.new(),
        tenant_id=work.tenant,
        token_key=text.lower(),
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **values,
    )
    await add_row(work, row, row.id)
    _announce(work, "id_token.created", row)
    return row


async def change_token(work: UnitOfWork, row: IdToken, values: dict[str, Any]) -> None:
    """Changes a token.

    Raises:
        Conflict: if another token has the new text.
    """
    text: str = values["id_token"]
    other = await find_token(work.session, text, work.tenant)
    if other is not None and other.id != row.id:
        raise Conflict(f"the token {text} is there already", code="already-exists")
    change_row(work, row, {**values, "token_key": text.lower()})
    _announce(work, "id_token.updated", row)


async def delete_token(work: UnitOfWork, row: IdToken) -> None:
    """Removes a token; it is refused at stations from now on."""
    shown = token_resource(row)
    await remove_row(work, row)
    work.emit("id_token.deleted", subject=f"id_token/{row.id}", resource=shown)


async def give_tokens(
    work: UnitOfWork, owner: Literal["vehicle", "driver"], owner_id: str, texts: Sequence[str]
) -> None:
    """Makes these the only tokens of a vehicle or driver; unknown ones are created.

    Raises:
        BadInput: if a text comes twice.
        Conflict: if a token is another one's.
    """
    keys = [text.lower() for text in texts]
    twice = [
        FieldError(json_pointer("id_tokens", place), "comes twice")
        for place, key in enumerate(keys)
        if key in keys[:place]
    ]
    if twice:
        raise BadInput("id_tokens: a token comes twice", twice)
    field = f"{owner}_id"
    before = await tokens_of(work.session, tenant=work.tenant, **{f"{owner}s": [owner_id]})
    for text in before.get(owner_id, []):
        row = await find_token(work.session, text, work.tenant)
        if row is not None and row.token_key not in keys:
            change_row(work, row, {field: None})
            _announce(work, "id_token.updated", row)
    for text in texts:
        row = await find_token(work.session, text, work.tenant)
        if row is None:
            values = {"id_token": text, "type": DEFAULT_TOKEN_TYPE, field: owner_id}
            await create_token(work, token_id=None, values={"status": "Accepted", **values})
        elif getattr(row, field) not in (None, owner_id):
            raise Conflict(f"the token {text} belongs to another {owner}", code="token-taken")
        elif getattr(row, field) is None:
            change_row(work, row, {field: owner_id})
            _announce(work, "id_token.updated", row)
    # The resource that is shown next reads the tokens back.
    await work.session.flush()


async def request_list(work: UnitOfWork, station: Station) -> LocalList:
    """Has the whole list of tokens sent to a station anew; returns its row.

    Raises:
        Conflict: `local-list-off` where the station is to have none.
    """
    if not station.local_list:
        detail = f"the station {station.identity} is to have no list: set its `local_list`"
        raise Conflict(detail, code="local-list-off")
    row = await work.session.get(LocalList, station.identity, with_for_update=True)
    why = "the whole list was asked for"
    if row is None:
        row = LocalList(station=station.identity, tenant_id=work.tenant)
        change_list(row, tried_afresh(ListState(), why, full=True), work.now)
        work.session.add(row)
    else:
        change_list(row, tried_afresh(list_state(row), why, full=True), work.now)
    announce_list(work, "local_list.requested", station, row)
    return row


def change_list(row: LocalList, after: ListState, at: datetime) -> None:
    """Writes down what is known of a station's list."""
    for name in ListState.__struct_fields__:
        setattr(row, name, getattr(after, name))
    row.changed_at = at


def announce_list(work: UnitOfWork, event: str, station: Station, row: LocalList) -> None:
    """Says what became true of a station's list."""
    subject = f"local_list/{station.identity}"
    work.emit(event, subject=subject, resource=list_resource(station, row), site_id=station.site_id)


def _announce(work: UnitOfWork, event: str, row: IdToken) -> None:
    work.emit(event, subject=f"id_token/{row.id}", resource=token_resource(row))
