"""The simulator: plays what is asked for, one after the other, by a process for each.

A simulation takes minutes of a whole core, which the event loop does not have: it is
`heliofleet replay --what-if` in a process that yields to everybody else. What the process prints is
its progress; what it leaves in its folder is the answer. It dies when it is cancelled, and when we
do, since it can print no more. What a former process of the service has left running has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import undefer

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.fast_folder import fast_directory
from csms.simulations.actions import (
    begin_simulation,
    end_simulation,
    progress_simulation,
)
from csms.simulations.rules import PROGRESS_STEP, progress_of, reason_of
from models.clocks import Clock, WireClock
from models.errors import Unavailable
from models.ids import IdMaker
from models.states import SimulationState
from models.tables.simulations import Simulation

RETRY_S = 5.0
LONGEST_S = 6 * 3600.0
"""One at a time is played for all: none may go on for ever."""

_log = structlog.get_logger("simulations")


class _Note(msgspec.Struct):
    id: str


class _Job(msgspec.Struct, frozen=True):
    """A simulation that is to be played."""

    id: str
    tenant: str
    scenario: str
    document: dict[str, Any] | None
    changes: dict[str, Any]
    days: int
    seed: int | None
    start: str | None
    planner: str


class Simulator:
    """Plays the simulations of all tenants."""

    follows = frozenset({"simulation.requested", "simulation.cancelled"})

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, wire: WireClock) -> None:
        """Takes where simulations are kept, and the clock by which it tries again."""
        self._db = db
        self._clock = clock
        self._ids = ids
        self._wire = wire
        self._playing: asyncio.Task[None] | None = None
        self._again = False
        self._current: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._broken_off = False

    async def start(self) -> None:
        """Ends what a former process has left running, and goes on with what waits."""
        query = sa.select(Simulation.id, Simulation.tenant_id, Simulation.state).where(
            Simulation.state.in_(("queued", "running"))
        )
        async with self._db.read() as session:
            found = list(await session.execute(query))
        for simulation_id, tenant, state in found:
            if state == "running":
                await self._end(simulation_id, tenant, "failed", why="the service was restarted")
        if found:
            self._wake()

    async def stop(self) -> None:
        """Ends the process; the next start says that its simulation has failed."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def heard(self, note: EventNote) -> None:
        """Takes one of the events that `follows` names."""
        if note.type == "simulation.requested":
            self._wake()
        elif msgspec.json.decode(note.resource, type=_Note).id == self._current:
            self._broken_off = True
            self._kill()

    def _wake(self) -> None:
        self._again = True
        if self._playing is None:
            self._playing = asyncio.get_running_loop().create_task(
                self._play_all(), name="simulator"
            )

    async def _play_all(self) -> None:
        """Plays whatever waits, until nothing does."""
        try:
            while self._again:
                self._again = False
                try:
                    while (job := await self._claim()) is not None:
                        await self._play(job)
                except Exception:  # noqa: BLE001 - nobody else would play what waits
                    _log.exception("simulations_waiting")
                    await self._wire.sleep(RETRY_S)
                    self._again = True
        finally:
            self._playing = None

    async def _claim(self) -> _Job | None:
        """Returns the simulation that has waited longest, marked as running."""
        query = (
            sa.select(Simulation.id, Simulation.tenant_id)
            .where(Simulation.state == "queued")
            .order_by(Simulation.created_at, Simulation.id)
            .limit(1)
        )
        while True:
            async with self._db.read() as session:
                first = (await session.execute(query)).first()
            if first is None:
                return None
            async with self._db.write(
                self._clock, self._ids, actor="simulator", tenant=first.tenant_id
            ) as work:
                row = await work.session.get(
                    Simulation,
                    first.id,
                    with_for_update=True,
                    options=[undefer(Simulation.document)],
                )
                if row is None or row.state != "queued":
                    continue  # somebody has cancelled it meanwhile
                self._current, self._broken_off = row.id, False
                begin_simulation(work, row)
                return _Job(
                    row.id,
                    row.tenant_id,
                    row.scenario,
                    row.document,
                    row.changes,
                    row.days,
                    row.seed,
                    row.start,
                    row.planner,
                )

    async def _play(self, job: _Job) -> None:
        state: SimulationState = "failed"
        try:
            with tempfile.TemporaryDirectory(
                prefix="heliofleet-simulation-", dir=fast_directory()
            ) as name:
                results = await self._run(job, Path(name))
            state = "failed" if "why" in results else "done"
        except Exception:  # noqa: BLE001 - one simulation must not end the simulator
            _log.exception("simulation_failed", simulation=job.id)
            results = {"why": "an error of the service"}
        finally:
            self._current = self._process = None
        while True:  # a simulation that nobody ends would run for ever
            try:
                await self._end(job.id, job.tenant, state, **results)
            except Unavailable as error:
                _log.warning("end_waiting", simulation=job.id, error=error.detail)
                await self._wire.sleep(RETRY_S)
            else:
                return

    async def _run(self, job: _Job, folder: Path) -> dict[str, Any]:
        """Runs the process to its end; returns what is to be written down."""
        errors = folder / "errors.txt"
        with errors.open("wb") as said:
            self._process = process = await asyncio.create_subprocess_exec(
                *_command(job, folder),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                cwd=folder,
                env=_environment(folder),
                start_new_session=True,
            )
        try:
            if self._broken_off:
                self._kill()
            assert process.stdout is not None
            async with asyncio.timeout(LONGEST_S):
                async for line in process.stdout:
                    with contextlib.suppress(Unavailable):  # the next line says more
                        await self._progressed(job, line)
                code = await process.wait()
        except TimeoutError:
            return {"why": f"it took longer than {LONGEST_S / 3600:g} hours"}
        finally:
            self._kill()
            await process.wait()
        if code:
            return {"why": reason_of(code, errors.read_text(errors="replace").splitlines())}
        figures = msgspec.json.decode((folder / "comparison.json").read_bytes())
        return {
            "figures": figures,
            "headline": figures["headline"],
            "report": (folder / "comparison.html").read_text(encoding="utf-8"),
        }

    def _kill(self) -> None:
        """Ends the process and all that it has started, if there is one."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _progressed(self, job: _Job, line: bytes) -> None:
        share = progress_of(line)
        if share is None:
            return
        async with self._db.write(
            self._clock, self._ids, actor="simulator", tenant=job.tenant
        ) as work:
            row = await work.session.get(Simulation, job.id, with_for_update=True)
            if row is None or row.state != "running":
                return
            if share >= row.progress + PROGRESS_STEP:
                progress_simulation(work, row, share)

    async def _end(
        self, simulation_id: str, tenant: str, state: SimulationState, **results: Any
    ) -> None:
        """Writes down how a simulation ended, unless somebody has stopped it before."""
        async with self._db.write(self._clock, self._ids, actor="simulator", tenant=tenant) as work:
            row = await work.session.get(Simulation, simulation_id, with_for_update=True)
            if row is not None and row.state == "running":
                end_simulation(work, row, state, **results)


def _command(job: _Job, folder: Path) -> list[str]:
    """Writes what is to be played into a folder; returns the command that plays it."""
    scenario = job.scenario
    if job.document is not None:
        scenario = str(folder / "scenario.json")
        Path(scenario).write_bytes(msgspec.json.encode(job.document))
    changes = folder / "changes.json"
    changes.write_bytes(msgspec.json.encode(job.changes))
    nice = shutil.which("nice")
    optional = {"--seed": job.seed, "--start": job.start}
    return [
        *([nice, "-n", "5"] if nice else ()),
        *(sys.executable, "-m", "csms.cli", "replay", scenario),
        *("--what-if", str(changes), "--days", str(job.days), "--planner", job.planner),
        *(
            part
            for name, value in optional.items()
            if value is not None
            for part in (name, str(value))
        ),
        *("--out", str(folder), "--progress"),
    ]


def _environment(folder: Path) -> dict[str, str]:
    """Returns ours without our settings; what it leaves when it is killed, goes with the folder."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HELIOFLEET_")}
    return kept | {"TMPDIR": str(folder)}
