"""A lane: everything about one connection of one station, in the order in which it came.

A frame becomes a call, the dialect makes a Fact of it, the ledger commits it, and only then is it
answered; the next call of that station waits for this. Stations never wait for each other. Bytes
to answer is callbacks all the way, without a task or a log line per message. A station that says
more than it may is not read from any more (`Limits.queued_messages`). Answers to our own calls
overtake the queue, because they end something that has been waiting.

What a message means is the dialect's business (`csms.ocpp`), what follows from it the deciders'
(`csms.intake`), and which command is sent when the courier's (`csms.gateway.courier`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, Protocol

import structlog

from csms.gateway.connection import TRY_AGAIN_LATER, Transport
from csms.gateway.limits import Limits
from csms.gateway.records import Proof, StationRecord
from csms.ledger.batch import MessageNote
from csms.ocpp.dialects import Dialect
from csms.ocpp.frame import Call, ErrorCode, Malformed, Send
from csms.ocpp.manner import BY_THE_BOOK, Manner, manner_of
from csms.ocpp.peer import Answered, Disputed, Failed, Garbled, Peer, Stray
from csms.ocpp.table import HeardKind, Refusal, Understood
from csms.ocpp.versions import dialect_of
from csms.ocpp.waiting import REPORT, calls_for_reports
from models.answers import Answer, BootAnswer, HeartbeatAnswer
from models.clocks import Activity, Clock, WireClock
from models.errors import Unavailable
from models.facts import Fact, NoteReported

_log = structlog.get_logger("gateway")


class FactSink(Protocol):
    """Where facts go (`csms.intake.Intake`)."""

    def enqueue(self, fact: Fact, message: MessageNote | None = None, /) -> asyncio.Future[Answer]:
        """Returns the answer to come, once the fact is durable."""
        ...

    def hand_in(
        self,
        fact: Fact,
        message: MessageNote | None,
        done: Callable[[Answer | None, Exception | None], None],
        /,
    ) -> None:
        """Calls `done` with the answer once the fact is durable, or with why there is none."""
        ...


Errands = Callable[[Fact], Coroutine[Any, Any, Fact] | None]
"""Returns what has to be found out before a fact is decided, which ends in the fact with it."""


def no_errands(_fact: Fact) -> None:
    """Finds nothing out."""


@dataclass(frozen=True, slots=True)
class House:
    """What all lanes share."""

    intake: FactSink
    clock: Clock
    wire: WireClock
    activity: Activity
    limits: Limits
    new_message_id: Callable[[], str]
    seen: dict[str, datetime]
    """When each station was last heard, until it is flushed."""
    on_ready: Callable[[Lane], None]
    """Told when a station may be sent commands."""
    on_end: Callable[[Lane, str], None]
    """Told when a lane has ended, with the reason; once."""
    on_unavailable: Callable[[], None]
    """Told when the ledger could not take a fact."""
    errands: Errands
    """What has to be found out elsewhere; the station waits meanwhile, and no other does."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call of ours ended."""

    kind: Literal["answered", "refused", "garbled", "lost"]
    message_id: str = ""
    payload: bytes = b""
    """Of the answer; the details of a refusal."""
    code: str | None = None
    detail: str | None = None


class Lane:
    """One connection of one station."""

    __slots__ = (
        "_accepted",
        "_busy",
        "_call_end",
        "_errand",
        "_house",
        "_paused",
        "_peer",
        "_queue",
        "_reports_due",
        "_waiting",
        "began_at",
        "dialect",
        "ended",
        "epoch",
        "heard_at",
        "manner",
        "proof",
        "record",
        "subprotocol",
        "transport",
    )

    def __init__(
        self,
        house: House,
        transport: Transport,
        record: StationRecord,
        subprotocol: str,
        proof: Proof,
    ) -> None:
        """Takes the shared things, the connection, who speaks which version on it, and why."""
        self._house = house
        self.transport = transport
        self.record = record
        self.subprotocol = subprotocol
        self.proof = proof
        self.epoch = record.epoch
        self.dialect: Dialect = dialect_of(subprotocol)
        self.manner: Manner = manner_of(record.quirks, strict=record.strict)
        self.began_at = house.clock.now()
        self.heard_at = self.began_at
        """Life time of the last OCPP frame."""
        self.ended = False
        self._peer = Peer(self.dialect.version, house.new_message_id)
        # Never longer than a few: a list takes 700 bytes less of each station than a deque.
        self._queue: list[Call | Send | Malformed] = []
        self._busy = False
        self._paused = False
        self._accepted = False
        self._waiting = False
        self._reports_due = 0
        self._call_end: asyncio.Future[CallEnd] | None = None
        self._errand: asyncio.Task[Fact] | None = None

    def open(self) -> None:
        """Begins, once the transport is connected: a station that has booted before is ready."""
        if self.record.accepted and self.record.booted:
            self._become_ready()

    def take_record(self, record: StationRecord) -> None:
        """Goes on by a record that has changed."""
        self.record = record
        self.manner = manner_of(record.quirks, strict=record.strict)

    @property
    def identity(self) -> str:
        """The station's."""
        return self.record.identity

    @property
    def ready(self) -> bool:
        """The station has booted and may be sent commands."""
        return self._accepted and not self.ended

    @property
    def waiting(self) -> bool:
        """The station's Boot was answered Pending: it may be sent little (`csms.ocpp.waiting`)."""
        return self._waiting and not self._accepted and not self.ended

    @property
    def stalled(self) -> bool:
        """We don't read from it, so that its silence means nothing."""
        return self._paused

    @property
    def quiet(self) -> bool:
        """Nothing that it said waits for an answer."""
        return not self._busy and not self._queue

    # -- from the station --------------------------------------------------------------------

    def on_text(self, data: bytes) -> None:
        """Takes one message from the transport."""
        if self.ended:
            return
        house = self._house
        now = house.clock.now()
        record = self.record
        self.heard_at = house.seen[record.identity] = now
        if self._accepted and not self._busy and not self._queue and not record.strict:
            both = self.dialect.hear_frame(data, record.identity, now)
            if both is not None:
                house.activity.begin()
                self._act(*both, now)
                return
        inbound = self._peer.receive(data)
        if isinstance(inbound, (Call, Send)):
            house.activity.begin()
            if self._busy or self._queue:
                self._enqueue(inbound)
            else:
                self._take(inbound, now)
        elif isinstance(inbound, Malformed):
            house.activity.begin()
            # The ledger needs the frame as it came, and the parsed one only says what is wrong.
            self._enqueue(Malformed(data.decode("utf-8", "replace"), None, None, inbound.reply))
            self._go_on()
        elif not isinstance(inbound, Stray):
            self._end_call(inbound)

    def _enqueue(self, inbound: Call | Send | Malformed) -> None:
        self._queue.append(inbound)
        if len(self._queue) >= self._house.limits.queued_messages and not self._paused:
            self._paused = True
            self.transport.pause()

    def _go_on(self) -> None:
        """Takes what waits, as far as it can be answered at once."""
        while self._queue and not self._busy and not self.ended:
            inbound = self._queue.pop(0)
            if isinstance(inbound, Malformed):
                self._keep_malformed(inbound)
            else:
                self._take(inbound, self._house.clock.now())
        if self._paused and len(self._queue) <= self._house.limits.queued_messages // 2:
            self._paused = False
            self.transport.resume()

    def _take(self, call: Call | Send, now: datetime) -> None:
        """Hears one message, and does what it wants."""
        record = self.record
        heard = self.dialect.hear(
            call.action,
            call.payload,
            record.identity,
            now,
            strict=record.strict,
            accepted=self._accepted or self._was_asked(call.action),
            long_tokens=self.manner.long_tokens,
        )
        if isinstance(heard, Refusal):
            self._refuse(call, heard.code, heard.description, now)
        else:
            self._act(call, heard, now)

    def _act(self, call: Call | Send, heard: Understood, now: datetime) -> None:
        """Answers what was heard from memory, or hands it to the ledger."""
        fact = heard.fact if self.manner is BY_THE_BOOK else self.manner.heard(heard.fact)
        if heard.kind == "heartbeat":
            self._reply(call, self.dialect.answer(fact, HeartbeatAnswer(now)))
            return
        self._busy = True
        errand = self._house.errands(fact)
        if errand is None:
            self._hand_in(call, heard.kind, fact)
            return
        self._errand = asyncio.create_task(errand, name=f"errand for {self.identity}")
        self._errand.add_done_callback(partial(self._found_out, call, heard.kind))

    def _found_out(self, call: Call | Send, kind: HeardKind, errand: asyncio.Task[Fact]) -> None:
        """Goes on with what was found out, unless the station has left meanwhile."""
        self._errand = None
        if errand.cancelled():
            self._house.activity.end()
        elif (error := errand.exception()) is not None:
            _log.error("errand_failed", station=self.identity, error=repr(error))
            self._busy = False
            self._send_refusal(call, "InternalError", "this could not be found out")
            self._go_on()
        else:
            self._hand_in(call, kind, errand.result())

    def _hand_in(self, call: Call | Send, kind: HeardKind, fact: Fact) -> None:
        note = MessageNote(
            "in",
            call.action,
            call.message_id,
            call.payload,
            encode=partial(self.dialect.answer, fact),
            outcome="quarantined" if kind == "quarantine" else "result",
        )
        self._house.intake.hand_in(fact, note, partial(self._committed, call, note))

    def _was_asked(self, action: str) -> bool:
        """Returns whether a station that waits says what we have asked it for."""
        if action != REPORT or not self._reports_due:
            return False
        self._reports_due -= 1
        return True

    def _committed(
        self,
        call: Call | Send,
        note: MessageNote,
        answer: Answer | None,
        error: Exception | None,
    ) -> None:
        """Answers what the ledger has made durable, or says why it was not."""
        self._busy = False
        if isinstance(error, Unavailable):
            self._give_up()
        elif error is not None:
            _log.error("fact_refused", station=self.identity, action=call.action, error=str(error))
            self._send_refusal(call, "InternalError", "this could not be stored")
        else:
            self._reply(call, note.answer or b"{}")
            if isinstance(answer, BootAnswer):
                self._waiting = answer.status == "Pending"
            if isinstance(answer, BootAnswer) and answer.status == "Accepted":
                if (quirks := frozenset(answer.quirks)) != self.record.quirks:
                    self.take_record(replace(self.record, quirks=quirks))
                self._become_ready()
        self._go_on()

    def _give_up(self) -> None:
        """Closes without an answer: the station keeps the message and comes again later."""
        self._house.activity.end()
        self.transport.close(TRY_AGAIN_LATER, "the database is away")
        self.end("the database is away")
        self._house.on_unavailable()

    def _reply(self, call: Call | Send, payload: bytes) -> None:
        if isinstance(call, Call):
            self.transport.send(self._peer.answer(call.message_id, payload))
        self._house.activity.end()

    def _send_refusal(self, call: Call | Send, code: ErrorCode, description: str) -> None:
        if isinstance(call, Call):
            self.transport.send(self._peer.refuse(call.message_id, code, description))
        self._house.activity.end()

    def _refuse(self, call: Call | Send, code: ErrorCode, description: str, now: datetime) -> None:
        """Refuses a message with a CALLERROR, once the refusal stands in the message log."""
        error = self._peer.refuse(call.message_id, code, description)
        note = MessageNote(
            "in", call.action, call.message_id, call.payload, outcome="error", answer=error
        )
        self._log_first(note, now, partial(self._send_refusal, call, code, description))

    def _keep_malformed(self, frame: Malformed) -> None:
        """Answers a broken frame where the version wants it, once it stands in the log."""
        raw = frame.detail.encode()
        note = MessageNote("in", "", "", raw, outcome="malformed", answer=frame.reply)

        def reply() -> None:
            if frame.reply is not None:
                self.transport.send(frame.reply)
            self._house.activity.end()

        self._log_first(note, self._house.clock.now(), reply)

    def _log_first(self, note: MessageNote, now: datetime, then: Callable[[], None]) -> None:
        """Writes an exchange that is no fact into the message log, and goes on after that."""
        self._busy = True
        fact = NoteReported(
            station=self.identity, received_at=now, action=note.action, payload=note.payload
        )

        def logged(_answer: Answer | None, error: Exception | None) -> None:
            self._busy = False
            if isinstance(error, Unavailable):
                self._give_up()
            else:
                then()
            self._go_on()

        self._house.intake.hand_in(fact, note, logged)

    def _become_ready(self) -> None:
        if not self._accepted:
            self._accepted = True
            self.transport.limit_messages(self._house.limits.message_bytes)
        if not self.record.booted:
            self.record = replace(self.record, booted=True)
        self._house.on_ready(self)

    # -- to the station ----------------------------------------------------------------------

    def call(self, action: str, payload: bytes) -> tuple[str, asyncio.Future[CallEnd]]:
        """Calls the station; the courier sees to it that no other call is out.

        Returns:
            The message id, and the end of the call to come; it has no time-out of its own.
        """
        assert self._call_end is None or self._call_end.done()
        future: asyncio.Future[CallEnd] = asyncio.get_running_loop().create_future()
        if self.ended:
            future.set_result(CallEnd("lost", detail="the connection is gone"))
            return "", future
        if not self._accepted and calls_for_reports(action):
            self._reports_due = self._house.limits.reports_while_pending
        frame = self._peer.call(action, payload, self._house.wire.monotonic())
        out = self._peer.outstanding
        assert out is not None
        self._call_end = future
        self.transport.send(frame)
        return out.message_id, future

    def give_up_call(self) -> None:
        """Takes note that the courier waits no longer; a late answer will be a stray one."""
        self._peer.expire(float("inf"))
        self._call_end = None

    def dispute(self, message_id: str, detail: str) -> None:
        """Tells a station that its answer to our call is of no use, where its version can (2.1)."""
        frame = self._peer.dispute(message_id, "FormatViolation", detail)
        if frame is not None and not self.ended:
            self.transport.send(frame)

    def _end_call(self, end: Answered | Failed | Garbled | Disputed) -> None:
        if isinstance(end, Disputed):
            _log.info("answer_disputed", station=self.identity, code=end.code)
            return
        match end:
            case Answered():
                ended = CallEnd("answered", end.call.message_id, end.payload)
            case Failed():
                ended = CallEnd(
                    "refused", end.call.message_id, end.details, end.code, end.description
                )
            case Garbled():
                self.dispute(end.call.message_id, end.detail)
                ended = CallEnd("garbled", end.call.message_id, detail=end.detail)
        if self._call_end is not None and not self._call_end.done():
            self._call_end.set_result(ended)

    # -- the end -----------------------------------------------------------------------------

    def on_lost(self, code: int, reason: str) -> None:
        """Takes note that the connection is gone."""
        self.end(f"{code} {reason}".strip())

    def end(self, reason: str) -> None:
        """Ends the lane, whoever wanted it: nothing more is heard or sent on it."""
        if self.ended:
            return
        self.ended = True
        for _ in self._queue:
            self._house.activity.end()
        self._queue.clear()
        if self._errand is not None:
            self._errand.cancel()
        self._peer.close()
        if self._call_end is not None and not self._call_end.done():
            self._call_end.set_result(CallEnd("lost", detail=f"connection lost: {reason}"))
        self._house.on_end(self, reason)
