"""Certificates that are made to break whoever reads them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from models.clocks import RealClock

_DAY = timedelta(days=1)
_ALTERNATIVE_NAMES = ObjectIdentifier("2.5.29.17")


def of_no_version() -> str:
    """Returns a certificate of a version that there is not."""
    leaf, _ = _leaf_and_issuer(None)
    return _pem(leaf.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1))


def of_one_extension_twice() -> str:
    """Returns a chain whose issuer has two sets of basic constraints."""
    extra = x509.InhibitAnyPolicy(0)
    return _chain(extra, lambda der: der.replace(b"\x55\x1d\x36", b"\x55\x1d\x13"))


def of_a_strange_name() -> str:
    """Returns a chain whose issuer has an X.400 address for another name."""
    extra = x509.UnrecognizedExtension(_ALTERNATIVE_NAMES, b"\x30\x02\xa3\x00")
    return _chain(extra, lambda der: der)


def _chain(extra: x509.ExtensionType | None, change: Callable[[bytes], bytes]) -> str:
    leaf, issuer = _leaf_and_issuer(extra)
    return _pem(leaf) + _pem(change(issuer))


def _leaf_and_issuer(extra: x509.ExtensionType | None) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _made("DEHEL1234567890", key, None), _made("Issuer", key, extra)


def _made(name: str, key: ec.EllipticCurvePrivateKey, extra: x509.ExtensionType | None) -> bytes:
    now = RealClock().now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuer")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if extra is not None:
        builder = builder.add_extension(extra, critical=False)
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def _pem(der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
