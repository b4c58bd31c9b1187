"""Simulations: what is to be played as it is and with changes, and what it came to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Simulation(Base):
    """One what-if."""

    __tablename__ = "simulation"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    scenario: Mapped[str]
    """The name of a shipped scenario, or that of `document`."""
    document: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """The scenario, where it is none that is shipped."""
    history: Mapped[dict[str, Any] | None]
    """`from`, `to`, `counts`, `taken`, `assumed`, where it was drawn from the tenant's own days."""
    changes: Mapped[dict[str, Any]]
    """As `simulators.changes.Changes` says."""
    days: Mapped[int]
    seed: Mapped[int | None]
    """Null: the scenario's."""
    start: Mapped[str | None]
    """The first day, as YYYY-MM-DD; null: the scenario's."""
    planner: Mapped[str]
    state: Mapped[str]
    """See `models.states.SIMULATION`."""
    progress: Mapped[float]
    """Share of both runs that is done."""
    why: Mapped[str | None]
    """Why it has failed."""
    headline: Mapped[str | None]
    figures: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """The document of `comparison.json`."""
    report: Mapped[str | None] = mapped_column(deferred=True)
    """The page for people."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    __table_args__ = (sa.Index(None, "state", "created_at"),)
