"""What a station knows of tokens: by it the station judges while it has no connection.

A list is sent whole, or as changes of the one that is there; each has a version, and a change must
be newer than what is held. What can't be taken leaves the list as it was. The list outlives a
loss of power. Of cards that are not on it, the station remembers in its cache what it was told.

Source: OCPP 1.6 sections 3.5.2 and 5.15; OCPP 2.0.1 use cases D01 and D02.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulators.variables import Variables

CARD = "ISO14443"
"""What the reader of a station reads; 1.6 has no other type."""

Taken = Literal["Accepted", "Failed", "VersionMismatch"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a message says of one token."""

    token: str
    status: str | None
    """None: it is to go."""
    expires_at: datetime | None = None
    parent: str | None = None
    token_type: str = CARD

    @property
    def key(self) -> tuple[str, str]:
        """By which it is known: tokens have no case."""
        return self.token.lower(), self.token_type


class Whitelist:
    """The tokens that one station knows, and whether they may charge."""

    def __init__(self, variables: Variables) -> None:
        self.version = 0
        self._entries: dict[tuple[str, str], Entry] = {}
        self._cache: dict[str, bool] = {}
        self._groups: dict[str, str | None] = {}
        self._variables = variables

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that stands on it."""
        return tuple(self._entries.values())

    def take(self, version: int, entries: Sequence[Entry], *, full: bool) -> Taken:
        """Takes a list or changes of it, as a whole or not at all."""
        if not full and version <= self.version:
            return "VersionMismatch"
        keys = {entry.key for entry in entries}
        if version <= 0 or len(keys) < len(entries) or len(entries) > self._number("SendLocalList"):
            return "Failed"
        if full and any(entry.status is None for entry in entries):
            return "Failed"
        after = {} if full else dict(self._entries)
        for entry in entries:
            after.pop(entry.key, None)
            if entry.status is not None:
                after[entry.key] = entry
        if len(after) > self._number("LocalAuthList"):
            return "Failed"
        self._entries, self.version = after, version
        return "Accepted"

    def forget(self) -> None:
        """Loses all, as a box does that is exchanged or reset to how it was made."""
        self._entries, self.version = {}, 0

    def remember(self, token: str, group: str | None = None, *, accepted: bool) -> None:
        """Keeps what the central system has said of a card, if there is a cache; its group always.

        A reservation may be its group's (OCPP 1.6 section 3.13), which no cache is needed for.
        """
        self._groups[token.lower()] = group
        if self._variables.is_on("AuthorizationCacheEnabled"):
            self._cache[token.lower()] = accepted

    def clear_cache(self) -> bool:
        """Forgets what was said of cards; False if there is no cache."""
        self._cache.clear()
        return self._variables.is_on("AuthorizationCacheEnabled")

    def group_of(self, token: str) -> str | None:
        """Returns the group of a card, as it was last told or stands on the list."""
        listed = self._entries.get((token.lower(), CARD))
        return self._groups.get(token.lower()) or (listed.parent if listed else None)

    def lets(self, token: str, at: datetime) -> bool:
        """Returns whether a card may charge while nobody can be asked."""
        listed = None
        if self._variables.is_on("LocalAuthListEnabled") and self._variables.is_on(
            "LocalAuthorizeOffline"
        ):
            listed = self._entries.get((token.lower(), CARD))
        if listed is None:
            cached = self._variables.is_on("LocalAuthorizeOffline") and self._cache.get(
                token.lower()
            )
            unknown = token.lower() not in self._cache
            return bool(cached) or (unknown and self._variables.is_on("AllowOfflineTxForUnknownId"))
        expired = listed.expires_at is not None and listed.expires_at <= at
        return listed.status == "Accepted" and not expired

    def _number(self, what: str) -> int:
        variable = self._variables.get(f"{what}MaxLength")
        assert variable is not None
        return int(variable.value)
