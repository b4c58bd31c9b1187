"""The courier: takes queued commands to stations, one at a time each, and brings back the outcome.

A command is a row before it is a message. That it leaves is made durable first (`CommandSent`), so
that after a crash we know that it may have been carried out; the answer, the refusal or the silence
is a Fact like any other (`CommandSettled`). What becomes `unknown` is never sent again from here:
whoever wanted it reads back and decides.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import COMMAND_QUEUED, Bus, EventNote, Subscription
from csms.gateway.lane import CallEnd, FactSink, Lane
from csms.gateway.limits import Limits
from csms.gateway.outcomes import Outcomes, Settled
from csms.gateway.redaction import redact
from csms.gateway.told import RETRY_S, commit, facts_told
from csms.ledger.batch import MessageNote
from csms.ledger.database import Database
from csms.ocpp.portions import PORTIONED, joined, portions
from csms.ocpp.waiting import refusal_while_waiting
from models.answers import Answer
from models.clocks import Activity, Clock, WireClock
from models.commands import AnyCommand, RawCommand, decode_command
from models.errors import BadInput, FleetError, Unavailable
from models.facts import (
    CommandSent,
    CommandSettled,
    Fact,
    NoteReported,
    OutcomeStatus,
)
from models.tables.ledger import Command
from models.tables.stations import Station, StationVariable

_BATCH = 20
_LOOKED_UP_AT_ONCE = 500
_NO_LIMIT_W = 1e12
"""Stands for no limit where a number is needed."""
_EXPIRE_EVERY = timedelta(seconds=60)
EXPIRED = "Expired"
"""Error code of a command whose time in the queue was up."""
NO_ANSWER = "NoAnswer"
"""Error code of a command that the station did not answer in time, or whose connection broke."""

_log = structlog.get_logger("courier")


@dataclass(frozen=True, slots=True)
class _Queued:
    """A command that waits, as it is kept."""

    id: str
    station: str
    body: str
    expires_at: datetime


_ALL_QUEUED = sa.select(Command.id, Command.station, Command.body, Command.expires_at).where(
    Command.state == "queued"
)
_QUEUED = (
    _ALL_QUEUED.where(Command.station == sa.bindparam("station"))
    .order_by(Command.created_at, Command.id)
    .limit(_BATCH)
)
_RAW_QUEUED = _QUEUED.where(Command.kind == RawCommand.__name__)


@dataclass(frozen=True, slots=True)
class _Errand:
    """One command to be taken."""

    command_id: str
    command: AnyCommand
    lane: Lane


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request, and how its call ended."""

    action: str
    payload: bytes
    message_id: str
    end: CallEnd

    def note(self) -> MessageNote:
        """Returns its line in the message log, without an answer yet."""
        return MessageNote("out", self.action, self.message_id, redact(self.action, self.payload))


class Courier:
    """Serves all stations that are connected here."""

    def __init__(
        self,
        *,
        db: Database,
        intake: FactSink,
        bus: Bus,
        clock: Clock,
        wire: WireClock,
        activity: Activity,
        limits: Limits,
        lane_of: Callable[[str], Lane | None],
    ) -> None:
        self._db = db
        self._intake = intake
        self._bus = bus
        self._clock = clock
        self._wire = wire
        self._activity = activity
        self._limits = limits
        self._lane_of = lane_of
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._come: dict[str, None] = {}
        """Stations that are ready, and of whose commands we don't know yet, in order."""
        self._looker: asyncio.Task[None] | None = None
        self._again: set[str] = set()
        self._outcomes = Outcomes(db)
        self._left_waiting = asyncio.Event()
        """Set while commands may be queued for stations that are not here."""
        self._left_waiting.set()
        self._subscription: Subscription | None = None
        self._expirer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to listen for work."""
        self._subscription = self._bus.subscribe("courier", (COMMAND_QUEUED,), self._on_queued)
        self._expirer = asyncio.create_task(self._expire(), name="courier-expiry")

    async def settle_left_over(
        self, dead: Callable[[Collection[int]], Awaitable[Collection[int]]]
    ) -> None:
        """Says that nobody knows what came of the commands that dead services have sent.

        Args:
            dead: as for `Presence.bury`; what is on its way to a station here is left alone.

        Raises:
            Unavailable: if the database is away.
        """
        query = (
            sa.select(Command.id, Command.station, Station.held_by)
            .outerjoin(Station, Station.identity == Command.station)
            .where(Command.state == "sent")
        )
        async with self._db.read() as session:
            sent = (await session.execute(query)).all()
        gone = {None, *await dead({held_by for *_, held_by in sent if held_by is not None})}
        for command_id, station, held_by in sent:
            if held_by not in gone or self._lane_of(station) is not None:
                continue
            fact = CommandSettled(
                station=station,
                received_at=self._clock.now(),
                command_id=command_id,
                state="unknown",
                error_code=NO_ANSWER,
                detail="the service was restarted",
            )
            await self._intake.enqueue(fact)
            self._outcomes.tell(fact)

    async def close(self) -> None:
        """Stops; commands under way become `unknown` as their connections end."""
        if self._subscription is not None:
            await self._subscription.close()
        others = (self._expirer, self._looker)
        tasks = [*self._workers.values(), *(task for task in others if task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def greet(self, identity: str) -> None:
        """Looks whether a station that has come has commands waiting for it.

        Of all that come while others are looked up it is asked at once: thousands may come back
        together, and most of them have none.
        """
        self._come[identity] = None
        if self._looker is None:
            self._activity.begin()
            self._looker = asyncio.get_running_loop().create_task(self._look(), name="courier-look")

    def wake(self, identity: str) -> None:
        """Takes a station that is ready the commands that wait for it."""
        lane = self._lane_of(identity)
        if lane is None or not (lane.ready or lane.waiting):
            self._left_waiting.set()
            return
        if identity in self._workers:
            self._again.add(identity)
            return
        self._activity.begin()
        task = asyncio.get_running_loop().create_task(
            self._serve(identity), name=f"courier:{identity}"
        )
        self._workers[identity] = task

    async def settled(self, command_id: str, timeout_s: float) -> Settled:
        """Returns where a command stands, as `Outcomes.settled` does."""
        return await self._outcomes.settled(command_id, timeout_s)

    # -- inside ------------------------------------------------------------------------------

    async def _look(self) -> None:
        try:
            while self._come:
                some = list(itertools.islice(self._come, _LOOKED_UP_AT_ONCE))
                try:
                    found = await self._awaited(some)
                except Unavailable as error:
                    _log.warning("commands_waiting", error=error.detail)
                    await self._wire.sleep(RETRY_S)
                    continue
                for identity in some:
                    del self._come[identity]
                    if identity in found:
                        self.wake(identity)
        finally:
            self._looker = None
            self._activity.end()

    async def _awaited(self, stations: list[str]) -> set[str]:
        """Returns those of the stations for which commands are queued."""
        async with self._db.read() as session:
            query = sa.select(Command.station).where(
                Command.state == "queued", Command.station.in_(stations)
            )
            return set(await session.scalars(query.distinct()))

    async def _on_queued(self, note: EventNote) -> None:
        self.wake(note.subject.removeprefix("station/"))

    async def _serve(self, identity: str) -> None:
        """Takes a station all its commands, in order of their making."""
        try:
            while True:
                self._again.discard(identity)
                lane = self._lane_of(identity)
                if lane is None or not (lane.ready or lane.waiting):
                    self._left_waiting.set()
                    return
                rows = await self._queued(identity, raw_only=lane.waiting)
                for row in rows:
                    await self._take(row, lane)
                if lane.waiting:
                    # The others are for when it is accepted, and may be too old by then.
                    self._left_waiting.set()
                in_reach = lane.ready or lane.waiting
                if len(rows) < _BATCH and in_reach and identity not in self._again:
                    return
        except Unavailable as error:
            _log.warning("commands_waiting", station=identity, error=error.detail)
        except Exception:  # noqa: BLE001 - one station's trouble must not silence the courier
            _log.exception("commands_failed", station=identity)
        finally:
            del self._workers[identity]
            self._activity.end()

    async def _queued(self, identity: str, *, raw_only: bool) -> list[_Queued]:
        """Returns the next commands; `raw_only`: those that an operator has written alone."""
        rows = await self._db.glance(_RAW_QUEUED if raw_only else _QUEUED, station=identity)
        return [_Queued(*row) for row in rows]

    async def _take(self, row: _Queued, lane: Lane) -> None:
        if row.expires_at <= self._clock.now():
            await self._fail(row, EXPIRED, "it waited for too long")
            return
        if not (lane.ready or lane.waiting):
            return
        try:
            command = decode_command(row.body)
            if lane.waiting:
                _check_waiting(lane, command)
            action, payload = lane.dialect.say(lane.manner.said(command))
        except (msgspec.MsgspecError, FleetError, ValueError) as error:
            await self._fail(row, "NotSupported", str(error))
            return
        now = self._clock.now()
        sent = CommandSent(
            station=row.station, received_at=now, command_id=row.id, epoch=lane.epoch
        )
        await self._intake.enqueue(sent)
        errand = _Errand(row.id, command, lane)
        await self._carry(errand, action, await self._portions(lane, action, payload))

    async def _portions(self, lane: Lane, action: str, payload: bytes) -> list[bytes]:
        """Returns what is sent of a request, as far as the station takes so much at once."""
        row = PORTIONED.get(action)
        if row is None:
            return [payload]
        async with self._db.read() as session:
            query = sa.select(StationVariable.value).where(
                StationVariable.station == lane.identity,
                StationVariable.component == row.component,
                StationVariable.variable.in_(row.limits),
                StationVariable.attribute == "Actual",
            )
            told = await session.scalar(query.limit(1))
        if told is None or not told.isdecimal() or int(told) == 0:
            return [payload]
        return portions(row, payload, int(told))

    async def _carry(self, errand: _Errand, action: str, parts: list[bytes]) -> None:
        """Takes a command to its station, part by part; what ends one part badly ends it all."""
        first, *others = parts
        exchange = await self._exchange(errand.lane, action, first)
        answers = [exchange.end.payload]
        for part in others:
            if exchange.end.kind != "answered":
                break
            await self._log_part(errand.lane, exchange)
            exchange = await self._exchange(errand.lane, action, part)
            answers.append(exchange.end.payload)
        end = exchange.end
        if others and end.kind != "answered":
            detail = f"part {len(answers)} of {len(parts)}: {end.detail or end.code}"
            exchange = replace(exchange, end=replace(end, detail=detail))
        await self._report(errand, exchange, joined(action, answers))

    async def _exchange(self, lane: Lane, action: str, payload: bytes) -> _Exchange:
        message_id, answer = lane.call(action, payload)
        return _Exchange(action, payload, message_id, await self._await_answer(lane, answer))

    async def _log_part(self, lane: Lane, exchange: _Exchange) -> None:
        """Writes a part of a command that is not its last into the message log.

        It waits for a database that is away, as the end does: a command that is given up between
        two of its parts would be on the wire for ever.
        """
        note = exchange.note()
        note.answer = redact(exchange.action, exchange.end.payload)
        fact = NoteReported(
            station=lane.identity,
            received_at=self._clock.now(),
            action=exchange.action,
            payload=note.payload,
        )
        await commit(self._intake, self._wire, fact, note)

    async def _await_answer(self, lane: Lane, answer: asyncio.Future[CallEnd]) -> CallEnd:
        """Waits for a station; a stepped clock waits with us for the first seconds only."""
        quiet_s = min(self._limits.call_quiet_s, self._limits.call_s)
        done, _ = await asyncio.wait((answer,), timeout=quiet_s)
        if not done:
            self._activity.end()
            try:
                await asyncio.wait((answer,), timeout=self._limits.call_s - quiet_s)
            finally:
                self._activity.begin()
        if answer.done():
            return answer.result()
        lane.give_up_call()
        return CallEnd("lost", detail=f"no answer within {self._limits.call_s:g} s")

    async def _report(self, errand: _Errand, exchange: _Exchange, whole: bytes) -> None:
        """Makes the end of a call durable, with its last exchange in the message log.

        `whole` is what the station has answered to all parts of the request.
        """
        note, end, message_id = exchange.note(), exchange.end, exchange.message_id
        outcome: OutcomeStatus | None = None
        response: str | None = None
        limits: tuple[tuple[int, float], ...] = ()
        list_version: int | None = None
        detail = end.detail
        match end.kind:
            case "answered":
                state = "answered"
                note.answer = redact(exchange.action, end.payload)
                response = redact(exchange.action, whole).decode("utf-8", "replace")
                told = errand.lane.dialect.outcome(errand.command, whole)
                outcome, detail = told.status, told.detail or None
                list_version = told.list_version
                if told.faults and outcome == "unknown":
                    errand.lane.dispute(message_id, told.detail)
                limits = tuple(
                    (each.start_s, min(each.limit_w, _NO_LIMIT_W)) for each in told.periods
                )
                for fact in facts_told(errand.lane.identity, told, self._clock.now()):
                    await self._keep(fact)
            case "refused":
                state = "failed"
                note.outcome = "error"
                note.answer = msgspec.json.encode({"code": end.code, "description": end.detail})
            case "garbled" | "lost":
                state = "unknown"
                note.outcome = "no-answer" if end.kind == "lost" else "malformed"
        await self._settle(
            CommandSettled(
                station=errand.lane.identity,
                received_at=self._clock.now(),
                command_id=errand.command_id,
                state=state,
                outcome=outcome,
                response=response,
                error_code=end.code or (NO_ANSWER if state == "unknown" else None),
                detail=detail,
                list_version=list_version,
                limits=limits,
            ),
            note,
        )

    async def _keep(self, fact: Fact) -> None:
        """Commits what an answer has told before its command is settled: nobody tells it again."""
        try:
            await commit(self._intake, self._wire, fact)
        except Exception as error:  # noqa: BLE001 - the outcome is kept whatever becomes of it
            _log.warning("fact_lost", fact=type(fact).__name__, error=str(error))

    async def _fail(self, row: _Queued, code: str, detail: str) -> None:
        await self._settle(
            CommandSettled(
                station=row.station,
                received_at=self._clock.now(),
                command_id=row.id,
                state="failed",
                error_code=code,
                detail=detail,
            )
        )

    async def _settle(self, fact: CommandSettled, note: MessageNote | None = None) -> None:
        """Commits an outcome, as often as it takes, and tells who waits for it."""
        await commit(self._intake, self._wire, fact, note)
        self._outcomes.tell(fact)

    async def _expire(self) -> None:
        """Fails what has waited for too long, each minute of life time while something waits."""
        while True:
            await self._left_waiting.wait()
            await self._clock.sleep_until(self._clock.now() + _EXPIRE_EVERY)
            with self._activity.busy():
                try:
                    await self._fail_expired()
                except Unavailable as error:
                    _log.warning("expiry_waiting", error=error.detail)

    async def _fail_expired(self) -> None:
        async with self._db.read() as session:
            rows = [_Queued(*row) for row in await session.execute(_ALL_QUEUED)]
        if not rows:
            self._left_waiting.clear()
        now = self._clock.now()
        for row in rows:
            if row.expires_at <= now and row.station not in self._workers:
                await self._fail(row, EXPIRED, "the station was not connected in time")


def _check_waiting(lane: Lane, command: AnyCommand) -> None:
    """Raises BadInput for what a station that waits for approval is not to be sent."""
    assert isinstance(command, RawCommand)
    why = refusal_while_waiting(lane.dialect.version, command.action, command.payload)
    if why is not None:
        raise BadInput(why)


def submit_quietly(intake: FactSink, fact: Fact) -> None:
    """Hands in a fact of the gateway's own that no station waits for.

    Where the database is away it is lost: connections and last-seen times are found out anew.
    """

    def done(future: asyncio.Future[Answer]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            _log.warning("fact_lost", fact=type(fact).__name__, error=str(error))

    intake.enqueue(fact).add_done_callback(done)
