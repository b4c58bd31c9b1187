"""OCPP 2.0.1, blocks L and M: the certification programme's cases for central systems."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.clocks import RealClock
from tests.builders.played_sessions import Session
from tests.builders.played_station import PlayedStation, now

LOCATION = "https://fw.example.org/box-2.0.bin"
LATER = f"{RealClock().now() + timedelta(days=20):%Y-%m-%dT03:00:00Z}"
UPDATES = "/stations/CP-1/firmware-updates"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SIGNED = {"location": LOCATION, "signing_certificate": PEM, "signature": "c2lnbmF0dXJl"}
HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa",
    "issuerKeyHash": "bb",
    "serialNumber": "01",
}


async def asked(cs: PlayedStation, reply: str = "Accepted", **more: Any) -> tuple[str, int]:
    """Asks for a signed update as a user does; returns its path and the station's number."""
    cs.replies["UpdateFirmware"] = {"status": reply}
    made = await cs.house.post(UPDATES, SIGNED | more)
    sent = await cs.expect("UpdateFirmware")
    firmware = sent["firmware"]
    assert (firmware["location"], firmware["signature"]) == (LOCATION, SIGNED["signature"])
    assert firmware["signingCertificate"] == PEM
    return f"{UPDATES}/{made['id']}", sent["requestId"]


async def tell(cs: PlayedStation, request_id: int, *statuses: str) -> None:
    """Tells how an update goes on."""
    for status in statuses:
        payload = {"status": status, "requestId": request_id}
        assert await cs.call("FirmwareStatusNotification", payload) == {}


async def installs(cs: PlayedStation, path: str, request_id: int) -> None:
    """The rest of an update from the verified signature on."""
    await tell(cs, request_id, "SignatureVerified", "Installing", "InstallRebooting")
    await cs.come_back()
    assert (await cs.boot("FirmwareUpdate"))["status"] == "Accepted"
    await tell(cs, request_id, "Installed")
    await cs.until(path, state="installed")


async def test_tc_l_01_csms_secure_update_installed(cs: PlayedStation) -> None:
    """UpdateFirmware with certificate and signature, each step told, and Installed."""
    path, request_id = await asked(cs)
    await tell(cs, request_id, "Downloading", "Downloaded")
    await installs(cs, path, request_id)


async def test_tc_l_02_csms_secure_update_install_scheduled(cs: PlayedStation) -> None:
    """The installation is to come later."""
    path, request_id = await asked(cs, install_at=LATER)
    assert cs.heard[-1][1]["firmware"]["installDateTime"] == LATER
    await tell(cs, request_id, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled")
    assert (await cs.until(path, status="InstallScheduled"))["state"] == "running"
    await installs(cs, path, request_id)


async def test_tc_l_03_csms_secure_update_download_scheduled(cs: PlayedStation) -> None:
    """The download is to come later."""
    path, request_id = await asked(cs, retrieve_at=LATER)
    assert cs.heard[-1][1]["firmware"]["retrieveDateTime"] == LATER
    await tell(cs, request_id, "DownloadScheduled", "Downloading", "Downloaded")
    await installs(cs, path, request_id)


async def refused(cs: PlayedStation, reply: str) -> None:
    """The station does not take the update, and tells why by a security event."""
    path, _ = await asked(cs, reply)
    event = {"type": "InvalidFirmwareSigningCertificate", "timestamp": now()}
    assert await cs.call("SecurityEventNotification", event) == {}
    await cs.until(path, state="refused")
    await cs.house.activity.quiet()
    (kept,) = (await cs.house.get("/stations/CP-1/security-events"))["items"]
    assert kept["type"] == event["type"]


async def test_tc_l_04_csms_secure_update_revoked_certificate(cs: PlayedStation) -> None:
    """UpdateFirmware, answered RevokedCertificate."""
    await refused(cs, "RevokedCertificate")


async def test_tc_l_05_csms_secure_update_invalid_certificate(cs: PlayedStation) -> None:
    """UpdateFirmware, answered InvalidCertificate."""
    await refused(cs, "InvalidCertificate")


async def fails(cs: PlayedStation, *statuses: str) -> None:
    """An update whose last status says that it has failed."""
    path, request_id = await asked(cs)
    await tell(cs, request_id, *statuses)
    await cs.until(path, state="failed", status=statuses[-1])


async def test_tc_l_06_csms_secure_update_invalid_signature(cs: PlayedStation) -> None:
    """The signature is wrong."""
    await fails(cs, "Downloading", "Downloaded", "InvalidSignature")


async def test_tc_l_07_csms_secure_update_download_failed(cs: PlayedStation) -> None:
    """The download fails."""
    await fails(cs, "Downloading", "DownloadFailed")


async def test_tc_l_08_csms_secure_update_install_verification_failed(cs: PlayedStation) -> None:
    """What was installed is not what it should be."""
    await fails(cs, "Downloading", "Downloaded", "SignatureVerified", "InstallVerificationFailed")


async def test_tc_l_09_csms_secure_update_installation_failed(cs: PlayedStation) -> None:
    """The installation fails."""
    steps = ("Downloading", "Downloaded", "SignatureVerified", "Installing")
    await fails(cs, *steps, "InstallationFailed")


async def test_tc_l_13_csms_secure_update_with_transaction(cs: PlayedStation) -> None:
    """The update waits for the session to end."""
    session = Session(cs)
    await session.charging()
    path, request_id = await asked(cs)
    await tell(cs, request_id, "DownloadScheduled")
    await session.over("StopAuthorized", "Local")
    await tell(cs, request_id, "Downloading", "Downloaded")
    await installs(cs, path, request_id)


PUBLISHED = {"location": LOCATION, "checksum": "d41d8cd98f00b204e9800998ecf8427e", "requestId": 3}


async def publishes(cs: PlayedStation, *statuses: str) -> None:
    """PublishFirmware, and how it goes on."""
    await cs.order("PublishFirmware", PUBLISHED)
    for status in statuses:
        payload: dict[str, Any] = {"status": status, "requestId": 3}
        payload |= {"location": [LOCATION]} if status == "Published" else {}
        assert await cs.call("PublishFirmwareStatusNotification", payload) == {}
    kept = await cs.messages("PublishFirmwareStatusNotification")
    assert {each["payload"]["status"] for each in kept} == set(statuses)


async def test_tc_l_17_csms_publish_firmware_published(cs: PlayedStation) -> None:
    """A local controller publishes firmware."""
    await publishes(cs, "Downloading", "Downloaded", "ChecksumVerified", "Published")


async def test_tc_l_19_csms_publish_firmware_invalid_checksum(cs: PlayedStation) -> None:
    """The checksum is wrong."""
    await publishes(cs, "Downloading", "Downloaded", "InvalidChecksum")


async def test_tc_l_20_csms_publish_firmware_failed(cs: PlayedStation) -> None:
    """It can not be published."""
    await publishes(cs, "Downloading", "Downloaded", "ChecksumVerified", "PublishFailed")


async def unpublishes(cs: PlayedStation, status: str) -> None:
    """UnpublishFirmware, and the answer."""
    await cs.order("UnpublishFirmware", {"checksum": PUBLISHED["checksum"]}, {"status": status})


async def test_tc_l_21_csms_unpublish_firmware_unpublished(cs: PlayedStation) -> None:
    """It is published no more."""
    await unpublishes(cs, "Unpublished")


async def test_tc_l_22_csms_unpublish_firmware_no_firmware(cs: PlayedStation) -> None:
    """There is none."""
    await unpublishes(cs, "NoFirmware")


async def test_tc_l_23_csms_unpublish_firmware_download_ongoing(cs: PlayedStation) -> None:
    """Somebody is fetching it."""
    await unpublishes(cs, "DownloadOngoing")


async def test_tc_l_24_csms_publish_firmware_download_failed(cs: PlayedStation) -> None:
    """The download fails."""
    await publishes(cs, "Downloading", "DownloadFailed")


async def installs_root(cs: PlayedStation, kind: str, status: str = "Accepted") -> None:
    """InstallCertificate, and the answer."""
    wanted = {"certificateType": kind, "certificate": PEM}
    await cs.order("InstallCertificate", wanted, {"status": status})


async def test_tc_m_01_csms_install_csms_root(cs: PlayedStation) -> None:
    """The root of central systems."""
    await installs_root(cs, "CSMSRootCertificate")


async def test_tc_m_02_csms_install_manufacturer_root(cs: PlayedStation) -> None:
    """The root of the manufacturer."""
    await installs_root(cs, "ManufacturerRootCertificate")


async def test_tc_m_03_csms_install_v2g_root(cs: PlayedStation) -> None:
    """The root of vehicles and grid."""
    await installs_root(cs, "V2GRootCertificate")


async def test_tc_m_04_csms_install_mo_root(cs: PlayedStation) -> None:
    """The root of a mobility operator."""
    await installs_root(cs, "MORootCertificate")


@pytest.mark.parametrize("status", ["Rejected", "Failed"])
async def test_tc_m_05_csms_install_failed(cs: PlayedStation, status: str) -> None:
    """InstallCertificate, answered Rejected or Failed."""
    await installs_root(cs, "CSMSRootCertificate", status)


async def lists(cs: PlayedStation, *kinds: str) -> None:
    """GetInstalledCertificateIds of some kinds; none are all."""
    wanted = {"certificateType": list(kinds)} if kinds else {}
    found = [
        {"certificateType": kind, "certificateHashData": HASHES}
        for kind in kinds or ("CSMSRootCertificate", "V2GRootCertificate")
    ]
    reply = {"status": "Accepted", "certificateHashDataChain": found}
    await cs.order("GetInstalledCertificateIds", wanted, reply)


async def test_tc_m_12_csms_retrieve_csms_root(cs: PlayedStation) -> None:
    """The roots of central systems."""
    await lists(cs, "CSMSRootCertificate")


async def test_tc_m_13_csms_retrieve_manufacturer_root(cs: PlayedStation) -> None:
    """The roots of the manufacturer."""
    await lists(cs, "ManufacturerRootCertificate")


async def test_tc_m_14_csms_retrieve_v2g_root(cs: PlayedStation) -> None:
    """The roots of vehicles and grid."""
    await lists(cs, "V2GRootCertificate")


async def test_tc_m_15_csms_retrieve_v2g_chain(cs: PlayedStation) -> None:
    """The station's own chain towards vehicles."""
    await lists(cs, "V2GCertificateChain")


async def test_tc_m_16_csms_retrieve_mo_root(cs: PlayedStation) -> None:
    """The roots of mobility operators."""
    await lists(cs, "MORootCertificate")


async def test_tc_m_17_csms_retrieve_csms_and_manufacturer_root(cs: PlayedStation) -> None:
    """Two kinds at once."""
    await lists(cs, "CSMSRootCertificate", "ManufacturerRootCertificate")


async def test_tc_m_18_csms_retrieve_all(cs: PlayedStation) -> None:
    """All kinds."""
    await lists(cs)


async def test_tc_m_19_csms_retrieve_no_match(cs: PlayedStation) -> None:
    """There is none, answered NotFound."""
    wanted = {"certificateType": ["MORootCertificate"]}
    await cs.order("GetInstalledCertificateIds", wanted, {"status": "NotFound"})


async def test_tc_m_20_csms_delete_certificate_success(cs: PlayedStation) -> None:
    """DeleteCertificate of one that is there."""
    await cs.order("DeleteCertificate", {"certificateHashData": HASHES})


@pytest.mark.parametrize("status", ["Failed", "NotFound"])
async def test_tc_m_21_csms_delete_certificate_failed(cs: PlayedStation, status: str) -> None:
    """DeleteCertificate, answered Failed or NotFound."""
    await cs.order("DeleteCertificate", {"certificateHashData": HASHES}, {"status": status})


async def replaced(cs: PlayedStation, status: str) -> None:
    """Another UpdateFirmware while one is under way; the first goes on to be told of."""
    path, request_id = await asked(cs)
    await tell(cs, request_id, "Downloading")
    another = {
        "requestId": request_id + 1_000,
        "firmware": {"location": LOCATION, "retrieveDateTime": now()},
    }
    await cs.order("UpdateFirmware", another, {"status": status})
    assert (await cs.house.get(path))["status"] == "Downloading"


async def test_tc_l_10_csms_secure_update_accepted_canceled(cs: PlayedStation) -> None:
    """The station gives up the first for the second."""
    await replaced(cs, "AcceptedCanceled")


async def test_tc_l_11_csms_secure_update_unable_to_cancel(cs: PlayedStation) -> None:
    """The station can not give up the first."""
    await replaced(cs, "Rejected")
