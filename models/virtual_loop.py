"""An event loop in virtual time: it never waits, it jumps to the next timer.

Days of the whole house pass in seconds, and in one order only: everything runs in one thread, and
time moves only when nothing is left to do at the present instant. Nothing real may be waited for
(no threads, no sockets but idle ones); a wait that nothing can end is reported, not slept.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StuckError(RuntimeError):
    """Everything waits, and no timer will ever end it."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for `timeout` seconds, says that they have passed."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
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
        super().__init__(self._jumping)

    def time(self) -> float:
        """Returns the virtual seconds since the loop was made."""
        return self._jumping.elapsed_s


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end in virtual time and returns its result.

    Raises:
        StuckError: if it can't end.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
