"""The words of OCPP 1.6 about a station's logs: diagnostics, and the log of security."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action, DiagnosticsStatus, LogStatus, UploadLogStatus

from simulators.logs import LogOrder
from simulators.notices import LogNote
from simulators.voice import Voice, read_instant, read_log_order

_DIAGNOSTICS = {
    "Idle": DiagnosticsStatus.idle,
    "Uploading": DiagnosticsStatus.uploading,
    "Uploaded": DiagnosticsStatus.uploaded,
    "UploadFailure": DiagnosticsStatus.upload_failed,
}


class LogVoiceV16(Voice):
    """Hears and says what 1.6 knows of logs."""

    async def log(self, notice: LogNote) -> None:
        """Says how far an upload is."""
        if notice.diagnostics:
            await self.ask(call.DiagnosticsStatusNotification(_DIAGNOSTICS[notice.word]))
        else:
            word = UploadLogStatus(notice.word)
            await self.ask(call.LogStatusNotification(word, notice.request_id or 0))

    @on(Action.get_diagnostics)
    def on_get_diagnostics(self, location: str, **payload: Any) -> object:
        """GetDiagnostics.req: without a name there is nothing to bring."""
        logs = self.station.outfit.logs
        order = LogOrder(
            "diagnostics",
            location,
            from_at=read_instant(payload.get("start_time")),
            until_at=read_instant(payload.get("stop_time")),
            retries=int(payload.get("retries") or 0),
            retry_interval_s=float(payload.get("retry_interval") or 0),
            is_16=True,
        )
        taken = logs.take(order) != "Rejected"
        return call_result.GetDiagnostics(logs.name_of(order) if taken else None)

    @on(Action.get_log)
    def on_get_log(
        self, log: dict[str, Any], log_type: str, request_id: int, **more: Any
    ) -> object:
        """GetLog.req."""
        order = read_log_order(log, log_type, request_id, more)
        taken = self.station.outfit.logs.take(order)
        name = None if taken == "Rejected" else self.station.outfit.logs.name_of(order)
        return call_result.GetLog(LogStatus(taken), name)
