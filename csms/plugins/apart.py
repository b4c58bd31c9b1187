"""A thread with an event loop of its own, in which code that is not ours may do what it likes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

ENDS_WITHIN_S = 1.0
"""How long what was told to end may take for it."""

T = TypeVar("T")


class Busy(Exception):
    """What was given up before still goes on, although it was told to end."""


class Apart:
    """Runs coroutines apart from the caller's event loop, and gives them up after a time.

    Who blocks there blocks nobody else; such a thread is left behind when the process ends.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._given_up: set[Future[Any]] = set()

    async def run(self, make: Callable[[], Coroutine[Any, Any, T]], limit_s: float) -> T:
        """Returns what the coroutine that `make` makes there returns, or raises what it raises.

        Raises:
            TimeoutError: when it has not ended in time.
            Busy: when the thread has not come back from what was given up before.
        """
        self._given_up = {each for each in self._given_up if not each.done()}
        if self._given_up:
            raise Busy
        loop, over = self._running(), Future[T]()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(loop.create_task(_contained(make)))
            tasks[0].add_done_callback(lambda task: _hand_over(task, over))

        waiting = asyncio.wrap_future(over)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        loop.call_soon_threadsafe(begin)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), limit_s)
        except (TimeoutError, asyncio.CancelledError) as why:
            self._given_up.add(over)
            loop.call_soon_threadsafe(lambda: tasks[0].cancel())  # noqa: PLW0108 - begin comes first
            if isinstance(why, TimeoutError):
                await asyncio.wait({waiting}, timeout=ENDS_WITHIN_S)
            raise

    async def close(self) -> None:
        """Ends the thread, if it lets itself be ended."""
        loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        ending = asyncio.run_coroutine_threadsafe(_end_all(), loop)
        ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
        # Elsewhere, for this loop is not to stand still meanwhile.
        await asyncio.to_thread(thread.join, ENDS_WITHIN_S)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_turn, args=(self._loop,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """Runs a loop until it is stopped; nobody else knows when it may be closed."""
    loop.run_forever()
    loop.close()


async def _contained(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return await make()
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:  # which would end the thread, or whoever waits for it
        raise RuntimeError(f"it raised {type(error).__name__}") from error


def _hand_over(task: asyncio.Task[T], over: Future[T]) -> None:
    if task.cancelled():
        over.set_exception(TimeoutError())
    elif (error := task.exception()) is not None:
        over.set_exception(error)
    else:
        over.set_result(task.result())


async def _end_all() -> None:
    """Cancels all other tasks of this loop, and waits for their ends."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
