"""OCPP 2.0.1, contracts of ISO 15118 in blocks C and M: the cases for central systems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.builders.played_station import PlayedStation, played_station
from tests.builders.responder import CONTRACT, TOKEN, Responder, pem, responder

EMAID = "DEHEL1234567890"
OF_CAR = "urn:iso:15118:2:2013:MsgDef"
EXI = "Q2VydGlmaWNhdGVJbnN0YWxsYXRpb25SZXE="


class Contracts:
    """The station, and who knows about contracts."""

    def __init__(self, cs: PlayedStation, there: Responder) -> None:
        self.cs = cs
        self.there = there

    def hashes(self, certificate: x509.Certificate) -> dict[str, str]:
        """Names a certificate as stations do."""
        named = self.there.authority.hashes_of(certificate)
        return {**named, "responderURL": self.there.url}

    async def authorize(self, **shown: Any) -> tuple[str, str]:
        """Returns what the contract may, and what its certificates are worth."""
        token = {"idToken": EMAID, "type": "eMAID"}
        answer = await self.cs.call("Authorize", {"idToken": token, **shown})
        return answer["idTokenInfo"]["status"], answer["certificateStatus"]


@pytest.fixture
async def it(sqlite_url: str, version: str, tmp_path: Path) -> AsyncIterator[Contracts]:
    """A station whose house asks a responder and a pool."""
    async with responder() as there:
        bundle = tmp_path / "authorities.pem"
        bundle.write_text(there.authority.pem)
        settings = {
            "ocsp_hosts": [f"127.0.0.1:{there.port}"],
            "contract_authorities": bundle,
            "contract_pool_url": f"http://127.0.0.1:{there.port}/pool",
            "contract_pool_token": TOKEN,
        }
        async with played_station(sqlite_url, version, settings=settings) as cs:
            await cs.house.post("/id-tokens", {"id_token": EMAID, "type": "eMAID"})
            yield Contracts(cs, there)


async def test_tc_c_50_csms_contract_local_validation_accepted(it: Contracts) -> None:
    """The station has judged the certificates and asks whether they were revoked: they were not."""
    hashes = it.hashes(it.there.authority.contract(EMAID))
    assert await it.authorize(iso15118CertificateHashData=[hashes]) == ("Accepted", "Accepted")


async def test_tc_c_51_csms_contract_local_validation_rejected(it: Contracts) -> None:
    """As before, and one of them was revoked."""
    gone = it.there.authority.contract(EMAID)
    it.there.revoked.add(gone.serial_number)
    told = await it.authorize(iso15118CertificateHashData=[it.hashes(gone)])
    assert told == ("Invalid", "CertificateRevoked")


async def test_tc_c_52_csms_contract_central_validation_accepted(it: Contracts) -> None:
    """The station leaves it to the house to judge the certificates."""
    chain = pem(it.there.authority.contract(EMAID))
    assert await it.authorize(certificate=chain) == ("Accepted", "Accepted")


async def test_tc_m_24_csms_get_certificate_status_success(it: Contracts) -> None:
    """GetCertificateStatus is answered with what the responder says."""
    asked = {"ocspRequestData": it.hashes(it.there.authority.contract(EMAID))}
    answer = await it.cs.call("GetCertificateStatus", asked)
    assert answer["status"] == "Accepted"
    assert answer["ocspResult"]


async def test_tc_m_26_csms_certificate_installation_ev(it: Contracts) -> None:
    """A car gets the certificate of its contract from the pool."""
    asked = {"iso15118SchemaVersion": OF_CAR, "action": "Install", "exiRequest": EXI}
    answer = await it.cs.call("Get15118EVCertificate", asked)
    assert answer == {"status": "Accepted", "exiResponse": CONTRACT}


async def test_tc_m_28_csms_certificate_update_ev(it: Contracts) -> None:
    """A car gets a newer certificate of its contract from the pool."""
    asked = {"iso15118SchemaVersion": OF_CAR, "action": "Update", "exiRequest": EXI}
    answer = await it.cs.call("Get15118EVCertificate", asked)
    assert answer == {"status": "Accepted", "exiResponse": CONTRACT}
    assert it.there.pool_asked[0]["action"] == "Update"
