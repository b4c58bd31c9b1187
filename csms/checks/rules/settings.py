"""The settings of a station that matter for charging by plan: their names, and what is wrong.

Names: OCPP 1.6 section 9, OCPP 2.0.1 part 2, appendix 3 (referenced components and variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from csms.checks.rules.steps import Done, Finding, Step
from models.commands.base import VariableName

METER_EVERY_MOST_S = 60.0
"""More seldom than this, a limit that is not kept shows too late."""
METER_EVERY_S = 30
"""What is advised."""
CONNECT_WITHIN_LEAST_S = 30.0
SILENT_MOST_S = 900.0
"""A connection that is dead should not be taken for a living one for longer."""
WANTED_MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import")
FEW_PERIODS = 3.0
"""As the quirk `maxperiods-3` reckons with."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, by its names."""

    v16: str
    component: str = ""
    v2x: str = ""
    instance: str | None = None

    def name(self, *, is_16: bool) -> str:
        """Returns how the station calls it, for people."""
        if is_16:
            return self.v16
        plain = f"{self.component}.{self.v2x}"
        return plain if self.instance is None else f"{plain}[{self.instance}]"

    def key(self, *, is_16: bool) -> tuple[str, str]:
        """Returns component and variable as `station_variable` has them."""
        if is_16:
            return "", self.v16
        return self.component, (
            self.v2x if self.instance is None else f"{self.v2x}[{self.instance}]"
        )

    def wish(self, *, is_16: bool) -> VariableName | None:
        """Returns it as it is asked for; None where the version does not have it."""
        if is_16:
            return VariableName(name=self.v16) if self.v16 else None
        if not self.v2x:
            return None
        return VariableName(name=self.v2x, component=self.component, instance=self.instance)


SETTINGS: Mapping[str, Setting] = {
    "features": Setting("SupportedFeatureProfiles"),
    "limits_enabled": Setting("", "SmartChargingCtrlr", "Enabled"),
    "limit_units": Setting(
        "ChargingScheduleAllowedChargingRateUnit", "SmartChargingCtrlr", "RateUnit"
    ),
    "stack_level_max": Setting(
        "ChargeProfileMaxStackLevel", "SmartChargingCtrlr", "ProfileStackLevel"
    ),
    "schedule_periods_max": Setting(
        "ChargingScheduleMaxPeriods", "SmartChargingCtrlr", "PeriodsPerSchedule"
    ),
    "profiles_max": Setting(
        "MaxChargingProfilesInstalled", "SmartChargingCtrlr", "Entries", "ChargingProfiles"
    ),
    "switches_phases": Setting(
        "ConnectorSwitch3to1PhaseSupported", "SmartChargingCtrlr", "Phases3to1"
    ),
    "meter_every_s": Setting("MeterValueSampleInterval", "SampledDataCtrlr", "TxUpdatedInterval"),
    "measurands": Setting("MeterValuesSampledData", "SampledDataCtrlr", "TxUpdatedMeasurands"),
    "aligned_meter_every_s": Setting("ClockAlignedDataInterval", "AlignedDataCtrlr", "Interval"),
    "connect_within_s": Setting("ConnectionTimeOut", "TxCtrlr", "EVConnectionTimeOut"),
    "heartbeat_every_s": Setting("HeartbeatInterval", "OCPPCommCtrlr", "HeartbeatInterval"),
    "ping_every_s": Setting("WebSocketPingInterval", "OCPPCommCtrlr", "WebSocketPingInterval"),
}
"""By the name that we give them."""


@dataclass(frozen=True, slots=True)
class Told:
    """The value of a setting as a station has told it."""

    value: str | None
    max_limit: float | None
    reported_at: datetime

    def number(self) -> float | None:
        """Returns the value as a number, if it is one."""
        try:
            return float(self.value or "")
        except ValueError:
            return None

    def switch(self) -> bool | None:
        """Returns the value as a switch, if it is one."""
        return {"true": True, "false": False}.get((self.value or "").strip().lower())

    def names(self) -> tuple[str, ...]:
        """Returns the values of a list."""
        return tuple(each.strip() for each in (self.value or "").split(",") if each.strip())


def units(told: Told | None) -> tuple[str, ...] | None:
    """Returns the units that a station takes limits in, `W` and `A`; None: not known."""
    if told is None:
        return None
    words = {"power": "W", "w": "W", "current": "A", "a": "A"}
    found = {words[each.lower()] for each in told.names() if each.lower() in words}
    return tuple(sorted(found, reverse=True)) or None


def limits_on(told: Mapping[str, Told]) -> bool | None:
    """Returns whether a station says that it takes limits at all; None: it says nothing of it."""
    switch, features = told.get("limits_enabled"), told.get("features")
    if switch is not None and switch.switch() is not None:
        return switch.switch()
    if features is None or not features.names():
        return None
    return "smartcharging" in {each.lower() for each in features.names()}


def judge_settings(
    told: Mapping[str, Told], record: frozenset[str], *, is_16: bool, answer: str
) -> Done:
    """Returns what the settings of a station mean.

    Args:
        told: by our names, as far as they are known.
        record: quirks on its record.
        is_16: whose names people are told.
        answer: what it said when it was asked for them.
    """
    findings = (
        *_of_limits(told, record, is_16=is_16),
        *_of_metering(told, is_16=is_16),
        *_of_waiting(told, is_16=is_16),
    )
    figures = {name: each.value for name, each in told.items()}
    state, text = "passed", f"{len(told)} settings that matter are known"
    if not told:
        state, text = "failed", "the station tells none of its settings"
        findings = (
            Finding(
                code="settings-not-told",
                severity="warning",
                text="What the station can do is not known, because it tells no settings.",
            ),
        )
    elif answer != "accepted":
        text += f", of before: now it says {answer}"
    return Done(
        Step(
            step="settings",
            state=state,
            text=text,
            asked=("GetConfiguration" if is_16 else "GetVariables",),
            answered=(answer,),
            figures=dict(figures),
        ),
        findings,
    )


def _of_limits(
    told: Mapping[str, Told], record: frozenset[str], *, is_16: bool
) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if limits_on(told) is False:
        name = "SupportedFeatureProfiles" if is_16 else "SmartChargingCtrlr.Enabled"
        found.append(
            Finding(
                code="limits-off",
                severity="error",
                text="The station says that it takes no limits.",
                change=f"Switch smart charging on in the box ({name}), because without it no plan"
                " reaches the car.",
            )
        )
    levels = told["stack_level_max"].number() if "stack_level_max" in told else None
    if levels == 0 and "stack0-only" not in record:
        found.append(_quirk("stack0-only", "The station has stack level 0 only."))
    periods = told["schedule_periods_max"].number() if "schedule_periods_max" in told else None
    if periods is not None and 0 < periods <= FEW_PERIODS and "maxperiods-3" not in record:
        text = f"The station takes schedules of no more than {periods:.0f} periods."
        found.append(_quirk("maxperiods-3", text))
    for unit, quirk in (("A", "a-only"), ("W", "w-only")):
        if units(told.get("limit_units")) == (unit,) and quirk not in record:
            found.append(_quirk(quirk, f"The station takes limits in {unit} only."))
    return tuple(found)


def _quirk(quirk: str, text: str) -> Finding:
    change = f"Put the quirk `{quirk}` on the station's record, so that limits fit it."
    return Finding(code=quirk, severity="warning", text=text, change=change, quirk=quirk)


def _of_metering(told: Mapping[str, Told], *, is_16: bool) -> tuple[Finding, ...]:
    found: list[Finding] = []
    every_s = told["meter_every_s"].number() if "meter_every_s" in told else None
    name = SETTINGS["meter_every_s"].name(is_16=is_16)
    if every_s is not None and not 0 < every_s <= METER_EVERY_MOST_S:
        text = (
            "The station meters nothing while a car charges."
            if every_s <= 0
            else f"The station meters every {every_s:.0f} s only."
        )
        change = (
            f"Change {name} in the box to {METER_EVERY_S}, because only metering shows whether a"
            " limit is kept."
        )
        found.append(Finding(code="meters-seldom", severity="warning", text=text, change=change))
    measurands = told["measurands"].names() if "measurands" in told else ()
    missing = [each for each in WANTED_MEASURANDS if each not in measurands]
    if measurands and missing:
        name = SETTINGS["measurands"].name(is_16=is_16)
        found.append(
            Finding(
                code="measurands-missing",
                severity="warning",
                text=f"The station does not meter {' and '.join(missing)}.",
                change=f"Change {name} in the box to {','.join((*measurands, *missing))},"
                " because energy is billed and power shows whether a limit is kept.",
            )
        )
    return tuple(found)


def _of_waiting(told: Mapping[str, Told], *, is_16: bool) -> tuple[Finding, ...]:
    found: list[Finding] = []
    within_s = told["connect_within_s"].number() if "connect_within_s" in told else None
    if within_s is not None and 0 < within_s < CONNECT_WITHIN_LEAST_S:
        name = SETTINGS["connect_within_s"].name(is_16=is_16)
        found.append(
            Finding(
                code="little-time-to-plug-in",
                severity="warning",
                text=f"Who has shown a card has {within_s:.0f} s to plug in.",
                change=f"Change {name} in the box to 120, because people with cables are slow.",
            )
        )
    ping_s = told["ping_every_s"].number() if "ping_every_s" in told else None
    beat_s = told["heartbeat_every_s"].number() if "heartbeat_every_s" in told else None
    if not ping_s and beat_s is not None and not 0 < beat_s <= SILENT_MOST_S:
        name = SETTINGS["heartbeat_every_s"].name(is_16=is_16)
        found.append(
            Finding(
                code="silent-for-long",
                severity="info",
                text=f"The station may be silent for {beat_s:.0f} s.",
                change=f"Change {name} in the box to 300, because a dead connection is noticed only"
                " then.",
            )
        )
    return tuple(found)
