"""What an update of firmware becomes in each version, and what the responses mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from csms.ocpp.versions import dialect_of
from models import commands
from models.commands import upkeep
from models.errors import BadInput

ON_2X = pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
FIRMWARE: dict[str, Any] = {
    "request_id": 5,
    "location": "https://example.org/fw.bin",
    "retrieve_at": datetime(2026, 6, 15, 12, 0, tzinfo=UTC),
    "retries": 3,
    "retry_interval_s": 60,
}
SIGNATURE = {"signing_certificate": "PEM", "signature": "c2ln"}
WIRED = {"location": FIRMWARE["location"], "retrieveDateTime": "2026-06-15T12:00:00Z"}


def said(subprotocol: str, command: commands.AnyCommand) -> tuple[str, Any]:
    action, payload = dialect_of(subprotocol).say(command)
    return action, msgspec.json.decode(payload)


def test_16_is_told_of_firmware_without_a_signature_and_with_one() -> None:
    assert said("ocpp1.6", upkeep.UpdateFirmware(**FIRMWARE)) == (
        "UpdateFirmware",
        {
            "location": "https://example.org/fw.bin",
            "retrieveDate": "2026-06-15T12:00:00Z",
            "retries": 3,
            "retryInterval": 60,
        },
    )
    later = FIRMWARE | {"install_at": datetime(2026, 6, 16, tzinfo=UTC)}
    with pytest.raises(BadInput, match="without a signature"):
        said("ocpp1.6", upkeep.UpdateFirmware(**later))
    signed = {"signingCertificate": "PEM", "signature": "c2ln"}
    assert said("ocpp1.6", upkeep.UpdateFirmware(**later, **SIGNATURE)) == (
        "SignedUpdateFirmware",
        {
            "requestId": 5,
            "retries": 3,
            "retryInterval": 60,
            "firmware": WIRED | signed | {"installDateTime": "2026-06-16T00:00:00Z"},
        },
    )


@ON_2X
def test_2x_is_told_of_firmware(subprotocol: str) -> None:
    action, payload = said(subprotocol, upkeep.UpdateFirmware(**FIRMWARE))
    assert action == "UpdateFirmware"
    assert payload == {"requestId": 5, "retries": 3, "retryInterval": 60, "firmware": WIRED}


@pytest.mark.parametrize(
    ("subprotocol", "signed", "response", "means"),
    [
        ("ocpp1.6", False, {}, "accepted"),
        ("ocpp1.6", True, {"status": "AcceptedCanceled"}, "accepted"),
        ("ocpp1.6", True, {"status": "InvalidCertificate"}, "rejected"),
        ("ocpp2.0.1", True, {"status": "RevokedCertificate"}, "rejected"),
        ("ocpp2.1", False, {"status": "Accepted"}, "accepted"),
        ("ocpp2.1", False, {"status": "Rejected"}, "rejected"),
    ],
)
def test_what_stations_answer_to_an_update(
    subprotocol: str, signed: bool, response: dict[str, Any], means: str
) -> None:
    command = upkeep.UpdateFirmware(**FIRMWARE, **(SIGNATURE if signed else {}))
    told = dialect_of(subprotocol).outcome(command, msgspec.json.encode(response))
    assert told.status == means


def test_half_a_signature_is_none() -> None:
    with pytest.raises(ValueError, match="come together"):
        upkeep.UpdateFirmware(**FIRMWARE, signature="c2ln")
