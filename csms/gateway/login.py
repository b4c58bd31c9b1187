"""Who comes in: the identity in the path, Basic authentication, the version, and onboarding.

Credentials are looked at before anything else is done for a client, and all refusals look alike
and take equally long (see `csms.gateway.server`), so that nobody learns which identities exist. A
station that has logged in is not yet connected: whether its identity is taken is asked by
`csms.gateway.registry`.

Security profiles 2 and 3 need TLS, which this door does not speak: such a station is refused.
Sources: OCPP 1.6 security whitepaper section 3; OCPP 2.0.1 part 4 section 3, part 2 A00; RFC 7617.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from csms.gateway.connection import Knock
from csms.gateway.limits import Limits
from csms.gateway.onboarding import Onboarding
from csms.gateway.records import StationRecord, StationRecords
from csms.gateway.throttle import Throttle, network_of
from csms.keyring import Keyring
from models.clocks import WireClock

SUBPROTOCOLS = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6")
"""What is spoken, newest first."""
NO_SUBPROTOCOL = "no-subprotocol"
USER_MISMATCH = "basic-user-mismatch"
_SLASHES = 2
"""Of `/ocpp/IDENTITY`; `/ocpp/` names nobody."""
LONGEST_IDENTITY = 48
"""Characters: OCPP 2.0.1 part 4 section 3.1.1 (identifierString[48]); 1.6 names no length."""

Reason = Literal[
    "no-identity",
    "unknown-identity",
    "wrong-credentials",
    "tls-required",
    "too-many-pending",
]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The station is who it says it is."""

    record: StationRecord
    subprotocol: str
    """The version that is spoken."""
    named: bool
    """The client offered it; else the answer names none."""


@dataclass(frozen=True, slots=True)
class Mute:
    """It may come in, but offers no version that it may speak: closed with 1002."""

    record: StationRecord


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """It may not come in."""

    reason: Reason
    status: int
    identity: str
    detail: str


Verdict = Admitted | Mute | TurnedAway


class Login:
    """Judges knocks."""

    def __init__(
        self,
        *,
        records: StationRecords,
        keyring: Keyring,
        onboarding: Onboarding,
        wire: WireClock,
        limits: Limits,
        strict_unknown_identity: bool,
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._onboarding = onboarding
        self._unknown_status = 404 if strict_unknown_identity else 401
        rate = limits.slow_checks_per_minute
        self._slow_checks = Throttle(wire, burst=rate, per_minute=rate)
        self._look_ups = Throttle(wire, burst=60, per_minute=60)

    async def judge(self, knock: Knock) -> Verdict:
        """Returns whether the client is one of our stations.

        Raises:
            Unavailable: if the database is needed and away.
        """
        identity = identity_of(knock.target)
        if identity is None:
            return TurnedAway("no-identity", 404, "", "no usable identity in the path")
        record = self._records.called(identity)
        if record is None and self._look_ups.allows(network_of(knock.remote)):
            record = await self._records.refresh(identity)
        if record is None:
            record = await self._onboarding.enrol(identity, knock.remote)
        if isinstance(record, StationRecord):
            return await self._judge_known(record, knock, identity)
        if record == "full":
            detail = "too many stations wait for approval"
            return TurnedAway("too-many-pending", 401, identity, detail)
        detail = "nobody has created this station"
        return TurnedAway("unknown-identity", self._unknown_status, identity, detail)

    async def _judge_known(self, record: StationRecord, knock: Knock, called: str) -> Verdict:
        identity = record.identity
        if record.security_profile >= 2:
            detail = f"security profile {record.security_profile} needs TLS"
            return TurnedAway("tls-required", 401, identity, detail)
        subprotocol, named = choose_subprotocol(record, knock.subprotocols)
        if record.approval != "pending" and record.security_profile != 0:
            any_user = record.forgives(USER_MISMATCH)
            password = password_of(knock.authorization, called, any_user=any_user)
            binary = subprotocol == "ocpp1.6"
            if password is None or not await self._right(record, password, knock, binary=binary):
                detail = "no password" if password is None else "wrong password"
                return TurnedAway("wrong-credentials", 401, identity, detail)
        if subprotocol is None:
            return Mute(record)
        return Admitted(record, subprotocol, named)

    async def _right(
        self, record: StationRecord, password: bytes, knock: Knock, *, binary: bool
    ) -> bool:
        """Returns whether the password is right; slow checks are rationed, fast ones never."""
        sealed = record.password_hash
        if sealed is None:
            return False
        verdict = self._keyring.verify_fast(record.identity, password, sealed, binary=binary)
        if verdict is not None:
            return verdict
        if not self._slow_checks.allows(f"{record.identity} {network_of(knock.remote)}"):
            return False
        return await self._keyring.verify_password(record.identity, password, sealed, binary=binary)


def identity_of(target: str) -> str | None:
    """Returns the identity that a request target names: its last segment, percent-decoded.

    A slash after it is left out: some stations write one.
    None where there is none, or one that can't be a name: longer than `LONGEST_IDENTITY`, not
    UTF-8, or with characters that don't print.
    """
    path = target.partition("?")[0].partition("#")[0]
    if path.count("/") > _SLASHES:
        path = path.removesuffix("/")
    try:
        identity = unquote_to_bytes(path.rpartition("/")[2]).decode()
    except UnicodeDecodeError:
        return None
    if not 0 < len(identity) <= LONGEST_IDENTITY or not identity.isprintable():
        return None
    return identity


def password_of(
    authorization: str | None, identity: str, *, any_user: bool = False
) -> bytes | None:
    """Returns the password of a Basic header whose user is `identity` (or anybody), else None.

    The user is compared as bytes, so that an identity with a colon works although RFC 7617
    forbids it.
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    if any_user:
        _, colon, password = decoded.partition(b":")
        return password if colon else None
    user = identity.encode() + b":"
    return decoded[len(user) :] if decoded.startswith(user) else None


def choose_subprotocol(record: StationRecord, offered: tuple[str, ...]) -> tuple[str | None, bool]:
    """Returns the version to speak (None: no common one), and whether the client offered it."""
    for subprotocol in SUBPROTOCOLS:
        if subprotocol in offered and record.admits(subprotocol):
            return subprotocol, True
    lenient = record.forgives(NO_SUBPROTOCOL) or record.approval == "pending"
    known = any(subprotocol in SUBPROTOCOLS for subprotocol in offered)
    return ("ocpp1.6", False) if lenient and not known else (None, False)
