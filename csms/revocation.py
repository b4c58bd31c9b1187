"""Revocation: OCSP, lists of the revoked, and chains of contract certificates, as bytes and words.

Nothing here asks anybody; who is asked is the business of `csms.trust.errands`. A certificate is
named by hashes of its issuer's name and key, because cars and stations do not show it.
Sources: RFC 6960; RFC 5280; OCPP 2.0.1 part 2, C07 and M06.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import new as new_hash
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from models.errors import BadInput
from models.proofs import CertificateId, Revocation, StatusWanted

AHEAD = timedelta(minutes=5)
"""How far an authority's clock may be ahead of ours."""
CHAIN_MAX = 8
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    OverflowError,
    # These three are neither of the above, and whoever makes a certificate may provoke them.
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class StatusWord:
    """What an OCSP response or a list of the revoked says of one certificate."""

    status: Revocation
    verified: bool
    """Signed by the issuer, or by one whom the issuer lets sign, and the issuer is trusted."""
    this_update_at: datetime
    next_update_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChainWord:
    """What a chain of certificates is worth, before anybody is asked whether it was revoked."""

    status: Literal["whole", "expired", "broken"]
    why: str | None
    wanted: tuple[StatusWanted, ...]
    """Of each certificate of it, the root excepted, if it is whole."""
    common_name: str | None = None
    """Of the contract, if it is whole."""


def ocsp_request(certificate: CertificateId) -> bytes:
    """Returns the question for the state of a certificate, DER.

    Raises:
        BadInput: if it is not named as OCSP names certificates.
    """
    algorithm = _HASHES.get(certificate.hash_algorithm)
    if algorithm is None:
        raise BadInput(f"no hash algorithm of OCPP: {certificate.hash_algorithm}")
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            bytes.fromhex(certificate.issuer_name_hash),
            bytes.fromhex(certificate.issuer_key_hash),
            int(certificate.serial_number, 16),
            algorithm,
        )
        return builder.build().public_bytes(serialization.Encoding.DER)
    except _UNREADABLE as error:
        raise BadInput(f"the certificate's hashes or serial number are wrong: {error}") from None


def read_ocsp(
    data: bytes, certificate: CertificateId, authorities: Sequence[str], at: datetime
) -> StatusWord:
    """Returns what an OCSP response says of a certificate.

    Args:
        data: DER, as it came.
        certificate: that was asked about.
        authorities: certificates of those who may have issued it, PEM.
        at: real time, at which one whom the issuer lets sign must still be allowed to. By the
            answer's own time, who has an old signer's key could sign for ever.

    Raises:
        BadInput: if it is none, is about another certificate, or says that it can't tell.
    """
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise BadInput(f"the responder says {response.response_status.name}")
        word = next((each for each in response.responses if _is_about(each, certificate)), None)
        if word is None:
            raise BadInput("the answer is about another certificate")
        status: Revocation = "unknown"
        if word.certificate_status is ocsp.OCSPCertStatus.GOOD:
            status = "good"
        elif word.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            status = "revoked"
        issuer = _issuer_of(certificate, authorities)
        return StatusWord(
            status=status,
            verified=issuer is not None and _is_signed(response, issuer, at),
            this_update_at=word.this_update_utc,
            next_update_at=word.next_update_utc,
        )
    except _UNREADABLE as error:
        raise BadInput(f"no OCSP response: {error}") from None


def read_list(data: bytes, certificate: CertificateId, authorities: Sequence[str]) -> StatusWord:
    """Returns what a list of the revoked (CRL) says of a certificate.

    Args:
        data: DER or PEM, as it came.
        certificate: that was asked about.
        authorities: certificates of those who may have issued it, PEM.

    Raises:
        BadInput: if it is none, or is of another issuer.
    """
    try:
        is_pem = data.lstrip().startswith(b"-----BEGIN")
        found = x509.load_pem_x509_crl(data) if is_pem else x509.load_der_x509_crl(data)
        name_hash = new_hash(certificate.hash_algorithm.lower(), found.issuer.public_bytes())
        if name_hash.hexdigest() != certificate.issuer_name_hash.lower():
            raise BadInput("the list of the revoked is of another issuer")
        serial = int(certificate.serial_number, 16)
        revoked = found.get_revoked_certificate_by_serial_number(serial) is not None
        issuer = _issuer_of(certificate, authorities)
        return StatusWord(
            status="revoked" if revoked else "good",
            verified=issuer is not None and _signed_list(found, issuer),
            this_update_at=found.last_update_utc,
            next_update_at=found.next_update_utc,
        )
    except _UNREADABLE as error:
        raise BadInput(f"no list of the revoked: {error}") from None


def read_authorities(text: str) -> tuple[str, ...]:
    """Returns the certificates of a bundle, PEM each.

    Raises:
        BadInput: if there is none, or one can't be read.
    """
    try:
        return tuple(_pem(each) for each in x509.load_pem_x509_certificates(text.encode()))
    except _UNREADABLE as error:
        raise BadInput(f"no bundle of X.509 certificates: {error}") from None


def judge_chain(chain: str, authorities: Sequence[str], at: datetime) -> ChainWord:
    """Returns what a contract's certificates are worth.

    Args:
        chain: PEM, the contract's own first, each signed by the next, the root left out.
        authorities: certificates of those who are trusted, PEM; one of them has signed the last.
        at: real time.
    """
    try:
        links = x509.load_pem_x509_certificates(chain.encode())
        if len(links) > CHAIN_MAX:
            return ChainWord("broken", f"more than {CHAIN_MAX} certificates", ())
        trusted = [x509.load_pem_x509_certificate(each.encode()) for each in authorities]
        issuers = [*links[1:], _signer(links[-1], trusted)]
        for link, issuer in zip(links, issuers, strict=True):
            if issuer is None:
                return ChainWord("broken", "it leads to nobody who is trusted", ())
            if not _issued(link, issuer) or not _may_sign(issuer):
                return ChainWord("broken", f"{_name(link)} is not signed by the next one", ())
        late = [link for link in (*links, *filter(None, issuers)) if not _valid(link, at)]
        if late:
            return ChainWord("expired", f"{_name(late[0])} is out of its time", ())
        wanted = tuple(
            _wanted(link, issuer)
            for link, issuer in zip(links, issuers, strict=True)
            if issuer is not None and issuer != link
        )
        names = links[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(names[0].value) if len(names) == 1 else None
    except _UNREADABLE as error:
        return ChainWord("broken", f"no chain of X.509 certificates: {error}", ())
    return ChainWord("whole", None, wanted, name)


def _is_about(word: ocsp.OCSPSingleResponse, certificate: CertificateId) -> bool:
    return (
        word.hash_algorithm.name.upper() == certificate.hash_algorithm
        and word.serial_number == int(certificate.serial_number, 16)
        and word.issuer_name_hash == bytes.fromhex(certificate.issuer_name_hash)
        and word.issuer_key_hash == bytes.fromhex(certificate.issuer_key_hash)
    )


def _issuer_of(certificate: CertificateId, authorities: Sequence[str]) -> x509.Certificate | None:
    for text in authorities:
        found = x509.load_pem_x509_certificate(text.encode())
        names = _hashes_of(found, certificate.hash_algorithm)
        if names == (certificate.issuer_name_hash.lower(), certificate.issuer_key_hash.lower()):
            return found
    return None


def _is_signed(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> bool:
    """Returns whether the issuer has signed, or one whom it lets sign (RFC 6960, 4.2.2.2)."""
    signers = [issuer, *(each for each in response.certificates if _may_answer(each, issuer, at))]
    return any(_verifies(response, signer) for signer in signers)


def _may_answer(signer: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    try:
        uses = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return (
        ExtendedKeyUsageOID.OCSP_SIGNING in uses and _valid(signer, at) and _issued(signer, issuer)
    )


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, signature = signer.public_key(), response.signature
    told, algorithm = response.tbs_response_bytes, response.signature_hash_algorithm
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, told, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, told, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, told)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _signed_list(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    kinds = (
        *(rsa.RSAPublicKey, ec.EllipticCurvePublicKey),
        *(ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
    )
    return isinstance(key, kinds) and found.is_signature_valid(key)


def _signer(link: x509.Certificate, trusted: Iterable[x509.Certificate]) -> x509.Certificate | None:
    return next((each for each in trusted if _issued(link, each)), None)


def _issued(link: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        link.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _may_sign(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _valid(link: x509.Certificate, at: datetime) -> bool:
    return link.not_valid_before_utc <= at < link.not_valid_after_utc


def _wanted(link: x509.Certificate, issuer: x509.Certificate) -> StatusWanted:
    return StatusWanted(certificate=_id_of(link, issuer, "SHA256"), urls=_responders(link))


def _responders(link: x509.Certificate) -> tuple[str, ...]:
    try:
        access = link.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        each.access_location.value
        for each in access
        if each.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    )


def _id_of(link: x509.Certificate, issuer: x509.Certificate, algorithm: str) -> CertificateId:
    name_hash, key_hash = _hashes_of(issuer, algorithm)
    return CertificateId(
        hash_algorithm=algorithm,
        issuer_name_hash=name_hash,
        issuer_key_hash=key_hash,
        serial_number=f"{link.serial_number:x}",
    )


def _hashes_of(issuer: x509.Certificate, algorithm: str) -> tuple[str, str]:
    """Returns the hashes of the issuer's name, and of its key as the bits that X.509 has of it."""
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    else:
        bits = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    hashed = (new_hash(algorithm.lower(), each) for each in (issuer.subject.public_bytes(), bits))
    name_hash, key_hash = (each.hexdigest() for each in hashed)
    return name_hash, key_hash


def _name(link: x509.Certificate) -> str:
    return link.subject.rfc4514_string() or f"the certificate {link.serial_number:x}"


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
