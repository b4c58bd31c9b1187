"""The unit of work of a request: opened before the route runs, committed before it is answered.

FastAPI's plain `yield` dependency commits after the response has gone, so that a failed commit
still answers 200; `scope="function"` is what prevents it, and a tidy test bans the plain form.
Routes that wait for something slow (a station, the clock) must not hold a write transaction: they
take `Once` instead of `Work` and open short units of work themselves.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, NoReturn

from fastapi import Depends
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request

from csms.ledger.work import ReadSession, UnitOfWork
from csms.web.idempotency import Claim, claim_of, is_decided
from csms.web.identity import caller_of
from csms.web.problem import problem_of
from csms.web.services import services_of
from models.errors import Conflict, FleetError


def begin_work(request: Request) -> AbstractAsyncContextManager[UnitOfWork]:
    """Returns a unit of work in the caller's name; commits at its clean end."""
    services, caller = services_of(request), caller_of(request)
    return services.db.write(services.clock, services.ids, actor=caller.actor, tenant=caller.tenant)


def after_commit(request: Request, follow_up: Callable[[], None]) -> None:
    """Calls `follow_up` once the request's unit of work is committed, and only then."""
    _follow_ups(request).append(follow_up)


def _follow_ups(request: Request) -> list[Callable[[], None]]:
    return request.scope["state"].setdefault("follow_ups", [])


async def _work(request: Request) -> AsyncGenerator[UnitOfWork]:
    claim = await claim_of(request)
    reserved = False
    with services_of(request).activity.busy():
        try:
            async with begin_work(request) as work:
                if claim is not None:
                    await claim.reserve(work)
                    reserved = True
                yield work
                if claim is not None:
                    await claim.keep(work, request.state.answer)
            for follow_up in _follow_ups(request):
                follow_up()
        except IntegrityError:
            if claim is None or reserved:
                raise
            await _lost_the_race(request, claim)
        except FleetError as error:
            # The claim was rolled back with the rest; only a decision is worth a row of its own.
            if claim is not None and reserved and is_decided(error):
                await _remember_refusal(request, claim, error)
            raise


async def _once(request: Request) -> AsyncGenerator[None]:
    claim = await claim_of(request)
    if claim is None:
        yield
        return
    try:
        async with begin_work(request) as work:
            await claim.reserve(work)
    except IntegrityError:
        await _lost_the_race(request, claim)
    try:
        yield
    except FleetError as error:
        await _remember_refusal(request, claim, error)
        raise
    async with begin_work(request) as work:
        await claim.keep(work, request.state.answer)


async def _read(request: Request) -> AsyncGenerator[ReadSession]:
    async with services_of(request).db.read() as session:
        yield session


async def _lost_the_race(request: Request, claim: Claim) -> NoReturn:
    """Ends a request whose twin took the `Idempotency-Key` a moment before and has committed."""
    async with begin_work(request) as work:
        await claim.reserve(work)
    raise Conflict("a request with this Idempotency-Key broke off; repeat it", code="in-progress")


async def _remember_refusal(request: Request, claim: Claim, error: FleetError) -> None:
    async with begin_work(request) as work:
        if is_decided(error):
            await claim.keep(work, problem_of(error))
        else:
            await claim.release(work)


Work = Annotated[UnitOfWork, Depends(_work, scope="function")]
"""A route's parameter: the unit of work, committed before the answer leaves."""
Once = Annotated[None, Depends(_once, scope="function")]
"""A route's parameter: done once per `Idempotency-Key`, without an open transaction."""
Reading = Annotated[ReadSession, Depends(_read, scope="function")]
"""A route's parameter: a session that only reads."""
