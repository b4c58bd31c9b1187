"""What a station says because it was asked to, in no version's words."""

from __future__ import annotations

from datetime import datetime

from simulators.notices import Boot, Heartbeat, LogNote, Status
from simulators.station import Station

_UPLOADS = {
    "LogStatusNotification": LogNote(),
    "DiagnosticsStatusNotification": LogNote(diagnostics=True),
}


def triggered(station: Station, message: str, evse_id: int | None, at: datetime) -> bool:
    """Sends a message that was asked for; False if it is not one of ours."""
    chosen = station.chosen(evse_id or 0)
    if message == "BootNotification":
        station.outbox.append(Boot("ApplicationReset"))
    elif message == "Heartbeat":
        station.outbox.append(Heartbeat())
    elif message == "StatusNotification":
        station.outbox.extend(
            Status(evse.evse_id, evse.status, evse.charging_state, at) for evse in chosen
        )
    elif message in {"MeterValues", "TransactionEvent"}:
        for evse in chosen:
            station.sample_now(evse, at, asked=True)
    elif message == "FirmwareStatusNotification":
        station.outbox.append(station.firmware.present)
    elif message in _UPLOADS:
        station.outbox.append(_UPLOADS[message])
    else:
        return False
    return True
