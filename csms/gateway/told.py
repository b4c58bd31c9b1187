"""What a station's answer tells besides its outcome, as facts for whom it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import structlog

from csms.gateway.lane import FactSink
from csms.ledger.batch import MessageNote
from csms.ocpp.table import Outcome
from models.clocks import WireClock
from models.errors import Unavailable
from models.facts import Fact, MonitorsReported, VariablesReported
from models.facts.payments import TariffsTold
from models.facts.priorities import PriorityReported, ScheduleTold

RETRY_S = 1.0
"""How long to wait until a database that was away is asked again."""

_log = structlog.get_logger("courier")


async def commit(
    intake: FactSink, wire: WireClock, fact: Fact, note: MessageNote | None = None
) -> None:
    """Makes a fact durable, as often as it takes while the database is away."""
    while True:
        try:
            await intake.enqueue(fact, note)
        except Unavailable as error:
            name = type(fact).__name__
            _log.warning("outcome_waiting", station=fact.station, fact=name, error=error.detail)
            await wire.sleep(RETRY_S)
        else:
            return


def facts_told(station: str, told: Outcome, now: datetime) -> Iterator[Fact]:
    """Yields what an answer tells that others than who asked must know.

    Args:
        station: that has answered.
        told: what its answer means.
        now: by our clock.
    """
    if told.variables:
        yield VariablesReported(station=station, received_at=now, variables=told.variables)
    if told.monitors is not None:
        yield MonitorsReported(station=station, received_at=now, news=told.monitors)
    if told.tariffs is not None:
        yield TariffsTold(station=station, received_at=now, news=told.tariffs)
    if told.priority is not None:
        name, active = told.priority
        yield PriorityReported(
            station=station, received_at=now, ocpp_transaction_id=name, activated=active
        )
    if told.schedule is not None:
        order, refused = told.schedule
        yield ScheduleTold(
            station=station,
            received_at=now,
            profile_id=order.profile_id,
            evse_id=order.evse_id,
            update=order.update,
            refused=refused,
        )
    if told.tells is not None:
        yield told.tells(station, now)
