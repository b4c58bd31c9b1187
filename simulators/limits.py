"""The world's own book of limits: which were sent, taken, refused, and disobeyed.

It is kept by the station's physics, not by what the station says, so that it can judge what the
service noticed. A limit counts as disobeyed when, after it was accepted and the station had its
time to react, two meter samples in its span show more than 5 % and 100 W above it.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

TOLERANCE_SHARE = 0.05
TOLERANCE_W = 100.0
SAMPLES_TO_JUDGE = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LimitTruth:
    """One charging profile that a station was sent."""

    station: str
    evse_id: int
    purpose: str
    at: datetime
    limit_w: float
    """What its first period allows."""
    status: Literal["accepted", "rejected"]
    disobeyed_at: datetime | None
    """When the second sample above it was taken; None if it was obeyed or never put to the test."""


class LimitBook:
    """The limits that one station has been sent.

    A day of hundreds of stations has tens of thousands of them: they are kept in columns.
    """

    def __init__(self, station: str) -> None:
        self._station = station
        self._evse_ids = array("q")
        self._purposes: list[str] = []
        self._at_us = array("q")
        self._limits_w = array("d")
        self._accepted = bytearray()
        self._samples_above = bytearray()
        self._disobeyed_at: dict[int, datetime] = {}
        """By serial number."""

    def sent(self, evse_id: int, purpose: str, at: datetime, limit_w: float) -> int:
        """Notes a limit as it comes in, and returns its serial number, from 1."""
        self._evse_ids.append(evse_id)
        self._purposes.append(purpose)
        self._at_us.append((at - _EPOCH) // _MICROSECOND)
        self._limits_w.append(limit_w)
        self._accepted.append(False)
        self._samples_above.append(0)
        return len(self._purposes)

    def accepted(self, serial: int) -> None:
        """Notes that the station said yes."""
        self._accepted[serial - 1] = True

    def judge(
        self, serial: int, at: datetime, *, power_w: float, limit_w: float, reaction_s: float
    ) -> None:
        """Notes a meter sample taken while the limit `serial` was the one to obey; 0 is none."""
        place = serial - 1
        if place < 0 or serial in self._disobeyed_at:
            return
        if (at - self._at(place)).total_seconds() <= reaction_s:
            return
        if power_w > limit_w * (1 + TOLERANCE_SHARE) + TOLERANCE_W:
            self._samples_above[place] += 1
            if self._samples_above[place] >= SAMPLES_TO_JUDGE:
                self._disobeyed_at[serial] = at
        else:
            self._samples_above[place] = 0

    def truth(self) -> tuple[LimitTruth, ...]:
        """Returns all limits in the order in which they came."""
        return tuple(
            LimitTruth(
                station=self._station,
                evse_id=self._evse_ids[place],
                purpose=purpose,
                at=self._at(place),
                limit_w=self._limits_w[place],
                status="accepted" if self._accepted[place] else "rejected",
                disobeyed_at=self._disobeyed_at.get(place + 1),
            )
            for place, purpose in enumerate(self._purposes)
        )

    def _at(self, place: int) -> datetime:
        return _EPOCH + self._at_us[place] * _MICROSECOND
