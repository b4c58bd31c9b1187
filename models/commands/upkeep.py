"""Commands about a station's software, certificates, ways to reach us and logs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from models.commands.base import Command

LogKind = Literal["diagnostics", "security"]
"""What a station logs for those who mend it, or what concerns its security."""


class UpdateFirmware(Command, frozen=True, kw_only=True):
    """Fetch this firmware and install it. Never repeated blindly."""

    request_id: int
    """Repeated in what the station tells of it; 1.6 has none without a signature."""
    location: str
    retrieve_at: datetime
    install_at: datetime | None = None
    """None: as soon as it can. 1.6 knows it only with a signature."""
    retries: int | None = None
    """How often the station may try to fetch it; None leaves it to the station."""
    retry_interval_s: int | None = None
    signing_certificate: str | None = None
    """PEM of the vendor's certificate; 1.6 then is sent its SignedUpdateFirmware."""
    signature: str | None = None
    """Of the firmware, in base64."""

    def __post_init__(self) -> None:
        if (self.signing_certificate is None) != (self.signature is None):
            raise ValueError("a signing certificate and a signature come together")


RootUse = Literal["csms", "manufacturer", "v2g", "mobility-operator", "oem"]
"""What a station trusts a root certificate for: us; firmware; cars; contracts; cars' makers (2.1).
1.6 knows the first two."""


class InstallSignedCertificate(Command, frozen=True, kw_only=True):
    """Log in with this certificate of yours from now on."""

    chain: str
    """PEM: the station's certificate first, then those between it and the root."""
    request_id: int | None = None
    """2.1: of the request that it answers."""


class InstallRootCertificate(Command, frozen=True, kw_only=True):
    """Trust this certificate."""

    use: RootUse
    certificate: str
    """PEM."""


class ReadRootCertificates(Command, frozen=True, kw_only=True):
    """Tell us which certificates you trust."""

    use: RootUse | None = None
    """None: for anything; 1.6 must be told."""


class DeleteRootCertificate(Command, frozen=True, kw_only=True):
    """Trust this certificate no more. It is named as the station has named it."""

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"]
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


NetworkInterface = Literal[
    "Wired0", "Wired1", "Wired2", "Wired3", "Wireless0", "Wireless1", "Wireless2", "Wireless3"
]


class SetNetworkProfile(Command, frozen=True, kw_only=True):
    """Keep this way to reach us in a slot; which slot is used is a setting. 2.x only."""

    slot: int
    url: str
    security_profile: int
    interface: NetworkInterface = "Wired0"
    message_timeout_s: int = 30


class UploadLog(Command, frozen=True, kw_only=True):
    """Bring a log of yours to this address. Never repeated blindly."""

    kind: LogKind
    request_id: int
    """Repeated in what the station tells of it; 1.6 has none for diagnostics."""
    location: str
    from_at: datetime | None = None
    """What is older is not wanted."""
    until_at: datetime | None = None
    """What is later is not wanted."""
    retries: int | None = None
    """How often the station may try again; None leaves it to the station."""
    retry_interval_s: int | None = None
