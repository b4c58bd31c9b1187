"""Stations as they are shown, with their EVSEs and connectors; their logs and variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.web.documents import Shown
from models.tables.energy import Circuit
from models.tables.ledger import Command
from models.tables.stations import Connector, Evse, SecurityEvent, Station, StationVariable


class ConnectorShown(Shown):
    """A plug or socket with the status it last reported."""

    connector_id: int
    status: str
    status_at: AwareDatetime | None
    error_code: str | None


class EvseShown(Shown):
    """An EVSE."""

    evse_id: int
    max_power_w: float | None
    min_power_w: float | None
    current_type: str
    phases: int
    wired_to: list[str] | None
    circuit_id: str | None
    connectors: list[ConnectorShown]


class StationShown(Shown):
    """A charging station."""

    identity: str
    site_id: str | None
    approval: Literal["accepted", "pending", "rejected"]
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    security_profile: int
    ocpp_versions: list[str] | None
    strict: bool
    quirks: list[str]
    safe_limit_w: float | None
    local_list: bool
    boot_interval_s: int
    tariff_id: str | None
    evses: list[EvseShown]
    online: bool
    ocpp_version: str | None
    last_seen: AwareDatetime | None
    booted_at: AwareDatetime | None
    external_id: str | None
    custom: dict[str, Any]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class StationMade(StationShown):
    """A station, this once with its password."""

    password: str | None
    """Null in a repeated answer to the same `Idempotency-Key`."""


class SecurityEventShown(Shown):
    """Something about a station's security."""

    id: str
    station: str
    type: str
    source: Literal["station", "gateway"]
    happened_at: AwareDatetime
    received_at: AwareDatetime
    detail: str | None


class VariableShown(Shown):
    """A configuration key (1.6) or variable (2.x)."""

    component: str
    variable: str
    attribute: str
    value: str | None
    mutability: str | None
    characteristics: dict[str, Any] | None
    reported_at: AwareDatetime


def station_resource(
    row: Station, evses: Sequence[Evse], connectors: Sequence[Connector]
) -> dict[str, Any]:
    """Returns a station as the REST door and the events show it.

    Args:
        row: the station.
        evses: its EVSEs, in order.
        connectors: its connectors, in order.
    """
    return {
        "identity": row.identity,
        "site_id": row.site_id,
        "approval": row.approval,
        "vendor": row.vendor,
        "model": row.model,
        "serial_number": row.serial_number,
        "firmware_version": row.firmware_version,
        "security_profile": row.security_profile,
        "ocpp_versions": row.ocpp_versions,
        "strict": row.strict,
        "quirks": row.quirks,
        "safe_limit_w": row.safe_limit_w,
        "local_list": row.local_list,
        "boot_interval_s": row.boot_interval_s,
        "tariff_id": row.tariff_id,
        "evses": [
            evse_resource(evse, [each for each in connectors if each.evse_id == evse.evse_id])
            for evse in evses
        ],
        "online": row.online,
        "ocpp_version": row.ocpp_version,
        "last_seen": row.last_seen,
        "booted_at": row.booted_at,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def evse_resource(row: Evse, connectors: Sequence[Connector]) -> dict[str, Any]:
    """Returns an EVSE as part of its station."""
    return {
        "evse_id": row.evse_id,
        "max_power_w": row.max_power_w,
        "min_power_w": row.min_power_w,
        "current_type": row.current_type,
        "phases": row.phases,
        "wired_to": row.wired_to,
        "circuit_id": row.circuit_id,
        "connectors": [
            {
                "connector_id": each.connector_id,
                "status": each.status,
                "status_at": each.status_at,
                "error_code": each.error_code,
            }
            for each in connectors
        ],
    }


def _json_or_text(stored: str) -> msgspec.Raw | str:
    """Returns what was said as JSON, or as text where a malformed frame was kept as it came."""
    try:
        msgspec.json.decode(stored)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return stored
    return msgspec.Raw(stored.encode())


def security_resource(row: SecurityEvent) -> dict[str, Any]:
    """Returns a security event."""
    return {
        "id": str(row.id),
        "station": row.station,
        "type": row.type,
        "source": row.source,
        "happened_at": row.happened_at,
        "received_at": row.received_at,
        "detail": row.detail,
    }


def variable_resource(row: StationVariable) -> dict[str, Any]:
    """Returns a configuration key or variable as the station last reported it."""
    return {
        "component": row.component,
        "variable": row.variable,
        "attribute": row.attribute,
        "value": row.value,
        "mutability": row.mutability,
        "characteristics": row.characteristics,
        "reported_at": row.reported_at,
    }


def command_resource(row: Command) -> dict[str, Any]:
    """Returns a command and what became of it; not its body, which may hold a secret."""
    return {
        "id": row.id,
        "station": row.station,
        "kind": row.kind,
        "origin": row.origin,
        "state": row.state,
        "outcome": row.outcome,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
        "settled_at": row.settled_at,
        "response": None if row.response is None else _json_or_text(row.response),
        "error_code": row.error_code,
        "detail": row.detail,
    }


async def evses_of(
    session: AsyncSession, identities: Sequence[str]
) -> tuple[dict[str, list[Evse]], dict[str, list[Connector]]]:
    """Returns the EVSEs and the connectors of stations, by identity and in order."""
    evses: dict[str, list[Evse]] = {identity: [] for identity in identities}
    connectors: dict[str, list[Connector]] = {identity: [] for identity in identities}
    query = sa.select(Evse).where(Evse.station.in_(identities))
    for evse in (await session.execute(query.order_by(Evse.evse_id))).scalars():
        evses[evse.station].append(evse)
    plugs = sa.select(Connector).where(Connector.station.in_(identities))
    order = (Connector.evse_id, Connector.connector_id)
    for connector in (await session.execute(plugs.order_by(*order))).scalars():
        connectors[connector.station].append(connector)
    return evses, connectors


async def show_stations(session: AsyncSession, rows: Sequence[Station]) -> list[dict[str, Any]]:
    """Returns stations as they are shown, with three SELECTs at most."""
    evses, connectors = await evses_of(session, [row.identity for row in rows])
    return [station_resource(row, evses[row.identity], connectors[row.identity]) for row in rows]


async def show_station(session: AsyncSession, row: Station) -> dict[str, Any]:
    """Returns one station as it is shown."""
    return (await show_stations(session, [row]))[0]


@dataclass(frozen=True, slots=True)
class SafeLoad:
    """A station that has a safe limit, which its EVSEs share."""

    safe_limit_w: float
    outlets: int
    evses: Sequence[Evse]
    """Those on circuits."""


async def safe_loads(session: AsyncSession, site_id: str) -> tuple[list[Circuit], list[SafeLoad]]:
    """Returns the circuits of a site, and its stations that have a safe limit."""
    circuits = sa.select(Circuit).where(Circuit.site_id == site_id).order_by(Circuit.id)
    stations = (
        sa.select(Station)
        .where(Station.site_id == site_id, Station.safe_limit_w.is_not(None))
        .order_by(Station.identity)
    )
    rows = list((await session.execute(stations)).scalars())
    evses, _ = await evses_of(session, [row.identity for row in rows])
    loads = [
        SafeLoad(
            row.safe_limit_w or 0.0,
            sum(each.evse_id > 0 for each in evses[row.identity]),
            [each for each in evses[row.identity] if each.circuit_id],
        )
        for row in rows
    ]
    return list((await session.execute(circuits)).scalars()), loads
