"""Readings: sampled values of any version, gathered to one `Reading` per instant.

Stations send one sampled value per measurand and phase. Here those of one instant, context and
location become one reading in our units: kWh to Wh, kW to W, phases side by side. What has no
column of its own, or can't be read as a number in a known unit, is kept word by word in `other`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Protocol

from msgspec import UNSET, UnsetType

from csms.ocpp.hearing import Hearing
from csms.ocpp.wire import v16, v21, v201
from models.facts import Reading
from models.units import FACTORS

_COLUMNS = {
    "Energy.Active.Import.Register": "energy_wh",
    "Power.Active.Import": "power_w",
    "Current.Import": "current_a",
    "Voltage": "voltage_v",
    "SoC": "soc_pct",
}
_PHASES: dict[str | UnsetType, int] = {
    UNSET: -1,
    "L1": 0,
    "L2": 1,
    "L3": 2,
    "L1-N": 0,
    "L2-N": 1,
    "L3-N": 2,
}
"""-1: no phase named, so it is the total, or the only one."""
_TOTAL = -1

Sample16 = v16.MeterValuesMeterValueSampledValue | v16.StopTransactionTransactionDataSampledValue
Sample2x = v201.SampledValueType | v21.SampledValueType


class MeterValue16(Protocol):
    """All that one meter of a 1.6 station said at one instant."""

    @property
    def timestamp(self) -> str: ...  # noqa: D102
    @property
    def sampled_value(self) -> Sequence[Sample16]: ...  # noqa: D102


class MeterValue2x(Protocol):
    """All that one meter of a 2.x station said at one instant."""

    @property
    def timestamp(self) -> str: ...  # noqa: D102
    @property
    def sampled_value(self) -> Sequence[Sample2x]: ...  # noqa: D102


class _Gathering:
    """The values of one instant, context and location while they are put together."""

    __slots__ = ("columns", "other")

    def __init__(self) -> None:
        self.columns: dict[str, dict[int, float]] = {}
        self.other: dict[str, object] = {}

    def take(
        self, measurand: str, phase: str | UnsetType, unit: str | UnsetType, number: float
    ) -> bool:
        """Puts a number into its column, or with the rest; returns False if its unit is unknown."""
        understood = True
        column = _COLUMNS.get(measurand)
        if column is not None and (place := _PHASES.get(phase)) is not None:
            # A missing unit is the quantity's own, though the specification says Wh for all.
            factor = 1.0 if unit is UNSET else FACTORS[column].get(unit)
            if factor is None:
                understood = False
            else:
                value = number * factor
                phases = self.columns.setdefault(column, {})
                if phases.setdefault(place, value) == value:
                    return True
        self.keep(_label(measurand, phase, unit), number)
        return understood

    def keep(self, label: str, value: object) -> None:
        """Keeps a value that has no column, under its label, numbered where that is taken."""
        key, count = label, 1
        while key in self.other:
            count += 1
            key = f"{label}#{count}"
        self.other[key] = value

    def reading(self, measured_at: datetime, context: str, location: str) -> Reading:
        """Returns what has been gathered."""
        columns = self.columns
        return Reading(
            measured_at,
            context,
            location,
            _total(columns.get("energy_wh")),
            _total(columns.get("power_w")),
            _per_phase(columns.get("current_a")),
            _per_phase(columns.get("voltage_v")),
            _total(columns.get("soc_pct")),
            self.other or None,
        )


def readings_16(meter_values: Sequence[MeterValue16], hearing: Hearing) -> tuple[Reading, ...]:
    """Returns the readings in the meter values of a 1.6 station, in order of appearance."""
    readings: list[Reading] = []
    for meter_value in meter_values:
        gathered: dict[tuple[str, str], _Gathering] = {}
        for sample in meter_value.sampled_value:
            measurand = sample.measurand or "Energy.Active.Import.Register"
            phase = sample.phase
            unit = sample.unit
            place = (sample.context or "Sample.Periodic", sample.location or "Outlet")
            gathering = gathered.get(place)
            if gathering is None:
                gathering = gathered[place] = _Gathering()
            if sample.format == "SignedData":
                gathering.keep(_label(measurand, phase, "SignedData"), sample.value)
                continue
            number = _number(sample.value)
            if number is None:
                hearing.doubt("value-unreadable")
                gathering.keep(_label(measurand, phase, unit), sample.value)
                continue
            if not gathering.take(measurand, phase, unit, number):
                hearing.doubt("value-unreadable")
        _finish(readings, gathered, hearing.instant(meter_value.timestamp))
    return tuple(readings)


def readings_2x(meter_values: Sequence[MeterValue2x], hearing: Hearing) -> tuple[Reading, ...]:
    """Returns the readings in the meter values of a 2.x station, in order of appearance."""
    readings: list[Reading] = []
    for meter_value in meter_values:
        gathered: dict[tuple[str, str], _Gathering] = {}
        for sample in meter_value.sampled_value:
            measurand = sample.measurand or "Energy.Active.Import.Register"
            place = (sample.context or "Sample.Periodic", sample.location or "Outlet")
            gathering = gathered.get(place)
            if gathering is None:
                gathering = gathered[place] = _Gathering()
            number, unit = sample.value, UNSET
            if (measure := sample.unit_of_measure) is not UNSET:
                unit = measure.unit
                if measure.multiplier:
                    number *= 10.0 ** max(-300, min(300, measure.multiplier))
            if not isfinite(number):
                hearing.doubt("value-unreadable")
                gathering.keep(_label(measurand, sample.phase, unit), str(number))
                continue
            if sample.signed_meter_value is not UNSET:
                signed = sample.signed_meter_value.signed_meter_data
                gathering.keep(_label(measurand, sample.phase, "SignedData"), signed)
            if not gathering.take(measurand, sample.phase, unit, number):
                hearing.doubt("value-unreadable")
        _finish(readings, gathered, hearing.instant(meter_value.timestamp))
    return tuple(readings)


def _finish(
    readings: list[Reading],
    gathered: dict[tuple[str, str], _Gathering],
    measured_at: datetime,
) -> None:
    for (context, location), gathering in gathered.items():
        readings.append(gathering.reading(measured_at, context, location))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and "_" not in text else None


def _label(measurand: str, phase: str | UnsetType, unit: str | UnsetType) -> str:
    at_phase = "" if phase is UNSET else f"@{phase}"
    in_unit = "" if unit is UNSET else f":{unit}"
    return f"{measurand}{at_phase}{in_unit}"


def _total(phases: dict[int, float] | None) -> float | None:
    if phases is None:
        return None
    total = phases.get(_TOTAL)
    return sum(phases.values()) if total is None else total


def _per_phase(phases: dict[int, float] | None) -> tuple[float | None, ...] | None:
    if phases is None:
        return None
    if len(phases) == 1 and _TOTAL in phases:
        return (phases[_TOTAL],)
    return (phases.get(0), phases.get(1), phases.get(2))
