"""The life of a reservation: how each thing that is said or happens changes it. Pure.

A reservation is asked for, kept by the station, and over in one of five ways. What a station
answers and reports is believed; where it says nothing, our clock ends what has expired. A station
can be told late that something is over, so that is noted apart (`to_release`).

Source: OCPP 1.6 sections 3.13, 5.3 and 5.13; OCPP 2.0.1 and 2.1 use cases H01 to H04.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from csms.access.rules import NOT_THERE, is_family
from csms.stations.rules import OUT_OF_SERVICE
from models.facts import ReservationUpdate
from models.states import RESERVATION, RESERVATION_OPEN, ReservationStatus, allowed

NEVER_SENT = "Expired"
"""Error code of a command that no connection has carried in time."""
EARLY = timedelta(minutes=5)
"""By so much may a station's clock be behind ours: what began earlier used no later reservation."""


class ReservationState(msgspec.Struct, frozen=True):
    """What is known of a reservation; see `models.tables.reservations.Reservation`."""

    id: str
    tenant_id: str
    external_id: str | None
    custom: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    reservation_id: int
    station: str
    evse_id: int | None
    connector_type: str | None
    id_token: str
    token_type: str
    group_token: str | None
    expires_at: datetime
    state: ReservationStatus
    answer: str | None = None
    why: str | None = None
    ended_at: datetime | None = None
    transaction_id: str | None = None
    command_id: str | None = None
    to_release: bool = False

    @property
    def is_open(self) -> bool:
        """Whether an EVSE is spoken for."""
        return self.state in RESERVATION_OPEN

    def is_for(self, token: str, parent: str | None) -> bool:
        """Returns whether a token may use it: its own, and those of its group."""
        return is_family(self.id_token, self.group_token, token, parent)


class Settled(msgspec.Struct, frozen=True):
    """What became of a command about a reservation."""

    asked: Literal["reserve", "cancel"]
    state: str
    """answered, failed or unknown."""
    again: bool = False
    """Whether it was not the first time, so that an earlier one may have been done."""
    accepted: bool = False
    word: str | None = None
    """The `status` of the station's answer."""
    error_code: str | None = None
    detail: str | None = None


class Start(msgspec.Struct, frozen=True):
    """A transaction that begins, or whose token becomes known."""

    transaction_id: str
    evse_id: int
    began_at: datetime
    token: str | None
    parent: str | None
    """Of the token, as we know it."""
    reservation_id: int | None
    """As the station has it."""


def moved(
    row: ReservationState, state: ReservationStatus, now: datetime, why: str | None = None
) -> ReservationState | None:
    """Returns a reservation in another state, or None if that can't follow."""
    if row.state == state or not allowed(RESERVATION, row.state, state):
        return None
    ended_at = None if state in RESERVATION_OPEN else now
    return changed(row, now, state=state, why=why, ended_at=ended_at)


def changed(row: ReservationState, now: datetime, **values: Any) -> ReservationState:
    """Returns a reservation with other values, as its next version."""
    return msgspec.structs.replace(row, **values, version=row.version + 1, updated_at=now)


def settled(row: ReservationState, told: Settled, now: datetime) -> ReservationState | None:
    """Returns what the end of a command makes of a reservation; None: nothing."""
    if told.asked == "cancel":
        return _released(row, told, now)
    if not row.is_open:
        return _too_late(row, told, now)
    if told.state == "answered":
        return _answered(row, told, now)
    return _not_asked(row, told, now) if told.state == "failed" else None


def _too_late(row: ReservationState, told: Settled, now: datetime) -> ReservationState | None:
    """It was given up in the meantime, and now the station has it, or may have it."""
    may_have = told.accepted or told.state == "unknown"
    if may_have and row.state != "expired" and not row.to_release:
        return changed(row, now, to_release=True)
    return None


def _answered(row: ReservationState, told: Settled, now: datetime) -> ReservationState | None:
    word = (told.word or "unknown").lower()
    if told.accepted:
        after = moved(row, "active", now)
        return after and msgspec.structs.replace(after, answer=word)
    why = f"the station says {told.detail or word}" + (", asked again" if told.again else "")
    return _ended(row, told, now, why, answer=word)


def _not_asked(row: ReservationState, told: Settled, now: datetime) -> ReservationState | None:
    """An error is no answer to a request, but it says that nothing is kept by it."""
    if row.state == "active" and told.error_code == NEVER_SENT:
        return None
    why = ": ".join(part for part in (told.error_code, told.detail) if part)
    return _ended(row, told, now, why or None, answer=row.answer)


def _ended(
    row: ReservationState, told: Settled, now: datetime, why: str | None, *, answer: str | None
) -> ReservationState | None:
    """It is not kept; what was kept when it was asked for before may still be there."""
    after = moved(row, "lost" if row.state == "active" else "refused", now, why)
    to_release = told.again and told.error_code not in NOT_THERE
    return after and msgspec.structs.replace(after, answer=answer, to_release=to_release)


def _released(row: ReservationState, told: Settled, now: datetime) -> ReservationState | None:
    """Either answer says that the station keeps nothing; Rejected that it did not before."""
    gone = told.state == "answered" or told.error_code in NOT_THERE
    return changed(row, now, to_release=False) if gone and row.to_release else None


def reported(
    row: ReservationState, update: ReservationUpdate, now: datetime
) -> ReservationState | None:
    """Returns what a station's own word makes of a reservation."""
    if update == "Removed":
        return moved(row, "lost", now, "the station has removed it")
    nobody = update == "NoTransaction"
    return moved(row, "expired", now, "its holder came and did not charge" if nobody else None)


def expired(row: ReservationState, now: datetime) -> ReservationState | None:
    """Returns a reservation whose time is over by our clock."""
    return moved(row, "expired", now) if row.expires_at <= now and row.is_open else None


def cancelled(row: ReservationState, now: datetime) -> ReservationState | None:
    """Returns a reservation that nobody wants any more; the station is to be told."""
    after = moved(row, "cancelled", now)
    return after and msgspec.structs.replace(after, to_release=True)


def out_of_service(
    row: ReservationState, statuses: Iterable[tuple[int, str]], now: datetime
) -> ReservationState | None:
    """Returns a reservation whose EVSE can't serve anybody any more.

    Args:
        row: the reservation; one that the station has not answered waits for that answer.
        statuses: of all connectors of the station, each with its EVSE; EVSE 0 is the whole station.
        now: by our clock.
    """
    if row.state != "active":
        return None
    known = list(statuses)
    whole = [status for evse_id, status in known if evse_id == 0]
    mine = [status for evse_id, status in known if evse_id > 0 and row.evse_id in (None, evse_id)]
    for group in (whole, mine):
        if group and all(status in OUT_OF_SERVICE for status in group):
            after = moved(row, "lost", now, f"its connector is {group[0]}")
            return after and msgspec.structs.replace(after, to_release=True)
    return None


def used(rows: Sequence[ReservationState], start: Start, now: datetime) -> ReservationState | None:
    """Returns the reservation of this station that a transaction uses, used; None: it uses none.

    The station's word counts first; else it is the holder, or one of its group, on that EVSE, and
    then the station may not know that the reservation is used up.
    """
    chosen = [row for row in rows if row.reservation_id == start.reservation_id]
    told = bool(chosen)
    if not told and start.token is not None:
        token, parent = start.token, start.parent
        chosen = [
            row
            for row in rows
            if row.is_open
            and row.evse_id in (None, start.evse_id)
            and row.is_for(token, parent)
            and start.began_at >= row.created_at - EARLY
        ]
        chosen.sort(key=lambda row: (row.evse_id is None, row.created_at))
    if not chosen:
        return None
    after = moved(chosen[0], "used", now)
    return after and msgspec.structs.replace(
        after, transaction_id=start.transaction_id, to_release=not told
    )


def in_the_way(
    rows: Sequence[ReservationState], evse_id: int | None, evses: int
) -> ReservationState | None:
    """Returns an open reservation that leaves no room for a new one; None: there is room.

    Every reservation holds from now on, so that two of one EVSE always overlap. One of whichever
    EVSE takes one of them.

    Args:
        rows: the open ones of the station.
        evse_id: what is wished for; None: whichever.
        evses: how many the station has; 0: not known.
    """
    for row in rows:
        if row.evse_id == evse_id and (evse_id is not None or evses == 0):
            return row
    return rows[0] if evses and len(rows) >= evses else None
