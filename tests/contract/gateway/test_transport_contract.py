"""What every transport promises the gateway, on a real socket and in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from csms.gateway import memory
from csms.gateway.limits import Limits
from tests.builders.open_door import Ear, OpenDoor, open_place
from tests.builders.waiting import eventually

LIMITS = Limits(message_before_boot_bytes=2_000, close_s=0.5, sweep_s=0.05)


class SocketStation:
    """A station on a real socket."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link
        self.subprotocol = link.subprotocol

    async def send(self, text: str | bytes) -> None:
        await self.link.send(text)

    async def recv(self) -> str:
        text = await self.link.recv()
        assert isinstance(text, str)
        return text

    async def close(self) -> None:
        await self.link.close()

    async def closed_with(self) -> tuple[int, str]:
        await asyncio.wait_for(self.link.wait_closed(), 60)
        return self.link.close_code or 0, self.link.close_reason or ""


class MemoryStation:
    """A station in memory."""

    def __init__(self, link: memory.MemoryLink) -> None:
        self.link = link
        self.subprotocol = link.subprotocol

    async def send(self, text: str | bytes) -> None:
        await self.link.send(text)

    async def recv(self) -> str:
        return await self.link.recv()

    async def close(self) -> None:
        await self.link.close()

    async def closed_with(self) -> tuple[int, str]:
        while True:
            try:
                await asyncio.wait_for(self.link.recv(), 60)
            except memory.LinkClosed as closed:
                return closed.close_code, closed.reason


class Place:
    """One kind of transport, with its door and a way to reach it."""

    def __init__(self, connect: Any, door: OpenDoor) -> None:
        self.connect = connect
        self.door = door

    @property
    def transport(self) -> Any:
        return self.door.transports[-1]

    @property
    def ear(self) -> Ear:
        return self.door.ears[-1]


@asynccontextmanager
async def socket_place() -> AsyncIterator[Place]:
    async with open_place(LIMITS) as there:

        async def connect(identity: str, subprotocols: list[str], authorization: str | None) -> Any:
            headers = {} if authorization is None else {"Authorization": authorization}
            try:
                link = await connect_socket(
                    f"ws://127.0.0.1:{there.port}/ocpp/{identity}",
                    subprotocols=subprotocols or None,
                    additional_headers=headers,
                    compression=None,
                )
            except InvalidStatus as refused:
                raise memory.HandshakeRefused(refused.response.status_code) from None
            return SocketStation(link)

        yield Place(connect, there.door)


@asynccontextmanager
async def memory_place() -> AsyncIterator[Place]:
    door = OpenDoor()

    async def connect(identity: str, subprotocols: list[str], authorization: str | None) -> Any:
        return MemoryStation(
            await memory.connect(
                door,
                LIMITS,
                target=f"/ocpp/{identity}",
                subprotocols=subprotocols,
                authorization=authorization,
            )
        )

    yield Place(connect, door)


@pytest.fixture(params=[socket_place, memory_place], ids=["socket", "memory"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with request.param() as there:
        yield there


async def test_the_door_hears_who_knocks_and_how(place: Place) -> None:
    await place.connect("CP-1", ["ocpp2.0.1", "ocpp1.6"], "Basic eDp5")
    knock = place.door.knocks[0]
    assert knock.target == "/ocpp/CP-1"
    assert knock.subprotocols == ("ocpp2.0.1", "ocpp1.6")
    assert knock.authorization == "Basic eDp5"
    assert knock.remote in {"127.0.0.1", "memory"}


async def test_a_refused_client_learns_the_status(place: Place) -> None:
    with pytest.raises(memory.HandshakeRefused) as refused:
        await place.connect("nobody", ["ocpp1.6"], None)
    assert refused.value.status == 401
    assert place.door.ears == []


async def test_the_chosen_subprotocol_reaches_the_client(place: Place) -> None:
    assert (await place.connect("CP-1", ["ocpp1.6"], None)).subprotocol == "ocpp1.6"
    assert (await place.connect("CP-1", [], None)).subprotocol is None


async def test_messages_arrive_whole_once_and_in_order_both_ways(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.ear.on_each = lambda data: place.transport.send(data.upper())
    sent = [f"m{n}-é" + "x" * size for n, size in enumerate((0, 100, 118, 119, 120, 130, 1900))]
    for text in sent:
        await station.send(text)
    assert [await station.recv() for _ in sent] == [text.encode().upper().decode() for text in sent]
    assert place.ear.texts == [text.encode() for text in sent]


async def test_a_large_answer_arrives_whole(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.transport.send(b"y" * 200_000)
    assert await station.recv() == "y" * 200_000


async def test_binary_is_refused_with_1003(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    await station.send(b"[2]")
    assert (await station.closed_with())[0] == 1003
    assert place.ear.texts == []


async def test_a_message_over_the_limit_is_refused_with_1009(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    await station.send("x" * 2_001)
    assert (await station.closed_with())[0] == 1009
    await eventually(lambda: place.ear.lost)
    assert place.ear.texts == []
    assert [code for code, _ in place.ear.lost] == [1009]


async def test_the_limit_can_be_raised_once_the_station_is_known(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.transport.limit_messages(5_000)
    await station.send("x" * 5_000)
    await eventually(lambda: place.ear.texts)
    assert place.ear.texts == [b"x" * 5_000]


async def test_a_pause_holds_messages_back_and_loses_none(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.ear.on_each = lambda data: place.transport.pause() if data == b"stop" else None
    await station.send("stop")
    await eventually(lambda: place.ear.texts)
    later = asyncio.create_task(send_all(station, ["a", "b", "c"]))
    await asyncio.sleep(0.05)
    assert place.ear.texts == [b"stop"]
    place.transport.resume()
    await later
    await eventually(lambda: len(place.ear.texts) == 4)
    assert place.ear.texts == [b"stop", b"a", b"b", b"c"]


async def test_our_close_reaches_the_client_with_its_reason(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.transport.close(1008, "second connection")
    assert await station.closed_with() == (1008, "second connection")
    await eventually(lambda: place.ear.lost)
    assert place.ear.lost == [(1008, "second connection")]


async def test_what_was_sent_before_our_close_still_arrives(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.transport.send(b"last words")
    place.transport.close(1012)
    assert await station.recv() == "last words"
    assert (await station.closed_with())[0] == 1012


async def test_the_clients_close_is_told_once(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    await station.close()
    await eventually(lambda: place.ear.lost)
    await asyncio.sleep(0.02)
    assert [code for code, _ in place.ear.lost] == [1000]


async def test_an_abort_ends_the_connection_at_once(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.transport.abort()
    assert (await station.closed_with())[0] == 1006
    await eventually(lambda: place.ear.lost)
    assert [code for code, _ in place.ear.lost] == [1006]


async def test_a_ping_shows_whether_the_other_side_lives(place: Place) -> None:
    await place.connect("CP-1", ["ocpp1.6"], None)
    before = place.transport.heard
    place.transport.ping()
    await eventually(lambda: place.transport.heard > before)
    assert place.ear.lost == []


async def test_nothing_is_sent_on_a_closed_connection(place: Place) -> None:
    station = await place.connect("CP-1", ["ocpp1.6"], None)
    place.transport.close(1000)
    place.transport.send(b"too late")
    with pytest.raises((ConnectionClosed, memory.LinkClosed)):
        await station.recv()


async def send_all(station: Any, texts: list[str]) -> None:
    for text in texts:
        await station.send(text)
