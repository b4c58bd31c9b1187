"""A and M, security: events, and certificates of stations and of those whom they trust."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from csms.ocpp.blocks import contracts
from csms.ocpp.certificates import found
from csms.ocpp.fields import given, optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Said, by_status, nothing
from csms.ocpp.wire import v21, v201
from models import answers, facts
from models.commands import upkeep

_USES: Mapping[upkeep.RootUse, v21.InstallCertificateUseEnumType] = {
    "csms": "CSMSRootCertificate",
    "manufacturer": "ManufacturerRootCertificate",
    "v2g": "V2GRootCertificate",
    "mobility-operator": "MORootCertificate",
    "oem": "OEMRootCertificate",
}


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


def certificate_requested(
    request: v201.SignCertificateRequest | v21.SignCertificateRequest, hearing: Hearing
) -> facts.CertificateRequested:
    """Returns what a SignCertificate asks for; where it does not say, it is the station's own."""
    purpose = given(request.certificate_type)
    own = purpose in {None, "ChargingStationCertificate"}
    is_21 = isinstance(request, v21.SignCertificateRequest)
    return facts.CertificateRequested(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        request=request.csr,
        purpose="station" if own else "vehicle",
        request_id=given(request.request_id) if is_21 else None,
    )


def signing_answer(
    _fact: facts.CertificateRequested, answer: answers.SigningAnswer
) -> msgspec.Struct:
    """Returns the response to a SignCertificate."""
    return v201.SignCertificateResponse(status="Accepted" if answer.accepted else "Rejected")


def _signed(command: upkeep.InstallSignedCertificate) -> msgspec.Struct:
    if command.request_id is not None:
        # Only a 2.1 station has given one (2.1, A02.FR.24).
        return v21.CertificateSignedRequest(
            certificate_chain=command.chain,
            certificate_type="ChargingStationCertificate",
            request_id=command.request_id,
        )
    return v201.CertificateSignedRequest(
        certificate_chain=command.chain, certificate_type="ChargingStationCertificate"
    )


def _install(command: upkeep.InstallRootCertificate) -> msgspec.Struct:
    return v21.InstallCertificateRequest(
        certificate_type=_USES[command.use], certificate=command.certificate
    )


def _read(command: upkeep.ReadRootCertificates) -> msgspec.Struct:
    wanted: list[v21.GetCertificateIdUseEnumType] | None = None
    if command.use is not None:
        wanted = [_USES[command.use]]
    return v21.GetInstalledCertificateIdsRequest(certificate_type=optional(wanted))


def _delete(command: upkeep.DeleteRootCertificate) -> msgspec.Struct:
    return v201.DeleteCertificateRequest(
        certificate_hash_data=v201.CertificateHashDataType(
            hash_algorithm=command.hash_algorithm,
            issuer_name_hash=command.issuer_name_hash,
            issuer_key_hash=command.issuer_key_hash,
            serial_number=command.serial_number,
        )
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
        Heard(
            v201.SignCertificateRequest,
            certificate_requested,
            facts.CertificateRequested,
            signing_answer,
            answers.SigningAnswer,
        ),
    ),
    said=(Said(upkeep.InstallSignedCertificate, _signed, by_status, ("CertificateSigned",)),),
    sent=("CertificateSigned",),
)
CERTIFICATES = Block(
    "M. ISO 15118 certificate management",
    heard=(contracts.CONTRACT, contracts.STATUS),
    said=(
        Said(upkeep.InstallRootCertificate, _install, by_status, ("InstallCertificate",)),
        Said(upkeep.ReadRootCertificates, _read, found, ("GetInstalledCertificateIds",)),
        Said(upkeep.DeleteRootCertificate, _delete, by_status, ("DeleteCertificate",)),
    ),
    sent=("DeleteCertificate", "GetInstalledCertificateIds", "InstallCertificate"),
)
