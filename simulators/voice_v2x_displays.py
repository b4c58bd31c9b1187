"""The words of OCPP 2.x about what a station shows on its screen."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on

from simulators.displays import Message
from simulators.notices import Told
from simulators.voice import Voice, read_instant


class DisplayVoiceV2X(Voice):
    """Hears what is to be shown, and says what is."""

    @on("SetDisplayMessage")
    def on_set_display(self, message: dict[str, Any], **_: Any) -> object:
        """SetDisplayMessageRequest."""
        text = message["message"]
        shown = Message(
            int(message["id"]),
            str(message["priority"]),
            str(text["format"]),
            str(text["content"]),
            text.get("language"),
            message.get("state"),
            read_instant(message.get("start_date_time")),
            read_instant(message.get("end_date_time")),
            message.get("transaction_id"),
        )
        status = self.station.outfit.displays.show(shown, self.station.evses.values())
        return self.results.SetDisplayMessage(status=status)

    @on("ClearDisplayMessage")
    def on_clear_display(self, id: int, **_: Any) -> object:  # noqa: A002 - the specification's name
        """ClearDisplayMessageRequest."""
        found = self.station.outfit.displays.clear(id)
        return self.results.ClearDisplayMessage(status="Accepted" if found else "Unknown")

    @on("GetDisplayMessages")
    def on_get_displays(self, request_id: int, **criteria: Any) -> object:
        """GetDisplayMessagesRequest; the report follows, one part for each message."""
        found = self.station.outfit.displays.found(
            criteria.get("id"),
            criteria.get("priority"),
            criteria.get("state"),
            evses=self.station.evses.values(),
            at=self.now(),
        )
        for number, message in enumerate(found, start=1):
            part = {
                "request_id": request_id,
                "message_info": [self._shown(message)],
                "tbc": number < len(found),
            }
            self.station.outbox.append(Told("NotifyDisplayMessages", part))
        return self.results.GetDisplayMessages(status="Accepted" if found else "Unknown")

    def _shown(self, message: Message) -> dict[str, Any]:
        text = {"format": message.format, "content": message.content}
        if message.language is not None:
            text["language"] = message.language
        info: dict[str, Any] = {"id": message.id, "priority": message.priority, "message": text}
        optional = {
            "state": message.state,
            "start_date_time": message.start_at and self.stamp(message.start_at),
            "end_date_time": message.end_at and self.stamp(message.end_at),
            "transaction_id": message.transaction_id,
        }
        return info | {name: value for name, value in optional.items() if value is not None}
