"""An OCSP responder and a contract pool on a real port, and the contracts that they know."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from models.clocks import RealClock
from models.proofs import CertificateId

DAY = timedelta(days=1)
TOKEN = "pool-token"
CONTRACT = base64.b64encode(b"a contract of your own").decode()


class Mobility:
    """An authority of mobility operators, and the contracts that it has signed."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._signed("Mobility root", self.key.public_key(), authority=True)
        self.delegate_key = ec.generate_private_key(ec.SECP256R1())
        self.delegate = self._signed("Responder", self.delegate_key.public_key(), answers=True)

    @property
    def pem(self) -> str:
        return pem(self.root)

    def id_of(self, certificate: x509.Certificate) -> CertificateId:
        """Returns how OCSP names a certificate that it has signed."""
        algorithm = hashes.SHA256()
        asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, self.root, algorithm).build()
        return CertificateId(
            hash_algorithm="SHA256",
            issuer_name_hash=asked.issuer_name_hash.hex(),
            issuer_key_hash=asked.issuer_key_hash.hex(),
            serial_number=f"{asked.serial_number:x}",
        )

    def hashes_of(self, certificate: x509.Certificate) -> dict[str, str]:
        """Returns the same in the words of OCPP."""
        found = self.id_of(certificate)
        return {
            "hashAlgorithm": found.hash_algorithm,
            "issuerNameHash": found.issuer_name_hash,
            "issuerKeyHash": found.issuer_key_hash,
            "serialNumber": found.serial_number,
        }

    def contract(self, emaid: str, *, ends: timedelta = DAY) -> x509.Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        return self._signed(emaid, key.public_key(), ends=ends)

    def old_delegate(self) -> x509.Certificate:
        """Returns the certificate of a responder whose time is up."""
        return self._signed("Responder", self.delegate_key.public_key(), answers=True, ends=-DAY)

    def _signed(
        self,
        name: str,
        public: Any,
        *,
        authority: bool = False,
        answers: bool = False,
        ends: timedelta = DAY,
    ) -> x509.Certificate:
        now = RealClock().now()
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mobility root")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if answers:
            uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
            builder = builder.add_extension(uses, critical=False)
        if self.url and not authority:
            place = x509.UniformResourceIdentifier(self.url)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([access]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Responder:
    """Answers OCSP at `/ocsp`, has its list at `/crl`, and is a contract pool at `/pool`."""

    def __init__(self) -> None:
        self.authority: Mobility
        self.revoked: set[int] = set()
        self.asked = 0
        self.pool_asked: list[Any] = []
        self.headers: list[str] = []
        self.mood = "willing"
        """`slow`, `silent`, `huge`, `broken`, `another`, `moved`, `refusing`, `wordy` and so on."""
        self.said_at: datetime | None = None
        """When it says what it says; None: now."""
        self.holds: timedelta | None = DAY
        """How long that holds; None: it does not say."""
        self.url = ""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                lengths = [int(x[15:]) for x in lines if x.lower().startswith("content-length")]
                body = await reader.readexactly(lengths[0] if lengths else 0)
                self.headers = lines
                if "/pool" in lines[0]:
                    status, answer = self.pool(body)
                elif "/crl" in lines[0]:
                    status, answer = "200 OK", self.crl()
                else:
                    status, answer = await self.ocsp(body)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n"
                    f"Location: {self.url}\r\n\r\n".encode()
                )
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def ocsp(self, body: bytes) -> tuple[str, bytes]:
        self.asked += 1
        if self.mood == "slow":
            await asyncio.sleep(1.0)
        if self.mood == "silent":
            await asyncio.sleep(30.0)
        if self.mood == "huge":
            return "200 OK", b"\0" * 100_000
        if self.mood == "broken":
            return "200 OK", b"no answer"
        if self.mood == "moved":
            return "302 Found", b""
        request = ocsp.load_der_ocsp_request(body)
        serial = request.serial_number + (self.mood == "another")
        now = RealClock().now()
        gone = serial in self.revoked
        said_at = self.said_at or now
        delegating = self.mood == "delegating"
        signer = self.authority.delegate if delegating else self.authority.root
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=request.issuer_name_hash,
            issuer_key_hash=request.issuer_key_hash,
            serial_number=serial,
            algorithm=request.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if gone else ocsp.OCSPCertStatus.GOOD,
            this_update=said_at,
            next_update=None if self.holds is None else said_at + self.holds,
            revocation_time=said_at if gone else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        if delegating:
            builder = builder.certificates([signer])
        key = self.authority.delegate_key if delegating else self.authority.key
        made = builder.sign(key, hashes.SHA256())
        return "200 OK", made.public_bytes(serialization.Encoding.DER)

    def crl(self) -> bytes:
        now = RealClock().now()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.authority.root.subject)
            .last_update(now)
            .next_update(now + DAY)
        )
        for serial in sorted(self.revoked):
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(gone.build())
        made = builder.sign(self.authority.key, hashes.SHA256())
        form = serialization.Encoding.PEM if self.mood == "wordy" else serialization.Encoding.DER
        return b"no list" if self.mood == "broken" else made.public_bytes(form)

    def pool(self, body: bytes) -> tuple[str, bytes]:
        if f"authorization: bearer {TOKEN}" not in [line.lower() for line in self.headers]:
            return "401 Unauthorized", b"{}"
        asked = msgspec.json.decode(body)
        self.pool_asked.append(asked)
        if self.mood == "refusing":
            return "200 OK", b'{"status": "Failed", "reason": "no such contract"}'
        if self.mood == "broken":
            return "200 OK", b'{"status": "Accepted", "exi_response": "###"}'
        told = {"status": "Accepted", "exi_response": CONTRACT, "remaining_contracts": 1}
        return "200 OK", msgspec.json.encode(told)


@asynccontextmanager
async def responder() -> AsyncIterator[Responder]:
    it = Responder()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    it.url = f"http://127.0.0.1:{it.port}/ocsp"
    it.authority = Mobility(it.url)
    try:
        yield it
    finally:
        server.close()
