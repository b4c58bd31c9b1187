"""What only a real socket can do wrong: frames in pieces, floods, silence and slow readers."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.frames import Frame
from websockets.protocol import State
from websockets.server import ServerProtocol

from csms.gateway.limits import Limits
from csms.gateway.transport import text_frame, whole_text
from tests.builders.open_door import open_place
from tests.builders.waiting import eventually

QUICK = Limits(
    message_before_boot_bytes=100_000,
    handshake_s=0.2,
    ping_after_s=0.2,
    pong_s=0.2,
    close_s=0.2,
    write_s=0.3,
    sweep_s=0.02,
)


OP_CONT, OP_TEXT = 0, 1


def client_frame(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
    mask = b"\x37\xfa\x21\x3d"  # fixed: the frames name the test cases
    head = bytes([(0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack("!H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", size)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


async def raw_station(port: int, *, extension: str = "") -> Any:
    """Opens a WebSocket by hand, so that every byte after the handshake is ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        "GET /ocpp/CP-1 HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: ocpp2.0.1",
    ]
    if extension:
        lines.append(f"Sec-WebSocket-Extensions: {extension}")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert head.startswith(b"HTTP/1.1 101 ")
    return reader, writer, head


@given(text=st.binary(max_size=70_000), extra=st.binary(max_size=3))
def test_the_short_way_reads_exactly_what_the_whole_parser_reads(text: bytes, extra: bytes) -> None:
    data = client_frame(OP_TEXT, text)
    whole = ServerProtocol(state=State.OPEN)
    whole.receive_data(data + extra)
    (frame, *_) = whole.events_received()
    assert isinstance(frame, Frame)
    short = whole_text(data + extra)
    if extra or len(text) >= 65536:
        assert short is None
    else:
        assert short == bytes(frame.data) == text
    assert whole_text(data[:-1]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        b"\x81\x80\x00\x00\x00",
        client_frame(OP_TEXT, b"hello", fin=False),
        client_frame(OP_CONT, b"hello"),
        client_frame(9, b"hello"),
        client_frame(8, b"\x03\xe8"),
        client_frame(OP_TEXT, b"hello", rsv1=True),
        text_frame(b"unmasked"),
    ],
)
def test_the_short_way_leaves_everything_unusual_to_the_whole_parser(data: bytes) -> None:
    assert whole_text(data) is None


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 99_000])
async def test_messages_of_every_length_form_survive_both_ways(size: int) -> None:
    async with open_place(QUICK) as place, connect(place.url, compression=None) as station:
        place.ear.on_each = place.transport.send
        await station.send("x" * size)
        assert await station.recv() == "x" * size


async def test_a_message_in_many_fragments_with_pings_between_is_one_message() -> None:
    async with open_place(QUICK) as place:
        _, writer, _ = await raw_station(place.port)
        text = "häppchen" * 50
        data = text.encode()
        parts = [data[i : i + 7] for i in range(0, len(data), 7)]
        for number, part in enumerate(parts):
            opcode = OP_CONT if number else OP_TEXT
            writer.write(client_frame(opcode, part, fin=number == len(parts) - 1))
            writer.write(client_frame(9, b"still here"))
        await eventually(lambda: place.ear.texts)
        assert place.ear.texts == [data]
        writer.close()


async def test_a_frame_cut_at_every_byte_arrives_all_the_same() -> None:
    async with open_place(QUICK) as place:
        _, writer, _ = await raw_station(place.port)
        for byte in client_frame(OP_TEXT, b'[2,"1","Heartbeat",{}]'):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await eventually(lambda: place.ear.texts)
        assert place.ear.texts == [b'[2,"1","Heartbeat",{}]']
        writer.close()


async def test_several_frames_in_one_packet_are_told_in_order() -> None:
    async with open_place(QUICK) as place:
        _, writer, _ = await raw_station(place.port)
        writer.write(b"".join(client_frame(OP_TEXT, b"%d" % n) for n in range(300)))
        await eventually(lambda: len(place.ear.texts) == 300)
        assert place.ear.texts == [b"%d" % n for n in range(300)]
        writer.close()


async def test_fragments_that_add_up_beyond_the_limit_are_refused_with_1009() -> None:
    async with open_place(QUICK) as place:
        reader, writer, _ = await raw_station(place.port)
        for number in range(30):
            opcode = OP_CONT if number else OP_TEXT
            writer.write(client_frame(opcode, b"x" * 4_000, fin=False))
        answer = await asyncio.wait_for(reader.read(), 60)
        assert answer[0] == 0x88
        assert struct.unpack("!H", answer[2:4])[0] == 1009
        assert place.ear.texts == []
        writer.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (text_frame(b"unmasked"), 1002),
        (client_frame(3, b"reserved opcode"), 1002),
        (client_frame(OP_TEXT, b"rsv", rsv1=True), 1002),
        (client_frame(9, b"x" * 126), 1002),
        (client_frame(OP_CONT, b"nothing to continue"), 1002),
        (client_frame(2, b"binary"), 1003),
    ],
)
async def test_broken_websocket_frames_close_with_the_code_of_the_standard(
    data: bytes, code: int
) -> None:
    async with open_place(QUICK) as place:
        reader, writer, _ = await raw_station(place.port)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 60)
        assert answer[0] == 0x88
        assert struct.unpack("!H", answer[2:4])[0] == code
        await eventually(lambda: place.ear.lost)
        assert place.ear.lost[0][0] == code
        writer.close()


async def test_deflate_is_taken_without_context_takeover_where_the_door_allows_it() -> None:
    async with (
        open_place(QUICK, deflate=True) as place,
        connect(place.url, compression="deflate") as station,
    ):
        extension = station.protocol.extensions[0]
        assert extension.remote_no_context_takeover  # type: ignore[attr-defined]
        assert extension.local_no_context_takeover  # type: ignore[attr-defined]
        place.ear.on_each = place.transport.send
        for n in range(3):
            await station.send("compressible " * 1000 + str(n))
            assert await station.recv() == "compressible " * 1000 + str(n)


async def test_deflate_is_declined_where_the_door_does_not_want_it() -> None:
    async with (
        open_place(QUICK, deflate=False) as place,
        connect(place.url, compression="deflate") as station,
    ):
        assert station.protocol.extensions == []


async def test_a_bomb_of_zeros_is_refused_after_inflation_with_1009() -> None:
    async with open_place(QUICK, deflate=True) as place:
        reader, writer, head = await raw_station(place.port, extension="permessage-deflate")
        assert b"permessage-deflate" in head
        squeezer = zlib.compressobj(wbits=-15)
        bomb = squeezer.compress(b"0" * 50_000_000) + squeezer.flush(zlib.Z_SYNC_FLUSH)
        assert len(bomb) < 60_000
        writer.write(client_frame(OP_TEXT, bomb[:-4], rsv1=True))
        answer = await asyncio.wait_for(reader.read(), 60)
        assert struct.unpack("!H", answer[2:4])[0] == 1009
        assert place.ear.texts == []
        writer.close()


async def test_no_more_is_inflated_than_a_paused_listener_can_take() -> None:
    async with open_place(QUICK, deflate=True) as place:
        _, writer, _ = await raw_station(place.port, extension="permessage-deflate")
        squeezer = zlib.compressobj(wbits=-15)
        small = squeezer.compress(b"0" * 90_000) + squeezer.flush(zlib.Z_SYNC_FLUSH)
        frame = client_frame(OP_TEXT, small[:-4], rsv1=True)
        place.ear.on_each = lambda _: place.transport.pause()
        writer.write(frame * 600)
        await eventually(lambda: place.ear.texts)
        await asyncio.sleep(0.1)
        per_slice = QUICK.slice_bytes // len(frame) + 2
        assert len(place.ear.texts) <= per_slice
        place.ear.on_each = lambda _: None
        place.transport.resume()
        await eventually(lambda: len(place.ear.texts) == 600)
        writer.close()


async def test_a_plain_http_request_is_told_to_upgrade() -> None:
    async with open_place(QUICK) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"GET /ocpp/CP-1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 60)).startswith(b"HTTP/1.1 426 ")
        assert place.door.knocks == []
        writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /ocpp/CP-1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        (
            b"GET /ocpp/CP-1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        b"GET /ocpp/\xff HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["tls-hello", "post", "old-version", "not-ascii", "nonsense"],
)
async def test_no_websocket_handshake_means_no_knock(request_bytes: bytes) -> None:
    async with open_place(QUICK) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(request_bytes)
        answer = await asyncio.wait_for(reader.read(), 60)
        assert not answer.startswith(b"HTTP/1.1 101")
        assert place.door.knocks == []
        writer.close()


async def test_headers_beyond_the_limit_are_cut_off() -> None:
    async with open_place(QUICK) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"GET /ocpp/CP-1 HTTP/1.1\r\n")
        for n in range(20):
            writer.write(b"X-%d: " % n + b"y" * 1_000 + b"\r\n")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 60)
        assert place.door.knocks == []
        writer.close()


async def test_a_client_that_never_finishes_its_request_is_dropped() -> None:
    async with open_place(QUICK) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"GET /ocpp/CP-1 HTTP/1.1\r\n")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 60)
        await eventually(lambda: not place.transports)
        writer.close()


async def test_a_silent_station_is_pinged_and_dropped_when_it_stays_silent() -> None:
    async with open_place(QUICK) as place:
        reader, writer, _ = await raw_station(place.port)
        assert await asyncio.wait_for(reader.readexactly(2), 60) == b"\x89\x00"
        await eventually(lambda: place.ear.lost)
        assert place.ear.lost == [(1006, "ping unanswered")]
        writer.close()


async def test_a_station_that_answers_pings_stays() -> None:
    async with open_place(QUICK) as place, connect(place.url, ping_interval=None) as station:
        await asyncio.sleep(1.0)
        assert place.ear.lost == []
        await station.ping()


async def test_a_station_that_does_not_read_stops_being_read_and_is_then_cut_off() -> None:
    async with open_place(QUICK) as place:
        _, writer, _ = await raw_station(place.port)
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.transport.pause_reading()
        place.transport.send(b"z" * 20_000_000)
        writer.write(client_frame(OP_TEXT, b"are you listening?"))
        await asyncio.sleep(0.1)
        assert place.ear.texts == []
        await eventually(lambda: place.ear.lost)
        assert place.ear.lost == [(1006, "output unread for too long")]
        writer.transport.abort()


async def test_a_peer_that_ignores_our_close_is_cut_off() -> None:
    async with open_place(QUICK) as place:
        reader, writer, _ = await raw_station(place.port)
        place.transport.close(1012, "restart")
        assert (await asyncio.wait_for(reader.readexactly(2), 60))[0] == 0x88
        await eventually(lambda: place.ear.lost, 2)
        assert place.ear.lost == [(1012, "restart")]
        writer.close()


async def test_a_vanished_client_is_told_as_lost() -> None:
    async with open_place(QUICK) as place:
        _, writer, _ = await raw_station(place.port)
        writer.transport.abort()
        await eventually(lambda: place.ear.lost)
        assert place.ear.lost[0][0] == 1006
        assert not place.transports


async def test_connections_beyond_the_limit_are_not_taken() -> None:
    async with open_place(Limits(connections=1)) as place, connect(place.url):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 60)
        writer.close()
        assert len(place.transports) == 1
