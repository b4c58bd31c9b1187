"""One batch of facts: load, decide, write; what group commit makes durable at once.

Each feature brings deciders: `load` fetches what the batch's facts need (one SELECT per table for
all of them), `decide` judges one fact by pure rules and returns the answer, `write` stores what
changed (one statement per table). State is threaded through in the order of arrival: a fact sees
what the facts before it in the same batch have changed. Nothing here is asynchronous, so that the
same code runs in a writer thread, in line on a virtual clock and on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

import msgspec

from csms.bus.base import EventNote
from csms.ledger.bulk import Driver, RowKind, placed
from csms.ledger.work import OUTBOX_LOCK, Committed
from models.answers import Answer
from models.facts import Fact
from models.ids import IdMaker
from models.tables.base import to_micros
from models.tables.ledger import Event, Message, Quarantine

Outcome = Literal["result", "error", "malformed", "no-answer", "quarantined"]
F_contra = TypeVar("F_contra", bound=Fact, contravariant=True)
R = TypeVar("R", bound=msgspec.Struct)

_JSON = msgspec.json.Encoder()


class MessageNote(msgspec.Struct):
    """One exchange with a station, for the message log; written in the commit of its fact."""

    direction: Literal["in", "out"]
    """`in`: the station called us; `out`: we called it."""
    action: str
    message_id: str
    payload: bytes
    """The payload as it came or went; the raw frame when malformed."""
    encode: Callable[[Answer], bytes] | None = None
    """Makes the payload that answers the station; called within the batch."""
    outcome: Outcome = "result"
    answer: bytes | None = None
    """What `encode` made of the answer, once the fact is committed; given where we called."""


class MessageRow(msgspec.Struct, frozen=True):
    """A row of the message log."""

    station: str
    direction: str
    action: str
    message_id: str
    received_at: datetime
    payload: str
    outcome: str
    answer: str | None


class QuarantineRow(msgspec.Struct, frozen=True):
    """A row of the quarantine."""

    station: str
    action: str
    raw: bytes
    reason: str
    received_at: datetime


class EventRow(msgspec.Struct, frozen=True):
    """A row of the outbox."""

    id: int
    time: datetime
    type: str
    tenant_id: str
    site_id: str | None
    subject: str
    resource: str


MESSAGES = RowKind(Message.__table__, MessageRow, key=("id",))
EVENTS = RowKind(Event.__table__, EventRow, key=("id",))
QUARANTINE = RowKind(Quarantine.__table__, QuarantineRow, key=("id",))

_PLAN_REQUEST = (
    "INSERT INTO plan_request (site_id, reason, requested_at) VALUES (?, ?, ?)"
    " ON CONFLICT (site_id) DO UPDATE"
    " SET reason = excluded.reason, requested_at = excluded.requested_at"
)


class Rows(Generic[R]):
    """The rows of one kind that a batch has seen: what was loaded, and what became of it."""

    def __init__(self, kind: RowKind[R], driver: Driver) -> None:
        self._kind = kind
        self._driver = driver
        self._rows: dict[Any, R | None] = {}
        self._stored: dict[Any, R | None] = {}
        """What stands in the database: rows as they do, None where that is not known."""
        self._changed: dict[Any, None] = {}
        self._elsewhere: set[Any] = set()
        """Changed rows that others have changed, too: what is known of them ends with `write`."""
        self._groups: dict[Any, dict[Any, None]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, keys: Iterable[Any]) -> None:
        """Fetches the rows of these keys that are not here yet; the missing are remembered."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._rows]
        if wanted:
            self._rows.update(dict.fromkeys(wanted))
            self._take(self._kind.fetch(self._driver, self._kind.key, wanted))

    def find(self, by: Sequence[str], keys: Iterable[Any], only: str = "") -> list[R]:
        """Fetches rows by other columns, and returns them as the batch has them now.

        Args:
            by: the columns.
            keys: their values.
            only: SQL that narrows the rows, such as `t.stopped_at IS NULL`.
        """
        found = self._kind.fetch(self._driver, by, keys, only)
        self._take(found)
        rows = [self._rows[self._kind.key_of(row)] for row in found]
        return [row for row in rows if row is not None]

    def _take(self, rows: Iterable[R]) -> None:
        for row in rows:
            key = self._kind.key_of(row)
            if key not in self._stored:
                self._stored[key] = row
                if key not in self._changed:
                    self._rows[key] = row
                    self._join(key)

    def get(self, key: Any) -> R | None:
        """Returns the row as the batch has it now; it must have been loaded."""
        return self._rows[key]

    def peek(self, key: Any) -> R | None:
        """Returns the row as the batch has it now, or None where nobody loaded it."""
        return self._rows.get(key)

    def group(self, first: Any) -> list[R]:
        """Returns the rows seen whose key begins with this value, as the batch has them now."""
        rows = [self._rows[key] for key in self._groups.get(first, ())]
        return [row for row in rows if row is not None]

    def put(self, row: R) -> None:
        """Adds or changes a row, for `write` to store."""
        key = self._kind.key_of(row)
        if self._rows.get(key) is None:
            self._join(key)
        self._rows[key] = row
        self._changed[key] = None

    def remove(self, key: Any) -> None:
        """Takes a row away, now and in the database; it is known to be missing from then on."""
        self._kind.delete(self._driver, key)
        self._stored.pop(key, None)
        self._changed.pop(key, None)
        self._rows[key] = None
        if isinstance(key, tuple):
            self._groups.get(cast("tuple[Any, ...]", key)[0], {}).pop(key, None)

    def make_room(self, key: Any, most: int, ended_at: Callable[[R], datetime | None]) -> bool:
        """Returns whether a row may be put: a station may tell of more and more things for ever.

        All rows of the group must have been found. Where it is full, what has ended first goes.

        Args:
            key: of the row.
            most: how many rows a group may have.
            ended_at: since when a row is of no more use; None: it still is.
        """
        if self._rows.get(key) is not None:
            return True
        group = self.group(key[0])
        if len(group) < most:
            return True
        ended = [(at, self._kind.key_of(row)) for row in group if (at := ended_at(row)) is not None]
        if not ended:
            return False
        self.remove(min(ended)[1])
        return True

    def rekey(self, old: Any, row: R) -> None:
        """Takes note that a stored row has another key from now on."""
        del self._rows[old]
        self._stored.pop(old, None)
        self._changed.pop(old, None)
        self._groups.get(old[0], {}).pop(old, None)
        self._stored[self._kind.key_of(row)] = None
        self.put(row)

    def forget(self, first: Any) -> None:
        """Drops what is known of rows whose key is, or begins with, this: others change them."""
        for key in (first, *self._groups.pop(first, ())):
            if key in self._changed:
                self._join(key)
                self._elsewhere.add(key)
            elif key in self._rows:
                del self._rows[key]
                self._stored.pop(key, None)

    def _join(self, key: Any) -> None:
        if isinstance(key, tuple):
            first = cast("tuple[Any, ...]", key)[0]
            self._groups.setdefault(first, {})[key] = None

    def write(self) -> None:
        """Stores what was put: new rows are inserted, known ones updated."""
        if not self._changed:
            return
        stored = self._stored
        fresh: list[R] = []
        changes: list[tuple[R, R | None]] = []
        for key in self._changed:
            row = self._rows[key]
            assert row is not None
            if key in stored:
                changes.append((row, stored[key]))
            else:
                fresh.append(row)
            stored[key] = row
        self._kind.insert(self._driver, fresh)
        self._kind.update(self._driver, changes)
        if (settled := self._kind.settled) is not None:
            for key in self._changed:
                row = self._rows[key]
                if row is not None and settled(row):
                    self._drop(key)
        for key in self._elsewhere:
            if self._rows.get(key) is not None:
                self._drop(key)
        self._changed.clear()
        self._elsewhere.clear()

    def _drop(self, key: Any) -> None:
        del self._rows[key]
        self._stored.pop(key, None)
        if isinstance(key, tuple):
            first = cast("tuple[Any, ...]", key)[0]
            group = self._groups[first]
            del group[key]
            if not group:
                del self._groups[first]


Tables = dict[RowKind[Any], Rows[Any]]
"""The rows that were seen, by kind."""


class Batch:
    """One transaction's worth of facts; what deciders work on."""

    def __init__(self, driver: Driver, tables: Tables, now: datetime, ids: IdMaker) -> None:
        """Opens a batch.

        Args:
            driver: of the open transaction.
            tables: rows that are known to stand in the database just so; the batch adds to them.
            now: the instant of everything in it.
            ids: for what is new.
        """
        self.driver = driver
        self.now = now
        self.ids = ids
        self.memo: dict[str, Any] = {}
        """What deciders remember from `load` to `decide` to the end."""
        self._tables = tables
        self._additions: dict[RowKind[Any], list[Any]] = {}
        self._events: list[tuple[str, str, str | None, str, bytes]] = []
        self._sites: dict[str, tuple[str, str]] = {}
        self._messages: list[MessageRow] = []
        self._endings: dict[str, Callable[[], None]] = {}
        self._logged = True

    def rows(self, kind: RowKind[R]) -> Rows[R]:
        """Returns the rows of a kind, shared by all deciders of this batch."""
        try:
            return self._tables[kind]
        except KeyError:
            rows = self._tables[kind] = Rows(kind, self.driver)
            return rows

    def add(self, kind: RowKind[R], row: R) -> None:
        """Adds a row that nobody needs to look up within this batch."""
        additions = self._additions.get(kind)
        if additions is None:
            additions = self._additions[kind] = []
        additions.append(row)

    def emit(
        self,
        type: str,  # noqa: A002 - the word of the contract
        *,
        subject: str,
        resource: Mapping[str, Any] | msgspec.Struct,
        site_id: str | None,
        tenant: str,
    ) -> None:
        """Says what became true; the resource is taken as it is now."""
        self._events.append((type, tenant, site_id, subject, _JSON.encode(resource)))

    def request_plan(self, site_id: str, reason: str, *, tenant: str) -> None:
        """Asks for a new plan of a site; several wishes before the next plan are one."""
        self._sites[site_id] = (tenant, reason)

    def keep_out_of_log(self) -> None:
        """Leaves the message of the fact being decided out of the message log."""
        self._logged = False

    def mark(self) -> tuple[int, int]:
        """Returns a place to which `undo` can return before a fact is decided."""
        self._logged = True
        return len(self._events), len(self._messages)

    def undo(self, mark: tuple[int, int]) -> None:
        """Forgets the events of a fact that could not be decided."""
        del self._events[mark[0] :]
        del self._messages[mark[1] :]

    def log(self, fact: Fact, note: MessageNote) -> None:
        """Adds the exchange to the message log."""
        if self._logged:
            self._messages.append(
                MessageRow(
                    fact.station,
                    note.direction,
                    clean(note.action),
                    clean(note.message_id),
                    fact.received_at,
                    clean_text(note.payload),
                    note.outcome,
                    None if note.answer is None else clean_text(note.answer),
                )
            )

    def quarantine(self, fact: Fact, note: MessageNote | None, reason: str) -> None:
        """Keeps raw what could not be understood or stored as what it claims."""
        raw = note.payload if note is not None else msgspec.json.encode(fact)
        action = note.action if note is not None else type(fact).__name__
        self.quarantine_raw(fact, action, raw, reason)

    def quarantine_raw(self, fact: Fact, action: str, raw: bytes, reason: str) -> None:
        """Keeps raw bytes that a fact has brought."""
        row = QuarantineRow(fact.station, clean(action), raw, clean(reason), fact.received_at)
        self.add(QUARANTINE, row)

    def at_end(self, name: str, work: Callable[[], None]) -> None:
        """Runs `work` once all facts are decided and before anything is written; once by name."""
        self._endings.setdefault(name, work)

    def finish(self) -> Committed:
        """Writes everything, for the committer to commit right after."""
        for work in self._endings.values():
            work()
        for rows in self._tables.values():
            rows.write()
        for kind, additions in self._additions.items():
            kind.insert(self.driver, additions)
        MESSAGES.insert(self.driver, self._messages)
        if self._sites:
            at = to_micros(self.now) if self.driver.dialect == "sqlite" else self.now
            self.driver.many(
                placed(_PLAN_REQUEST, self.driver.dialect),
                [(site, reason, at) for site, (_, reason) in sorted(self._sites.items())],
            )
        return Committed(
            events=self._number_events(),
            sites=tuple((tenant, site) for site, (tenant, _) in sorted(self._sites.items())),
        )

    def _number_events(self) -> tuple[EventNote, ...]:
        if not self._events:
            return ()
        if self.driver.dialect == "postgresql":
            self.driver.fetch("SELECT pg_advisory_xact_lock($1)", (OUTBOX_LOCK,))
        last = self.driver.fetch("SELECT coalesce(max(id), 0) FROM event")[0][0]
        now = self.now
        notes = tuple(
            EventNote(number, now, kind, tenant, site_id, subject, resource)
            for number, (kind, tenant, site_id, subject, resource) in enumerate(
                self._events, start=last + 1
            )
        )
        EVENTS.insert(
            self.driver,
            [
                EventRow(n.id, now, n.type, n.tenant, n.site_id, n.subject, n.resource.decode())
                for n in notes
            ],
        )
        return notes


class Decider(Protocol[F_contra]):
    """What a feature brings for one type of fact."""

    def load(self, batch: Batch, facts: Sequence[F_contra]) -> None:
        """Fetches what deciding these facts needs, with one SELECT per table."""
        ...

    def decide(self, batch: Batch, fact: F_contra, note: MessageNote | None) -> Answer:
        """Judges one fact, puts what changes into the batch and returns the answer.

        Whatever may raise stands before the first change.
        """
        ...


def clean_text(raw: bytes) -> str:
    """Returns bytes as text that both databases can keep, with marks for what is no text."""
    text = raw.decode("utf-8", "replace")
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def clean(text: str) -> str:
    """Returns text that both databases can keep: PostgreSQL takes neither NUL nor surrogates."""
    if text.isascii() and "\x00" not in text:
        return text
    return clean_text(text.encode("utf-8", "replace"))
