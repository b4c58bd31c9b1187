"""The HTTP door of a real service, by raw sockets: what clients send beside requests."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

from tests.builders.service import KEY, Service, running_service

HEAD_BYTES_FAR_TOO_MANY = 4 * 1024 * 1024
PIECE = b"a" * 8192


def test_bodies_of_clients_that_offer_another_protocol_are_read_and_heads_are_bounded(
    tmp_path: Path,
) -> None:
    with running_service(tmp_path) as service:
        body = json.dumps({"id": "ada", "name": "Ada"}).encode()
        for word in (b"h2c", b"tls/1.3"):
            # As the HTTP client of Java does it on each connection without TLS.
            answer = said(
                service,
                b"POST /api/v1/drivers HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\n"
                b"Upgrade: " + word + b"\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n",
                body,
            )
            assert answer.split(b"\r\n", 1)[0].split()[1] in {b"201", b"409"}
            assert answer.count(b"HTTP/1.1 ") == 1
        assert service.get("/drivers/ada")["name"] == "Ada"
        head = b"GET /live HTTP/1.1\r\nHost: h\r\nX: "
        many = [PIECE] * (HEAD_BYTES_FAR_TOO_MANY // len(PIECE))
        answer = said(service, head, *many)
        assert answer == b"" or b" 400 " in answer


def said(service: Service, *parts: bytes) -> bytes:
    """Sends the parts one after the other, as far as they are taken; returns all that comes."""
    door = urlsplit(service.http_url)
    assert door.hostname is not None
    assert door.port is not None
    found = b""
    with socket.create_connection((door.hostname, door.port), timeout=60) as link:
        try:
            for part in parts:
                link.sendall(part)
            while piece := link.recv(65_536):
                found += piece
        except ConnectionError:  # closed while we were sending
            pass
    return found
