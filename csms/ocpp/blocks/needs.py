"""K15 to K17: what cars of ISO 15118 want, and how they mean to charge.

What a car says is kept as it came besides what is read of it, because versions of ISO 15118 differ
in what they know. Energies are Wh, powers W, currents A per phase.

Source: OCPP 2.0.1 part 2, K15 to K17; OCPP 2.1 for what cars can give.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from csms.ocpp.fields import given
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Heard
from csms.ocpp.wire import v21, v201
from models import answers
from models.facts import needs
from models.units import NOMINAL_VOLTAGE_V, amperes_to_watts

_PHASES = {"AC_single_phase": 1, "AC_two_phase": 2}


def needs_reported(
    request: v201.NotifyEVChargingNeedsRequest | v21.NotifyEVChargingNeedsRequest,
    hearing: Hearing,
) -> needs.NeedsReported:
    """Returns what a car wants."""
    wish = request.charging_needs
    told = request.timestamp if isinstance(request, v21.NotifyEVChargingNeedsRequest) else None
    measured = given(told) if told is not None else None
    departure = given(wish.departure_time)
    measured_at = hearing.received_at if measured is None else hearing.instant(measured)
    departure_at = None if departure is None else hearing.instant(departure)
    return needs.NeedsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        evse_id=request.evse_id,
        measured_at=measured_at,
        transfer_mode=wish.requested_energy_transfer,
        departure_at=departure_at,
        max_periods=given(request.max_schedule_tuples),
        parameters=cast("dict[str, Any]", msgspec.to_builtins(wish)),
        **(_of_ac(wish) | _of_dc(wish) | _of_v2x(wish)),
    )


def _of_ac(wish: v201.ChargingNeedsType | v21.ChargingNeedsType) -> dict[str, Any]:
    ac = given(wish.ac_charging_parameters)
    if ac is None:
        return {}
    phases = _PHASES.get(wish.requested_energy_transfer, 3)
    return {
        "energy_wh": float(ac.energy_amount),
        "max_current_a": float(ac.ev_max_current),
        "max_voltage_v": float(ac.ev_max_voltage),
        "max_power_w": amperes_to_watts(
            float(ac.ev_max_current), phases=phases, voltage_v=NOMINAL_VOLTAGE_V
        ),
    }


def _of_dc(wish: v201.ChargingNeedsType | v21.ChargingNeedsType) -> dict[str, Any]:
    dc = given(wish.dc_charging_parameters)
    if dc is None:
        return {}
    return {
        "energy_wh": _number(given(dc.energy_amount)),
        "soc_pct": _number(given(dc.state_of_charge)),
        "target_soc_pct": _number(given(dc.full_so_c)),
        "capacity_wh": _number(given(dc.ev_energy_capacity)),
        "max_power_w": _number(given(dc.ev_max_power)),
        "max_current_a": float(dc.ev_max_current),
        "max_voltage_v": float(dc.ev_max_voltage),
    }


def _of_v2x(wish: v201.ChargingNeedsType | v21.ChargingNeedsType) -> dict[str, Any]:
    """What a car of ISO 15118-20 says takes the place of the same in the older words."""
    if not isinstance(wish, v21.ChargingNeedsType):
        return {}
    read: dict[str, Any] = {"control_mode": given(wish.control_mode)}
    v2x = given(wish.v2x_charging_parameters)
    if v2x is not None:
        read |= {
            "energy_wh": given(v2x.ev_target_energy_request),
            "target_soc_pct": _number(given(v2x.target_so_c)),
            "max_power_w": _sum(
                v2x.max_charge_power, v2x.max_charge_power_l2, v2x.max_charge_power_l3
            ),
            "max_discharge_w": _sum(
                v2x.max_discharge_power, v2x.max_discharge_power_l2, v2x.max_discharge_power_l3
            ),
            "max_current_a": given(v2x.max_charge_current),
            "max_voltage_v": given(v2x.max_voltage),
        }
    return {name: value for name, value in read.items() if value is not None}


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _sum(*phases: float | msgspec.UnsetType) -> float | None:
    told = [each for each in map(given, phases) if each is not None]
    return sum(told) if told else None


def _needs_answer(
    fact: needs.NeedsReported,  # noqa: ARG001 - the form of all answers
    answer: answers.VerdictAnswer,
) -> msgspec.Struct:
    status: Literal["Accepted", "Processing", "Rejected"] = "Rejected"
    if answer.accepted:
        status = "Processing" if answer.later else "Accepted"
    return v201.NotifyEVChargingNeedsResponse(status=status)


def schedule_reported(
    request: v201.NotifyEVChargingScheduleRequest | v21.NotifyEVChargingScheduleRequest,
    hearing: Hearing,
) -> needs.CarScheduleReported:
    """Returns how a car means to charge, in W."""
    schedule, selected = request.charging_schedule, None
    if isinstance(request, v21.NotifyEVChargingScheduleRequest):
        selected = given(request.selected_charging_schedule_id)
    base_at = hearing.instant(request.time_base)
    return needs.CarScheduleReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        evse_id=request.evse_id,
        base_at=base_at,
        rate_unit=schedule.charging_rate_unit,
        duration_s=given(schedule.duration),
        schedule_id=schedule.id,
        selected_id=selected,
        periods=tuple(
            needs.SchedulePeriod(each.start_period, _limit_w(each, schedule.charging_rate_unit))
            for each in schedule.charging_schedule_period
        ),
    )


def _limit_w(
    period: v201.ChargingSchedulePeriodType | v21.ChargingSchedulePeriodType, unit: str
) -> float | None:
    if isinstance(period, v21.ChargingSchedulePeriodType):
        limit = _sum(period.limit, period.limit_l2, period.limit_l3)
        apart = period.limit_l2 is not msgspec.UNSET or period.limit_l3 is not msgspec.UNSET
    else:
        limit, apart = period.limit, False
    if limit is None or unit == "W":
        return limit
    phases = 1 if apart else given(period.number_phases) or 3
    return amperes_to_watts(limit, phases=phases, voltage_v=NOMINAL_VOLTAGE_V)


def _schedule_answer(
    fact: needs.CarScheduleReported,  # noqa: ARG001 - the form of all answers
    answer: answers.VerdictAnswer,
) -> msgspec.Struct:
    return v201.NotifyEVChargingScheduleResponse(
        status="Accepted" if answer.accepted else "Rejected"
    )


NEEDS = Heard(
    v201.NotifyEVChargingNeedsRequest,
    needs_reported,
    needs.NeedsReported,
    _needs_answer,
    answers.VerdictAnswer,
)
SCHEDULE = Heard(
    v201.NotifyEVChargingScheduleRequest,
    schedule_reported,
    needs.CarScheduleReported,
    _schedule_answer,
    answers.VerdictAnswer,
)
