"""OCPP 1.6, core profile: the certification programme's cases for central systems."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models.timeline import format_rfc3339
from tests.builders.played_sessions import asked_to_begin, authorized, begun, ended, started_by
from tests.builders.played_station import SILENCE, PlayedStation, kept, played_station

REJECTED = {"status": "Rejected"}


async def test_tc_001_csms_cold_boot(sqlite_url: str) -> None:
    """Accepted with an interval and the time; statuses and heartbeats are answered."""
    async with played_station(sqlite_url, "1.6", come=False) as cp:
        await cp.dial()
        answer = await cp.boot()
        assert answer["status"] == "Accepted"
        assert answer["interval"] > 0
        for connector in (0, 1, 2):
            assert await cp.status("Available", connector) == {}
        assert (await cp.call("Heartbeat", {}))["currentTime"].endswith("Z")
        assert await cp.shown() == "Available"


async def test_tc_003_csms_regular_charging_session_plugin_first(cp: PlayedStation) -> None:
    """The cable, then the card: a transaction with a number of ours, and its end."""
    await cp.status("Preparing")
    assert await authorized(cp) == "Accepted"
    number = await begun(cp)
    await cp.status("SuspendedEV")
    shown = await ended(cp, number, idTag="VALID")
    assert (shown["station"], shown["evse_id"], shown["id_token"]) == ("CP-1", 1, "VALID")
    await cp.status("Finishing")
    await cp.status("Available")
    assert await cp.shown() == "Available"


async def test_tc_004_1_csms_regular_charging_session_identification_first(
    cp: PlayedStation,
) -> None:
    """The card, then the cable."""
    assert await authorized(cp) == "Accepted"
    await cp.status("Preparing")
    await ended(cp, await begun(cp))


async def test_tc_004_2_csms_identification_first_connection_time_out(cp: PlayedStation) -> None:
    """The cable never comes: no transaction, and the connector is free again."""
    assert await authorized(cp) == "Accepted"
    await cp.status("Preparing")
    assert await cp.shown() == "Preparing"
    await cp.status("Available")
    assert await cp.shown() == "Available"
    assert await cp.transactions() == []


async def test_tc_005_1_csms_ev_side_disconnected(cp: PlayedStation) -> None:
    """A transaction that ends because the car has gone."""
    number = await begun(cp)
    await cp.status("SuspendedEV")
    shown = await ended(cp, number, "EVDisconnected")
    assert shown["stop_reason"] == "EVDisconnected"
    await cp.status("Finishing")
    await cp.status("Available")
    assert await cp.shown() == "Available"


async def test_tc_007_csms_regular_start_cached_id(cp: PlayedStation) -> None:
    """A start without Authorize, by the cache: the answer tells the token's status and family."""
    await cp.status("Preparing")
    answer = await asked_to_begin(cp, "VALID")
    assert answer["idTagInfo"] == {"status": "Accepted", "parentIdTag": "GROUP"}


async def test_tc_010_csms_remote_start_cable_plugged_in_first(cp: PlayedStation) -> None:
    """RemoteStartTransaction after the cable, and the session that follows."""
    await cp.status("Preparing")
    asked = {"connectorId": 1, "idTag": "VALID"}
    await cp.order("RemoteStartTransaction", asked)
    assert await authorized(cp) == "Accepted"
    await begun(cp)
    assert await started_by(cp) == asked


async def test_tc_011_1_csms_remote_start_first(cp: PlayedStation) -> None:
    """RemoteStartTransaction before the cable, and the session that follows."""
    await cp.order("RemoteStartTransaction", {"connectorId": 1, "idTag": "VALID"})
    assert await authorized(cp) == "Accepted"
    await cp.status("Preparing")
    await begun(cp)


async def test_tc_011_2_csms_remote_start_time_out(cp: PlayedStation) -> None:
    """RemoteStartTransaction, and no cable in time."""
    await cp.order("RemoteStartTransaction", {"connectorId": 1, "idTag": "VALID"})
    await cp.status("Preparing")
    await cp.status("Available")
    assert await cp.shown() == "Available"
    assert await cp.transactions() == []


async def test_tc_012_csms_remote_stop(cp: PlayedStation) -> None:
    """RemoteStopTransaction by the transaction's number."""
    number = await begun(cp)
    await cp.order("RemoteStopTransaction", {"transactionId": number})
    await ended(cp, number, "Remote")
    await cp.status("Finishing")
    (shown,) = await cp.transactions()
    assert shown["stop_reason"] == "Remote"


@pytest.mark.parametrize("silent", [False, True])
async def test_tc_013_csms_hard_reset(cp: PlayedStation, *, silent: bool) -> None:
    """Reset Hard, and the boot after it; a station that restarts before it answers is told of."""
    if silent:
        told = await cp.order("Reset", {"type": "Hard"}, SILENCE, status=504)
        assert told["code"] == "no-answer"
    else:
        await cp.order("Reset", {"type": "Hard"})
    await cp.come_back()
    assert (await cp.boot())["status"] == "Accepted"
    await cp.status("Available")


async def test_tc_014_csms_soft_reset(cp: PlayedStation) -> None:
    """Reset Soft during a session: the session's end is told before the boot."""
    number = await begun(cp)
    await cp.order("Reset", {"type": "Soft"})
    await ended(cp, number, "SoftReset")
    await cp.come_back()
    assert (await cp.boot())["status"] == "Accepted"


async def test_tc_017_1_csms_unlock_without_session_not_fixed_cable(cp: PlayedStation) -> None:
    """UnlockConnector, answered Unlocked."""
    await cp.order("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})
    assert await kept(cp, "UnlockConnector") == [{"status": "Unlocked"}]


async def test_tc_017_2_csms_unlock_without_session_fixed_cable(cp: PlayedStation) -> None:
    """UnlockConnector, answered NotSupported."""
    await cp.order("UnlockConnector", {"connectorId": 1}, {"status": "NotSupported"})
    assert await kept(cp, "UnlockConnector") == [{"status": "NotSupported"}]


async def test_tc_018_1_csms_unlock_with_session(cp: PlayedStation) -> None:
    """UnlockConnector during a session, which ends by it."""
    number = await begun(cp)
    await cp.order("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})
    await ended(cp, number, "UnlockCommand")
    (shown,) = await cp.transactions()
    assert shown["stop_reason"] == "UnlockCommand"


async def test_tc_019_1_csms_retrieve_all_configuration_keys(cp: PlayedStation) -> None:
    """GetConfiguration without keys."""
    keys = [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
    await cp.order("GetConfiguration", {}, {"configurationKey": keys})
    assert (await kept(cp, "GetConfiguration"))[0] == {"configurationKey": keys}


async def test_tc_019_2_csms_retrieve_specific_configuration_key(cp: PlayedStation) -> None:
    """GetConfiguration of one key."""
    keys = [{"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core"}]
    asked = {"key": ["SupportedFeatureProfiles"]}
    await cp.order("GetConfiguration", asked, {"configurationKey": keys})
    assert (await kept(cp, "GetConfiguration"))[0] == {"configurationKey": keys}


@pytest.mark.parametrize("status", ["Accepted", "RebootRequired"])
async def test_tc_021_csms_change_configuration(cp: PlayedStation, status: str) -> None:
    """ChangeConfiguration of a key that can be changed."""
    asked = {"key": "MeterValueSampleInterval", "value": "60"}
    await cp.order("ChangeConfiguration", asked, {"status": status})
    assert await kept(cp, "ChangeConfiguration") == [{"status": status}]


async def test_tc_023_1_csms_authorize_invalid(cp: PlayedStation) -> None:
    """A token that nobody has created is Invalid."""
    await cp.status("Preparing")
    assert await authorized(cp, "NOBODY") == "Invalid"


async def test_tc_023_2_csms_authorize_expired(cp: PlayedStation) -> None:
    """A token whose time is over is Expired."""
    await cp.status("Preparing")
    assert await authorized(cp, "EXPIRED") == "Expired"


async def test_tc_023_3_csms_authorize_blocked(cp: PlayedStation) -> None:
    """A token that was blocked is Blocked."""
    await cp.status("Preparing")
    assert await authorized(cp, "BLOCKED") == "Blocked"


async def test_tc_024_csms_lock_failure(cp: PlayedStation) -> None:
    """The lock fails: no transaction, and the connector is shown as faulted."""
    assert await authorized(cp) == "Accepted"
    await cp.status("Preparing")
    await cp.status("Faulted", errorCode="ConnectorLockFailure")
    assert await cp.shown() == "Faulted"
    assert await cp.transactions() == []


async def test_tc_026_csms_remote_start_rejected(cp: PlayedStation) -> None:
    """RemoteStartTransaction that the station rejects; the user is told so, nothing comes of it."""
    await cp.order("RemoteStartTransaction", {"connectorId": 1, "idTag": "VALID"}, REJECTED)
    await begun(cp)
    assert await started_by(cp) is None


async def test_tc_028_csms_remote_stop_rejected(cp: PlayedStation) -> None:
    """RemoteStopTransaction that the station rejects; the transaction goes on."""
    number = await begun(cp)
    await cp.order("RemoteStopTransaction", {"transactionId": number}, REJECTED)
    (shown,) = await cp.transactions()
    assert shown["stopped_at"] is None


async def test_tc_030_csms_unlock_failure(cp: PlayedStation) -> None:
    """UnlockConnector, answered UnlockFailed."""
    await cp.order("UnlockConnector", {"connectorId": 1}, {"status": "UnlockFailed"})
    assert await kept(cp, "UnlockConnector") == [{"status": "UnlockFailed"}]


async def test_tc_031_csms_unlock_unknown_connector(cp: PlayedStation) -> None:
    """UnlockConnector of a connector that is not there, answered NotSupported."""
    await cp.order("UnlockConnector", {"connectorId": 9}, {"status": "NotSupported"})
    assert await kept(cp, "UnlockConnector") == [{"status": "NotSupported"}]


async def test_tc_032_1_csms_power_failure_boot_stop_transactions(cp: PlayedStation) -> None:
    """After a power failure: the boot, and the transaction's end by it."""
    number = await begun(cp)
    await cp.come_back()
    assert (await cp.boot())["status"] == "Accepted"
    await ended(cp, number, "PowerLoss")
    await cp.status("Available")


async def test_tc_037_1_csms_offline_start_valid_id_tag(cp: PlayedStation) -> None:
    """A transaction begun offline keeps the time at which it began."""
    await cp.hang_up()
    began = cp.house.clock.now().replace(microsecond=0) - timedelta(minutes=30)
    await cp.dial()
    answer = await asked_to_begin(cp, "VALID", timestamp=format_rfc3339(began))
    assert answer["idTagInfo"]["status"] == "Accepted"
    (shown,) = await cp.transactions()
    assert datetime.fromisoformat(shown["started_at"]) == began


async def test_tc_037_3_csms_offline_start_invalid_id_tag_stop(cp: PlayedStation) -> None:
    """A transaction begun offline by an unknown token is numbered, and said to be Invalid."""
    await cp.come_back()
    answer = await asked_to_begin(cp, "NOBODY")
    assert answer["idTagInfo"]["status"] == "Invalid"
    await ended(cp, answer["transactionId"], "DeAuthorized")


async def test_tc_039_csms_offline_transaction(cp: PlayedStation) -> None:
    """A transaction that began and ended offline comes whole."""
    await cp.come_back()
    answer = await asked_to_begin(cp, "VALID")
    assert answer["idTagInfo"]["status"] == "Accepted"
    await ended(cp, answer["transactionId"], idTag="VALID")


async def test_tc_040_1_csms_configuration_keys_not_supported(cp: PlayedStation) -> None:
    """ChangeConfiguration of a key that the station does not know."""
    asked = {"key": "NoSuchKey", "value": "1"}
    await cp.order("ChangeConfiguration", asked, {"status": "NotSupported"})
    assert await kept(cp, "ChangeConfiguration") == [{"status": "NotSupported"}]


async def test_tc_040_2_csms_configuration_keys_invalid_value(cp: PlayedStation) -> None:
    """ChangeConfiguration to a value that the station rejects."""
    asked = {"key": "MeterValueSampleInterval", "value": "-1"}
    await cp.order("ChangeConfiguration", asked, REJECTED)
    assert await kept(cp, "ChangeConfiguration") == [REJECTED]


async def test_tc_061_csms_clear_authorization_cache(cp: PlayedStation) -> None:
    """ClearCache."""
    await cp.order("ClearCache", {})
    assert await kept(cp, "ClearCache") == [{"status": "Accepted"}]


async def test_tc_064_csms_data_transfer_to_a_central_system(cp: PlayedStation) -> None:
    """DataTransfer of a vendor that is not known is not accepted."""
    answer = await cp.call("DataTransfer", {"vendorId": "com.example", "data": "x"})
    assert answer["status"] in {"Rejected", "UnknownVendorId", "UnknownMessageId"}
