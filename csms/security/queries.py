"""Certificates of stations, and changes of how they log in, as they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from pydantic import AwareDatetime

from csms.security.rules import (
    CertificateState,
    CertificateStatus,
    RenewalStatus,
    Step,
    status_of,
)
from csms.web.documents import Shown
from models.tables.security import SecurityChange, StationCertificate


class RenewalShown(Shown):
    """What is done about a certificate that has little left."""

    state: RenewalStatus
    tries: int
    """How often its station was asked to renew it."""
    since: AwareDatetime | None
    why: str | None
    """Why the last try has failed."""


class CertificateShown(Shown):
    """A certificate of a station."""

    id: str
    station: str
    status: CertificateStatus
    why: str | None
    """Why it was refused, or has failed."""
    issued_here: bool
    fingerprint: str | None
    """SHA-256 of the whole, hexadecimal."""
    serial: str | None
    issuer: str | None
    not_before: AwareDatetime | None
    not_after: AwareDatetime | None
    used_at: AwareDatetime | None
    """When the station first logged in with it."""
    revoked_at: AwareDatetime | None
    renewal: RenewalShown | None
    """Null while it has time, or stands in no need of any."""
    certificate: str | None
    """PEM."""
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ChangeShown(Shown):
    """A change of how a station logs in."""

    id: str
    station: str
    kind: Literal["password", "profile"]
    target_profile: int | None
    state: Literal["running", "done", "failed"]
    steps: list[Step]
    """All of them, in order."""
    step: Step
    """What is waited for while it runs; else where it ended."""
    why: str | None
    """Why it has failed."""
    created_at: AwareDatetime
    updated_at: AwareDatetime


class PasswordChangeShown(ChangeShown):
    """A change of a password, this once with the password."""

    password: str | None


def change_resource(row: SecurityChange) -> dict[str, Any]:
    """Returns a change as the REST door and the events show it."""
    return {
        "id": row.id,
        "station": row.station,
        "kind": row.kind,
        "target_profile": row.target_profile,
        "state": row.state,
        "steps": row.steps,
        "step": row.step,
        "why": row.why,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def state_of(row: StationCertificate) -> CertificateState:
    """Returns a row as the rules know it."""
    return msgspec.convert(row, CertificateState, from_attributes=True)


def certificate_resource(row: CertificateState, real_now: datetime) -> dict[str, Any]:
    """Returns a certificate as the REST door and the events show it.

    Args:
        row: what is known of it.
        real_now: real time, by which it is valid.
    """
    return {
        "id": row.id,
        "station": row.station,
        "status": status_of(row, real_now),
        "why": row.why,
        "issued_here": row.request is not None,
        "fingerprint": row.fingerprint,
        "serial": row.serial,
        "issuer": row.issuer,
        "not_before": row.not_before,
        "not_after": row.not_after,
        "used_at": row.used_at,
        "revoked_at": row.revoked_at,
        "renewal": _renewal_resource(row),
        "certificate": row.pem,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _renewal_resource(row: CertificateState) -> dict[str, Any] | None:
    if row.renewal is None:
        return None
    return {
        "state": row.renewal,
        "tries": row.renewal_tries or 0,
        "since": row.renewal_at,
        "why": row.renewal_why,
    }
