"""What cars of ISO 15118 want, and how they mean to charge: over REST and real sockets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.charging import ChargingLimit
from models.tables.planning import PlanRequest
from models.timeline import format_rfc3339
from tests.builders.stations import a_car
from tests.builders.talking import Talking, talking
from tests.builders.waiting import eventually

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
TOKEN = "04AABBCC"


async def charging(it: Talking) -> dict[str, Any]:
    """Plugs a car of the fleet in at EVSE 1; returns its transaction."""
    await it.house.vehicle("A", id="zoe-1")
    await it.house.post(
        "/id-tokens", {"id_token": TOKEN, "type": "ISO14443", "vehicle_id": "zoe-1"}
    )
    it.box.plug(1, a_car(token=TOKEN), it.house.clock.now())
    it.box.present(1, TOKEN, it.house.clock.now())

    async def begun() -> bool:
        found = (await it.house.get("/transactions"))["items"]
        return bool(found) and found[0]["vehicle_id"] == "zoe-1"

    await eventually(begun)
    return (await it.house.get("/transactions"))["items"][0]


async def wished_for(it: Talking) -> str | None:
    """Returns why a new plan of the site is wished for, and takes the wish back."""
    async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
        wish = await work.session.get(PlanRequest, "A")
        await work.session.execute(sa.delete(PlanRequest))
        return wish and wish.reason


@ON_2X
async def test_what_a_car_wants_is_kept_and_thought_about(database_url: str, version: str) -> None:
    async with talking(database_url, version) as it:
        needs, now = it.box.outfit.needs, it.house.clock.now()
        departs_at = (now + timedelta(hours=3)).replace(microsecond=0)
        wish = needs.want_ac(1, energy_wh=9000, max_current_a=16, departs_at=departs_at)
        await it.tell(wish)
        assert needs.answers == ["Rejected"], "no car is known to be there"
        transaction = await charging(it)
        await wished_for(it)
        await it.tell(wish)
        assert needs.answers[1:] == ["Processing"]
        assert await wished_for(it) == "a car has told what it needs"
        kept, refused = await it.shown("ev-needs")
        assert (refused["transaction_id"], refused["answer"]) == (None, "Rejected")
        assert (kept["transaction_id"], kept["evse_id"]) == (transaction["id"], 1)
        assert (kept["energy_wh"], kept["max_current_a"], kept["max_power_w"]) == (9000, 16, 11040)
        assert kept["departure_at"] == format_rfc3339(departs_at)
        assert (kept["soc_pct"], kept["max_periods"]) == (None, 12)
        assert kept["parameters"]["acChargingParameters"]["evMinCurrent"] == 6
        assert await it.shown("ev-needs", evse_id=2) == []
        assert len(await it.shown("ev-needs", transaction_id=transaction["id"])) == 1
        assert (await it.house.events("station/ST-1")).count("ev_needs.reported") == 2


@ON_2X
async def test_a_car_is_believed_how_full_it_is(database_url: str, version: str) -> None:
    async with talking(database_url, version) as it:
        await charging(it)
        more = {"energyAmount": 20_000, "evMaxPower": 50_000, "evEnergyCapacity": 40_000}
        await it.tell(it.box.outfit.needs.want_dc(1, soc_pct=37, fullSoC=95, **more))
        (kept,) = await it.shown("ev-needs")
        assert (kept["soc_pct"], kept["target_soc_pct"], kept["capacity_wh"]) == (37, 95, 40_000)
        assert (kept["max_power_w"], kept["max_voltage_v"]) == (50_000, 500)
        car = await it.house.get("/vehicles/zoe-1")
        assert (car["soc_pct"], car["source"]) == (37, "charger")


async def test_a_car_that_can_give_says_how_much(database_url: str) -> None:
    async with talking(database_url, "ocpp2.1") as it:
        await charging(it)
        wish = it.box.outfit.needs.want_v2x(
            1,
            maxChargePower=11_000.0,
            maxChargePower_L2=1_000.0,
            maxDischargePower=7_000.0,
            evTargetEnergyRequest=12_000.0,
            evMinV2XEnergyRequest=500.0,
            targetSoC=80,
        )
        await it.tell(wish)
        (kept,) = await it.shown("ev-needs")
        assert (kept["max_power_w"], kept["max_discharge_w"]) == (12_000, 7_000)
        assert (kept["energy_wh"], kept["target_soc_pct"]) == (12_000, 80)
        assert (kept["transfer_mode"], kept["control_mode"]) == ("DC_BPT", "DynamicControl")


@ON_2X
async def test_a_schedule_is_held_against_the_limit(database_url: str, version: str) -> None:
    async with talking(database_url, version) as it:
        needs, transaction = it.box.outfit.needs, await charging(it)
        base = it.house.clock.now().replace(microsecond=0)
        await it.tell(needs.mean(1, base, [(0, 32.0)]))
        assert needs.answers == ["Accepted"], "there is no limit yet"
        later = base + timedelta(minutes=30)
        periods = [
            {"from_at": format_rfc3339(base), "limit_w": 11_040.0, "reasons": []},
            {"from_at": format_rfc3339(later), "limit_w": 4_140.0, "reasons": []},
        ]
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            limit = ChargingLimit(
                id="limit-1",
                tenant_id="default",
                site_id="A",
                station="ST-1",
                evse_id=1,
                ocpp_transaction_id=transaction["ocpp_transaction_id"],
                purpose="transaction",
                created_at=base,
                valid_to=None,
                periods=periods,
                state="accepted",
            )
            work.session.add(limit)
        await wished_for(it)
        await it.tell(needs.mean(1, base, [(0, 16.0), (1800, 6.0)]))
        assert needs.answers[1:] == ["Accepted"]
        assert await wished_for(it) is None
        await it.tell(needs.mean(1, base, [(0, 16.0)]))
        await it.tell(needs.mean(1, base, [(0, 11_500.0), (1800, 4_140.0)], unit="W"))
        assert needs.answers[2:] == ["Rejected", "Rejected"]
        assert await wished_for(it) == "a car means to take more than it may"
        kept = await it.shown("ev-schedules")
        assert [each["limit_id"] for each in kept] == ["limit-1"] * 3 + [None]
        exceeds = [each["exceeds_at"] for each in kept]
        assert exceeds == [format_rfc3339(base), format_rfc3339(later), None, None]
        assert kept[2]["periods"] == [
            {"start_s": 0, "limit_w": 11_040},
            {"start_s": 1800, "limit_w": 4_140},
        ]
        assert {each["transaction_id"] for each in kept} == {transaction["id"]}
        await it.house.get("/stations/nobody/ev-schedules", 404)
        await it.house.get("/stations/nobody/ev-needs", 404)
