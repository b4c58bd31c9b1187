"""Sampled values, in any order, unit and split over phases, become the same readings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csms.ocpp.hearing import Hearing
from csms.ocpp.readings import _Gathering, readings_2x, readings_16
from csms.ocpp.wire import v16, v201
from models.facts import Reading

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
TENTHS = st.integers(0, 10**7).map(lambda tenths: tenths / 10)
PHASES = st.one_of(
    st.none(),
    st.tuples(TENTHS),
    st.tuples(*[st.one_of(st.none(), TENTHS)] * 3).filter(lambda three: three != (None,) * 3),
)
READINGS = st.lists(
    st.builds(
        Reading,
        measured_at=st.integers(0, 5).map(lambda minutes: NOW + timedelta(minutes=minutes)),
        context=st.sampled_from(["Sample.Periodic", "Transaction.End", "Trigger"]),
        location=st.sampled_from(["Outlet", "EV"]),
        energy_wh=st.one_of(st.none(), TENTHS),
        power_w=st.one_of(st.none(), TENTHS),
        current_a=PHASES,
        voltage_v=PHASES,
        soc_pct=st.one_of(st.none(), st.integers(0, 100).map(float)),
    )
    .filter(lambda r: any(v is not None for v in (r.energy_wh, r.power_w, r.current_a, r.soc_pct)))
    # A state of charge stands at the outlet, wherever it was measured.
    .filter(lambda r: r.soc_pct is None or r.location == "Outlet"),
    min_size=1,
    max_size=6,
    unique_by=lambda reading: (reading.measured_at, reading.context, reading.location),
)


def samples_of(reading: Reading) -> list[tuple[str, str | None, str, float]]:
    """Returns (measurand, phase, unit, value) of each value in a reading."""
    found: list[tuple[str, str | None, str, float]] = []
    if reading.energy_wh is not None:
        found.append(("Energy.Active.Import.Register", None, "Wh", reading.energy_wh))
    if reading.power_w is not None:
        found.append(("Power.Active.Import", None, "W", reading.power_w))
    if reading.soc_pct is not None:
        found.append(("SoC", None, "Percent", reading.soc_pct))
    for measurand, unit, values in (
        ("Current.Import", "A", reading.current_a),
        ("Voltage", "V", reading.voltage_v),
    ):
        if values is not None:
            names = [None] if len(values) == 1 else ["L1", "L2", "L3"]
            found += [
                (measurand, phase, unit, value)
                for phase, value in zip(names, values, strict=True)
                if value is not None
            ]
    return found


def meter_values(readings: list[Reading], shuffle: Any, *, texts: bool) -> list[dict[str, Any]]:
    by_instant: dict[datetime, list[dict[str, Any]]] = {}
    for reading in readings:
        for measurand, phase, unit, value in samples_of(reading):
            sample: dict[str, Any] = {
                "measurand": measurand,
                "context": reading.context,
                "location": reading.location,
                "value": repr(value) if texts else value,
            }
            sample |= {"unit": unit} if texts else {"unitOfMeasure": {"unit": unit}}
            sample |= {} if phase is None else {"phase": phase}
            by_instant.setdefault(reading.measured_at, []).append(sample)
    for samples in by_instant.values():
        shuffle.shuffle(samples)
    return [
        {"timestamp": at.isoformat(), "sampledValue": samples} for at, samples in by_instant.items()
    ]


def in_order(readings: Any) -> list[Reading]:
    return sorted(
        readings, key=lambda reading: (reading.measured_at, reading.context, reading.location)
    )


@settings(max_examples=100, deadline=None)
@given(readings=READINGS, shuffle=st.randoms(use_true_random=False))
def test_readings_survive_the_way_through_16(readings: list[Reading], shuffle: Any) -> None:
    values = msgspec.convert(
        meter_values(readings, shuffle, texts=True), list[v16.MeterValuesMeterValue]
    )
    hearing = Hearing("CP-1", NOW, b"")
    assert in_order(readings_16(values, hearing)) == in_order(readings)
    assert hearing.suspect == ()


@settings(max_examples=100, deadline=None)
@given(readings=READINGS, shuffle=st.randoms(use_true_random=False))
def test_readings_survive_the_way_through_2x(readings: list[Reading], shuffle: Any) -> None:
    values = msgspec.convert(
        meter_values(readings, shuffle, texts=False), list[v201.MeterValueType]
    )
    hearing = Hearing("CP-1", NOW, b"")
    assert in_order(readings_2x(values, hearing)) == in_order(readings)
    assert hearing.suspect == ()


def one_16(*samples: dict[str, Any]) -> tuple[Reading, tuple[str, ...]]:
    value = {"timestamp": "2026-06-15T12:00:00Z", "sampledValue": list(samples)}
    hearing = Hearing("CP-1", NOW, b"")
    (reading,) = readings_16([msgspec.convert(value, v16.MeterValuesMeterValue)], hearing)
    return reading, hearing.suspect


def one_2x(*samples: dict[str, Any]) -> tuple[Reading, tuple[str, ...]]:
    value = {"timestamp": "2026-06-15T12:00:00Z", "sampledValue": list(samples)}
    hearing = Hearing("CP-1", NOW, b"")
    (reading,) = readings_2x([msgspec.convert(value, v201.MeterValueType)], hearing)
    return reading, hearing.suspect


def test_phases_add_up_only_where_no_total_was_sent() -> None:
    power = {"measurand": "Power.Active.Import", "unit": "kW"}
    three = [power | {"phase": f"L{n}", "value": "1.5"} for n in (1, 2, 3)]
    assert one_16(*three)[0].power_w == 4500.0
    reading, _ = one_16(*three, power | {"value": "4.4"})
    assert reading.power_w == pytest.approx(4400.0)
    assert reading.other == {f"Power.Active.Import@L{n}:W": 1500.0 for n in (1, 2, 3)}
    volts = {"measurand": "Voltage", "unit": "V", "value": "230"}
    reading, _ = one_16(*[volts | {"phase": f"L{n}-N"} for n in (1, 2, 3)])
    assert reading.voltage_v == (230.0, 230.0, 230.0)
    assert one_16(volts | {"phase": "L1-L2", "value": "400"})[0].other == {"Voltage@L1-L2:V": 400.0}


def test_a_value_without_a_unit_is_in_the_quantitys_own() -> None:
    reading, suspect = one_16({"value": "7"}, {"value": "8", "measurand": "Power.Active.Import"})
    assert (reading.energy_wh, reading.power_w, suspect) == (7.0, 8.0, ())


@pytest.mark.parametrize("value", ["NaN", "inf", "-inf", "", "12,5", "1_000", "0x10", "n/a"])
def test_what_is_no_number_is_kept_word_by_word(value: str) -> None:
    reading, suspect = one_16({"value": value, "unit": "Wh"})
    assert reading.energy_wh is None
    assert reading.other == {"Energy.Active.Import.Register:Wh": value}
    assert suspect == ("value-unreadable",)


def test_a_unit_of_another_quantity_is_not_guessed_at() -> None:
    reading, suspect = one_16({"value": "7", "unit": "Celsius"})
    assert reading.other == {"Energy.Active.Import.Register:Celsius": 7.0}
    assert suspect == ("value-unreadable",)


def test_a_second_value_for_the_same_thing_is_kept_beside_the_first() -> None:
    reading, _ = one_16({"value": "7"}, {"value": "7"}, {"value": "8"}, {"value": "9"})
    assert reading.energy_wh == 7.0
    assert reading.other == {
        "Energy.Active.Import.Register": 8.0,
        "Energy.Active.Import.Register#2": 9.0,
    }


def test_the_state_of_charge_at_the_car_stands_with_the_values_of_the_meter() -> None:
    soc = {"measurand": "SoC", "location": "EV", "value": "55"}
    reading, _ = one_16({"value": "7"}, soc)
    assert (reading.location, reading.energy_wh, reading.soc_pct) == ("Outlet", 7.0, 55.0)
    reading, _ = one_2x({"value": 7}, soc | {"value": 55})
    assert (reading.location, reading.energy_wh, reading.soc_pct) == ("Outlet", 7.0, 55.0)
    reading, _ = one_16(soc | {"location": "Outlet"}, soc | {"value": "56"})
    assert (reading.soc_pct, reading.other) == (55.0, {"SoC": 56.0})
    volts, inlet = soc | {"measurand": "Voltage"}, soc | {"location": "Inlet"}
    assert [one_16(each)[0].location for each in (volts, inlet)] == ["EV", "Inlet"]


def test_signed_data_are_kept_and_do_not_count() -> None:
    reading, suspect = one_16({"value": "abc", "format": "SignedData"}, {"value": "7"})
    assert (reading.energy_wh, suspect) == (7.0, ())
    assert reading.other == {"Energy.Active.Import.Register:SignedData": "abc"}
    signed = {
        "signedMeterData": "abc",
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    reading, suspect = one_2x({"value": 7, "signedMeterValue": signed})
    assert (reading.energy_wh, suspect) == (7.0, ())
    assert reading.other == {"Energy.Active.Import.Register:SignedData": "abc"}


@pytest.mark.parametrize(
    ("unit", "multiplier", "energy_wh"),
    [("Wh", 3, 7000.0), ("kWh", 0, 7000.0), ("kWh", -3, 7.0), ("Wh", 0, 7.0)],
)
def test_multipliers_and_prefixes_count(unit: str, multiplier: int, energy_wh: float) -> None:
    measure = {"unit": unit, "multiplier": multiplier}
    assert one_2x({"value": 7, "unitOfMeasure": measure})[0].energy_wh == pytest.approx(energy_wh)


def test_an_absurd_multiplier_breaks_nothing() -> None:
    for multiplier in (10**18, -(10**18), 400, -400):
        reading, _ = one_2x({"value": 7, "unitOfMeasure": {"unit": "Wh", "multiplier": multiplier}})
        msgspec.json.encode(reading)
        big = {"value": 1e300, "unitOfMeasure": {"unit": "kWh", "multiplier": multiplier}}
        reading, _ = one_2x(big)
        assert reading.energy_wh is None or isfinite(reading.energy_wh)
        msgspec.json.encode(reading)
    huge = [{"value": "9e11", "phase": f"L{n}", "unit": "Wh"} for n in (1, 2, 3)]
    assert one_16(*huge)[0].energy_wh == pytest.approx(2.7e12)
    assert one_16({"value": "1e307", "unit": "kWh"})[0].energy_wh is None


def test_who_says_the_same_over_and_over_is_not_looked_up_over_and_over() -> None:
    """A message may hold 65,536 values: by their square, one station would silence all others."""

    class Counted(dict[str, object]):
        looked = 0

        def __contains__(self, key: object) -> bool:
            type(self).looked += 1
            return super().__contains__(key)

    gathering = _Gathering()
    gathering.other = Counted()
    gathering.keep("x#3", "taken")
    for number in range(1000):
        gathering.keep("x", number)
    assert list(gathering.other)[:4] == ["x#3", "x", "x#2", "x#4"]
    assert len(gathering.other) == 1001
    assert Counted.looked < 3000
