"""Certificates in OCPP 1.6: the part of its security extensions that is about them.

Source: OCPP 1.6 security whitepaper edition 3, sections 4 (use cases A02, A03, M03 to M05) and 5.
What 2.x has of it is in `csms.ocpp.blocks.security`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Heard, Outcome, Said, by_status
from csms.ocpp.wire import v16
from models import answers, facts
from models.commands import upkeep
from models.errors import BadInput

_USES: Mapping[upkeep.RootUse, v16.CertificateUseEnumType] = {
    "csms": "CentralSystemRootCertificate",
    "manufacturer": "ManufacturerRootCertificate",
}


def _requested(request: v16.SignCertificateRequest, hearing: Hearing) -> facts.CertificateRequested:
    return facts.CertificateRequested(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        request=request.csr,
    )


def _signing(_fact: facts.CertificateRequested, answer: answers.SigningAnswer) -> msgspec.Struct:
    return v16.SignCertificateResponse(status="Accepted" if answer.accepted else "Rejected")


def _signed(command: upkeep.InstallSignedCertificate) -> msgspec.Struct:
    return v16.CertificateSignedRequest(certificate_chain=command.chain)


def _use(use: upkeep.RootUse) -> v16.CertificateUseEnumType:
    if use not in _USES:
        raise BadInput(f"OCPP 1.6 has no {use} certificates; allowed are {', '.join(_USES)}")
    return _USES[use]


def _install(command: upkeep.InstallRootCertificate) -> msgspec.Struct:
    return v16.InstallCertificateRequest(
        certificate_type=_use(command.use), certificate=command.certificate
    )


def _read(command: upkeep.ReadRootCertificates) -> msgspec.Struct:
    return v16.GetInstalledCertificateIdsRequest(certificate_type=_use(command.use or "csms"))


def found(command: upkeep.ReadRootCertificates, response: Mapping[str, Any]) -> Outcome:
    """Returns what a list of certificates means; `NotFound` is a list without any."""
    if response.get("status") == "NotFound":
        return Outcome(status="accepted", detail="NotFound")
    return by_status(command, response)


def _delete(command: upkeep.DeleteRootCertificate) -> msgspec.Struct:
    return v16.DeleteCertificateRequest(
        certificate_hash_data=v16.CertificateHashDataType(
            hash_algorithm=command.hash_algorithm,
            issuer_name_hash=command.issuer_name_hash,
            issuer_key_hash=command.issuer_key_hash,
            serial_number=command.serial_number,
        )
    )


HEARD = Heard(
    v16.SignCertificateRequest,
    _requested,
    facts.CertificateRequested,
    _signing,
    answers.SigningAnswer,
)
SAID = (
    Said(upkeep.InstallSignedCertificate, _signed, by_status, ("CertificateSigned",)),
    Said(upkeep.InstallRootCertificate, _install, by_status, ("InstallCertificate",)),
    Said(upkeep.ReadRootCertificates, _read, found, ("GetInstalledCertificateIds",)),
    Said(upkeep.DeleteRootCertificate, _delete, by_status, ("DeleteCertificate",)),
)
