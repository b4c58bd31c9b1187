"""Controls as they come in over REST: one form for each kind, named as OCPP 2.1 names its values.

Times are in seconds, frequencies in Hz, shares in per cent; what else a value means depends on the
grid code, and is the specification's to say (OCPP 2.1 part 2, R, data types).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import Field

from csms.web.documents import Document, Instant
from csms.web.problem import bad_field
from models.commands.grid import DerForm

ControlType = Literal[
    "EnterService",
    "FreqDroop",
    "FreqWatt",
    "FixedPFAbsorb",
    "FixedPFInject",
    "FixedVar",
    "Gradients",
    "HFMustTrip",
    "HFMayTrip",
    "HVMustTrip",
    "HVMomCess",
    "HVMayTrip",
    "LimitMaxDischarge",
    "LFMustTrip",
    "LVMustTrip",
    "LVMomCess",
    "LVMayTrip",
    "PowerMonitoringMustTrip",
    "VoltVar",
    "VoltWatt",
    "WattPF",
    "WattVar",
]
_FORMS: dict[str, DerForm] = {
    "EnterService": "enter_service",
    "FreqDroop": "freq_droop",
    "FixedPFAbsorb": "fixed_pf_absorb",
    "FixedPFInject": "fixed_pf_inject",
    "FixedVar": "fixed_var",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limit_max_discharge",
}
"""All others are curves."""
_ALL: tuple[DerForm, ...] = ("curve", *_FORMS.values())
Unit = Literal[
    "Not_Applicable", "PctMaxW", "PctMaxVar", "PctWAvail", "PctVarAvail", "PctEffectiveV"
]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Priority = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""0 is the highest."""


class CurvePoint(Document):
    """A point of a curve."""

    x: Number
    y: Number


class Hysteresis(Document):
    """When a control lets go."""

    hysteresis_high: Number | None = None
    hysteresis_low: Number | None = None
    hysteresis_delay_s: Seconds | None = None
    hysteresis_gradient: Number | None = None


class ReactivePower(Document):
    """What a curve of reactive power refers to."""

    v_ref: Number | None = None
    autonomous_v_ref_enable: bool | None = None
    autonomous_v_ref_time_constant_s: Seconds | None = None


class Voltages(Document):
    """What a curve of voltages has besides."""

    hv10_min_mean_value: Number | None = None
    hv10_min_mean_trip_delay_s: Seconds | None = None
    power_during_cessation: Literal["Active", "Reactive"] | None = None


class Timed(Document):
    """What holds from an instant on, for a while."""

    priority: Priority
    start_at: Instant | None = None
    """Null: at once. Never of a default."""
    duration_s: Seconds | None = None


class Curve(Timed):
    """A curve."""

    curve_data: Annotated[list[CurvePoint], Field(min_length=1, max_length=10)]
    y_unit: Unit
    response_time_s: Seconds | None = None
    hysteresis: Hysteresis | None = None
    reactive_power_params: ReactivePower | None = None
    voltage_params: Voltages | None = None


class EnterService(Document):
    """When to give power again after a trip."""

    priority: Priority
    high_voltage: Number
    low_voltage: Number
    high_freq_hz: Number
    low_freq_hz: Number
    delay_s: Seconds | None = None
    random_delay_s: Seconds | None = None
    ramp_rate_s: Seconds | None = None


class FixedPowerFactor(Timed):
    """A fixed power factor."""

    displacement: Number
    excitation: bool


class FixedVar(Timed):
    """A fixed reactive power."""

    setpoint: Number
    unit: Unit


class FreqDroop(Timed):
    """Less power at a high frequency, more at a low one."""

    over_freq_hz: Number
    under_freq_hz: Number
    over_droop_pct: Number
    under_droop_pct: Number
    response_time_s: Seconds


class Gradient(Document):
    """How fast power may change."""

    priority: Priority
    gradient_s: Seconds
    soft_gradient_s: Seconds


class MaxDischarge(Timed):
    """How much may be given."""

    max_discharge_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    power_monitoring_must_trip: Curve | None = None


class NewControl(Document):
    """A control that a station is to behave by; exactly the form that its kind needs is given."""

    control_type: ControlType
    is_default: bool = False
    """Holds while nothing else does; else from its start for its duration."""
    curve: Curve | None = None
    enter_service: EnterService | None = None
    fixed_pf_absorb: FixedPowerFactor | None = None
    fixed_pf_inject: FixedPowerFactor | None = None
    fixed_var: FixedVar | None = None
    freq_droop: FreqDroop | None = None
    gradient: Gradient | None = None
    limit_max_discharge: MaxDischarge | None = None

    def form(self) -> tuple[DerForm, dict[str, Any]]:
        """Returns what the control is made of, and its values.

        Raises:
            BadInput: naming the form that is missing, or is one too many.
        """
        wanted = _FORMS.get(self.control_type, "curve")
        for name in _ALL:
            if (getattr(self, name) is not None) != (name == wanted):
                raise bad_field(f"/{name}", f"a {self.control_type} has {wanted} and no other")
        values = cast("Document", getattr(self, wanted)).model_dump(mode="json", exclude_none=True)
        return wanted, values
