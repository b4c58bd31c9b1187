"""REST: `/simulations`: what would be if something was different."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from fastapi import Query
from pydantic import Discriminator, Field, Tag
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from csms.readable.comparisons.table import COLUMNS, figure_rows
from csms.simulations.actions import (
    Wish,
    delete_simulation,
    end_simulation,
    request_simulation,
)
from csms.simulations.drawing import document_of, draw_scenario, told_of
from csms.simulations.history import Rows, read_history
from csms.simulations.queries import (
    SimulationListed,
    SimulationShown,
    figures_of,
    places,
    report_of,
    shown_simulation,
    whole_simulation,
    without_figures,
)
from csms.simulations.rules import DAYS_MAX, Span, span_of, too_large
from csms.web.documents import Document, Instant, Name
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.language import ReadersLanguage, spoken_headers
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.problem import VARIANT, bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.spreadsheet import csv_lines
from csms.web.work import Once, Reading, Work, begin_work
from models.errors import BadInput, Conflict, FieldError
from models.states import SimulationState
from models.tables.simulations import Simulation
from simulators.changes import Planner, changed, changes_of
from simulators.scenario import Scenario, load_scenario, scenario_of, shipped_scenarios

router = api_router("simulations", prefix="/simulations")
T = TypeVar("T")

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


_Scenario = Annotated[
    Annotated[Name, Tag(f"{VARIANT}shipped")] | Annotated[dict[str, Any], Tag(f"{VARIANT}own")],
    Discriminator(lambda body: f"{VARIANT}own" if isinstance(body, dict) else f"{VARIANT}shipped"),
]


class OwnDays(Document):
    """Whole days of 24 hours that have been, `[from, to)`."""

    begins: Annotated[Instant, Field(alias="from")]
    """On a quarter of an hour."""
    ends: Annotated[Instant, Field(alias="to")]


class NewSimulation(Document):
    """A scenario or days of one's own, and what is to be different in them."""

    scenario: _Scenario | None = None
    """The name of a shipped scenario, or one of your own with the fields of scenario files."""
    history: OwnDays | None = None
    """In place of a scenario: days of which the scenario is drawn from what is stored."""
    changes: dict[str, Any]
    """What is different, with the fields of files of changes."""
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = 7
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    """What chance is drawn from; null: the scenario's."""
    start: Annotated[str, Field(pattern=r"^20\d\d-\d\d-\d\d$")] | None = None
    """The first day; null: the scenario's."""
    planner: Planner = "plan"
    """The rule by which cars are charged today."""


class SimulationsQuery(ListQuery):
    """Filters of the list of simulations; the newest comes first unless `sort` says otherwise."""

    state: SimulationState | None = None


@router.post("", status_code=202, response_model=SimulationShown, dependencies=[may("operate")])
async def post_simulation(
    _once: Once, request: Request, caller: CallerNow, body: NewSimulation
) -> Response:
    """Ask what would be if something was different; a process of its own plays it in its turn."""
    services = services_of(request)
    _check_source(body)
    if body.history is None:
        wish = await asyncio.to_thread(_wish, body)
    else:
        span = span_of(body.history.begins, body.history.ends, services.clock.now())
        async with services.db.read() as session:
            rows = await read_history(session, caller.tenant, span)
        wish = await asyncio.to_thread(_wish_of_history, body, rows, span)
    async with begin_work(request) as work:
        row = await request_simulation(work, wish)
        shown = without_figures(row, await places(work.session))
    return reply(shown, status=202, version=row.version, location=f"{BASE}/simulations/{row.id}")


@router.get("", response_model=Page[SimulationListed], dependencies=[may("read")])
async def list_simulations(
    session: Reading, caller: CallerNow, query: Annotated[SimulationsQuery, Query()]
) -> Response:
    """List simulations."""
    statement = sa.select(Simulation).where(Simulation.tenant_id == caller.tenant)
    statement = filtered(statement, query, Simulation.state)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"created_at": Simulation.created_at, "updated_at": Simulation.updated_at},
        key=(Simulation.id,),
        updated=(Simulation.updated_at,),
        default="-created_at",
    )
    queue = await places(session)
    return reply_page([shown_simulation(row, queue) for row in rows], cursor)


@router.get("/{simulation_id}", response_model=SimulationShown, dependencies=[may("read")])
async def get_simulation(session: Reading, caller: CallerNow, simulation_id: str) -> Response:
    """Show how far a simulation is, and what it came to."""
    row = await find_row(session, Simulation, simulation_id, caller.tenant)
    return reply(await whole_simulation(session, row), version=row.version)


@router.get(
    "/{simulation_id}/report",
    dependencies=[may("read")],
    responses={200: {"content": {"text/html": {}}}},
)
async def get_simulation_report(
    session: Reading,
    caller: CallerNow,
    simulation_id: str,
    language: ReadersLanguage,
) -> Response:
    """Show what a simulation came to on one page, as HTML for people, in their language."""
    row = await find_row(session, Simulation, simulation_id, caller.tenant)
    page, spoken = await report_of(session, row, language)
    headers = _PAGE_HEADERS | spoken_headers(spoken)
    return Response(page, media_type="text/html", headers=headers)


@router.get(
    "/{simulation_id}/figures.csv",
    dependencies=[may("read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}},
)
async def export_simulation_figures(
    session: Reading, caller: CallerNow, simulation_id: str
) -> Response:
    """Download what a simulation came to as a table: today, changed, difference, also by site."""
    row = await find_row(session, Simulation, simulation_id, caller.tenant)
    figures = figure_rows(await figures_of(session, row))
    name = f'attachment; filename="simulation-{row.id}.csv"'
    return StreamingResponse(
        csv_lines(COLUMNS, _one_page(figures)),
        media_type="text/csv",
        headers={"Content-Disposition": name},
    )


async def _one_page(rows: list[dict[str, Any]]) -> AsyncIterator[list[dict[str, Any]]]:
    yield rows


@router.post(
    "/{simulation_id}/cancel", response_model=SimulationShown, dependencies=[may("operate")]
)
async def cancel_simulation(request: Request, work: Work, simulation_id: str) -> Response:
    """Stop a simulation that waits or runs."""
    row = await find_for_change(work, Simulation, simulation_id)
    check_if_match(request, row.version)
    if row.state not in {"queued", "running"}:
        raise Conflict(f"the simulation is over: it is {row.state}", code="simulation-over")
    end_simulation(work, row, "cancelled")
    return reply(without_figures(row, {}), version=row.version)


@router.delete("/{simulation_id}", status_code=204, dependencies=[may("operate")])
async def remove_simulation(request: Request, work: Work, simulation_id: str) -> Response:
    """Forget a simulation that is over."""
    row = await find_for_change(work, Simulation, simulation_id)
    check_if_match(request, row.version)
    await delete_simulation(work, row)
    return no_content()


def _check_source(body: NewSimulation) -> None:
    """Lets requests pass that say what is to be played in one way.

    Raises:
        BadInput: naming what is missing or too much.
    """
    if (body.scenario is None) == (body.history is None):
        raise bad_field("/scenario", "either scenario or history is needed, and not both")
    if body.history is not None:
        for name in sorted({"days", "start"} & body.model_fields_set):
            raise bad_field(f"/{name}", "not beside history, which says it")


def _wish(body: NewSimulation) -> Wish:
    """Returns what is asked for of a scenario, if it can be played.

    Raises:
        BadInput: naming what is wrong.
    """
    assert body.scenario is not None
    named = body.scenario
    scenario = _named("/scenario", lambda: _scenario(named))
    days = body.days
    if scenario.history is not None:
        days = _days_of_history(body, scenario)
    _check_playable(body, scenario, days)
    if body.start is not None:
        try:
            date.fromisoformat(body.start)
        except ValueError:
            raise bad_field("/start", f"{body.start} is no day") from None
    return Wish(
        scenario=scenario.name,
        document=named if isinstance(named, dict) else None,
        changes=body.changes,
        days=days,
        seed=body.seed,
        start=body.start,
        planner=body.planner,
    )


def _days_of_history(body: NewSimulation, scenario: Scenario) -> int:
    """Returns how many days of a scenario that has a history are to be played."""
    if body.start is not None:
        raise bad_field("/start", f"the history of the scenario begins at {scenario.start}")
    days = body.days if "days" in body.model_fields_set else min(DAYS_MAX, scenario.days)
    if days > scenario.days:
        raise bad_field("/days", f"the history of the scenario has {scenario.days}")
    return days


def _wish_of_history(body: NewSimulation, rows: Rows, span: Span) -> Wish:
    """Returns what is asked for of days that have been, if they can be played.

    Raises:
        BadInput: naming what is wrong.
    """
    scenario = draw_scenario(rows, span)
    _check_playable(body, scenario, span.days)
    return Wish(
        scenario=scenario.name,
        document=document_of(scenario),
        changes=body.changes,
        days=span.days,
        seed=body.seed,
        start=None,
        planner=body.planner,
        history=told_of(scenario, span),
    )


def _check_playable(body: NewSimulation, scenario: Scenario, days: int) -> None:
    changes = _named("/changes", lambda: changes_of(body.changes, source="changes"))
    found = tuple(
        FieldError("/history", each.detail)
        if body.history is not None and each.field.startswith("/scenario")
        else each
        for each in too_large(scenario, changes, days)
    )
    if found:
        raise BadInput(f"{found[0].field}: {found[0].detail}", found)
    _named("/changes", lambda: changed(scenario, changes, source="changes"))


def _scenario(named: str | dict[str, Any]) -> Scenario:
    if isinstance(named, dict):
        return scenario_of(named, source="scenario")
    if named not in shipped_scenarios():
        known = ", ".join(shipped_scenarios())
        raise bad_field("", f"there is no shipped scenario {named!r}; there are {known}")
    return load_scenario(named)


def _named(field: str, read: Callable[[], T]) -> T:
    """Reads a part of the body; what is wrong in it is named by its place in the whole."""
    try:
        return read()
    except BadInput as error:
        found = tuple(FieldError(f"{field}{each.field}", each.detail) for each in error.errors) or (
            FieldError(field, error.detail),
        )
        raise BadInput(f"{found[0].field}: {found[0].detail}", found) from None
