"""What stations have asked about certificates, as it is shown."""

from __future__ import annotations

from typing import Any

from models.tables.trust import CertificateCheck, ContractRequest


def check_resource(row: CertificateCheck) -> dict[str, Any]:
    """Returns a certificate that was asked about."""
    return {
        "id": str(row.id),
        "station": row.station,
        "asked_at": row.asked_at,
        "purpose": row.purpose,
        "hash_algorithm": row.hash_algorithm,
        "issuer_name_hash": row.issuer_name_hash,
        "issuer_key_hash": row.issuer_key_hash,
        "serial_number": row.serial_number,
        "responder": row.responder,
        "status": row.status,
        "why": row.why,
        "verified": row.verified,
        "cached": row.cached,
        "next_update_at": row.next_update_at,
    }


def contract_resource(row: ContractRequest) -> dict[str, Any]:
    """Returns a request for the certificate of a contract."""
    return {
        "id": str(row.id),
        "station": row.station,
        "asked_at": row.asked_at,
        "action": row.action,
        "schema_version": row.schema_version,
        "exi_request": row.exi_request,
        "maximum_chains": row.maximum_chains,
        "prioritized": row.prioritized or [],
        "status": row.status,
        "why": row.why,
        "exi_response": row.exi_response,
        "remaining_contracts": row.remaining_contracts,
    }
