"""Identifiers: opaque, sortable by time, made from an injected clock and random source."""

from __future__ import annotations

from random import Random
from typing import Protocol

from models.clocks import Clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


class IdMaker(Protocol):
    """Makes identifiers that are unique and sort by the time of their making."""

    def new(self) -> str:
        """Returns a fresh identifier of 26 characters."""
        ...


class UlidMaker:
    """Makes ULIDs: 48 bits of milliseconds, then 80 bits that grow within a millisecond."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._last_ms = -1
        self._tail = 0

    def new(self) -> str:
        """Returns a fresh identifier of 26 characters, larger than all before it."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            self._tail = self._random.getrandbits(79)
        else:
            self._tail += 1
        value = (self._last_ms << 80) | self._tail
        return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
