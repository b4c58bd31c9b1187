"""Tokens and API keys as they are shown, and how they are found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.access import ApiKey, IdToken


def token_resource(row: IdToken) -> dict[str, Any]:
    """Returns a token as the REST door and the events show it."""
    return {
        "id": row.id,
        "id_token": row.id_token,
        "type": row.type,
        "status": row.status,
        "expires_at": row.expires_at,
        "parent": row.parent,
        "driver_id": row.driver_id,
        "vehicle_id": row.vehicle_id,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def key_resource(row: ApiKey) -> dict[str, Any]:
    """Returns an API key as it is shown: without the key."""
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }


async def find_token(session: AsyncSession, text: str, tenant: str) -> IdToken | None:
    """Returns the token with this text; upper and lower case are the same."""
    query = sa.select(IdToken).where(IdToken.tenant_id == tenant, IdToken.token_key == text.lower())
    return (await session.execute(query)).scalar()


async def tokens_of(
    session: AsyncSession,
    *,
    tenant: str,
    vehicles: Iterable[str] = (),
    drivers: Iterable[str] = (),
) -> dict[str, list[str]]:
    """Returns the texts of all tokens of these vehicles and drivers, by the owner's id."""
    query = (
        sa.select(IdToken)
        .where(IdToken.tenant_id == tenant)
        .where(IdToken.vehicle_id.in_(list(vehicles)) | IdToken.driver_id.in_(list(drivers)))
        .order_by(IdToken.created_at, IdToken.id)
    )
    found: dict[str, list[str]] = {}
    for row in (await session.execute(query)).scalars():
        for owner in (row.vehicle_id, row.driver_id):
            if owner is not None:
                found.setdefault(owner, []).append(row.id_token)
    return found
