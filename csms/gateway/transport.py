"""WebSocket connections: `websockets`' Sans-I/O protocol inside our own `asyncio.Protocol`.

Three times fewer bytes per idle station and twice the messages per CPU-second of the package's own
server, for which this module must itself do what that server did: time-outs of handshake, ping and
close, back-pressure both ways, size limits and fragments. It knows no OCPP. What it promises is
said in `csms.gateway.connection`. Time-outs are looked at in `tick`, which the gateway calls about
once a second, so that a connection needs no timer of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Sequence
from typing import cast

from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from csms.gateway.connection import ABNORMAL, UNSUPPORTED_DATA, Door, Knock, Listener
from csms.gateway.limits import Limits
from models.clocks import WireClock


def _address(peer: object) -> str:
    """Returns the address in what a socket calls its peer (`local` for a UNIX socket)."""
    return str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) else "local"


def _client_certificate(sock: asyncio.Transport | None) -> tuple[bool, bytes | None]:
    """Returns whether a socket has TLS, and the client's certificate as DER."""
    shaken = None if sock is None else sock.get_extra_info("ssl_object")
    if not isinstance(shaken, ssl.SSLObject):
        return False, None
    return True, shaken.getpeercert(binary_form=True)


def text_frame(text: bytes) -> bytes:
    """Returns a whole, unmasked text frame (RFC 6455 section 5.2)."""
    size = len(text)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + text
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + text
    return struct.pack("!BBQ", 0x81, 127, size) + text


def whole_text(data: bytes) -> bytes | None:
    """Returns the message if `data` is exactly one final, masked, short text frame, else None.

    This is what nearly every read from a station's socket is; it saves half of the parsing.
    """
    size = len(data)
    if size < 6 or data[0] != 0x81:
        return None
    length = data[1]
    if length & 0x7F < 126:
        start = 6
        length &= 0x7F
    elif length == 0xFE and size >= 8:
        start = 8
        length = (data[2] << 8) | data[3]
    else:
        return None
    if size != start + length or not data[1] & 0x80:
        return None
    return apply_mask(data[start:], data[start - 4 : start])


class SocketTransport(asyncio.Protocol):
    """One accepted TCP connection."""

    __slots__ = (
        "_backlog",
        "_blocked",
        "_born_at",
        "_close",
        "_close_by",
        "_door",
        "_fragments",
        "_header_bytes",
        "_limits",
        "_listener",
        "_paused",
        "_pinged_at",
        "_plain",
        "_protocol",
        "_quiet_since",
        "_request",
        "_seen",
        "_socket",
        "_transports",
        "_wire",
        "heard",
        "remote",
    )

    def __init__(
        self, door: Door, limits: Limits, wire: WireClock, transports: set[SocketTransport]
    ) -> None:
        """Takes who decides about it, its bounds, and the set of all open connections."""
        self.remote = ""
        self.heard = 0
        self._door = door
        self._limits = limits
        self._wire = wire
        self._transports = transports
        self._protocol = ServerProtocol(max_size=limits.message_before_boot_bytes)
        self._socket: asyncio.Transport | None = None
        self._listener: Listener | None = None
        self._request: Request | None = None
        self._plain = False
        self._fragments: bytearray | None = None
        self._backlog = b""
        self._header_bytes = 0
        self._paused = False
        self._blocked: float | None = None
        self._seen = 0
        self._quiet_since = self._born_at = wire.monotonic()
        self._pinged_at: float | None = None
        self._close_by: float | None = None
        self._close: tuple[int, str] | None = None

    # -- what asyncio calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the socket."""
        # uvloop's transports have the methods of asyncio's, but not its class.
        sock = self._socket = cast("asyncio.Transport", transport)
        peer = sock.get_extra_info("peername")
        self.remote = _address(peer)
        if len(self._transports) >= self._limits.connections:
            sock.abort()
            return
        self._transports.add(self)
        sock.set_write_buffer_limits(high=self._limits.write_buffer_bytes)

    def data_received(self, data: bytes) -> None:
        """Takes a chunk from the socket."""
        self.heard += 1
        if self._plain and self._fragments is None and not self._protocol.reader.buffer:
            text = whole_text(data)
            fits = text is not None and len(text) <= (self._protocol.max_message_size or 0)
            if fits and text is not None and self._listener is not None and not self._paused:
                self._listener.on_text(text)
                return
        if self._paused:
            self._backlog += data
            return
        self._feed(data)

    def eof_received(self) -> bool:
        """Takes the end of the other side's data."""
        self._protocol.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes the end of the connection."""
        self._transports.discard(self)
        self._protocol.receive_eof()
        listener, self._listener = self._listener, None
        self._plain = False
        # The parser refers to the protocol and back: what is not cut here waits for the collector.
        self._protocol.parser.close()
        if listener is not None:
            code, reason = self._close or (ABNORMAL, str(exc or "connection lost"))
            if self._close is None and (received := self._protocol.close_rcvd) is not None:
                code, reason = int(received.code), received.reason
            listener.on_lost(code, reason)

    def pause_writing(self) -> None:
        """Takes note that the station does not read: then we don't read from it either."""
        self._blocked = self._wire.monotonic()
        self._steer_reading()

    def resume_writing(self) -> None:
        """Takes note that the station reads again."""
        self._blocked = None
        self._steer_reading()

    # -- what the gateway calls --------------------------------------------------------------

    def accept(self, subprotocol: str | None, listener: Listener, *, deflate: bool) -> None:
        """Lets the client in and tells `listener` what it says from now on."""
        if self._request is None or self._socket is None or self._socket.is_closing():
            listener.on_lost(ABNORMAL, "gone before it was let in")
            return
        if deflate:
            self._protocol.available_extensions = [
                ServerPerMessageDeflateFactory(
                    server_no_context_takeover=True,
                    client_no_context_takeover=True,
                    compress_settings={"memLevel": 5},
                )
            ]
        response = self._protocol.accept(self._request)
        if subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        self._forget_request()
        self._listener = listener
        self._plain = not self._protocol.extensions
        self._quiet_since = self._wire.monotonic()
        self._respond(response)
        self.resume()

    def refuse(self, status: int) -> None:
        """Ends the handshake with an HTTP status."""
        if self._request is None:
            return
        self._forget_request()
        response = self._protocol.reject(status, "")
        if status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
        self._respond(response)
        self._close_soon()
        # Its end is only noticed while we read.
        self.resume()

    def send(self, text: bytes) -> None:
        """Sends one text message; nothing happens on a connection that is closing."""
        if self._protocol.state is not State.OPEN or self._socket is None:
            return
        if self._plain:
            self._socket.write(text_frame(text))
        else:
            self._protocol.send_text(text)
            self._flush()

    def ping(self) -> None:
        """Asks for a sign of life, seen in `heard`."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Starts the closing handshake; it is cut short by the close time-out."""
        if self._protocol.state is State.OPEN:
            self._close = (code, reason)
            self._plain = False
            self._protocol.send_close(code, reason)
            self._flush()
            self._backlog = b""
            self.resume()
            self._close_soon()

    def abort(self) -> None:
        """Drops the connection at once."""
        if self._socket is not None:
            self._socket.abort()

    def pause(self) -> None:
        """Stops reading until `resume`, so that the sender feels it."""
        self._paused = True
        self._steer_reading()

    def resume(self) -> None:
        """Reads on, beginning with what had come already."""
        self._paused = False
        backlog, self._backlog = self._backlog, b""
        if backlog:
            self._feed(backlog)
        self._steer_reading()

    def limit_messages(self, size_bytes: int) -> None:
        """Sets the largest message that is taken from now on."""
        self._protocol.max_message_size = size_bytes

    def tick(self, now_s: float) -> None:
        """Looks at the time-outs; called about once a second with the wire time."""
        limits = self._limits
        if self._close_by is not None:
            if now_s >= self._close_by:
                self.abort()
        elif self._protocol.state is State.CONNECTING:
            if self._request is None and now_s - self._born_at > limits.handshake_s:
                self.abort()
        elif self._blocked is not None:
            if now_s - self._blocked > limits.write_s:
                self._drop("output unread for too long")
        elif self._paused or self.heard != self._seen:
            self._seen, self._quiet_since, self._pinged_at = self.heard, now_s, None
        elif self._pinged_at is not None:
            if now_s - self._pinged_at > limits.pong_s:
                self._drop("ping unanswered")
        elif now_s - self._quiet_since > limits.ping_after_s:
            self._pinged_at = now_s
            self.ping()

    # -- inside ------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        """Parses a chunk slice by slice, so that back-pressure holds within it too."""
        step = self._limits.slice_bytes
        for start in range(0, len(data), step):
            if self._paused:
                self._backlog = data[start:] + self._backlog
                return
            self._protocol.receive_data(data[start : start + step])
            for event in self._protocol.events_received():
                if isinstance(event, Request):
                    self._on_request(event)
                elif isinstance(event, Frame):
                    self._on_frame(event.opcode, event.data, final=event.fin)
            self._flush()
            if self._protocol.state is State.CONNECTING:
                self._header_bytes += min(step, len(data) - start)
                if self._header_bytes > self._limits.header_bytes and self._request is None:
                    self.abort()
                    return
            elif self._protocol.close_expected():
                self._closing()

    def _on_request(self, request: Request) -> None:
        """Judges the form of a handshake request, and asks the door about its content."""
        response = self._protocol.accept(request)
        if response.status_code != 101:
            self._respond(response)
            self._close_soon()
            return
        offers: Sequence[str] = request.headers.get_all("Sec-WebSocket-Protocol")
        try:
            names = [name for offer in offers for name in parse_subprotocol(offer)]
        except InvalidHandshake:
            names = []
        authorization = request.headers.get_all("Authorization")
        secure, certificate = _client_certificate(self._socket)
        self._request = request
        self.pause()
        self._door.knock(
            self,
            Knock(
                target=request.path,
                subprotocols=tuple(names),
                authorization=authorization[0] if len(authorization) == 1 else None,
                remote=self.remote,
                secure=secure,
                certificate=certificate,
            ),
        )

    def _on_frame(
        self, opcode: Opcode, data: bytes | bytearray | memoryview, *, final: bool
    ) -> None:
        if self._listener is None or self._protocol.state is not State.OPEN:
            if self._protocol.state is State.CONNECTING:
                self.abort()
            return
        if opcode is Opcode.BINARY:
            self.close(UNSUPPORTED_DATA, "OCPP is text")
        elif opcode is Opcode.TEXT and final:
            self._listener.on_text(bytes(data))
        elif opcode is Opcode.TEXT:
            self._fragments = bytearray(data)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments += data
            if final:
                whole, self._fragments = bytes(self._fragments), None
                self._listener.on_text(whole)

    def _forget_request(self) -> None:
        """Drops what was said at the handshake: 2 KiB that the protocol's parser would keep."""
        if self._request is not None:
            self._request.headers.clear()
        self._request = None

    def _respond(self, response: Response) -> None:
        response.headers["Server"] = "heliofleet"
        self._protocol.send_response(response)
        self._flush()

    def _flush(self) -> None:
        if self._socket is None or self._socket.is_closing():
            self._protocol.data_to_send()
            return
        for data in self._protocol.data_to_send():
            if data:
                self._socket.write(data)
            else:
                self._closing()
                if self._socket.can_write_eof():
                    self._socket.write_eof()
                else:
                    # TLS can't be closed by half.
                    self._socket.close()

    def _closing(self) -> None:
        """Notes why the protocol closes by itself (bad frame, too big), and bounds the wait."""
        self._plain = False
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        if self._close is None and sent is not None and received is None:
            self._close = (int(sent.code), sent.reason)
        self._close_soon()

    def _close_soon(self) -> None:
        if self._close_by is None:
            self._close_by = self._wire.monotonic() + self._limits.close_s

    def _drop(self, reason: str) -> None:
        self._close = (ABNORMAL, reason)
        self.abort()

    def _steer_reading(self) -> None:
        if self._socket is None or self._socket.is_closing():
            return
        wanted = not self._paused and self._blocked is None
        if wanted and not self._socket.is_reading():
            self._socket.resume_reading()
        elif not wanted and self._socket.is_reading():
            self._socket.pause_reading()
