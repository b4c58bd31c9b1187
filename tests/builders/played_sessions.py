"""Charging sessions that a played station tells of, in the words of either version."""

from __future__ import annotations

import itertools
from typing import Any

from models.commands import RawCommand, decode_command
from models.tables.ledger import Command
from tests.builders.played_station import PlayedStation, now

ENERGY = "Energy.Active.Import.Register"


async def started_by(station: PlayedStation) -> Any:
    """Returns the payload of the remote start that the last transaction is shown to come from.

    None: it began by itself.
    """
    command_id = (await station.transactions())[-1]["command_id"]
    if command_id is None:
        return None
    async with station.house.db.read() as session:
        row = await session.get(Command, command_id)
    assert row is not None
    command = decode_command(row.body)
    assert isinstance(command, RawCommand)
    return command.payload


# -- 1.6 -------------------------------------------------------------------------------------


async def authorized(cp: PlayedStation, id_tag: str = "VALID") -> str:
    """Asks whether a token may charge; returns the status."""
    return (await cp.call("Authorize", {"idTag": id_tag}))["idTagInfo"]["status"]


async def begun(cp: PlayedStation, id_tag: str = "VALID", **more: Any) -> int:
    """Starts a transaction at connector 1, which must be accepted; returns its number."""
    answer = await asked_to_begin(cp, id_tag, **more)
    assert answer["idTagInfo"]["status"] == "Accepted"
    await cp.status("Charging", more.get("connectorId", 1))
    return answer["transactionId"]


async def asked_to_begin(cp: PlayedStation, id_tag: str, **more: Any) -> Any:
    """Starts a transaction at connector 1; returns the answer."""
    payload = {"connectorId": 1, "idTag": id_tag, "meterStart": 1000, "timestamp": now()}
    return await cp.call("StartTransaction", payload | more)


async def ended(cp: PlayedStation, number: int, reason: str = "Local", **more: Any) -> Any:
    """Stops a transaction after 500 Wh; returns what the house shows of it."""
    payload: dict[str, Any] = {"transactionId": number, "meterStop": 1500, "timestamp": now()}
    await cp.call("StopTransaction", payload | {"reason": reason} | more)
    (shown,) = [
        each for each in await cp.transactions() if each["ocpp_transaction_id"] == str(number)
    ]
    assert shown["stopped_at"] is not None
    assert (shown["energy_wh"], shown["stop_reason"]) == (500, reason)
    return shown


# -- 2.0.1 -----------------------------------------------------------------------------------


class Session:
    """A transaction of a 2.0.1 station, told event by event."""

    def __init__(self, cs: PlayedStation, name: str = "tx-1", evse: int = 1) -> None:
        self.cs = cs
        self.name = name
        self.evse = evse
        self._numbers = itertools.count()

    async def tell(
        self, kind: str, trigger: str, *, token: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Sends a TransactionEvent; members of `transactionInfo` go by the name of `info`."""
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": now(),
            "triggerReason": trigger,
            "seqNo": next(self._numbers),
            "transactionInfo": {"transactionId": self.name, **more.pop("info", {})},
        }
        if kind == "Started":
            payload["evse"] = {"id": self.evse, "connectorId": 1}
        if token is not None:
            payload["idToken"] = {"idToken": token, "type": "ISO14443"}
        return await self.cs.call("TransactionEvent", payload | more)

    async def charging(self, token: str = "VALID") -> None:
        """Begins by authorisation and the cable, and gives energy."""
        answer = await self.tell("Started", "Authorized", token=token)
        assert answer["idTokenInfo"]["status"] == "Accepted"
        await self.tell("Updated", "CablePluggedIn", info={"chargingState": "EVConnected"})
        await self.tell("Updated", "ChargingStateChanged", info={"chargingState": "Charging"})

    async def over(self, trigger: str, reason: str, **more: Any) -> Any:
        """Ends it; returns what the house shows of it."""
        await self.tell("Ended", trigger, info={"stoppedReason": reason}, **more)
        shown = await self.shown()
        assert shown["stopped_at"] is not None
        assert shown["stop_reason"] == reason
        return shown

    async def shown(self) -> Any:
        """Returns what the house shows of it."""
        (shown,) = [
            each
            for each in await self.cs.transactions()
            if each["ocpp_transaction_id"] == self.name
        ]
        return shown


async def token_status(cs: PlayedStation, token: str, kind: str = "ISO14443") -> str:
    """Asks whether a token may charge (2.0.1); returns the status."""
    return (await token_info(cs, token, kind))["status"]


async def token_info(cs: PlayedStation, token: str, kind: str = "ISO14443") -> Any:
    """Asks whether a token may charge (2.0.1); returns what is known of it."""
    payload = {"idToken": {"idToken": token, "type": kind}}
    return (await cs.call("Authorize", payload))["idTokenInfo"]


def meter(energy_wh: float, context: str = "Sample.Periodic", **more: Any) -> dict[str, Any]:
    """Returns one sampled value of the energy register, as both versions write it."""
    value: Any = energy_wh
    return {
        "timestamp": now(),
        "sampledValue": [{"value": value, "context": context, "measurand": ENERGY, **more}],
    }
