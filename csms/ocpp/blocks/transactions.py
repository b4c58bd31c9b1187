"""E, transactions: one message for their start, course and end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from csms.ocpp.blocks.authorization import token_info
from csms.ocpp.fields import given
from csms.ocpp.hearing import Hearing
from csms.ocpp.readings import readings_2x
from csms.ocpp.table import Block, Heard, Outcome, Said
from csms.ocpp.wire import v21, v201
from models import answers, facts
from models.commands.transactions import CheckTransaction
from models.facts.checks import TransactionChecked

_KINDS: dict[str, facts.TransactionKind] = {
    "Started": "started",
    "Updated": "updated",
    "Ended": "ended",
}


def transaction_reported(
    request: v201.TransactionEventRequest | v21.TransactionEventRequest, hearing: Hearing
) -> facts.TransactionReported:
    """Returns what a TransactionEvent tells; an empty token (NoAuthorization) is none."""
    measured_at = hearing.instant(request.timestamp)
    readings = readings_2x(request.meter_value or (), hearing)
    info, evse, token = request.transaction_info, request.evse, request.id_token
    return facts.TransactionReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        kind=_KINDS[request.event_type],
        scheme="2.x",
        measured_at=measured_at,
        ocpp_transaction_id=info.transaction_id,
        evse_id=None if evse is UNSET else evse.id,
        connector_id=None if evse is UNSET else given(evse.connector_id),
        id_token=None if token is UNSET else token.id_token or None,
        token_type=None if token is UNSET else token.type,
        readings=readings,
        seq_no=request.seq_no,
        trigger=request.trigger_reason,
        charging_state=given(info.charging_state),
        stop_reason=given(info.stopped_reason),
        offline=request.offline is True,
        remote_start_id=given(info.remote_start_id),
        reservation_id=given(request.reservation_id),
    )


def transaction_answer(
    _fact: facts.TransactionReported, answer: answers.TransactionAnswer
) -> msgspec.Struct:
    """Returns the response to a TransactionEvent: what it costs, and what its token may."""
    token = answer.token_status
    return v201.TransactionEventResponse(
        total_cost=UNSET if answer.total_cost is None else float(answer.total_cost),
        id_token_info=UNSET if token is None else token_info(token, answer),
    )


def _check(command: CheckTransaction) -> msgspec.Struct:
    return v201.GetTransactionStatusRequest(transaction_id=command.ocpp_transaction_id)


def _checked(command: CheckTransaction, response: Mapping[str, Any]) -> Outcome:
    def told(station: str, at: datetime) -> TransactionChecked:
        return TransactionChecked(
            station=station,
            received_at=at,
            ocpp_transaction_id=command.ocpp_transaction_id,
            ongoing=response.get("ongoingIndicator"),
            in_queue=response["messagesInQueue"],
        )

    return Outcome(status="accepted", tells=told)


BLOCK = Block(
    "E. Transactions",
    heard=(
        Heard(
            v201.TransactionEventRequest,
            transaction_reported,
            facts.TransactionReported,
            transaction_answer,
            answers.TransactionAnswer,
            precious=True,
        ),
    ),
    said=(Said(CheckTransaction, _check, _checked, ("GetTransactionStatus",)),),
    sent=("GetTransactionStatus",),
)
