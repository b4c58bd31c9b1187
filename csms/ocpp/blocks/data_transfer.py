"""P, data transfer: messages outside the specification."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from csms.ocpp.fields import given
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard
from csms.ocpp.wire import v21, v201
from models import answers, facts


def data_received(
    request: v201.DataTransferRequest | v21.DataTransferRequest, hearing: Hearing
) -> facts.DataReceived:
    """Returns what a DataTransfer carries, as JSON text."""
    data = None if request.data is UNSET else msgspec.json.encode(request.data).decode()
    return facts.DataReceived(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        vendor_id=request.vendor_id,
        message_id=given(request.message_id),
        data=data,
    )


def data_answer(_fact: facts.DataReceived, answer: answers.DataAnswer) -> msgspec.Struct:
    """Returns the response to a DataTransfer."""
    data = UNSET if answer.data is None else msgspec.Raw(answer.data.encode())
    return v201.DataTransferResponse(status=answer.status, data=data)


BLOCK = Block(
    "P. Data transfer",
    heard=(
        Heard(
            v201.DataTransferRequest,
            data_received,
            facts.DataReceived,
            data_answer,
            answers.DataAnswer,
        ),
    ),
    sent=("DataTransfer",),
)
