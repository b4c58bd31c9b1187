"""REST: `/stations/{identity}/monitors` and what stations notice by them (OCPP 2.x)."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from csms.diagnostics.queries import event_resource, monitor_resource
from csms.diagnostics.rules import ALERTING_MAX
from csms.stations.api import StationAnswer
from csms.stations.asking import ASKED, ON_2X, ask
from csms.web.documents import Document, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading
from models.commands.base import VariableName
from models.commands.monitors import (
    ClearMonitors,
    MonitoringBase,
    MonitorKind,
    MonitorWish,
    ReadMonitors,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetMonitors,
)
from models.errors import Conflict, NotFound
from models.tables.diagnostics import StationEvent, StationMonitor
from models.tables.stations import Station

router = api_router("diagnostics", prefix="/stations")
Severity = Annotated[int, Field(ge=0, le=9)]


class NewMonitor(Document):
    """A variable that a station is to watch."""

    component: Annotated[str, Field(min_length=1, max_length=50)]
    component_instance: Annotated[str, Field(max_length=50)] | None = None
    evse_id: Annotated[int, Field(ge=1, le=100_000)] | None = None
    connector_id: Annotated[int, Field(ge=1, le=100_000)] | None = None
    variable: Annotated[str, Field(min_length=1, max_length=50)]
    instance: Annotated[str, Field(max_length=50)] | None = None
    kind: MonitorKind
    value: Annotated[float, Field(ge=-1e12, le=1e12)]
    """The threshold or the step in the variable's unit; of periodic kinds the seconds."""
    severity: Severity
    """0 (danger) to 9 (debug)."""
    transaction: bool = False
    """Whether it is watched while a transaction runs only."""
    id: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Takes the place of this monitor; null: a new one."""

    def wish(self) -> MonitorWish:
        """Returns it as the house knows it."""
        return MonitorWish(
            variable=VariableName(
                name=self.variable,
                component=self.component,
                component_instance=self.component_instance,
                instance=self.instance,
                evse_id=self.evse_id,
                connector_id=self.connector_id,
            ),
            kind=self.kind,
            value=self.value,
            severity=self.severity,
            transaction=self.transaction,
            monitor_id=self.id,
        )


class NewMonitors(Document):
    """Variables that a station is to watch."""

    monitors: Annotated[list[NewMonitor], Field(min_length=1, max_length=100)]


class NewBase(Document):
    """What a station watches before anything is added."""

    base: MonitoringBase


class NewLevel(Document):
    """How bad an event must be to be told."""

    severity: Severity


class MonitorShown(Shown):
    """What a station watches, as it was last told."""

    id: int
    station: str
    component: str
    variable: str
    kind: str
    value: float
    severity: int
    transaction: bool
    reported_at: AwareDatetime


class StationEventShown(Shown):
    """Something that a station has noticed."""

    id: str
    station: str
    event_id: int
    """The station's own number."""
    happened_at: AwareDatetime
    received_at: AwareDatetime
    component: str
    variable: str
    value: str | None
    trigger: str
    notification: str
    severity: int | None
    """0 (danger) to 9 (debug); null: not known."""
    alerting: bool
    """Severity 0 to 2, and not over."""
    monitor_id: int | None
    cause: int | None
    cleared: bool
    ocpp_transaction_id: str | None
    tech_code: str | None
    tech_info: str | None


class EventQuery(ListQuery):
    """Filters of the list of events; the newest comes first unless `sort` says otherwise."""

    alerting: bool | None = None
    severity_max: Severity | None = None
    component: str | None = None
    variable: str | None = None
    since: Instant | None = None
    until: Instant | None = None


@router.post(
    "/{identity}/monitors",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def post_monitors(request: Request, _: Once, identity: str, body: NewMonitors) -> Response:
    """Have a station watch variables, and wait for its answer about each."""
    wishes = tuple(each.wish() for each in body.monitors)
    return reply(await ask(request, identity, SetMonitors(monitors=wishes), ON_2X))


@router.get("/{identity}/monitors", response_model=Page[MonitorShown], dependencies=[may("read")])
async def list_monitors(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List what a station watches, as far as it has told."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(StationMonitor).where(
        StationMonitor.station == identity, StationMonitor.gone.is_(False)
    )
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": StationMonitor.monitor_id, "severity": StationMonitor.severity},
        key=(StationMonitor.monitor_id,),
        updated=(StationMonitor.reported_at,),
        default="id",
    )
    return reply_page([monitor_resource(row) for row in rows], cursor)


@router.delete(
    "/{identity}/monitors/{monitor_id}",
    status_code=204,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def remove_monitor(
    request: Request, caller: CallerNow, identity: str, monitor_id: int
) -> Response:
    """Have a station watch something no longer, and wait for its answer."""
    async with services_of(request).db.read() as session:
        await find_row(session, Station, identity, caller.tenant)
        known = await session.get(StationMonitor, (identity, monitor_id))
    if known is None or known.gone:
        raise NotFound(f"the station {identity} has told of no monitor {monitor_id}")
    await ask(request, identity, ClearMonitors(monitor_ids=(monitor_id,)), ON_2X)
    async with services_of(request).db.read() as session:
        left = await session.get(StationMonitor, (identity, monitor_id))
    if left is not None and not left.gone:
        raise Conflict(f"the station keeps the monitor {monitor_id}", code="monitor-kept")
    return no_content()


@router.post(
    "/{identity}/monitors/report",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def report_monitors(request: Request, _: Once, identity: str) -> Response:
    """Have a station tell anew all that it watches; the list follows its report."""
    now = services_of(request).clock.now()
    command = ReadMonitors(request_id=int(now.timestamp()))
    return reply(await ask(request, identity, command, ON_2X))


@router.put(
    "/{identity}/monitoring-base",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_base(request: Request, identity: str, body: NewBase) -> Response:
    """Set what a station watches before anything is added; ask for a report afterwards."""
    return reply(await ask(request, identity, SetMonitoringBase(base=body.base), ON_2X))


@router.put(
    "/{identity}/monitoring-level",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_level(request: Request, identity: str, body: NewLevel) -> Response:
    """Set how bad an event must be for a station to tell it."""
    command = SetMonitoringLevel(severity=body.severity)
    return reply(await ask(request, identity, command, ON_2X))


@router.get(
    "/{identity}/station-events",
    response_model=Page[StationEventShown],
    dependencies=[may("read")],
)
async def list_events(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[EventQuery, Query()]
) -> Response:
    """List what a station has noticed; `alerting=true`: what somebody should look at."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(StationEvent).where(StationEvent.station == identity)
    if query.alerting is not None:
        bad = sa.and_(
            sa.func.coalesce(StationEvent.severity, ALERTING_MAX + 1) <= ALERTING_MAX,
            StationEvent.cleared.is_(False),
        )
        statement = statement.where(bad if query.alerting else sa.not_(bad))
    if query.severity_max is not None:
        statement = statement.where(StationEvent.severity <= query.severity_max)
    statement = filtered(statement, query, StationEvent.component, StationEvent.variable)
    if query.since is not None:
        statement = statement.where(StationEvent.received_at >= query.since)
    if query.until is not None:
        statement = statement.where(StationEvent.received_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": StationEvent.id},
        key=(StationEvent.id,),
        updated=(StationEvent.received_at,),
        default="-id",
    )
    shown = [{"id": str(row.id), **event_resource(row)} for row in rows]
    return reply_page(shown, cursor)
