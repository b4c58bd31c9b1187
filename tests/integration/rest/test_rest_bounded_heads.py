"""What comes over a connection without ever becoming a request is bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from csms.web.bounded import HEAD_BYTES_MAX, BoundedHttp

PIECE = 8 * 1024
FAR_TOO_MUCH = 64 * HEAD_BYTES_MAX


async def _length(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(str(len(body)))(scope, receive, send)


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    """Where a server answers with the length of bodies."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_length, http=BoundedHttp, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def _answer(port: int, begin: bytes, again: bytes, limit: int) -> tuple[bytes, int]:
    """Sends a beginning, and then the same piece again and again while the connection stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        writer.write(begin)
        while sent < limit and not writer.is_closing():
            writer.write(again)
            await writer.drain()
            sent += len(again)
            await asyncio.sleep(0)
        answer = await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:  # it closed while we were sending
        answer = b""
    finally:
        writer.close()
    return answer, sent


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"GET /", b"a" * PIECE),
        (b"GET / HTTP/1.1\r\nhost: h\r\nx: ", b"a" * PIECE),
        (b"GET / HTTP/1.1\r\nhost: h\r\n", b"x: " + b"a" * PIECE + b"\r\n"),
        (
            b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"x: " + b"a" * PIECE + b"\r\n",
        ),
    ],
    ids=["line", "header", "headers", "trailers"],
)
async def test_endless_heads_end_the_connection(port: int, begin: bytes, again: bytes) -> None:
    answer, sent = await _answer(port, begin, again, FAR_TOO_MUCH)
    assert answer == b"" or b" 400 " in answer
    assert sent < FAR_TOO_MUCH


async def test_large_bodies_and_many_requests_pass(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"a" * (4 * HEAD_BYTES_MAX)
    head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)
    for _ in range(5):
        writer.write(head + body)
        answer = await asyncio.wait_for(reader.readuntil(str(len(body)).encode()), 60)
        while b"\r\n\r\n" not in answer or not answer.endswith(str(len(body)).encode()):
            answer += await asyncio.wait_for(reader.read(100), 60)
        assert b" 200 " in answer
    writer.close()
