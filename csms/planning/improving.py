"""Bettering the plan in force, in a process of its own, for as long as nothing happens.

A plan is made and published at once; what more time would find is searched for beside. Whoever
needs a plan meanwhile never waits for that: the search is given up, since it goes by what was, and
the plan that follows is bettered for what is left of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from models.clocks import WireClock
from scheduler.apart import LARGE
from scheduler.plan import Plan
from scheduler.pool import WorkerLost
from scheduler.problem import Problem
from scheduler.rolling import Made, PlanOptions, incumbent_for

LEAST_S = 1.0
"""For less a process is not worth its start."""
CENT = 0.01
"""So much less a plan must cost, by all that it is made by, to take the place of one that serves as
much: each new plan may change what stations are told. In the currency of its prices."""

Attempt = Callable[[Problem, Plan | None, PlanOptions], Awaitable[Made]]
"""Plans in a process of its own, and ends it when it is cancelled.

Raises `WorkerLost` where that dies or hangs.
"""
Take = Callable[[Made, float], Awaitable[bool]]
"""Takes what was found, with the time limit that it had; False: it is out of date already."""

log = structlog.get_logger()


class Improver:
    """Betters one plan at a time."""

    def __init__(self, attempt: Attempt, *, wire: WireClock, limit_s: float) -> None:
        """Does nothing yet.

        Args:
            attempt: how to plan.
            wire: by which time passes.
            limit_s: the time that there is for each quarter of an hour; 0: none.
        """
        self._attempt = attempt
        self._wire = wire
        self._limit_s = limit_s
        self._left_s = 0.0
        self._searching = False
        self._task: asyncio.Task[None] | None = None
        self.is_asked_for = False
        """Somebody waits for what is found, even if that is hardly better."""

    def quarter_begins(self) -> None:
        """Gives the plan that is made now the time of a quarter of an hour."""
        self._left_s = max(self._limit_s, self._left_s if self.is_asked_for else 0.0)

    def ask(self, limit_s: float) -> None:
        """Gives the plan that is made now so much time, because somebody has asked for it."""
        self._left_s = max(self._left_s, limit_s)
        self.is_asked_for = True

    def begin(
        self,
        problem: Problem,
        plan: Plan,
        promised: dict[str, str],
        options: PlanOptions,
        take: Take,
    ) -> None:
        """Betters a plan that was just published, where there is time for that."""
        if self._left_s < LEAST_S:
            self.is_asked_for = False
            return
        former = incumbent_for(problem, former=(problem.start, plan), promised=promised)
        how = replace(
            options,
            time_limit_s=round(self._left_s, 1),
            prove=len(problem.vehicles) * problem.steps <= LARGE,
        )
        self._searching = True
        self._task = asyncio.create_task(self._better(problem, former, how, take), name="improver")

    def disturb(self) -> None:
        """Gives up the search, because something has happened; what is found is still taken."""
        if self._task is not None and self._searching:
            self._searching = False  # once: its process may take a while to end
            self._task.cancel()

    async def rest(self) -> None:
        """Ends: the search at once, and what is being published when it is."""
        self.disturb()
        if self._task is not None:
            await asyncio.wait([self._task])  # it may be broken off itself, unlike `await`
            self._task = None

    async def _better(
        self, problem: Problem, former: Plan | None, how: PlanOptions, take: Take
    ) -> None:
        limit_s = how.time_limit_s or 0.0
        began_s = self._wire.monotonic()
        try:
            made = await self._attempt(problem, former, how)
            self._searching = False
            if not await take(made, limit_s):
                return
        except WorkerLost:  # the same again would end the same
            log.warning("search.lost", limit_s=limit_s)
        except Exception:
            log.exception("plan.failed", reason="bettered")
        finally:
            self._searching = False
            self._left_s = max(0.0, limit_s - (self._wire.monotonic() - began_s))
        self._left_s = 0.0
        self.is_asked_for = False


def is_better(problem: Problem, made: Made, before: Made, *, asked_for: bool) -> bool:
    """Returns whether a plan serves more than another of the same problem, or as much for less.

    Who has asked for it is to see what was found, as long as it is no worse.
    """
    left_out = [_left_out(problem, each.plan) for each in (made, before)]
    if left_out[0] != left_out[1]:
        return left_out[0] < left_out[1]
    return made.objective <= before.objective - (0.0 if asked_for else CENT)


def _left_out(problem: Problem, plan: Plan) -> int:
    priority = {booking.id: booking.priority for booking in problem.bookings}
    return sum(priority[each.booking] for each in plan.unserved)
