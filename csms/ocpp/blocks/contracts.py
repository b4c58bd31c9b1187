"""M, ISO 15118: what is asked about certificates of vehicles and contracts.

What was found out stands in the fact by the time it is answered.

Source: OCPP 2.0.1 part 2, M01, M02 and M06; OCPP 2.1, M06 (GetCertificateChainStatus).
"""

from __future__ import annotations

import base64

from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Heard
from csms.ocpp.wire import v21, v201
from models import answers, proofs
from models.facts import trust

_NOT_NOW = "nobody was asked"
_STATUSES: dict[proofs.Revocation, v21.CertificateStatusEnumType] = {
    "good": "Good",
    "revoked": "Revoked",
    "unknown": "Unknown",
    "failed": "Failed",
}
_INFO_MAX = 512
_OCSP_MAX, _EXI_MAX = (5_500, 18_000), (7_500, 17_000)
"""Characters that 2.0.1 can take, and 2.1."""


def wanted(data: v201.OCSPRequestDataType | v21.OCSPRequestDataType) -> proofs.StatusWanted:
    """Returns the certificate that hashes name, and whom they say to ask."""
    return proofs.StatusWanted(
        certificate=proofs.CertificateId(
            hash_algorithm=data.hash_algorithm,
            issuer_name_hash=data.issuer_name_hash,
            issuer_key_hash=data.issuer_key_hash,
            serial_number=data.serial_number,
        ),
        urls=(data.responder_url,),
    )


def status_asked(
    request: v201.GetCertificateStatusRequest | v21.GetCertificateStatusRequest, hearing: Hearing
) -> trust.CertificateStatusAsked:
    """Returns which certificate a GetCertificateStatus is about."""
    return trust.CertificateStatusAsked(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        wanted=wanted(request.ocsp_request_data),
        answer_max=_OCSP_MAX[isinstance(request, v21.GetCertificateStatusRequest)],
    )


def _status_found(
    fact: trust.CertificateStatusAsked, answer: answers.VerdictAnswer
) -> v21.GetCertificateStatusResponse:
    """Whatever the responder has said is for the car to read; ours is whether it said anything."""
    found = fact.found
    if not answer.accepted or found is None or found.response is None:
        info = _info("NoOcsp", (found and found.why) or _NOT_NOW)
        return v21.GetCertificateStatusResponse(status="Failed", status_info=info)
    text = base64.b64encode(found.response).decode()
    return v21.GetCertificateStatusResponse(status="Accepted", ocsp_result=text)


def chain_asked(
    request: v21.GetCertificateChainStatusRequest, hearing: Hearing
) -> trust.CertificateChainAsked:
    """Returns which certificates a GetCertificateChainStatus is about."""
    return trust.CertificateChainAsked(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        wanted=tuple(
            proofs.StatusWanted(
                certificate=proofs.CertificateId(
                    hash_algorithm=each.certificate_hash_data.hash_algorithm,
                    issuer_name_hash=each.certificate_hash_data.issuer_name_hash,
                    issuer_key_hash=each.certificate_hash_data.issuer_key_hash,
                    serial_number=each.certificate_hash_data.serial_number,
                ),
                urls=tuple(each.urls),
                source=each.source,
            )
            for each in request.certificate_status_requests
        ),
    )


def _chain_found(
    fact: trust.CertificateChainAsked, answer: answers.VerdictAnswer
) -> v21.GetCertificateChainStatusResponse:
    """Where nothing says how long it holds, it holds for now."""
    failed = proofs.StatusFound(status="failed", why=_NOT_NOW)
    found = fact.found if answer.accepted and fact.found else (failed,) * len(fact.wanted)
    return v21.GetCertificateChainStatusResponse(
        certificate_status=[
            v21.CertificateStatusType(
                certificate_hash_data=_hash_data(each.certificate),
                source=each.source,
                status=_STATUSES[word.status],
                next_update=wire_time(word.next_update_at or fact.received_at),
            )
            for each, word in zip(fact.wanted, found, strict=True)
        ]
    )


def _hash_data(certificate: proofs.CertificateId) -> v21.CertificateHashDataType:
    algorithm = certificate.hash_algorithm
    assert algorithm == "SHA256" or algorithm == "SHA384" or algorithm == "SHA512"  # noqa: PLR1714 - so that the checker sees it
    return v21.CertificateHashDataType(
        hash_algorithm=algorithm,
        issuer_name_hash=certificate.issuer_name_hash,
        issuer_key_hash=certificate.issuer_key_hash,
        serial_number=certificate.serial_number,
    )


def contract_asked(
    request: v201.Get15118EVCertificateRequest | v21.Get15118EVCertificateRequest,
    hearing: Hearing,
) -> trust.ContractAsked:
    """Returns what a car wants of the contract pool."""
    chains: int | None = None
    emaids: tuple[str, ...] = ()
    if isinstance(request, v21.Get15118EVCertificateRequest):
        chains = given(request.maximum_contract_certificate_chains)
        emaids = tuple(given(request.prioritized_emai_ds) or ())
    return trust.ContractAsked(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        action=request.action,
        schema_version=request.iso15118_schema_version,
        exi_request=request.exi_request,
        answer_max=_EXI_MAX[isinstance(request, v21.Get15118EVCertificateRequest)],
        maximum_chains=chains,
        prioritized=emaids,
    )


def _contract_found(
    fact: trust.ContractAsked, answer: answers.VerdictAnswer
) -> v21.Get15118EVCertificateResponse:
    found = fact.found
    if not answer.accepted or found is None or not found.accepted:
        info = _info("NoContract", (found and found.why) or _NOT_NOW)
        exi = "" if found is None else found.exi_response
        return v21.Get15118EVCertificateResponse(
            status="Failed", exi_response=exi, status_info=info
        )
    # Only 2.1 stations say how many they want, and can be told what is left.
    left = None if fact.maximum_chains is None else found.remaining_contracts
    return v21.Get15118EVCertificateResponse(
        status="Accepted", exi_response=found.exi_response, remaining_contracts=optional(left)
    )


def _info(code: str, why: str) -> v21.StatusInfoType:
    return v21.StatusInfoType(reason_code=code, additional_info=why[:_INFO_MAX])


STATUS = Heard(
    v201.GetCertificateStatusRequest,
    status_asked,
    trust.CertificateStatusAsked,
    _status_found,
    answers.VerdictAnswer,
)
CHAIN = Heard(
    v21.GetCertificateChainStatusRequest,
    chain_asked,
    trust.CertificateChainAsked,
    _chain_found,
    answers.VerdictAnswer,
)
CONTRACT = Heard(
    v201.Get15118EVCertificateRequest,
    contract_asked,
    trust.ContractAsked,
    _contract_found,
    answers.VerdictAnswer,
)
