"""The database: opening it safely, and the ways in for everyone but the stations.

`read` gives a session of one consistent snapshot, `write` a unit of work that is committed at a
clean exit; `glance` looks one thing up. On SQLite there is one writer at a time, so units of work
and the committer share the `gate`; on PostgreSQL the gate is the database's own. A database that
would forget what it has acknowledged is refused at the start. Which tables there are is said in
`models.tables`, how they come into being in `csms.ledger.migrate`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from csms.ledger.glance import Glances, Lookup
from csms.ledger.inline import InlineSession, Lines
from csms.ledger.threaded import ThreadedConnection, connect_threaded
from csms.ledger.work import Committed, Dialect, ReadSession, UnitOfWork, WriteSession
from models.clocks import Clock
from models.errors import BadInput, Unavailable
from models.ids import IdMaker

BUSY_TIMEOUT_S = 5.0
"""How long SQLite waits for another process's write before it says that it is busy."""
_INLINE_TIMEOUT_S = 0.2
"""In line, waiting stops everything."""
_READERS = 8
_REMEMBERED = range(256, 16_384)
"""Lists of so many characters are remembered: shorter ones are read as fast as they are looked up,
longer ones take too much memory."""
_POSTGRES_POOL = 10
COLLIDED = ("40001", "40P01")
"""PostgreSQL's words for changes that can't both be made as they came, but one after the other."""
_SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_DURABLE = frozenset({"on", "remote_apply", "remote_write", "local"})
_MEMORY_PARENT = Path("/dev/shm")  # noqa: S108 - private directories made by mkdtemp


class UnsafeDatabase(BadInput):
    """The database would forget what it has acknowledged."""

    code = "unsafe-database"


class Database:
    """One database, opened; see the module for the ways in."""

    def __init__(self, url: str, *, inline: bool) -> None:
        self.url = url
        self.inline = inline
        self.gate = asyncio.Lock()
        """On SQLite, who holds it may write."""
        self._listeners: list[Callable[[Committed], None]] = []
        self._scratch: Path | None = None
        self._path: str = ""
        self.dialect: Dialect
        self._glances: Glances | None = None
        if url == "sqlite://":
            self.dialect = "sqlite"
            self._scratch = _scratch_directory()
            self._path = str(self._scratch / "memory.db")
        elif url.startswith("sqlite:///"):
            self.dialect = "sqlite"
            self._path = url.removeprefix("sqlite:///")
        elif url.startswith("postgresql://"):
            self.dialect = "postgresql"
        else:
            raise BadInput(
                "database url: allowed are sqlite:///PATH and postgresql://USER:PW@HOST/DB"
            )
        self._readers: AsyncEngine | Lines
        self._writers: AsyncEngine | Lines
        if self.dialect == "sqlite":
            self._readers = self._sqlite_engine(writing=False)
            self._writers = self._sqlite_engine(writing=True)
            self._glances = Glances(self._connect_to_glance)
        else:
            self._readers = self._writers = _postgres_engine(url)

    @classmethod
    def open(cls, url: str, *, inline: bool = False) -> Database:
        """Returns the database of this url, not yet connected to.

        Args:
            url: `sqlite:///PATH`, `sqlite://` (a private one that `close` deletes and that never
                waits for a disk) or `postgresql://USER:PW@HOST/DB`.
            inline: do SQLite's work in the calling thread, as a virtual event loop needs it.

        Raises:
            BadInput: if the url is of no known kind.
        """
        return cls(url, inline=inline)

    @property
    def path(self) -> str:
        """SQLite: the file; empty on PostgreSQL."""
        return self._path

    @property
    def url_elsewhere(self) -> str:
        """The url by which another process of this machine finds the same database."""
        return f"sqlite:///{self._path}" if self._path else self.url

    @property
    def write_engine(self) -> AsyncEngine:
        """The engine of the committer on PostgreSQL."""
        assert isinstance(self._writers, AsyncEngine)
        return self._writers

    def on_commit(self, listener: Callable[[Committed], None]) -> None:
        """Calls `listener` after each commit, before anyone else may commit on this database."""
        self._listeners.append(listener)

    def committed(self, outcome: Committed) -> None:
        """Tells the listeners what has become true."""
        if outcome.events or outcome.stations or outcome.sites:
            for listener in self._listeners:
                listener(outcome)

    async def start(self) -> None:
        """Connects once, and checks that what is acknowledged will be kept.

        Raises:
            UnsafeDatabase: if it would not be.
            Unavailable: if the database can't be reached.
        """
        with away(), unreachable():
            async with _session(self._writers) as session:
                if self.dialect == "sqlite":
                    checks = {
                        "journal_mode": ("wal",),
                        "synchronous": ("0", "2", "3") if self._scratch else ("2", "3"),
                        "foreign_keys": ("1",),
                    }
                    show = "PRAGMA"
                else:
                    checks = {"synchronous_commit": tuple(_DURABLE), "fsync": ("on",)}
                    show = "SHOW"
                for name, safe in checks.items():
                    found = str(await session.scalar(sa.text(f"{show} {name}")))
                    if found not in safe:
                        raise UnsafeDatabase(
                            f"the database has {name} = {found}, so that a power cut would lose"
                            " what was acknowledged: set it right"
                        )

    async def close(self) -> None:
        """Closes all connections; a private database is deleted."""
        if self._glances is not None:
            self._glances.close()
        for engine in {self._readers, self._writers}:
            if isinstance(engine, AsyncEngine):
                await engine.dispose()
            else:
                engine.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadSession]:
        """Opens a session of one consistent snapshot; its changes are dropped.

        Raises:
            Unavailable: if the database is away.
        """
        options = _SNAPSHOT if self.dialect == "postgresql" else None
        with away():
            async with _session(self._readers) as session:
                await _begin(session, options)
                yield ReadSession(session)

    async def glance(self, statement: Lookup, **parameters: Any) -> Sequence[Any]:
        """Returns the rows of one small statement, as of now; see `csms.ledger.glance`.

        Args:
            statement: which looks something up by its key; made once, with `sa.bindparam`, since it
                is remembered.
            parameters: the values of its bound parameters.

        Raises:
            Unavailable: if the database is away.
        """
        found = None if self._glances is None else self._glances.rows(statement, parameters)
        if found is not None:
            return found
        # One statement needs no transaction around it, which on PostgreSQL is two more answers.
        options = {"isolation_level": "AUTOCOMMIT"} if self.dialect == "postgresql" else {}
        with away(), unreachable():
            async with _session(self._readers) as session:
                await _begin(session, options)
                return (await session.execute(statement, parameters)).all()

    @asynccontextmanager
    async def write(
        self, clock: Clock, ids: IdMaker, *, actor: str = "system", tenant: str = "default"
    ) -> AsyncGenerator[UnitOfWork]:
        """Opens a unit of work: committed at a clean exit, rolled back on an exception.

        Never wait for anything but this database within it: on SQLite all stations wait for it.

        Raises:
            Unavailable: if the database is away.
        """
        if self.dialect == "sqlite":
            async with self.gate, self._work(clock, ids, actor, tenant) as work:
                yield work
        else:
            async with self._work(clock, ids, actor, tenant) as work:
                yield work

    @asynccontextmanager
    async def _work(
        self, clock: Clock, ids: IdMaker, actor: str, tenant: str
    ) -> AsyncGenerator[UnitOfWork]:
        with away():
            async with _session(self._writers) as session:
                work = UnitOfWork(
                    WriteSession(ReadSession(session)),
                    clock=clock,
                    ids=ids,
                    actor=actor,
                    tenant=tenant,
                    dialect=self.dialect,
                )
                # On SQLite the first statement takes the write lock, before it reads anything: what
                # is read can't change any more.
                await _begin(session)
                yield work
                outcome = await work.finish()
                await session.commit()
                self.committed(outcome)

    def connect_sqlite(self) -> sqlite3.Connection:
        """Opens a bare connection for the committer; usable from any one thread at a time."""
        assert self.dialect == "sqlite"
        connection = sqlite3.connect(
            self._path,
            timeout=_INLINE_TIMEOUT_S if self.inline else BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        self._set_pragmas(connection, writing=True)
        return connection

    def _connect_to_glance(self) -> sqlite3.Connection:
        # Without a timeout: the event loop stands still meanwhile.
        connection = sqlite3.connect(
            self._path, timeout=0, isolation_level=None, check_same_thread=False
        )
        self._set_pragmas(connection, writing=False)
        return connection

    def _set_pragmas(self, connection: Any, *, writing: bool) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'OFF' if self._scratch else 'FULL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=10000")
        # A reader's pages are void with the next commit of a writer: more would be held by eight
        # of them, and not be used. What is done in line lies in memory as it is.
        cache_kib = 32_000 if writing and not self.inline else 1_000
        cursor.execute(f"PRAGMA cache_size=-{cache_kib}")
        if not writing:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    def _sqlite_engine(self, *, writing: bool) -> AsyncEngine | Lines:
        options: dict[str, Any] = {
            # The one that was used last has pages that still hold; the others need not be filled.
            "pool_use_lifo": True,
            "pool_size": 1 if writing else _READERS,
            "json_deserializer": _read_json,
        }
        if self.inline:
            url, creator = sa.URL.create("sqlite", database=self._path), self._connect_inline
            # Nobody could wait for a connection to come free.
            engine = sa.create_engine(
                url, creator=creator, poolclass=sa.QueuePool, max_overflow=-1, **options
            )
            self._prepare(engine, writing=writing)
            return Lines(engine)
        threaded = create_async_engine(
            sa.URL.create("sqlite+aiosqlite", database=self._path),
            async_creator=self._connect_threaded,
            max_overflow=0,
            pool_timeout=30,
            **options,
        )
        self._prepare(threaded.sync_engine, writing=writing)
        return threaded

    def _prepare(self, engine: sa.Engine, *, writing: bool) -> None:
        """Has connections set up, begun and left as they are to be."""
        begin = "BEGIN IMMEDIATE" if writing else "BEGIN"

        def set_up(connection: Any, _record: Any) -> None:
            self._set_pragmas(connection, writing=writing)

        def start(connection: sa.Connection) -> None:
            driver = connection.connection.driver_connection
            if isinstance(driver, ThreadedConnection):
                driver.begin_with_next(begin)
            else:
                assert isinstance(driver, sqlite3.Connection)
                driver.execute(begin)

        def tidy(connection: Any, _record: Any) -> None:
            # After a COMMIT that failed, SQLite is still within the transaction and SQLAlchemy
            # believes that it is over: the write lock would be held for ever.
            if connection is None:
                return
            is_bare = isinstance(connection, sqlite3.Connection)
            driver = connection if is_bare else connection.driver_connection
            if driver.in_transaction:
                connection.rollback()

        event.listen(engine, "connect", set_up)
        event.listen(engine, "checkin", tidy)
        event.listen(engine, "begin", start)

    async def _connect_threaded(self) -> Any:
        return await connect_threaded(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)

    def _connect_inline(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=_INLINE_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )


def _session(engine: AsyncEngine | Lines) -> AsyncSession:
    if isinstance(engine, AsyncEngine):
        return AsyncSession(engine, expire_on_commit=False)
    return InlineSession(engine)


async def _begin(session: AsyncSession, options: Mapping[str, Any] | None = None) -> None:
    with unreachable():
        if isinstance(session, InlineSession):
            await session.begin_at_once()
        else:
            await session.connection(execution_options=options)


def _scratch_directory() -> Path:
    parent = _MEMORY_PARENT if os.access(_MEMORY_PARENT, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="heliofleet-", dir=parent))


def lone_engine(db: Database, name: str) -> AsyncEngine:
    """Returns what opens connections to a PostgreSQL database whose sessions are to be kept.

    Where the machine of one goes dark, the database notices within half a minute.

    Args:
        db: the database.
        name: what the database is to call the sessions; at most 63 characters.
    """
    server_settings = {
        "application_name": name,
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
    return create_async_engine(
        _asyncpg(db.url),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": 5, "server_settings": server_settings},
    )


def _read_json(text: str) -> Any:
    """Reads a stored value, in a fifth of the time that Python's own reader takes.

    That one knows what no standard does: what it once wrote (`NaN`, half a pair of surrogates) is
    left to it.
    """
    if len(text) in _REMEMBERED and text[0] == "[" and text.find("[", 1) < 0 and "{" not in text:
        return list(_flat(text))
    return _decoded(text)


@lru_cache(maxsize=128)
def _flat(text: str) -> list[Any]:
    """Returns a long list of numbers or texts: series are read again and again as they are."""
    return _decoded(text)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(text)  # noqa: TID251 - what this reads is checked already


def _asyncpg(url: str) -> sa.URL:
    try:
        return make_url(url).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError) as error:
        raise BadInput(f"database url: {error}") from error


def _postgres_engine(url: str) -> AsyncEngine:
    return create_async_engine(
        _asyncpg(url),
        pool_size=_POSTGRES_POOL,
        max_overflow=5,
        pool_timeout=30,
        pool_pre_ping=True,
        json_deserializer=_read_json,
        connect_args={"timeout": 5, "server_settings": {"application_name": "heliofleet"}},
    )


class Collided(Unavailable):
    """A change was rolled back whole, since another was made at the same time: try again."""


@contextmanager
def away() -> Generator[None]:
    """Turns the many ways in which a database goes away into `Unavailable`.

    Raises:
        Collided: if it is there, and another change was in the way.
        Unavailable: if it is away.
    """
    try:
        yield
    except (OperationalError, InterfaceError, sqlite3.OperationalError) as error:
        raise Unavailable(f"the database is away: {_first_line(error)}") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in COLLIDED:
            raise Collided("another change was made at the same time: try again") from error
        if not error.connection_invalidated:
            raise
        raise Unavailable(f"the database is away: {_first_line(error)}") from error


@contextmanager
def unreachable() -> Generator[None]:
    """Turns the system's errors of connecting into `Unavailable`."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the database can't be reached: {error}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
