"""Takes in who charges before others, and answers stations that ask for their limit (2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.charging.intake.keeping import tell, wish_plan
from csms.charging.intake.kinds import TRANSACTIONS
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.planning.queries import schedule_resource
from csms.planning.rules import limit_at, read_periods
from csms.stations.intake import BRIEFS
from csms.stations.rules import plan_profile_id
from models.answers import EMPTY, Answer, ScheduleAnswer
from models.facts.priorities import PriorityReported, SchedulePulled, ScheduleTold
from models.schedules import ScheduleUpdate
from models.tables.charging import ChargingLimit
from models.tables.planning import DynamicSchedule

_PER_EVSE = plan_profile_id(1) - plan_profile_id(0)
_IN_BOX = "t.purpose = 'transaction' AND t.state IN ('sent', 'accepted', 'obeyed', 'disobeyed')"


class LimitRow(msgspec.Struct, frozen=True):
    """A limit that a plan has put on an EVSE."""

    id: str
    station: str
    evse_id: int
    created_at: datetime
    valid_to: datetime | None
    periods: list[Any]


class ScheduleRow(msgspec.Struct, frozen=True):
    """A dynamic profile; see `models.tables.planning.DynamicSchedule`."""

    station: str
    profile_id: int
    evse_id: int | None
    told: dict[str, Any]
    source: str
    state: str
    why: str | None
    changed_at: datetime


_LIMITS = RowKind(ChargingLimit.__table__, LimitRow, key=("id",))
_SCHEDULES = RowKind(
    DynamicSchedule.__table__,
    ScheduleRow,
    key=("station", "profile_id"),
    mutable=("evse_id", "told", "source", "state", "why", "changed_at"),
)


class PriorityDecider:
    """A transaction has priority, or has it no longer."""

    def load(self, batch: Batch, facts: Sequence[PriorityReported]) -> None:
        """Fetches the stations and the transactions."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        batch.rows(TRANSACTIONS).load((fact.station, fact.ocpp_transaction_id) for fact in facts)

    def decide(self, batch: Batch, fact: PriorityReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Marks it, and has the site planned anew: no limit holds it meanwhile.

        What it drew while a limit held it says nothing of what it draws from now on.
        """
        known = batch.rows(TRANSACTIONS).get((fact.station, fact.ocpp_transaction_id))
        if known is None or known.stopped_at or known.priority_charging == fact.activated:
            return EMPTY
        state = msgspec.structs.replace(
            known,
            priority_charging=fact.activated,
            power_w=None if fact.activated else known.power_w,
            updated_at=batch.now,
        )
        batch.rows(TRANSACTIONS).put(state)
        tell(batch, "transaction.priority_changed", state)
        wish_plan(batch, state, "priority changed")
        return EMPTY


class ScheduleDecider:
    """A station asks how to go on with a dynamic profile."""

    def load(self, batch: Batch, facts: Sequence[SchedulePulled]) -> None:
        """Fetches the stations, and what is known of these profiles."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        batch.rows(_SCHEDULES).load((fact.station, fact.profile_id) for fact in facts)

    def decide(self, batch: Batch, fact: SchedulePulled, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Answers with the limit of its EVSE by the plan, else with what was sent last."""
        known = batch.rows(_SCHEDULES).get((fact.station, fact.profile_id))
        evse_id = known.evse_id if known else _evse_of(fact.profile_id)
        limit_w = None if evse_id is None else _limit_w(batch, fact.station, evse_id)
        if limit_w is not None:
            update = ScheduleUpdate(limit=limit_w)
        elif known is not None and known.state != "refused":
            update = msgspec.convert(known.told, ScheduleUpdate)
        else:
            return ScheduleAnswer(why="no plan limits it, and nothing was sent for it")
        row = ScheduleRow(
            station=fact.station,
            profile_id=fact.profile_id,
            evse_id=evse_id,
            told=_values(update),
            source="api" if limit_w is None else "plan",
            state="told",
            why=None,
            changed_at=fact.received_at,
        )
        _keep(batch, row)
        return ScheduleAnswer(update)


class ScheduleToldDecider:
    """A station was told how to go on with a dynamic profile."""

    def load(self, batch: Batch, facts: Sequence[ScheduleTold]) -> None:
        """Fetches the stations, and what is known of these profiles."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        batch.rows(_SCHEDULES).load((fact.station, fact.profile_id) for fact in facts)

    def decide(self, batch: Batch, fact: ScheduleTold, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what it was told."""
        row = ScheduleRow(
            station=fact.station,
            profile_id=fact.profile_id,
            evse_id=fact.evse_id,
            told=_values(fact.update),
            source="api",
            state="told" if fact.refused is None else "refused",
            why=fact.refused,
            changed_at=fact.received_at,
        )
        _keep(batch, row)
        return EMPTY


def _keep(batch: Batch, row: ScheduleRow) -> None:
    batch.rows(_SCHEDULES).put(row)
    brief = batch.rows(BRIEFS).get(row.station)
    assert brief is not None, "only facts of known stations come here"
    batch.emit(
        "station.schedule_told",
        subject=f"station/{row.station}",
        resource=schedule_resource(cast("Any", row)),
        site_id=brief.site_id,
        tenant=brief.tenant_id,
    )


def _values(update: ScheduleUpdate) -> dict[str, Any]:
    whole = msgspec.to_builtins(update)
    return {name: value for name, value in whole.items() if value is not None}


def _evse_of(profile_id: int) -> int | None:
    """Returns the EVSE whose limits by plan go by this id; None: no plan's."""
    evse_id = profile_id // _PER_EVSE
    return evse_id if evse_id > 0 and plan_profile_id(evse_id) == profile_id else None


def _limit_w(batch: Batch, station: str, evse_id: int) -> float | None:
    """Returns what the newest limit in the box allows an EVSE now, in W."""
    if not 0 < evse_id < 2**31:
        return None
    found = _LIMITS.fetch(batch.driver, ("station", "evse_id"), [(station, evse_id)], _IN_BOX)
    newest = max(found, key=lambda row: (row.created_at, row.id), default=None)
    if newest is None or (newest.valid_to is not None and newest.valid_to <= batch.now):
        return None
    return limit_at(read_periods(newest.periods), batch.now)
