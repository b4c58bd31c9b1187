"""What stations log, watch and notice, as it is shown and as the rules take it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.diagnostics.rules import LogState, is_alerting
from csms.updates.rules.firmware import without_credentials
from models.tables.diagnostics import LogNotice, StationEvent, StationLog, StationMonitor


def log_state(row: StationLog) -> LogState:
    """Returns a log as the rules take it."""
    return LogState(**{name: getattr(row, name) for name in LogState.__struct_fields__})


def log_resource(row: StationLog, notices: Sequence[LogNotice]) -> dict[str, Any]:
    """Returns a log as the REST door and the events show it; never where it is uploaded to."""
    seconds = row.retry_interval_s
    return {
        "id": row.id,
        "station": row.station,
        "kind": row.kind,
        "request_id": row.request_id,
        "location": None if row.location is None else without_credentials(row.location),
        "from_at": row.from_at,
        "until_at": row.until_at,
        "retries": row.retries,
        "retry_interval": None if seconds is None else timedelta(seconds=seconds),
        "state": row.state,
        "status": row.status,
        "why": row.why,
        "history": [{"status": each.status, "received_at": each.received_at} for each in notices],
        "file_name": row.file_name,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "received_at": row.received_at,
        "ended_at": row.ended_at,
        "updated_at": row.updated_at,
    }


async def show_logs(session: AsyncSession, rows: Sequence[StationLog]) -> list[dict[str, Any]]:
    """Returns logs as they are shown, with all that stations have told of them."""
    query = sa.select(LogNotice).where(LogNotice.log_id.in_([row.id for row in rows]))
    notices: dict[str | None, list[LogNotice]] = {}
    for each in await session.scalars(query.order_by(LogNotice.id)):
        notices.setdefault(each.log_id, []).append(each)
    return [log_resource(row, notices.get(row.id, ())) for row in rows]


async def show_log(session: AsyncSession, row: StationLog) -> dict[str, Any]:
    """Returns one log as it is shown."""
    return (await show_logs(session, [row]))[0]


async def logs_of(session: AsyncSession, identity: str) -> list[StationLog]:
    """Returns the logs of a station, the newest first."""
    query = sa.select(StationLog).where(StationLog.station == identity)
    return list(await session.scalars(query.order_by(StationLog.request_id.desc())))


def monitor_resource(row: StationMonitor) -> dict[str, Any]:
    """Returns what a station watches by itself."""
    return {
        "id": row.monitor_id,
        "station": row.station,
        "component": row.component,
        "variable": row.variable,
        "kind": row.kind,
        "value": row.value,
        "severity": row.severity,
        "transaction": row.tx_only,
        "reported_at": row.reported_at,
    }


def event_resource(row: StationEvent) -> dict[str, Any]:
    """Returns something that a station has noticed by itself."""
    return {
        "station": row.station,
        "event_id": row.event_id,
        "happened_at": row.happened_at,
        "received_at": row.received_at,
        "component": row.component,
        "variable": row.variable,
        "value": row.value,
        "trigger": row.trigger,
        "notification": row.notification,
        "severity": row.severity,
        "alerting": is_alerting(row.severity) and not row.cleared,
        "monitor_id": row.monitor_id,
        "cause": row.cause,
        "cleared": row.cleared,
        "ocpp_transaction_id": row.ocpp_transaction_id,
        "tech_code": row.tech_code,
        "tech_info": row.tech_info,
    }
