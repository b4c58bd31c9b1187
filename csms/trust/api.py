"""REST: what stations have asked about certificates of vehicles and contracts (OCPP 2.x)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime
from starlette.responses import Response

from csms.trust.queries import check_resource, contract_resource
from csms.web.documents import Shown
from csms.web.identity import MASK, CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Reading
from models.tables.stations import Station
from models.tables.trust import CertificateCheck, ContractRequest

router = api_router("trust", prefix="/stations")
_WITHOUT_PEOPLE: dict[str, Any] = {"exi_request": MASK, "exi_response": None, "prioritized": []}


class CheckShown(Shown):
    """A certificate that was asked about, and what was found out."""

    id: str
    station: str
    asked_at: AwareDatetime
    purpose: Literal["certificate", "chain", "token"]
    """`token`: a contract was to charge; the others: the station asked."""
    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder: str | None
    status: Literal["good", "revoked", "unknown", "failed"]
    """`failed`: nobody could be asked, or believed; `why` tells."""
    why: str | None
    verified: bool
    """Signed by one whom `contract_authorities` names, or whom those let sign."""
    cached: bool
    next_update_at: AwareDatetime | None


class ContractRequestShown(Shown):
    """A car's request for the certificate of its contract, and the pool's answer."""

    id: str
    station: str
    asked_at: AwareDatetime
    action: str
    schema_version: str
    exi_request: str
    maximum_chains: int | None
    prioritized: list[str]
    status: Literal["Accepted", "Failed"]
    why: str | None
    exi_response: str | None
    remaining_contracts: int | None


class CheckQuery(ListQuery):
    """Filters of the list of checks; the newest comes first unless `sort` says otherwise."""

    status: Literal["good", "revoked", "unknown", "failed"] | None = None
    purpose: Literal["certificate", "chain", "token"] | None = None


@router.get(
    "/{identity}/certificate-checks",
    response_model=Page[CheckShown],
    dependencies=[may("read")],
)
async def list_checks(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[CheckQuery, Query()]
) -> Response:
    """List the certificates that a station has asked about, or that were shown to it."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(CertificateCheck).where(CertificateCheck.station == identity)
    statement = filtered(statement, query, CertificateCheck.status, CertificateCheck.purpose)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": CertificateCheck.id},
        key=(CertificateCheck.id,),
        updated=(CertificateCheck.asked_at,),
        default="-id",
    )
    return reply_page([check_resource(row) for row in rows], cursor)


@router.get(
    "/{identity}/contract-requests",
    response_model=Page[ContractRequestShown],
    dependencies=[may("read")],
)
async def list_contract_requests(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List what cars have asked the contract pool for at a station, the newest first."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(ContractRequest).where(ContractRequest.station == identity),
        query,
        sorts={"id": ContractRequest.id},
        key=(ContractRequest.id,),
        updated=(ContractRequest.asked_at,),
        default="-id",
    )
    shown = [contract_resource(row) for row in rows]
    if not caller.sees_people:
        # EMAIDs and certificates say whose contract it is.
        shown = [each | _WITHOUT_PEOPLE for each in shown]
    return reply_page(shown, cursor)
