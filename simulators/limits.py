"""The world's own book of limits: which were sent, taken, refused, and disobeyed.

It is kept by the station's physics, not by what the station says, so that it can judge what the
service noticed. A limit counts as disobeyed when, after it was accepted and the station had its
time to react, two meter samples in its span show more than 5 % and 100 W above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TOLERANCE_SHARE = 0.05
TOLERANCE_W = 100.0
SAMPLES_TO_JUDGE = 2


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


@dataclass(slots=True)
class _Entry:
    evse_id: int
    purpose: str
    at: datetime
    limit_w: float
    accepted: bool
    samples_above: int = 0
    disobeyed_at: datetime | None = None


class LimitBook:
    """The limits that one station has been sent."""

    def __init__(self, station: str) -> None:
        self._station = station
        self._entries: dict[int, _Entry] = {}

    def sent(self, evse_id: int, purpose: str, at: datetime, limit_w: float) -> int:
        """Notes a limit as it comes in, and returns its serial number, from 1."""
        serial = len(self._entries) + 1
        self._entries[serial] = _Entry(evse_id, purpose, at, limit_w, accepted=False)
        return serial

    def accepted(self, serial: int) -> None:
        """Notes that the station said yes."""
        self._entries[serial].accepted = True

    def judge(
        self, serial: int, at: datetime, *, power_w: float, limit_w: float, reaction_s: float
    ) -> None:
        """Notes a meter sample taken while the limit `serial` was the one to obey."""
        entry = self._entries.get(serial)
        if entry is None or entry.disobeyed_at is not None:
            return
        if (at - entry.at).total_seconds() <= reaction_s:
            return
        if power_w > limit_w * (1 + TOLERANCE_SHARE) + TOLERANCE_W:
            entry.samples_above += 1
            if entry.samples_above >= SAMPLES_TO_JUDGE:
                entry.disobeyed_at = at
        else:
            entry.samples_above = 0

    def truth(self) -> tuple[LimitTruth, ...]:
        """Returns all limits in the order in which they came."""
        return tuple(
            LimitTruth(
                station=self._station,
                evse_id=entry.evse_id,
                purpose=entry.purpose,
                at=entry.at,
                limit_w=entry.limit_w,
                status="accepted" if entry.accepted else "rejected",
                disobeyed_at=entry.disobeyed_at,
            )
            for entry in self._entries.values()
        )
