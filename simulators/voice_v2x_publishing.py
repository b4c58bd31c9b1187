"""The words of OCPP 2.x for a local controller that offers firmware to the stations behind it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on

from simulators.publishing import Shelved
from simulators.voice import Voice


class PublishingVoiceV2X(Voice):
    """Hears what is to be offered, and what no longer."""

    @on("PublishFirmware")
    def on_publish(self, location: str, checksum: str, request_id: int, **_: Any) -> object:
        """PublishFirmwareRequest; how far it is follows."""
        order = Shelved(request_id, location, checksum)
        taken = self.station.outfit.publisher.take(order, self.now())
        return self.results.PublishFirmware(status="Accepted" if taken else "Rejected")

    @on("UnpublishFirmware")
    def on_unpublish(self, checksum: str, **_: Any) -> object:
        """UnpublishFirmwareRequest."""
        return self.results.UnpublishFirmware(
            status=self.station.outfit.publisher.withdraw(checksum)
        )
