"""Asking a station: a command is ordered, and its end is waited for by the events that tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from models.clocks import Activity, Clock
from models.commands import AnyCommand
from models.ids import IdMaker

EXPIRES_S = 60.0
"""Life time for which an order waits to be sent."""
_CODE_LENGTH = 64
"""What a station calls its errors is shown; more of it is no code."""
WAIT_S = 120.0
"""Wire time after which nobody waits for an answer any more: a call to a station ends before."""


class Answered(msgspec.Struct):
    """What became of a command, as its event tells."""

    id: str
    state: str = "unknown"
    outcome: str | None = None
    error_code: str | None = None
    detail: str | None = None
    limits: list[tuple[int, float]] = []

    @property
    def meaning(self) -> str:
        """The outcome where there is one, else the code of the error, else `unknown`."""
        if self.state == "answered":
            return self.outcome or "unknown"
        if self.state == "unknown" or self.error_code is None:
            return self.state
        return self.error_code[:_CODE_LENGTH]


class Asker:
    """Orders commands for checks, and knows who waits for which."""

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._waiting: dict[str, asyncio.Future[Answered]] = {}

    def heard(self, note: EventNote) -> None:
        """Takes the end of a command from the bus."""
        command_id = note.subject.removeprefix("command/")
        waiting = self._waiting.get(command_id)
        if waiting is not None and not waiting.done():
            self._activity.begin()  # who waits is at work again from here on
            waiting.set_result(msgspec.json.decode(note.resource, type=Answered))

    async def ask(
        self,
        station: str,
        tenant: str,
        command: AnyCommand,
        *,
        also: Callable[[UnitOfWork, str], Awaitable[None]] | None = None,
    ) -> Answered:
        """Returns what a station answers to a command; whoever asks is counted as at work.

        Args:
            station: its identity.
            tenant: whose it is.
            command: the order.
            also: what is written down with the order, given the command's id.
        """
        async with self._db.write(self._clock, self._ids, actor="checks", tenant=tenant) as work:
            command_id = work.order(command, station=station, origin="rule", expires_in_s=EXPIRES_S)
            if also is not None:
                await also(work, command_id)
            waiting: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            self._waiting[command_id] = waiting
        # A stepped clock waits for stations no longer than the courier has it do.
        self._activity.end()
        try:
            await asyncio.wait((waiting,), timeout=WAIT_S)
            return waiting.result() if waiting.done() else Answered(command_id)
        finally:
            if not waiting.done():
                self._activity.begin()
            del self._waiting[command_id]
