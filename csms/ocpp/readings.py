"""Readings: sampled values of any version, gathered to one `Reading` per instant.

Stations send one sampled value per measurand and phase. Here those of one instant, context and
location become one reading in our units: kWh to Wh, kW to W, phases side by side. What has no
column of its own, or can't be read as a number in a known unit, is kept word by word in `other`.
A state of charge is the car's, whether a station gives its location as the EV or, by leaving it
out, as the outlet: it stands with the meter's values, so that an instant is one row and not two.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite, nan
from typing import Protocol

from msgspec import UNSET, UnsetType

from csms.ocpp.hearing import Hearing
from csms.ocpp.wire import v16, v21, v201
from models.facts import Reading
from models.units import FACTORS

_MEASURANDS = (
    ("Energy.Active.Import.Register", "energy_wh", "Wh"),
    ("Power.Active.Import", "power_w", "W"),
    ("SoC", "soc_pct", "Percent"),
    ("Current.Import", "current_a", "A"),
    ("Voltage", "voltage_v", "V"),
)
"""Those with a column of their own, the column, and its unit; by these indices:"""
_ENERGY, _POWER, _SOC, _CURRENT, _VOLTAGE = range(5)
_METER, _CAR = "Outlet", "EV"
"""Where the meter is that counts, which is what a sample without a location means; and the car."""
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
_VALUE_MAX = 1e12
"""Beyond a terawatt hour nothing is a measurement, and sums stay finite."""

_Route = tuple[int, int, float]
"""Column, phase (-1: none) and the factor to our unit."""


def _routes() -> dict[tuple[str | UnsetType, str | UnsetType, str | UnsetType], _Route]:
    """Returns where each value goes, by measurand, phase and unit: one look-up per sample."""
    routes: dict[tuple[str | UnsetType, str | UnsetType, str | UnsetType], _Route] = {}
    for column, (measurand, quantity, _unit) in enumerate(_MEASURANDS):
        # A missing unit is the quantity's own, though the specification says Wh for all, and a
        # missing measurand is the energy register.
        factors: dict[str | UnsetType, float] = {UNSET: 1.0, **FACTORS[quantity]}
        names = (measurand, UNSET) if column == _ENERGY else (measurand,)
        for name in names:
            for phase, place in _PHASES.items():
                for unit, factor in factors.items():
                    routes[name, phase, unit] = (column, place, factor)
    return routes


_ROUTES = _routes()
_OWN_MEASURANDS = frozenset(measurand for measurand, _, _ in _MEASURANDS)

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

    __slots__ = ("other", "phases", "totals")

    def __init__(self) -> None:
        self.totals: list[float | None] = [None] * len(_MEASURANDS)
        self.phases: dict[int, list[float | None]] = {}
        self.other: dict[str, object] = {}

    def take(self, column: int, place: int, value: float) -> bool:
        """Takes a value into its column; returns False if another one is there."""
        if place < 0:
            values, place = self.totals, column
        elif column in self.phases:
            values = self.phases[column]
        else:
            values = self.phases[column] = [None, None, None]
        if values[place] is None:
            values[place] = value
            return True
        return values[place] == value

    def keep(self, label: str, value: object) -> None:
        """Keeps a value that has no column, under its label, numbered where that is taken."""
        key, count = label, 1
        while key in self.other:
            count += 1
            key = f"{label}#{count}"
        self.other[key] = value

    def reading(self, measured_at: datetime, context: str, location: str) -> Reading:
        """Returns what has been gathered."""
        energy_wh, power_w, soc_pct, current_a, voltage_v = self.totals
        currents: tuple[float | None, ...] | None = None if current_a is None else (current_a,)
        voltages: tuple[float | None, ...] | None = None if voltage_v is None else (voltage_v,)
        for column in self.phases:
            if column == _CURRENT:
                currents = self._per_phase(_CURRENT)
            elif column == _VOLTAGE:
                voltages = self._per_phase(_VOLTAGE)
            elif column == _POWER:
                power_w = self._total(_POWER)
            elif column == _ENERGY:
                energy_wh = self._total(_ENERGY)
            else:
                soc_pct = self._total(_SOC)
        return Reading(
            measured_at,
            context,
            location,
            energy_wh,
            power_w,
            currents,
            voltages,
            soc_pct,
            self.other or None,
        )

    def _total(self, column: int) -> float | None:
        """Returns the total that was sent, else the sum of the phases."""
        total, phases = self.totals[column], self.phases[column]
        if total is None:
            return sum(value for value in phases if value is not None)
        self._keep_phases(column, phases)
        return total

    def _per_phase(self, column: int) -> tuple[float | None, ...]:
        """Returns the phases; a value that was sent without one is kept beside them."""
        total, phases = self.totals[column], self.phases[column]
        if total is not None:
            measurand, _, unit = _MEASURANDS[column]
            self.keep(f"{measurand}:{unit}", total)
        return tuple(phases)

    def _keep_phases(self, column: int, phases: list[float | None]) -> None:
        measurand, _, unit = _MEASURANDS[column]
        for number, value in enumerate(phases, start=1):
            if value is not None:
                self.keep(f"{measurand}@L{number}:{unit}", value)


def readings_16(meter_values: Sequence[MeterValue16], hearing: Hearing) -> tuple[Reading, ...]:
    """Returns the readings in the meter values of a 1.6 station, in order of appearance."""
    readings: list[Reading] = []
    for meter_value in meter_values:
        gathered: dict[tuple[str, str], _Gathering] = {}
        for sample in meter_value.sampled_value:
            location = sample.location or _METER
            if location == _CAR and sample.measurand == "SoC":
                location = _METER
            place = (sample.context or "Sample.Periodic", location)
            gathering = gathered.get(place)
            if gathering is None:
                gathering = gathered[place] = _Gathering()
            route = _ROUTES.get((sample.measurand, sample.phase, sample.unit))
            if route is not None and sample.format != "SignedData":
                try:
                    value = float(sample.value) * route[2]
                except ValueError:
                    value = nan
                if -_VALUE_MAX <= value <= _VALUE_MAX and "_" not in sample.value:
                    if gathering.take(route[0], route[1], value):
                        continue
                else:
                    hearing.doubt("value-unreadable")
            _keep_16(gathering, sample, hearing)
        _finish(readings, gathered, hearing.instant(meter_value.timestamp))
    return tuple(readings)


def readings_2x(meter_values: Sequence[MeterValue2x], hearing: Hearing) -> tuple[Reading, ...]:
    """Returns the readings in the meter values of a 2.x station, in order of appearance."""
    readings: list[Reading] = []
    for meter_value in meter_values:
        gathered: dict[tuple[str, str], _Gathering] = {}
        for sample in meter_value.sampled_value:
            location = sample.location or _METER
            if location == _CAR and sample.measurand == "SoC":
                location = _METER
            place = (sample.context or "Sample.Periodic", location)
            gathering = gathered.get(place)
            if gathering is None:
                gathering = gathered[place] = _Gathering()
            number, unit = sample.value, UNSET
            if (measure := sample.unit_of_measure) is not UNSET:
                unit = measure.unit
                if measure.multiplier:
                    number *= 10.0 ** max(-300, min(300, measure.multiplier))
            if sample.signed_meter_value is not UNSET:
                signed = sample.signed_meter_value.signed_meter_data
                gathering.keep(_label(sample.measurand, sample.phase, "SignedData"), signed)
            route = _ROUTES.get((sample.measurand, sample.phase, unit))
            if route is not None:
                value = number * route[2]
                if -_VALUE_MAX <= value <= _VALUE_MAX:
                    if gathering.take(route[0], route[1], value):
                        continue
                else:
                    hearing.doubt("value-unreadable")
            elif _is_ours(sample.measurand, sample.phase):
                hearing.doubt("value-unreadable")
            label = _label(sample.measurand, sample.phase, unit)
            gathering.keep(label, number if isfinite(number) else str(number))
        _finish(readings, gathered, hearing.instant(meter_value.timestamp))
    return tuple(readings)


def _keep_16(gathering: _Gathering, sample: Sample16, hearing: Hearing) -> None:
    """Keeps a value that has no column, that can't be read, or whose place is taken."""
    if sample.format == "SignedData":
        gathering.keep(_label(sample.measurand, sample.phase, "SignedData"), sample.value)
        return
    number = _number(sample.value)
    unknown_unit = (sample.measurand, sample.phase, sample.unit) not in _ROUTES and _is_ours(
        sample.measurand, sample.phase
    )
    if number is None or unknown_unit:
        hearing.doubt("value-unreadable")
    label = _label(sample.measurand, sample.phase, sample.unit)
    gathering.keep(label, sample.value if number is None else number)


def _is_ours(measurand: str | UnsetType, phase: str | UnsetType) -> bool:
    """Returns whether there is a column for this, so that only the unit can be at fault."""
    return (measurand is UNSET or measurand in _OWN_MEASURANDS) and phase in _PHASES


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


def _label(measurand: str | UnsetType, phase: str | UnsetType, unit: str | UnsetType) -> str:
    what = "Energy.Active.Import.Register" if measurand is UNSET else measurand
    at_phase = "" if phase is UNSET else f"@{phase}"
    in_unit = "" if unit is UNSET else f":{unit}"
    return f"{what}{at_phase}{in_unit}"
