"""N, monitoring: what a station watches by itself, and what it notices.

A station may tell the status of a connector by NotifyEvent instead of StatusNotification, which
2.1 calls deprecated; that one event is understood as a status, all others are what they are.

Source: OCPP 2.0.1 part 2, N02 to N08.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from msgspec import UNSET

from csms.ocpp.blocks.availability import STATUS_KEPT
from csms.ocpp.blocks.provisioning import component_of, variable_of
from csms.ocpp.fields import given, optional
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing, worst
from csms.ocpp.wire import v21, v201
from models import answers, facts
from models.commands import monitors

_STATUSES = frozenset(get_args(v201.ConnectorStatusEnumType))
_NOTHING = "EmptyResultSet"


def event_reported(
    request: v201.NotifyEventRequest | v21.NotifyEventRequest, hearing: Hearing
) -> facts.ConnectorReported | facts.EventsReported:
    """Returns the status of the one connector that a NotifyEvent is about, else its events.

    Source: OCPP 2.0.1 part 2, G01.FR.01; part 1, the component Connector.
    """
    changes = [event for event in request.event_data if event.variable.name == "AvailabilityState"]
    if len(changes) == 1:
        change = changes[0]
        evse = change.component.evse
        known = change.component.name == "Connector" and change.actual_value in _STATUSES
        if known and evse is not UNSET and evse.connector_id is not UNSET:
            measured_at = hearing.instant(change.timestamp)
            others = tuple(
                _event(event, hearing) for event in request.event_data if event is not change
            )
            return facts.ConnectorReported(
                station=hearing.station,
                received_at=hearing.received_at,
                suspect=hearing.suspect,
                evse_id=evse.id,
                connector_id=evse.connector_id,
                status=cast("facts.ConnectorStatus", change.actual_value),
                measured_at=measured_at,
                events=others,
            )
    events = tuple(_event(event, hearing) for event in request.event_data)
    return facts.EventsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        events=events,
    )


def _event(event: v201.EventDataType | v21.EventDataType, hearing: Hearing) -> facts.StationEvent:
    severity = given(event.severity) if isinstance(event, v21.EventDataType) else None
    return facts.StationEvent(
        event_id=event.event_id,
        measured_at=hearing.instant(event.timestamp),
        variable=_place(event.component, event.variable, event.actual_value),
        trigger=event.trigger,
        notification=event.event_notification_type,
        severity=severity,
        monitor_id=given(event.variable_monitoring_id),
        cause=given(event.cause),
        cleared=bool(given(event.cleared)),
        ocpp_transaction_id=given(event.transaction_id),
        tech_code=given(event.tech_code),
        tech_info=given(event.tech_info),
    )


def monitors_reported(
    request: v201.NotifyMonitoringReportRequest | v21.NotifyMonitoringReportRequest,
    hearing: Hearing,
) -> facts.MonitorsReported:
    """Returns one part of what a station watches."""
    monitors = tuple(
        facts.MonitorState(
            monitor_id=each.id,
            variable=_place(entry.component, entry.variable, None),
            kind=each.type,
            value=each.value,
            severity=each.severity,
            transaction=each.transaction,
        )
        for entry in request.monitor or ()
        for each in entry.variable_monitoring
    )
    return facts.MonitorsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        news=facts.MonitorNews(
            monitors=monitors, request_id=None if request.tbc else request.request_id
        ),
    )


def _place(
    component: v201.ComponentType | v21.ComponentType,
    variable: v201.VariableType | v21.VariableType,
    value: str | None,
) -> facts.VariableState:
    evse = component.evse
    return facts.VariableState(
        name=variable.name,
        component=component.name,
        component_instance=given(component.instance),
        instance=given(variable.instance),
        evse_id=None if evse is UNSET else evse.id,
        connector_id=None if evse is UNSET else given(evse.connector_id),
        value=value,
    )


def _set_monitors(command: monitors.SetMonitors) -> v201.SetVariableMonitoringRequest:
    return v201.SetVariableMonitoringRequest(
        set_monitoring_data=[
            v201.SetMonitoringDataType(
                id=optional(wish.monitor_id),
                transaction=wish.transaction,
                value=wish.value,
                type=wish.kind,
                severity=wish.severity,
                component=component_of(wish.variable),
                variable=variable_of(wish.variable),
            )
            for wish in command.monitors
        ]
    )


def _monitors_set(command: monitors.SetMonitors, response: Mapping[str, Any]) -> Outcome:
    """The results come in any order; each repeats what it is about (N04.FR.06)."""
    results = cast("list[dict[str, Any]]", response["setMonitoringResult"])
    statuses = [str(result["status"]) for result in results]
    left = list(command.monitors)
    monitors: list[facts.MonitorState] = []
    for result in results:
        wish = next((each for each in left if _is_about(result, each)), None)
        if wish is None:
            continue
        left.remove(wish)
        monitor_id = result.get("id", wish.monitor_id)
        if result["status"] == "Accepted" and monitor_id is not None:
            monitors.append(_monitor(wish, monitor_id))
    news = facts.MonitorNews(monitors=tuple(monitors))
    return Outcome(status=worst(statuses), detail=", ".join(statuses), monitors=news)


def _is_about(result: Mapping[str, Any], wish: monitors.MonitorWish) -> bool:
    evse = cast("dict[str, Any]", result["component"].get("evse") or {})
    name = wish.variable
    return (
        result["type"],
        result["severity"],
        result["component"]["name"],
        result["component"].get("instance"),
        evse.get("id"),
        result["variable"]["name"],
        result["variable"].get("instance"),
    ) == (
        wish.kind,
        wish.severity,
        name.component,
        name.component_instance,
        name.evse_id,
        name.name,
        name.instance,
    )


def _monitor(wish: monitors.MonitorWish, monitor_id: int) -> facts.MonitorState:
    name = wish.variable
    return facts.MonitorState(
        monitor_id=monitor_id,
        variable=facts.VariableState(
            name=name.name,
            component=name.component,
            component_instance=name.component_instance,
            instance=name.instance,
            evse_id=name.evse_id,
            connector_id=name.connector_id,
        ),
        kind=wish.kind,
        value=wish.value,
        severity=wish.severity,
        transaction=wish.transaction,
    )


def _clear_monitors(command: monitors.ClearMonitors) -> v201.ClearVariableMonitoringRequest:
    return v201.ClearVariableMonitoringRequest(id=list(command.monitor_ids))


def _monitors_cleared(_command: monitors.ClearMonitors, response: Mapping[str, Any]) -> Outcome:
    """One that the station does not know is gone as well."""
    results = cast("list[dict[str, Any]]", response["clearMonitoringResult"])
    statuses = [str(result["status"]) for result in results]
    gone = tuple(int(r["id"]) for r in results if r["status"] in {"Accepted", "NotFound"})
    done = len(gone) == len(results)
    return Outcome(
        status="accepted" if done else "rejected",
        detail=", ".join(statuses),
        monitors=facts.MonitorNews(gone=gone),
    )


def _read_monitors(command: monitors.ReadMonitors) -> v201.GetMonitoringReportRequest:
    return v201.GetMonitoringReportRequest(request_id=command.request_id)


def _monitors_asked(command: monitors.ReadMonitors, response: Mapping[str, Any]) -> Outcome:
    if response.get("status") == _NOTHING:
        news = facts.MonitorNews(request_id=command.request_id)
        return Outcome(status="accepted", detail=_NOTHING, monitors=news)
    return by_status(command, response)


def _set_base(command: monitors.SetMonitoringBase) -> v201.SetMonitoringBaseRequest:
    return v201.SetMonitoringBaseRequest(monitoring_base=command.base)


def _set_level(command: monitors.SetMonitoringLevel) -> v201.SetMonitoringLevelRequest:
    return v201.SetMonitoringLevelRequest(severity=command.severity)


BLOCK = Block(
    "N. Monitoring",
    heard=(
        Heard(
            v201.NotifyEventRequest,
            event_reported,
            facts.ConnectorReported,
            STATUS_KEPT,
            answers.EmptyAnswer,
        ),
        Heard(
            v201.NotifyMonitoringReportRequest,
            monitors_reported,
            facts.MonitorsReported,
            nothing(v201.NotifyMonitoringReportResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(monitors.SetMonitors, _set_monitors, _monitors_set, ("SetVariableMonitoring",)),
        Said(
            monitors.ClearMonitors,
            _clear_monitors,
            _monitors_cleared,
            ("ClearVariableMonitoring",),
        ),
        Said(monitors.ReadMonitors, _read_monitors, _monitors_asked, ("GetMonitoringReport",)),
        Said(monitors.SetMonitoringBase, _set_base, by_status, ("SetMonitoringBase",)),
        Said(monitors.SetMonitoringLevel, _set_level, by_status, ("SetMonitoringLevel",)),
    ),
    sent=(
        "ClearVariableMonitoring",
        "GetMonitoringReport",
        "SetMonitoringBase",
        "SetMonitoringLevel",
        "SetVariableMonitoring",
    ),
)
