"""Changes of simulations: asked for, begun, moved on, ended, forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from csms.ledger.work import UnitOfWork
from csms.simulations.queries import count_open, simulation_resource
from csms.simulations.rules import OPEN_MAX
from csms.web.rows import change_row, remove_row
from models.errors import Conflict
from models.states import SIMULATION, SimulationState, allowed
from models.tables.simulations import Simulation


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be simulated; it has been looked at."""

    scenario: str
    document: dict[str, Any] | None
    changes: dict[str, Any]
    days: int
    seed: int | None
    start: str | None
    planner: str
    history: dict[str, Any] | None = None
    """Which days of the tenant's own it was drawn from, and how."""


async def request_simulation(work: UnitOfWork, wish: Wish) -> Simulation:
    """Queues a simulation.

    Raises:
        Conflict: `too-many-simulations`.
    """
    await work.take_turn("simulations")
    waiting = await count_open(work.session, work.tenant)
    if waiting >= OPEN_MAX:
        detail = f"{waiting} simulations wait or run, allowed are {OPEN_MAX}; cancel one or wait"
        raise Conflict(detail, code="too-many-simulations")
    row = Simulation(
        id=work.ids.new(),
        tenant_id=work.tenant,
        scenario=wish.scenario,
        document=wish.document,
        history=wish.history,
        changes=wish.changes,
        days=wish.days,
        seed=wish.seed,
        start=wish.start,
        planner=wish.planner,
        state="queued",
        progress=0.0,
        created_at=work.now,
        version=1,
        updated_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    _announce(work, "requested", row)
    return row


def begin_simulation(work: UnitOfWork, row: Simulation) -> None:
    """Writes down that a simulation is played now."""
    assert allowed(SIMULATION, row.state, "running"), row.state
    change_row(work, row, {"state": "running", "started_at": work.now})
    _announce(work, "started", row)


def progress_simulation(work: UnitOfWork, row: Simulation, share: float) -> None:
    """Writes down how far a simulation has come."""
    change_row(work, row, {"progress": share})
    _announce(work, "progressed", row)


def end_simulation(
    work: UnitOfWork, row: Simulation, state: SimulationState, **results: Any
) -> None:
    """Writes down that a simulation is over, with `why`, or `figures`, `headline` and `report`."""
    assert allowed(SIMULATION, row.state, state), (row.state, state)
    if state == "done":
        results["progress"] = 1.0
    change_row(work, row, {"state": state, "ended_at": work.now, **results})
    _announce(work, state, row)


async def delete_simulation(work: UnitOfWork, row: Simulation) -> None:
    """Forgets a simulation that is over.

    Raises:
        Conflict: `simulation-under-way`.
    """
    if row.state in {"queued", "running"}:
        detail = f"the simulation is {row.state}; cancel it first"
        raise Conflict(detail, code="simulation-under-way")
    _announce(work, "deleted", row)
    await remove_row(work, row)


def _announce(work: UnitOfWork, what: str, row: Simulation) -> None:
    work.emit(
        f"simulation.{what}", subject=f"simulation/{row.id}", resource=simulation_resource(row)
    )
