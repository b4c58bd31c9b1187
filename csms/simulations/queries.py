"""Simulations as they are shown."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncSession

from csms.web.documents import Shown
from models.errors import Conflict
from models.states import SimulationState
from models.tables.simulations import Simulation


class SimulationListed(Shown):
    """A simulation, without what is long: what was to be different, and what it came to."""

    id: str
    scenario: str
    days: int
    seed: int | None
    start: str | None
    planner: str
    state: SimulationState
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


_LISTED = tuple(SimulationListed.model_fields)


def simulation_resource(row: Simulation) -> dict[str, Any]:
    """Returns a simulation as lists and events show it."""
    return {name: getattr(row, name) for name in _LISTED}


async def whole_simulation(session: AsyncSession, row: Simulation) -> dict[str, Any]:
    """Returns a simulation with its changes and its figures."""
    query = sa.select(Simulation.figures).where(Simulation.id == row.id)
    return without_figures(row) | {"figures": await session.scalar(query)}


def without_figures(row: Simulation) -> dict[str, Any]:
    """Returns a simulation that has come to nothing yet, or to nothing any more."""
    return simulation_resource(row) | {
        "history": row.history,
        "changes": row.changes,
        "figures": None,
    }


async def report_of(session: AsyncSession, row: Simulation) -> str:
    """Returns the page of a simulation that is done.

    Raises:
        Conflict: `simulation-not-done`.
    """
    page = await session.scalar(sa.select(Simulation.report).where(Simulation.id == row.id))
    if page is None:
        detail = f"the simulation has no report: it is {row.state}"
        raise Conflict(detail, code="simulation-not-done")
    return page


async def count_open(session: AsyncSession, tenant: str) -> int:
    """Returns how many simulations of a tenant wait or run."""
    query = sa.select(sa.func.count()).where(
        Simulation.tenant_id == tenant, Simulation.state.in_(("queued", "running"))
    )
    return await session.scalar(query.select_from(Simulation)) or 0
