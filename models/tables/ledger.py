"""The ledger's own tables: message log, outbox of events, commands, quarantine, small state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

MESSAGE_BLOCK = 4096
"""So many messages in a row lie together in the index by station; a part of its definition."""


class Message(Base):
    """One exchange with a station: what came or went, and what was answered."""

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str]
    direction: Mapped[str]
    """`in`: the station called us; `out`: we called it."""
    action: Mapped[str]
    """Empty for a frame that could not be read."""
    message_id: Mapped[str]
    received_at: Mapped[datetime]
    payload: Mapped[str]
    """The payload as JSON text; the raw frame when malformed."""
    outcome: Mapped[str]
    """`result`, `error`, `malformed`, `no-answer` or `quarantined`."""
    answer: Mapped[str | None]
    """The answer's payload as JSON text, or the CALLERROR's."""
    __table_args__ = (
        # By station alone, each message of a batch would go to another page of the index: twice
        # the cost of storing it.
        sa.Index("ix_message_block_station", sa.text(f"(id / {MESSAGE_BLOCK})"), "station"),
        sa.Index(None, "received_at"),
    )


class FormerStation(Base):
    """A station that was deleted: whose its messages are, as these are kept."""

    __tablename__ = "former_station"
    identity: Mapped[str] = mapped_column(primary_key=True)
    last_message: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The number of the newest message when it was deleted. Who takes the name anew has what comes
    after."""
    tenant_id: Mapped[str]


class Event(Base):
    """Something that became true: the outbox, and the source of the live stream."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    time: Mapped[datetime]
    type: Mapped[str]
    tenant_id: Mapped[str]
    site_id: Mapped[str | None]
    subject: Mapped[str]
    """`kind/id` of the thing it is about."""
    resource: Mapped[str]
    """The whole resource, as JSON text."""


class Command(Base):
    """What we want a station to do, and what became of it."""

    __tablename__ = "command"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default")
    station: Mapped[str]
    kind: Mapped[str]
    """Name of the Command in `models.commands`, or of that which a raw one stands for."""
    body: Mapped[str]
    """The Command as JSON text."""
    origin: Mapped[str]
    """`api`, `plan`, `rule`."""
    state: Mapped[str]
    """See `models.states.COMMAND`."""
    epoch: Mapped[int | None]
    """The connection on which it was sent."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    response: Mapped[str | None]
    """The station's answer as JSON text."""
    outcome: Mapped[str | None]
    """What the answer means (`models.facts.OutcomeStatus`)."""
    error_code: Mapped[str | None]
    detail: Mapped[str | None]
    __table_args__ = (
        sa.Index(None, "state", "station", "created_at"),
        sa.Index(None, "station", "created_at"),
        sa.Index(None, "kind", "station", "created_at"),
    )


class Quarantine(Base):
    """Input that could not be understood or stored as what it claims: kept raw."""

    __tablename__ = "quarantine"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(index=True)
    action: Mapped[str]
    raw: Mapped[bytes]
    reason: Mapped[str]
    received_at: Mapped[datetime]


class Sequence(Base):
    """Numbers given out once, never again (1.6 transaction ids)."""

    __tablename__ = "sequence"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]


class HouseFact(Base):
    """A fact about this database: the kind of clock it was made under, and the like."""

    __tablename__ = "house_fact"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
