"""Quirks on the record of a station: by its vendor, as an operator wants, and none when strict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.commands import LimitPeriod, SetLimit
from models.quirks import CATALOGUE, DEFAULTS, SETTINGS
from models.tables.charging import Reconciliation, Transaction
from models.timeline import parse_rfc3339
from simulators.odd_limits import REFUSED
from simulators.odd_times import CLOCKS
from simulators.odd_words import TWISTS
from tests.integration.gateway.rig import Rig, answer, boot, call, connected, encode, rig
from tests.integration.gateway.test_quirks import MARKS, UNKNOWN, played

ROOT = Path(__file__).resolve().parents[3]
NOON = parse_rfc3339("2026-06-16T12:00:00Z")


async def booted(house: Rig, vendor: str, model: str, subprotocol: str, password: str) -> Any:
    link = await house.dial("CP-1", password, (subprotocol,))
    payload: dict[str, Any] = {"chargePointVendor": vendor, "chargePointModel": model}
    if subprotocol != "ocpp1.6":
        payload = {"reason": "PowerUp", "chargingStation": {"vendorName": vendor, "model": model}}
    assert (await call(link, "BootNotification", payload))[2]["status"] == "Accepted"
    return link


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_the_first_boot_brings_those_of_the_vendor_and_they_hold_at_once(
    tmp_path: Path, subprotocol: str
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1", safe_limit_w=4140.0, quirks=["below-6a"])
        link = await booted(house, "HUAWEI Technologies", "SCharger", subprotocol, password)
        assert (await house.station("CP-1")).quirks == ["below-6a", "w-only"]
        order = SetLimit(
            evse_id=0,
            purpose="default",
            profile_id=5,
            periods=(LimitPeriod(0, 9000.0),),
            start_at=NOON,
            rate_unit="A",
        )
        await house.order("CP-1", order)
        units: list[str] = []
        while len(units) < 2:
            frame = await answer(link)
            if frame[2] == "SetChargingProfile":
                profile = frame[3].get("csChargingProfiles") or frame[3]["chargingProfile"]
                schedule = profile["chargingSchedule"]
                schedule = schedule[0] if isinstance(schedule, list) else schedule
                units.append(schedule["chargingRateUnit"])
            await link.send(encode([3, frame[1], {"status": "Accepted"}]))
        assert units == ["W", "W"]


async def test_what_an_operator_takes_off_stays_off_until_another_box_comes(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        await (await booted(house, "Wallbox", "Pulsar", "ocpp1.6", password)).close()
        shown = (await house.station("CP-1")).quirks
        assert shown == ["basic-user-mismatch", "relative-only", "stack0-only"]
        await house.change_station("CP-1", quirks=["stack0-only"])
        await (await booted(house, "Wallbox", "Pulsar", "ocpp1.6", password)).close()
        assert (await house.station("CP-1")).quirks == ["stack0-only"]
        await (await booted(house, "Wallbox", "Copper", "ocpp1.6", password)).close()
        assert (await house.station("CP-1")).quirks == shown


async def test_a_station_of_no_known_vendor_gets_none(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        assert (await boot(link))[2]["status"] == "Accepted"
        assert (await house.station("CP-1")).quirks == []


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_a_strict_station_is_spoken_to_by_the_book(tmp_path: Path, version: str) -> None:
    day, _, _ = await played(tmp_path / "strict", version, CATALOGUE["a-only"], strict=True)
    assert day.held_w == (11040.0, 11040.0)
    assert day.transcript.count(("SetLimit", "rejected")) >= 2


async def test_a_strict_station_is_taken_at_its_word_about_numbers(tmp_path: Path) -> None:
    _, _, rows = await played(tmp_path / "strict", "1.6", CATALOGUE["stop-minus1"], strict=True)
    assert {row.stop_reason for row in rows} - {"Lost"} <= {None}
    assert "transaction-guessed" not in {mark for row in rows for mark in row.suspect}


async def test_an_end_without_a_number_is_believed_where_it_fits_one_transaction(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        at = house.clock.now().isoformat()
        start = {"meterStart": 5000, "timestamp": at}
        stop = {"transactionId": -1, "timestamp": at}
        for number, tag in ((1, "AA"), (2, "BB")):
            await call(link, "StartTransaction", {**start, "connectorId": number, "idTag": tag})
        await call(link, "StopTransaction", {**stop, "meterStop": 6000})
        rows = await house.rows(sa.select(Transaction).order_by(Transaction.evse_id))
        assert [row.stopped_at for row in rows] == [None, None]
        await call(link, "StopTransaction", {**stop, "meterStop": 4000, "idTag": "bb"})
        first, second = await house.rows(sa.select(Transaction).order_by(Transaction.evse_id))
        assert first.stopped_at is None
        assert second.stopped_at is not None
        assert second.suspect == ["transaction-guessed", "stop-guessed", "meter-backwards"]
        oddities = await house.rows(sa.select(Reconciliation.kind))
        assert {"transaction-unknown", "transaction-guessed"} <= set(oddities)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_quirk_of_a_record_is_read_by_the_service(name: str) -> None:
    texts = [path.read_text() for path in (ROOT / "csms").rglob("*.py")]
    assert any(f'"{name}"' in text for text in texts)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_quirk_is_played_by_the_simulator(name: str) -> None:
    played_by_name = name in TWISTS or name in CLOCKS or name in REFUSED
    texts = [path.read_text() for path in (ROOT / "simulators").rglob("*.py")]
    assert played_by_name or any(f'"{name}"' in text for text in texts)


def test_tables_name_only_quirks_of_the_catalogue() -> None:
    named = {*MARKS, *UNKNOWN, *TWISTS, *CLOCKS, *REFUSED}
    assert named <= set(CATALOGUE)
    assert {quirk for each in DEFAULTS for quirk in each.quirks} <= set(SETTINGS)
