"""Group commit: what stations report becomes durable in batches, and only then is answered.

Facts of all stations are put into one open batch. While one batch is being committed the next one
fills; when its commit is done, every fact in it is answered. A batch holds one fact of a station,
so that a station's facts are decided in their order. Where a batch fails, it is split until only
the guilty fact is left, which goes to quarantine. While the database is away, facts are held for a
bounded time and then refused with `Unavailable`: the gateway closes the sockets, and the stations
keep what we could not.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from csms.ledger.batch import Batch, Decider, MessageNote, Tables
from csms.ledger.bulk import Driver, PostgresDriver, SqliteDriver
from csms.ledger.database import COLLIDED, Database
from csms.ledger.work import Committed
from models.answers import EMPTY, Answer, TransactionAnswer
from models.clocks import Activity, Clock, WireClock
from models.errors import FleetError, Unavailable
from models.facts import Fact, Quarantined, ReadingsReported, TransactionReported
from models.ids import IdMaker

HOLD_S = 8.0
"""How long a fact waits for a database that is away; then its station is refused."""
BATCH_LIMIT = 512
"""Facts in one batch at most."""
_BUSY_BATCH = 20
"""After a batch as large as this, waiting a little makes the next one larger and cheaper."""
_WINDOW_S = 0.001
_WINDOWS = 5
"""So long it is waited at most while the batch still grows."""
_KNOWN_ROWS = 50_000
"""Rows kept in memory from batch to batch."""
_RETRY_S = 0.25

_log = structlog.get_logger("ledger")


class Poison(FleetError):
    """The ledger can't keep this fact as what it claims to be; it lies in quarantine."""

    code = "quarantined"


Work = Callable[[Driver, Tables], Committed]
"""What is done in one transaction: with its driver, and the rows that are known already."""


Done = Callable[[Answer | None, Exception | None], None]
"""Takes the answer to a fact that is durable now, or why there is none."""


class _Entry(msgspec.Struct):
    """A fact on its way through the committer."""

    fact: Fact
    note: MessageNote | None
    done: Done
    since_s: float
    answer: Answer | None = None
    error: Exception | None = None


class _Host(Protocol):
    """Runs a batch's transaction where this database wants it."""

    async def run(self, work: Work) -> Committed:
        """Runs `work` in one transaction, and commits it."""
        ...

    async def close(self) -> None:
        """Frees connection and thread."""
        ...


class _SqliteHost:
    """SQLite: one bare connection, in a thread of its own or in line.

    Rows that were read or written stay in memory until somebody else writes to the file, which
    SQLite tells by `data_version`: then they are what the database holds, word by word.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.connect_sqlite()
        self._driver = SqliteDriver(self._connection)
        self._tables: Tables = {}
        self._version = -1
        self._thread = None if db.inline else ThreadPoolExecutor(1, "heliofleet-ledger")

    async def run(self, work: Work) -> Committed:
        if self._thread is None:
            return self._transact(work)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Work) -> Committed:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version or sum(map(len, self._tables.values())) > _KNOWN_ROWS:
                self._tables.clear()
                self._version = version
            outcome = work(self._driver, self._tables)
            self._connection.execute("COMMIT")
        except BaseException:
            self._tables.clear()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return outcome

    async def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True)
        self._connection.close()


class _PostgresHost:
    """PostgreSQL: the pool's connections, the batch in a greenlet over asyncpg."""

    def __init__(self, db: Database) -> None:
        self._engine = db.write_engine

    async def run(self, work: Work) -> Committed:
        def transact(connection: sa.Connection) -> Committed:
            # SQLAlchemy does not see what is done below it, so it would not commit it either.
            raw: Any = connection.connection.dbapi_connection
            outcome = work(PostgresDriver(raw), {})
            raw.commit()
            return outcome

        async with self._engine.connect() as connection:
            return await connection.run_sync(transact)

    async def close(self) -> None:
        """The pool belongs to the database."""


class Committer:
    """Takes facts from all stations and answers each once it is durable."""

    def __init__(  # noqa: PLR0917 - the contract's order
        self,
        db: Database,
        deciders: Mapping[type[Any], Decider[Any]],
        clock: Clock,
        ids: IdMaker,
        activity: Activity,
        wire: WireClock,
    ) -> None:
        self._db = db
        self._deciders = deciders
        self._clock = clock
        self._ids = ids
        self._activity = activity
        self._wire = wire
        self._waiting: deque[_Entry] = deque()
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._host: _Host | None = None
        self._task: asyncio.Task[None] | None = None
        self.broken: str | None = None
        """Why nothing more is acknowledged, after the disk has failed to sync."""
        self.on_broken: Callable[[str], None] = lambda _reason: None
        """Called once when the disk has failed to sync: the process has to end and recover."""

    async def start(self) -> None:
        """Opens the writer; called by itself at the first fact."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="committer")

    async def submit(self, fact: Fact, message: MessageNote | None = None) -> Answer:
        """Returns the answer to a fact once the fact is durable.

        After it, `message.answer` holds what `message.encode` made of the answer.

        Raises:
            Unavailable: if the database was away for too long, or has failed for good.
            Poison: if the fact could not be kept as what it claims to be, and is of a kind that
                may be refused; it lies in quarantine.
        """
        return await self.enqueue(fact, message)

    def enqueue(self, fact: Fact, message: MessageNote | None = None) -> asyncio.Future[Answer]:
        """Puts a fact into the open batch; as `submit`, but returns at once."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.hand_in(fact, message, partial(_resolve, future))
        return future

    def hand_in(self, fact: Fact, message: MessageNote | None, done: Done) -> None:
        """As `enqueue`, but calls `done`: a future costs a tenth of what a message may cost."""
        if self.broken is not None:
            done(None, Unavailable(self.broken))
            return
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._run(), name="committer")
        self._activity.begin()
        if not self._waiting:
            self._idle.clear()
            self._filled.set()
        self._waiting.append(_Entry(fact, message, done, self._wire.monotonic()))

    async def drain(self) -> None:
        """Returns when everything that was submitted has been answered."""
        await self._idle.wait()

    async def close(self) -> None:
        """Drains, then frees connection and thread."""
        await self.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._host is not None:
            await self._host.close()
            self._host = None

    async def _run(self) -> None:
        last = 0
        while True:
            if not self._waiting:
                self._filled.clear()
                self._idle.set()
                await self._filled.wait()
            if last >= _BUSY_BATCH and not self._db.inline:
                await self._fill_up(last)
            entries = self._take()
            last = len(entries)
            await self._settle(entries)

    async def _fill_up(self, expected: int) -> None:
        """Lets stations that were answered together say the next thing together, too."""
        for _ in range(_WINDOWS):
            before = len(self._waiting)
            await self._wire.sleep(_WINDOW_S)
            if len(self._waiting) >= expected or len(self._waiting) == before:
                return

    def _take(self) -> list[_Entry]:
        """Takes the next batch, with one fact of a station; the others keep their order."""
        entries: list[_Entry] = []
        stations: set[str] = set()
        later: list[_Entry] = []
        while self._waiting and len(entries) < BATCH_LIMIT:
            entry = self._waiting.popleft()
            if entry.fact.station in stations:
                later.append(entry)
            else:
                stations.add(entry.fact.station)
                entries.append(entry)
        self._waiting.extendleft(reversed(later))
        return entries

    async def _settle(self, entries: Sequence[_Entry]) -> None:
        """Commits a batch, whatever it takes, and answers everything in it."""
        while entries:
            try:
                await self._commit(entries)
            except Exception as error:  # noqa: BLE001 - the border to the database
                if self._fatal(error):
                    self._break(str(error), entries)
                    return
                if _away(error):
                    entries = await self._hold(entries, error)
                elif len(entries) == 1:
                    entries = await self._quarantine(entries[0], error)
                else:
                    half = len(entries) // 2
                    await self._settle(entries[:half])
                    entries = entries[half:]
            else:
                self._answer(entries)
                return

    async def _commit(self, entries: Sequence[_Entry]) -> None:
        if self._db.dialect == "sqlite":
            async with self._db.gate:
                await self._transact(entries)
        else:
            await self._transact(entries)

    async def _transact(self, entries: Sequence[_Entry]) -> None:
        if self._host is None:
            sqlite = self._db.dialect == "sqlite"
            self._host = _SqliteHost(self._db) if sqlite else _PostgresHost(self._db)
        now = self._clock.now()

        def work(driver: Driver, tables: Tables) -> Committed:
            return self._decide(Batch(driver, tables, now, self._ids), entries)

        outcome = await self._host.run(work)
        self._db.committed(outcome)

    def _decide(self, batch: Batch, entries: Sequence[_Entry]) -> Committed:
        groups: dict[type[Fact], list[Fact]] = {}
        for entry in entries:
            groups.setdefault(type(entry.fact), []).append(entry.fact)
        for kind, facts in groups.items():
            self._deciders[kind].load(batch, facts)
        for entry in entries:
            fact, note = entry.fact, entry.note
            mark = batch.mark()
            entry.error = None
            try:
                answer = self._deciders[type(fact)].decide(batch, fact, note)
                if note is not None and note.encode is not None:
                    note.answer = note.encode(answer)
            except Exception as error:  # noqa: BLE001 - a fault of ours must cost one fact only
                batch.undo(mark)
                answer = self._put_aside(batch, entry, error)
            entry.answer = answer
            if note is not None:
                batch.log(fact, note)
        return batch.finish()

    def _put_aside(self, batch: Batch, entry: _Entry, error: Exception) -> Answer:
        """Quarantines one fact; what a station would throw away is answered as accepted."""
        fact, note = entry.fact, entry.note
        reason = f"{type(error).__name__}: {error}"
        _log.error("fact_quarantined", station=fact.station, fact=type(fact).__name__, error=reason)
        batch.quarantine(fact, note, reason)
        answer = _accepting(fact)
        if answer is None:
            entry.error = Poison(f"this could not be stored: {type(error).__name__}")
            answer = EMPTY
        elif note is not None and note.encode is not None:
            note.answer = note.encode(answer)
        if note is not None:
            note.outcome = "quarantined"
        return answer

    async def _quarantine(self, entry: _Entry, error: Exception) -> Sequence[_Entry]:
        """Commits a guilty fact's raw form alone; returns it where the database is away."""
        if self._host is None:
            entry.error = error
            self._answer([entry])
            return []

        def work(driver: Driver, tables: Tables) -> Committed:
            batch = Batch(driver, tables, self._clock.now(), self._ids)
            entry.error = None
            entry.answer = self._put_aside(batch, entry, error)
            if entry.note is not None:
                batch.mark()
                batch.log(entry.fact, entry.note)
            return batch.finish()

        try:
            if self._db.dialect == "sqlite":
                async with self._db.gate:
                    await self._host.run(work)
            else:
                await self._host.run(work)
        except Exception as second:  # noqa: BLE001 - the border to the database
            if _away(second):
                return [entry]
            entry.error = second
        self._answer([entry])
        return []

    async def _hold(self, entries: Sequence[_Entry], error: Exception) -> Sequence[_Entry]:
        """Waits a little; gives up those that have waited too long and returns the others."""
        _log.warning("database_away", held=len(entries), error=str(error).splitlines()[0])
        await self._wire.sleep(_RETRY_S)
        oldest = self._wire.monotonic() - HOLD_S
        given_up = [entry for entry in entries if entry.since_s <= oldest]
        for entry in given_up:
            entry.error = Unavailable("the database is away")
        self._answer(given_up)
        return [entry for entry in entries if entry.since_s > oldest]

    def _fatal(self, error: Exception) -> bool:
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF == sqlite3.SQLITE_IOERR

    def _break(self, reason: str, entries: Sequence[_Entry]) -> None:
        """Acknowledges nothing more: what the disk holds now is not known."""
        _log.critical("disk_failed", error=reason)
        self.broken = f"the disk has failed: {reason}"
        for entry in (*entries, *self._waiting):
            entry.error = Unavailable(self.broken)
        self._answer((*entries, *self._waiting))
        self._waiting.clear()
        self.on_broken(self.broken)

    def _answer(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            try:
                entry.done(entry.answer if entry.error is None else None, entry.error)
            except Exception:  # noqa: BLE001 - one station's trouble must not silence the others
                _log.exception("answer_lost", station=entry.fact.station)
            self._activity.end()


def _resolve(
    future: asyncio.Future[Answer], answer: Answer | None, error: Exception | None
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        assert answer is not None
        future.set_result(answer)


def _accepting(fact: Fact) -> Answer | None:
    """Returns the answer that makes a station keep nothing back, or None: it may be refused."""
    if isinstance(fact, TransactionReported) and (fact.scheme == "2.x" or fact.kind != "started"):
        return TransactionAnswer(token_status="Accepted" if fact.id_token else None)
    if isinstance(fact, ReadingsReported | Quarantined):
        return EMPTY
    return None


def _away(error: Exception) -> bool:
    """Returns whether the error is the database's absence, not the fault of some fact."""
    if isinstance(error, sqlite3.OperationalError):
        return True
    if isinstance(error, OSError | Unavailable):
        return True
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated:
            return True
    if state is not None:
        return state in COLLIDED or state[:2] in {"08", "53", "57"}
    return type(error).__name__ in {"InterfaceError", "OperationalError"}
