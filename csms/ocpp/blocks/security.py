"""A and M, security: events, and certificates, which are not issued here yet."""

from __future__ import annotations

from csms.ocpp.fields import given
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, nothing
from csms.ocpp.wire import v21, v201
from models import answers, facts


def security_reported(
    request: v201.SecurityEventNotificationRequest | v21.SecurityEventNotificationRequest,
    hearing: Hearing,
) -> facts.SecurityReported:
    """Returns what a SecurityEventNotification tells."""
    measured_at = hearing.instant(request.timestamp)
    return facts.SecurityReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        kind=request.type,
        measured_at=measured_at,
        tech_info=given(request.tech_info),
    )


BLOCK = Block(
    "A. Security",
    heard=(
        Heard(
            v201.SecurityEventNotificationRequest,
            security_reported,
            facts.SecurityReported,
            nothing(v201.SecurityEventNotificationResponse),
            answers.EmptyAnswer,
        ),
    ),
    unsupported={"SignCertificate": "certificates are not issued here yet"},
    sent=("CertificateSigned",),
)
CERTIFICATES = Block(
    "M. ISO 15118 certificate management",
    unsupported={
        "Get15118EVCertificate": "there is no contract certificate pool here yet",
        "GetCertificateStatus": "there is no OCSP client here yet",
    },
    sent=("DeleteCertificate", "GetInstalledCertificateIds", "InstallCertificate"),
)
