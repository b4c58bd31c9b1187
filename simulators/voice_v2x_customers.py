"""The words of OCPP 2.x about what a station knows of people."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on

from simulators.notices import Told
from simulators.voice import Voice


class CustomerVoiceV2X(Voice):
    """Says what is known of a customer, or forgets it."""

    @on("CustomerInformation")
    def on_customer(self, request_id: int, report: bool, clear: bool, **named: Any) -> object:  # noqa: FBT001 - the specification's fields
        """CustomerInformationRequest; the report follows, one part for each line."""
        customers = self.station.outfit.customers
        name = _name(named)
        if name is None:
            return self.results.CustomerInformation(status="Invalid")
        lines = customers.told(name, self.station.evses.values())
        if clear:
            customers.forget(name)
        if report:
            for number, line in enumerate(lines or [""]):
                part = {
                    "request_id": request_id,
                    "generated_at": self.stamp(self.now()),
                    "seq_no": number,
                    "data": line,
                    "tbc": number + 1 < len(lines),
                }
                self.station.outbox.append(Told("NotifyCustomerInformation", part))
        return self.results.CustomerInformation(status="Accepted")


def _name(named: dict[str, Any]) -> str | None:
    if (token := named.get("id_token")) is not None:
        return str(token["id_token"])
    if (certificate := named.get("customer_certificate")) is not None:
        return str(certificate["serial_number"])
    identifier = named.get("customer_identifier")
    return None if identifier is None or not str(identifier).isalnum() else str(identifier)
