"""What operators do about certificates: revoke, and have renewed."""

from __future__ import annotations

import sqlalchemy as sa

from csms.ledger.work import UnitOfWork
from csms.security.queries import certificate_resource, state_of
from models.clocks import Clock
from models.commands import TriggerMessage
from models.errors import Conflict
from models.tables.security import StationCertificate

RENEWAL_EXPIRES_S = 3600.0
"""Life time for which a station that is away is waited for."""


def announce(work: UnitOfWork, event: str, row: StationCertificate, wall: Clock) -> None:
    """Says what became true of a certificate, with the whole of it."""
    resource = certificate_resource(state_of(row), wall.now())
    work.emit(event, subject=f"certificate/{row.id}", resource=resource)


def revoke(work: UnitOfWork, row: StationCertificate, wall: Clock) -> None:
    """Takes a certificate no more, from the station's present connection on.

    Raises:
        Conflict: `no-certificate` where none was signed yet.
    """
    if row.fingerprint is None:
        raise Conflict("there is no certificate to revoke: none was signed", code="no-certificate")
    if row.revoked_at is None:
        row.revoked_at = row.updated_at = work.now
        announce(work, "certificate.revoked", row, wall)


def renew(work: UnitOfWork, identity: str, *, origin: str = "api") -> str:
    """Asks a station to make a new key and send a request; returns the id of the command."""
    return work.order(
        TriggerMessage(message="SignCertificate"),
        station=identity,
        origin=origin,
        expires_in_s=RENEWAL_EXPIRES_S,
    )


async def find_certificate(
    work: UnitOfWork, identity: str, certificate_id: str
) -> StationCertificate | None:
    """Returns a certificate of a station to change; None where there is no such."""
    query = sa.select(StationCertificate).where(
        StationCertificate.id == certificate_id,
        StationCertificate.station == identity,
        StationCertificate.tenant_id == work.tenant,
    )
    return await work.session.scalar(query.with_for_update())
