"""Whether a token may charge, and what the list of tokens in a station is to say. Pure.

A station's list is brought to what is wanted one message at a time. What the station holds is taken
from its answers alone; where they leave a doubt its version is asked for, and where the version is
not the expected one the whole list is sent. A list that does not go into one message is sent in
part, and the rest as changes of it: after each message only the difference counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from models.answers import TokenStatus
from models.commands import ListedToken, SendLocalList
from models.states import LocalListState


class TokenState(msgspec.Struct, frozen=True):
    """What is known of one token; see `models.tables.access.IdToken`."""

    tenant_id: str
    token_key: str
    id_token: str
    status: str
    expires_at: datetime | None
    parent: str | None
    driver_id: str | None
    vehicle_id: str | None
    type: str = "Central"


def token_key(id_token: str) -> str:
    """Returns what a token is compared by: OCPP 1.6 and 2.x compare without case."""
    return id_token.lower()


def judge(token: TokenState | None, now: datetime) -> TokenStatus:
    """Returns what a station is told about a token.

    Args:
        token: what is known of it; None for a token that nobody has created.
        now: by our clock, because a station's may be wrong.
    """
    if token is None:
        return "Unknown"
    if token.status == "Blocked":
        return "Blocked"
    if token.expires_at is not None and token.expires_at <= now:
        return "Expired"
    return "Accepted"


def is_family(holder: str, group: str | None, token: str, parent: str | None) -> bool:
    """Returns whether a token may use what is kept for a holder and its group.

    Args:
        holder: the token that it is kept for.
        group: the holder's parent, if it has one.
        token: which is presented.
        parent: the presented token's, if it has one.
    """
    names = {token_key(name) for name in (token, parent) if name is not None}
    return token_key(holder) == token_key(token) or (
        group is not None and token_key(group) in names
    )


class SiteRules(msgspec.Struct, frozen=True):
    """What a site says of those who charge there; see `models.tables.energy.Site`."""

    id: str
    timezone: str
    tariff_id: str | None
    master_pass: str | None
    plug_and_charge: bool


def is_master(token: TokenState | None, rules: SiteRules | None) -> bool:
    """Returns whether a token may end every transaction at a site, and begin none (C16)."""
    master = rules.master_pass if rules is not None else None
    group = token.parent if token is not None else None
    return master is not None and group is not None and token_key(master) == token_key(group)


def takes_contracts(rules: SiteRules | None) -> bool:
    """Returns whether cars may charge by their contracts at a site (OCPP 2.0.1 C07)."""
    return rules is None or rules.plug_and_charge


PER_MESSAGE = 50
"""Tokens in one message to a station that has not told how many it takes."""
NOT_THERE = frozenset({"NotSupported", "NotImplemented"})
"""Errors by which a station says that it keeps no list, or no cache."""
FAILURES_AT_MOST = 3
"""So often a list is tried before something has to change."""
_NEWEST = 2**31 - 2
"""Stations count in 32 bits; beyond it counting begins anew, with a whole list."""
_ENVELOPE_BYTES = 200
"""Of a message but for its tokens, and of each token but for what we say of it: at most."""
_UNLISTED = frozenset({"NoAuthorization"})
"""Types of tokens that stand for having none."""


class ListRoom(msgspec.Struct, frozen=True):
    """What goes into the list of a station, as far as it has told."""

    tokens: int | None = None
    per_message: int = PER_MESSAGE
    message_bytes: int | None = None
    longest: int = 36
    """Characters of a token: 20 on 1.6, 36 on 2.0.1, 255 on 2.1."""


class Wanted(msgspec.Struct, frozen=True):
    """What a station's list is to hold, by `token_key`."""

    tokens: dict[str, ListedToken]
    left_out: int = 0
    """Tokens that do not fit."""


class ListState(msgspec.Struct, frozen=True):
    """What is known of a station's list; see `models.tables.access.LocalList`."""

    state: LocalListState = "pending"
    why: str | None = None
    version: int = 0
    sent_version: int = 0
    held: dict[str, Any] = {}
    sending: dict[str, Any] | None = None
    full_wanted: bool = False
    failures: int = 0

    @property
    def may_send(self) -> bool:
        """Whether it can be brought further now."""
        return (
            self.sending is None
            and self.state != "unsupported"
            and self.failures < FAILURES_AT_MOST
        )


NOTHING = Wanted({})


def wanted_list(tokens: Iterable[TokenState], room: ListRoom, now: datetime) -> Wanted:
    """Returns what a station's list is to hold.

    Where there is no room for all, those that may charge go before those that may not, and older
    ones before newer ones, so that a new token throws no other off the list.

    Args:
        tokens: of the tenant, the oldest first.
        room: what goes into the list.
        now: by our clock; what has expired by now is listed as such.
    """
    known = [token for token in tokens if token.type not in _UNLISTED]
    fitting = [_listed(token, room, now) for token in known if len(token.id_token) <= room.longest]
    fitting.sort(key=lambda token: token.status != "Accepted")
    kept = fitting[: room.tokens]
    return Wanted({token_key(token.id_token): token for token in kept}, len(known) - len(kept))


def next_expiry(wanted: Wanted, now: datetime) -> datetime | None:
    """Returns when the first token of a list will have expired; None if none will."""
    ahead = [t.expires_at for t in wanted.tokens.values() if t.expires_at and t.expires_at > now]
    return min(ahead, default=None)


def next_message(known: ListState, wanted: Wanted, room: ListRoom) -> SendLocalList | None:
    """Returns the next message that brings a list to what is wanted; None if nothing is left."""
    target = {key: msgspec.to_builtins(token) for key, token in wanted.tokens.items()}
    if known.full_wanted or _must_be_full(known, wanted):
        parts = _first_part(wanted.tokens.values(), room)
        number = max(known.version, known.sent_version)
        return SendLocalList(
            version=1 if number >= _NEWEST else number + 1, full=True, tokens=tuple(parts)
        )
    gone = [
        ListedToken(id_token=held["id_token"], token_type=_type_of(held))
        for key, held in known.held.items()
        if key not in target
    ]
    changed = [wanted.tokens[key] for key in target if known.held.get(key) != target[key]]
    if not gone and not changed:
        return None
    # What goes makes room for what comes.
    parts = _first_part([*gone, *changed], room)
    number = max(known.version, known.sent_version)
    return SendLocalList(version=number + 1, full=False, tokens=tuple(parts))


def message_sent(known: ListState, message: SendLocalList) -> ListState:
    """Returns a list while a message about it is under way."""
    tokens = {
        token_key(token.id_token): None if token.status is None else msgspec.to_builtins(token)
        for token in message.tokens
    }
    return msgspec.structs.replace(
        known,
        state="pending",
        why=known.why if known.full_wanted else None,
        sent_version=message.version,
        sending={"version": message.version, "full": message.full, "tokens": tokens},
    )


def message_taken(known: ListState) -> ListState:
    """Returns a list after the station has taken what was sent."""
    sending = known.sending
    assert sending is not None
    held = {} if sending["full"] else dict(known.held)
    for key, token in sending["tokens"].items():
        held.pop(key, None)
        if token is not None:
            held[key] = token
    return msgspec.structs.replace(
        known,
        version=sending["version"],
        held=held,
        sending=None,
        full_wanted=False if sending["full"] else known.full_wanted,
    )


def message_refused(known: ListState, why: str) -> ListState:
    """Returns a list after the station has refused what was sent: next comes the whole list.

    A whole list that is refused is not tried again until something has changed.
    """
    sending = known.sending
    whole = sending is not None and bool(sending["full"])
    failures = FAILURES_AT_MOST if whole else known.failures + 1
    return msgspec.structs.replace(
        known,
        state="failed" if failures >= FAILURES_AT_MOST else "pending",
        why=why,
        sending=None,
        full_wanted=True,
        failures=failures,
    )


def unanswered(known: ListState, why: str) -> ListState:
    """Returns a list after silence: whether the station has it is for its version to tell."""
    failures = known.failures + 1
    state: LocalListState = "failed" if failures >= FAILURES_AT_MOST else "pending"
    return msgspec.structs.replace(known, state=state, why=why, failures=failures)


def version_told(known: ListState, version: int) -> ListState:
    """Returns a list after the station has told the version that it holds."""
    sending = known.sending
    if sending is not None and version == sending["version"]:
        return message_taken(known)
    if version == known.version:
        return msgspec.structs.replace(known, sending=None)
    why = f"the station holds version {version}, not {known.version}"
    return msgspec.structs.replace(
        known, version=version, sending=None, full_wanted=True, state="pending", why=why
    )


def not_for_it(known: ListState, why: str) -> ListState:
    """Returns the list of a station that says that it has none."""
    return msgspec.structs.replace(known, state="unsupported", why=why, sending=None)


def as_it_should_be(known: ListState, wanted: Wanted) -> ListState:
    """Returns a list to which nothing is left to be said."""
    why = None
    if wanted.left_out:
        whole = len(wanted.tokens) + wanted.left_out
        why = f"{len(wanted.tokens)} of {whole} tokens fit on the station's list"
    return msgspec.structs.replace(known, state="synced", why=why, failures=0)


def tried_afresh(known: ListState, why: str, *, full: bool = False) -> ListState:
    """Returns a list that is tried again because the station came back, or somebody asked."""
    return msgspec.structs.replace(
        known,
        state="pending",
        why=why,
        failures=0,
        full_wanted=known.full_wanted or full,
    )


def tried_once_more(known: ListState) -> ListState:
    """Returns a list that failed, with one more try, because something has changed."""
    if known.state != "failed":
        return known
    return msgspec.structs.replace(known, state="pending", failures=FAILURES_AT_MOST - 1)


def _listed(token: TokenState, room: ListRoom, now: datetime) -> ListedToken:
    parent = token.parent
    return ListedToken(
        id_token=token.id_token,
        token_type=token.type,
        status=judge(token, now),
        expires_at=token.expires_at,
        # Half a name would be another group's.
        parent=parent if parent is not None and len(parent) <= room.longest else None,
    )


def _must_be_full(known: ListState, wanted: Wanted) -> bool:
    """Returns whether changes can't do: a type belongs to the name of a token (2.x)."""
    if not wanted.tokens:
        return bool(known.held)
    return max(known.version, known.sent_version) >= _NEWEST or any(
        key in known.held and _type_of(known.held[key]) != token.token_type
        for key, token in wanted.tokens.items()
    )


def _type_of(held: Mapping[str, Any]) -> str:
    return held.get("token_type", ListedToken(id_token="").token_type)


def _first_part(tokens: Iterable[ListedToken], room: ListRoom) -> list[ListedToken]:
    """Returns as many as go into one message, one at least where there are any."""
    part: list[ListedToken] = []
    size = _ENVELOPE_BYTES
    for token in tokens:
        size += len(msgspec.json.encode(token)) + _ENVELOPE_BYTES
        full = room.message_bytes is not None and size > room.message_bytes
        if part and (full or len(part) >= room.per_message):
            break
        part.append(token)
    return part
