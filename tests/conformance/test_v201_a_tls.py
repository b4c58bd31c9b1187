"""OCPP 2.0.1, block A over TLS: the certification programme's cases for central systems."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidHandshake, InvalidStatus

from tests.builders.pki import DAY, Pki
from tests.builders.played_security import (
    certificate_stands,
    profile_stands,
    raised,
    renewed,
    security_event,
    security_events,
    trusting,
)
from tests.builders.played_station import PlayedStation, played_station

CUT = (OSError, InvalidHandshake, EOFError)
"""What a station sees of a handshake that is cut off."""


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
async def cs(sqlite_url: str, version: str, pki: Pki) -> AsyncIterator[PlayedStation]:
    """A charging station of security profile 1, and a house with both doors."""
    async with played_station(sqlite_url, version, pki=pki) as station:
        yield station


def coming(url: str, version: str, pki: Pki, profile: int) -> Any:
    """Returns a station of a security profile that has not come yet."""
    return played_station(url, version, come=False, pki=pki, security_profile=profile)


async def test_tc_a_04_csms_tls_server_side_certificate_valid(
    sqlite_url: str, version: str, pki: Pki
) -> None:
    """Security profile 2, by TLS 1.2 and 1.3: our certificate is checked, the password shown."""
    async with coming(sqlite_url, version, pki, 2) as cs:
        for tls in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            await cs.dial(tls=trusting(pki, version=tls))
            assert (await cs.boot())["status"] == "Accepted"
            await cs.hang_up()


@pytest.mark.parametrize("old", ["TLSv1", "TLSv1_1"])
async def test_tc_a_06_csms_tls_version_too_low(
    sqlite_url: str, version: str, pki: Pki, old: str
) -> None:
    """A handshake by TLS 1.0 or 1.1 is ended by the house."""
    async with coming(sqlite_url, version, pki, 2) as cs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context = trusting(pki, version=getattr(ssl.TLSVersion, old))
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(CUT) as cut:
            await cs.dial(tls=context)
        assert not isinstance(cut.value, InvalidStatus)


async def test_tc_a_07_csms_tls_client_side_certificate_valid(
    sqlite_url: str, version: str, pki: Pki
) -> None:
    """Security profile 3: a certificate of the charging station's, and no password."""
    async with coming(sqlite_url, version, pki, 3) as cs:
        await cs.dial(tls=trusting(pki, *pki.station("CP-1")), password=None)
        assert (await cs.boot())["status"] == "Accepted"
        await certificate_stands(cs, "in-use")


async def test_tc_a_08_csms_tls_client_side_certificate_of_an_unknown_authority(
    sqlite_url: str, version: str, pki: Pki, tmp_path: Path
) -> None:
    """A certificate that somebody else has signed ends the handshake."""
    stranger = Pki(tmp_path / "elsewhere", "Another root")
    async with coming(sqlite_url, version, pki, 3) as cs:
        with pytest.raises(CUT) as cut:
            await cs.dial(tls=trusting(pki, *stranger.station("CP-1")), password=None)
        assert not isinstance(cut.value, InvalidStatus)


@pytest.mark.parametrize(
    ("made", "event"),
    [
        ({"name": "CP-2"}, "certificate-of-another"),
        ({"name": "CP-1", "organisation": "Acme"}, "certificate-organisation"),
        ({"name": "CP-1", "begins": -2 * DAY, "ends": -DAY}, "certificate-not-valid"),
        ({"name": "CP-1", "begins": timedelta(hours=1)}, "certificate-not-valid"),
    ],
    ids=["wrong-cn", "wrong-o", "expired", "not-yet"],
)
async def test_tc_a_08_csms_tls_client_side_certificate_invalid(
    sqlite_url: str, version: str, pki: Pki, made: dict[str, Any], event: str
) -> None:
    """A certificate that we would trust, but with a wrong name or time, is refused and noted."""
    async with coming(sqlite_url, version, pki, 3) as cs:
        with pytest.raises(InvalidStatus) as refusal:
            await cs.dial(tls=trusting(pki, *pki.station(**made)), password=None)
        assert refusal.value.response.status_code == 401
        assert await security_events(cs) == [event]


async def test_tc_a_11_csms_update_charging_station_certificate(
    cs: PlayedStation, pki: Pki, tmp_path: Path
) -> None:
    """A trigger, the request, the signed certificate; and the login by it over TLS."""
    own = await renewed(cs, tmp_path)
    await certificate_stands(cs, "installed")
    await cs.hang_up()
    await cs.dial(tls=trusting(pki, *own), password=None)
    assert (await cs.boot())["status"] == "Accepted"
    await certificate_stands(cs, "in-use")


async def test_tc_a_14_csms_update_charging_station_certificate_invalid(
    cs: PlayedStation, tmp_path: Path
) -> None:
    """The station rejects its certificate, which shows as failed, and tells the event."""
    await renewed(cs, tmp_path, {"status": "Rejected"})
    await security_event(cs, "InvalidChargingStationCertificate")
    assert "Rejected" in (await certificate_stands(cs, "failed"))["why"]


async def test_tc_a_19_csms_upgrade_security_profile(cs: PlayedStation, pki: Pki) -> None:
    """From 1 to 2: the record follows once it has come by TLS, and the way back is closed."""
    priority = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "NetworkConfigurationPriority"},
    }
    written = {"attributeStatus": "Accepted", **priority}
    cs.replies["SetVariables"] = {"setVariableResult": [written]}
    address = f"wss://127.0.0.1:{cs.tls_port}/ocpp"
    await raised(cs, pki, csms_url=address)
    told = await cs.expect("SetNetworkProfile")
    assert told["connectionData"]["ocppCsmsUrl"] == address
    assert told["connectionData"]["securityProfile"] == 2
    (preferred,) = (await cs.expect("SetVariables"))["setVariableData"]
    assert preferred["attributeValue"] == str(told["configurationSlot"])
    assert preferred["variable"] == priority["variable"]
    assert (await cs.expect("Reset"))["type"] == "OnIdle"
    await cs.hang_up()
    await cs.dial(tls=trusting(pki))
    assert (await cs.boot("RemoteReset"))["status"] == "Accepted"
    await profile_stands(cs, 2)
    await cs.hang_up()
    with pytest.raises(InvalidStatus) as refusal:
        await cs.dial()
    assert refusal.value.response.status_code == 401
    assert await security_events(cs) == ["tls-required"]
