"""OCPP 1.6, lists and firmware: the certification programme's cases for central systems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from csms.access.reactions import lists
from tests.builders.played_station import ACCEPTED, PlayedStation, now, played_station

LOCATION = "https://fw.example.org/box-2.0.bin"
UPDATES = "/stations/CP-1/firmware-updates"


@pytest.fixture
async def listing(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PlayedStation]:
    """A charge point that is to have a list of tokens, and has not come yet."""
    monkeypatch.setattr(lists, "GATHERING", timedelta(seconds=0.1))
    async with played_station(sqlite_url, "1.6", come=False, local_list=True) as cp:
        cp.replies["GetLocalListVersion"] = {"listVersion": 0}
        yield cp


async def test_tc_042_1_csms_get_local_list_version_not_supported(
    listing: PlayedStation,
) -> None:
    """Version -1: the house does not send a list to a station that keeps none."""
    listing.replies["GetLocalListVersion"] = {"listVersion": -1}
    await listing.come()
    assert await listing.expect("GetLocalListVersion") == {}
    await listing.until("/stations/CP-1/local-list", state="unsupported")
    assert [action for action, _ in listing.heard if action == "SendLocalList"] == []


async def test_tc_042_2_csms_get_local_list_version_empty(listing: PlayedStation) -> None:
    """Version 0: the station has no list yet."""
    await listing.come()
    assert await listing.expect("GetLocalListVersion") == {}
    await listing.order("GetLocalListVersion", {}, {"listVersion": 0})


async def test_tc_043_1_csms_send_local_list_not_supported(listing: PlayedStation) -> None:
    """NotSupported as the answer to a list: the station is left alone with it."""
    listing.replies["SendLocalList"] = {"status": "NotSupported"}
    await listing.come()
    await listing.expect("SendLocalList")
    await listing.until("/stations/CP-1/local-list", state="unsupported")


async def test_tc_043_3_csms_send_local_list_failed(listing: PlayedStation) -> None:
    """Failed as the answer: the whole list is tried, and the failure shown."""
    listing.replies["SendLocalList"] = {"status": "Failed"}
    await listing.come()
    assert (await listing.expect("SendLocalList"))["updateType"] == "Differential"
    assert (await listing.expect("SendLocalList"))["updateType"] == "Full"
    await listing.until("/stations/CP-1/local-list", state="failed", entries=0)


async def test_tc_043_4_csms_send_local_list_full(listing: PlayedStation) -> None:
    """The whole list, as a user asks for it: every token with its status and family."""
    await listing.come()
    await listing.until("/stations/CP-1/local-list", state="synced")
    listing.heard.clear()
    await listing.house.post("/stations/CP-1/local-list/sync", None, 202)
    sent = await listing.expect("SendLocalList")
    assert sent["updateType"] == "Full"
    told = {each["idTag"].upper(): each["idTagInfo"] for each in sent["localAuthorizationList"]}
    assert told["VALID"] == {"status": "Accepted", "parentIdTag": "GROUP"}
    assert told["BLOCKED"]["status"] == "Blocked"
    assert set(told) == {"VALID", "SIBLING", "OTHER", "BLOCKED", "EXPIRED"}
    await listing.until(
        "/stations/CP-1/local-list", state="synced", version=sent["listVersion"], entries=5
    )


async def test_tc_043_5_csms_send_local_list_differential(listing: PlayedStation) -> None:
    """A token that is new goes to the station alone, under the next version."""
    await listing.come()
    first = await listing.expect("SendLocalList")
    await listing.until("/stations/CP-1/local-list", state="synced", entries=5)
    await listing.house.post("/id-tokens", {"id_token": "NEW", "type": "ISO14443"})
    sent = await listing.expect("SendLocalList")
    assert (sent["updateType"], sent["listVersion"]) == ("Differential", first["listVersion"] + 1)
    assert sent["localAuthorizationList"] == [{"idTag": "NEW", "idTagInfo": ACCEPTED}]
    await listing.until("/stations/CP-1/local-list", state="synced", entries=6)


async def updating(cp: PlayedStation, action: str = "UpdateFirmware", **more: Any) -> str:
    """Asks for an update as a user does; returns the path at which it is shown."""
    cp.replies[action] = {} if action == "UpdateFirmware" else ACCEPTED
    made = await cp.house.post(UPDATES, {"location": LOCATION, **more})
    sent = await cp.expect(action)
    assert LOCATION in {sent.get("location"), sent.get("firmware", {}).get("location")}
    return f"{UPDATES}/{made['id']}"


async def tell(cp: PlayedStation, *statuses: str) -> None:
    """Tells how an unsigned update goes on."""
    for status in statuses:
        assert await cp.call("FirmwareStatusNotification", {"status": status}) == {}


async def test_tc_044_1_csms_firmware_update_download_and_install(cp: PlayedStation) -> None:
    """UpdateFirmware, each step told, the reboot, and Installed."""
    path = await updating(cp)
    await tell(cp, "Downloading", "Downloaded", "Installing")
    await cp.come_back()
    assert (await cp.boot())["status"] == "Accepted"
    await cp.status("Available")
    await tell(cp, "Installed")
    await cp.until(path, state="installed")


async def test_tc_044_2_csms_firmware_update_download_failed(cp: PlayedStation) -> None:
    """The download fails."""
    path = await updating(cp)
    await tell(cp, "Downloading", "DownloadFailed")
    await cp.until(path, state="failed", status="DownloadFailed")


async def test_tc_044_3_csms_firmware_update_installation_failed(cp: PlayedStation) -> None:
    """The installation fails."""
    path = await updating(cp)
    await tell(cp, "Downloading", "Downloaded", "Installing", "InstallationFailed")
    await cp.until(path, state="failed", status="InstallationFailed")


@pytest.mark.parametrize("reply", [{"fileName": "diagnostics.zip"}, {}])
async def test_tc_045_1_csms_get_diagnostics(cp: PlayedStation, reply: Any) -> None:
    """GetDiagnostics with and without something to upload, and the upload told."""
    asked = {"location": "ftp://files.example.org/in", "retries": 2, "startTime": now()}
    await cp.order("GetDiagnostics", asked, reply)
    for status in ("Uploading", "Uploaded"):
        assert await cp.call("DiagnosticsStatusNotification", {"status": status}) == {}
    told = [each["payload"] for each in await cp.messages("DiagnosticsStatusNotification")]
    assert {"status": "Uploaded"} in told


async def test_tc_045_2_csms_get_diagnostics_upload_failed(cp: PlayedStation) -> None:
    """GetDiagnostics whose upload fails."""
    asked = {"location": "ftp://files.example.org/in"}
    await cp.order("GetDiagnostics", asked, {"fileName": "diagnostics.zip"})
    for status in ("Uploading", "UploadFailed"):
        assert await cp.call("DiagnosticsStatusNotification", {"status": status}) == {}


SIGNED = {
    "signing_certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "signature": "c2lnbmF0dXJl",
}


async def tell_signed(cp: PlayedStation, request_id: int, *statuses: str) -> None:
    """Tells how a signed update goes on."""
    for status in statuses:
        payload = {"status": status, "requestId": request_id}
        assert await cp.call("SignedFirmwareStatusNotification", payload) == {}


async def signed(cp: PlayedStation) -> tuple[str, int]:
    """Asks for a signed update; returns its path and what the station knows it by."""
    path = await updating(cp, "SignedUpdateFirmware", **SIGNED)
    sent = next(payload for name, payload in cp.heard if name == "SignedUpdateFirmware")
    assert sent["firmware"]["signature"] == SIGNED["signature"]
    assert sent["firmware"]["signingCertificate"] == SIGNED["signing_certificate"]
    return path, sent["requestId"]


async def test_tc_080_csms_secure_firmware_update(cp: PlayedStation) -> None:
    """SignedUpdateFirmware with certificate and signature, each step told, and Installed."""
    path, request_id = await signed(cp)
    steps = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting")
    await tell_signed(cp, request_id, *steps)
    await cp.come_back()
    assert (await cp.boot())["status"] == "Accepted"
    await tell_signed(cp, request_id, "Installed")
    await cp.until(path, state="installed")


async def test_tc_081_csms_secure_firmware_update_invalid_signature(cp: PlayedStation) -> None:
    """The signature is wrong: the update has failed, and the security event is kept."""
    path, request_id = await signed(cp)
    await tell_signed(cp, request_id, "Downloading", "Downloaded", "InvalidSignature")
    event = {"type": "InvalidFirmwareSignature", "timestamp": now()}
    assert await cp.call("SecurityEventNotification", event) == {}
    await cp.until(path, state="failed", status="InvalidSignature")
    kept = (await cp.house.get("/stations/CP-1/security-events"))["items"]
    assert "InvalidFirmwareSignature" in {each["type"] for each in kept}
