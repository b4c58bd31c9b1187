"""How 2.1 stations behave towards the grid: over REST and real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from csms.grid import intake
from models.timeline import format_rfc3339, parse_rfc3339
from tests.builders.stations import a_car
from tests.builders.talking import Talking, talking
from tests.builders.waiting import eventually

VERSION = "ocpp2.1"
CURVE = {
    "priority": 3,
    "y_unit": "PctMaxVar",
    "curve_data": [{"x": 92.0, "y": 44.0}, {"x": 98.0, "y": 0.0}],
    "response_time_s": 5.0,
    "hysteresis": {"hysteresis_high": 1.0, "hysteresis_delay_s": 2.0},
    "reactive_power_params": {"v_ref": 100.0, "autonomous_v_ref_enable": False},
}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "VoltVar": ("curve", CURVE),
    "EnterService": (
        "enter_service",
        {
            "priority": 1,
            "high_voltage": 105.0,
            "low_voltage": 91.7,
            "high_freq_hz": 50.1,
            "low_freq_hz": 49.5,
            "delay_s": 300.0,
            "ramp_rate_s": 60.0,
        },
    ),
    "FixedPFAbsorb": (
        "fixed_pf_absorb",
        {"priority": 1, "displacement": 0.95, "excitation": True, "duration_s": 600.0},
    ),
    "FixedPFInject": (
        "fixed_pf_inject",
        {"priority": 2, "displacement": 0.9, "excitation": False},
    ),
    "FixedVar": ("fixed_var", {"priority": 1, "setpoint": 30.0, "unit": "PctMaxVar"}),
    "FreqDroop": (
        "freq_droop",
        {
            "priority": 1,
            "over_freq_hz": 50.2,
            "under_freq_hz": 49.8,
            "over_droop_pct": 5.0,
            "under_droop_pct": 4.0,
            "response_time_s": 2.0,
            "start_at": "2030-01-01T12:00:00Z",
        },
    ),
    "Gradients": ("gradient", {"priority": 1, "gradient_s": 10.0, "soft_gradient_s": 20.0}),
    "LimitMaxDischarge": (
        "limit_max_discharge",
        {
            "priority": 1,
            "max_discharge_pct": 70.0,
            "power_monitoring_must_trip": {
                "priority": 1,
                "y_unit": "PctMaxW",
                "curve_data": [{"x": 1.0, "y": 2.0}],
            },
        },
    ),
}


def a_control(kind: str = "VoltVar", **changes: Any) -> dict[str, Any]:
    form, values = FORMS[kind]
    return {"control_type": kind, form: {**values, **changes}}


async def controls(it: Talking, **query: Any) -> dict[str, Any]:
    return {each["control_id"]: each for each in await it.shown("der-controls", **query)}


async def reported(it: Talking) -> None:
    """Asks for a report, and waits until all of it is here."""
    told = await it.post("der-controls/report", {})
    assert told["response"]["status"] in {"Accepted", "NotFound"}
    await it.tell()
    await asyncio.sleep(0.1)
    await it.tell()


async def test_a_control_is_set_reported_and_cleared(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        for kind in FORMS:
            body = a_control(kind) | {"is_default": kind in {"EnterService", "Gradients"}}
            told = await it.put(f"der-controls/{kind}-1", body)
            assert told["response"]["status"] == "Accepted"
        found = await controls(it)
        assert found.keys() == {f"{kind}-1" for kind in FORMS}
        for kind, (_, values) in FORMS.items():
            control = found[f"{kind}-1"]
            assert (control["control_type"], control["state"]) == (kind, "accepted")
            assert (control["wished"], control["reported"]) == (values, None)
        sent = it.box.outfit.grid.controls["FixedPFAbsorb-1"]["fixedPFAbsorb"]
        assert sent == {"priority": 1, "displacement": 0.95, "excitation": True, "duration": 600.0}
        await reported(it)
        found = await controls(it)
        for kind, (_, values) in FORMS.items():
            got = found[f"{kind}-1"]["reported"]
            if "start_at" in values:
                assert parse_rfc3339(got.pop("start_at")) == parse_rfc3339(values["start_at"])
            assert got == {name: values[name] for name in values if name != "start_at"}
        await it.house.delete("/stations/ST-1/der-controls/FixedVar-1")
        assert "FixedVar-1" not in it.box.outfit.grid.controls
        assert (await controls(it))["FixedVar-1"]["state"] == "cleared"
        await it.house.delete("/stations/ST-1/der-controls/FixedVar-1", 404)
        assert len(await controls(it, control_type="VoltVar")) == 1
        assert len(await controls(it, state="cleared")) == 1
        assert "der_control.changed" in await it.house.events("station/ST-1")


async def test_a_report_says_what_is_gone_and_what_was_not_ours(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        await it.put("der-controls/mine", a_control("FixedVar"))
        await asyncio.sleep(1.1)  # reports count in seconds
        grid = it.box.outfit.grid
        grid.controls["theirs"] = {**grid.controls.pop("mine"), "controlId": "theirs"}
        await reported(it)
        found = await controls(it)
        assert (found["mine"]["state"], found["theirs"]["state"]) == ("gone", "accepted")
        assert (found["theirs"]["wished"], found["theirs"]["control_type"]) == (None, "FixedVar")
        await asyncio.sleep(1.1)
        grid.controls.clear()
        await reported(it)
        assert {each["state"] for each in (await controls(it)).values()} == {"gone"}


async def test_one_control_is_in_the_place_of_another(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        await it.put("der-controls/low", a_control(priority=9))
        told = await it.put("der-controls/high", a_control(priority=1))
        assert told["response"]["supersededIds"] == ["low"]
        found = await controls(it)
        assert (found["low"]["superseded"], found["high"]["superseded"]) == (True, False)
        grid, now = it.box.outfit.grid, it.house.clock.now().replace(microsecond=0)
        await it.tell(grid.begin("high", now))
        found = await controls(it)
        assert (found["high"]["started"], found["high"]["started_at"]) == (
            True,
            format_rfc3339(now),
        )
        await it.tell(grid.begin("high", now, started=False))
        found = await controls(it)
        assert (found["high"]["started"], found["low"]["superseded"]) == (False, False)
        await it.tell(grid.begin("never heard of", now))
        assert (await controls(it))["never heard of"]["control_type"] is None


async def test_a_station_has_room_for_so_many_controls_and_ours_are_kept_in_any_case(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CONTROLS_MAX", 3)
    async with talking(database_url, VERSION) as it:
        grid, now = it.box.outfit.grid, it.house.clock.now().replace(microsecond=0)
        for number in range(5):
            await it.tell(grid.begin(f"theirs-{number}", now))
        assert not it.box.outbox, "they are answered all the same"
        assert (await controls(it)).keys() == {"theirs-0", "theirs-1", "theirs-2"}
        await it.tell(grid.begin("theirs-0", now, started=False))
        assert (await controls(it))["theirs-0"]["started"] is False
        told = await it.put("der-controls/mine", a_control("FixedVar"))
        assert told["response"]["status"] == "Accepted"
        grid.controls["more"] = {**grid.controls["mine"], "controlId": "more"}
        await asyncio.sleep(1.1)  # reports count in seconds
        await reported(it)
        found = await controls(it)
        assert found.keys() == {"theirs-0", "theirs-1", "theirs-2", "mine"}
        assert found["mine"]["reported"] is not None
        assert found["theirs-1"]["state"] == "gone"


async def test_what_a_station_refuses_is_shown(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        body = {"control_type": "WattPF", "curve": CURVE}
        told = await it.put("der-controls/c1", body)
        assert told["response"]["status"] == "NotSupported"
        (control,) = (await controls(it)).values()
        assert (control["state"], control["detail"]) == ("rejected", "NotSupported")
        await it.put("der-controls/c2", a_control())
        it.box.outfit.grid.stubborn = True
        refused = await it.house.http.delete("/api/v1/stations/ST-1/der-controls/c2")
        assert (refused.status_code, refused.json()["code"]) == (409, "control-kept")
        for wrong, field in (
            ({"control_type": "VoltVar"}, "/curve"),
            (a_control() | {"fixed_var": FORMS["FixedVar"][1]}, "/fixed_var"),
            (a_control(y_unit="Furlongs"), "/curve/y_unit"),
            (a_control(priority=-1), "/curve/priority"),
            ({"control_type": "Nonsense", "curve": CURVE}, "/control_type"),
        ):
            answer = await it.put("der-controls/c3", wrong, 422)
            assert answer["errors"][0]["field"] == field
        viewer = it.house.client(await it.house.key("viewer"))
        barred = await viewer.put("/api/v1/stations/ST-1/der-controls/c1", json=a_control())
        assert barred.status_code == 403


async def test_alarms_of_the_grid_are_kept_and_told(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        grid, now = it.box.outfit.grid, it.house.clock.now().replace(microsecond=0)
        await it.tell(grid.alarm("HVMustTrip", now, "OverVoltage"))
        await it.tell(grid.alarm("HVMustTrip", now, "OverVoltage", ended=True))
        over, begun = await it.shown("der-alarms")
        assert (begun["control_type"], begun["grid_event"]) == ("HVMustTrip", "OverVoltage")
        assert (begun["ended"], over["ended"]) == (False, True)
        assert begun["happened_at"] == format_rfc3339(now)
        assert begun["info"] == "seen at the connection point"
        assert len(await it.shown("der-alarms", ended="false")) == 1
        assert (await it.house.events("station/ST-1")).count("der_alarm.reported") == 2


async def test_cars_may_give_and_reserves_are_called(database_url: str) -> None:
    async with talking(database_url, VERSION) as it:
        told = await it.post("afrr-signal", {"signal": -7})
        assert told["response"]["status"] == "Accepted"
        assert it.box.outfit.grid.signals == [-7]
        await it.house.post("/id-tokens", {"id_token": "04AABBCC", "type": "ISO14443"})
        it.box.plug(1, a_car(), it.house.clock.now())
        it.box.remote_start(1, "04AABBCC", None, it.house.clock.now())

        async def begun() -> bool:
            return bool((await it.house.get("/transactions"))["items"])

        await eventually(begun)
        (transaction,) = (await it.house.get("/transactions"))["items"]
        body = {"transaction_id": transaction["id"], "modes": ["AC_BPT", "AC_three_phase"]}
        told = await it.post("allowed-energy-transfer", body)
        assert told["response"]["status"] == "Accepted"
        allowed = it.box.outfit.grid.allowed
        assert allowed == {transaction["ocpp_transaction_id"]: ["AC_BPT", "AC_three_phase"]}
        wrong = await it.post("allowed-energy-transfer", body | {"transaction_id": "none"}, 422)
        assert wrong["errors"][0]["field"] == "/transaction_id"
        await it.post("allowed-energy-transfer", body | {"modes": ["by hand"]}, 422)


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
async def test_older_stations_know_nothing_of_it(sqlite_url: str, version: str) -> None:
    async with talking(sqlite_url, version) as it:
        assert (await it.put("der-controls/c1", a_control(), 409))["code"] == "not-in-version"
        assert (await it.post("afrr-signal", {"signal": 1}, 409))["code"] == "not-in-version"
        assert (await it.post("der-controls/report", {}, 409))["code"] == "not-in-version"
        await it.house.station("ST-2", "A")
        away = await it.house.post("/stations/ST-2/afrr-signal", {"signal": 1}, 409)
        assert away["code"] == "station-offline"
        await it.house.post("/stations/nobody/afrr-signal", {"signal": 1}, 404)
        await it.house.get("/stations/nobody/der-controls", 404)
        await it.house.get("/stations/nobody/der-alarms", 404)
