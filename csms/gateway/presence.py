"""Who is connected: what is told of stations that come and go, and of those whom nobody saw go.

Several services may share a database, each with a door. A station's row says which of them holds
its connection, so that the one that leads (`csms.ledger.lead`) can tell for the dead, and only for
them, that their stations are gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

import sqlalchemy as sa
import structlog

from csms.gateway.courier import submit_quietly
from csms.gateway.lane import FactSink, Lane
from csms.ledger.database import Database
from models.clocks import Clock
from models.errors import Unavailable
from models.facts import ConnectionChanged
from models.tables.stations import Station

Dead = Callable[[Collection[int]], Awaitable[Collection[int]]]
"""Finds out which of the services with these numbers live no more."""

_log = structlog.get_logger("gateway")


async def all_dead(numbers: Collection[int]) -> Collection[int]:
    """Returns all of them: there is no other service than this one, which begins."""
    return numbers


class Presence:
    """The connections to one service."""

    def __init__(self, *, db: Database, intake: FactSink, clock: Clock, number: int) -> None:
        """Takes the number of this service, by which others know its stations."""
        self._db = db
        self._intake = intake
        self._clock = clock
        self._number = number
        self._formerly: tuple[int, ...] = ()
        """Our numbers of before, while rows may still name them."""

    def here(self, lane: Lane) -> None:
        """Says that a station is connected here."""
        submit_quietly(self._intake, self._here(lane))

    def gone(self, lane: Lane, reason: str) -> None:
        """Says that a station has gone."""
        fact = self._gone(
            lane.identity,
            lane.epoch,
            self._number,
            lane.subprotocol,
            reason,
            formerly=self._formerly,
        )
        submit_quietly(self._intake, fact)

    async def renamed(self, number: int, lanes: Iterable[Lane]) -> None:
        """Says of all stations here that they are, after we may have passed for dead.

        Args:
            number: our new one: what others tell of the service with the old one counts no more.
            lanes: of the stations.

        Raises:
            Unavailable: if the database is away, so that not all of them have been told.
        """
        self._formerly, self._number = (*self._formerly, self._number), number
        await self._keep([self._here(lane) for lane in lanes])
        self._formerly = ()

    async def bury(self, dead: Dead, is_here: Callable[[str], bool]) -> None:
        """Says of the stations of dead services that they have gone.

        Args:
            dead: asked once the rows are read: who has come since holds none of them, and who
                holds one of them has come before.
            is_here: whether a station is connected here, whatever its row says: that lags behind.

        Raises:
            Unavailable: if the database is away.
        """
        query = sa.select(Station.identity, Station.epoch, Station.held_by).where(
            Station.online.is_(True)
        )
        async with self._db.read() as session:
            rows = list(await session.execute(query))
        gone = {None, *await dead({held_by for *_, held_by in rows if held_by is not None})}
        await self._keep(
            [
                self._gone(identity, epoch, held_by)
                for identity, epoch, held_by in rows
                if held_by in gone and not is_here(identity)
            ]
        )

    async def _keep(self, facts: Collection[ConnectionChanged]) -> None:
        """Makes them durable: who goes on from here reads what they have changed."""
        answers = await asyncio.gather(
            *(self._intake.enqueue(fact) for fact in facts), return_exceptions=True
        )
        for fact, answer in zip(facts, answers, strict=True):
            if isinstance(answer, Unavailable):
                raise answer
            if isinstance(answer, BaseException):
                _log.warning("fact_lost", station=fact.station, error=str(answer))

    def _here(self, lane: Lane) -> ConnectionChanged:
        """Says so as of the beginning of the connection: another service may have a later one."""
        return ConnectionChanged(
            station=lane.identity,
            received_at=lane.began_at,
            online=True,
            epoch=lane.epoch,
            held_by=self._number,
            formerly=self._formerly,
            subprotocol=lane.subprotocol,
        )

    def _gone(
        self,
        identity: str,
        epoch: int,
        held_by: int | None,
        subprotocol: str | None = None,
        detail: str | None = None,
        *,
        formerly: tuple[int, ...] = (),
    ) -> ConnectionChanged:
        return ConnectionChanged(
            station=identity,
            received_at=self._clock.now(),
            online=False,
            epoch=epoch,
            held_by=held_by,
            formerly=formerly,
            subprotocol=subprotocol,
            detail=detail,
        )
