"""REST: `/sites/{id}/moves`."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from csms.ledger.work import ReadSession
from csms.moves.actions import MOVES, finish_move, refuse_move
from csms.moves.queries import MoveShown, move_resource
from csms.web.documents import Document, Text
from csms.web.identity import CallerNow
from csms.web.language import CallersLanguage, LanguageQuery, ReadersLanguage, language_of
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.states import MoveStatus
from models.tables.energy import Site
from models.tables.moves import MoveOrder
from scheduler.explaining.words import Language

router = api_router("moves", prefix="/sites")
everywhere = api_router("moves", prefix="/moves")


class MoveTold(Document):
    """What staff says of a move."""

    note: Text | None = None


class MoveQuery(ListQuery, LanguageQuery):
    """Filters of the list of moves."""

    status: MoveStatus | None = None
    vehicle_id: str | None = None


class AllMovesQuery(MoveQuery):
    """Filters of the list of moves at all sites."""

    site_id: str | None = None


@router.get("/{site_id}/moves", response_model=Page[MoveShown], dependencies=[may("read")])
async def list_moves(
    request: Request,
    session: Reading,
    caller: CallerNow,
    site_id: str,
    query: Annotated[MoveQuery, Query()],
) -> Response:
    """List what staff is to do at a site, and what it was to do before; next ones first."""
    await find_row(session, Site, site_id, caller.tenant)
    statement = sa.select(MoveOrder).where(MoveOrder.site_id == site_id)
    return await _page(request, session, statement, query)


@everywhere.get("", response_model=Page[MoveShown], dependencies=[may("read")])
async def list_all_moves(
    request: Request,
    session: Reading,
    caller: CallerNow,
    query: Annotated[AllMovesQuery, Query()],
) -> Response:
    """List what staff is to do at all sites, and what it was to do before; next ones first."""
    statement = sa.select(MoveOrder).where(MoveOrder.tenant_id == caller.tenant)
    statement = filtered(statement, query, MoveOrder.site_id)
    return await _page(request, session, statement, query)


async def _page(
    request: Request, session: ReadSession, statement: sa.Select[MoveOrder], query: MoveQuery
) -> Response:
    statement = filtered(statement, query, MoveOrder.status, MoveOrder.vehicle_id)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"from_at": MoveOrder.from_at, "created_at": MoveOrder.created_at},
        key=(MoveOrder.id,),
        updated=(MoveOrder.updated_at,),
    )
    language = language_of(request, query.language)
    return reply_page([move_resource(row, language) for row in rows], cursor, language=language)


@router.get("/{site_id}/moves/{move_id}", response_model=MoveShown, dependencies=[may("read")])
async def get_move(
    session: Reading,
    caller: CallerNow,
    site_id: str,
    move_id: str,
    language: ReadersLanguage,
) -> Response:
    """Show a move, and why it is wanted."""
    row = _here(await find_row(session, MoveOrder, move_id, caller.tenant), site_id)
    return _reply(row, language)


@router.post(
    "/{site_id}/moves/{move_id}/done", response_model=MoveShown, dependencies=[may("operate")]
)
async def post_done(
    work: Work,
    site_id: str,
    move_id: str,
    language: CallersLanguage,
    body: MoveTold | None = None,
) -> Response:
    """Say that a car was moved: from now on it stands on `to_evse`."""
    row = await _in_turn(work, site_id, move_id)
    await finish_move(work, row, None if body is None else body.note)
    return _reply(row, language)


@router.post(
    "/{site_id}/moves/{move_id}/refused", response_model=MoveShown, dependencies=[may("operate")]
)
async def post_refused(
    work: Work,
    site_id: str,
    move_id: str,
    language: CallersLanguage,
    body: MoveTold | None = None,
) -> Response:
    """Say that a car can't be moved: for a day, or until it has been away, no plan asks again."""
    row = await _in_turn(work, site_id, move_id)
    refuse_move(work, row, None if body is None else body.note)
    return _reply(row, language)


def _reply(row: MoveOrder, language: Language) -> Response:
    return reply(move_resource(row, language), version=row.version, language=language)


async def _in_turn(work: Work, site_id: str, move_id: str) -> MoveOrder:
    """Returns a move to change: no plan changes it meanwhile."""
    await work.take_turn(MOVES)
    return _here(await find_for_change(work, MoveOrder, move_id), site_id)


def _here(row: MoveOrder, site_id: str) -> MoveOrder:
    if row.site_id != site_id:
        raise NotFound(f"there is no move order {row.id} at the site {site_id}")
    return row
