"""Simulated stations play an update of firmware: fetched, installed, started, told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.timeline import format_rfc3339
from simulators.firmware import FIRST_VERSION, Firmware, Order
from tests.builders.stations import NOON, Wired, a_car

VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
TOLD = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification", "BootNotification")
WHOLE = ["Downloading", "Downloaded", "Installing", "InstallRebooting", "boot", "Installed"]
SIGNED = [*WHOLE[:2], "SignatureVerified", *WHOLE[2:]]


async def ordered(wired: Wired, *, signed: bool = False, **more: Any) -> Any:
    """Asks the station for an update by its own version's words."""
    firmware: dict[str, Any] = {
        "location": "https://example.org/fw/box-4.1.0.bin",
        "retrieveDateTime": format_rfc3339(wired.at),
        **more,
    }
    if signed:
        firmware |= {"signingCertificate": "PEM", "signature": "c2ln"}
    if wired.station.kind.subprotocol == "ocpp1.6" and not signed:
        body = {"location": firmware["location"], "retrieveDate": firmware["retrieveDateTime"]}
        return await wired.order("UpdateFirmware", body)
    action = "UpdateFirmware"
    if wired.station.kind.subprotocol == "ocpp1.6":
        action = "SignedUpdateFirmware"
    return await wired.order(action, {"requestId": 7, "firmware": firmware})


async def minutes(wired: Wired, number: int) -> None:
    """Lets time pass, as the station's driver would."""
    for _ in range(number):
        wired.at += timedelta(minutes=1)
        wired.station.advance(wired.at)
        wired.station.speak_up(wired.at)
        if wired.line.due():
            await wired.line.drain()
        await wired.line.do_reset()
        assert await wired.line.dial()
        await wired.line.drain()


def told(wired: Wired) -> list[str]:
    """Returns what it has said of its firmware since its first Boot."""
    heard = wired.heard(*TOLD)[1:]
    return ["boot" if action == TOLD[2] else payload["status"] for action, payload in heard]


def version_booted(wired: Wired) -> str:
    boot = wired.heard("BootNotification")[-1][1]
    return boot.get("firmwareVersion") or boot["chargingStation"]["firmwareVersion"]


@VERSIONS
@pytest.mark.parametrize("signed", [False, True])
async def test_new_firmware_is_fetched_installed_and_booted(version: str, signed: bool) -> None:
    wired = Wired(version)
    await wired.up()
    assert version_booted(wired) == FIRST_VERSION
    answer = await ordered(wired, signed=signed)
    assert answer == ({} if version == "ocpp1.6" and not signed else {"status": "Accepted"})
    await minutes(wired, 8)
    steps = SIGNED if signed else WHOLE
    if version == "ocpp1.6" and not signed:
        steps = [each for each in steps if each != "InstallRebooting"]
    assert told(wired) == steps
    assert version_booted(wired) == "4.1.0"
    numbers = {payload.get("requestId") for action, payload in wired.heard(*TOLD[:2])}
    assert numbers == ({None} if version == "ocpp1.6" and not signed else {7})
    assert wired.checks.complaints == []
    await wired.down()


@VERSIONS
@pytest.mark.parametrize(
    ("quirk", "signed", "end"),
    [
        ("fw-download-failed", False, "DownloadFailed"),
        ("fw-install-failed", False, "InstallationFailed"),
        ("fw-bad-signature", True, "InvalidSignature"),
    ],
)
async def test_what_goes_wrong_is_told_and_the_old_firmware_stays(
    version: str, quirk: str, signed: bool, end: str
) -> None:
    wired = Wired(version, quirks=frozenset({quirk}))
    await wired.up()
    await ordered(wired, signed=signed)
    await minutes(wired, 10)
    assert told(wired)[-1] == end
    assert "boot" not in told(wired)
    assert wired.station.firmware.version == FIRST_VERSION
    assert await wired.order("TriggerMessage", {"requestedMessage": TOLD[0]})
    assert told(wired)[-1] == "Idle"
    await wired.down()


async def test_it_installs_when_it_may_and_nobody_charges() -> None:
    wired = Wired("ocpp2.0.1")
    await wired.up()
    wired.station.plug(1, a_car(), wired.at)
    await ordered(wired, installDateTime=format_rfc3339(NOON + timedelta(minutes=20)))
    await minutes(wired, 30)
    assert told(wired) == ["Downloading", "Downloaded"]
    wired.station.unplug(1, wired.at)
    await minutes(wired, 5)
    assert told(wired) == WHOLE
    await wired.down()


async def test_a_file_without_a_number_counts_up_and_a_second_update_replaces_the_first() -> None:
    wired = Wired("ocpp2.1")
    await wired.up()
    await ordered(wired)
    assert await ordered(wired, location="https://example.org/new.bin") == {
        "status": "AcceptedCanceled"
    }
    await minutes(wired, 8)
    assert version_booted(wired) == "3.2.1"
    await wired.down()


def test_a_box_that_is_asked_while_it_restarts_has_a_word_for_it() -> None:
    box = Firmware(is_16=True, quirks=frozenset())
    box.download_s = box.install_s = 0.0
    box.take(Order("https://example.org/fw-2.bin", NOON))
    assert [each.word for each in box.play(NOON, ())] == ["Downloading", "Downloaded", "Installing"]
    assert box.restarts
    assert box.present.word == "Installing", "1.6 has no word for a restart"
