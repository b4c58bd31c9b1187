"""Messages on the screens of stations, as they are shown."""

from __future__ import annotations

from typing import Any

from csms.displays.rules import state_of


def message_resource(message: Any) -> dict[str, Any]:
    """Returns a message; it takes the table's row and the rules' struct alike."""
    return {
        "id": message.message_id,
        "station": message.station,
        "state": state_of(message),
        "why": message.why,
        "wish": message.wish,
        "wished_at": message.wished_at,
        "told": message.told,
        "told_at": message.told_at,
        "updated_at": message.updated_at,
    }
