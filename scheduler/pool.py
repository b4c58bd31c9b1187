"""Where plans are made: in line, or in a worker process that can be killed.

The worker does other long work too, so that who answers people and stations is not held up by it.

A solver that hangs or dies costs one cycle: the worker is killed and started anew, and the cycle's
plan is made here without a solver.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

import msgspec

from scheduler.check import Violation
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import Level, Made, PlanOptions, plan_with_level

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_TRIM = getattr(_LIBC, "malloc_trim", None)
_TUNE = getattr(_LIBC, "mallopt", None)
_M_MMAP_THRESHOLD = -3
"""What the C library calls the size from which a block lies outside its heap (`malloc.h`)."""
APART_FROM_BYTES = 65_536

KILL_AFTER_S = 30.0
"""A plan that takes longer is given up; the slowest measured one takes a few seconds."""
KILL_PER_CAR_S = 0.02
"""So much longer it may take for each car: one for 3,000 cars takes 20 s where it has a core."""
JOBS_PER_WORKER = 200
"""After so many a worker makes room for a fresh one: for 300 cars each makes it grow by 0.1 MB."""
BESIDE_FROM_CARS = 100
"""Plans for so many are made in a process of their own, even where they are waited for.

A plan of 300 cars takes 150 MB for a second or two. What is left of them in pieces, between what
lives longer, made a process grow by 9 % over a day of plans. Smaller ones don't pay for another.
"""


CALL_PATIENCE = 4
"""So many times as long other work may take: it does not hang as solvers do, and may be the first
that a worker gets, which begins by loading half of the house."""
T = TypeVar("T")


class WorkerLost(Exception):
    """The worker has died at work, or was killed because it hung."""


class InlinePool:
    """Plans while the caller waits (`replay`): the same order of events each time."""

    def __init__(self, dies: Callable[[], bool] | None = None) -> None:
        """Asks `dies` once for each plan whether its solver does: a fault that is played."""
        self._dies = dies
        self._beside = ProcessPool(kill_after_s=None)

    def submit(
        self, problem: Problem, incumbent: Plan | None, options: PlanOptions
    ) -> Future[Made]:
        """Returns a future that is done."""
        done: Future[Made] = Future()
        if self._dies is not None and self._dies():
            done.set_result(_without_solver(problem, incumbent, options))
        elif len(problem.vehicles) >= BESIDE_FROM_CARS:
            _keep_apart()
            done.set_result(self._beside.submit(problem, incumbent, options).result())
            _give_back()  # here too: what a plan reads and says leaves pieces
        else:
            done.set_result(_solved(problem, incumbent, options))
        return done

    def call(self, job: Callable[[], T]) -> Future[T]:
        """Returns a future that is done, of what the process of large plans says to a job.

        Raises:
            WorkerLost: if that process does not outlive the job.
        """
        done: Future[T] = Future()
        done.set_result(self._beside.call(job).result())
        _give_back()
        return done

    def close(self) -> None:
        """Ends the process of large plans, if there is one."""
        self._beside.close()

    def worker_pid(self) -> int | None:
        """Returns the id of the process that large plans are made in, or None without one."""
        return self._beside.worker_pid()


class ProcessPool:
    """Plans in one worker process, one problem after another."""

    def __init__(self, *, kill_after_s: float | None = KILL_AFTER_S) -> None:
        """Starts nothing yet; the worker comes with `warm_up` or the first problem.

        Args:
            kill_after_s: for how long a plan is waited for; None: as long as it takes.
        """
        self.kill_after_s = kill_after_s
        self._context = multiprocessing.get_context("spawn")
        self._thread = ThreadPoolExecutor(1, "heliofleet-solver")
        self._worker: BaseProcess | None = None
        self._line: Connection[Any, Any] | None = None
        self._jobs = 0
        self._is_closed = False
        self.killed = 0
        """How many workers were given up; read by the metrics."""

    def warm_up(self) -> None:
        """Starts the worker in the background, so that the first plan need not wait for it."""
        self._thread.submit(self._ready)

    def submit(
        self, problem: Problem, incumbent: Plan | None, options: PlanOptions
    ) -> Future[Made]:
        """Returns the plan to come."""
        return self._thread.submit(self._solve, problem, incumbent, options)

    def attempt(
        self, problem: Problem, incumbent: Plan | None, options: PlanOptions
    ) -> Future[Made]:
        """Returns the plan to come, where one is at hand and a better one is searched for.

        Raises:
            WorkerLost: from the future, if the worker does not outlive it; `close` ends it.
        """
        return self._thread.submit(self._attempt, problem, incumbent, options)

    def call(self, job: Callable[[], T]) -> Future[T]:
        """Returns what `job` will return; it runs in the worker, after what was asked for before.

        Args:
            job: a function of a module, with its arguments, that can be pickled.

        Raises:
            WorkerLost: from the future, if the worker does not outlive the job.
        """
        patience_s = None if self.kill_after_s is None else CALL_PATIENCE * self.kill_after_s
        return self._thread.submit(self._called, job, patience_s)

    def close(self) -> None:
        """Ends the worker at once, in the midst of what it does."""
        self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._kill()

    def worker_pid(self) -> int | None:
        """Returns the worker's process id, or None before it is started."""
        return None if self._worker is None else self._worker.pid

    def _solve(self, problem: Problem, incumbent: Plan | None, options: PlanOptions) -> Made:
        try:
            return self._attempt(problem, incumbent, options)
        except WorkerLost:
            return _without_solver(problem, incumbent, options)

    def _attempt(self, problem: Problem, incumbent: Plan | None, options: PlanOptions) -> Made:
        known = None if incumbent is None else _packed(incumbent)
        job = partial(_solved_apart, _packed(problem), known, options)
        return self._called(job, self._patience_s(problem, options)).made()

    def _called(self, job: Callable[[], T], patience_s: float | None) -> T:
        line = self._ready()
        if self._is_closed:  # meanwhile: who has closed it may not have seen this worker
            self._kill()
            raise WorkerLost
        try:
            line.send(job)
            if line.poll(patience_s):
                said = cast("T", line.recv())
                self._count()
                return said
        except (EOFError, OSError):
            pass  # the worker has died: what follows is the same as for one that hangs
        self.killed += not self._is_closed
        self._kill()
        raise WorkerLost

    def _count(self) -> None:
        """Has a fresh worker start, which is warm before it is needed, where this one is old."""
        self._jobs += 1
        if self._jobs >= JOBS_PER_WORKER:
            self._kill()
            self._ready()

    def _patience_s(self, problem: Problem, options: PlanOptions) -> float | None:
        if self.kill_after_s is None:
            return None
        given_s = options.time_limit_s or 0.0
        return self.kill_after_s + KILL_PER_CAR_S * len(problem.vehicles) + given_s

    def _ready(self) -> Connection[Any, Any]:
        if self._line is None or self._worker is None or not self._worker.is_alive():
            self._kill()
            ours, theirs = self._context.Pipe()
            line = cast("Connection[Any, Any]", ours)
            worker = self._context.Process(target=_work, args=(theirs,), daemon=True)
            worker.start()
            theirs.close()
            self._jobs = 0
            self._line, self._worker = line, worker
            return line
        return self._line

    def _kill(self) -> None:
        # Whoever closes may do so while the thread of this pool does the same.
        worker, line, self._worker, self._line = self._worker, self._line, None, None
        if worker is not None:
            worker.kill()
            worker.join(5)
        if line is not None:
            line.close()


def _work(line: Connection[Any, Any]) -> None:
    """The worker: does one job after another until the line is closed.

    It looks for garbage when it has answered. What the first job has loaded stays for good.
    """
    is_first = True
    while True:
        try:
            job = line.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        done = job()
        try:
            line.send(done)
        except OSError:  # who asked is gone
            return
        del job, done
        gc.collect()
        if is_first:
            gc.freeze()
        is_first = False


@contextmanager
def undisturbed() -> Generator[None]:
    """Has Python not look for garbage meanwhile: in the midst of a plan that takes a tenth of it.

    A plan leaves next to nothing in circles. With 30 cars a look through all that is loaded took
    four times as long as the plan of an event in which it fell.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _Packed:
    """What has been made, on its way between two processes."""

    plan: bytes
    level: Level
    violations: tuple[Violation, ...]
    kept_cars: int
    solvers: tuple[str, ...]
    objective: float

    def made(self) -> Made:
        plan = msgspec.msgpack.decode(self.plan, type=Plan)
        return Made(plan, self.level, self.violations, self.kept_cars, self.solvers, self.objective)


def _packed(thing: Problem | Plan) -> bytes:
    """Returns a problem or a plan in few bytes.

    To pickle a plan of 3,000 cars takes 0.2 s in which, piece by piece, nobody else can go on.
    """
    return msgspec.msgpack.encode(thing)


def _solved_apart(problem: bytes, incumbent: bytes | None, options: PlanOptions) -> _Packed:
    """Makes a plan in the worker."""
    made = _solved(
        msgspec.msgpack.decode(problem, type=Problem),
        None if incumbent is None else msgspec.msgpack.decode(incumbent, type=Plan),
        options,
    )
    return _Packed(
        _packed(made.plan),
        made.level,
        made.violations,
        made.kept_cars,
        made.solvers,
        made.objective,
    )


def _solved(problem: Problem, incumbent: Plan | None, options: PlanOptions) -> Made:
    """Makes a plan, and gives the memory back that it took.

    A plan of 300 cars takes 150 MB for a second or two. Left to itself the allocator keeps them in
    pieces between what lives longer, so that a process grows by 7 % over a day of plans.
    """
    # With a time limit thousands of programs are solved, and memory counts for more.
    with undisturbed() if options.time_limit_s is None else nullcontext():
        made = plan_with_level(
            problem, incumbent=incumbent, options=options, monotonic=time.perf_counter
        )
    if len(problem.vehicles) >= BESIDE_FROM_CARS:  # to look for it takes as long for small ones
        _give_back()
    return made


def _give_back() -> None:
    """Returns free memory to the system, where the C library can (glibc)."""
    if _TRIM is not None:
        _TRIM(0)


def _keep_apart() -> None:
    """Lets large blocks lie outside the heap for good, where they leave no holes (glibc).

    Left to itself, the library raises that size with each larger block that is freed, to 32 MB.
    """
    if _TUNE is not None:
        _TUNE(_M_MMAP_THRESHOLD, APART_FROM_BYTES)


def _without_solver(problem: Problem, incumbent: Plan | None, options: PlanOptions) -> Made:
    """Returns the plan of a cycle whose solver has died or hangs."""
    return _solved(problem, incumbent, replace(options, solvers=()))
