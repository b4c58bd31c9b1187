"""An authority that speaks EST (RFC 7030) over HTTPS, on a port of its own, in a thread."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from csms.gateway.memory import basic
from tests.builders.pki import Pki

USER, PASSWORD = "csms", "secret of the authority"


@dataclass
class EstServer:
    """What it is, and what it was asked."""

    pki: Pki
    """Whose authority signs."""
    web: Pki
    """That its server's certificate comes from."""
    url: str = ""
    asked: list[str] = field(default_factory=list[str])
    """Common names of the requests that it has signed."""
    answers: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """Status and body of the next answers, in the place of what it would say."""
    changed: dict[str, Any] = field(default_factory=dict[str, Any])
    """What it signs in the place of what it was asked for: `name`, `organisation` or `key`."""
    pause_s: float = 0.0
    """Between two bytes of what it says."""
    written: int = 0
    """Bytes of its answers that were taken off it."""

    def signed(self, body: bytes) -> bytes:
        """Returns the answer to a request."""
        wanted = x509.load_der_x509_csr(base64.b64decode(body))
        (name,) = wanted.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        (organisation,) = wanted.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        self.asked.append(str(name.value))
        made = self.pki.sign(
            self.changed.get("key", wanted.public_key()),
            self.changed.get("name", str(name.value)),
            self.changed.get("organisation", str(organisation.value)),
        )
        # The root first: a client must not take the first for what it has asked for.
        return packed([self.pki.certificate, made])


def packed(certificates: list[x509.Certificate]) -> bytes:
    """Returns certificates as EST sends them."""
    der = pkcs7.serialize_certificates(certificates, serialization.Encoding.DER)
    return base64.encodebytes(der)


@contextmanager
def est_server(directory: Path) -> Generator[EstServer]:
    """Runs it until the block ends."""
    server = EstServer(Pki(directory / "est", "Outside root"), Pki(directory / "web", "Web root"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, packed([server.pki.certificate]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Authorization"] != basic(USER, PASSWORD):
                self._say(401, b"who are you?")
            elif server.answers:
                self._say(*server.answers.pop(0))
            elif self.headers["Content-Type"] != "application/pkcs10":
                self._say(415, b"no request")
            else:
                self._say(200, server.signed(body))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            size = 1 if server.pause_s else 65_536
            try:
                for start in range(0, len(body), size):
                    server.written += self.wfile.write(body[start : start + size])
                    time.sleep(server.pause_s)
            except OSError:
                self.close_connection = True  # the client has had enough

        def log_message(self, *_: Any) -> None:
            """Stays silent."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server.web.server("ec"))
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    server.url = f"https://127.0.0.1:{listener.server_port}/.well-known/est"
    running = threading.Thread(target=listener.serve_forever)
    running.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        running.join()
