"""Where folders go that live as long as a command: in memory, where there is some.

Their databases would wait for a disk that nobody reads afterwards. Whoever sets `TMPDIR` has said
where: what a process leaves that is ended by force is in a folder of the one that ends it.
"""

from __future__ import annotations

import os
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - private folders are made in it


def fast_directory() -> str | None:
    """Returns the folder to make temporary folders in; None: the usual one."""
    return None if os.environ.get("TMPDIR") or not _MEMORY.is_dir() else str(_MEMORY)
