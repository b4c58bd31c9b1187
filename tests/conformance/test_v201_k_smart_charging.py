"""OCPP 2.0.1, block K: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

from tests.builders.played_sessions import Session, started_by
from tests.builders.played_station import PlayedStation, now

DEFAULT = "TxDefaultProfile"
STATION_MAX = "ChargingStationMaxProfile"


def profile(number: int, purpose: str = DEFAULT, **more: Any) -> dict[str, Any]:
    """Returns a charging profile of 6 A."""
    schedule = {
        "id": number,
        "startSchedule": now(),
        "duration": 300,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6, "numberPhases": 3}],
    }
    return {
        "id": number,
        "stackLevel": 2,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
        **more,
    }


async def sets(cs: PlayedStation, wanted: Any, evse: int = 1, status: str = "Accepted") -> None:
    """SetChargingProfile, and the station's answer."""
    asked = {"evseId": evse, "chargingProfile": wanted}
    await cs.order("SetChargingProfile", asked, {"status": status})


async def test_tc_k_01_csms_set_tx_default_profile_specific_evse(cs: PlayedStation) -> None:
    """A default for one EVSE."""
    await sets(cs, profile(11))


async def test_tc_k_02_csms_set_tx_profile_without_transaction(cs: PlayedStation) -> None:
    """A profile for a transaction that is not there, answered Rejected; the user is told."""
    await sets(cs, profile(12, "TxProfile", transactionId="none"), status="Rejected")


async def test_tc_k_03_csms_set_charging_station_max_profile(cs: PlayedStation) -> None:
    """A maximum for the whole station."""
    await sets(cs, profile(13, STATION_MAX), 0)


async def test_tc_k_04_csms_replace_charging_profile(cs: PlayedStation) -> None:
    """A profile with the number of another takes its place."""
    await sets(cs, profile(14))
    await sets(cs, profile(14, stackLevel=3))


async def clears(cs: PlayedStation, asked: Any, status: str = "Accepted") -> None:
    """ClearChargingProfile, and the station's answer."""
    await cs.order("ClearChargingProfile", asked, {"status": status})


async def test_tc_k_05_csms_clear_charging_profile_by_id(cs: PlayedStation) -> None:
    """A profile is cleared by its number."""
    await sets(cs, profile(15))
    await clears(cs, {"chargingProfileId": 15})


async def test_tc_k_06_csms_clear_charging_profile_by_criteria(cs: PlayedStation) -> None:
    """A profile is cleared by its purpose and level."""
    await sets(cs, profile(16))
    criteria = {"evseId": 1, "chargingProfilePurpose": DEFAULT, "stackLevel": 2}
    await clears(cs, {"chargingProfileCriteria": criteria})


async def test_tc_k_08_csms_clear_charging_profile_without_one(cs: PlayedStation) -> None:
    """There is none, answered Unknown."""
    criteria = {"evseId": 1, "chargingProfilePurpose": DEFAULT, "stackLevel": 2}
    await clears(cs, {"chargingProfileCriteria": criteria}, "Unknown")


async def test_tc_k_10_csms_set_tx_default_profile_all_evse(cs: PlayedStation) -> None:
    """A default for all EVSEs."""
    await sets(cs, profile(17), 0)


async def test_tc_k_15_csms_set_charging_profile_not_supported(cs: PlayedStation) -> None:
    """The station does not know the action: the user is told of its CALLERROR."""
    asked = {"evseId": 1, "chargingProfile": profile(18)}
    told = await cs.order("SetChargingProfile", asked, ("NotSupported", "no such"), status=502)
    assert (told["code"], told["station_code"]) == ("call-error", "NotSupported")


async def test_tc_k_19_csms_set_recurring_profile(cs: PlayedStation) -> None:
    """A profile that comes again every day."""
    wanted = profile(19, chargingProfileKind="Recurring", recurrencyKind="Daily")
    await sets(cs, wanted)


async def gets(cs: PlayedStation, criteria: Any, evse: int | None = None) -> None:
    """GetChargingProfiles, and the report in two parts."""
    asked: dict[str, Any] = {"requestId": 30, "chargingProfile": criteria}
    asked |= {} if evse is None else {"evseId": evse}
    await cs.order("GetChargingProfiles", asked)
    for number, more in ((31, True), (32, False)):
        payload = {
            "requestId": 30,
            "chargingLimitSource": "CSO",
            "tbc": more,
            "evseId": evse or 0,
            "chargingProfile": [profile(number)],
        }
        assert await cs.call("ReportChargingProfiles", payload) == {}
    kept = await cs.messages("ReportChargingProfiles")
    assert {each["payload"]["chargingProfile"][0]["id"] for each in kept} == {31, 32}


async def test_tc_k_29_csms_get_charging_profiles_evse_0(cs: PlayedStation) -> None:
    """Of the station as a whole."""
    await gets(cs, {"chargingProfilePurpose": STATION_MAX}, 0)


async def test_tc_k_30_csms_get_charging_profiles_evse(cs: PlayedStation) -> None:
    """Of one EVSE."""
    await gets(cs, {"chargingProfilePurpose": DEFAULT}, 1)


async def test_tc_k_31_csms_get_charging_profiles_no_evse(cs: PlayedStation) -> None:
    """Of everything."""
    await gets(cs, {"chargingProfilePurpose": DEFAULT})


async def test_tc_k_32_csms_get_charging_profiles_by_id(cs: PlayedStation) -> None:
    """By their numbers."""
    await gets(cs, {"chargingProfileId": [31, 32]})


async def test_tc_k_33_csms_get_charging_profiles_evse_and_level(cs: PlayedStation) -> None:
    """Of one EVSE, by level."""
    await gets(cs, {"stackLevel": 2}, 1)


async def test_tc_k_34_csms_get_charging_profiles_evse_and_source(cs: PlayedStation) -> None:
    """Of one EVSE, by source."""
    await gets(cs, {"chargingLimitSource": ["CSO"]}, 1)


async def test_tc_k_35_csms_get_charging_profiles_evse_and_purpose(cs: PlayedStation) -> None:
    """Of one EVSE, by purpose."""
    await gets(cs, {"chargingProfilePurpose": "TxProfile"}, 1)


async def test_tc_k_36_csms_get_charging_profiles_evse_purpose_and_level(
    cs: PlayedStation,
) -> None:
    """Of one EVSE, by purpose and level."""
    await gets(cs, {"chargingProfilePurpose": DEFAULT, "stackLevel": 2}, 1)


async def test_tc_k_37_csms_remote_start_with_charging_profile(cs: PlayedStation) -> None:
    """RequestStartTransaction with a profile, and the transaction, which is shown to be its."""
    asked = {
        "evseId": 1,
        "remoteStartId": 9,
        "idToken": {"idToken": "VALID", "type": "ISO14443"},
        "chargingProfile": profile(37, "TxProfile"),
    }
    await cs.order("RequestStartTransaction", asked)
    session = Session(cs)
    answer = await session.tell("Started", "RemoteStart", token="VALID", info={"remoteStartId": 9})
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert await started_by(cs) == asked


async def composite(cs: PlayedStation, evse: int) -> None:
    """GetCompositeSchedule, answered with the schedule."""
    asked = {"evseId": evse, "duration": 300, "chargingRateUnit": "A"}
    schedule = {
        "evseId": evse,
        "duration": 300,
        "scheduleStart": now(),
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
    }
    await cs.order("GetCompositeSchedule", asked, {"status": "Accepted", "schedule": schedule})


async def test_tc_k_43_csms_get_composite_schedule_specific_evse(cs: PlayedStation) -> None:
    """Of one EVSE."""
    await composite(cs, 1)


async def test_tc_k_44_csms_get_composite_schedule_station(cs: PlayedStation) -> None:
    """Of the station as a whole."""
    await composite(cs, 0)


EMS = {"chargingLimitSource": "EMS"}


async def test_tc_k_48_csms_external_limit_set(cs: PlayedStation) -> None:
    """NotifyChargingLimit of a limit from elsewhere."""
    payload = {"chargingLimit": EMS, "evseId": 1}
    assert await cs.call("NotifyChargingLimit", payload) == {}


async def test_tc_k_50_csms_external_limit_released_without_transaction(
    cs: PlayedStation,
) -> None:
    """ClearedChargingLimit."""
    assert await cs.call("ClearedChargingLimit", EMS | {"evseId": 1}) == {}


async def test_tc_k_51_csms_external_limit_released_with_transaction(cs: PlayedStation) -> None:
    """ClearedChargingLimit, and the session's power changes by it."""
    session = Session(cs)
    await session.charging()
    assert await cs.call("ClearedChargingLimit", EMS | {"evseId": 1}) == {}
    await session.tell("Updated", "ChargingRateChanged")


async def test_tc_k_52_csms_external_limit_reported(cs: PlayedStation) -> None:
    """NotifyChargingLimit with the schedule of the limit."""
    schedule = profile(52)["chargingSchedule"]
    payload = {"chargingLimit": EMS, "evseId": 1, "chargingSchedule": schedule}
    assert await cs.call("NotifyChargingLimit", payload) == {}
    (kept,) = await cs.messages("NotifyChargingLimit")
    assert kept["payload"] == payload


async def test_tc_k_60_csms_set_tx_profile_with_transaction(cs: PlayedStation) -> None:
    """A profile for a running transaction."""
    session = Session(cs)
    await session.charging()
    await sets(cs, profile(60, "TxProfile", transactionId=session.name))


async def test_tc_k_70_csms_set_multiple_profiles(cs: PlayedStation) -> None:
    """Several profiles, one after the other."""
    await sets(cs, profile(70, STATION_MAX), 0)
    await sets(cs, profile(71))
