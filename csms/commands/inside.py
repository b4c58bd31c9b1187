"""Asks an application of this process over HTTP, without what a network would need for it.

`httpx` takes as long to put together a request, and to take an answer apart, as the application
takes to find who is asked; where whole days are played, a town asks thousands of times.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

_PLAIN = re.compile(r"/[A-Za-z0-9/_.~-]*")
"""Addresses that are the same spelt out."""
_ENDED: Message = {"type": "http.disconnect"}


class InsideClient(httpx.AsyncClient):
    """A client of one application: plain requests go to it directly, others by way of `httpx`."""

    def __init__(self, app: ASGIApp, *, name: str, headers: Mapping[str, str]) -> None:
        """Takes the application, the host by which it is asked, and headers of every request."""
        super().__init__(
            transport=httpx.ASGITransport(app),
            base_url=f"http://{name}",
            headers=headers,
            timeout=1e9,
        )
        self._app = app
        self._name = name
        self._always = [(key.lower(), value) for key, value in self.headers.raw]
        self._always.insert(0, (b"host", name.encode()))

    async def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        """Sends a request, as `httpx.AsyncClient` does."""
        content, headers = options.pop("content", None), options.pop("headers", None)
        is_plain = (
            isinstance(url, str)
            and _PLAIN.fullmatch(url) is not None
            and (content is None or isinstance(content, bytes))
            and all(each in (None, httpx.USE_CLIENT_DEFAULT) for each in options.values())
        )
        if not is_plain:
            return await super().request(method, url, content=content, headers=headers, **options)
        return await self._ask(method, url, content or b"", headers or {})

    async def _ask(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        given = {name for name, _ in raw}
        always = [each for each in self._always if each[0] not in given]
        if b"content-length" not in given and (content or method in {"POST", "PUT", "PATCH"}):
            raw.append((b"content-length", str(len(content)).encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "headers": always + raw,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "server": (self._name, None),
            "client": ("127.0.0.1", 123),
            "root_path": "",
        }
        asked, ended = False, asyncio.Event()
        start: Message = {}
        parts: list[bytes] = []

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await ended.wait()
                return _ENDED
            asked = True
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    ended.set()

        await self._app(scope, receive, send)
        return httpx.Response(start["status"], headers=start["headers"], content=b"".join(parts))
