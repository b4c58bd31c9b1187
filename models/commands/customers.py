"""Commands about what a 2.x station knows of a customer."""

from __future__ import annotations

import msgspec

from models.commands.base import Command


class CertificateName(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's certificate, by its hashes (RFC 6960)."""

    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class AskCustomer(Command, frozen=True, kw_only=True):
    """Tell us what you know of this customer, or forget it, or both."""

    request_id: int
    report: bool
    """Whether it is to tell, as a report that follows."""
    clear: bool
    """Whether it is to forget."""
    id_token: str | None = None
    token_type: str = "Central"  # noqa: S105 - a kind, no secret
    customer_identifier: str | None = None
    certificate: CertificateName | None = None
