"""Certificates of stations, from the request to the login, over real sockets and REST."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators import keys
from simulators.notices import SignRequest
from tests.builders.pki import Pki
from tests.builders.tls_house import TlsHouse
from tests.builders.waiting import eventually

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_station_gets_a_certificate_and_comes_back_with_it(
    door_on_both: TlsHouse, subprotocol: str
) -> None:
    door = door_on_both
    box = await door.box("CP-1", subprotocol, profile=2)
    asked = await door.house.post("/stations/CP-1/certificates/renew", None, 202)
    assert asked["status"] == "asked"
    installed = await door.certificate("CP-1", "installed")
    assert installed["issued_here"] is True
    assert box.credentials.certified
    await door.house.patch("/stations/CP-1", {"security_profile": 3})
    box.credentials.profile = 3
    used = await door.certificate("CP-1", "in-use")
    assert used["id"] == installed["id"]
    await eventually(lambda: box.line.online)
    assert box.checks.complaints == []
    assert await door.house.events(f"certificate/{used['id']}") == [
        "certificate.requested",
        "certificate.sent",
        "certificate.installed",
        "certificate.used",
    ]


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_certificate_is_renewed_and_the_old_one_revoked(
    door: TlsHouse, subprotocol: str
) -> None:
    box = await door.box("CP-1", subprotocol, profile=2)
    await door.house.post("/stations/CP-1/certificates/renew", None, 202)
    await door.certificate("CP-1", "installed")
    await door.house.patch("/stations/CP-1", {"security_profile": 3})
    box.credentials.profile = 3
    first = await door.certificate("CP-1", "in-use")
    await eventually(lambda: box.line.online)
    await door.house.post("/stations/CP-1/certificates/renew", None, 202)
    await eventually(lambda: _two_in_use(door))
    second = (await door.certificates("CP-1"))[0]
    assert second["fingerprint"] != first["fingerprint"]
    await eventually(lambda: box.line.online)
    path = f"/stations/CP-1/certificates/{first['id']}/revoke"
    revoked = await door.house.post(path, None, 200)
    assert revoked["status"] == "revoked"
    assert door.house.gateway.online("CP-1")
    path = f"/stations/CP-1/certificates/{second['id']}/revoke"
    await door.house.post(path, None, 200)
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    await eventually(lambda: "401" in box.line.refused)
    await door.house.activity.quiet()
    events = (await door.house.get("/stations/CP-1/security-events"))["items"]
    assert events[0]["type"] == "certificate-revoked"


async def _two_in_use(door: TlsHouse) -> bool:
    found = await door.certificates("CP-1")
    return [each["status"] for each in found] == ["in-use", "in-use"]


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_request_for_another_station_is_refused_and_noted(
    door: TlsHouse, subprotocol: str
) -> None:
    await door.box("CP-2", subprotocol)
    box = await door.box("CP-1", subprotocol)
    for name, organisation in (("CP-2", "Heliofleet"), ("CP-1", "Acme")):
        box.station.outbox.append(SignRequest(keys.ask(name, organisation).csr))
    box.station.outbox.append(SignRequest("nonsense"))

    async def all_judged() -> bool:
        return len(await door.certificates("CP-1")) == 3

    await eventually(all_judged)
    found = await door.certificates("CP-1")
    assert [each["status"] for each in found] == ["refused"] * 3
    whys = " ".join(each["why"] for each in found)
    assert "its CN is CP-2" in whys
    assert "its O is Acme" in whys
    assert "no certificate signing request" in whys
    events = (await door.house.get("/stations/CP-1/security-events"))["items"]
    assert [each["type"] for each in events] == ["certificate-request-refused"] * 3
    messages = (await door.house.get("/stations/CP-1/messages", action="CertificateSigned"))[
        "items"
    ]
    assert messages == []


async def test_what_a_station_does_not_take_is_told(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    box.station.outbox.append(SignRequest(keys.ask("CP-1", "Heliofleet").csr))
    failed = await door.certificate("CP-1", "failed")
    assert "Rejected" in failed["why"]


async def test_a_certificate_that_is_not_signed_yet_can_not_be_revoked(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    box.station.outbox.append(SignRequest("nonsense"))
    refused = await door.certificate("CP-1", "refused")
    path = f"/stations/CP-1/certificates/{refused['id']}/revoke"
    assert (await door.house.post(path, None, 409))["code"] == "no-certificate"
    await door.house.post("/stations/CP-1/certificates/none/revoke", None, 404)


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_roots_are_installed_listed_and_deleted(
    door: TlsHouse, subprotocol: str, tmp_path: Path
) -> None:
    box = await door.box("CP-1", subprotocol)
    address = "/stations/CP-1/root-certificates"
    listed = await door.house.get(address)
    assert listed["response"]["status"] == "NotFound"
    root = Pki(tmp_path / "root").ca.read_text()
    answer = await door.house.post(address, {"certificate": root}, 200)
    assert answer == {"status": "answered", "response": {"status": "Accepted"}}
    assert box.credentials.roots["csms"] == [root]
    found = (await door.house.get(address, use="csms"))["response"]
    name = (
        found["certificateHashData"][0]
        if subprotocol == "ocpp1.6"
        else found["certificateHashDataChain"][0]["certificateHashData"]
    )
    named = {
        "hash_algorithm": name["hashAlgorithm"],
        "issuer_name_hash": name["issuerNameHash"],
        "issuer_key_hash": name["issuerKeyHash"],
        "serial_number": name["serialNumber"],
    }
    answer = await door.house.post(f"{address}/delete", named, 200)
    assert answer["response"] == {"status": "Accepted"}
    assert box.credentials.roots["csms"] == []
    assert box.checks.complaints == []


async def test_bad_input_about_certificates_is_named(door: TlsHouse) -> None:
    await door.house.get("/stations/none/certificates", 404)
    await door.house.post("/stations/none/certificates/renew", None, 404)
    box = await door.box("CP-1")
    address = "/stations/CP-1/root-certificates"
    wrong = await door.house.post(address, {"certificate": "x"}, 422)
    assert wrong["errors"][0]["field"] == "/certificate"
    wrong = await door.house.post(address, {"certificate": "x", "use": "mine"}, 422)
    assert wrong["errors"][0]["field"] == "/use"
    await box.stop()
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    root = door.pki.ca.read_text()
    offline = await door.house.post(address, {"certificate": root}, 409)
    assert offline["code"] == "station-offline"


async def test_the_root_of_the_house_is_shown_and_stays(door: TlsHouse) -> None:
    root = (await door.house.get("/certificate-authority"))["certificate"]
    assert keys.identify(root) is not None
    assert (await door.house.get("/certificate-authority"))["certificate"] == root


async def test_certificates_of_a_deleted_station_do_not_open_for_its_successor(
    door: TlsHouse,
) -> None:
    box = await door.box("CP-1", profile=2)
    await door.house.post("/stations/CP-1/certificates/renew", None, 202)
    await door.certificate("CP-1", "installed")
    await box.stop()
    await door.house.delete("/stations/CP-1")
    await door.house.station("CP-1", "A", security_profile=3)
    box.credentials.profile = 3
    box.go_on()
    await eventually(lambda: "401" in box.line.refused)
    assert not door.house.gateway.online("CP-1")
