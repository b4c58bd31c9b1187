"""C, payment: what a payment terminal tells, VAT numbers, and payments on the web (2.1).

Source: OCPP 2.1 part 2, C20 to C26.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import UNSET, UnsetType

from csms.ocpp.fields import given, optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Outcome, Said
from csms.ocpp.wire import v21
from models import answers
from models.commands import costs
from models.companies import Company
from models.facts import payments

_AMOUNT_MAX = 1e12
"""No payment at a charger is larger, whatever a terminal says."""


def _settlement(
    request: v21.NotifySettlementRequest, hearing: Hearing
) -> payments.SettlementReported:
    settled_at = hearing.instant(request.settlement_time)
    company = request.vat_company
    amount = request.settlement_amount
    if abs(amount) > _AMOUNT_MAX:
        hearing.doubt("value-implausible")
        amount = _AMOUNT_MAX if amount > 0 else -_AMOUNT_MAX
    return payments.SettlementReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        psp_ref=request.psp_ref,
        status=request.status,
        amount=Decimal(repr(round(amount, 6))),
        settled_at=settled_at,
        ocpp_transaction_id=given(request.transaction_id),
        info=given(request.status_info),
        receipt_id=given(request.receipt_id),
        receipt_url=given(request.receipt_url),
        vat_number=given(request.vat_number),
        company=None if company is UNSET else _company(company),
    )


def _company(address: v21.AddressType) -> Company:
    return Company(
        name=address.name,
        address1=address.address1,
        address2=given(address.address2),
        city=address.city,
        postal_code=given(address.postal_code),
        country=address.country,
    )


def _receipt(
    _fact: payments.SettlementReported, answer: answers.SettlementAnswer
) -> v21.NotifySettlementResponse:
    return v21.NotifySettlementResponse(receipt_id=optional(answer.receipt_id))


def _vat_number(
    request: v21.VatNumberValidationRequest, hearing: Hearing
) -> payments.VatNumberPresented:
    return payments.VatNumberPresented(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        vat_number=request.vat_number,
        evse_id=given(request.evse_id),
    )


def _vat_answer(
    fact: payments.VatNumberPresented, answer: answers.VatAnswer
) -> v21.VatNumberValidationResponse:
    info: v21.StatusInfoType | UnsetType = UNSET
    if answer.why is not None:
        info = v21.StatusInfoType(reason_code="InvalidVatNumber", additional_info=answer.why)
    return v21.VatNumberValidationResponse(
        company=UNSET if answer.company is None else _address(answer.company),
        status_info=info,
        vat_number=fact.vat_number,
        evse_id=optional(fact.evse_id),
        status="Accepted" if answer.accepted else "Rejected",
    )


def _address(company: Company) -> v21.AddressType:
    return v21.AddressType(
        name=company.name,
        address1=company.address1,
        address2=optional(company.address2),
        city=company.city,
        postal_code=optional(company.postal_code),
        country=company.country,
    )


def _web_payment(command: costs.AnnounceWebPayment) -> v21.NotifyWebPaymentStartedRequest:
    return v21.NotifyWebPaymentStartedRequest(evse_id=command.evse_id, timeout=command.timeout_s)


def _web_payment_told(_command: costs.AnnounceWebPayment, _response: Mapping[str, Any]) -> Outcome:
    """The answer is empty: that it came is all that it says."""
    return Outcome(status="accepted")


PAYMENT = Block(
    "C. Authorisation: payment (2.1)",
    heard=(
        Heard(
            v21.NotifySettlementRequest,
            _settlement,
            payments.SettlementReported,
            _receipt,
            answers.SettlementAnswer,
        ),
        Heard(
            v21.VatNumberValidationRequest,
            _vat_number,
            payments.VatNumberPresented,
            _vat_answer,
            answers.VatAnswer,
        ),
    ),
    said=(
        Said(
            costs.AnnounceWebPayment,
            _web_payment,
            _web_payment_told,
            ("NotifyWebPaymentStarted",),
        ),
    ),
    sent=("NotifyWebPaymentStarted",),
)
