"""Tokens and API keys as they are shown, and how they are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.access.rules import PER_MESSAGE, ListRoom, ListState, TokenState
from models.tables.access import ApiKey, IdToken, LocalList
from models.tables.stations import Station, StationVariable


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


_TOKENS_OF = (
    sa.select(IdToken)
    .where(IdToken.tenant_id == sa.bindparam("tenant"))
    .where(
        IdToken.vehicle_id.in_(sa.bindparam("vehicles", expanding=True))
        | IdToken.driver_id.in_(sa.bindparam("drivers", expanding=True))
    )
    .order_by(IdToken.created_at, IdToken.id)
)


async def tokens_of(
    session: AsyncSession,
    *,
    tenant: str,
    vehicles: Iterable[str] = (),
    drivers: Iterable[str] = (),
) -> dict[str, list[str]]:
    """Returns the texts of all tokens of these vehicles and drivers, by the owner's id."""
    asked = {"tenant": tenant, "vehicles": list(vehicles), "drivers": list(drivers)}
    found: dict[str, list[str]] = {}
    for row in await session.scalars(_TOKENS_OF, asked):
        for owner in (row.vehicle_id, row.driver_id):
            if owner is not None:
                found.setdefault(owner, []).append(row.id_token)
    return found


async def all_tokens(session: AsyncSession, tenant: str) -> list[TokenState]:
    """Returns all tokens of a tenant, the oldest first."""
    query = sa.select(IdToken).where(IdToken.tenant_id == tenant)
    rows = (await session.execute(query.order_by(IdToken.created_at, IdToken.id))).scalars()
    return [msgspec.convert(row, TokenState, from_attributes=True) for row in rows]


def list_state(row: LocalList) -> ListState:
    """Returns what is known of a station's list."""
    return msgspec.convert(row, ListState, from_attributes=True)


def list_resource(station: Station, row: LocalList | None) -> dict[str, Any]:
    """Returns a station's list of tokens as the REST door and the events show it."""
    waits = "waits for the station to come" if station.local_list else None
    return {
        "station": station.identity,
        "enabled": station.local_list,
        "state": row.state if row else ("pending" if station.local_list else "off"),
        "version": row.version if row else 0,
        "entries": len(row.held) if row else 0,
        "changed_at": row.changed_at if row else None,
        "why": row.why if row else waits,
    }


_LONGEST = {"ocpp1.6": 20, "ocpp2.0.1": 36, "ocpp2.1": 255}
_CONTROLLER = "LocalAuthListCtrlr"
_ROOM: Mapping[tuple[str, str], str] = {
    ("", "LocalAuthListMaxLength"): "tokens",
    ("", "SendLocalListMaxLength"): "per_message",
    (_CONTROLLER, "Entries"): "tokens",
    (_CONTROLLER, "ItemsPerMessage"): "per_message",
    (_CONTROLLER, "BytesPerMessage"): "message_bytes",
}
"""What tells how much goes into a list (OCPP 1.6 section 9.3; 2.0.1 part 2 appendix, 3.1.13)."""
SWITCHES = (
    ("", "LocalAuthListEnabled"),
    ("", "LocalAuthorizeOffline"),
    (_CONTROLLER, "Enabled"),
    ("AuthCtrlr", "LocalAuthorizeOffline"),
)
"""Settings without which a station holds no list, or does not judge by it while we are away."""


async def room_of(session: AsyncSession, station: Station) -> ListRoom:
    """Returns what goes into a station's list, by what it has told of itself."""
    told: dict[str, int] = {}
    for row in await _variables(session, station.identity, _ROOM):
        value = row.value
        if (row.component, row.variable) == (_CONTROLLER, "Entries"):
            # Its value is how many there are; how many there may be is the largest value.
            value = str(int((row.characteristics or {}).get("max_limit", 0)))
        if value is not None and value.isdecimal() and int(value) > 0:
            told[_ROOM[row.component, row.variable]] = int(value)
    return ListRoom(
        tokens=told.get("tokens"),
        per_message=told.get("per_message", PER_MESSAGE),
        message_bytes=told.get("message_bytes"),
        longest=_LONGEST.get(station.ocpp_version or "ocpp1.6", 20),
    )


async def switched_off(session: AsyncSession, identity: str) -> list[tuple[str, str]]:
    """Returns which of `SWITCHES` a station has told to be off, as component and variable."""
    return [
        (row.component, row.variable)
        for row in await _variables(session, identity, SWITCHES)
        if (row.value or "").lower() == "false"
    ]


async def _variables(
    session: AsyncSession, identity: str, names: Iterable[tuple[str, str]]
) -> list[StationVariable]:
    wanted = sa.or_(
        *(
            sa.and_(StationVariable.component == component, StationVariable.variable == variable)
            for component, variable in names
        )
    )
    query = sa.select(StationVariable).where(
        StationVariable.station == identity, StationVariable.attribute == "Actual", wanted
    )
    return list((await session.execute(query)).scalars())
