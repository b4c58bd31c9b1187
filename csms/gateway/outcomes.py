"""Outcomes of commands: where each stands, for those who wait for it.

What was settled lately is remembered, so that whoever asks a moment late need not ask the database.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from csms.ledger.database import Database
from models.errors import NotFound
from models.facts import CommandSettled
from models.states import COMMAND_SETTLED
from models.tables.ledger import Command

_REMEMBERED = 1_000
_AT_ONCE_S = 0.05
"""Most stations answer sooner than a look at the database takes."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Where a command stands; final unless `state` is `queued` or `sent`."""

    state: str
    """A state of `models.states.COMMAND`."""
    response: str | None = None
    """The station's answer as JSON text."""
    error_code: str | None = None
    """The station's CALLERROR code, or one of ours."""
    detail: str | None = None


class Outcomes:
    """Those of all commands."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiters: dict[str, list[asyncio.Future[Settled]]] = {}
        self._recent: OrderedDict[str, Settled] = OrderedDict()

    def tell(self, fact: CommandSettled) -> None:
        """Tells those who wait for a command how it ended, once that is durable."""
        settled = Settled(fact.state, fact.response, fact.error_code, fact.detail)
        self._recent[fact.command_id] = settled
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        for waiter in self._waiters.get(fact.command_id, ()):
            if not waiter.done():
                waiter.set_result(settled)

    async def settled(self, command_id: str, timeout_s: float) -> Settled:
        """Returns the outcome once there is one, or where the command stands after `timeout_s`.

        Args:
            command_id: from `UnitOfWork.order`, committed.
            timeout_s: wire time.

        Raises:
            NotFound: if there is no such command.
        """
        done = self._recent.get(command_id)
        if done is not None:
            return done
        waiter: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(command_id, []).append(waiter)
        try:
            at_once_s = min(timeout_s, _AT_ONCE_S)
            await asyncio.wait((waiter,), timeout=at_once_s)
            present = await self._present(waiter, command_id)
            if present.state not in COMMAND_SETTLED:
                await asyncio.wait((waiter,), timeout=timeout_s - at_once_s)
                present = await self._present(waiter, command_id)
            return present
        finally:
            waiters = self._waiters[command_id]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[command_id]

    async def _present(self, waiter: asyncio.Future[Settled], command_id: str) -> Settled:
        if waiter.done():
            return waiter.result()
        async with self._db.read() as session:
            row = await session.get(Command, command_id)
        if row is None:
            raise NotFound(f"there is no command {command_id}")
        return Settled(row.state, row.response, row.error_code, row.detail)
