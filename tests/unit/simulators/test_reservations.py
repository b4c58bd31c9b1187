"""Reservations in a simulated station: what it keeps, for whom, and what it tells of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulators.notices import Answer, Ask, ReservationGone, Started, Status
from simulators.reservations import Reservation
from simulators.station import Station
from tests.builders.stations import NOON, Wired, a_car, a_station, charging

LATER = NOON + timedelta(minutes=10)
VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


def wish(number: int = 7, evse_id: int | None = 1, **values: Any) -> Reservation:
    told: dict[str, Any] = {"token": "CARD", "group": "FAMILY", "expires_at": LATER}
    return Reservation(number, evse_id, **told | values)


def said(station: Station, kind: Any) -> list[Any]:
    return [notice for notice in station.outbox if isinstance(notice, kind)]


def present(station: Station, token: str, *, evse_id: int = 1, group: str | None = None) -> bool:
    """Holds an accepted card to the reader; returns whether power may flow now."""
    if station.evses[evse_id].car is None:
        station.plug(evse_id, a_car(token=token), NOON)
    station.hear(Ask(evse_id, token), Answer(group=group), NOON)
    return station.evses[evse_id].energised


def test_an_evse_is_kept_for_one_and_says_so() -> None:
    station = a_station()
    assert station.reservations.keep(wish(), NOON) == "Accepted"
    assert [(s.evse_id, s.status) for s in said(station, Status)] == [(1, "Reserved")]
    assert station.reservations.keep(wish(8), NOON) == "Occupied"
    assert station.reservations.keep(wish(8, 2), NOON) == "Accepted"
    assert station.reservations.keep(wish(8, 2, token="OTHER"), NOON) == "Accepted"
    assert station.reservations.numbers == (7, 8)
    assert not present(station, "CARD", evse_id=2)


def test_it_answers_why_it_can_not_keep_one() -> None:
    station = a_station()
    assert station.reservations.keep(wish(evse_id=3), NOON) == "Rejected"
    assert station.reservations.keep(wish(expires_at=NOON), NOON) == "Rejected"
    assert station.reservations.keep(wish(evse_id=None), NOON, whichever=False) == "Rejected"
    station.change_availability(1, operative=False, at=NOON)
    assert station.reservations.keep(wish(), NOON) == "Unavailable"
    station.fault(1, NOON)
    assert station.reservations.keep(wish(), NOON) == "Faulted"
    station.fault(2, NOON)
    assert station.reservations.keep(wish(evse_id=None), NOON) == "Faulted"
    station.fault(1, NOON, faulted=False)
    assert station.reservations.keep(wish(evse_id=None), NOON) == "Unavailable"
    other = a_station()
    charging(other)
    assert other.reservations.keep(wish(), NOON) == "Occupied"


def test_a_reserved_evse_serves_its_holder_and_the_holders_group() -> None:
    for token, group, serves in (
        ("card", None, True),
        ("SISTER", "FAMILY", True),
        ("OTHER", "ELSE", False),
        ("OTHER", None, False),
    ):
        station = a_station()
        station.reservations.keep(wish(), NOON)
        assert present(station, token, group=group) is serves
        started = said(station, Started)
        assert [s.transaction.reservation_id for s in started] == ([7] if serves else [])
        assert station.reservations.numbers == (() if serves else (7,))


def test_a_remote_start_is_refused_where_somebody_else_has_reserved() -> None:
    station = a_station()
    station.reservations.keep(wish(), NOON)
    station.plug(1, a_car(token="OTHER"), NOON)
    assert not station.remote_start(1, "OTHER", None, NOON)
    assert station.remote_start(None, "OTHER", None, NOON)
    assert station.evses[2].awaited is not None
    assert station.remote_start(1, "CARD", None, NOON)


def test_whichever_evse_is_left_stays_with_its_holder() -> None:
    station = a_station()
    assert station.reservations.keep(wish(evse_id=None), NOON) == "Accepted"
    assert said(station, Status) == []
    assert present(station, "OTHER", evse_id=1)
    station.reservations.settle(NOON)
    assert station.evses[2].status == "Reserved"
    assert not present(station, "ELSE", evse_id=2)
    station.unplug(2, NOON)
    assert present(station, "CARD", evse_id=2)
    assert said(station, Started)[-1].transaction.reservation_id == 7


def test_what_expires_or_can_not_be_kept_is_told() -> None:
    station = a_station()
    station.reservations.keep(wish(), NOON)
    station.reservations.keep(wish(8, 2), NOON)
    station.fault(2, NOON)
    assert said(station, ReservationGone) == [ReservationGone(8, "Removed")]
    station.speak_up(LATER - timedelta(seconds=1))
    assert station.evses[1].status == "Reserved"
    station.speak_up(LATER)
    assert said(station, ReservationGone)[1:] == [ReservationGone(7, "Expired")]
    assert [s.status for s in said(station, Status)][-1] == "Available"
    assert not station.reservations.cancel(7, LATER)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_restart_loses_them_if_so_set(forgets: bool) -> None:
    station = a_station(quirks=frozenset({"forgets-reservations"} if forgets else ()))
    station.reservations.keep(wish(), NOON)
    station.reboot(NOON)
    assert station.reservations.numbers == (() if forgets else (7,))
    status = "Available" if forgets else "Reserved"
    assert next(s.status for s in said(station, Status) if s.evse_id == 1) == status


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_version_reserves_cancels_and_tells(version: str) -> None:
    wired = Wired(version)
    await wired.up()
    payload: dict[str, Any] = {
        "id": 7,
        "expiryDateTime": "2026-06-16T12:10:00Z",
        "evseId": 1,
        "idToken": {"idToken": "CARD", "type": "ISO14443"},
        "groupIdToken": {"idToken": "FAMILY", "type": "Central"},
    }
    if version == "ocpp1.6":
        payload = {
            "reservationId": 7,
            "expiryDate": "2026-06-16T12:10:00Z",
            "connectorId": 1,
            "idTag": "CARD",
            "parentIdTag": "FAMILY",
        }
    assert await wired.order("ReserveNow", payload) == {"status": "Accepted"}
    _, told = wired.heard("StatusNotification")[-1]
    assert told.get("status", told.get("connectorStatus")) == "Reserved"
    cancel = {"reservationId": 7}
    assert await wired.order("CancelReservation", cancel) == {"status": "Accepted"}
    assert await wired.order("CancelReservation", cancel) == {"status": "Rejected"}
    assert await wired.order("ReserveNow", payload) == {"status": "Accepted"}
    wired.at = LATER
    wired.station.speak_up(LATER)
    await wired.line.drain()
    updates = wired.heard("ReservationStatusUpdate")
    assert [told for _, told in updates] == (
        [] if version == "ocpp1.6" else [{"reservationId": 7, "reservationUpdateStatus": "Expired"}]
    )
    assert wired.checks.complaints == []
    await wired.down()
