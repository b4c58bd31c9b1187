"""OCPP 2.0.1, blocks C and D: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

from tests.builders.played_sessions import Session, token_info, token_status
from tests.builders.played_station import PlayedStation


async def test_tc_c_02_csms_authorization_invalid_or_unknown(cs: PlayedStation) -> None:
    """A token that nobody has created is Invalid or Unknown."""
    assert await token_status(cs, "NOBODY") in {"Invalid", "Unknown"}


async def test_tc_c_06_csms_authorization_blocked(cs: PlayedStation) -> None:
    """A token that was blocked is Blocked."""
    assert await token_status(cs, "BLOCKED") == "Blocked"


async def test_tc_c_07_csms_authorization_expired(cs: PlayedStation) -> None:
    """A token whose time is over is Expired."""
    assert await token_status(cs, "EXPIRED") == "Expired"


async def test_tc_c_08_csms_authorization_cache_accepted(cs: PlayedStation) -> None:
    """A session begun by the cache: the answer to its first event judges the token."""
    session = Session(cs)
    await session.charging()
    await session.over("StopAuthorized", "Local", token="VALID")


async def test_tc_c_20_csms_authorization_cache_invalid(cs: PlayedStation) -> None:
    """A session begun by the cache with a token that is blocked by now: the answer says so."""
    session = Session(cs)
    answer = await session.tell("Started", "Authorized", token="BLOCKED")
    assert answer["idTokenInfo"]["status"] == "Blocked"
    await session.over("Deauthorized", "DeAuthorized")


async def test_tc_c_37_csms_clear_authorization_cache_accepted(cs: PlayedStation) -> None:
    """ClearCache."""
    await cs.order("ClearCache", {})


async def test_tc_c_38_csms_clear_authorization_cache_rejected(cs: PlayedStation) -> None:
    """ClearCache, answered Rejected."""
    await cs.order("ClearCache", {}, {"status": "Rejected"})


async def test_tc_c_39_csms_authorization_by_group_id(cs: PlayedStation) -> None:
    """Two tokens of a family are both said to be of it: one ends what the other began."""
    session = Session(cs)
    answer = await session.tell("Started", "Authorized", token="VALID")
    assert answer["idTokenInfo"]["groupIdToken"]["idToken"] == "GROUP"
    assert (await token_info(cs, "SIBLING"))["groupIdToken"]["idToken"] == "GROUP"
    shown = await session.over("StopAuthorized", "Local", token="SIBLING")
    assert (shown["id_token"], shown["stopped_by"], shown["suspect"]) == ("VALID", "SIBLING", [])
    stranger = Session(cs, "tx-2")
    await stranger.charging()
    shown = await stranger.over("StopAuthorized", "Local", token="OTHER")
    assert (shown["stopped_by"], shown["suspect"]) == ("OTHER", ["stopped-by-stranger"])
    odd = (await cs.house.get("/reconciliation", kind="stopped-by-stranger"))["items"]
    assert [each["transaction_id"] for each in odd] == [shown["id"]]


async def with_master_pass(cs: PlayedStation) -> None:
    """Presents a token of the group that may end every transaction at its site."""
    site = (await cs.house.get("/stations/CP-1"))["site_id"]
    await cs.house.patch(f"/sites/{site}", {"master_pass": "MASTERPASS"})
    master = {"id_token": "MASTER", "type": "ISO14443", "parent": "MASTERPASS"}
    await cs.house.post("/id-tokens", master)
    info = await token_info(cs, "MASTER")
    assert (info["status"], info["groupIdToken"]["idToken"]) == ("Accepted", "MASTERPASS")


async def test_tc_c_47_csms_master_pass_with_ui_all_transactions(cs: PlayedStation) -> None:
    """The group of a master pass is told, and the transactions that it ends are ended."""
    sessions = [Session(cs, "tx-1", 1), Session(cs, "tx-2", 2)]
    for session, token in zip(sessions, ("VALID", "OTHER"), strict=True):
        await session.charging(token)
    await with_master_pass(cs)
    for session in sessions:
        shown = await session.over("StopAuthorized", "MasterPass", token="MASTER")
        assert (shown["stopped_by"], shown["suspect"]) == ("MASTER", [])


async def test_tc_c_48_csms_master_pass_with_ui_specific_transactions(cs: PlayedStation) -> None:
    """Of two transactions the master pass ends one; the other goes on."""
    sessions = [Session(cs, "tx-1", 1), Session(cs, "tx-2", 2)]
    for session, token in zip(sessions, ("VALID", "OTHER"), strict=True):
        await session.charging(token)
    await with_master_pass(cs)
    await sessions[0].over("StopAuthorized", "MasterPass", token="MASTER")
    assert (await sessions[1].shown())["stopped_at"] is None


async def test_tc_c_49_csms_master_pass_without_ui(cs: PlayedStation) -> None:
    """The group of a master pass is told, and the transaction that it ends is ended."""
    session = Session(cs)
    await session.charging()
    await with_master_pass(cs)
    shown = await session.over("StopAuthorized", "MasterPass", token="MASTER")
    assert (shown["stopped_by"], shown["suspect"]) == ("MASTER", [])
    # It is for ending what others have begun.
    answer = await Session(cs, "tx-9").tell("Started", "Authorized", token="MASTER")
    assert answer["idTokenInfo"]["status"] == "Invalid"


async def synced(cs: PlayedStation, entries: int) -> None:
    """Returns once the list in the station is known to be as it should."""
    await cs.until("/stations/CP-1/local-list", state="synced", entries=entries)


async def full(cs: PlayedStation) -> dict[str, Any]:
    """Has the whole list sent, as a user does; returns what is said of each token."""
    await cs.come()
    await synced(cs, 5)
    cs.heard.clear()
    await cs.house.post("/stations/CP-1/local-list/sync", None, 202)
    sent = await cs.expect("SendLocalList")
    assert sent["updateType"] == "Full"
    await cs.until("/stations/CP-1/local-list", state="synced", version=sent["versionNumber"])
    entries = sent["localAuthorizationList"]
    return {each["idToken"]["idToken"].upper(): each["idTokenInfo"] for each in entries}


async def test_tc_c_40_csms_authorization_by_group_id_with_local_list(
    listing: PlayedStation,
) -> None:
    """The list in the station tells of the tokens' family."""
    told = await full(listing)
    for token in ("VALID", "SIBLING"):
        assert told[token]["groupIdToken"]["idToken"] == "GROUP"


async def test_tc_c_43_csms_authorization_by_group_id_invalid_status_with_local_list(
    listing: PlayedStation,
) -> None:
    """A token of the family that is blocked is listed as such."""
    blocked = {"id_token": "LOST", "type": "ISO14443", "parent": "GROUP", "status": "Blocked"}
    await listing.come()
    await synced(listing, 5)
    first = await listing.expect("SendLocalList")
    await listing.house.post("/id-tokens", blocked)
    sent = await listing.expect("SendLocalList")
    assert sent["versionNumber"] > first["versionNumber"]
    (entry,) = sent["localAuthorizationList"]
    assert entry["idTokenInfo"]["status"] == "Blocked"


async def test_tc_d_01_csms_send_local_list_full(listing: PlayedStation) -> None:
    """The whole list, as a user asks for it: every token with its status."""
    told = await full(listing)
    assert set(told) == {"VALID", "SIBLING", "OTHER", "BLOCKED", "EXPIRED"}
    assert told["BLOCKED"]["status"] == "Blocked"


async def test_tc_d_02_csms_send_local_list_differential_update(listing: PlayedStation) -> None:
    """A token that has changed goes to the station alone, under the next version."""
    await listing.come()
    first = await listing.expect("SendLocalList")
    await synced(listing, 5)
    (token,) = (await listing.house.get("/id-tokens", id_token="OTHER"))["items"]
    await listing.house.patch(f"/id-tokens/{token['id']}", {"status": "Blocked"})
    sent = await listing.expect("SendLocalList")
    assert (sent["updateType"], sent["versionNumber"]) == (
        "Differential",
        first["versionNumber"] + 1,
    )
    (entry,) = sent["localAuthorizationList"]
    assert entry["idTokenInfo"]["status"] == "Blocked"
    await synced(listing, 5)


async def test_tc_d_03_csms_send_local_list_differential_remove(listing: PlayedStation) -> None:
    """A token that is gone is named without information, which removes it."""
    await listing.come()
    await listing.expect("SendLocalList")
    await synced(listing, 5)
    (token,) = (await listing.house.get("/id-tokens", id_token="OTHER"))["items"]
    await listing.house.delete(f"/id-tokens/{token['id']}")
    sent = await listing.expect("SendLocalList")
    (entry,) = sent["localAuthorizationList"]
    assert (entry["idToken"]["idToken"].upper(), "idTokenInfo" in entry) == ("OTHER", False)
    await synced(listing, 4)


async def test_tc_d_04_csms_send_local_list_full_empty(listing: PlayedStation) -> None:
    """A station that is to have no list any more is sent an empty one."""
    await listing.come()
    await synced(listing, 5)
    await listing.expect("SendLocalList")
    await listing.house.patch("/stations/CP-1", {"local_list": False})
    sent = await listing.expect("SendLocalList")
    assert sent["updateType"] == "Full"
    assert sent.get("localAuthorizationList", []) == []


async def test_tc_d_08_csms_get_local_list_version_success(listing: PlayedStation) -> None:
    """GetLocalListVersion of a station that comes, and whenever a user asks."""
    await listing.come()
    assert await listing.expect("GetLocalListVersion") == {}
    await synced(listing, 5)
    await listing.order("GetLocalListVersion", {}, {"versionNumber": 1})


async def test_tc_d_09_csms_get_local_list_version_no_list(listing: PlayedStation) -> None:
    """GetLocalListVersion, answered 0: there is no list yet, and one is sent."""
    await listing.come()
    assert await listing.expect("GetLocalListVersion") == {}
    assert (await listing.expect("SendLocalList"))["localAuthorizationList"] != []
