"""Certificates and requests are read as what they are, and signed ones hold with OpenSSL."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from csms.certificates import (
    make_authority,
    read_certificate,
    read_request,
    sign_request,
)
from models.errors import BadInput
from simulators import keys

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_request_is_signed_for_a_year_and_chains_to_its_root(kind: str) -> None:
    root, sealed = make_authority("Op", AT, "secret")
    asked = keys.ask("CP-1", "Op", kind)  # type: ignore[arg-type]
    pem = sign_request(
        read_request(asked.csr), authority=root, key=sealed, passphrase="secret", at=AT
    )
    made = read_certificate(pem)
    assert (made.common_name, made.organisation) == ("CP-1", "Op")
    assert made.valid_at(AT)
    assert made.valid_at(AT + timedelta(days=364))
    assert not made.valid_at(AT + timedelta(days=366))
    assert keys.matches(asked.key, pem)
    parsed = x509.load_pem_x509_certificate(pem.encode())
    parsed.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
    der = ssl.PEM_cert_to_DER_cert(pem)
    assert read_certificate(der).fingerprint == made.fingerprint


def test_the_key_of_the_authority_is_of_no_use_without_the_passphrase() -> None:
    root, sealed = make_authority("Op", AT, "secret")
    assert "ENCRYPTED" in sealed
    request = read_request(keys.ask("CP-1", "Op").csr)
    with pytest.raises(BadInput, match="another secret key"):
        sign_request(request, authority=root, key=sealed, passphrase="wrong", at=AT)


def test_what_is_no_certificate_or_request_is_bad_input() -> None:
    for bad in ("", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0"):
        with pytest.raises(BadInput):
            read_certificate(bad)
        with pytest.raises(BadInput):
            read_request(bad)
    with pytest.raises(BadInput):
        read_certificate(b"\x30\x03\x02\x01\x01")


def test_a_weak_key_and_a_forged_request_are_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    pem = csr.sign(weak, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(BadInput, match="2048"):
        read_request(pem)
    asked = x509.load_pem_x509_csr(keys.ask("CP-1", "Op").csr.encode())
    raw = bytearray(asked.public_bytes(serialization.Encoding.DER))
    place = bytes(raw).index(b"CP-1")
    raw[place : place + 4] = b"CP-2"
    forged = ssl.DER_cert_to_PEM_cert(bytes(raw)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    with pytest.raises(BadInput, match="not signed by the key"):
        read_request(forged)


@pytest.mark.parametrize("names", [("CP-1", "CP-2"), ("CP-1\0.evil",), ("CP-1\n",)])
def test_a_subject_with_two_names_or_an_odd_one_has_none(names: tuple[str, ...]) -> None:
    oid = x509.oid.NameOID.COMMON_NAME
    name = x509.Name([x509.NameAttribute(oid, each) for each in names])
    key = rsa.generate_private_key(65537, 2048)
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    assert read_request(pem).common_name is None
