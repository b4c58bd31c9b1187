"""The list of tokens in a simulated station: versions, room, and who may charge offline."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulators.variables import MAX_TOKENS_AT_ONCE
from simulators.whitelist import Entry, Whitelist
from tests.builders.stations import NOON, Wired, a_station

GOOD, BAD = Entry("Good", "Accepted"), Entry("BAD", "Blocked")


def whitelist(*, trusting: bool = False) -> Whitelist:
    station = a_station()
    station.variables.set("AllowOfflineTxForUnknownId", str(trusting).lower())
    return station.whitelist


def test_a_change_must_be_newer_and_a_whole_list_need_not() -> None:
    held = whitelist()
    assert held.take(3, [GOOD, BAD], full=True) == "Accepted"
    assert held.take(3, [Entry("NEW", "Accepted")], full=False) == "VersionMismatch"
    assert held.take(4, [Entry("bad", None), Entry("NEW", "Accepted")], full=False) == "Accepted"
    assert [entry.token for entry in held.entries] == ["Good", "NEW"]
    assert held.take(2, [], full=True) == "Accepted"
    assert (len(held), held.version) == (0, 2)


@pytest.mark.parametrize(
    ("version", "entries"),
    [
        (0, [GOOD]),
        (5, [GOOD, Entry("GOOD", "Blocked")]),
        (5, [Entry("GONE", None)]),
        (5, [Entry(f"T-{number}", "Accepted") for number in range(MAX_TOKENS_AT_ONCE + 1)]),
    ],
)
def test_what_can_not_be_taken_leaves_the_list_as_it_was(
    version: int, entries: list[Entry]
) -> None:
    held = whitelist()
    held.take(1, [BAD], full=True)
    assert held.take(version, entries, full=True) == "Failed"
    assert (held.version, held.entries) == (1, (BAD,))


def test_a_list_holds_only_so_many() -> None:
    station = a_station()
    room = station.variables.get("LocalAuthListMaxLength")
    assert room is not None
    room.value = "2"
    assert station.whitelist.take(1, [GOOD, BAD], full=True) == "Accepted"
    assert station.whitelist.take(2, [Entry("NEW", "Accepted")], full=False) == "Failed"


def test_who_may_charge_while_nobody_can_be_asked() -> None:
    held = whitelist()
    old = Entry("OLD", "Accepted", expires_at=NOON)
    held.take(1, [GOOD, BAD, old, Entry("APP", "Accepted", token_type="Central")], full=True)
    assert held.lets("GOOD", NOON)
    assert held.lets("OLD", NOON - timedelta(seconds=1))
    for token in ("BAD", "OLD", "APP", "NOBODY"):
        assert not held.lets(token, NOON), token
    trusting = whitelist(trusting=True)
    trusting.take(1, [BAD], full=True)
    assert trusting.lets("NOBODY", NOON)
    assert not trusting.lets("BAD", NOON)


def test_what_a_station_was_told_of_cards_holds_until_it_is_to_forget() -> None:
    held = whitelist()
    held.remember("Card", accepted=True)
    held.remember("STOLEN", accepted=False)
    assert held.lets("CARD", NOON)
    held.take(1, [Entry("CARD", "Blocked")], full=True)
    assert not held.lets("CARD", NOON), "the list goes before the cache"
    held.forget()
    assert held.clear_cache()
    assert not held.lets("CARD", NOON)
    trusting = whitelist(trusting=True)
    trusting.remember("STOLEN", accepted=False)
    assert not trusting.lets("STOLEN", NOON)


async def test_a_16_station_takes_lists_over_its_line() -> None:
    wired = Wired("ocpp1.6")
    await wired.up()
    assert await wired.order("GetLocalListVersion", {}) == {"listVersion": 0}
    said = {"idTag": "A", "idTagInfo": {"status": "Accepted", "expiryDate": "2026-06-16T12:00:00Z"}}
    full = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [said]}
    assert await wired.order("SendLocalList", full) == {"status": "Accepted"}
    change = {"listVersion": 1, "updateType": "Differential"}
    assert await wired.order("SendLocalList", change) == {"status": "VersionMismatch"}
    assert wired.station.whitelist.entries == (Entry("A", "Accepted", NOON),)


@pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_2x_station_takes_lists_over_its_line_and_tells_their_room(
    subprotocol: str,
) -> None:
    wired = Wired(subprotocol)
    await wired.up()
    group = {"groupIdToken": {"idToken": "CREW", "type": "Central"}}
    said = {
        "idToken": {"idToken": "A", "type": "ISO14443"},
        "idTokenInfo": {"status": "Accepted", **group},
    }
    full = {"versionNumber": 4, "updateType": "Full", "localAuthorizationList": [said]}
    assert await wired.order("SendLocalList", full) == {"status": "Accepted"}
    assert await wired.order("GetLocalListVersion", {}) == {"versionNumber": 4}
    assert wired.station.whitelist.entries == (Entry("A", "Accepted", parent="CREW"),)
    await wired.order("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    told = {
        row["variable"]["name"]: row
        for _, payload in wired.heard("NotifyReport")
        for row in payload["reportData"]
    }
    assert told["Entries"]["variableAttribute"][0]["value"] == "1"
    assert told["Entries"]["variableCharacteristics"]["maxLimit"] == 500
    name = {"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": "Entries"}}
    read = await wired.order("GetVariables", {"getVariableData": [name]})
    assert read["getVariableResult"][0]["attributeValue"] == "1"
