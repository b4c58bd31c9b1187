"""X.509: reading certificates and signing requests, and an authority that signs for stations.

The only module that knows the `cryptography` package. What a certificate says is judged elsewhere:
at the door by `csms.gateway.login`, in a signing request by `csms.security.rules`. Handshakes are
not here either but in `csms.gateway.tls`.
Sources: RFC 5280, RFC 2986; OCPP 1.6 security whitepaper edition 3 section 2.7; OCPP 2.0.1 part 2,
A00.FR.401 to 429 and A00.FR.501 to 511.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from models.errors import BadInput

LEAST_RSA_BITS = 2048
"""OCPP 2.0.1 part 2, A00.FR.502: at least as strong as RSA of 2048 bits (112 bits of security)."""
LEAST_EC_BITS = 224
AUTHORITY_LIFE = timedelta(days=20 * 365)
STATION_LIFE = timedelta(days=365)
_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)
_BACKDATED = timedelta(hours=1)
"""Stations' clocks are a little behind; a certificate that is not valid yet would be refused."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says."""

    fingerprint: str
    """SHA-256 of the whole, 64 hexadecimal digits."""
    serial: str
    """Hexadecimal digits."""
    common_name: str | None
    organisation: str | None
    issuer: str
    """As RFC 4514 writes a name."""
    not_before: datetime
    not_after: datetime
    pem: str

    @property
    def name(self) -> tuple[str, str]:
        """By which revocation lists name it: issuer and serial number."""
        return self.issuer, self.serial

    def valid_at(self, instant: datetime) -> bool:
        """Returns whether the instant lies in its time."""
        return self.not_before <= instant < self.not_after


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What a station asks to have signed (PKCS#10); its signature is right and its key strong."""

    common_name: str | None
    organisation: str | None
    pem: str


class CertificateAuthority(Protocol):
    """Signs certificates of stations."""

    async def root(self) -> str:
        """Returns the certificate that those of stations chain to, as PEM.

        Raises:
            Unavailable: if it can't be had now.
        """
        ...

    async def sign(self, request: SigningRequest) -> str:
        """Returns the certificate that was asked for, and those between it and the root, as PEM.

        Args:
            request: whose subject has been judged already.

        Raises:
            Unavailable: if it can't be signed now.
        """
        ...


def read_certificate(data: bytes | str) -> Certificate:
    """Returns what a certificate says.

    Args:
        data: DER bytes, or PEM text, of which the first certificate counts.

    Raises:
        BadInput: if it is none.
    """
    try:
        if isinstance(data, bytes):
            found = x509.load_der_x509_certificate(data)
        else:
            found = x509.load_pem_x509_certificate(data.encode())
        return Certificate(
            fingerprint=found.fingerprint(hashes.SHA256()).hex(),
            serial=f"{found.serial_number:X}",
            common_name=_only(found.subject, NameOID.COMMON_NAME),
            organisation=_only(found.subject, NameOID.ORGANIZATION_NAME),
            issuer=found.issuer.rfc4514_string(),
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            pem=found.public_bytes(serialization.Encoding.PEM).decode(),
        )
    except _UNREADABLE as error:
        raise BadInput(f"no X.509 certificate: {error}") from None


def read_request(pem: str) -> SigningRequest:
    """Returns what a certificate signing request asks for.

    Raises:
        BadInput: if it is none, its signature is wrong, or its key is weak.
    """
    try:
        found = x509.load_pem_x509_csr(pem.encode())
        signed = found.is_signature_valid
        key = found.public_key()
        request = SigningRequest(
            common_name=_only(found.subject, NameOID.COMMON_NAME),
            organisation=_only(found.subject, NameOID.ORGANIZATION_NAME),
            pem=found.public_bytes(serialization.Encoding.PEM).decode(),
        )
    except (*_UNREADABLE, InvalidSignature) as error:
        raise BadInput(f"no certificate signing request (PKCS#10): {error}") from None
    if not signed:
        raise BadInput("the signing request is not signed by the key that it holds")
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= LEAST_EC_BITS
    )
    if not strong:
        raise BadInput("allowed are RSA keys of at least 2048 bits and EC keys of at least 224")
    return request


def request_bytes(request: SigningRequest) -> bytes:
    """Returns a request as DER."""
    wanted = x509.load_pem_x509_csr(request.pem.encode())
    return wanted.public_bytes(serialization.Encoding.DER)


def certificates_of(answer: bytes) -> list[Certificate]:
    """Returns the certificates that an authority has sent (PKCS#7, DER), in its order.

    Raises:
        BadInput: if there are none.
    """
    return [
        read_certificate(each.public_bytes(serialization.Encoding.DER)) for each in _sent(answer)
    ]


def answered_chain(answer: bytes, request: SigningRequest) -> str:
    """Returns what an authority has signed, and those between it and the root, as PEM.

    Args:
        answer: PKCS#7, DER; the certificates in any order, with or without a root.
        request: that it answers.

    Raises:
        BadInput: if there is none of the request's key and names.
    """
    wanted = x509.load_pem_x509_csr(request.pem.encode())
    held = _sent(answer)
    leaf = next((each for each in held if each.public_key() == wanted.public_key()), None)
    if leaf is None:
        raise BadInput("none of its certificates is of the key that was asked for")
    names = _only(leaf.subject, NameOID.COMMON_NAME), _only(leaf.subject, NameOID.ORGANIZATION_NAME)
    if names != (request.common_name, request.organisation):
        asked = f"CN {request.common_name}, O {request.organisation}"
        raise BadInput(f"it has signed CN {names[0]}, O {names[1]}; asked for was {asked}")
    chain = [leaf]
    while True:
        last = chain[-1]
        above = [each for each in held if each.subject == last.issuer and each not in chain]
        if not above or above[0].subject == above[0].issuer:
            break
        chain.append(above[0])
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)


def _sent(answer: bytes) -> list[x509.Certificate]:
    try:
        held = pkcs7.load_der_pkcs7_certificates(answer)
    except _UNREADABLE as error:
        raise BadInput(f"no certificates (PKCS#7): {error}") from None
    if not held:
        raise BadInput("no certificate is in its answer")
    return held


def read_revocations(lists: bytes, authorities: bytes) -> frozenset[tuple[str, str]]:
    """Returns the certificates that revocation lists (RFC 5280) name, by issuer and serial number.

    A list that should have been followed by a newer one long ago counts all the same: what is on
    it stays revoked.

    Args:
        lists: one or several, PEM.
        authorities: certificates, PEM, one of which must have signed each list.

    Raises:
        BadInput: if there is none, or one is signed by somebody else.
    """
    try:
        parts = _LIST.findall(lists)
        found = [x509.load_pem_x509_crl(part) for part in parts]
        signers = x509.load_pem_x509_certificates(authorities)
        named: set[tuple[str, str]] = set()
        for each in found:
            above = [signer for signer in signers if signer.subject == each.issuer]
            if not any(_has_signed(signer, each) for signer in above):
                raise BadInput(f"the list of {each.issuer.rfc4514_string()} is not signed by it")
            issuer = each.issuer.rfc4514_string()
            named.update((issuer, f"{revoked.serial_number:X}") for revoked in each)
    except _UNREADABLE as error:
        raise BadInput(f"no revocation list (CRL): {error}") from None
    if not found:
        raise BadInput("no revocation list (CRL) in it")
    return frozenset(named)


def _has_signed(signer: x509.Certificate, made: x509.CertificateRevocationList) -> bool:
    key = signer.public_key()
    known = isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return known and made.is_signature_valid(key)


def make_authority(organisation: str, at: datetime, passphrase: str) -> tuple[str, str]:
    """Returns the certificate of a new root authority, and its key under a passphrase, as PEM.

    Args:
        organisation: the operator's name.
        at: real time, from which it is valid.
        passphrase: without which the key can't be read.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Stations of " + organisation[:52]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, at, AUTHORITY_LIFE)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), sealed.decode()


def sign_request(
    request: SigningRequest, *, authority: str, key: str, passphrase: str, at: datetime
) -> str:
    """Returns the certificate of a station, as PEM.

    Args:
        request: whose subject has been judged already, and is taken as it is.
        authority: certificate of the signer, PEM.
        key: of the signer, from `make_authority`.
        passphrase: of the key.
        at: real time, from which it is valid.

    Raises:
        BadInput: if the key can't be read with the passphrase.
    """
    wanted = x509.load_pem_x509_csr(request.pem.encode())
    root = x509.load_pem_x509_certificate(authority.encode())
    try:
        signer = serialization.load_pem_private_key(key.encode(), passphrase.encode())
    except ValueError:
        raise BadInput("the authority's key is under another secret key") from None
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    root_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    certificate = (
        _builder(wanted.subject, root.subject, at, STATION_LIFE)
        .public_key(wanted.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(root_identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, at: datetime, life: timedelta
) -> x509.CertificateBuilder:
    whole = at.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(whole - _BACKDATED)
        .not_valid_after(whole + life)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _only(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """Returns the one attribute of that kind; two could be read either way, so count as none.

    So does one that does not print: it is a trick, and no database takes a NUL.
    """
    found = name.get_attributes_for_oid(oid)
    text = str(found[0].value) if len(found) == 1 else ""
    return text if text and text.isprintable() else None
