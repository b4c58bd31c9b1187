"""Requests within one process are those that `httpx` would make."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import Message, Receive, Scope, Send

from csms.commands.inside import InsideClient

KEY = {"Authorization": "Bearer x", "X-Seen-By": "Tester"}


class Echo:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message: Message = await receive()
            body += message["body"]
            more = message["more_body"]
        seen = {**scope, "headers": sorted(scope["headers"]), "body": body}
        self.asked.append(seen)
        status = 404 if scope["path"].endswith("nothing") else 201
        headers = [(b"content-type", b"application/json"), (b"etag", b'"7"')]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"a":', "more_body": True})
        await send({"type": "http.response.body", "body": b"1}", "more_body": False})


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/api/v1/sites/A-1/moves", {}),
        ("GET", "/api/v1/nothing", {"params": None}),
        ("POST", "/api/v1/bookings", {"content": b'{"n": 1}', "headers": {"Content-Type": "a/b"}}),
        ("POST", "/api/v1/bookings/1/start", {}),
        ("GET", "/api/v1/sites", {"headers": {"authorization": "Bearer y", "Host": "other"}}),
        ("POST", "/api/v1/sites", {"content": b"{}", "headers": {"Content-Length": "2"}}),
        ("PATCH", "/api/v1/cars/x", {"content": b""}),
        ("GET", "/api/v1/plans?limit=5", {}),
        ("GET", "/api/v1/plans", {"params": {"limit": "5", "from": "2026-06-15T12:00:00+02:00"}}),
        ("POST", "/api/v1/clock", {"json": {"advance_to": "x"}}),
        ("GET", "/api/v1/cars/ä b", {}),
    ],
)
async def test_an_application_sees_and_is_seen_as_over_httpx(
    method: str, path: str, options: dict[str, Any]
) -> None:
    plain, inside = Echo(), Echo()
    transport = httpx.ASGITransport(plain)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://replay", headers=KEY) as usual,
        InsideClient(inside, name="replay", headers=KEY) as quick,
    ):
        expected = await usual.request(method, path, **options)
        found = await quick.request(method, path, **options)
        assert inside.asked == plain.asked
        assert (found.status_code, found.content, found.text, found.is_error) == (
            expected.status_code,
            expected.content,
            expected.text,
            expected.is_error,
        )
        assert {**expected.headers}.items() <= {**found.headers}.items()
        assert msgspec.json.decode(found.content) == {"a": 1}
        if method == "GET":
            await quick.get(path, **options)
            assert inside.asked[1] == inside.asked[0]
