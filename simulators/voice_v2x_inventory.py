"""The words of OCPP 2.x for reports of a station's settings."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on

from simulators.notices import Report
from simulators.variables import NAMES_2X
from simulators.voice import Voice

PLACES_MAX = 4
"""More than so many places at once are too much for the box."""
Row = tuple[str, str, str, bool]
"""Component, variable, value, and whether it can be written."""


class InventoryVoiceV2X(Voice):
    """Says which settings there are."""

    @on("GetBaseReport")
    def on_base_report(self, request_id: int, report_base: str, **_: Any) -> object:
        """GetBaseReportRequest; the report follows in two parts."""
        if report_base == "SummaryInventory":
            return self.results.GetBaseReport(status="NotSupported")
        rows = self._settings()
        if report_base == "ConfigurationInventory":
            rows = [row for row in rows if row[3]]
        self._tell(request_id, rows)
        return self.results.GetBaseReport(status="Accepted")

    @on("GetReport")
    def on_get_report(self, request_id: int, **payload: Any) -> object:
        """GetReportRequest; the report follows in two parts, if anything fits."""
        criteria: list[str] | None = payload.get("component_criteria")
        places: list[dict[str, Any]] | None = payload.get("component_variable")
        if places is not None and len(places) > PLACES_MAX:
            return self.results.GetReport(status="Rejected")
        rows = self._settings()
        if criteria is not None:
            such = {row[0] for row in rows if row[1] in criteria and row[2].lower() == "true"}
            rows = [row for row in rows if row[0] in such]
        if places is not None:
            rows = [row for row in rows if any(_is_at(row, place) for place in places)]
        self._tell(request_id, rows)
        return self.results.GetReport(status="Accepted" if rows else "EmptyResultSet")

    def _settings(self) -> list[Row]:
        rows: list[Row] = []
        for (component, variable), name in NAMES_2X.items():
            setting = self.station.variables.get(name)
            if setting is not None:
                rows.append((component, variable, setting.value, setting.writable))
        return rows

    def _tell(self, request_id: int, rows: list[Row]) -> None:
        if not rows:
            return
        half = len(rows) // 2
        say = self.station.outbox.append
        if half:
            say(Report(request_id, 0, last=False, variables=tuple(rows[:half])))
        say(Report(request_id, 1 if half else 0, last=True, variables=tuple(rows[half:])))


def _is_at(row: Row, place: dict[str, Any]) -> bool:
    variable = (place.get("variable") or {}).get("name")
    return row[0] == place["component"]["name"] and variable in {None, row[1]}
