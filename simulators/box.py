"""The limits in the box: what a station was told, what it does about it, and the difference.

Two sets of profiles are kept: those *commanded*, which the station says it has, and those
*applied*, which follow after its reaction time, or never, where a quirk says so. The world judges
obedience by the first; power flows by the second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from simulators.limits import LimitBook
from simulators.notices import Transaction
from simulators.profiles import (
    Allowance,
    Period,
    Profile,
    Purpose,
    allowance_of_evse,
    allowance_of_station,
    replaces,
)
from simulators.scenario import StationKind

FORGETS_EACH = 5
SLOW_S = 90.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found to be allowed: it is asked for twice a minute, and changes far less often."""

    profiles: tuple[Profile, ...]
    transaction: Transaction | None
    ocpp_id: int | None
    """By which the transaction went then."""
    since: datetime
    allowed: Allowance

    def holds(
        self, profiles: tuple[Profile, ...], transaction: Transaction | None, at: datetime
    ) -> bool:
        """Returns whether that is still so."""
        return (
            self.profiles is profiles
            and self.transaction is transaction
            and (transaction is None or transaction.ocpp_id == self.ocpp_id)
            and self.since <= at
            and (self.allowed.until is None or at < self.allowed.until)
            and all(each.kind != "Recurring" for each in profiles)
        )


class LimitBox:
    """The stored charging profiles of one station."""

    def __init__(self, identity: str, kind: StationKind, quirks: frozenset[str]) -> None:
        self.book = LimitBook(identity)
        self._kind = kind
        self._quirks = quirks
        self._commanded: tuple[Profile, ...] = ()
        self._applied: tuple[Profile, ...] = ()
        self._pending: list[tuple[datetime, tuple[Profile, ...]]] = []
        self.preferred: set[int] = set()
        """EVSEs whose transaction has priority."""
        self.dynamic: dict[int, dict[str, Any]] = {}
        """What each dynamic profile was last told, as it came."""
        self._found: dict[int, _Found] = {}
        """What is allowed now, by EVSE; by 0 the cap on the whole station."""

    def store(self, profile: Profile, transaction: Transaction | None, at: datetime) -> bool:
        """Stores a profile that came in at `at`, for `transaction` if it is for one.

        Returns what the station answers; whether it then obeys is another matter.
        """
        limit_w = profile.periods[0].limit_w if profile.periods else math.inf
        serial = self.book.sent(profile.evse_id, profile.purpose, at, limit_w)
        if not self._can_store(profile, transaction):
            return False
        profile = replace(profile, serial=serial, received_at=at)
        self.book.accepted(serial)
        self._commanded = (*(p for p in self._commanded if not replaces(profile, p)), profile)
        if not self._forgets(profile):
            latest = self._pending[-1][1] if self._pending else self._applied
            applied = (*(p for p in latest if not replaces(profile, p)), profile)
            due = at + timedelta(seconds=self.reaction_s)
            self._pending.append((due, applied))
        return True

    def clear(
        self,
        *,
        profile_id: int | None,
        evse_id: int | None,
        purpose: Purpose | None,
        stack_level: int | None,
    ) -> bool:
        """Removes the profiles that match all that is given; False if none did."""

        def goes(profile: Profile) -> bool:
            if profile_id is not None:
                return profile.id == profile_id
            return (
                (evse_id is None or profile.evse_id == evse_id)
                and (purpose is None or profile.purpose is purpose)
                and (stack_level is None or profile.stack_level == stack_level)
            )

        found = any(goes(profile) for profile in self._commanded)
        self._drop(goes)
        return found

    def forget_transaction(self, evse_id: int) -> None:
        """Removes the profiles that were for the transaction which has just ended."""
        self.preferred.discard(evse_id)
        self._drop(lambda p: p.purpose is Purpose.TRANSACTION and p.evse_id == evse_id)

    def prefer(self, evse_id: int, *, active: bool) -> str:
        """Gives the transaction of an EVSE priority, or takes it; it needs a profile for it."""
        if not active:
            self.preferred.discard(evse_id)
            return "Accepted"
        here = (0, evse_id)
        if not any(p.purpose is Purpose.PRIORITY and p.evse_id in here for p in self._commanded):
            return "NoProfile"
        self.preferred.add(evse_id)
        return "Accepted"

    def go_on(self, profile_id: int, update: dict[str, Any]) -> bool:
        """Changes a dynamic profile as it runs; False if there is none of this id."""
        mine = [p for p in self._commanded if p.id == profile_id and p.kind == "Dynamic"]
        if not mine:
            return False
        self.dynamic[profile_id] = update
        if "limit" in update:
            changed = (Period(0.0, float(update["limit"])),)
            self._commanded, self._applied = (
                tuple(replace(p, periods=changed) if p.id == profile_id else p for p in profiles)
                for profiles in (self._commanded, self._applied)
            )
        return True

    def stored(self) -> tuple[Profile, ...]:
        """Returns the profiles that the station says it has."""
        return self._commanded

    def tick(self, at: datetime) -> None:
        """Puts into effect what was accepted at least one reaction time ago."""
        while self._pending and self._pending[0][0] <= at:
            self._applied = self._pending.pop(0)[1]

    @property
    def reaction_s(self) -> float:
        """How long after its answer the station obeys."""
        return self._kind.reaction_s + (SLOW_S if "slow-limits" in self._quirks else 0.0)

    @property
    def next_effect(self) -> datetime | None:
        """When the next accepted limit will take effect."""
        return self._pending[0][0] if self._pending else None

    def allowance(self, evse_id: int, transaction: Transaction, at: datetime) -> Allowance:
        """Returns what the station lets an EVSE draw, but for the cap on the whole station."""
        profiles = self._that_count(self._applied, evse_id)
        found = self._found.get(evse_id)
        if found is None or not found.holds(profiles, transaction, at):
            allowed = _allowance(profiles, evse_id, transaction, at)
            found = _Found(profiles, transaction, transaction.ocpp_id, at, allowed)
            self._found[evse_id] = found
        return found.allowed

    def cap(self, at: datetime) -> Allowance:
        """Returns what the station lets all its EVSEs draw together."""
        found = self._found.get(0)
        if found is None or not found.holds(self._applied, None, at):
            allowed = allowance_of_station(self._applied, at)
            found = self._found[0] = _Found(self._applied, None, None, at, allowed)
        return found.allowed

    def composite(
        self, evse_id: int, transaction: Transaction | None, at: datetime, duration_s: float
    ) -> tuple[Period, ...]:
        """Returns what the station says it allows from `at` on, in watts; EVSE 0 is the whole."""
        end, instant = at + timedelta(seconds=duration_s), at
        periods: list[Period] = []
        most_w = self._kind.max_power_w * (self._kind.evses if evse_id == 0 else 1)
        while instant < end:
            allowance = allowance_of_station(self._commanded, instant)
            until, limit_w = allowance.until, min(allowance.limit_w, most_w)
            if evse_id != 0:
                counting = self._that_count(self._commanded, evse_id)
                own = _allowance(counting, evse_id, transaction, instant)
                until = min((u for u in (until, own.until) if u is not None), default=None)
                limit_w = min(limit_w, own.limit_w)
            if not periods or periods[-1].limit_w != limit_w:
                periods.append(Period((instant - at).total_seconds(), limit_w))
            if until is None:
                break
            instant = until
        return tuple(periods)

    def judge(
        self,
        evse_id: int,
        transaction: Transaction,
        *,
        power_w: float,
        total_w: float,
        at: datetime,
    ) -> None:
        """Holds a sample against what was commanded, as of now and as of one reaction ago."""
        reaction_s = self._kind.reaction_s
        counting = self._that_count(self._commanded, evse_id)
        own = _allowance(counting, evse_id, transaction, at)
        earlier = at - timedelta(seconds=reaction_s)
        before = _allowance(counting, evse_id, transaction, earlier)
        limit_w = max(own.limit_w, before.limit_w)
        self.book.judge(own.serial, at, power_w=power_w, limit_w=limit_w, reaction_s=reaction_s)
        cap = allowance_of_station(self._commanded, at)
        self.book.judge(cap.serial, at, power_w=total_w, limit_w=cap.limit_w, reaction_s=reaction_s)

    def _that_count(self, profiles: tuple[Profile, ...], evse_id: int) -> tuple[Profile, ...]:
        """Returns the profiles that count at an EVSE: with priority, one for it and no other."""
        if evse_id not in self.preferred:
            return profiles
        others = (Purpose.TRANSACTION, Purpose.DEFAULT)
        return tuple(
            replace(p, purpose=Purpose.DEFAULT) if p.purpose is Purpose.PRIORITY else p
            for p in profiles
            if p.purpose not in others
        )

    def _can_store(self, profile: Profile, transaction: Transaction | None) -> bool:
        if profile.refused or profile.evse_id > self._kind.evses:
            return False
        if profile.purpose is not Purpose.TRANSACTION:
            return True
        if "rejects-tx-profile" in self._quirks or transaction is None:
            return False
        return profile.transaction_id is None or profile.transaction_id in transaction.names

    def _forgets(self, profile: Profile) -> bool:
        """Returns whether the station will not do what it has just promised."""
        if profile.ignored or "ignores-limits" in self._quirks:
            return True
        if "ignores-tx-profile" in self._quirks and profile.purpose is Purpose.TRANSACTION:
            return True
        return "forgets-limits" in self._quirks and profile.serial % FORGETS_EACH == 0

    def _drop(self, goes: Callable[[Profile], bool]) -> None:
        def rest(profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
            return tuple(profile for profile in profiles if not goes(profile))

        self._commanded = rest(self._commanded)
        self._applied = rest(self._applied)
        self._pending = [(due, rest(profiles)) for due, profiles in self._pending]


def _allowance(
    profiles: tuple[Profile, ...],
    evse_id: int,
    transaction: Transaction | None,
    at: datetime,
) -> Allowance:
    return allowance_of_evse(
        profiles,
        evse_id,
        at,
        transaction_names=() if transaction is None else transaction.names,
        tx_start=None if transaction is None else transaction.started_at,
    )
