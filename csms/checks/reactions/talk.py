"""What the steps of one check have in common: whom they ask, what they have found, and time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from csms.checks.actions import Held, announce_check
from csms.checks.queries.checks import Place, look_at_place, samples_since
from csms.checks.reactions.asking import Answered, Asker
from csms.checks.rules.judging import Asked, Sample
from csms.checks.rules.steps import Done, Finding, Step, document
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.web.rows import change_row
from models.clocks import Activity, Clock
from models.commands import AnyCommand
from models.ids import IdMaker
from models.tables.checks import StationCheck


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a check waits for what, in life time."""

    look_every: timedelta = timedelta(seconds=1)
    trigger_every: timedelta = timedelta(seconds=5)
    """How often the meter is asked while it is watched."""
    say_within: timedelta = timedelta(seconds=20)
    """For a message that was asked for."""
    obey_within: timedelta = timedelta(seconds=150)
    """The slowest boxes known need 90 s."""
    rise_within: timedelta = timedelta(seconds=90)
    """Cars take their time to go on."""


class Over(Exception):
    """The check can't go on: somebody has ended it, or what it is about is gone."""


@dataclass(frozen=True, slots=True)
class Task:
    """Which check it is."""

    check_id: str
    tenant: str
    station: str
    evse_id: int
    limit_w: float | None
    apply: bool


class Talk:
    """One check under way."""

    def __init__(
        self,
        task: Task,
        *,
        db: Database,
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        asker: Asker,
        pace: Pace,
    ) -> None:
        self.task = task
        self.pace = pace
        self.db = db
        self.clock = clock
        self.ids = ids
        self.held: Held | None = None
        """What is in the box because of this check."""
        self.steps: list[Step] = []
        self.findings: list[Finding] = []
        self.reaction_s: float | None = None
        self._activity = activity
        self._asker = asker
        self._step_at = clock.now()

    async def place(self) -> Place:
        """Returns the EVSE with what hangs there now.

        Raises:
            Over: if it is gone.
        """
        async with self.db.read() as session:
            task = self.task
            place = await look_at_place(session, task.station, task.evse_id, self.clock.now())
        if place is None:
            raise Over(f"EVSE {self.task.evse_id} is not there any more")
        return place

    async def ask(
        self,
        words: str,
        command: AnyCommand,
        *,
        also: Callable[[UnitOfWork, str], Awaitable[None]] | None = None,
    ) -> tuple[Asked, Answered]:
        """Asks the station; returns the question with the meaning of its answer, and the answer."""
        task = self.task
        answer = await self._asker.ask(task.station, task.tenant, command, also=also)
        return Asked(words, answer.meaning), answer

    async def samples(self, ocpp_id: str | None, since: datetime) -> tuple[Sample, ...]:
        """Returns what the meter has shown since an instant of ours."""
        async with self.db.read() as session:
            task = self.task
            return await samples_since(session, task.station, task.evse_id, ocpp_id, since)

    async def pause(self, length: timedelta) -> None:
        """Lets life time pass."""
        until = self.clock.now() + length
        self._activity.end()
        try:
            await self.clock.sleep_until(until)
        finally:
            self._activity.begin()

    async def keep(self, done: Done) -> None:
        """Writes down a step that is done.

        Raises:
            Over: if somebody has ended the check.
        """
        now = self.clock.now()
        step = msgspec.structs.replace(done.step, started_at=self._step_at, ended_at=now)
        self._step_at = now
        self.steps.append(step)
        known = {each.code for each in self.findings}
        self.findings += [each for each in done.findings if each.code not in known]
        async with self.db.write(
            self.clock, self.ids, actor="checks", tenant=self.task.tenant
        ) as work:
            row = await self.row(work)
            change_row(work, row, self.values())
            announce_check(work, "station_check.changed", row, None)

    async def row(self, work: UnitOfWork) -> StationCheck:
        """Returns the row of the check, to change it.

        Raises:
            Over: if somebody has ended it.
        """
        row = await work.session.get(StationCheck, self.task.check_id, with_for_update=True)
        if row is None or row.state != "running":
            raise Over("it was ended")
        return row

    def values(self) -> dict[str, object]:
        """Returns what the row tells of the steps."""
        return {
            "steps": [document(each) for each in self.steps],
            "findings": [document(each) for each in self.findings],
            "reaction_s": self.reaction_s,
        }
