"""Proofs: what is asked of certificates that are not ours, and what was found out about them.

Certificates of vehicles, of contracts (ISO 15118) and of those who have signed them. Stations ask,
the house finds out before it answers, and both the question and what was found travel in one fact.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Revocation = Literal["good", "revoked", "unknown", "failed"]
"""What an authority says of a certificate; `failed`: nobody could be asked, or believed."""
ProofStatus = Literal[
    "Accepted",
    "CertChainError",
    "CertificateExpired",
    "CertificateRevoked",
    "NoCertificateAvailable",
]
"""What a contract's certificates are worth, in the words of OCPP 2.x."""


class CertificateId(msgspec.Struct, frozen=True, kw_only=True):
    """How a certificate is named where it is not at hand (RFC 6960, CertID)."""

    hash_algorithm: str
    """SHA256, SHA384 or SHA512."""
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    """All three in hexadecimal digits."""


class StatusWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate, and who knows whether it is still good."""

    certificate: CertificateId
    urls: tuple[str, ...]
    source: Literal["OCSP", "CRL"] = "OCSP"


class StatusFound(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a certificate."""

    status: Revocation
    why: str | None = None
    """Why nothing better is known."""
    responder: str | None = None
    """Who was asked last."""
    verified: bool = False
    """The answer is signed by one whom we trust for it."""
    cached: bool = False
    """It was asked before, and its answer still holds."""
    next_update_at: datetime | None = None
    """Until when it holds."""
    response: bytes | None = None
    """The OCSP response as it came, DER."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a car shows besides the name of its contract, and what it was found to be worth."""

    chain: str | None = None
    """Its certificates, PEM, the contract's own first; None: the station has judged them."""
    wanted: tuple[StatusWanted, ...] = ()
    """Those that may have been revoked."""
    found: tuple[StatusFound, ...] = ()
    """One for each of `wanted`."""
    status: ProofStatus | None = None
    """None: nobody has looked yet."""
    why: str | None = None
    binding: bool = True
    """Whether its token is to be refused where the status is not Accepted."""


class ContractFound(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool of contract certificates has answered."""

    accepted: bool
    exi_response: str = ""
    """The answer for the car, base64."""
    remaining_contracts: int | None = None
    why: str | None = None
