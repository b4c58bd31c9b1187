"""Takes in what stations watch and notice by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.diagnostics.queries import event_resource
from csms.diagnostics.rules import is_outdated
from csms.ledger.batch import Batch, Decider, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from csms.stations.rules import component_name, shown_value, variable_name
from models.answers import EMPTY, Answer
from models.facts import (
    ConnectorReported,
    EventsReported,
    MonitorsReported,
    MonitorState,
    StationEvent,
)
from models.tables.diagnostics import StationEvent as EventTable
from models.tables.diagnostics import StationMonitor


class MonitorRow(msgspec.Struct, frozen=True):
    """What a station watches by itself."""

    station: str
    monitor_id: int
    component: str
    variable: str
    kind: str
    value: float
    severity: int
    tx_only: bool
    gone: bool
    reported_at: datetime


class EventRow(msgspec.Struct, frozen=True):
    """Something that a station has noticed by itself."""

    station: str
    event_id: int
    happened_at: datetime
    received_at: datetime
    component: str
    variable: str
    value: str | None
    trigger: str
    notification: str
    severity: int | None
    monitor_id: int | None
    cause: int | None
    cleared: bool
    ocpp_transaction_id: str | None
    tech_code: str | None
    tech_info: str | None


MONITORS = RowKind(
    StationMonitor.__table__,
    MonitorRow,
    key=("station", "monitor_id"),
    mutable=(
        "component",
        "variable",
        "kind",
        "value",
        "severity",
        "tx_only",
        "gone",
        "reported_at",
    ),
)
_EVENTS = RowKind(EventTable.__table__, EventRow, key=("id",), on_conflict="ON CONFLICT DO NOTHING")


class MonitorsDecider:
    """A station tells what it watches, or has taken what it is to watch."""

    def load(self, batch: Batch, facts: Sequence[MonitorsReported]) -> None:
        """Fetches all that these stations watch."""
        monitors = batch.rows(MONITORS)
        monitors.find(("station",), [fact.station for fact in facts])
        monitors.load(
            (fact.station, monitor_id) for fact in facts for monitor_id in _monitor_ids(fact)
        )

    def decide(self, batch: Batch, fact: MonitorsReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what is there, and remembers that the rest is gone."""
        rows, news = batch.rows(MONITORS), fact.news
        for monitor in news.monitors:
            rows.put(_monitor_row(fact, monitor))
        for monitor_id in news.gone:
            former = rows.get((fact.station, monitor_id))
            if former is not None:
                rows.put(msgspec.structs.replace(former, gone=True))
        if news.request_id is not None:
            for former in rows.group(fact.station):
                if is_outdated(former.reported_at, news.request_id, fact.received_at):
                    rows.put(msgspec.structs.replace(former, gone=True))
        return EMPTY


class EventsDecider:
    """A station tells what it has noticed."""

    def load(self, batch: Batch, facts: Sequence[EventsReported]) -> None:
        """Fetches the stations, and the monitors that have noticed it."""
        _load_events(batch, ((fact.station, fact.events) for fact in facts))

    def decide(self, batch: Batch, fact: EventsReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps each once, and says so."""
        _keep_events(batch, fact, fact.events)
        return EMPTY


class WithEvents:
    """Keeps what else a message tells that tells a status."""

    def __init__(self, decider: Decider[ConnectorReported]) -> None:
        self._decider = decider

    def load(self, batch: Batch, facts: Sequence[ConnectorReported]) -> None:
        """Fetches what both need."""
        self._decider.load(batch, facts)
        eventful = [(fact.station, fact.events) for fact in facts if fact.events]
        if eventful:
            _load_events(batch, eventful)

    def decide(self, batch: Batch, fact: ConnectorReported, note: MessageNote | None) -> Answer:
        """Keeps the events, and then the status."""
        _keep_events(batch, fact, fact.events)
        return self._decider.decide(batch, fact, note)


def _load_events(batch: Batch, told: Iterable[tuple[str, Sequence[StationEvent]]]) -> None:
    events = list(told)
    batch.rows(BRIEFS).load(station for station, _ in events)
    batch.rows(MONITORS).load(
        (station, event.monitor_id)
        for station, several in events
        for event in several
        if event.monitor_id is not None
    )


def _keep_events(
    batch: Batch, fact: EventsReported | ConnectorReported, events: Sequence[StationEvent]
) -> None:
    station = batch.rows(BRIEFS).get(fact.station) if events else None
    for event in events:
        assert station is not None  # `Accepted` lets no others through
        row = _event_row(batch, fact, event)
        batch.add(_EVENTS, row)
        batch.emit(
            "station_event.reported",
            subject=f"station/{fact.station}",
            resource=event_resource(cast("Any", row)),
            site_id=station.site_id,
            tenant=station.tenant_id,
        )


def _event_row(
    batch: Batch, fact: EventsReported | ConnectorReported, event: StationEvent
) -> EventRow:
    severity = event.severity
    if severity is None and event.monitor_id is not None:
        monitor = batch.rows(MONITORS).get((fact.station, event.monitor_id))
        severity = None if monitor is None else monitor.severity
    return EventRow(
        station=fact.station,
        event_id=event.event_id,
        happened_at=event.measured_at,
        received_at=fact.received_at,
        component=component_name(event.variable),
        variable=variable_name(event.variable),
        value=shown_value(event.variable),
        trigger=event.trigger,
        notification=event.notification,
        severity=severity,
        monitor_id=event.monitor_id,
        cause=event.cause,
        cleared=event.cleared,
        ocpp_transaction_id=event.ocpp_transaction_id,
        tech_code=event.tech_code,
        tech_info=event.tech_info,
    )


def _monitor_ids(fact: MonitorsReported) -> list[int]:
    return [*(each.monitor_id for each in fact.news.monitors), *fact.news.gone]


def _monitor_row(fact: MonitorsReported, monitor: MonitorState) -> MonitorRow:
    return MonitorRow(
        station=fact.station,
        monitor_id=monitor.monitor_id,
        component=component_name(monitor.variable),
        variable=variable_name(monitor.variable),
        kind=monitor.kind,
        value=monitor.value,
        severity=monitor.severity,
        tx_only=monitor.transaction,
        gone=False,
        reported_at=fact.received_at,
    )
