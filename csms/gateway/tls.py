"""TLS of the station door: which handshakes are taken, and certificates that change while we run.

Security profiles 2 and 3 (OCPP 1.6 security whitepaper edition 3, section 2; OCPP 2.0.1 part 2,
A00.FR.3xx and 4xx): TLS 1.2 and newer, an ECDSA and an RSA certificate side by side, and only
suites with forward secrecy unless the operator asks for the two without it
(docs/decisions/0011). A client certificate is asked for, not required, and the handshake checks
only who has signed it: names, time and revocation are judged with the login (`csms.gateway.login`),
where the station has a name, and where a refusal is a security event.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from csms.certificates import read_revocations
from csms.config import Settings
from csms.gateway.limits import Limits
from csms.gateway.transport import SocketTransport
from models.clocks import WireClock
from models.errors import BadInput, FleetError

SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""Of TLS 1.2, as OpenSSL names them; TLS 1.3 has its own, which are all good."""
RSA_SUITES = ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
"""TLS_RSA_WITH_AES_128_GCM_SHA256 and _256_GCM_SHA384: OCPP demands them; no forward secrecy."""
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the `ssl` module has no name for."""
_BACKLOG = 4096
_Stamp = tuple[tuple[int, int, int], ...]

_log = structlog.get_logger("gateway")


class TlsPortTaken(FleetError):
    """The TLS port for stations can't be listened on."""

    code = "port-taken"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the operator gives."""

    certificates: tuple[Path, ...]
    """One or two, ECDSA and RSA, each with the chain that leads to its root."""
    keys: tuple[Path, ...]
    """In the order of the certificates, not encrypted."""
    client_ca: Path | None = None
    """Roots, besides our own authority, whose client certificates are taken."""
    client_crl: Path | None = None
    """What those roots have revoked."""
    rsa_key_exchange: bool = False

    @classmethod
    def named_in(cls, settings: Settings) -> TlsFiles:
        """Returns those that the settings name."""
        return cls(
            certificates=settings.ocpp_tls_certificate,
            keys=settings.ocpp_tls_key,
            client_ca=settings.ocpp_tls_client_ca,
            client_crl=settings.ocpp_tls_client_crl,
            rsa_key_exchange=settings.ocpp_tls_rsa_key_exchange,
        )

    def paths(self) -> tuple[Path, ...]:
        """Returns all files."""
        extra = (each for each in (self.client_ca, self.client_crl) if each is not None)
        return (*self.certificates, *self.keys, *extra)


def make_context(files: TlsFiles, own_authority: str | None) -> ssl.SSLContext:
    """Returns what a handshake is made with; reads the files, which blocks.

    Args:
        files: of the operator.
        own_authority: certificate of our own authority, PEM; None: there is none.

    Raises:
        BadInput: naming the file that is no use.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    suites = SUITES + (RSA_SUITES if files.rsa_key_exchange else ())
    context.set_ciphers(":".join(suites))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    for certificate, key in zip(files.certificates, files.keys, strict=True):
        try:
            # An encrypted key would ask for its passphrase on the terminal, for ever.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except OSError as error:
            place = f"TLS certificate {certificate} with key {key}"
            raise BadInput(f"{place}: {error.strerror or error}") from None
    _trust(context, files.client_ca, own_authority)
    return context


def _trust(context: ssl.SSLContext, client_ca: Path | None, own_authority: str | None) -> None:
    if client_ca is None and own_authority is None:
        return
    try:
        if client_ca is not None:
            context.load_verify_locations(cafile=client_ca)
        if own_authority is not None:
            context.load_verify_locations(cadata=own_authority)
    except OSError as error:
        raise BadInput(f"client CA {client_ca}: {error.strerror or error}") from None
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)


def _revocations(files: TlsFiles) -> frozenset[tuple[str, str]]:
    """Returns what the operator's lists name, by issuer and serial number; blocks.

    The handshake does not look at them: a refusal at the login is noted, and looks like any other.

    Raises:
        BadInput: naming the file that is no use.
    """
    if files.client_crl is None or files.client_ca is None:
        return frozenset()
    try:
        return read_revocations(files.client_crl.read_bytes(), files.client_ca.read_bytes())
    except OSError as error:
        raise BadInput(f"client CRL {files.client_crl}: {error.strerror or error}") from None
    except BadInput as error:
        raise BadInput(f"client CRL {files.client_crl}: {error.detail}") from None


def _stamp(files: TlsFiles) -> _Stamp:
    """Returns what tells one version of the files from another; blocks.

    Raises:
        BadInput: if one can't be looked at.
    """
    found: list[tuple[int, int, int]] = []
    for path in files.paths():
        try:
            state = path.stat()
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror or error}") from None
        found.append((state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(found)


class TlsDoor:
    """The listening socket with TLS; its certificates can be changed under it.

    A changed file makes a new context and a new server on the same socket. Connections that stand
    are not touched, and no knock is lost, because the kernel's queue of the socket stays.
    """

    def __init__(
        self,
        files: TlsFiles,
        *,
        make_transport: Callable[[], SocketTransport],
        own_authority: Callable[[], Awaitable[str | None]],
        on_revocations: Callable[[frozenset[tuple[str, str]]], None],
        limits: Limits,
        wire: WireClock,
    ) -> None:
        self._files = files
        self._make_transport = make_transport
        self._own_authority = own_authority
        self._on_revocations = on_revocations
        self._limits = limits
        self._wire = wire
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._stamp: _Stamp = ()
        self._turn = asyncio.Lock()

    async def open(self, host: str, port: int) -> int:
        """Opens the door; returns the port, which is a free one if `port` is 0.

        Raises:
            TlsPortTaken: if it can't be listened on.
            BadInput: if a file is no use.
        """
        context = await self._new_context()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            detail = f"can't listen on {host}:{port}: {error.strerror or error}"
            raise TlsPortTaken(detail) from None
        self._socket = listener
        self._server = await self._serve(context)
        return int(listener.getsockname()[1])

    async def reload(self, *, even_if_same: bool = True) -> bool:
        """Takes the files as they are now; returns whether anything was taken.

        Files that are no use change nothing: they are logged, and what was there goes on.
        """
        async with self._turn:
            if self._socket is None:
                return False
            try:
                stamp = await asyncio.to_thread(_stamp, self._files)
                if stamp == self._stamp and not even_if_same:
                    return False
                context = await self._new_context()
            except BadInput as error:
                _log.error("tls_files_refused", error=error.detail)
                return False
            server = await self._serve(context)
            if self._server is not None:
                self._server.close()
            self._server = server
            _log.info("tls_files_taken")
            return True

    async def watch(self) -> None:
        """Looks at the files now and then, for ever."""
        while True:
            await self._wire.sleep(self._limits.tls_files_every_s)
            await self.reload(even_if_same=False)

    def close(self) -> None:
        """Lets nobody in any more."""
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _new_context(self) -> ssl.SSLContext:
        authority = await self._own_authority()
        stamp = await asyncio.to_thread(_stamp, self._files)
        context = await asyncio.to_thread(make_context, self._files, authority)
        listed = await asyncio.to_thread(_revocations, self._files)
        self._stamp = stamp
        self._on_revocations(listed)
        return context

    async def _serve(self, context: ssl.SSLContext) -> asyncio.Server:
        assert self._socket is not None
        return await asyncio.get_running_loop().create_server(
            self._make_transport,
            sock=self._socket.dup(),
            ssl=context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=self._limits.handshake_s,
            ssl_shutdown_timeout=self._limits.close_s,
        )
