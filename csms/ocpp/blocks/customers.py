"""N, diagnostics: what a station knows of a customer, told or forgotten.

Source: OCPP 2.0.1 part 2, N09 and N10.
"""

from __future__ import annotations

from typing import cast

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.blocks.authorization import token_of
from csms.ocpp.fields import optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.inquiries import report_promised
from csms.ocpp.table import Block, Heard, Said, nothing
from csms.ocpp.wire import v21, v201
from models import answers
from models.commands.customers import AskCustomer
from models.facts.customers import CustomerTold


def customer_told(
    request: v201.NotifyCustomerInformationRequest | v21.NotifyCustomerInformationRequest,
    hearing: Hearing,
) -> CustomerTold:
    """Returns one part of what a station knows of a customer."""
    return CustomerTold(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        request_id=request.request_id,
        seq_no=request.seq_no,
        last=not request.tbc,
        data=request.data,
    )


def _ask(command: AskCustomer) -> msgspec.Struct:
    token: v201.IdTokenType | UnsetType = UNSET
    if command.id_token is not None:
        token = token_of(command.id_token, command.token_type)
    certificate: v201.CertificateHashDataType | UnsetType = UNSET
    if (named := command.certificate) is not None:
        certificate = v201.CertificateHashDataType(
            hash_algorithm=cast("v201.HashAlgorithmEnumType", named.hash_algorithm),
            issuer_name_hash=named.issuer_name_hash,
            issuer_key_hash=named.issuer_key_hash,
            serial_number=named.serial_number,
        )
    return v201.CustomerInformationRequest(
        request_id=command.request_id,
        report=command.report,
        clear=command.clear,
        id_token=token,
        customer_identifier=optional(command.customer_identifier),
        customer_certificate=certificate,
    )


BLOCK = Block(
    "N. Diagnostics: customer information",
    heard=(
        Heard(
            v201.NotifyCustomerInformationRequest,
            customer_told,
            CustomerTold,
            nothing(v201.NotifyCustomerInformationResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(
            AskCustomer,
            _ask,
            report_promised("customer", None, follows=lambda command: command.report),
            ("CustomerInformation",),
        ),
    ),
    sent=("CustomerInformation",),
)
