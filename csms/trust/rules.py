"""Which responders may be asked, and what a contract's certificates are worth.

Source: OCPP 2.0.1 part 2, C07 (a contract that was revoked is refused whatever its token may).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from models.answers import TokenStatus
from models.proofs import Proof, ProofStatus, StatusFound

_EMAID_CHARACTERS = 14
_UNBOUND = timedelta(hours=1)
"""How long an answer holds that does not say how long: who has one of long ago could show it for
ever, and of a responder that makes each anew (RFC 6960, 2.4) it is of this minute."""
_PORTS = {"http": 80, "https": 443}
_HARD: frozenset[ProofStatus] = frozenset(
    {"CertChainError", "CertificateExpired", "CertificateRevoked"}
)


def why_not_asked(url: str, hosts: Collection[str]) -> str | None:
    """Returns why nobody is asked at an address; None: it may be.

    Stations name the addresses, so only hosts that the operator has named are gone to.

    Args:
        url: as the station or the certificate says.
        hosts: `name` or `name:port`, in small letters.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "the responder's address can't be read"
    usual = _PORTS.get(parts.scheme)
    if usual is None or not host:
        return "the responder's address is neither http nor https"
    if parts.username is not None or parts.password is not None:
        return "the responder's address has a user in it"
    place = f"[{host}]" if ":" in host else host
    allowed = f"{place}:{port or usual}" in hosts or (port in {None, usual} and place in hosts)
    return None if allowed else f"the setting ocsp_hosts does not name {place}:{port or usual}"


def same_contract(common_name: str | None, emaid: str) -> bool:
    """Returns whether a certificate is of the contract whose name was given.

    Hyphens and case do not count, nor does the last character, a check digit that may be left out.
    Source: ISO 15118-2, annex H (EMAID).
    """
    named, given = (
        (text or "").replace("-", "").upper()[:_EMAID_CHARACTERS] for text in (common_name, emaid)
    )
    return named != "" and named == given


def why_out_of_time(
    this_update_at: datetime, next_update_at: datetime | None, latest: datetime, now: datetime
) -> str | None:
    """Returns why an answer does not hold now; None: it does.

    Args:
        this_update_at: from when it holds.
        next_update_at: until when; None: it does not say, and holds for an hour.
        latest: now, and how far another clock may be ahead.
        now: real time.
    """
    if this_update_at > latest:
        return "the answer is of the future"
    if (next_update_at or this_update_at + _UNBOUND) <= now:
        return "the answer is too old"
    return None


def worth_of(found: Sequence[StatusFound]) -> tuple[ProofStatus, str | None]:
    """Returns what certificates are worth that are whole and in their time, and why."""
    for each in found:
        if each.status == "revoked":
            return "CertificateRevoked", None
    for each in found:
        if each.status != "good" or not each.verified:
            why = each.why or f"the responder says {each.status}"
            return "NoCertificateAvailable", why
    return ("Accepted", None) if found else ("NoCertificateAvailable", "nothing can be asked")


def token_status(judged: TokenStatus, proof: Proof | None) -> TokenStatus:
    """Returns what a token may whose certificates were judged as well.

    Where nothing could be found out, the token alone counts, unless the operator has said who is
    to be asked: then silence is no yes.
    """
    if proof is None or judged != "Accepted" or proof.status in {None, "Accepted"}:
        return judged
    return "Invalid" if proof.status in _HARD or proof.binding else judged
