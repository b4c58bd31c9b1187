"""Takes in what stations tell of their controls, and of the grid.

Ids of controls are the station's to choose, so each station has room for so many; what we have set
is kept in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.grid.queries import alarm_resource, control_resource
from csms.grid.rules import ControlState, answered, missing, reported, started, superseded
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind, placed
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.facts import Fact
from models.facts.grid import (
    DerAlarmReported,
    DerControlAnswered,
    DerControlsReported,
    DerStartStopReported,
)
from models.tables.grid import DerAlarm, DerControl

CONTROLS_MAX = 200
"""Controls of one station that are kept; beyond that, those that we did not set are not."""


class AlarmRow(msgspec.Struct, frozen=True):
    """Something that the grid has done."""

    station: str
    control_type: str
    grid_event: str | None
    ended: bool
    happened_at: datetime
    received_at: datetime
    info: str | None


_CONTROLS = RowKind(
    DerControl.__table__,
    ControlState,
    key=("station", "control_id"),
    mutable=ControlState.__struct_fields__[2:],
)
_ALARMS = RowKind(DerAlarm.__table__, AlarmRow, key=("id",))


_COUNT = "SELECT count(*) FROM (SELECT 1 FROM der_control WHERE station = ? LIMIT ?) AS stored"


class AnsweredDecider:
    """A station has answered about a control."""

    def load(self, batch: Batch, facts: Sequence[DerControlAnswered]) -> None:
        """Fetches the controls that it is about."""
        _load(batch, ((fact.station, (fact.control_id, *fact.superseded)) for fact in facts))

    def decide(self, batch: Batch, fact: DerControlAnswered, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what holds from now on."""
        former = batch.rows(_CONTROLS).get((fact.station, fact.control_id))
        _keep(batch, fact, former, answered(former, fact))
        _supersede(batch, fact, fact.superseded, superseded_now=True)
        return EMPTY


class ReportDecider:
    """A station tells its controls."""

    def load(self, batch: Batch, facts: Sequence[DerControlsReported]) -> None:
        """Fetches the controls that are told, and those that a whole report may say are gone."""
        told = [(fact.station, tuple(each.control_id for each in fact.controls)) for fact in facts]
        _load(batch, told)
        whole = [fact.station for fact in facts if fact.request_id is not None]
        batch.rows(BRIEFS).load(whole)
        batch.rows(_CONTROLS).find(("station",), whole, "t.state = 'accepted'")

    def decide(self, batch: Batch, fact: DerControlsReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what is there, and remembers what is not."""
        rows = batch.rows(_CONTROLS)
        for control in fact.controls:
            former = rows.get((fact.station, control.control_id))
            if former is not None or _has_room(batch, fact.station):
                _keep(batch, fact, former, reported(former, fact, control))
        for former in rows.group(fact.station):
            gone = missing(former, fact)
            if gone is not None:
                _keep(batch, fact, former, gone)
        return EMPTY


class StartStopDecider:
    """A control has begun, or has ended."""

    def load(self, batch: Batch, facts: Sequence[DerStartStopReported]) -> None:
        """Fetches the controls that it is about."""
        _load(batch, ((fact.station, (fact.control_id, *fact.superseded)) for fact in facts))

    def decide(self, batch: Batch, fact: DerStartStopReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps whether it is in force, and in whose place."""
        former = batch.rows(_CONTROLS).get((fact.station, fact.control_id))
        if former is not None or _has_room(batch, fact.station):
            _keep(batch, fact, former, started(former, fact))
        _supersede(batch, fact, fact.superseded, superseded_now=fact.started)
        return EMPTY


class AlarmDecider:
    """The grid does what a control watches for."""

    def load(self, batch: Batch, facts: Sequence[DerAlarmReported]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(self, batch: Batch, fact: DerAlarmReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it, and says so."""
        row = AlarmRow(
            station=fact.station,
            control_type=fact.control_type,
            grid_event=fact.grid_event,
            ended=fact.ended,
            happened_at=fact.measured_at,
            received_at=fact.received_at,
            info=fact.info,
        )
        batch.add(_ALARMS, row)
        _tell(batch, fact, "der_alarm.reported", alarm_resource(cast("Any", row)))
        return EMPTY


def _load(batch: Batch, told: Iterable[tuple[str, Sequence[str]]]) -> None:
    keys = [(station, control_id) for station, several in told for control_id in several]
    batch.rows(BRIEFS).load(station for station, _ in keys)
    batch.rows(_CONTROLS).load(keys)


def _has_room(batch: Batch, station: str) -> bool:
    """Returns whether a control is kept that a station has and that is not known yet."""
    return _counts(batch, station)[station] < CONTROLS_MAX


def _counts(batch: Batch, station: str) -> dict[str, int]:
    """Returns how many controls stations have with those of this batch, this station among them."""
    counts: dict[str, int] = batch.memo.setdefault("controls", {})
    if station not in counts:
        count = placed(_COUNT, batch.driver.dialect)
        ((counts[station],),) = batch.driver.fetch(count, (station, CONTROLS_MAX))
    return counts


def _keep(
    batch: Batch, fact: Fact, former: ControlState | None, after: ControlState | None
) -> None:
    if after is None or after == former:
        return
    if former is None:
        _counts(batch, fact.station)[fact.station] += 1
    batch.rows(_CONTROLS).put(after)
    _tell(batch, fact, "der_control.changed", control_resource(cast("Any", after)))


def _supersede(
    batch: Batch, fact: Fact, control_ids: Sequence[str], *, superseded_now: bool
) -> None:
    for control_id in control_ids:
        former = batch.rows(_CONTROLS).get((fact.station, control_id))
        if former is not None and former.superseded != superseded_now:
            after = superseded(former, superseded=superseded_now, now=fact.received_at)
            _keep(batch, fact, former, after)


def _tell(batch: Batch, fact: Fact, event: str, resource: dict[str, Any]) -> None:
    brief = batch.rows(BRIEFS).peek(fact.station)
    if brief is not None:
        batch.emit(
            event,
            subject=f"station/{fact.station}",
            resource=resource,
            site_id=brief.site_id,
            tenant=brief.tenant_id,
        )
