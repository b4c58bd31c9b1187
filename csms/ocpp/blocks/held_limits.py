"""K, smart charging: the limits that a station holds, read back, and limits from elsewhere.

Source: OCPP 2.0.1 part 2, K09 (reading back), K11 to K14 (limits from elsewhere).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET

from csms.ocpp.fields import given
from csms.ocpp.hearing import Hearing
from csms.ocpp.inquiries import report_promised
from csms.ocpp.table import Block, Heard, Said, nothing
from csms.ocpp.wire import v21, v201
from models import answers
from models.commands.held_limits import SOURCES, ReadHeldLimits
from models.facts.held_limits import (
    HeldLimit,
    HeldLimitsReported,
    HeldPeriod,
    HeldSchedule,
    OutsideLimitCleared,
    OutsideLimitReported,
)
from models.units import NOMINAL_VOLTAGE_V, amperes_to_watts

_PURPOSES: Mapping[str, str] = {
    "TxProfile": "transaction",
    "TxDefaultProfile": "default",
    "ChargingStationMaxProfile": "station",
    "ChargingStationExternalConstraints": "external",
    "PriorityCharging": "priority",
    "LocalGeneration": "local-generation",
}


def limits_reported(
    request: v201.ReportChargingProfilesRequest | v21.ReportChargingProfilesRequest,
    hearing: Hearing,
) -> HeldLimitsReported:
    """Returns one part of the limits that a station holds."""
    limits = tuple(_limit(each, hearing) for each in request.charging_profile)
    return HeldLimitsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        request_id=request.request_id,
        last=not request.tbc,
        evse_id=request.evse_id,
        source=request.charging_limit_source,
        limits=limits,
    )


def outside_limit_reported(
    request: v201.NotifyChargingLimitRequest | v21.NotifyChargingLimitRequest, hearing: Hearing
) -> OutsideLimitReported:
    """Returns what somebody else allows a station."""
    limit = request.charging_limit
    schedules = _schedules(request.charging_schedule or (), hearing)
    is_21 = isinstance(limit, v21.ChargingLimitType)
    return OutsideLimitReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        source=limit.charging_limit_source,
        evse_id=given(request.evse_id) or 0,
        grid_critical=given(limit.is_grid_critical),
        local_generation=given(limit.is_local_generation) if is_21 else None,
        schedules=schedules,
    )


def outside_limit_cleared(
    request: v201.ClearedChargingLimitRequest | v21.ClearedChargingLimitRequest, hearing: Hearing
) -> OutsideLimitCleared:
    """Returns that a limit from elsewhere is over."""
    return OutsideLimitCleared(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        source=request.charging_limit_source,
        evse_id=given(request.evse_id),
    )


def _limit(
    profile: v201.ChargingProfileType | v21.ChargingProfileType, hearing: Hearing
) -> HeldLimit:
    valid_from, valid_to = profile.valid_from, profile.valid_to
    return HeldLimit(
        profile_id=profile.id,
        purpose=_PURPOSES[profile.charging_profile_purpose],
        stack_level=profile.stack_level,
        kind=profile.charging_profile_kind,
        recurrence=given(profile.recurrency_kind),
        valid_from=None if valid_from is UNSET else hearing.instant(valid_from),
        valid_to=None if valid_to is UNSET else hearing.instant(valid_to),
        ocpp_transaction_id=given(profile.transaction_id),
        schedules=_schedules(profile.charging_schedule, hearing),
    )


def _schedules(
    told: Iterable[v201.ChargingScheduleType | v21.ChargingScheduleType], hearing: Hearing
) -> tuple[HeldSchedule, ...]:
    return tuple(
        HeldSchedule(
            start_at=None if each.start_schedule is UNSET else hearing.instant(each.start_schedule),
            duration_s=given(each.duration),
            rate_unit=each.charging_rate_unit,
            periods=tuple(
                _period(period, each.charging_rate_unit) for period in each.charging_schedule_period
            ),
        )
        for each in told
    )


def _period(
    period: v201.ChargingSchedulePeriodType | v21.ChargingSchedulePeriodType, unit: str
) -> HeldPeriod:
    limit, phases = given(period.limit), given(period.number_phases)
    if limit is not None and unit == "A":
        limit = amperes_to_watts(limit, phases=phases or 3, voltage_v=NOMINAL_VOLTAGE_V)
    return HeldPeriod(start_s=period.start_period, limit_w=limit, phases=phases)


def _read(command: ReadHeldLimits) -> msgspec.Struct:
    # All of them: K09.FR.03 wants a criterion, so every source that the specification names. 2.1
    # lets stations name others, and has no room for a fifth.
    criteria = v201.ChargingProfileCriterionType(charging_limit_source=list(SOURCES))
    return v201.GetChargingProfilesRequest(request_id=command.request_id, charging_profile=criteria)


BLOCK = Block(
    "K. Smart charging: limits in the box and from elsewhere",
    heard=(
        Heard(
            v201.ReportChargingProfilesRequest,
            limits_reported,
            HeldLimitsReported,
            nothing(v201.ReportChargingProfilesResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v201.NotifyChargingLimitRequest,
            outside_limit_reported,
            OutsideLimitReported,
            nothing(v201.NotifyChargingLimitResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v201.ClearedChargingLimitRequest,
            outside_limit_cleared,
            OutsideLimitCleared,
            nothing(v201.ClearedChargingLimitResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(
            ReadHeldLimits,
            _read,
            report_promised("limits", "NoProfiles"),
            ("GetChargingProfiles",),
        ),
    ),
    sent=("GetChargingProfiles",),
)
