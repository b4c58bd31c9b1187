"""Rate limits on what strangers can make us do: token buckets, bounded in number.

They run on wire time and guard costly work only (database look-ups of unknown identities, argon2,
security events). A cheap check of good credentials never passes through one, so that nobody can
lock a station out by trying.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from models.clocks import WireClock

MOST_BUCKETS = 10_000
"""Buckets kept; the one unused for longest is forgotten first, which only favours its owner."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Throttle:
    """Buckets of one size: `burst` at once, `per_minute` in the long run, for each key."""

    def __init__(self, wire: WireClock, *, burst: float, per_minute: float) -> None:
        self._wire = wire
        self._burst = burst
        self._rate_per_s = per_minute / 60
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Takes one token of the key's bucket; returns whether there was one."""
        now = self._wire.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        gained = (now - bucket.filled_at) * self._rate_per_s
        bucket.tokens = min(self._burst, bucket.tokens + gained)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def network_of(address: str) -> str:
    """Returns the network that an attacker can be taken to own: /24 of IPv4, /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    prefix = 24 if parsed.version == 4 else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
