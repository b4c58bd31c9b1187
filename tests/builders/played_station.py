"""A station played by hand, as a certification tool plays it: a bare WebSocket, and our words.

The house behind it is the real one: REST, gateway on a port, ledger in SQLite, and the keepers that
follow lists of tokens, reservations and firmware. Every frame of the house is checked against the
published schema of its version, dates included, whatever the test is about.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from csms.access.reactions.lists import ListKeeper
from csms.gateway.limits import Limits
from csms.gateway.memory import basic
from csms.reservations.reactions import ReservationKeeper
from csms.stations.reactions import StationHost
from csms.updates.reactions.firmware import UpdateKeeper
from models.clocks import RealClock
from models.timeline import format_rfc3339
from tests.builders.ocpp_payloads import request_schema, schema_of
from tests.builders.pki import Pki
from tests.builders.rest_house import RestHouse, rest_house

IDENTITY = "CP-1"
LIMITS = Limits(
    refusal_delay_s=0.0, dry_s=0.2, call_s=1.0, call_quiet_s=0.2, close_s=0.3, sweep_s=0.02
)
ACCEPTED = {"status": "Accepted"}
SILENCE = object()
"""As a reply: the station says nothing."""
_PATIENCE_S = 60.0
_CLOCK = RealClock()
_MEEK: dict[str, Any] = {"GetConfiguration": {}, "GetBaseReport": {"status": "NotSupported"}}
"""What the house asks of each station that comes, and the shortest answer to it."""
_TOKENS: tuple[dict[str, Any], ...] = (
    {"id_token": "VALID", "parent": "GROUP"},
    {"id_token": "SIBLING", "parent": "GROUP"},
    {"id_token": "OTHER"},
    {"id_token": "BLOCKED", "status": "Blocked"},
    {"id_token": "EXPIRED", "expires_at": "2020-01-01T00:00:00Z"},
)
Reply = Any
"""A payload, `(code, detail)` for a CALLERROR, or `SILENCE`."""


class PlayedStation:
    """One station that has been created, and its connection."""

    def __init__(self, house: RestHouse, port: int, version: str, password: str) -> None:
        self.house = house
        self.port = port
        self.tls_port = 0
        self.version = version
        self.password = password
        self.replies: dict[str, Reply | Callable[[Any], Reply]] = dict(_MEEK)
        self.heard: list[tuple[str, Any]] = []
        """Actions and payloads that the house sent, in order."""
        self._link: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[str, asyncio.Future[list[Any]]] = {}
        self.raw_replies: dict[str, bytes] = {}
        """What it answers an action with, whatever it is; `ID` stands for the message id."""
        self._taken: dict[str, int] = defaultdict(int)
        self._fault: Exception | None = None

    # -- the connection ----------------------------------------------------------------------

    async def dial(self, **changed: Any) -> ClientConnection:
        """Opens a connection; `user`, `password` and `subprotocols` may be others than ours.

        With `tls`, a context, it comes by the door with TLS. A password of None is not shown.
        """
        user, password = changed.get("user", IDENTITY), changed.get("password", self.password)
        names = changed.get("subprotocols", [f"ocpp{self.version}"])
        tls: ssl.SSLContext | None = changed.get("tls")
        shown = {} if password is None else {"Authorization": basic(user, password)}
        door = f"ws://127.0.0.1:{self.port}" if tls is None else f"wss://127.0.0.1:{self.tls_port}"
        link = await connect(
            f"{door}/ocpp/{IDENTITY}",
            subprotocols=[Subprotocol(name) for name in names] or None,
            additional_headers=shown,
            compression=None,
            ping_interval=None,
            ssl=tls,
        )
        self._link = link
        self._reading = asyncio.create_task(self._read(link))
        return link

    async def hand_over(self) -> ClientConnection:
        """Leaves the connection to somebody else, who reads and closes it."""
        assert self._link is not None
        assert self._reading is not None
        link, reading = self._link, self._reading
        self._link = self._reading = None
        reading.cancel()
        await asyncio.wait((reading,))
        return link

    async def hang_up(self) -> None:
        """Ends the connection, and waits until the house has noticed."""
        if self._link is not None:
            await self._link.close()
        if self._reading is not None:
            await self._reading
        self._link = self._reading = None
        if self._fault is not None:
            raise self._fault

    async def boot(self, reason: str = "PowerUp") -> Any:
        """Sends a BootNotification; returns the answer."""
        if self.version == "1.6":
            payload: dict[str, Any] = {"chargePointVendor": "Acme", "chargePointModel": "One"}
        else:
            station = {"vendorName": "Acme", "model": "One"}
            payload = {"reason": reason, "chargingStation": station}
        return await self.call("BootNotification", payload)

    async def come(self) -> None:
        """Connects, boots and tells that its connectors are free."""
        await self.dial()
        assert (await self.boot())["status"] == "Accepted"
        for number in (1, 2):
            await self.status("Available", number)
        await self.house.activity.quiet()

    async def come_back(self) -> None:
        """Loses the connection and makes a new one."""
        await self.hang_up()
        await self.dial()

    # -- what the station says ---------------------------------------------------------------

    async def call(self, action: str, payload: Any) -> Any:
        """Calls the house; returns the payload of its answer."""
        frame = await self.exchange(action, payload)
        assert frame[0] == 3, frame
        check(self.version, f"{action}Response", frame[2])
        return frame[2]

    async def refused(self, action: str, payload: Any) -> str:
        """Calls the house, which must answer by a CALLERROR; returns its code."""
        frame = await self.exchange(action, payload)
        assert frame[0] == 4, frame
        return frame[2]

    async def exchange(self, action: str, payload: Any) -> list[Any]:
        """Calls the house; returns the whole frame of the answer."""
        assert self._link is not None
        check(self.version, action, payload, ours=False)
        message_id = f"m{next(self._numbers)}"
        answered = self._answers[message_id] = asyncio.get_running_loop().create_future()
        await self._link.send(msgspec.json.encode([2, message_id, action, payload]).decode())
        return await asyncio.wait_for(answered, _PATIENCE_S)

    async def status(self, status: str, number: int = 1, **more: Any) -> Any:
        """Tells the status of a connector (1.6), or of connector 1 of an EVSE."""
        if self.version == "1.6":
            payload = {"connectorId": number, "errorCode": "NoError", "status": status}
        else:
            payload = {"evseId": number, "connectorId": 1, "connectorStatus": status}
            payload["timestamp"] = now()
        return await self.call("StatusNotification", payload | more)

    # -- what the house says -----------------------------------------------------------------

    async def expect(self, action: str) -> Any:
        """Returns the payload of the next call of this action that was not yet asked for."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                if self._fault is not None:
                    raise self._fault
                of_it = [payload for name, payload in self.heard if name == action]
                if len(of_it) > self._taken[action]:
                    self._taken[action] += 1
                    return of_it[self._taken[action] - 1]
                await asyncio.sleep(0.005)

    async def order(
        self, action: str, payload: Any, reply: Reply = ACCEPTED, status: int = 200
    ) -> Any:
        """Has the house send an action, as a user does; returns what the user is told.

        What arrives must be what was asked for, and what the station answers what is told.
        """
        self.replies[action] = reply
        self._taken[action] = sum(name == action for name, _ in self.heard)
        body = {"action": action, "payload": payload}
        told = await self.house.post(f"/stations/{IDENTITY}/commands", body, status)
        assert await self.expect(action) == payload
        if status == 200:
            assert told == {"status": "answered", "response": reply}
        return told

    async def shown(self, connector: int = 1) -> str:
        """Returns what the house shows as the status of a connector."""
        await self.house.activity.quiet()
        station = await self.house.get(f"/stations/{IDENTITY}")
        (evse,) = [each for each in station["evses"] if each["evse_id"] == connector]
        return evse["connectors"][0]["status"]

    async def transactions(self) -> list[Any]:
        """Returns the transactions that the house knows, oldest first."""
        await self.house.activity.quiet()
        page = await self.house.get("/transactions", station=IDENTITY)
        return sorted(page["items"], key=lambda each: each["id"])

    async def until(self, path: str, **wanted: Any) -> Any:
        """Returns what a path of REST shows once it has these values."""
        shown: Any = None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    shown = await self.house.get(path)
                    if wanted.items() <= shown.items():
                        return shown
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{wanted} expected, {shown} shown") from None

    async def messages(self, action: str) -> list[Any]:
        """Returns what the house keeps of an action, as a user sees it."""
        await self.house.activity.quiet()
        return (await self.house.get(f"/stations/{IDENTITY}/messages", action=action))["items"]

    # -- inside ------------------------------------------------------------------------------

    async def _read(self, link: ClientConnection) -> None:
        try:
            while True:
                frame = msgspec.json.decode(await link.recv())
                if frame[0] == 2:
                    await self._answer(link, *frame[1:])
                elif frame[0] != 5:  # what we answer badly is disputed in 2.1
                    self._answers.pop(frame[1]).set_result(frame)
        except ConnectionClosed as end:
            self._fail(end)
        except Exception as fault:
            self._fault = fault
            self._fail(fault)

    def _fail(self, fault: Exception) -> None:
        for answered in self._answers.values():
            answered.set_exception(fault)
        self._answers.clear()

    async def _answer(
        self, link: ClientConnection, message_id: str, action: str, payload: Any
    ) -> None:
        check(self.version, action, payload)
        self.heard.append((action, payload))
        if action in self.raw_replies:
            words = self.raw_replies[action].replace(b"ID", message_id.encode(), 1)
            await link.send(words.decode("utf-8", "replace"))
            return
        reply = self.replies.get(action, ACCEPTED)
        if callable(reply):
            reply = reply(payload)
        if reply is SILENCE:
            return
        if isinstance(reply, tuple):
            frame: list[Any] = [4, message_id, *reply, {}]
        else:
            check(self.version, f"{action}Response", reply, ours=False)
            frame = [3, message_id, reply]
        await link.send(msgspec.json.encode(frame).decode())


async def kept(station: PlayedStation, action: str) -> list[Any]:
    """Returns what the house shows in its log as the station's answers, the newest first."""
    return [each["answer"] for each in await station.messages(action)]


def now() -> str:
    """Returns the time as stations write it."""
    return format_rfc3339(_CLOCK.now())


def check(version: str, name: str, payload: Any, *, ours: bool = True) -> None:
    """Fails where a payload is not what the schema of `name` allows."""
    error = next(iter(_validator(version, name).iter_errors(payload)), None)
    speaker = "the house" if ours else "the played station"
    assert error is None, f"{speaker} breaks {name} of {version}: {error}\n{payload}"


@cache
def _validator(version: str, name: str) -> Any:
    known = name.endswith("Response")
    schema = schema_of(version, name) if known else request_schema(version, name)
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def _tls_settings(pki: Pki | None) -> dict[str, Any]:
    """Returns what gives the house a door with TLS: an ECDSA and an RSA certificate."""
    if pki is None:
        return {}
    made = [pki.server(kind) for kind in ("ec", "rsa")]
    return {
        "ocpp_tls_port": 0,
        "ocpp_tls_certificate": [certificate for certificate, _ in made],
        "ocpp_tls_key": [key for _, key in made],
        "ocpp_tls_client_ca": pki.ca,
    }


@asynccontextmanager
async def played_station(
    url: str,
    version: str,
    *,
    come: bool = True,
    known: bool = True,
    settings: dict[str, Any] | None = None,
    pki: Pki | None = None,
    **fields: Any,
) -> AsyncGenerator[PlayedStation]:
    """Runs the house and a station of two EVSEs that has booted, unless it is not to come.

    Args:
        url: of a migrated database.
        version: of OCPP.
        come: whether it connects and boots before the test.
        known: whether somebody has created it; else it waits for approval.
        settings: of the house, where they are not the usual ones.
        pki: the authority that our server's certificates and the station's come from, where there
            is a door with TLS.
        fields: of the station, as it is created over REST.
    """
    chosen = {**(_tls_settings(pki) or {}), **(settings or {})}
    async with rest_house(url, limits=LIMITS, settings=chosen or None) as house:
        parts: dict[str, Any] = {
            "db": house.db,
            "clock": house.clock,
            "ids": house.services.ids,
        }
        keepers = [
            keeper(**parts, activity=house.activity)
            for keeper in (ListKeeper, ReservationKeeper, UpdateKeeper)
        ]
        for number, keeper in enumerate(keepers):
            await keeper.start()
            house.services.bus.subscribe(f"keeper-{number}", keeper.follows, keeper.heard)
        host = StationHost(**parts)
        house.services.bus.subscribe("stations", host.follows, host.heard)
        port = await house.gateway.start("127.0.0.1", 0)
        site = await house.site()
        plugs = [{"connector_id": 1}]
        evses = [{"evse_id": number, "connectors": plugs} for number in (1, 2)]
        password = ""
        if known:
            made = await house.station(IDENTITY, site["id"], evses=evses, **fields)
            password = made["password"]
        for token in _TOKENS:
            await house.post("/id-tokens", {"type": "ISO14443", **token})
        station = PlayedStation(house, port, version, password)
        if pki is not None:
            station.tls_port = await house.gateway.start_tls("127.0.0.1", 0)
        try:
            if come:
                await station.come()
            yield station
        finally:
            await station.hang_up()
            for keeper in keepers:
                await keeper.stop()
