"""REST: certificates of stations and of those whom they trust; passwords and profiles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from csms.certificates import read_certificate
from csms.ledger.work import ReadSession
from csms.security.actions import find_certificate, renew, revoke
from csms.security.authority import BuiltInAuthority
from csms.security.est import EstAuthority
from csms.security.handover import (
    V16,
    announce_change,
    begin_password,
    begin_profile,
    fail,
    running_change,
)
from csms.security.queries import (
    CertificateShown,
    ChangeShown,
    PasswordChangeShown,
    certificate_resource,
    change_resource,
    state_of,
)
from csms.security.rules import RenewalStatus
from csms.stations.actions import (
    sealed_password,
)
from csms.stations.asking import ask
from csms.web.documents import Document, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.problem import bad_field
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page, Problem
from csms.web.work import Once, Reading, Work, after_commit
from models.commands.upkeep import (
    DeleteRootCertificate,
    InstallRootCertificate,
    NetworkInterface,
    ReadRootCertificates,
    RootUse,
)
from models.errors import BadInput, Conflict, NotFound
from models.tables.security import SecurityChange, StationCertificate
from models.tables.stations import Station

router = api_router("security")

_CALLS: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (502, 504)}
Hash = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Fa-f]+$")]


class AuthorityShown(Shown):
    """The authority that signs certificates of stations."""

    certificate: str
    """Its root, PEM; of one outside all that it gives."""


class NewRoot(Document):
    """A certificate that a station shall trust."""

    use: RootUse = "csms"
    """For what: `csms` is this service."""
    certificate: Annotated[str, Field(min_length=1, max_length=5500)]
    """PEM."""


class NamedRoot(Document):
    """A certificate that a station trusts, named as it has named it."""

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"] = "SHA256"
    issuer_name_hash: Hash
    issuer_key_hash: Hash
    serial_number: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[0-9A-Fa-f]+$")]


class StationSaid(Shown):
    """What the station said, in its own words."""

    status: Literal["answered"]
    response: dict[str, Any]


class RootQuery(Document):
    """Which certificates are asked for."""

    use: RootUse | None = None


class CertificateQuery(ListQuery):
    """Filters of the list of all stations' certificates."""

    station: str | None = None
    renewal: RenewalStatus | None = None
    ends_before: Instant | None = None


class NewPassword(Document):
    """The password that a station shall have."""

    password: Annotated[str, Field(min_length=16, max_length=80)] | None = None
    """16 to 40 characters, or hexadecimal; null: one is made."""


class NewProfile(Document):
    """The security profile that a station shall have, and what it needs to get there."""

    target: Annotated[int, Field(ge=2, le=3)]
    root_certificate: Annotated[str, Field(min_length=1, max_length=5500)] | None = None
    """Of our server's certificate, PEM; null: the station has it."""
    csms_url: Annotated[str, Field(pattern=r"^wss://[^\s]{1,500}$")] | None = None
    """Where it shall connect to, without its identity; 2.x only."""
    slot: Annotated[int, Field(ge=0, le=1000)] = 2
    """Of its network configurations, which is written over; 2.x only."""
    interface: NetworkInterface = "Wired0"
    """2.x only."""


class RenewalAsked(Shown):
    """That the station is asked for a new request."""

    status: Literal["asked"]
    command_id: str


@router.get("/certificate-authority", response_model=AuthorityShown, dependencies=[may("read")])
async def get_authority(request: Request, _: CallerNow) -> Response:
    """Show the root of the authority that signs certificates of stations."""
    authority = services_of(request).authority
    assert isinstance(authority, BuiltInAuthority | EstAuthority)
    return reply({"certificate": await authority.root()})


@router.get(
    "/stations/{identity}/certificates",
    response_model=Page[CertificateShown],
    dependencies=[may("read")],
)
async def list_certificates(
    request: Request,
    session: Reading,
    caller: CallerNow,
    identity: str,
    query: Annotated[ListQuery, Query()],
) -> Response:
    """List a station's own certificates, the newest first."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(StationCertificate).where(
        StationCertificate.station == identity, StationCertificate.tenant_id == caller.tenant
    )
    return await _page_of_certificates(request, session, statement, query)


@router.get(
    "/station-certificates",
    response_model=Page[CertificateShown],
    dependencies=[may("read")],
)
async def list_all_certificates(
    request: Request,
    session: Reading,
    caller: CallerNow,
    query: Annotated[CertificateQuery, Query()],
) -> Response:
    """List the certificates of all stations; those that could not be renewed by `renewal`."""
    statement = sa.select(StationCertificate).where(StationCertificate.tenant_id == caller.tenant)
    statement = filtered(statement, query, StationCertificate.station, StationCertificate.renewal)
    if query.ends_before is not None:
        statement = statement.where(StationCertificate.not_after < query.ends_before)
    return await _page_of_certificates(request, session, statement, query)


@router.post(
    "/stations/{identity}/certificates/renew",
    status_code=202,
    response_model=RenewalAsked,
    dependencies=[may("operate")],
)
async def renew_certificate(work: Work, identity: str) -> Response:
    """Have a station make a new key and ask for a certificate, now or when it comes."""
    await find_row(work.session, Station, identity, work.tenant)
    return reply({"status": "asked", "command_id": renew(work, identity)}, status=202)


@router.post(
    "/stations/{identity}/certificates/{certificate_id}/revoke",
    response_model=CertificateShown,
    dependencies=[may("operate")],
)
async def revoke_certificate(
    request: Request, work: Work, identity: str, certificate_id: str
) -> Response:
    """Take a certificate no more; a connection that stands on it is closed."""
    services = services_of(request)
    row = await find_certificate(work, identity, certificate_id)
    if row is None:
        raise NotFound(f"the station {identity} has no certificate {certificate_id}")
    revoke(work, row, services.wall)
    _tell_gateway(request, identity)
    return reply(certificate_resource(state_of(row), services.wall.now()))


@router.post(
    "/stations/{identity}/password/rotate",
    status_code=202,
    response_model=PasswordChangeShown,
    dependencies=[may("operate")],
)
async def rotate_password(
    request: Request, work: Work, identity: str, body: NewPassword
) -> Response:
    """Have a station take a new password; the old one is good until it has used the new one."""
    station = await find_for_change(work, Station, identity)
    keyring = services_of(request).keyring
    try:
        password, seal = await sealed_password(keyring, identity, body.password)
    except BadInput as wrong:
        raise bad_field("/password", wrong.detail) from None
    row = await begin_password(work, station, password=password, seal=seal)
    announce_change(work, row)
    _tell_gateway(request, identity)
    return reply(change_resource(row), status=202, secrets={"password": password})


@router.post(
    "/stations/{identity}/security-profile",
    status_code=202,
    response_model=ChangeShown,
    dependencies=[may("operate")],
)
async def raise_profile(request: Request, work: Work, identity: str, body: NewProfile) -> Response:
    """Lead a station to a higher security profile; its record follows when it has come by it."""
    station = await find_for_change(work, Station, identity)
    services = services_of(request)
    if station.ocpp_version not in {None, V16} and body.csms_url is None:
        raise bad_field("/csms_url", "needed for a station that speaks OCPP 2.x")
    if body.root_certificate is not None:
        _check_pem(body.root_certificate, "/root_certificate")
    row = await begin_profile(
        work,
        station,
        target=body.target,
        wishes=body.model_dump(exclude={"target"}),
        operator_name=services.settings.operator_name,
        wall=services.wall,
    )
    _tell_gateway(request, identity)
    return reply(change_resource(row), status=202)


@router.get(
    "/stations/{identity}/security-changes",
    response_model=Page[ChangeShown],
    dependencies=[may("read")],
)
async def list_changes(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List changes of a station's password and security profile, the newest first."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(SecurityChange).where(SecurityChange.station == identity),
        query,
        sorts={"id": SecurityChange.id, "created_at": SecurityChange.created_at},
        key=(SecurityChange.id,),
        updated=(SecurityChange.updated_at,),
        default="-id",
    )
    return reply_page([change_resource(row) for row in rows], cursor)


@router.post(
    "/stations/{identity}/security-changes/cancel",
    response_model=ChangeShown,
    dependencies=[may("operate")],
)
async def cancel_change(request: Request, work: Work, identity: str) -> Response:
    """Give up the change that is under way; what the station was told, it may still do."""
    station = await find_for_change(work, Station, identity)
    row = await running_change(work, identity)
    if row is None:
        raise Conflict("no change of this station is under way", code="no-change")
    fail(work, row, station, "cancelled")
    _tell_gateway(request, identity)
    return reply(change_resource(row))


@router.get(
    "/stations/{identity}/root-certificates",
    response_model=StationSaid,
    dependencies=[may("operate")],
    responses=_CALLS,
)
async def list_roots(
    request: Request, identity: str, query: Annotated[RootQuery, Query()]
) -> Response:
    """Ask a station which certificates it trusts, and show its answer."""
    return reply(await ask(request, identity, ReadRootCertificates(use=query.use)))


@router.post(
    "/stations/{identity}/root-certificates",
    response_model=StationSaid,
    dependencies=[may("operate")],
    responses=_CALLS,
)
async def install_root(request: Request, _: Once, identity: str, body: NewRoot) -> Response:
    """Have a station trust a certificate, and show its answer."""
    _check_pem(body.certificate, "/certificate")
    command = InstallRootCertificate(use=body.use, certificate=body.certificate)
    return reply(await ask(request, identity, command))


@router.post(
    "/stations/{identity}/root-certificates/delete",
    response_model=StationSaid,
    dependencies=[may("operate")],
    responses=_CALLS,
)
async def delete_root(request: Request, _: Once, identity: str, body: NamedRoot) -> Response:
    """Have a station trust a certificate no more, and show its answer."""
    command = DeleteRootCertificate(**body.model_dump())
    return reply(await ask(request, identity, command))


async def _page_of_certificates(
    request: Request,
    session: ReadSession,
    statement: sa.Select[StationCertificate],
    query: ListQuery,
) -> Response:
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": StationCertificate.id, "created_at": StationCertificate.created_at},
        key=(StationCertificate.id,),
        updated=(StationCertificate.updated_at,),
        default="-id",
    )
    now = services_of(request).wall.now()
    return reply_page([certificate_resource(state_of(row), now) for row in rows], cursor)


def _check_pem(certificate: str, field: str) -> None:
    try:
        read_certificate(certificate)
    except BadInput as wrong:
        raise bad_field(field, wrong.detail) from None


def _tell_gateway(request: Request, identity: str) -> None:
    """Has the gateway read the station's record anew, once it is committed."""
    gateway = services_of(request).gateway
    after_commit(request, lambda: gateway.station_changed(identity))
