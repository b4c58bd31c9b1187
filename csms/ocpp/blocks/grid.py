"""Q and R: cars that give power, and how stations behave towards the grid (2.1).

The values of a control keep the names that OCPP gives them, in small letters, and get their unit
where the specification says one only in words.

Source: OCPP 2.1 part 2, Q01 to Q12 and R01 to R04.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.ocpp.fields import given, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing
from csms.ocpp.wire import v21
from models import answers
from models.commands import grid as commands
from models.facts import Fact
from models.facts import grid as facts
from models.timeline import parse_rfc3339

_STRUCTS: dict[commands.DerForm, type[msgspec.Struct]] = {
    "curve": v21.DERCurveType,
    "enter_service": v21.EnterServiceType,
    "fixed_pf_absorb": v21.FixedPFType,
    "fixed_pf_inject": v21.FixedPFType,
    "fixed_var": v21.FixedVarType,
    "freq_droop": v21.FreqDroopType,
    "gradient": v21.GradientType,
    "limit_max_discharge": v21.LimitMaxDischargeType,
}
_KINDS: dict[str, str] = {
    "enter_service": "EnterService",
    "fixed_pf_absorb": "FixedPFAbsorb",
    "fixed_pf_inject": "FixedPFInject",
    "fixed_var": "FixedVar",
    "freq_droop": "FreqDroop",
    "gradient": "Gradients",
    "limit_max_discharge": "LimitMaxDischarge",
}
_OURS = {
    "autonomous_v_ref_time_constant": "autonomous_v_ref_time_constant_s",
    "delay": "delay_s",
    "duration": "duration_s",
    "gradient": "gradient_s",
    "high_freq": "high_freq_hz",
    "hv10_min_mean_trip_delay": "hv10_min_mean_trip_delay_s",
    "hysteresis_delay": "hysteresis_delay_s",
    "low_freq": "low_freq_hz",
    "over_droop": "over_droop_pct",
    "over_freq": "over_freq_hz",
    "pct_max_discharge_power": "max_discharge_pct",
    "ramp_rate": "ramp_rate_s",
    "random_delay": "random_delay_s",
    "response_time": "response_time_s",
    "soft_gradient": "soft_gradient_s",
    "start_time": "start_at",
    "under_droop": "under_droop_pct",
    "under_freq": "under_freq_hz",
}
"""Our names of what OCPP names otherwise."""


def _shown(struct: msgspec.Struct) -> dict[str, Any]:
    """Returns the values of a wire struct by our names; what was not given is left out."""
    shown: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if value is msgspec.UNSET or name == "custom_data":
            continue
        if isinstance(value, msgspec.Struct):
            value = _shown(value)
        elif isinstance(value, list):
            value = [_shown(each) for each in cast("list[msgspec.Struct]", value)]
        shown[_OURS.get(name, name)] = value
    return shown


def _wired(struct: type[msgspec.Struct], setting: Mapping[str, Any]) -> Any:
    """Returns values by our names as the wire struct that `_shown` would show so.

    Raises:
        msgspec.ValidationError: if they are none of it.
    """
    return msgspec.convert(_spelled(struct, setting), struct)


def _spelled(struct: type[msgspec.Struct], setting: Mapping[str, Any]) -> dict[str, Any]:
    spelled: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = setting.get(_OURS.get(field.name, field.name))
        if value is None:
            continue
        inner = _INNER.get(field.name)
        if inner is not None and isinstance(value, list):
            value = [_spelled(inner, each) for each in cast("list[dict[str, Any]]", value)]
        elif inner is not None:
            value = _spelled(inner, value)
        elif field.name == "start_time":
            value = wire_time(parse_rfc3339(value))
        spelled[field.encode_name] = value
    return spelled


_INNER: dict[str, type[msgspec.Struct]] = {
    "curve_data": v21.DERCurvePointsType,
    "hysteresis": v21.HysteresisType,
    "power_monitoring_must_trip": v21.DERCurveType,
    "reactive_power_params": v21.ReactivePowerParamsType,
    "voltage_params": v21.VoltageParamsType,
}
"""What nests in the values of a control."""


def _set_control(command: commands.SetDerControl) -> msgspec.Struct:
    setting = {command.form: _wired(_STRUCTS[command.form], command.setting)}
    return v21.SetDERControlRequest(
        is_default=command.is_default,
        control_id=command.control_id,
        control_type=cast("v21.DERControlEnumType", command.control_type),
        **setting,
    )


def _control_set(command: commands.SetDerControl, response: Mapping[str, Any]) -> Outcome:
    outcome = by_status(command, response)
    control = facts.DerControl(
        control_id=command.control_id,
        control_type=command.control_type,
        is_default=command.is_default,
        setting=command.setting,
    )

    def told(station: str, at: datetime) -> Fact:
        return facts.DerControlAnswered(
            station=station,
            received_at=at,
            control_id=command.control_id,
            control=control,
            outcome=outcome.status,
            detail=outcome.detail,
            superseded=tuple(response.get("supersededIds") or ()),
        )

    return msgspec.structs.replace(outcome, tells=told)


def _clear_control(command: commands.ClearDerControl) -> msgspec.Struct:
    return v21.ClearDERControlRequest(is_default=command.is_default, control_id=command.control_id)


def _control_cleared(command: commands.ClearDerControl, response: Mapping[str, Any]) -> Outcome:
    """One that the station does not know is gone as well."""
    outcome = by_status(command, response)
    if response.get("status") == "NotFound":
        outcome = msgspec.structs.replace(outcome, status="accepted")

    def told(station: str, at: datetime) -> Fact:
        return facts.DerControlAnswered(
            station=station,
            received_at=at,
            control_id=command.control_id,
            control=None,
            outcome=outcome.status,
            detail=outcome.detail,
        )

    return msgspec.structs.replace(outcome, tells=told)


def _read_controls(command: commands.ReadDerControls) -> msgspec.Struct:
    return v21.GetDERControlRequest(request_id=command.request_id)


def _controls_asked(command: commands.ReadDerControls, response: Mapping[str, Any]) -> Outcome:
    if response.get("status") != "NotFound":
        return by_status(command, response)

    def told(station: str, at: datetime) -> Fact:
        return facts.DerControlsReported(
            station=station, received_at=at, controls=(), request_id=command.request_id
        )

    return Outcome(status="accepted", detail="NotFound", tells=told)


def controls_reported(
    request: v21.ReportDERControlRequest, hearing: Hearing
) -> facts.DerControlsReported:
    """Returns one part of the controls that a station has."""
    controls: list[facts.DerControl] = []
    for form, struct in _STRUCTS.items():
        for each in given(getattr(request, form)) or ():
            # The member is `fixed_pf` for both kinds, else that of the whole.
            value = next(
                found
                for name in each.__struct_fields__
                if type(found := getattr(each, name)) is struct
            )
            kind = each.curve_type if isinstance(each, v21.DERCurveGetType) else _KINDS[form]
            controls.append(
                facts.DerControl(
                    control_id=each.id,
                    control_type=kind,
                    is_default=getattr(each, "is_default", True),
                    setting=_shown(value),
                    superseded=getattr(each, "is_superseded", False),
                )
            )
    return facts.DerControlsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        controls=tuple(controls),
        request_id=None if given(request.tbc) else request.request_id,
    )


def start_stop_reported(
    request: v21.NotifyDERStartStopRequest, hearing: Hearing
) -> facts.DerStartStopReported:
    """Returns that a control has begun, or has ended."""
    measured_at = hearing.instant(request.timestamp)
    return facts.DerStartStopReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        control_id=request.control_id,
        started=request.started,
        measured_at=measured_at,
        superseded=tuple(given(request.superseded_ids) or ()),
    )


def alarm_reported(request: v21.NotifyDERAlarmRequest, hearing: Hearing) -> facts.DerAlarmReported:
    """Returns what the grid does, or has ceased to do."""
    measured_at = hearing.instant(request.timestamp)
    return facts.DerAlarmReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        control_type=request.control_type,
        measured_at=measured_at,
        ended=bool(given(request.alarm_ended)),
        grid_event=given(request.grid_event_fault),
        info=given(request.extra_info),
    )


def _allow_transfer(command: commands.AllowEnergyTransfer) -> msgspec.Struct:
    return v21.NotifyAllowedEnergyTransferRequest(
        transaction_id=command.ocpp_transaction_id,
        allowed_energy_transfer=cast("list[v21.EnergyTransferModeEnumType]", list(command.modes)),
    )


def _afrr_signal(command: commands.SendAfrrSignal) -> msgspec.Struct:
    return v21.AFRRSignalRequest(timestamp=wire_time(command.at), signal=command.signal)


BIDIRECTIONAL = Block(
    "Q. Bidirectional power transfer (2.1)",
    said=(
        Said(commands.SendAfrrSignal, _afrr_signal, by_status, ("AFRRSignal",)),
        Said(
            commands.AllowEnergyTransfer,
            _allow_transfer,
            by_status,
            ("NotifyAllowedEnergyTransfer",),
        ),
    ),
    sent=("AFRRSignal", "NotifyAllowedEnergyTransfer"),
)
DER = Block(
    "R. DER control (2.1)",
    heard=(
        Heard(
            v21.ReportDERControlRequest,
            controls_reported,
            facts.DerControlsReported,
            nothing(v21.ReportDERControlResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v21.NotifyDERStartStopRequest,
            start_stop_reported,
            facts.DerStartStopReported,
            nothing(v21.NotifyDERStartStopResponse),
            answers.EmptyAnswer,
        ),
        Heard(
            v21.NotifyDERAlarmRequest,
            alarm_reported,
            facts.DerAlarmReported,
            nothing(v21.NotifyDERAlarmResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(commands.SetDerControl, _set_control, _control_set, ("SetDERControl",)),
        Said(commands.ReadDerControls, _read_controls, _controls_asked, ("GetDERControl",)),
        Said(commands.ClearDerControl, _clear_control, _control_cleared, ("ClearDERControl",)),
    ),
    sent=("ClearDERControl", "GetDERControl", "SetDERControl"),
)
