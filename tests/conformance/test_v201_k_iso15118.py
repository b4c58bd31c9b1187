"""OCPP 2.0.1, block K, cars of ISO 15118: the certification programme's cases."""

from __future__ import annotations

from typing import Any

from tests.builders.played_sessions import Session
from tests.builders.played_station import PlayedStation, now

NEEDS = {
    "evseId": 1,
    "chargingNeeds": {
        "requestedEnergyTransfer": "AC_three_phase",
        "acChargingParameters": {
            "energyAmount": 20_000,
            "evMinCurrent": 6,
            "evMaxCurrent": 32,
            "evMaxVoltage": 400,
        },
    },
}


async def negotiated(cs: PlayedStation, *, asks: bool = True) -> None:
    """A car says what it needs, is told what it may have, and says how it will charge."""
    if asks:
        assert await cs.call("NotifyEVChargingNeeds", NEEDS) == {"status": "Processing"}
    (transaction,) = await cs.transactions()
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0, "numberPhases": 3}],
    }
    profile = {
        "id": 21,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [{**schedule, "startSchedule": now()}],
        "transactionId": transaction["ocpp_transaction_id"],
    }
    await cs.order("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
    told: dict[str, Any] = {"timeBase": now(), "evseId": 1, "chargingSchedule": schedule}
    assert await cs.call("NotifyEVChargingSchedule", told) == {"status": "Accepted"}
    await cs.house.activity.quiet()
    kept = (await cs.house.get("/stations/CP-1/ev-schedules"))["items"]
    assert kept[0]["transaction_id"] == transaction["id"]


async def test_tc_k_53_csms_load_leveling_high_level_success(cs: PlayedStation) -> None:
    """A car's needs, a profile for its transaction, and the schedule that it makes of it."""
    await Session(cs).charging()
    await negotiated(cs)


async def test_tc_k_57_csms_renegotiating_initiated_by_ev(cs: PlayedStation) -> None:
    """As before, and then the car has other needs."""
    await Session(cs).charging()
    await negotiated(cs)
    await negotiated(cs)
    assert len((await cs.house.get("/stations/CP-1/ev-needs"))["items"]) == 2


async def test_tc_k_58_csms_renegotiating_initiated_by_csms(cs: PlayedStation) -> None:
    """As before, and then a user sets another profile, of which the car makes a schedule."""
    await Session(cs).charging()
    await negotiated(cs)
    await negotiated(cs, asks=False)


async def test_tc_k_59_csms_renegotiating_by_csms_with_needs(cs: PlayedStation) -> None:
    """As before, and the car says anew what it needs."""
    await Session(cs).charging()
    await negotiated(cs, asks=False)
    await negotiated(cs)
