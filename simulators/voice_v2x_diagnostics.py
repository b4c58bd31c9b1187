"""The words of OCPP 2.x about what a station has logged, watches and notices."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from ocpp.routing import on

from simulators.monitors import PROBLEM
from simulators.notices import EventNote, LogNote, Monitor, MonitorPart
from simulators.voice import Voice, read_log_order


class DiagnosticsVoiceV2X(Voice):
    """Hears and says what 2.0.1 and 2.1 know of logs and monitors."""

    requests: ClassVar[ModuleType]

    async def diagnose(self, notice: LogNote | MonitorPart | EventNote) -> None:
        """Says how far an upload is, what is watched, or what was noticed."""
        match notice:
            case LogNote():
                said = self.requests.LogStatusNotification(
                    status=notice.word, request_id=notice.request_id
                )
            case MonitorPart():
                said = self.requests.NotifyMonitoringReport(
                    request_id=notice.request_id,
                    seq_no=notice.seq_no,
                    generated_at=self.stamp(self.now()),
                    tbc=not notice.last,
                    monitor=[self._watched(notice.monitor)],
                )
            case EventNote():
                said = self.requests.NotifyEvent(
                    generated_at=self.stamp(self.now()),
                    seq_no=0,
                    event_data=[self._noticed(notice)],
                )
        await self.ask(said)

    def _watched(self, monitor: Monitor) -> dict[str, Any]:
        watched = {
            "id": monitor.id,
            "type": monitor.kind,
            "value": monitor.value,
            "severity": monitor.severity,
            "transaction": monitor.transaction,
        }
        if self.version != "2.0.1":
            watched["event_notification_type"] = _source(monitor)
        return {**_place(monitor), "variable_monitoring": [watched]}

    def _noticed(self, notice: EventNote) -> dict[str, Any]:
        monitor = notice.monitor
        noticed: dict[str, Any] = {
            **_place(monitor),
            "event_id": notice.number,
            "timestamp": self.stamp(notice.noticed_at),
            "trigger": "Delta" if monitor.kind == "Delta" else "Alerting",
            "actual_value": notice.value,
            "cleared": notice.cleared,
            "event_notification_type": _source(monitor),
            "variable_monitoring_id": monitor.id,
        }
        if self.version != "2.0.1":
            noticed["severity"] = monitor.severity
        return noticed

    @on("SetVariableMonitoring")
    def on_set_monitors(self, set_monitoring_data: list[dict[str, Any]], **_: Any) -> object:
        """SetVariableMonitoringRequest."""
        results: list[dict[str, Any]] = []
        for wish in set_monitoring_data:
            monitor = Monitor(
                str(wish["component"]["name"]),
                (wish["component"].get("evse") or {}).get("id"),
                str(wish["variable"]["name"]),
                str(wish["type"]),
                float(wish["value"]),
                int(wish["severity"]),
                transaction=bool(wish.get("transaction")),
                id=int(wish.get("id") or 0),
            )
            status, monitor_id = self.station.outfit.monitors.set(monitor)
            told = {name: wish[name] for name in ("type", "severity", "component", "variable")}
            known = {} if monitor_id is None else {"id": monitor_id}
            results.append({"status": status, **known, **told})
        return self.results.SetVariableMonitoring(set_monitoring_result=results)

    @on("ClearVariableMonitoring")
    def on_clear_monitors(self, id: list[int], **_: Any) -> object:  # noqa: A002 - the specification's name
        """ClearVariableMonitoringRequest."""
        results = [{"id": each, "status": self.station.outfit.monitors.clear(each)} for each in id]
        return self.results.ClearVariableMonitoring(clear_monitoring_result=results)

    @on("GetMonitoringReport")
    def on_report_monitors(self, request_id: int, **_: Any) -> object:
        """GetMonitoringReportRequest; the report follows, one part for each monitor."""
        self.station.outbox.extend(self.station.outfit.monitors.report(request_id))
        return self.results.GetMonitoringReport(status="Accepted")

    @on("SetMonitoringBase")
    def on_monitoring_base(self, monitoring_base: str, **_: Any) -> object:
        """SetMonitoringBaseRequest."""
        self.station.outfit.monitors.rebase(monitoring_base)
        return self.results.SetMonitoringBase(status="Accepted")

    @on("SetMonitoringLevel")
    def on_monitoring_level(self, severity: int, **_: Any) -> object:
        """SetMonitoringLevelRequest."""
        self.station.outfit.monitors.level = severity
        return self.results.SetMonitoringLevel(status="Accepted")

    @on("GetLog")
    def on_get_log(
        self, log: dict[str, Any], log_type: str, request_id: int, **more: Any
    ) -> object:
        """GetLogRequest."""
        order = read_log_order(log, log_type, request_id, more)
        taken = self.station.outfit.logs.take(order)
        name = None if taken == "Rejected" else self.station.outfit.logs.name_of(order)
        return self.results.GetLog(status=taken, filename=name)


def _place(monitor: Monitor) -> dict[str, Any]:
    component: dict[str, Any] = {"name": monitor.component}
    if monitor.evse_id is not None:
        component["evse"] = {"id": monitor.evse_id}
    return {"component": component, "variable": {"name": monitor.variable}}


def _source(monitor: Monitor) -> str:
    return "PreconfiguredMonitor" if monitor.id == PROBLEM else "CustomMonitor"
