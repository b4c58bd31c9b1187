"""An event loop in virtual time: it never waits, it jumps to the next timer.

Days of the whole house pass in seconds, and in one order only: everything runs in one thread, and
time moves only when nothing is left to do at the present instant. Nothing real may be waited for
(no threads, no sockets but idle ones): a wait that nothing can end is reported, not slept, and so
is a thread, whose answer would come at another virtual instant each time.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StuckError(RuntimeError):
    """Everything waits, and no timer will ever end it."""


class ThreadError(RuntimeError):
    """Something was done in a thread, for which virtual time can't wait."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for `timeout` seconds, says that they have passed."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self.intruder: str | None = None
        """Name of a thread that has called."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.intruder is not None:
            intruder, self.intruder = self.intruder, None
            raise ThreadError(f"the thread {intruder} took part in virtual time")
        if timeout == 0:
            return []  # there is more to do at this instant: who knocks is heard at its end
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise StuckError("every task waits, and no timer is set")
        self.elapsed_s += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` begins at zero and jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._home = threading.get_ident()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Returns the virtual seconds since the loop was made."""
        return self._jumping.elapsed_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # noqa: ARG002
        """Refuses at once: when a thread would answer is not for virtual time to say.

        Raises:
            ThreadError: always.
        """
        raise ThreadError(f"a thread that was to run {func!r} took part in virtual time")

    def call_soon_threadsafe(
        self,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Takes in a call; one of another thread, which reports by it, ends the run."""
        if threading.get_ident() != self._home:
            self._jumping.intruder = threading.current_thread().name
        return super().call_soon_threadsafe(callback, *args, context=context)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end in virtual time and returns its result.

    Raises:
        StuckError: if it can't end.
        ThreadError: if something was done in a thread.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        # Not as the task's own result: a runner that ends writes that out, however long, into the
        # text of an error that nobody reads (Python 3.11, `signal._int_to_enum`).
        results: list[T] = []

        async def keep() -> None:
            results.append(await main)

        runner.run(keep())
        return results[0]
