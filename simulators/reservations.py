"""What a station keeps free: one EVSE, or whichever, for a token and its group until an instant.

One EVSE is kept for one token at a time. A reservation of whichever EVSE leaves the last idle ones
to its holder. The same number again takes the place of what was kept by it. What can't be kept any
more is dropped, and told in the words of 2.x; 1.6 tells no more than a status.

Source: OCPP 1.6 sections 3.13, 5.3 and 5.13; OCPP 2.0.1 use cases H01 to H04.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulators.evse import Evse
from simulators.notices import ReservationGone

Kept = Literal["Accepted", "Faulted", "Occupied", "Rejected", "Unavailable"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """One that was asked for."""

    number: int
    evse_id: int | None
    """None: whichever."""
    token: str
    group: str | None
    expires_at: datetime

    def is_for(self, token: str, group: str | None) -> bool:
        """Returns whether a card may use it; cards have no case."""
        names = {name.lower() for name in (token, group) if name is not None}
        own = self.token.lower() == token.lower()
        return own or (self.group is not None and self.group.lower() in names)


class Reservations:
    """Those of one station."""

    def __init__(
        self,
        evses: Mapping[int, Evse],
        *,
        say: Callable[[ReservationGone], None],
        tell_status: Callable[[Evse, datetime], None],
    ) -> None:
        """Starts with none.

        Args:
            evses: of the station, by their numbers.
            say: takes what is to be told of a reservation.
            tell_status: takes an EVSE whose status has changed by one.
        """
        self._evses = evses
        self._say = say
        self._tell_status = tell_status
        self._kept: dict[int, Reservation] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """What is kept, by the numbers that the central system gave."""
        return tuple(self._kept)

    def keep(self, wish: Reservation, at: datetime, *, whichever: bool = True) -> Kept:
        """Keeps an EVSE, or says why not; `whichever`: whether the station does without one."""
        if wish.expires_at <= at or (wish.evse_id is None and not whichever):
            return "Rejected"
        if wish.evse_id is not None and wish.evse_id not in self._evses:
            return "Rejected"
        others = [kept for kept in self._kept.values() if kept.number != wish.number]
        taken = {kept.evse_id for kept in others}
        asked = [evse for number, evse in self._evses.items() if wish.evse_id in (None, number)]
        idle = [evse for evse in asked if evse.idle and evse.evse_id not in taken]
        whoever = sum(kept.evse_id is None for kept in others)
        room = len(self._idle(others)) - whoever
        if not idle or room < 1:
            return _why_not(asked)
        self._kept[wish.number] = wish
        self.settle(at)
        return "Accepted"

    def cancel(self, number: int, at: datetime) -> bool:
        """Keeps it no longer; False if it was not kept."""
        known = self._kept.pop(number, None) is not None
        self.settle(at)
        return known

    def admits(self, evse: Evse, token: str, group: str | None) -> bool:
        """Returns whether a card may use an EVSE that somebody may have reserved."""
        if self._for(evse, token, group) is not None:
            return True
        if any(kept.evse_id == evse.evse_id for kept in self._kept.values()):
            return False
        whoever = sum(kept.evse_id is None for kept in self._kept.values())
        left = [each for each in self._idle(self._kept.values()) if each is not evse]
        return len(left) >= whoever

    def claim(self, evse: Evse, token: str, group: str | None) -> int | None:
        """Returns the number of the reservation that a card uses up on an EVSE, if it has one."""
        mine = self._for(evse, token, group)
        if mine is not None:
            del self._kept[mine.number]
        return None if mine is None else mine.number

    def forget(self) -> None:
        """Loses all, as a box does that keeps them in memory only."""
        self._kept.clear()
        self._mark()

    def settle(self, at: datetime) -> None:
        """Drops what has expired or can't be kept, and tells each status that is another now."""
        for kept in tuple(self._kept.values()):
            reason: Literal["Expired", "Removed"] | None = None
            if kept.expires_at <= at:
                reason = "Expired"
            elif not any(
                evse.in_service
                for number, evse in self._evses.items()
                if kept.evse_id in (None, number)
            ):
                reason = "Removed"
            if reason is not None:
                del self._kept[kept.number]
                self._say(ReservationGone(kept.number, reason))
        for evse in self._mark():
            if evse.idle:
                self._tell_status(evse, at)

    def _for(self, evse: Evse, token: str, group: str | None) -> Reservation | None:
        mine = [
            kept
            for kept in self._kept.values()
            if kept.evse_id in (None, evse.evse_id) and kept.is_for(token, group)
        ]
        mine.sort(key=lambda kept: kept.evse_id is None)
        return mine[0] if mine else None

    def _idle(self, kept: Iterable[Reservation]) -> list[Evse]:
        """Returns the idle EVSEs that are not kept by name."""
        named = {each.evse_id for each in kept}
        return [evse for number, evse in self._evses.items() if evse.idle and number not in named]

    def _mark(self) -> list[Evse]:
        """Marks what is kept free, and returns the EVSEs of which that is news."""
        named = {kept.evse_id for kept in self._kept.values() if kept.evse_id is not None}
        whoever = sum(kept.evse_id is None for kept in self._kept.values())
        idle = self._idle(self._kept.values())
        all_kept = 0 < len(idle) <= whoever
        changed: list[Evse] = []
        for number, evse in self._evses.items():
            reserved = number in named or (all_kept and evse in idle)
            if reserved != evse.reserved:
                evse.reserved = reserved
                changed.append(evse)
        return changed


def _why_not(asked: list[Evse]) -> Kept:
    """Occupied where a car, or a reservation, is what is in the way."""
    if all(evse.faulted for evse in asked):
        return "Faulted"
    if all(not evse.in_service for evse in asked):
        return "Unavailable"
    return "Occupied"
