"""Facts about certificates of vehicles and contracts (ISO 15118), asked for by stations (2.x).

What was found out stands in the fact before it is decided: see `csms.trust.errands`.
"""

from __future__ import annotations

from models.facts import Fact
from models.proofs import ContractFound, StatusFound, StatusWanted


class CertificateStatusAsked(Fact, frozen=True, gc=False, kw_only=True):
    """A car wants to know of a certificate, as OCSP says it."""

    wanted: StatusWanted
    answer_max: int
    """How many characters of base64 the station can take."""
    found: StatusFound | None = None


class CertificateChainAsked(Fact, frozen=True, gc=False, kw_only=True):
    """A station wants to know of several certificates (2.1)."""

    wanted: tuple[StatusWanted, ...]
    found: tuple[StatusFound, ...] = ()
    """One for each of `wanted`, or none."""


class ContractAsked(Fact, frozen=True, gc=False, kw_only=True):
    """A car asks for the certificate of its contract, or for a newer one."""

    action: str
    """Install or Update."""
    schema_version: str
    """The XML name space of ISO 15118 that the request is in."""
    exi_request: str
    """Base64; only the pool reads it."""
    answer_max: int
    """How many characters of base64 the station can take."""
    maximum_chains: int | None = None
    prioritized: tuple[str, ...] = ()
    """EMAIDs, the best first (2.1)."""
    found: ContractFound | None = None
