"""What passes between us and a station whose BootNotification was answered Pending.

It may be looked into and configured, and asked to boot again; it starts nothing and stops nothing.
What it says by itself is refused (2.x) or goes unheard (1.6); of what it may be triggered to say
only its boot is let through, because nothing else that it tells would be kept, and it would take
our answer for a receipt.
Sources: OCPP 1.6 section 4.2; OCPP 2.0.1 part 2, B02.FR.01 to 09 and F06.
"""

from __future__ import annotations

from collections.abc import Mapping

BOOT = "BootNotification"
REPORT = "NotifyReport"
_REPORTS = frozenset({"GetBaseReport", "GetReport"})
_TRIGGER = "TriggerMessage"
_REQUESTS_16 = ("GetConfiguration", "ChangeConfiguration", _TRIGGER)
_REQUESTS = ("GetVariables", "SetVariables", "GetBaseReport", "GetReport", _TRIGGER)


def refusal_while_waiting(version: str, action: str, payload: Mapping[str, object]) -> str | None:
    """Returns why a station that waits is not sent a request; None where it may be.

    Args:
        version: of OCPP.
        action: of the request.
        payload: which is right for that version.
    """
    allowed = _REQUESTS_16 if version == "1.6" else _REQUESTS
    if action not in allowed:
        return f"until it is accepted it takes {', '.join(allowed)}, not {action}"
    if action == _TRIGGER and payload.get("requestedMessage") != BOOT:
        wanted = payload.get("requestedMessage")
        return f"until it is accepted it is asked for its {BOOT} alone, not for {wanted}"
    return None


def calls_for_reports(action: str) -> bool:
    """Returns whether a request of ours has a station send reports, accepted or not."""
    return action in _REPORTS
