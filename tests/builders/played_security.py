"""What a station that is played by hand does about keys, certificates and security profiles."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from simulators import keys
from tests.builders.pki import Pki
from tests.builders.played_station import ACCEPTED, IDENTITY, PlayedStation, Reply, now
from tests.builders.waiting import eventually

_TRIGGERS = {"1.6": ("ExtendedTriggerMessage", "SignChargePointCertificate")}
_TRIGGER = ("TriggerMessage", "SignChargingStationCertificate")


def trusting(pki: Pki, *certificate: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Returns what a station that trusts our server makes its handshakes with.

    Args:
        pki: of our server's certificates.
        certificate: its own and its key; none: it has none.
        version: of TLS, if it knows no other.
    """
    context = keys.client_context(pki.ca, *(str(file) for file in certificate))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def renewed(cs: PlayedStation, directory: Path, reply: Reply = ACCEPTED) -> tuple[Path, Path]:
    """Has the house ask for a request, sends one and answers what comes of it with `reply`.

    Returns:
        The files of the certificate that came, and of its key.
    """
    action, message = _TRIGGERS.get(cs.version, _TRIGGER)
    cs.replies["CertificateSigned"] = reply
    await cs.house.post(f"/stations/{IDENTITY}/certificates/renew", None, 202)
    assert await cs.expect(action) == {"requestedMessage": message}
    return await certified(cs, directory)


async def certified(cs: PlayedStation, directory: Path) -> tuple[Path, Path]:
    """Sends a request for a certificate; returns the files of what came, and of its key."""
    made = keys.ask(IDENTITY, "Heliofleet")
    asked: dict[str, Any] = {"csr": made.csr}
    if cs.version != "1.6":
        asked["certificateType"] = "ChargingStationCertificate"
    assert (await cs.call("SignCertificate", asked))["status"] == "Accepted"
    sent = await cs.expect("CertificateSigned")
    if cs.version != "1.6":
        assert sent["certificateType"] == "ChargingStationCertificate"
    chain = sent["certificateChain"]
    assert keys.matches(made.key, chain)
    certificate, key = directory / "own.pem", directory / "own.key"
    certificate.write_text(chain)
    key.write_text(made.key)
    return certificate, key


async def certificate_stands(cs: PlayedStation, status: str) -> Any:
    """Returns the newest certificate of the station once the house shows it so."""
    found: list[Any] = []

    async def stands() -> bool:
        page = await cs.house.get(f"/stations/{IDENTITY}/certificates")
        found[:] = page["items"]
        return bool(found) and found[0]["status"] == status

    await eventually(stands)
    return found[0]


async def security_event(cs: PlayedStation, kind: str) -> None:
    """Tells a security event, which the house answers and shows."""
    event = {"type": kind, "timestamp": now()}
    assert await cs.call("SecurityEventNotification", event) == {}
    await cs.house.activity.quiet()
    assert kind in await security_events(cs)


async def security_events(cs: PlayedStation) -> list[str]:
    """Returns the kinds of the security events that the house shows, newest first."""
    await cs.house.activity.quiet()
    kept = await cs.house.get(f"/stations/{IDENTITY}/security-events")
    return [each["type"] for each in kept["items"]]


async def raised(cs: PlayedStation, pki: Pki, **wishes: Any) -> None:
    """Has the house raise the station's profile to 2."""
    body = {"target": 2, "root_certificate": pki.ca.read_text(), **wishes}
    await cs.house.post(f"/stations/{IDENTITY}/security-profile", body, 202)
    installed = await cs.expect("InstallCertificate")
    assert installed["certificate"] == pki.ca.read_text()


async def profile_stands(cs: PlayedStation, profile: int) -> None:
    """Returns once the change is done and the station's record has this profile."""

    async def done() -> bool:
        page = await cs.house.get(f"/stations/{IDENTITY}/security-changes")
        return page["items"][0]["state"] == "done"

    await eventually(done)
    shown = await cs.house.get(f"/stations/{IDENTITY}")
    assert shown["security_profile"] == profile
