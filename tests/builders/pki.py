"""Authorities, servers and stations with certificates of every kind, also bad ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Pki:
    """One authority, and what it has signed, as files of a directory."""

    def __init__(self, directory: Path, name: str = "Test root") -> None:
        self.directory = directory
        self.name = name
        directory.mkdir(exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.subject, self.key.public_key(), authority=True)
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, kind: str, stem: str = "server") -> tuple[Path, Path]:
        """Makes a certificate of 127.0.0.1; returns its file and that of its key."""
        return self.issue(f"{stem}-{kind}", kind, "127.0.0.1", None)

    def station(self, name: str, organisation: str | None = "Heliofleet", **options: Any):
        """Makes a certificate of a station."""
        return self.issue(f"station-{name}-{organisation}", "ec", name, organisation, **options)

    def issue(
        self,
        stem: str,
        kind: str,
        name: str | None,
        organisation: str | None,
        *,
        begins: timedelta = -DAY,
        ends: timedelta = DAY,
    ) -> tuple[Path, Path]:
        key: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if kind == "ec"
            else rsa.generate_private_key(65537, 2048)
        )
        parts = []
        if name is not None:
            parts.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        if organisation is not None:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        made = self._build(x509.Name(parts), key.public_key(), begins=begins, ends=ends)
        certificate, secret = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret

    def sign(self, public: Any, name: str, organisation: str) -> x509.Certificate:
        """Returns a certificate of somebody else's key."""
        parts = [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
        return self._build(x509.Name(parts), public)

    def revoke(self, *certificates: Path) -> Path:
        """Writes the list of what is revoked: these, and nothing else; returns its file."""
        now = datetime.now(UTC)  # noqa: TID251 - TLS is judged by real time
        made = x509.CertificateRevocationListBuilder().issuer_name(self.subject)
        made = made.last_update(now).next_update(now + DAY)
        for file in certificates:
            serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            made = made.add_revoked_certificate(entry.build())
        lists = self.directory / "crl.pem"
        signed = made.sign(self.key, hashes.SHA256())
        lists.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return lists

    def _build(
        self,
        subject: x509.Name,
        public: Any,
        *,
        authority: bool = False,
        begins: timedelta = -DAY,
        ends: timedelta = DAY,
    ) -> x509.Certificate:
        import ipaddress

        now = datetime.now(UTC)  # noqa: TID251 - TLS is judged by real time
        address = ipaddress.ip_address("127.0.0.1")
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
