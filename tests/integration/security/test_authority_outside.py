"""Certificates of stations that an authority outside signs, over real HTTPS."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csms.app import House, real_times
from csms.certificates import read_certificate, read_request
from csms.config import Settings
from csms.keyring import Keyring
from csms.security import est as est_module
from csms.security.est import EstAccess, EstAuthority
from models.errors import BadInput, Unavailable
from simulators import keys
from simulators.notices import SignRequest
from tests.builders.est_server import PASSWORD, USER, EstServer, est_server, packed
from tests.builders.tls_house import tls_house
from tests.builders.waiting import eventually

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


@pytest.fixture
def est(tmp_path: Path) -> Iterator[EstServer]:
    with est_server(tmp_path) as server:
        yield server


def authority_of(est: EstServer, **changed: Any) -> EstAuthority:
    access = {"url": est.url, "user": USER, "password": PASSWORD, "ca": est.web.ca}
    return EstAuthority(EstAccess(**(access | changed)))


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_station_comes_by_a_certificate_that_was_signed_outside(
    sqlite_url: str, tmp_path: Path, est: EstServer, subprotocol: str
) -> None:
    options: dict[str, Any] = {
        "outside": authority_of(est),
        "ocpp_tls_client_ca": est.pki.ca,
    }
    async with tls_house(sqlite_url, tmp_path, **options) as door:
        box = await door.box("CP-1", subprotocol, profile=2)
        await door.house.post("/stations/CP-1/certificates/renew", None, 202)
        await door.certificate("CP-1", "installed")
        await door.house.patch("/stations/CP-1", {"security_profile": 3})
        box.credentials.profile = 3
        used = await door.certificate("CP-1", "in-use")
        assert (used["issued_here"], used["issuer"]) == (True, "CN=Outside root")
        await eventually(lambda: box.line.online)
        assert est.asked == ["CP-1"]
        shown = await door.house.get("/certificate-authority")
        assert shown["certificate"] == est.pki.ca.read_text()


async def test_what_may_not_be_signed_is_not_asked_for_outside(
    sqlite_url: str, tmp_path: Path, est: EstServer
) -> None:
    async with tls_house(sqlite_url, tmp_path, outside=authority_of(est)) as door:
        box = await door.box("CP-1")
        box.station.outbox.append(SignRequest(keys.ask("CP-2", "Heliofleet").csr))
        await door.certificate("CP-1", "refused")
        assert est.asked == []


async def test_a_refusal_outside_is_told(sqlite_url: str, tmp_path: Path, est: EstServer) -> None:
    est.answers.append((403, b"not this week"))
    async with tls_house(sqlite_url, tmp_path, outside=authority_of(est)) as door:
        await door.box("CP-1", profile=2)
        await door.house.post("/stations/CP-1/certificates/renew", None, 202)
        failed = await door.certificate("CP-1", "failed")
        assert "could not be signed" in failed["why"]
        assert "403 not this week" in failed["why"]


def a_request() -> Any:
    return read_request(keys.ask("CP-1", "Op").csr)


async def test_the_chain_is_of_the_request_and_without_the_root(est: EstServer) -> None:
    request = a_request()
    chain = await authority_of(est).sign(request)
    assert chain.count("BEGIN CERTIFICATE") == 1
    made = read_certificate(chain)
    assert (made.common_name, made.organisation) == ("CP-1", "Op")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((202, b""), "agree first"),
        ((500, b"<html>oh</html>"), "500"),
        ((302, b""), "302"),
        ((200, b"no base64 at all!"), "no base64"),
        ((200, base64.b64encode(b"no certificates")), "PKCS#7"),
        ((200, b"A" * 300_000), "more than"),
    ],
)
async def test_an_answer_of_no_use_is_named(
    est: EstServer, answer: tuple[int, bytes], why: str
) -> None:
    est.answers.append(answer)
    with pytest.raises(Unavailable, match=why):
        await authority_of(est).sign(a_request())


async def test_an_answer_that_drips_is_given_up(
    est: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(est_module, "_TIMEOUT_S", 0.5)
    est.answers.append((200, b"A" * 30))
    est.pause_s = 0.1
    with pytest.raises(Unavailable, match=r"does not answer within 0\.5 s"):
        await authority_of(est).sign(a_request())


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_without_end_is_not_read_to_its_end(est: EstServer, status: int) -> None:
    est.answers.append((status, b"A" * 50_000_000))
    with pytest.raises(Unavailable, match="more than 262144 bytes"):
        await authority_of(est).sign(a_request())
    assert est.written < 40_000_000


@pytest.mark.parametrize("changed", ["name", "organisation", "key"])
async def test_what_was_not_asked_for_is_not_taken(est: EstServer, changed: str) -> None:
    values = {"name": "CP-2", "organisation": "Acme", "key": est.pki.key.public_key()}
    est.changed[changed] = values[changed]
    with pytest.raises(Unavailable, match="asked for"):
        await authority_of(est).sign(a_request())


async def test_an_answer_without_the_certificate_is_not_taken(est: EstServer) -> None:
    est.answers.append((200, packed([est.pki.certificate])))
    with pytest.raises(Unavailable, match="the key that was asked for"):
        await authority_of(est).sign(a_request())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"password": "wrong"}, "401 who are you"),
        ({"user": None}, "401"),
        ({"ca": None}, "can't be reached"),
        ({"url": "https://127.0.0.1:1/.well-known/est"}, "can't be reached"),
    ],
)
async def test_whoever_is_not_let_in_or_not_to_be_trusted_gets_nothing(
    est: EstServer, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unavailable, match=why):
        await authority_of(est, **changed).sign(a_request())
    assert est.asked == []


@pytest.mark.parametrize("name", ["ca", "certificate"])
def test_a_file_that_is_no_use_is_named(est: EstServer, tmp_path: Path, name: str) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    with pytest.raises(BadInput, match=f"est_{name}"):
        authority_of(est, **{name: bad})


async def test_a_house_of_the_settings_has_its_certificates_signed_outside(
    sqlite_url: str, tmp_path: Path, est: EstServer
) -> None:
    certificate, key = est.web.server("rsa")
    settings = Settings.model_validate(
        {
            "database_url": sqlite_url,
            "ocpp_tls_port": 0,
            "ocpp_tls_certificate": [certificate],
            "ocpp_tls_key": [key],
            "ocpp_tls_client_ca": est.pki.ca,
            "est_url": est.url,
            "est_user": USER,
            "est_password": PASSWORD,
            "est_ca": est.web.ca,
            "upload_directory": tmp_path / "up",
        }
    )
    house = House(settings, real_times(), Keyring(b"k" * 32), controlled=False)
    await house.start()
    try:
        port = await house.gateway.start_tls("127.0.0.1", 0)
        context = ssl.create_default_context(cafile=str(est.web.ca))
        # A station of the outside authority passes the handshake.
        context.load_cert_chain(*est.pki.station("CP-1"))
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.close()
        authority = house.api.state.services.authority
        assert await authority.root() == est.pki.ca.read_text()
    finally:
        await house.stop()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"est_url": "http://ca/est"}, "https"),
        ({"est_url": "https://ca/est"}, "ocpp_tls_client_ca"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Settings.model_validate(values)
