"""K, smart charging of 2.1: priority charging, and dynamic profiles.

Source: OCPP 2.1 part 2, K21, K22 (priority charging), K28, K29 (dynamic profiles).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.fields import optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing
from csms.ocpp.wire import v21
from models import answers
from models.commands import priorities
from models.facts import priorities as facts
from models.schedules import ScheduleUpdate


def _priority_reported(
    request: v21.NotifyPriorityChargingRequest, hearing: Hearing
) -> facts.PriorityReported:
    return facts.PriorityReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        ocpp_transaction_id=request.transaction_id,
        activated=request.activated,
    )


def _schedule_pulled(
    request: v21.PullDynamicScheduleUpdateRequest, hearing: Hearing
) -> facts.SchedulePulled:
    return facts.SchedulePulled(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        profile_id=request.charging_profile_id,
    )


def _schedule_answer(
    _fact: facts.SchedulePulled, answer: answers.ScheduleAnswer
) -> v21.PullDynamicScheduleUpdateResponse:
    info: v21.StatusInfoType | UnsetType = UNSET
    if answer.why is not None:
        info = v21.StatusInfoType(reason_code="NoLimit", additional_info=answer.why)
    return v21.PullDynamicScheduleUpdateResponse(
        schedule_update=UNSET if answer.update is None else _update(answer.update),
        status="Rejected" if answer.update is None else "Accepted",
        status_info=info,
    )


def _use(command: priorities.UsePriority) -> v21.UsePriorityChargingRequest:
    return v21.UsePriorityChargingRequest(
        transaction_id=command.ocpp_transaction_id, activate=command.activate
    )


def _used(command: priorities.UsePriority, response: Mapping[str, Any]) -> Outcome:
    outcome = by_status(command, response)
    if outcome.status != "accepted":
        return outcome
    return msgspec.structs.replace(
        outcome, priority=(command.ocpp_transaction_id, command.activate)
    )


def _set_limit(command: priorities.SetPriorityLimit) -> v21.SetChargingProfileRequest:
    schedule = v21.ChargingScheduleType(
        id=command.profile_id,
        charging_rate_unit="W",
        charging_schedule_period=[
            v21.ChargingSchedulePeriodType(start_period=0, limit=command.limit_w)
        ],
    )
    return v21.SetChargingProfileRequest(
        evse_id=command.evse_id,
        charging_profile=v21.ChargingProfileType(
            id=command.profile_id,
            stack_level=0,
            charging_profile_purpose="PriorityCharging",
            charging_profile_kind="Relative",
            charging_schedule=[schedule],
        ),
    )


def _tell_update(command: priorities.UpdateSchedule) -> v21.UpdateDynamicScheduleRequest:
    return v21.UpdateDynamicScheduleRequest(
        charging_profile_id=command.profile_id, schedule_update=_update(command.update)
    )


def _update_told(command: priorities.UpdateSchedule, response: Mapping[str, Any]) -> Outcome:
    outcome = by_status(command, response)
    refused = None if outcome.status == "accepted" else outcome.detail
    return msgspec.structs.replace(outcome, schedule=(command, refused))


def _update(update: ScheduleUpdate) -> v21.ChargingScheduleUpdateType:
    values = {name: getattr(update, name) for name in update.__struct_fields__}
    return v21.ChargingScheduleUpdateType(
        **{name: optional(value) for name, value in values.items()}
    )


BLOCK = Block(
    "K. Smart charging (2.1)",
    heard=(
        Heard(
            v21.NotifyPriorityChargingRequest,
            _priority_reported,
            facts.PriorityReported,
            nothing(v21.NotifyPriorityChargingResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v21.PullDynamicScheduleUpdateRequest,
            _schedule_pulled,
            facts.SchedulePulled,
            _schedule_answer,
            answers.ScheduleAnswer,
        ),
    ),
    said=(
        Said(priorities.UsePriority, _use, _used, ("UsePriorityCharging",)),
        Said(priorities.SetPriorityLimit, _set_limit, by_status, ()),
        Said(priorities.UpdateSchedule, _tell_update, _update_told, ("UpdateDynamicSchedule",)),
    ),
    sent=("UpdateDynamicSchedule", "UsePriorityCharging"),
)
