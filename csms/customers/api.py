"""REST: `/stations/{identity}/customer-information`, what a station knows of a person (OCPP 2.x).

For those who may see people only. What a station has told is forgotten with the message log, or
at once when somebody deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from csms.inquiries.api import InquiryShown, inquire
from csms.inquiries.queries import inquiry_resource
from csms.ledger.work import ReadSession
from csms.stations.asking import ASKED
from csms.web.documents import Document
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading, Work
from models.commands.customers import AskCustomer, CertificateName
from models.errors import NotFound
from models.tables.customers import CustomerPart
from models.tables.inquiries import Inquiry
from models.tables.stations import Station

router = api_router("customers", prefix="/stations")
Hash = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Fa-f]+$")]


class CustomerCertificate(Document):
    """A customer's certificate, by its hashes."""

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"] = "SHA256"
    issuer_name_hash: Hash
    issuer_key_hash: Hash
    serial_number: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[0-9A-Fa-f]+$")]


class CustomerQuestion(Document):
    """About whom a station is asked, and what for; the person is named in one way."""

    report: bool = True
    """Whether it is to tell what it knows."""
    clear: bool = False
    """Whether it is to forget it."""
    id_token: Annotated[str, Field(min_length=1, max_length=36)] | None = None
    token_type: Literal[
        "Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress"
    ] = "ISO14443"  # noqa: S105 - a kind, no secret
    customer_identifier: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """As the station, or its maker, calls customers."""
    certificate: CustomerCertificate | None = None

    @model_validator(mode="after")
    def _names_one(self) -> CustomerQuestion:
        names = (self.id_token, self.customer_identifier, self.certificate)
        if sum(name is not None for name in names) != 1:
            raise ValueError("one of id_token, customer_identifier and certificate is needed")
        if not (self.report or self.clear):
            raise ValueError("report, clear or both")
        return self


class CustomerInquiryShown(InquiryShown):
    """What a station was asked about a person, and what it has told."""

    text: str
    """All parts that have come, in order; empty: nothing is known, or nothing has come yet."""


@router.post(
    "/{identity}/customer-information",
    status_code=201,
    response_model=InquiryShown,
    dependencies=[may("operate"), may("read-people")],
    responses=ASKED,
)
async def ask_customer(
    request: Request, _: Once, identity: str, body: CustomerQuestion
) -> Response:
    """Have a station tell, or forget, what it knows of a person; its words follow in parts."""
    values = body.model_dump(exclude={"certificate"})
    named = body.certificate

    def command(number: int) -> AskCustomer:
        certificate = None if named is None else CertificateName(**named.model_dump())
        return AskCustomer(request_id=number, certificate=certificate, **values)

    asked = body.model_dump(exclude_none=True)
    return await inquire(request, identity, "customer", command, asked=asked, whole=False)


@router.get(
    "/{identity}/customer-information",
    response_model=Page[CustomerInquiryShown],
    dependencies=[may("read-people")],
)
async def list_customers(
    request: Request,
    session: Reading,
    caller: CallerNow,
    identity: str,
    query: Annotated[ListQuery, Query()],
) -> Response:
    """List what a station was asked about people, with its answers."""
    await find_row(session, Station, identity, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(Inquiry).where(Inquiry.station == identity, Inquiry.subject == "customer"),
        query,
        sorts={"asked_at": Inquiry.asked_at},
        key=(Inquiry.id,),
        updated=(Inquiry.heard_at,),
        default="-asked_at",
    )
    return reply_page(await _shown(request, session, rows), cursor)


@router.get(
    "/{identity}/customer-information/{inquiry_id}",
    response_model=CustomerInquiryShown,
    dependencies=[may("read-people")],
)
async def get_customer(
    request: Request, session: Reading, caller: CallerNow, identity: str, inquiry_id: str
) -> Response:
    """Show what a station has told of a person."""
    row = await _find(session, identity, inquiry_id, caller.tenant)
    return reply((await _shown(request, session, [row]))[0])


@router.delete(
    "/{identity}/customer-information/{inquiry_id}",
    status_code=204,
    dependencies=[may("operate"), may("read-people")],
)
async def forget_customer(work: Work, identity: str, inquiry_id: str) -> Response:
    """Forget what a station has told of a person, and that it was asked."""
    row = await _find(work.session, identity, inquiry_id, work.tenant)
    await work.session.delete(row)
    return no_content()


async def _find(session: ReadSession, identity: str, inquiry_id: str, tenant: str) -> Inquiry:
    row = await session.get(Inquiry, inquiry_id)
    if row is None or (row.tenant_id, row.station, row.subject) != (tenant, identity, "customer"):
        raise NotFound(f"the station {identity} was not asked {inquiry_id} about anybody")
    return row


async def _shown(
    request: Request, session: ReadSession, rows: Sequence[Inquiry]
) -> list[dict[str, Any]]:
    query = sa.select(CustomerPart).where(CustomerPart.inquiry_id.in_([row.id for row in rows]))
    texts: dict[str, str] = {}
    for part in await session.scalars(query.order_by(CustomerPart.inquiry_id, CustomerPart.seq_no)):
        texts[part.inquiry_id] = texts.get(part.inquiry_id, "") + part.data
    now = services_of(request).clock.now()
    return [inquiry_resource(row, now) | {"text": texts.get(row.id, "")} for row in rows]
