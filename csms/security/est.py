"""An authority outside: certificates of stations are signed by whoever speaks EST (RFC 7030).

Enrolment over Secure Transport is what most certificate authorities and their gateways offer to
machines: one POST with the request, one answer with the certificate. We are its client for all our
stations, by a name and password or a certificate of our own. Renewal is the same request anew
(`simpleenroll`): the station has a new key, and we log in, not the station.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from csms.certificates import (
    SigningRequest,
    answered_chain,
    certificates_of,
    request_bytes,
)
from models.errors import BadInput, Unavailable

_TIMEOUT_S = 20.0
"""For all of a request: an answer that drips must not take as long as it likes."""
_LONGEST_ANSWER = 256 * 1024
_DETAIL = 200
"""Characters of a refusal that are told on."""


@dataclass(frozen=True, slots=True)
class EstAccess:
    """Where the authority is, and how we log in there."""

    url: str
    """Up to and with `/.well-known/est`, and a label where it has several."""
    user: str | None = None
    password: str | None = None
    ca: Path | None = None
    """Root that its server is trusted by; None: those of the system."""
    certificate: Path | None = None
    """Our own, with its key in the same file."""


class EstAuthority:
    """Has certificates signed outside (`csms.certificates.CertificateAuthority`)."""

    def __init__(self, access: EstAccess) -> None:
        """Takes where it is; nothing is asked yet.

        Raises:
            BadInput: naming a file that is no use.
        """
        self._access = access
        self._tls = _context(access)

    async def root(self) -> str:
        """Returns the certificates that ours chain to, as PEM.

        Raises:
            Unavailable: if they can't be had now.
        """
        return "".join(each.pem for each in certificates_of(await self._ask("cacerts", None)))

    async def sign(self, request: SigningRequest) -> str:
        """Returns the certificate that was asked for, and those between it and the root, as PEM.

        Raises:
            Unavailable: if it can't be signed now.
        """
        answer = await self._ask("simpleenroll", base64.b64encode(request_bytes(request)))
        try:
            return answered_chain(answer, request)
        except BadInput as error:
            raise Unavailable(f"the authority: {error.detail}") from None

    async def _ask(self, operation: str, body: bytes | None) -> bytes:
        """Returns the bytes of an answer: certificates as PKCS#7."""
        access, place = self._access, f"the authority at {httpx.URL(self._access.url).host}"
        login = (access.user, access.password or "") if access.user is not None else None
        headers = {"Accept": "application/pkcs7-mime", "Accept-Encoding": "identity"}
        if body is not None:
            headers |= {"Content-Type": "application/pkcs10"}
            headers |= {"Content-Transfer-Encoding": "base64"}
        method = "GET" if body is None else "POST"
        url = f"{access.url.rstrip('/')}/{operation}"
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                httpx.AsyncClient(
                    verify=self._tls, auth=login, timeout=_TIMEOUT_S, trust_env=False
                ) as client,
                client.stream(method, url, content=body, headers=headers) as answer,
            ):
                status, content = answer.status_code, await _read(answer, place)
        except TimeoutError:
            raise Unavailable(f"{place} does not answer within {_TIMEOUT_S:g} s") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"{place} can't be reached: {error}") from None
        if status == HTTPStatus.ACCEPTED:
            raise Unavailable(f"{place} wants somebody to agree first; ask again later")
        if status != HTTPStatus.OK:
            told = " ".join(content.decode(errors="replace").split())[:_DETAIL]
            raise Unavailable(f"{place} answers {status} {told}".rstrip())
        try:
            return base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error as error:
            raise Unavailable(f"{place} answers no base64: {error}") from None


async def _read(answer: httpx.Response, place: str) -> bytes:
    """Returns the bytes of an answer as they come, so that one without end is not kept."""
    read = bytearray()
    async for piece in answer.aiter_raw():
        read += piece
        if len(read) > _LONGEST_ANSWER:
            raise Unavailable(f"{place} answers more than {_LONGEST_ANSWER} bytes")
    return bytes(read)


def _context(access: EstAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
    except OSError as error:
        raise BadInput(f"est_ca {access.ca}: {error.strerror or error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.certificate is not None:
        try:
            # An encrypted key would ask for its passphrase on the terminal, for ever.
            context.load_cert_chain(access.certificate, password=lambda: "")
        except OSError as error:
            detail = f"est_certificate {access.certificate}: {error.strerror or error}"
            raise BadInput(detail) from None
    return context
