"""Keys of simulated stations: made, asked to be certified, and kept as files that TLS can load.

Written against the `cryptography` package by itself, so that it checks what the service reads.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

KeyKind = Literal["ec", "rsa"]


@dataclass(frozen=True, slots=True)
class Request:
    """A key that is not certified yet."""

    key: str
    """PEM, not encrypted."""
    csr: str
    """PEM."""


def ask(common_name: str, organisation: str, kind: KeyKind = "ec") -> Request:
    """Returns a new key, and the request to certify it."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == "ec":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, 2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
    )
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Request(sealed.decode(), csr.public_bytes(serialization.Encoding.PEM).decode())


def matches(key: str, chain: str) -> bool:
    """Returns whether the first certificate of a chain is that of a key."""
    try:
        certificate = x509.load_pem_x509_certificate(chain.encode())
    except ValueError:
        return False
    own = serialization.load_pem_private_key(key.encode(), None).public_key()
    raw = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return own.public_bytes(*raw) == certificate.public_key().public_bytes(*raw)


def client_context(
    server_ca: str | Path, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext:
    """Returns what a station makes its handshakes with.

    Args:
        server_ca: the root that it trusts: PEM text, or a file.
        certificate: its own with the chain, a file; None: it has none.
        key: of the certificate, a file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if isinstance(server_ca, Path):
        context.load_verify_locations(cafile=server_ca)
    else:
        context.load_verify_locations(cadata=server_ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def identify(certificate: str) -> dict[str, str] | None:
    """Returns what OCPP names a root by (CertificateHashDataType); None if it is no certificate.

    Source: OCPP 2.0.1 part 2, section 3.10: hashes of issuer name and issuer key as in RFC 6960.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        return None
    key = found.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": hashlib.sha256(found.issuer.public_bytes()).hexdigest(),
        "issuer_key_hash": hashlib.sha256(key).hexdigest(),
        "serial_number": f"{found.serial_number:x}",
    }
