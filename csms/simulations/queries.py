"""Simulations as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncSession

from csms.readable.comparisons.page import comparison_page
from csms.web.documents import Shown
from models.errors import Conflict
from models.states import SimulationState
from models.tables.simulations import Simulation
from scheduler.explaining.words import Language

T = TypeVar("T")


class SimulationListed(Shown):
    """A simulation, without what is long: what was to be different, and what it came to."""

    id: str
    title: str
    """Of its changes; empty: they have none."""
    scenario: str
    days: int
    seed: int | None
    start: str | None
    planner: str
    state: SimulationState
    place: int | None
    """Which of those that wait it is, of all tenants: 1 is played next; null: it does not wait."""
    progress: float
    """Share that is done, 0 to 1."""
    why: str | None
    """Why it has failed."""
    headline: str | None
    """What it came to, in a sentence."""
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


class HistoryDrawn(Shown):
    """The tenant's own days that a simulation was drawn from."""

    begins: Annotated[AwareDatetime, Field(alias="from")]
    ends: Annotated[AwareDatetime, Field(alias="to")]
    counts: dict[str, float]
    """How much was taken from rows, filled, and left out."""
    taken: list[str]
    """For people: what comes from history."""
    assumed: list[str]
    """For people: what does not."""


class SimulationShown(SimulationListed):
    """A simulation."""

    history: HistoryDrawn | None
    """Null: it was not drawn from history."""
    changes: dict[str, Any]
    figures: dict[str, Any] | None
    """Today, changed, and the difference, as `comparison.json` has them; null until it is done."""


_LISTED = tuple(name for name in SimulationListed.model_fields if name not in {"title", "place"})


def simulation_resource(row: Simulation) -> dict[str, Any]:
    """Returns a simulation as events show it: its place in the queue changes without one."""
    title = row.changes.get("title", "")
    return {"id": row.id, "title": title, **{name: getattr(row, name) for name in _LISTED}}


def shown_simulation(row: Simulation, queue: Mapping[str, int]) -> dict[str, Any]:
    """Returns a simulation as lists show it; `queue` is what `places` has returned."""
    return simulation_resource(row) | {"place": queue.get(row.id)}


async def places(session: AsyncSession) -> dict[str, int]:
    """Returns in which order those that wait will be played, from 1 on, by id."""
    query = (
        sa.select(Simulation.id)
        .where(Simulation.state == "queued")
        .order_by(Simulation.created_at, Simulation.id)
    )
    return {name: place for place, name in enumerate(await session.scalars(query), start=1)}


async def whole_simulation(session: AsyncSession, row: Simulation) -> dict[str, Any]:
    """Returns a simulation with its changes and its figures."""
    query = sa.select(Simulation.figures).where(Simulation.id == row.id)
    shown = without_figures(row, await places(session))
    return shown | {"figures": await session.scalar(query)}


def without_figures(row: Simulation, queue: Mapping[str, int]) -> dict[str, Any]:
    """Returns a simulation that has come to nothing yet, or to nothing any more."""
    return shown_simulation(row, queue) | {
        "history": row.history,
        "changes": row.changes,
        "figures": None,
    }


async def report_of(
    session: AsyncSession, row: Simulation, language: Language
) -> tuple[str, Language]:
    """Returns the page of a simulation that is done, and its language.

    It is the one that was asked for, but for simulations of an older version, which spoke English.

    Raises:
        Conflict: `simulation-not-done`.
    """
    query = sa.select(Simulation.report).where(Simulation.id == row.id)
    if language == "en":
        return _done(row, await session.scalar(query)), language
    figures = await figures_of(session, row)
    if "told" not in figures:
        return _done(row, await session.scalar(query)), "en"
    return comparison_page(figures, language), language


async def figures_of(session: AsyncSession, row: Simulation) -> dict[str, Any]:
    """Returns the figures of a simulation that is done, as `comparison.json` has them.

    Raises:
        Conflict: `simulation-not-done`.
    """
    query = sa.select(Simulation.figures).where(Simulation.id == row.id)
    return _done(row, await session.scalar(query))


def _done(row: Simulation, result: T | None) -> T:
    if result is None:
        detail = f"the simulation has no report: it is {row.state}"
        raise Conflict(detail, code="simulation-not-done")
    return result


async def count_open(session: AsyncSession, tenant: str) -> int:
    """Returns how many simulations of a tenant wait or run."""
    query = sa.select(sa.func.count()).where(
        Simulation.tenant_id == tenant, Simulation.state.in_(("queued", "running"))
    )
    return await session.scalar(query.select_from(Simulation)) or 0
