"""HTTP by llhttp, with a bound on what a client may send before anything comes of it.

The parser itself keeps request lines, headers and trailers of any size, whoever sends them: a
client without a key could fill the memory. Bodies have their own bound, in `csms.web.body`.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
"""Of a request's line and headers, or of its trailers, that come in more than one piece."""


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection over which too much comes that makes neither a request nor a body."""

    _unheard_bytes = 0
    """Since the last part of a body, or the end of headers or of a request."""

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        self._unheard_bytes += len(data)
        super().data_received(data)
        if self._unheard_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_headers_complete(self) -> None:
        """Begins a request."""
        self._unheard_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a part of a body."""
        self._unheard_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request."""
        self._unheard_bytes = 0
        super().on_message_complete()
