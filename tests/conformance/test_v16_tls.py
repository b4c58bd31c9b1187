"""OCPP 1.6, TLS, certificates and security profiles: the certification programme's cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.builders.pki import Pki
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


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
async def cp(sqlite_url: str, pki: Pki) -> AsyncIterator[PlayedStation]:
    """A charge point of security profile 1, and a house with both doors."""
    async with played_station(sqlite_url, "1.6", pki=pki) as station:
        yield station


def coming(url: str, pki: Pki, profile: int) -> Any:
    """Returns a charge point of a security profile that has not come yet."""
    return played_station(url, "1.6", come=False, pki=pki, security_profile=profile)


async def test_tc_074_csms_update_charge_point_certificate(
    cp: PlayedStation, pki: Pki, tmp_path: Path
) -> None:
    """A trigger, the request, the signed certificate; and the login by it over TLS."""
    own = await renewed(cp, tmp_path)
    await certificate_stands(cp, "installed")
    await cp.hang_up()
    await cp.dial(tls=trusting(pki, *own), password=None)
    assert (await cp.boot())["status"] == "Accepted"
    await certificate_stands(cp, "in-use")


async def test_tc_077_csms_invalid_charge_point_certificate_event(
    cp: PlayedStation, tmp_path: Path
) -> None:
    """The charge point rejects its certificate, which shows as failed, and tells the event."""
    await renewed(cp, tmp_path, {"status": "Rejected"})
    await security_event(cp, "InvalidChargePointCertificate")
    assert "Rejected" in (await certificate_stands(cp, "failed"))["why"]


async def test_tc_083_csms_upgrade_security_profile(cp: PlayedStation, pki: Pki) -> None:
    """From 1 to 2: the record follows once it has come by TLS, and the way back is closed."""
    await raised(cp, pki)
    assert await cp.expect("ChangeConfiguration") == {"key": "SecurityProfile", "value": "2"}
    await cp.hang_up()
    await cp.dial(tls=trusting(pki))
    assert (await cp.boot())["status"] == "Accepted"
    await profile_stands(cp, 2)
    await cp.hang_up()
    with pytest.raises(InvalidStatus) as refusal:
        await cp.dial()
    assert refusal.value.response.status_code == 401
    assert await security_events(cp) == ["tls-required"]


async def test_tc_086_csms_tls_server_side_certificate_valid(sqlite_url: str, pki: Pki) -> None:
    """Security profile 2: the charge point checks our certificate, and shows its password."""
    async with coming(sqlite_url, pki, 2) as cp:
        await cp.dial(tls=trusting(pki))
        assert (await cp.boot())["status"] == "Accepted"


async def test_tc_087_csms_tls_client_side_certificate_valid(sqlite_url: str, pki: Pki) -> None:
    """Security profile 3: a certificate of the charge point's, and no password."""
    async with coming(sqlite_url, pki, 3) as cp:
        await cp.dial(tls=trusting(pki, *pki.station("CP-1")), password=None)
        assert (await cp.boot())["status"] == "Accepted"
        await certificate_stands(cp, "in-use")
