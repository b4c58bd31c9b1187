"""Who comes in: the identity in the path, Basic authentication, the version, and onboarding.

Credentials are looked at before anything else is done for a client, and all refusals look alike
and take equally long (see `csms.gateway.server`), so that nobody learns which identities exist. A
station that has logged in is not yet connected: whether its identity is taken is asked by
`csms.gateway.registry`.

A station is let in on the security profile of its record or a higher one, never on a lower one: 2
needs TLS (`csms.gateway.tls`), 3 a certificate too, which takes the place of the password wherever
a good one is shown. The handshake has seen who signed it; names, time and revocation are judged
here.
Sources: OCPP 1.6 security whitepaper section 2; OCPP 2.0.1 part 4 section 3, part 2 A00; RFC 7617.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import unquote_to_bytes

from csms.certificates import Certificate, read_certificate
from csms.gateway.connection import Knock
from csms.gateway.limits import Limits
from csms.gateway.onboarding import Onboarding
from csms.gateway.records import Proof, StationRecord, StationRecords
from csms.gateway.throttle import Throttle, network_of
from csms.keyring import Keyring
from models.clocks import Clock, WireClock
from models.errors import BadInput
from models.timeline import format_rfc3339

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
    "certificate-required",
    "certificate-unreadable",
    "certificate-of-another",
    "certificate-organisation",
    "certificate-not-valid",
    "certificate-revoked",
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
    proof: Proof


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
        wall: Clock,
        limits: Limits,
        operator_name: str,
        strict_unknown_identity: bool,
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._onboarding = onboarding
        self._wall = wall
        self._operator_name = operator_name
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
        if record is not None and self._records.shared:
            record = await self._records.refresh(record.identity)
        elif record is None and self._look_ups.allows(network_of(knock.remote)):
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
        if record.security_profile >= 2 and not knock.secure:
            detail = f"security profile {record.security_profile} needs TLS"
            return TurnedAway("tls-required", 401, record.identity, detail)
        subprotocol, named = choose_subprotocol(record, knock.subprotocols)
        proof = Proof(record.approval, knock.secure)
        if record.approval != "pending" and record.security_profile != 0:
            found = await self._credentials(record, knock, called, binary=subprotocol == "ocpp1.6")
            if isinstance(found, TurnedAway):
                return found
            proof = found
        if subprotocol is None:
            return Mute(record)
        return Admitted(record, subprotocol, named, proof)

    async def _credentials(
        self, record: StationRecord, knock: Knock, called: str, *, binary: bool
    ) -> Proof | TurnedAway:
        """Returns by what the client is this station: a certificate, else a password."""
        identity = record.identity
        shown = await self._certificate(record, knock)
        if isinstance(shown, Certificate):
            return Proof(record.approval, knock.secure, certificate=shown)
        if record.security_profile >= 3:
            return shown
        any_user = record.forgives(USER_MISMATCH)
        password = password_of(knock.authorization, called, any_user=any_user)
        if password is None:
            return TurnedAway("wrong-credentials", 401, identity, "no password")
        seal = await self._seal_of(record, password, knock, binary=binary)
        if seal is None and self._look_ups.allows(network_of(knock.remote)):
            # It may have been changed a moment ago, or by another process.
            fresh = await self._records.refresh(identity)
            if fresh is not None and not fresh.same_passwords(record):
                seal = await self._seal_of(fresh, password, knock, binary=binary)
        if seal is None:
            return TurnedAway("wrong-credentials", 401, identity, "wrong password")
        return Proof(record.approval, knock.secure, seal=seal)

    async def _seal_of(
        self, record: StationRecord, password: bytes, knock: Knock, *, binary: bool
    ) -> str | None:
        """Returns that of the station's seals which a password fits."""
        for seal in (record.password_hash, record.next_password_hash):
            if seal is not None and await self._right(
                record.identity, password, seal, knock, binary=binary
            ):
                return seal
        return None

    async def _certificate(self, record: StationRecord, knock: Knock) -> Certificate | TurnedAway:
        """Returns the client's certificate if it is this station's and good, else what is wrong."""
        identity = record.identity
        if knock.certificate is None:
            detail = f"security profile {record.security_profile} needs a certificate"
            return TurnedAway("certificate-required", 401, identity, detail)
        try:
            shown = read_certificate(knock.certificate)
        except BadInput as error:
            return TurnedAway("certificate-unreadable", 401, identity, error.detail)
        owner = await self._records.owner(shown.fingerprint)
        names = {identity}
        if shown.common_name != identity:
            # OCPP has the serial number there, which operators often take as the identity.
            names.add(await self._records.serial_number(identity) or identity)
        fault = certificate_fault(
            shown,
            names=names,
            elsewhere=owner not in {None, identity},
            revoked=self._records.revoked(shown),
            operator_name=self._operator_name,
            now=self._wall.now(),
        )
        return shown if fault is None else TurnedAway(fault[0], 401, identity, fault[1])

    async def _right(
        self, identity: str, password: bytes, seal: str, knock: Knock, *, binary: bool
    ) -> bool:
        """Returns whether the password is right; slow checks are rationed, fast ones never."""
        verdict = self._keyring.verify_fast(identity, password, seal, binary=binary)
        if verdict is not None:
            return verdict
        if not self._slow_checks.allows(f"{identity} {network_of(knock.remote)}"):
            return False
        return await self._keyring.verify_password(identity, password, seal, binary=binary)


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


def certificate_fault(
    shown: Certificate,
    *,
    names: Collection[str],
    elsewhere: bool,
    revoked: bool,
    operator_name: str,
    now: datetime,
) -> tuple[Reason, str] | None:
    """Returns why a certificate does not let a station in; None where it does.

    Source: OCPP 1.6 security whitepaper section 2.7; OCPP 2.0.1 part 2, A00.FR.4xx and 5xx.

    Args:
        shown: signed by somebody whom we trust.
        names: of the station, one of which its CN must be.
        elsewhere: it was issued to another station, or first seen with one.
        revoked: an operator has revoked it, or the authority that has issued it.
        operator_name: what its O must be.
        now: real time.
    """
    if revoked:
        return "certificate-revoked", f"the certificate {shown.serial} is revoked"
    if elsewhere or shown.common_name not in names:
        return "certificate-of-another", f"its CN is {shown.common_name}"
    if shown.organisation != operator_name:
        allowed = f"allowed is {operator_name}"
        return "certificate-organisation", f"its O is {shown.organisation}, {allowed}"
    if not shown.valid_at(now):
        life = f"{format_rfc3339(shown.not_before)} to {format_rfc3339(shown.not_after)}"
        return "certificate-not-valid", f"it is valid from {life}"
    return None


def choose_subprotocol(record: StationRecord, offered: tuple[str, ...]) -> tuple[str | None, bool]:
    """Returns the version to speak (None: no common one), and whether the client offered it."""
    for subprotocol in SUBPROTOCOLS:
        if subprotocol in offered and record.admits(subprotocol):
            return subprotocol, True
    lenient = record.forgives(NO_SUBPROTOCOL) or record.approval == "pending"
    known = any(subprotocol in SUBPROTOCOLS for subprotocol in offered)
    return ("ocpp1.6", False) if lenient and not known else (None, False)
