"""Certificates of cars and contracts: asked by real stations, judged by a real OCSP responder."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from csms.gateway.memory import MemoryLink
from csms.trust import errands
from models.clocks import RealClock
from tests.builders.hostile_certificates import (
    of_a_strange_name,
    of_no_version,
    of_one_extension_twice,
)
from tests.builders.responder import CONTRACT, TOKEN, Mobility, Responder, pem, responder
from tests.builders.rest_house import frame
from tests.builders.talking import Talking, talking

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
EMAID = "DEHEL1234567890"


@asynccontextmanager
async def trusting(
    url: str, version: str, folder: Path, *, asks: bool = True
) -> AsyncIterator[tuple[Talking, Responder]]:
    async with responder() as there:
        bundle = folder / "authorities.pem"
        bundle.write_text(there.authority.pem)
        settings: dict[str, Any] = {
            "contract_authorities": bundle,
            "contract_pool_url": f"http://127.0.0.1:{there.port}/pool",
            "contract_pool_token": TOKEN,
        }
        if asks:
            settings["ocsp_hosts"] = [f"127.0.0.1:{there.port}"]
        async with talking(url, version, **settings) as it:
            await it.house.post("/id-tokens", {"id_token": EMAID, "type": "eMAID"})
            yield it, there


async def shown_by(it: Talking, certificate: x509.Certificate, there: Responder) -> Any:
    """Shows a contract by its hashes; returns the answer."""
    hashes = there.authority.hashes_of(certificate)
    await it.tell(it.box.outfit.contracts.show(EMAID, hashes=[(hashes, there.url)]))
    return it.box.outfit.contracts.answers[-1][1]


@ON_2X
async def test_a_car_is_told_what_ocsp_says(
    database_url: str, version: str, tmp_path: Path
) -> None:
    async with trusting(database_url, version, tmp_path) as (it, there):
        contracts = it.box.outfit.contracts
        good, gone = (there.authority.contract(name) for name in ("one", "two"))
        there.revoked.add(gone.serial_number)
        for certificate in (good, gone, good):
            await it.tell(contracts.ask_status(there.authority.hashes_of(certificate), there.url))
        told = [answer for _, answer in contracts.answers]
        assert [answer["status"] for answer in told] == ["Accepted"] * 3
        read = [
            ocsp.load_der_ocsp_response(base64.b64decode(answer["ocspResult"])) for answer in told
        ]
        assert [each.certificate_status.name for each in read] == ["GOOD", "REVOKED", "GOOD"]
        assert there.asked == 2, "what still holds is not asked again"
        checks = await it.shown("certificate-checks")
        assert [each["status"] for each in checks] == ["good", "revoked", "good"]
        assert [each["cached"] for each in checks] == [True, False, False]
        assert all(each["verified"] and each["responder"] == there.url for each in checks)
        assert len(await it.shown("certificate-checks", status="revoked")) == 1
        assert await it.shown("certificate-checks", purpose="token") == []


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("huge", "more than 65536 bytes"),
        ("broken", "no OCSP response"),
        ("moved", "status 302"),
        ("another", "about another certificate"),
        ("silent", "does not answer within"),
    ],
)
async def test_who_answers_badly_is_not_believed(
    sqlite_url: str, tmp_path: Path, mood: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "ASK_S", 0.5)
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        there.mood = mood
        hashes = there.authority.hashes_of(there.authority.contract("one"))
        await it.tell(it.box.outfit.contracts.ask_status(hashes, there.url))
        ((_, answer),) = it.box.outfit.contracts.answers
        assert answer["status"] == "Failed"
        assert why in answer["statusInfo"]["additionalInfo"]
        (check,) = await it.shown("certificate-checks")
        assert (check["status"], check["verified"]) == ("failed", False)
        assert why in check["why"]


async def test_nobody_is_asked_whom_the_operator_has_not_named(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        contracts = it.box.outfit.contracts
        hashes = there.authority.hashes_of(there.authority.contract("one"))
        here = f"127.0.0.1:{there.port}"
        for url, why in (
            (f"http://localhost:{there.port}/ocsp", "does not name localhost"),
            ("http://127.0.0.1/ocsp", "does not name 127.0.0.1:80"),
            (f"http://somebody:secret@{here}/ocsp", "has a user in it"),
            (f"file://{here}/etc/passwd", "neither http nor https"),
            ("http://[::1", "can't be read"),
            (f"http://169.254.169.254#@{here}/", "does not name 169.254.169.254"),
        ):
            await it.tell(contracts.ask_status(hashes, url))
            assert why in contracts.answers[-1][1]["statusInfo"]["additionalInfo"], url
        await it.tell(contracts.ask_status({**hashes, "serialNumber": "no number"}, there.url))
        assert "are wrong" in contracts.answers[-1][1]["statusInfo"]["additionalInfo"]
        assert there.asked == 0
        assert len(await it.shown("certificate-checks", status="failed")) == 7


async def test_a_slow_responder_holds_up_its_station_alone(sqlite_url: str, tmp_path: Path) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        there.mood = "slow"
        made = await it.house.station("ST-2", "A")
        link = await it.house.connect("ST-2", made["password"], "ocpp2.0.1")
        hashes = there.authority.hashes_of(there.authority.contract("one"))
        asking = asyncio.create_task(it.tell(it.box.outfit.contracts.ask_status(hashes, there.url)))
        async with asyncio.timeout(60):
            while not there.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await link.send('[2,"1","Authorize",{"idToken":{"idToken":"X","type":"Central"}}]')
        assert b'"Unknown"' in (await link.recv()).encode()
        assert not asking.done()
        await asking
        assert it.box.outfit.contracts.answers[-1][1]["status"] == "Accepted"


async def asked_by_hand(it: Talking, there: Responder) -> MemoryLink:
    """Connects a second station, which asks about a certificate; returns its link."""
    made = await it.house.station("ST-2", "A")
    link = await it.house.connect("ST-2", made["password"], "ocpp2.0.1")
    hashes = there.authority.hashes_of(there.authority.contract("one"))
    asked = {"ocspRequestData": {**hashes, "responderURL": there.url}}
    await link.send(frame([2, "1", "GetCertificateStatus", asked]))
    return link


async def test_a_station_that_leaves_meanwhile_is_not_waited_for(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        there.mood = "silent"
        link = await asked_by_hand(it, there)
        async with asyncio.timeout(60):
            while not there.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await link.close()
        async with asyncio.timeout(2):
            await it.house.activity.quiet()
        assert (await it.house.get("/stations/ST-2/certificate-checks"))["items"] == []


async def test_an_errand_that_breaks_is_an_internal_error(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: Any) -> Any:
        raise RuntimeError("as no errand should")

    monkeypatch.setattr(errands.CertificateErrands, "_find", break_down)
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        link = await asked_by_hand(it, there)
        assert '"InternalError"' in await link.recv()
        await link.send('[2,"2","Heartbeat",{}]')
        assert "currentTime" in await link.recv()


async def test_a_whole_chain_is_asked_about_at_once(database_url: str, tmp_path: Path) -> None:
    async with trusting(database_url, "ocpp2.1", tmp_path) as (it, there):
        contracts = it.box.outfit.contracts
        good, gone = (there.authority.contract(name) for name in ("one", "two"))
        there.revoked.add(gone.serial_number)
        asked = [there.authority.hashes_of(each) for each in (good, gone)]
        await it.tell(contracts.ask_chain(asked, "http://nowhere.example/ocsp", there.url))
        told = contracts.answers[-1][1]["certificateStatus"]
        assert [each["status"] for each in told] == ["Good", "Revoked"]
        assert [each["certificateHashData"] for each in told] == asked
        checks = await it.shown("certificate-checks", purpose="chain")
        assert [each["status"] for each in checks] == ["revoked", "good"]


async def test_lists_of_the_revoked_are_read(sqlite_url: str, tmp_path: Path) -> None:
    async with trusting(sqlite_url, "ocpp2.1", tmp_path) as (it, there):
        contracts = it.box.outfit.contracts
        good, gone = (there.authority.contract(name) for name in ("one", "two"))
        there.revoked.add(gone.serial_number)
        asked = [there.authority.hashes_of(each) for each in (good, gone)]
        there.mood = "wordy"
        await it.tell(contracts.ask_chain(asked, f"{there.url[:-4]}crl", source="CRL"))
        told = contracts.answers[-1][1]["certificateStatus"]
        assert [each["status"] for each in told] == ["Good", "Revoked"]
        there.mood = "willing"
        await it.tell(contracts.ask_chain(asked, f"{there.url[:-4]}crl?2", source="CRL"))
        told = contracts.answers[-1][1]["certificateStatus"]
        assert [each["status"] for each in told] == ["Good", "Revoked"]
        there.mood = "broken"
        await it.tell(contracts.ask_chain(asked[:1], f"{there.url[:-4]}crl?3", source="CRL"))
        assert contracts.answers[-1][1]["certificateStatus"][0]["status"] == "Failed"
        other = {**asked[0], "issuerNameHash": "00" * 32}
        there.mood = "willing"
        await it.tell(contracts.ask_chain([other], f"{there.url[:-4]}crl", source="CRL"))
        assert contracts.answers[-1][1]["certificateStatus"][0]["status"] == "Failed"
        checks = await it.shown("certificate-checks")
        assert [each["status"] for each in checks] == [
            *("failed", "failed"),
            *("revoked", "good"),
            *("revoked", "good"),
        ]
        assert "of another issuer" in checks[0]["why"]
        assert "no list of the revoked" in checks[1]["why"]
        assert all(each["verified"] for each in checks[2:])


@ON_2X
async def test_a_contract_charges_while_it_is_good(
    database_url: str, version: str, tmp_path: Path
) -> None:
    async with trusting(database_url, version, tmp_path) as (it, there):
        good, gone = (there.authority.contract(EMAID) for _ in range(2))
        there.revoked.add(gone.serial_number)
        answer = await shown_by(it, good, there)
        assert answer["certificateStatus"] == "Accepted"
        assert answer["idTokenInfo"]["status"] == "Accepted"
        answer = await shown_by(it, gone, there)
        assert answer["certificateStatus"] == "CertificateRevoked"
        assert answer["idTokenInfo"]["status"] == "Invalid"
        there.mood = "broken"
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "NoCertificateAvailable"
        assert answer["idTokenInfo"]["status"] == "Invalid"
        there.mood = "delegating"
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "Accepted"
        checks = await it.shown("certificate-checks", purpose="token")
        assert [each["status"] for each in checks] == ["good", "failed", "revoked", "good"]


async def test_an_old_answer_and_an_old_signer_are_not_believed(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        hour = timedelta(hours=1)
        there.holds = None
        there.said_at = RealClock().now() - hour / 2
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "Accepted"
        there.said_at = RealClock().now() - hour
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "NoCertificateAvailable"
        there.mood, there.holds = "delegating", timedelta(days=30)
        there.said_at = RealClock().now() - 36 * hour
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "Accepted"
        there.authority.delegate = there.authority.old_delegate()
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "NoCertificateAvailable"
        checks = await it.shown("certificate-checks")
        assert "nobody who is trusted" in checks[0]["why"]
        assert "too old" in checks[2]["why"]


async def test_who_is_not_trusted_can_vouch_for_nobody(sqlite_url: str, tmp_path: Path) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        there.authority = Mobility(there.url)
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "NoCertificateAvailable"
        assert answer["idTokenInfo"]["status"] == "Invalid"
        (check,) = await it.shown("certificate-checks")
        assert (check["status"], check["verified"]) == ("good", False)
        assert "nobody who is trusted" in check["why"]


async def test_where_nobody_is_to_be_asked_the_token_alone_counts(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path, asks=False) as (it, there):
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "NoCertificateAvailable"
        assert answer["idTokenInfo"]["status"] == "Accepted"
        await it.tell(it.box.outfit.contracts.show("DEHEL0000000000"))
        answer = it.box.outfit.contracts.answers[-1][1]
        assert answer == {"idTokenInfo": {"status": "Unknown"}}
        assert there.asked == 0


async def test_a_site_that_takes_no_contracts_says_so(sqlite_url: str, tmp_path: Path) -> None:
    async with trusting(sqlite_url, "ocpp2.0.1", tmp_path) as (it, there):
        await it.house.patch("/sites/A", {"plug_and_charge": False})
        answer = await shown_by(it, there.authority.contract(EMAID), there)
        assert answer["certificateStatus"] == "NoCertificateAvailable"
        assert answer["idTokenInfo"]["status"] == "NotAllowedTypeEVSE"


@ON_2X
async def test_the_house_judges_a_chain_itself(
    sqlite_url: str, version: str, tmp_path: Path
) -> None:
    async with trusting(sqlite_url, version, tmp_path) as (it, there):
        contracts = it.box.outfit.contracts
        gone = there.authority.contract(EMAID)
        there.revoked.add(gone.serial_number)
        for certificate, status in (
            (pem(there.authority.contract(EMAID)), "Accepted"),
            (pem(gone), "CertificateRevoked"),
            (pem(there.authority.contract(EMAID, ends=-timedelta(days=1))), "CertificateExpired"),
            (pem(Mobility(there.url).contract(EMAID)), "CertChainError"),
            (pem(there.authority.contract("DEHEL0000000009")), "CertChainError"),
            (pem(there.authority.contract(EMAID)) + there.authority.pem, "Accepted"),
            ("no certificate", "CertChainError"),
            (of_no_version(), "CertChainError"),
            (of_one_extension_twice(), "CertChainError"),
            (of_a_strange_name(), "CertChainError"),
        ):
            await it.tell(contracts.show(EMAID, chain=certificate))
            answer = contracts.answers[-1][1]
            assert answer["certificateStatus"] == status
            wanted = "Accepted" if status == "Accepted" else "Invalid"
            assert answer["idTokenInfo"]["status"] == wanted


@ON_2X
async def test_contracts_come_from_the_pool(
    database_url: str, version: str, tmp_path: Path
) -> None:
    async with trusting(database_url, version, tmp_path) as (it, there):
        contracts = it.box.outfit.contracts
        exi = base64.b64encode(b"install it").decode()
        more = {"maximumContractCertificateChains": 2, "prioritizedEMAIDs": [EMAID]}
        await it.tell(contracts.ask_contract(exi, **(more if version == "ocpp2.1" else {})))
        answer = contracts.answers[-1][1]
        assert (answer["status"], answer["exiResponse"]) == ("Accepted", CONTRACT)
        assert answer.get("remainingContracts") == (1 if version == "ocpp2.1" else None)
        (asked,) = there.pool_asked
        assert (asked["station"], asked["action"], asked["exi_request"]) == ("ST-1", "Install", exi)
        there.mood = "refusing"
        await it.tell(contracts.ask_contract(exi, "Update"))
        there.mood = "broken"
        await it.tell(contracts.ask_contract(exi, "Update"))
        answers = [each for _, each in contracts.answers[1:]]
        assert [each["status"] for each in answers] == ["Failed", "Failed"]
        assert answers[0]["statusInfo"]["additionalInfo"] == "no such contract"
        kept = await it.shown("contract-requests")
        assert [each["action"] for each in kept] == ["Update", "Update", "Install"]
        assert [each["status"] for each in kept] == ["Failed", "Failed", "Accepted"]
        assert "makes no sense" in kept[0]["why"]
        assert kept[2]["exi_response"] == CONTRACT


@ON_2X
async def test_without_a_pool_the_answer_is_no_and_says_why(sqlite_url: str, version: str) -> None:
    async with talking(sqlite_url, version) as it:
        await it.tell(it.box.outfit.contracts.ask_contract("QUJD"))
        answer = it.box.outfit.contracts.answers[-1][1]
        assert (answer["status"], answer["exiResponse"]) == ("Failed", "")
        assert "contract_pool_url" in answer["statusInfo"]["additionalInfo"]
        (kept,) = await it.shown("contract-requests")
        assert (kept["status"], kept["exi_request"]) == ("Failed", "QUJD")
        driver = it.house.client(await it.house.key("driver"))
        shown = await driver.get("/api/v1/stations/ST-1/contract-requests")
        assert shown.json()["items"][0]["exi_request"] == "********"
        await it.house.get("/stations/nobody/certificate-checks", 404)
        await it.house.get("/stations/nobody/contract-requests", 404)
