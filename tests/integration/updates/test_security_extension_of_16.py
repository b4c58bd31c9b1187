"""What a 1.6 station is asked in the words of the security extension: REST and real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


async def said(it: Uploading, action: str) -> list[dict[str, Any]]:
    """Returns what we have said by an action, once there is something."""

    async def look() -> Any:
        return (await it.house.get("/messages", action=action, direction="out"))["items"]

    return await until(look, bool)


async def test_signed_firmware_is_asked_for_with_its_signature(
    tmp_path: Path, database_url: str
) -> None:
    async with uploading(database_url, tmp_path, "ocpp1.6") as it:
        it.box.firmware.download_s = it.box.firmware.install_s = 0.1
        body = {
            "location": "https://files.example/box-4.1.0.bin",
            "signing_certificate": PEM,
            "signature": "c2lnbmVk",
        }
        await it.house.post("/stations/ST-1/firmware-updates", body)
        (message,) = await said(it, "SignedUpdateFirmware")
        assert message["payload"]["firmware"]["signature"] == "c2lnbmVk"

        async def told() -> list[str]:
            found = await it.house.get("/stations/ST-1/firmware-statuses", sort="id")
            return [each["status"] for each in found["items"]]

        words = ["Downloading", "Downloaded", "SignatureVerified", "Installing"]
        await until(told, lambda seen: seen[:4] == words)


async def test_a_security_log_is_asked_for_by_get_log(tmp_path: Path, database_url: str) -> None:
    async with uploading(database_url, tmp_path, "ocpp1.6") as it:
        asked = await it.ask(kind="security")
        log = await it.until(asked["id"], lambda log: log["status"] == "Uploaded")
        assert log["state"] == "uploaded"
        (message,) = await said(it, "GetLog")
        assert message["payload"]["logType"] == "SecurityLog"
