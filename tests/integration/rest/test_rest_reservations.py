"""Reservations over REST, with simulated stations of all versions on real sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from models.timeline import format_rfc3339
from tests.builders.reserving import Reserving, reserving
from tests.builders.rest_house import RestHouse

VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])


async def reservation_in_start(it: Reserving, version: str) -> int | None:
    """Returns the reservation's number that the station gave with a token's transaction."""
    if version == "ocpp1.6":
        (start,) = await it.said("StartTransaction", "in")
        return start.get("reservationId")
    events = await it.said("TransactionEvent", "in")
    (number,) = {event.get("reservationId") for event in events if "idToken" in event}
    return number


@VERSIONS
async def test_an_evse_is_kept_for_its_holder_who_uses_it_up(
    database_url: str, version: str
) -> None:
    """TC_046_CSMS (1.6), TC_H_01_CSMS (2.0.1): reserve a specific EVSE, and charge at it."""
    async with reserving(database_url, version) as it:
        made = await it.reserve(external_id="R-7")
        assert (made["state"], made["answer"]) == ("active", "accepted")
        assert (made["group_token"], made["external_id"]) == ("FAMILY", "R-7")
        assert it.box.reservations.numbers == (made["reservation_id"],)
        await it.statuses("Reserved", "Available")
        await it.charge("card")
        used = await it.until(made, state="used")
        transaction = await it.house.get(f"/transactions/{used['transaction_id']}")
        assert (transaction["station"], transaction["evse_id"]) == ("ST-1", 1)
        assert transaction["id_token"].lower() == "card"
        assert await reservation_in_start(it, version) == made["reservation_id"]
        assert it.box.reservations.numbers == ()
        assert await it.house.events(f"reservation/{made['id']}") == [
            "reservation.requested",
            "reservation.active",
            "reservation.used",
        ]


@VERSIONS
async def test_strangers_are_turned_away_and_the_family_is_not(
    sqlite_url: str, version: str
) -> None:
    """TC_053_CSMS (1.6), TC_H_19_CSMS (2.0.1): use a reserved EVSE with the group's token."""
    async with reserving(sqlite_url, version) as it:
        made = await it.reserve()
        await it.charge("OTHER")
        await it.eventually("asked", lambda: it.said("Authorize", "in"))
        await asyncio.sleep(0.1)
        assert not it.box.evses[1].energised
        assert (await it.house.get(f"/reservations/{made['id']}"))["state"] == "active"
        it.box.unplug(1, it.house.clock.now())
        await it.charge("SISTER")
        await it.until(made, state="used")
        assert it.box.evses[1].energised
        assert await reservation_in_start(it, version) == made["reservation_id"]


@VERSIONS
async def test_a_remote_start_of_somebody_else_is_refused_with_the_reason(
    sqlite_url: str, version: str
) -> None:
    async with reserving(sqlite_url, version) as it:
        await it.reserve()

        async def start(token: str, evse_id: int | None, status: int = 200) -> object:
            if version == "ocpp1.6":
                payload: dict[str, object] = {"idTag": token}
                payload |= {} if evse_id is None else {"connectorId": evse_id}
                return await it.command("RemoteStartTransaction", payload, status)
            payload = {
                "idToken": {"idToken": token, "type": "ISO14443"},
                "remoteStartId": 1,
                **({} if evse_id is None else {"evseId": evse_id}),
            }
            return await it.command("RequestStartTransaction", payload, status)

        refused = await start("OTHER", 1, 409)
        assert isinstance(refused, dict)
        assert refused["code"] == "evse-reserved"
        assert refused["detail"] == "EVSE 1 of ST-1 is reserved, and not for OTHER"
        for token, evse_id in (("OTHER", 2), ("CARD", 1)):
            answer = await start(token, evse_id)
            assert answer == {"status": "answered", "response": {"status": "Accepted"}}
        await it.reserve(evse_id=2)
        assert isinstance(await start("OTHER", None, 409), dict)


@VERSIONS
async def test_one_evse_has_one_reservation_and_a_station_as_many_as_evses(
    database_url: str, version: str
) -> None:
    async with reserving(database_url, version) as it:
        first = await it.reserve()
        again = await it.reserve(409, id_token="OTHER")
        assert again["code"] == "evse-reserved"
        assert again["errors"] == [
            {"field": "/evse_id", "detail": f"reservation {first['id']} is in the way"}
        ]
        whichever = await it.reserve(evse_id=None, id_token="OTHER")
        assert whichever["state"] == "active"
        await it.statuses("Reserved", "Reserved")
        assert (await it.reserve(409, evse_id=2))["code"] == "evse-reserved"
        assert (await it.reserve(409, evse_id=None))["code"] == "evse-reserved"
        await it.cancel(first)
        assert (await it.reserve())["state"] == "active"


@VERSIONS
async def test_whichever_evse_its_holder_takes_is_the_one_that_was_kept(
    sqlite_url: str, version: str
) -> None:
    """TC_049_CSMS (1.6), TC_H_08_CSMS (2.0.1): reserve an unspecified EVSE."""
    async with reserving(sqlite_url, version) as it:
        made = await it.reserve(evse_id=None)
        (asked,) = await it.said("ReserveNow")
        assert asked.get("connectorId", asked.get("evseId", 0)) == 0
        await it.statuses("Available", "Available")
        await it.charge("OTHER", 1)
        await it.statuses("Charging" if version == "ocpp1.6" else "Occupied", "Reserved")
        await it.charge("CARD", 2)
        used = await it.until(made, state="used")
        transaction = await it.house.get(f"/transactions/{used['transaction_id']}")
        assert transaction["evse_id"] == 2


@VERSIONS
async def test_what_the_station_answers_is_what_the_caller_is_told(
    sqlite_url: str, version: str
) -> None:
    """TC_048_1_CSMS to TC_048_4_CSMS (1.6), TC_H_22_CSMS (2.0.1): Faulted, Occupied and so on."""
    async with reserving(sqlite_url, version) as it:
        now = it.house.clock.now
        it.box.fault(1, now())
        refused = await it.reserve()
        assert (refused["state"], refused["answer"]) == ("refused", "faulted")
        assert refused["why"] == "the station says Faulted"
        it.box.fault(1, now(), faulted=False)
        it.box.change_availability(1, operative=False, at=now())
        assert (await it.reserve())["answer"] == "unavailable"
        it.box.change_availability(1, operative=True, at=now())
        await it.charge("OTHER")
        assert (await it.reserve())["answer"] == "occupied"
        variable = it.box.variables.get("ReserveConnectorZeroSupported")
        assert variable is not None
        variable.value = "false"
        assert (await it.reserve(evse_id=None))["answer"] == "rejected"
        listed = await it.house.get("/reservations", state="refused", station="ST-1", limit=3)
        assert len(listed["items"]) == 3
        rest = await it.house.get(
            "/reservations", state="refused", station="ST-1", limit=3, cursor=listed["next_cursor"]
        )
        assert [row["answer"] for row in (*listed["items"], *rest["items"])] == [
            "faulted",
            "unavailable",
            "occupied",
            "rejected",
        ]
        assert (await it.house.get("/reservations", state="active"))["items"] == []


@VERSIONS
async def test_a_reservation_expires_and_the_evse_is_anybodys(
    database_url: str, version: str
) -> None:
    """TC_047_CSMS (1.6), TC_H_07_CSMS (2.0.1): reservation ended, not used."""
    async with reserving(database_url, version) as it:
        made = await it.reserve_briefly()
        assert made["answer"] == "accepted"
        gone = await it.until(made, state="expired")
        assert gone["ended_at"] is not None
        await it.statuses("Available", "Available")
        await it.charge("OTHER")
        await it.eventually("charging", lambda: it.box.evses[1].energised)
        assert (await it.house.get(f"/reservations/{made['id']}"))["state"] == "expired"
        updates = await it.said("ReservationStatusUpdate", "in")
        number = made["reservation_id"]
        assert updates == (
            []
            if version == "ocpp1.6"
            else [{"reservationId": number, "reservationUpdateStatus": "Expired"}]
        )


@VERSIONS
async def test_a_silent_stations_reservation_expires_by_our_clock(
    sqlite_url: str, version: str
) -> None:
    async with reserving(sqlite_url, version) as it:
        made = await it.reserve_briefly()
        await it.leave()
        await it.until(made, state="expired")


@VERSIONS
async def test_a_reservation_is_given_up_at_the_station(database_url: str, version: str) -> None:
    """TC_051_CSMS and TC_052_CSMS (1.6), TC_H_17_CSMS and TC_H_18_CSMS (2.0.1)."""
    async with reserving(database_url, version) as it:
        made = await it.reserve()
        await it.statuses("Reserved", "Available")
        gone = await it.cancel(made)
        assert (gone["state"], gone["to_release"]) == ("cancelled", False)
        assert it.box.reservations.numbers == ()
        await it.statuses("Available", "Available")
        over = await it.cancel(made, 409)
        assert over["code"] == "reservation-over"
        # The station knows nothing of it and answers Rejected: it is over all the same.
        lost = await it.reserve()
        it.box.reservations.forget()
        gone = await it.cancel(lost)
        assert (gone["state"], gone["to_release"]) == ("cancelled", False)


@VERSIONS
async def test_what_is_given_up_while_the_station_is_away_it_learns_when_it_is_back(
    sqlite_url: str, version: str
) -> None:
    async with reserving(sqlite_url, version) as it:
        made, kept = await it.reserve(), await it.reserve(evse_id=2)
        await it.leave()
        gone = await it.cancel(made)
        assert (gone["state"], gone["to_release"]) == ("cancelled", True)
        await it.back()
        await it.until(made, to_release=False)
        assert it.box.reservations.numbers == (kept["reservation_id"],)


@VERSIONS
async def test_an_evse_that_fails_is_kept_for_nobody(database_url: str, version: str) -> None:
    """TC_H_20_CSMS (2.0.1): the station cancels the reservation when Faulted."""
    async with reserving(database_url, version) as it:
        made, other = await it.reserve(), await it.reserve(evse_id=2)
        it.box.fault(1, it.house.clock.now())
        lost = await it.until(made, state="lost", to_release=False)
        assert lost["why"] in {"its connector is Faulted", "the station has removed it"}
        it.box.change_availability(2, operative=False, at=it.house.clock.now())
        await it.until(other, state="lost", to_release=False)
        assert (await it.house.events(f"reservation/{made['id']}"))[2] == "reservation.lost"


@VERSIONS
async def test_a_station_that_forgets_is_told_again(sqlite_url: str, version: str) -> None:
    async with reserving(sqlite_url, version, quirks=frozenset({"forgets-reservations"})) as it:
        made = await it.reserve()
        number = made["reservation_id"]
        assert len(await it.said("ReserveNow")) == 1
        it.box.wants_reset = "Hard"

        async def told_twice() -> bool:
            return len(await it.said("ReserveNow")) > 1

        await it.eventually("told again", told_twice)
        await it.eventually("kept again", lambda: it.box.reservations.numbers == (number,))
        await it.statuses("Reserved", "Available")
        assert (await it.house.get(f"/reservations/{made['id']}"))["state"] == "active"
        assert {
            each.get("reservationId", each.get("id")) for each in await it.said("ReserveNow")
        } == {number}


@VERSIONS
async def test_a_station_that_can_not_keep_it_any_more_has_lost_it(
    sqlite_url: str, version: str
) -> None:
    async with reserving(sqlite_url, version, quirks=frozenset({"forgets-reservations"})) as it:
        made = await it.reserve()
        await it.leave()
        # It restarts, and a stranger charges before it is heard of again.
        it.box.reboot(it.house.clock.now())
        await it.charge("OTHER")
        await it.eventually("charging", lambda: it.box.evses[1].energised)
        await it.back()
        lost = await it.until(made, state="lost")
        assert (lost["answer"], lost["why"]) == (
            "occupied",
            "the station says Occupied, asked again",
        )


@ON_2X
async def test_a_type_of_connector_is_reserved(sqlite_url: str, version: str) -> None:
    """TC_H_15_CSMS (2.0.1): reserve an EVSE with a connector type."""
    async with reserving(sqlite_url, version) as it:
        made = await it.reserve(evse_id=None, connector_type="sType2")
        assert (made["state"], made["connector_type"]) == ("active", "sType2")
        (asked,) = await it.said("ReserveNow")
        assert asked["connectorType"] == "sType2"
        both = await it.reserve(422, connector_type="sType2")
        assert both["errors"][0]["field"] == "/connector_type"


async def test_wrong_wishes_are_named_and_never_leave(sqlite_url: str) -> None:
    async with reserving(sqlite_url, "ocpp1.6") as it:
        for fields, field in (
            ({"station": "NONE"}, "/station"),
            ({"evse_id": 3}, "/evse_id"),
            ({"evse_id": 0}, "/evse_id"),
            ({"id_token": "NOBODY"}, "/id_token"),
            ({"id_token": "C" * 21}, "/id_token"),
            ({"seconds": -1.0}, "/expires_at"),
            ({"evse_id": None, "connector_type": "sType2"}, "/connector_type"),
            ({"connector_type": "plug"}, "/connector_type"),
        ):
            problem = await it.reserve(422, **fields)
            assert problem["errors"][0]["field"] == field, problem
        (token,) = (await it.house.get("/id-tokens", id_token="OTHER"))["items"]
        await it.house.patch(f"/id-tokens/{token['id']}", {"status": "Blocked"})
        refused = await it.reserve(409, id_token="OTHER")
        assert refused["code"] == "token-refused"
        await it.leave()
        assert (await it.reserve(409))["code"] == "station-offline"
        assert await it.said("ReserveNow") == []
        assert (await it.house.get("/reservations"))["items"] == []
        await it.house.get("/reservations", 422, evse_id=2**70)


async def test_a_station_without_reservations_says_so(house: RestHouse) -> None:
    site = await house.site()
    made = await house.station("CP-1", site["id"])
    link = await house.connect("CP-1", made["password"])
    await house.post("/id-tokens", {"id_token": "CARD", "type": "ISO14443"})
    body = {
        "station": "CP-1",
        "evse_id": 1,
        "id_token": "CARD",
        "expires_at": format_rfc3339(house.clock.now() + timedelta(minutes=10)),
    }

    async def refuse() -> None:
        call = msgspec.json.decode(await link.recv())
        await link.send(f'[4, "{call[1]}", "NotSupported", "", {{}}]')

    refusing = asyncio.create_task(refuse())
    problem = await house.post("/reservations", body, 502)
    await refusing
    assert (problem["code"], problem["station_code"]) == ("call-error", "NotSupported")
    (row,) = (await house.get("/reservations"))["items"]
    assert (row["state"], row["answer"], row["why"]) == ("refused", None, "NotSupported")
    # A station that says nothing may have done it, so that the wish stays until it is told.
    waiting = await house.post("/reservations", body, 202)
    assert (waiting["state"], waiting["answer"]) == ("requested", None)
    assert (await house.post("/reservations", body, 409))["code"] == "evse-reserved"
    await link.close()


async def test_a_repeated_wish_is_one_and_viewers_only_look(sqlite_url: str) -> None:
    async with reserving(sqlite_url, "ocpp2.0.1") as it:
        until = format_rfc3339(it.house.clock.now() + timedelta(minutes=5))
        body = {"station": "ST-1", "evse_id": 1, "id_token": "CARD", "expires_at": until}
        once = {"Idempotency-Key": "reserve-1"}
        first = await it.house.post("/reservations", body, headers=once)
        assert await it.house.post("/reservations", body, headers=once) == first
        assert len(await it.said("ReserveNow")) == 1
        address = f"/api/v1/reservations/{first['id']}"
        for role in ("viewer", "driver", "fleet-manager"):
            async with it.house.client(await it.house.key(role)) as caller:
                assert (await caller.get(address)).status_code == 200
                assert (await caller.get("/api/v1/reservations")).status_code == 200
                assert (await caller.post(f"{address}/cancel")).status_code == 403
                assert (await caller.post("/api/v1/reservations", json=body)).status_code == 403
        await it.house.get("/reservations/none", 404)
        await it.house.post("/reservations/none/cancel", None, 404)
