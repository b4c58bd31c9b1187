"""Profiles: a limit in watts as the charging profile of each version, and back.

What differs: 1.6 has one schedule per profile, 2.x a list; 1.6 calls the station's own limit
`ChargePointMaxProfile`, 2.x `ChargingStationMaxProfile`; 1.6 names a transaction by number. What is
the same: amperes are per phase and rounded down to 0.1, so that a limit is never exceeded.

Source: OCPP 1.6 sections 3.13 and 7.8 to 7.14; OCPP 2.0.1 part 2, block K.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.fields import optional, wire_time
from csms.ocpp.table import Outcome, by_status
from csms.ocpp.wire import v16, v201
from models.commands import LimitPeriod, LimitPurpose, SetLimit
from models.commands.base import Command
from models.errors import BadInput
from models.units import amperes_to_watts, watts_to_amperes

_PURPOSES_16: Mapping[
    LimitPurpose, Literal["TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"]
] = {
    "transaction": "TxProfile",
    "default": "TxDefaultProfile",
    "station": "ChargePointMaxProfile",
}
_PURPOSES_2X: Mapping[
    LimitPurpose, Literal["TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile"]
] = {
    "transaction": "TxProfile",
    "default": "TxDefaultProfile",
    "station": "ChargingStationMaxProfile",
}


def purpose_16(
    purpose: LimitPurpose,
) -> Literal["TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"]:
    """Returns what 1.6 calls this purpose."""
    return _PURPOSES_16[purpose]


def purpose_2x(
    purpose: LimitPurpose,
) -> Literal["TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile"]:
    """Returns what 2.x calls this purpose."""
    return _PURPOSES_2X[purpose]


def set_profile_16(limit: SetLimit) -> v16.SetChargingProfileRequest:
    """Returns the 1.6 request that puts `limit` into the station.

    Raises:
        BadInput: if its transaction has no number (on 1.6 we give them).
    """
    transaction = limit.ocpp_transaction_id
    return v16.SetChargingProfileRequest(
        connector_id=limit.evse_id,
        cs_charging_profiles=v16.SetChargingProfileCsChargingProfiles(
            charging_profile_id=limit.profile_id,
            transaction_id=UNSET if transaction is None else transaction_number(transaction),
            stack_level=limit.stack_level,
            charging_profile_purpose=purpose_16(limit.purpose),
            charging_profile_kind=_kind(limit),
            charging_schedule=v16.SetChargingProfileCsChargingProfilesChargingSchedule(
                duration=optional(limit.duration_s),
                start_schedule=_start(limit),
                charging_rate_unit=limit.rate_unit,
                charging_schedule_period=[
                    v16.SetChargingProfileCsChargingProfilesChargingScheduleChargingSchedulePeriod(
                        start_period=period.start_s,
                        limit=_rate(limit, period),
                        number_phases=optional(period.phases),
                    )
                    for period in limit.periods
                ],
            ),
        ),
    )


def set_profile_2x(limit: SetLimit) -> v201.SetChargingProfileRequest:
    """Returns the 2.x request that puts `limit` into the station."""
    schedule = v201.ChargingScheduleType(
        id=limit.profile_id,
        start_schedule=_start(limit),
        duration=optional(limit.duration_s),
        charging_rate_unit=limit.rate_unit,
        charging_schedule_period=[
            v201.ChargingSchedulePeriodType(
                start_period=period.start_s,
                limit=_rate(limit, period),
                number_phases=optional(period.phases),
            )
            for period in limit.periods
        ],
    )
    return v201.SetChargingProfileRequest(
        evse_id=limit.evse_id,
        charging_profile=v201.ChargingProfileType(
            id=limit.profile_id,
            stack_level=limit.stack_level,
            charging_profile_purpose=purpose_2x(limit.purpose),
            charging_profile_kind=_kind(limit),
            charging_schedule=[schedule],
            transaction_id=optional(limit.ocpp_transaction_id),
        ),
    )


def cleared(command: Command, response: Mapping[str, Any]) -> Outcome:
    """Returns the outcome of clearing limits; `Unknown` says that there were none: that will do."""
    outcome = by_status(command, response)
    if response.get("status") == "Unknown":
        return msgspec.structs.replace(outcome, status="accepted")
    return outcome


def composite(schedule: Mapping[str, Any] | None, *, voltage_v: float) -> tuple[LimitPeriod, ...]:
    """Returns the periods of a composite schedule of any version (sound by its schema), in W.

    Amperes count for three phases where a period does not say, which is what both versions take
    for granted. A period of 2.1 without a limit is infinite.
    """
    if schedule is None:
        return ()
    amperes = schedule["chargingRateUnit"] == "A"
    periods: list[LimitPeriod] = []
    for period in cast("list[dict[str, Any]]", schedule["chargingSchedulePeriod"]):
        phases = cast("int | None", period.get("numberPhases"))
        limit_w = float(period.get("limit", inf))
        if amperes:
            limit_w = amperes_to_watts(limit_w, phases=phases or 3, voltage_v=voltage_v)
        periods.append(LimitPeriod(int(period["startPeriod"]), limit_w, phases))
    return tuple(periods)


def transaction_number(ocpp_transaction_id: str) -> int:
    """Returns the 1.6 number of a transaction.

    Raises:
        BadInput: if it is no number.
    """
    try:
        return int(ocpp_transaction_id)
    except ValueError:
        raise BadInput(f"transaction {ocpp_transaction_id!r} is no number, as 1.6 needs") from None


def _kind(limit: SetLimit) -> Literal["Absolute", "Relative"]:
    return "Relative" if limit.start_at is None else "Absolute"


def _start(limit: SetLimit) -> str | UnsetType:
    return UNSET if limit.start_at is None else wire_time(limit.start_at)


def _rate(limit: SetLimit, period: LimitPeriod) -> float:
    """Returns the period's limit in the schedule's unit, never more than asked."""
    if limit.rate_unit == "W":
        return int(period.limit_w * 10.0 + 1e-6) / 10.0
    phases = period.phases or limit.phases
    return watts_to_amperes(period.limit_w, phases=phases, voltage_v=limit.voltage_v)
