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

import msgspec
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
_Place = tuple[str, str]
"""Context and location."""
_Shortcut = tuple[_Place, int, float]
"""Place (one object for all samples of the same), slot and factor of a plain sample."""
_SLOTS = 11
"""The totals by column, then the phases of current and of voltage."""
_FIRST_PHASE = {_CURRENT: 5, _VOLTAGE: 8}
_EMPTY: list[float | None] = [None] * _SLOTS
_SHORTCUTS: dict[tuple[str | UnsetType, ...], _Shortcut | None] = {}
"""Of samples that were met, by all that they say but the value; None: there is no short way."""
_numbers = msgspec.json.Decoder(list[float]).decode
_SHORTCUTS_MAX = 4096
"""Stations choose the words of some of it, so that there has to be an end."""
_PLACES: dict[_Place, _Place] = {}
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

    __slots__ = ("numbers", "other", "phases", "totals")

    def __init__(self) -> None:
        self.totals: list[float | None] = [None] * len(_MEASURANDS)
        self.phases: dict[int, list[float | None]] = {}
        self.other: dict[str, object] = {}
        self.numbers: dict[str, int] = {}
        """The number that each label in `other` was given last."""

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
        number = self.numbers.get(label, 1)
        key = label if number == 1 else f"{label}#{number}"
        while key in self.other:
            number += 1
            key = f"{label}#{number}"
        self.numbers[label] = number
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
        plain = _plain_16(meter_value.sampled_value)
        reading = plain and _reading_of(plain, hearing.instant(meter_value.timestamp))
        if reading is None:
            _gather_16(readings, meter_value, hearing)
        else:
            readings.append(reading)
    return tuple(readings)


def readings_2x(meter_values: Sequence[MeterValue2x], hearing: Hearing) -> tuple[Reading, ...]:
    """Returns the readings in the meter values of a 2.x station, in order of appearance."""
    readings: list[Reading] = []
    for meter_value in meter_values:
        plain = _plain_2x(meter_value.sampled_value)
        reading = plain and _reading_of(plain, hearing.instant(meter_value.timestamp))
        if reading is None:
            _gather_2x(readings, meter_value, hearing)
        else:
            readings.append(reading)
    return tuple(readings)


_Plain = tuple[_Place, list[float | None]]
"""What one meter said at one instant where all of it is of one place and in a slot of its own."""


def _plain_16(samples: Sequence[Sample16]) -> _Plain | None:
    """Returns the values by slot, or None where they have to be gathered one by one.

    Nearly all that stations send is so plain, and takes half of the time. The numbers are read as
    one JSON list, which takes a quarter of what `float` does; a text that is no number of JSON, or
    more than one, spoils the list or its length.
    """
    slots, least, most = [*_EMPTY], -_VALUE_MAX, _VALUE_MAX
    place: _Place | None = None
    try:
        numbers = _numbers(f"[{','.join([sample.value for sample in samples])}]")
    except msgspec.MsgspecError:
        return None
    if len(numbers) != len(samples):
        return None
    for sample, number in zip(samples, numbers, strict=True):
        words = (
            sample.measurand,
            sample.phase,
            sample.unit,
            sample.context,
            sample.location,
            sample.format,
        )
        try:
            shortcut = _SHORTCUTS[words]
        except KeyError:
            shortcut = _learnt(*words)
        if shortcut is None:
            return None
        at, slot, factor = shortcut
        value = number * factor
        if place is not at:
            if place is not None:
                return None
            place = at
        if slots[slot] is not None or not least <= value <= most:
            return None
        slots[slot] = value
    return None if place is None else (place, slots)


def _plain_2x(samples: Sequence[Sample2x]) -> _Plain | None:
    """Returns the values by slot, or None where they have to be gathered one by one."""
    slots, least, most = [*_EMPTY], -_VALUE_MAX, _VALUE_MAX
    place: _Place | None = None
    for sample in samples:
        unit: str | UnsetType = UNSET
        if (measure := sample.unit_of_measure) is not UNSET:
            unit = measure.unit
            if measure.multiplier:
                return None
        words = (sample.measurand, sample.phase, unit, sample.context, sample.location)
        try:
            shortcut = _SHORTCUTS[words]
        except KeyError:
            shortcut = _learnt(*words)
        if shortcut is None or sample.signed_meter_value is not UNSET:
            return None
        at, slot, factor = shortcut
        value = sample.value * factor
        if place is not at:
            if place is not None:
                return None
            place = at
        if slots[slot] is not None or not least <= value <= most:
            return None
        slots[slot] = value
    return None if place is None else (place, slots)


def _learnt(
    measurand: str | UnsetType,
    phase: str | UnsetType,
    unit: str | UnsetType,
    context: str | UnsetType,
    location: str | UnsetType,
    *form: str | UnsetType,
) -> _Shortcut | None:
    """Finds the short way of a sample of these words, and remembers it."""
    shortcut: _Shortcut | None = None
    route = _ROUTES.get((measurand, phase, unit))
    if route is not None and "SignedData" not in form:
        column, phase_number, factor = route
        slot = column
        if phase_number >= 0:
            slot = _FIRST_PHASE.get(column, _SLOTS) + phase_number
        if slot < _SLOTS:
            at = _place_of(measurand, context, location)
            shortcut = _PLACES.setdefault(at, at), slot, factor
    if len(_SHORTCUTS) < _SHORTCUTS_MAX:
        _SHORTCUTS[measurand, phase, unit, context, location, *form] = shortcut
    return shortcut


def _reading_of(plain: _Plain, measured_at: datetime) -> Reading | None:
    """Returns the reading that plain values make, or None if they have to be gathered after all.

    That is where a current or voltage has come both with its phase and without.
    """
    (context, location), slots = plain
    energy_wh, power_w, soc_pct, current_a, voltage_v, a1, a2, a3, v1, v2, v3 = slots
    currents: tuple[float | None, ...] | None = None
    if a1 is not None or a2 is not None or a3 is not None:
        if current_a is not None:
            return None
        currents = (a1, a2, a3)
    elif current_a is not None:
        currents = (current_a,)
    voltages: tuple[float | None, ...] | None = None
    if v1 is not None or v2 is not None or v3 is not None:
        if voltage_v is not None:
            return None
        voltages = (v1, v2, v3)
    elif voltage_v is not None:
        voltages = (voltage_v,)
    return Reading(measured_at, context, location, energy_wh, power_w, currents, voltages, soc_pct)


def _gather_16(readings: list[Reading], meter_value: MeterValue16, hearing: Hearing) -> None:
    """Adds the readings in what one meter said at one instant, whatever that is."""
    gathered: dict[tuple[str, str], _Gathering] = {}
    for sample in meter_value.sampled_value:
        place = _place_of(sample.measurand, sample.context, sample.location)
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


def _gather_2x(readings: list[Reading], meter_value: MeterValue2x, hearing: Hearing) -> None:
    """Adds the readings in what one meter said at one instant, whatever that is."""
    gathered: dict[tuple[str, str], _Gathering] = {}
    for sample in meter_value.sampled_value:
        place = _place_of(sample.measurand, sample.context, sample.location)
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


def _place_of(
    measurand: str | UnsetType, context: str | UnsetType, location: str | UnsetType
) -> _Place:
    if not location or (location == _CAR and measurand == "SoC"):
        location = _METER
    return context or "Sample.Periodic", location


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
