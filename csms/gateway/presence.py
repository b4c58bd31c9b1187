"""Who is connected: what is told of stations that come and go, and of those whom nobody saw go.

Several services may share a database, each with a door. A station's row says which of them holds
its connection, so that the one that leads (`csms.ledger.lead`) can tell for the dead, and only for
them, that their stations are gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from csms.gateway.courier import submit_quietly
from csms.gateway.lane import FactSink, Lane
from csms.ledger.database import Database
from models.clocks import Clock
from models.facts import ConnectionChanged
from models.tables.stations import Station


class Presence:
    """The connections to one service."""

    def __init__(self, *, db: Database, intake: FactSink, clock: Clock, number: int) -> None:
        """Takes the number of this service, by which others know its stations."""
        self._db = db
        self._intake = intake
        self._clock = clock
        self._number = number

    def here(self, lane: Lane) -> None:
        """Says that a station is connected here."""
        self._tell(lane.identity, lane.epoch, self._number, lane.subprotocol)

    def gone(self, lane: Lane, reason: str) -> None:
        """Says that a station has gone."""
        self._tell(lane.identity, lane.epoch, self._number, lane.subprotocol, reason, online=False)

    def renamed(self, number: int, lanes: Iterable[Lane]) -> None:
        """Says of all stations here that they are, after we may have passed for dead.

        Args:
            number: our new one: what is told of the service with the old one counts no more.
            lanes: of the stations.
        """
        self._number = number
        for lane in lanes:
            self.here(lane)

    async def bury(self, alive: Collection[int]) -> None:
        """Says of the stations of dead services that they have gone.

        Raises:
            Unavailable: if the database is away.
        """
        query = sa.select(Station.identity, Station.epoch, Station.held_by).where(
            Station.online.is_(True),
            sa.or_(Station.held_by.is_(None), Station.held_by.not_in(alive)),
        )
        async with self._db.read() as session:
            left = list(await session.execute(query))
        for identity, epoch, held_by in left:
            self._tell(identity, epoch, held_by, online=False)

    def _tell(
        self,
        identity: str,
        epoch: int,
        held_by: int | None,
        subprotocol: str | None = None,
        detail: str | None = None,
        *,
        online: bool = True,
    ) -> None:
        submit_quietly(
            self._intake,
            ConnectionChanged(
                station=identity,
                received_at=self._clock.now(),
                online=online,
                epoch=epoch,
                held_by=held_by,
                subprotocol=subprotocol,
                detail=detail,
            ),
        )
