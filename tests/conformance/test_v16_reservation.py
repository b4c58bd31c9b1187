"""OCPP 1.6, reservations: the certification programme's cases for central systems."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.timeline import format_rfc3339
from tests.builders.played_sessions import asked_to_begin, authorized, begun, ended
from tests.builders.played_station import PlayedStation


async def reserve(
    cp: PlayedStation,
    reply: str = "Accepted",
    status: int = 201,
    *,
    seconds: float = 600,
    **more: Any,
) -> tuple[str, int]:
    """Asks for a reservation as a user does; returns its path and the station's number of it."""
    cp.replies["ReserveNow"] = {"status": reply}
    until = format_rfc3339(cp.house.clock.now() + timedelta(seconds=seconds))
    body = {"station": "CP-1", "evse_id": 1, "id_token": "VALID", "expires_at": until} | more
    made = await cp.house.post("/reservations", body, status)
    sent = await cp.expect("ReserveNow")
    assert (sent["idTag"], sent["parentIdTag"]) == ("VALID", "GROUP")
    assert sent["connectorId"] == (body["evse_id"] or 0)
    return f"/reservations/{made['id']}", sent["reservationId"]


async def test_tc_046_csms_reservation_of_a_connector_transaction(cp: PlayedStation) -> None:
    """ReserveNow, Reserved, and the holder's transaction, which uses the reservation up."""
    path, number = await reserve(cp)
    await cp.status("Reserved")
    assert await authorized(cp) == "Accepted"
    transaction = await begun(cp, reservationId=number)
    await cp.until(path, state="used")
    await ended(cp, transaction)


async def test_tc_047_csms_reservation_of_a_connector_expire(cp: PlayedStation) -> None:
    """Nobody comes: the reservation is over at its time, and the connector free."""
    path, _ = await reserve(cp, seconds=2)
    await cp.status("Reserved")
    await cp.until(path, state="expired")
    await cp.status("Available")
    assert await cp.shown() == "Available"


async def answered(cp: PlayedStation, reply: str) -> None:
    """A reservation that the station does not take: the user is told why."""
    path, _ = await reserve(cp, reply)
    shown = await cp.house.get(path)
    assert (shown["state"], shown["answer"]) == ("refused", reply.lower())


async def test_tc_048_1_csms_reservation_faulted(cp: PlayedStation) -> None:
    """ReserveNow, answered Faulted."""
    await cp.status("Faulted", errorCode="OtherError")
    await answered(cp, "Faulted")


async def test_tc_048_2_csms_reservation_occupied(cp: PlayedStation) -> None:
    """ReserveNow, answered Occupied."""
    await cp.status("Preparing")
    await answered(cp, "Occupied")


async def test_tc_048_3_csms_reservation_unavailable(cp: PlayedStation) -> None:
    """ReserveNow, answered Unavailable."""
    await cp.status("Unavailable")
    await answered(cp, "Unavailable")


async def test_tc_048_4_csms_reservation_rejected(cp: PlayedStation) -> None:
    """ReserveNow, answered Rejected."""
    await answered(cp, "Rejected")


async def test_tc_049_csms_reservation_of_a_charge_point_transaction(cp: PlayedStation) -> None:
    """ReserveNow of connector 0, and the holder's transaction at any connector."""
    path, number = await reserve(cp, evse_id=None)
    assert await authorized(cp) == "Accepted"
    await begun(cp, connectorId=2, reservationId=number)
    await cp.until(path, state="used")


async def test_tc_051_csms_cancel_reservation(cp: PlayedStation) -> None:
    """CancelReservation by the reservation's number."""
    path, number = await reserve(cp)
    await cp.status("Reserved")
    await cp.house.post(f"{path}/cancel", None, 200)
    assert await cp.expect("CancelReservation") == {"reservationId": number}
    await cp.until(path, state="cancelled")
    await cp.status("Available")


@pytest.mark.parametrize("known", [True, False])
async def test_tc_052_csms_cancel_reservation_rejected(cp: PlayedStation, *, known: bool) -> None:
    """CancelReservation, answered Rejected: the station does not know it."""
    if known:
        path, number = await reserve(cp)
        cp.replies["CancelReservation"] = {"status": "Rejected"}
        await cp.house.post(f"{path}/cancel", None, 200)
        assert await cp.expect("CancelReservation") == {"reservationId": number}
        await cp.until(path, state="cancelled", to_release=False)
    else:
        await cp.order("CancelReservation", {"reservationId": 77}, {"status": "Rejected"})


async def test_tc_053_csms_use_a_reserved_connector_with_parent_id_tag(cp: PlayedStation) -> None:
    """Another token of the holder's family may use the reservation."""
    path, number = await reserve(cp)
    answer = await cp.call("Authorize", {"idTag": "SIBLING"})
    assert answer["idTagInfo"] == {"status": "Accepted", "parentIdTag": "GROUP"}
    told = await asked_to_begin(cp, "SIBLING", reservationId=number)
    assert told["idTagInfo"] == {"status": "Accepted", "parentIdTag": "GROUP"}
    await cp.until(path, state="used")
