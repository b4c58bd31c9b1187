"""One `serve` for one SQLite file: a lock file beside it that says who holds it.

SQLite itself would let several processes write; the gateway's connections, epochs and memory of
what was committed would not bear it. The kernel drops the lock when its holder dies, however it
dies. Short commands write without this lock.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from models.errors import Conflict, Unavailable


class ServeLock:
    """Held while `serve` runs on a SQLite file."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._handle: int | None = None

    def acquire(self) -> None:
        """Takes the lock, or says who has it.

        Raises:
            Conflict: if another process holds it.
            Unavailable: if there can be no file.
        """
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"can't write {self._path}: {error.strerror or error}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 64).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise Conflict(
                f"the database is served by process {holder} already ({self._path})",
                code="already-served",
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def release(self) -> None:
        """Gives the lock back; the file stays, because removing it would race with a taker."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
