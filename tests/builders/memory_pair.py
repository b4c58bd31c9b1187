"""A line without a socket, between a simulated station and what a test answers it by."""

from __future__ import annotations

import asyncio
from collections import deque

from simulators.link import LinkClosed


class MemoryLink:
    """One end of a line; made in pairs by `memory_pair`."""

    def __init__(self) -> None:
        self._inbox: deque[str] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._other: MemoryLink | None = None
        self._closed = False

    def join(self, other: MemoryLink) -> None:
        """Makes `other` the far end."""
        self._other = other

    @property
    def closed(self) -> bool:
        """Whether either side has hung up."""
        return self._closed

    async def send(self, message: str) -> None:
        """Puts one frame into the far end's inbox.

        Raises:
            LinkClosed: if either side has hung up.
        """
        if self._closed or self._other is None:
            raise LinkClosed
        self._other.deliver(message)

    def deliver(self, message: str) -> None:
        """Takes one frame in and wakes the reader."""
        self._inbox.append(message)
        self._wake()

    async def recv(self) -> str:
        """Returns the next frame; what came before the end can still be read.

        Raises:
            LinkClosed: if there is nothing left and either side has hung up.
        """
        while not self._inbox:
            if self._closed:
                raise LinkClosed
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._inbox.popleft()

    async def close(self) -> None:
        """Hangs up on both sides."""
        self.hang_up()

    def hang_up(self) -> None:
        """Hangs up on both sides at once, as a cut cable does."""
        self._end()
        if self._other is not None:
            self._other._end()

    def _end(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def memory_pair() -> tuple[MemoryLink, MemoryLink]:
    """Returns the two ends of a new line: one for the station, one for its central system."""
    near, far = MemoryLink(), MemoryLink()
    near.join(far)
    far.join(near)
    return near, far
