"""Files that stations have uploaded: written piece by piece, durable before they are known.

A file is named after its log, by us; what it is called for people is in the database. It grows
under another name until it is whole and on disk, so that a broken upload leaves nothing that could
be taken for a log. All of it runs in threads, because disks block.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from models.errors import Unavailable

HEAD_BYTES = 16
STALE_S = 86_400.0
"""A file that belongs to no log is old enough to be nobody's after a day."""
_PART = ".part"
_WHOLE = ".file"

_log = structlog.get_logger("uploads")


class TooBig(Exception):
    """More has come than may be kept."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is whole and on disk, but has no place yet."""

    part: Path
    size_bytes: int
    sha256: str
    head: bytes


class UploadStore:
    """The directory of uploaded files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, log_id: str) -> Path:
        """Returns where the file of a log lies, or would lie."""
        return self._folder / f"{log_id}{_WHOLE}"

    async def take(
        self, log_id: str, attempt: str, pieces: AsyncIterator[bytes], *, max_bytes: int
    ) -> Stored:
        """Writes a file as it comes; nothing is left of one that breaks off.

        Args:
            log_id: whose file it is.
            attempt: tells uploads apart that come at once.
            pieces: of the file, in order.
            max_bytes: how large it may be.

        Raises:
            TooBig: as soon as it is larger.
            Unavailable: if it can't be written.
        """
        part = self._folder / f"{log_id}.{attempt}{_PART}"
        try:
            return await self._write(part, pieces, max_bytes)
        except OSError as error:
            self.drop(part)
            _log.error("upload_not_kept", file=str(part), error=str(error))
            raise Unavailable("the file can't be kept now") from None
        except BaseException:
            self.drop(part)
            raise

    async def keep(self, log_id: str, stored: Stored) -> None:
        """Gives a file its place, durably.

        Raises:
            Unavailable: if that can't be done.
        """
        try:
            await asyncio.to_thread(_place, stored.part, self.path_of(log_id))
        except OSError as error:
            raise Unavailable("the file can't be kept now") from error

    def drop(self, path: Path) -> None:
        """Removes a file, if it is there."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("upload_not_removed", file=str(path), error=str(error))

    def strays(self, known: Iterable[str], now_s: float) -> list[Path]:
        """Returns files of ours that belong to no log and are a day old.

        Args:
            known: ids of all logs that have a file.
            now_s: seconds since 1970 by the clock of the machine, as the file system counts.
        """
        if not self._folder.is_dir():
            return []
        whole = {self.path_of(log_id).name for log_id in known}
        return [
            path
            for path in self._folder.iterdir()
            if path.suffix in {_PART, _WHOLE}
            and path.name not in whole
            and path.stat().st_mtime < now_s - STALE_S
        ]

    async def _write(self, part: Path, pieces: AsyncIterator[bytes], max_bytes: int) -> Stored:
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        digest, size_bytes, head = hashlib.sha256(), 0, b""
        file = await asyncio.to_thread(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            async for piece in pieces:
                size_bytes += len(piece)
                if size_bytes > max_bytes:
                    raise TooBig
                if len(head) < HEAD_BYTES:
                    head = (head + piece)[:HEAD_BYTES]
                await asyncio.to_thread(_append, file, piece)
                digest.update(piece)
            await asyncio.to_thread(os.fsync, file)
        finally:
            os.close(file)
        return Stored(part, size_bytes, digest.hexdigest(), head)


def _append(file: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(file, left) :]


def _place(part: Path, whole: Path) -> None:
    part.replace(whole)
    folder = os.open(whole.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
