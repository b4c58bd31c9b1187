"""Changes of reservations: asking a station for one, giving it up, and asking and telling again."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from csms.access.queries import find_token
from csms.access.rules import TokenState, judge
from csms.ledger.work import UnitOfWork
from csms.reservations.queries import (
    open_reservations,
    reservation_resource,
    reservation_state,
)
from csms.reservations.rules import ReservationState, cancelled, in_the_way
from csms.stations.actions import COMMAND_TIMEOUT_S
from csms.web.problem import bad_field
from csms.web.rows import add_row
from models.commands import CancelReservation, ReserveEvse
from models.errors import Conflict, FieldError
from models.tables.access import IdToken
from models.tables.reservations import Reservation
from models.tables.stations import Evse, Station

RESERVATIONS = "reservations"
"""What units of work take turns at."""
_NUMBER = sa.text(
    "INSERT INTO sequence (name, value) VALUES ('reservation', 1)"
    " ON CONFLICT (name) DO UPDATE SET value = sequence.value + 1 RETURNING value"
)
_CHANGING = ("state", "answer", "why", "ended_at", "to_release", "version", "updated_at")
_LONGEST = {"ocpp1.6": 20, "ocpp2.0.1": 36}


async def reserve(
    work: UnitOfWork, station: Station, *, reservation_id: str | None, values: dict[str, Any]
) -> Reservation:
    """Writes down a reservation and orders it of its station.

    Args:
        work: the unit of work.
        station: which is connected.
        reservation_id: our id of it; None: one is made.
        values: `evse_id`, `connector_type`, `id_token`, `expires_at` and what the caller attaches.

    Raises:
        BadInput: for what the station or its version does not have, and an unknown token.
        Conflict: `already-exists`, `token-refused`; `evse-reserved` if another one is in the way.
    """
    await work.take_turn(RESERVATIONS)
    if values["expires_at"] <= work.now:
        raise bad_field("/expires_at", "lies in the past")
    _check_version(station, values)
    token = await _holder(work, values["id_token"])
    await _check_room(work, station, values["evse_id"])
    number = (await work.session.execute(_NUMBER)).scalar_one()
    row = Reservation(
        id=reservation_id or work.ids.new(),
        tenant_id=work.tenant,
        reservation_id=number,
        station=station.identity,
        token_type=token.type,
        group_token=token.parent,
        state="requested",
        to_release=False,
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **{**values, "id_token": token.id_token},
    )
    await add_row(work, row, row.id)
    order_again(work, row)
    announce(work, row, "reservation.requested", station.site_id)
    return row


def cancel(work: UnitOfWork, row: Reservation, *, online: bool, site_id: str | None) -> str | None:
    """Gives up a reservation; returns the command that tells the station, if it is here.

    Raises:
        Conflict: `reservation-over`.
    """
    after = cancelled(reservation_state(row), work.now)
    if after is None:
        raise Conflict(f"the reservation is over: it is {row.state}", code="reservation-over")
    put(row, after)
    announce(work, row, "reservation.cancelled", site_id)
    return release(work, row) if online else None


def order_again(work: UnitOfWork, row: Reservation) -> None:
    """Orders a station to keep a reservation, whether it has it or not."""
    order = ReserveEvse(
        reservation_id=row.reservation_id,
        evse_id=row.evse_id,
        id_token=row.id_token,
        token_type=row.token_type,
        group_token=row.group_token,
        expires_at=row.expires_at,
        connector_type=row.connector_type,
    )
    row.command_id = work.order(
        order, station=row.station, origin="api", expires_in_s=COMMAND_TIMEOUT_S
    )


def release(work: UnitOfWork, row: Reservation) -> str:
    """Orders a station to keep a reservation no longer; returns the command's id."""
    order = CancelReservation(reservation_id=row.reservation_id)
    return work.order(order, station=row.station, origin="api", expires_in_s=COMMAND_TIMEOUT_S)


def put(row: Reservation, after: ReservationState) -> None:
    """Writes down what has become of a reservation."""
    for name in _CHANGING:
        setattr(row, name, getattr(after, name))


def announce(work: UnitOfWork, row: Reservation, event: str, site_id: str | None) -> None:
    """Says what became true of a reservation."""
    subject = f"reservation/{row.id}"
    work.emit(event, subject=subject, resource=reservation_resource(row), site_id=site_id)


def _check_version(station: Station, values: dict[str, Any]) -> None:
    if values["connector_type"] is not None and station.ocpp_version == "ocpp1.6":
        raise bad_field("/connector_type", "OCPP 1.6 reserves no type of connector")
    if values["connector_type"] is not None and values["evse_id"] is not None:
        raise bad_field("/connector_type", "says which EVSE may be chosen, and one is named")
    longest = _LONGEST.get(station.ocpp_version or "")
    if longest is not None and len(values["id_token"]) > longest:
        raise bad_field("/id_token", f"the station takes no more than {longest} characters")


async def _holder(work: UnitOfWork, text: str) -> IdToken:
    token = await find_token(work.session, text, work.tenant)
    if token is None:
        raise bad_field("/id_token", f"there is no token {text}")
    status = judge(msgspec.convert(token, TokenState, from_attributes=True), work.now)
    if status != "Accepted":
        detail = f"the token {text} may not charge: {status}"
        wrong = FieldError("/id_token", detail)
        raise Conflict(detail, code="token-refused", errors=[wrong])
    return token


async def _check_room(work: UnitOfWork, station: Station, evse_id: int | None) -> None:
    query = sa.select(Evse.evse_id).where(Evse.station == station.identity, Evse.evse_id > 0)
    evses = list(await work.session.scalars(query))
    if evse_id is not None and evses and evse_id not in evses:
        known = ", ".join(map(str, sorted(evses)))
        raise bad_field("/evse_id", f"the station has EVSE {known}")
    rows = await open_reservations(work.session, station.identity, work.now)
    other = in_the_way(rows, evse_id, len(evses))
    if other is not None:
        place = "it" if other.evse_id is None else f"its EVSE {other.evse_id}"
        detail = f"{station.identity}: {place} is reserved until {other.expires_at:%H:%M:%S} UTC"
        wrong = FieldError("/evse_id", f"reservation {other.id} is in the way")
        raise Conflict(detail, code="evse-reserved", errors=[wrong])
