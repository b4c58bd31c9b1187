"""Builders of reservations, as rows and as states."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from csms.reservations.queries import reservation_state
from csms.reservations.rules import ReservationState
from models.clocks import Clock
from models.tables.reservations import Reservation
from tests.builders.small_house import HandClock


def a_reservation(clock: Clock, *, number: int = 1, **columns: Any) -> Reservation:
    """Returns an active one of CAR-1 for EVSE `number` of A-1, for half an hour from now on."""
    now = clock.now()
    values: dict[str, Any] = {
        "id": f"r-{number}",
        "tenant_id": "default",
        "custom": {},
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "reservation_id": number,
        "station": "A-1",
        "evse_id": number,
        "id_token": "CAR-1",
        "token_type": "ISO14443",
        "expires_at": now + timedelta(minutes=30),
        "state": "active",
        "to_release": False,
    }
    return Reservation(**values | columns)


def a_state(**columns: Any) -> ReservationState:
    """Returns the same as the rules see it, at noon."""
    return reservation_state(a_reservation(HandClock(), **columns))
