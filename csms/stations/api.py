"""REST: `/stations` with their logs, commands and onboarding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator
from starlette.responses import Response

from csms.keyring import Keyring
from csms.stations.actions import (
    COMMAND_TIMEOUT_S,
    accept_station,
    change_station,
    check_not_kept,
    check_reach,
    create_station,
    delete_station,
    outcome_of,
    reject_station,
    sealed_password,
)
from csms.stations.queries import (
    SecurityEventShown,
    StationMade,
    StationShown,
    VariableShown,
    security_resource,
    show_station,
    show_stations,
    variable_resource,
)
from csms.stations.rules import remote_start
from csms.web.documents import (
    Custom,
    Document,
    Id,
    Instant,
    Name,
    PowerW,
    Shown,
    Text,
    patched,
)
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.openapi import patch_of
from csms.web.paging import KeptQuery, ListQuery, fetch_page, filtered
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import check_there, find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page, Problem
from csms.web.work import Once, Reading, Work, after_commit, begin_work
from models.commands import RawCommand, StartCharging
from models.errors import BadInput, Conflict, FieldError, NotFound
from models.quirks import SETTINGS
from models.tables.stations import SecurityEvent, Station, StationVariable

router = api_router("stations", prefix="/stations")

_QUIRK_SCHEMA = {"type": "string", "enum": list(SETTINGS)}


def _known_quirk(name: str) -> str:
    if name not in SETTINGS:
        raise ValueError(f"no quirk of a record; allowed: {', '.join(SETTINGS)}")
    return name


Identity = Annotated[str, Field(pattern=r"^[^\s/\x00-\x1f\x7f]{1,48}$")]
Subprotocol = Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
Quirk = Annotated[str, AfterValidator(_known_quirk), WithJsonSchema(_QUIRK_SCHEMA)]
"""One that somebody reads, so that it means something on a record."""
Number = Annotated[int, Field(ge=0, le=100_000)]
"""From 1 on; 0 is the station as a whole, of which 1.6 reports a status."""


def _each_phase_once(phases: list[str]) -> list[str]:
    if len(set(phases)) < len(phases):
        raise ValueError("names a phase twice")
    return phases


Wiring = Annotated[
    list[Literal["L1", "L2", "L3"]],
    Field(min_length=1, max_length=3),
    AfterValidator(_each_phase_once),
]


class NewConnector(Document):
    """A plug or socket."""

    connector_id: Number
    status: Annotated[str, Field(max_length=20)] = "Unknown"
    """Until the station reports one; a reported status is not overwritten."""
    status_at: Instant | None = None
    """Ignored: the station says."""
    error_code: Text | None = None
    """Ignored: the station says."""


class NewEvse(Document):
    """An outlet that serves one car at a time."""

    evse_id: Number
    max_power_w: PowerW | None = None
    min_power_w: PowerW | None = None
    """Least power at which it charges at all; null: 6 A on its phases."""
    current_type: Literal["AC", "DC"] = "AC"
    phases: Annotated[int, Field(ge=1, le=3)] = 1
    wired_to: Wiring | None = None
    """Which of L1, L2 and L3 its phases are, in its own order: a car that charges on fewer loads
    the first of them. Null: not known; it must be known where phases have limits."""
    circuit_id: Id | None = None
    connectors: Annotated[list[NewConnector], Field(max_length=20)] | None = None
    """Null: those that are known, and those that it reports."""

    @model_validator(mode="after")
    def _wired(self) -> NewEvse:
        if self.wired_to is not None and len(self.wired_to) != self.phases:
            raise ValueError(f"wired_to names {len(self.wired_to)} phases, phases {self.phases}")
        return self


class NewStation(Document):
    """A charging station that is expected to connect."""

    identity: Identity
    site_id: Id
    vendor: Name | None = None
    model: Name | None = None
    security_profile: Annotated[int, Field(ge=0, le=3)] = 1
    """0: no password is asked for."""
    safe_limit_w: PowerW | None = None
    """What it may draw when we are away."""
    local_list: bool = False
    """Keep a copy of the tokens in it, to judge by when we are away."""
    ocpp_versions: Annotated[list[Subprotocol], Field(min_length=1, max_length=3)] | None = None
    """Null: all."""
    strict: bool = False
    """Answer sloppy input with errors, as the specification says."""
    quirks: list[Quirk] = Field(default_factory=list[Quirk], max_length=50)
    """What it is forgiven beyond the rule; the first boot adds those of its vendor and model."""
    boot_interval_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    tariff_id: Id | None = None
    """What charging costs at it; null: what it costs at its site."""
    evses: list[NewEvse] = Field(default_factory=list[NewEvse], max_length=100)
    external_id: Text | None = None
    custom: Custom = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_once(self) -> NewStation:
        numbers = [evse.evse_id for evse in self.evses]
        if len(set(numbers)) < len(numbers):
            raise ValueError("two EVSEs have the same evse_id")
        for evse in self.evses:
            plugs = [each.connector_id for each in evse.connectors or ()]
            if len(set(plugs)) < len(plugs):
                raise ValueError(f"two connectors of EVSE {evse.evse_id} have the same number")
        return self


class NewStationWithPassword(NewStation):
    """A charging station, with the password it has been given."""

    password: Annotated[str, Field(min_length=16, max_length=80)] | None = None
    """16 to 40 characters, or hexadecimal; null: one is made and shown once."""


class StationQuery(KeptQuery):
    """Filters of the list of stations."""

    site_id: str | None = None
    online: bool | None = None
    approval: Literal["accepted", "pending", "rejected"] | None = None


class LogQuery(ListQuery):
    """Filters of a station's logs; the newest comes first unless `sort` says otherwise."""

    model_config = ConfigDict(populate_by_name=True)

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


class Approval(Document):
    """Where an approved station stands."""

    site_id: Id


class StationOrder(Document):
    """An action of the station's own OCPP version."""

    action: Annotated[str, Field(min_length=1, max_length=64)]
    payload: dict[str, Any] = Field(default_factory=dict)


class StationAnswer(Shown):
    """What the station said."""

    status: Literal["answered"]
    response: dict[str, Any]


class Disconnected(Shown):
    """That the connection was closed."""

    status: Literal["disconnected"]


@router.post("", status_code=201, response_model=StationMade, dependencies=[may("operate")])
async def post_station(request: Request, work: Work, body: NewStationWithPassword) -> Response:
    """Create a station; only this answer shows its password."""
    keyring = services_of(request).keyring
    password, seal = await _sealed(keyring, body.identity, body.password)
    values = body.model_dump(exclude={"evses", "password"})
    row = await create_station(work, values, _evses(body), seal)
    _tell_gateway(request, row.identity)
    return reply(
        await show_station(work.session, row),
        status=201,
        version=row.version,
        location=f"{BASE}/stations/{quote(row.identity, safe='')}",
        secrets={"password": password},
    )


@router.get("", response_model=Page[StationShown], dependencies=[may("read")])
async def list_stations(
    session: Reading, caller: CallerNow, query: Annotated[StationQuery, Query()]
) -> Response:
    """List stations; those waiting for approval by `approval=pending`."""
    statement = sa.select(Station).where(Station.tenant_id == caller.tenant)
    statement = filtered(
        statement, query, Station.site_id, Station.online, Station.approval, Station.external_id
    )
    sorts: dict[str, Any] = {
        "identity": Station.identity,
        "created_at": Station.created_at,
        "updated_at": Station.updated_at,
    }
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts=sorts,
        key=(Station.identity,),
        updated=(Station.updated_at,),
    )
    return reply_page(await show_stations(session, rows), cursor)


@router.get("/{identity}", response_model=StationShown, dependencies=[may("read")])
async def get_station(session: Reading, caller: CallerNow, identity: str) -> Response:
    """Show a station."""
    row = await find_row(session, Station, identity, caller.tenant)
    return reply(await show_station(session, row), version=row.version)


@router.patch(
    "/{identity}",
    response_model=StationShown,
    dependencies=[may("operate")],
    openapi_extra=patch_of("NewStationWithPassword"),
)
async def patch_station(
    request: Request,
    work: Work,
    identity: str,
    body: dict[str, Any],
    *,
    remove_evses: bool = False,
) -> Response:
    """Change a station; a new `password` holds from its next connection on.

    A list of `evses` takes the place of the one before. With `remove_evses` those that it leaves
    out go; without it that is refused (409 `evse-left-out`).
    """
    row = await find_for_change(work, Station, identity)
    check_if_match(request, row.version)
    document = patched(NewStationWithPassword, await show_station(work.session, row), body)
    values = document.model_dump(exclude={"evses", "password", "identity"})
    if document.password is not None:
        keyring = services_of(request).keyring
        _, values["password_hash"] = await _sealed(keyring, identity, document.password)
        values["next_password_hash"] = None
    await change_station(work, row, values, _evses(document), remove_evses=remove_evses)
    _tell_gateway(request, identity)
    return reply(await show_station(work.session, row), version=row.version)


@router.delete("/{identity}", status_code=204, dependencies=[may("operate")])
async def remove_station(request: Request, work: Work, identity: str) -> Response:
    """Delete a station; its transactions and messages are kept."""
    row = await find_for_change(work, Station, identity)
    check_if_match(request, row.version)
    await delete_station(work, row)
    _tell_gateway(request, identity)
    return no_content()


@router.post("/{identity}/approve", response_model=StationMade, dependencies=[may("operate")])
async def approve_station(request: Request, work: Work, identity: str, body: Approval) -> Response:
    """Let a pending station in; only this answer shows its new password."""
    row = await find_for_change(work, Station, identity)
    password, seal = await _sealed(services_of(request).keyring, identity, None)
    await accept_station(work, row, site_id=body.site_id, seal=seal)
    _tell_gateway(request, identity)
    return reply(
        await show_station(work.session, row), version=row.version, secrets={"password": password}
    )


@router.post("/{identity}/reject", response_model=StationShown, dependencies=[may("operate")])
async def refuse_station(request: Request, work: Work, identity: str) -> Response:
    """Turn a pending station away."""
    row = await find_for_change(work, Station, identity)
    await reject_station(work, row)
    _tell_gateway(request, identity)
    return reply(await show_station(work.session, row), version=row.version)


@router.post("/{identity}/disconnect", response_model=Disconnected, dependencies=[may("operate")])
async def disconnect_station(
    request: Request, _: Once, caller: CallerNow, identity: str
) -> Response:
    """Close a station's connection; it may come back at once."""
    services = services_of(request)
    await check_there(services.db, Station, identity, caller.tenant)
    if not await services.gateway.disconnect(identity):
        raise Conflict("the station is not connected", code="station-offline")
    return reply({"status": "disconnected"})


@router.post(
    "/{identity}/commands",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses={status: {"model": Problem} for status in (502, 504)},
)
async def command_station(
    request: Request, _: Once, caller: CallerNow, identity: str, body: StationOrder
) -> Response:
    """Send a station an action of its own OCPP version and wait for its answer."""
    services = services_of(request)
    await check_there(services.db, Station, identity, caller.tenant)
    found = services.gateway.validate_command(identity, body.action, body.payload)
    _refuse_payload(body.action, found)
    check_reach(services.gateway, identity, body.action, body.payload)
    starts = remote_start(body.action, body.payload) is not None
    if starts:
        now = services.clock.now()
        async with services.db.read() as session:
            await check_not_kept(session, identity, body.action, body.payload, now)
    command = RawCommand(action=body.action, payload=body.payload)
    async with begin_work(request) as work:
        command_id = work.order(
            command,
            station=identity,
            origin="api",
            expires_in_s=COMMAND_TIMEOUT_S,
            kind=StartCharging.__name__ if starts else None,
        )
    return reply(outcome_of(await services.courier.settled(command_id, COMMAND_TIMEOUT_S)))


@router.get(
    "/{identity}/security-events",
    response_model=Page[SecurityEventShown],
    dependencies=[may("read")],
)
async def list_security_events(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[LogQuery, Query()]
) -> Response:
    """Show security events, those of refused connections under a name of nobody's too."""
    row = await session.get(Station, identity)
    statement = sa.select(SecurityEvent).where(SecurityEvent.station == identity)
    if query.since is not None:
        statement = statement.where(SecurityEvent.received_at >= query.since)
    if query.until is not None:
        statement = statement.where(SecurityEvent.received_at < query.until)
    if row is None:
        if (await session.execute(statement.limit(1))).scalar() is None:
            raise NotFound(f"there is no station {identity}, and nobody came in its name")
    elif row.tenant_id != caller.tenant:
        raise NotFound(f"there is no station {identity}")
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": SecurityEvent.id},
        key=(SecurityEvent.id,),
        updated=(SecurityEvent.received_at,),
        default="-id",
    )
    return reply_page([security_resource(each) for each in rows], cursor)


@router.get("/{identity}/variables", response_model=Page[VariableShown], dependencies=[may("read")])
async def list_variables(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """Show the configuration that a station has reported."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(StationVariable).where(StationVariable.station == identity),
        query,
        sorts={"component": StationVariable.component, "variable": StationVariable.variable},
        key=(StationVariable.component, StationVariable.variable, StationVariable.attribute),
        updated=(StationVariable.reported_at,),
    )
    return reply_page([variable_resource(row) for row in rows], cursor)


def _tell_gateway(request: Request, identity: str) -> None:
    """Has the gateway read the station's record anew, once it is committed."""
    gateway = services_of(request).gateway
    after_commit(request, lambda: gateway.station_changed(identity))


def _refuse_payload(action: str, found: Sequence[FieldError]) -> None:
    """Raises BadInput for what the station's OCPP version does not allow."""
    if not found:
        return
    errors = [
        FieldError(f"/payload{each.field}" if each.field else "/action", each.detail)
        for each in found
    ]
    raise BadInput(f"{action}: {errors[0].detail}", errors)


async def _sealed(keyring: Keyring, identity: str, chosen: str | None) -> tuple[str, str]:
    try:
        return await sealed_password(keyring, identity, chosen)
    except BadInput as wrong:
        raise bad_field("/password", wrong.detail) from None


def _evses(document: NewStation) -> list[dict[str, Any]]:
    return [evse.model_dump() for evse in document.evses]
